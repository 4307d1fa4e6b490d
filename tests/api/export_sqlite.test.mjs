// A lab as a store of its own: pagodad serves it with the identical state at every moment, a fork's shared history included.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon, run } from './daemon.mjs';

const has_sqlite = spawnSync('sqlite3', ['--version']).status === 0;
const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };
const lines = (nr, tag) =>
  Array.from({ length: nr }, (_, i) =>
    JSON.stringify(
      i % 5 === 4
        ? { op: 'kfree', name: `${tag}${i - 2}` }
        : { op: 'kmalloc', size: 1 + ((i * 37) % 9000), name: `${tag}${i}`, call_site: `site+${i % 7}` },
    ),
  ).join('\n');
const fill = (daemon, lab, nr, tag) => daemon.post(`labs/${lab.id}/import?format=ndjson`, lines(nr, tag), NDJSON);
const strays = (daemon) => readdirSync(daemon.directory).filter((name) => name.includes('export'));

async function family() {
  const daemon = await Daemon.start();
  const lab = await daemon.lab({ name: 'parent' });
  await daemon.op(lab, { op: 'kmem_cache_create', cache: 'foo', size: 200 });
  await daemon.op(lab, { op: 'mark', text: 'half way' });
  assert.equal((await fill(daemon, lab, 30_000, 'p')).status, 200);
  const fork = (await daemon.post(`labs/${lab.id}/fork`, { at: 25_000, name: 'child' })).body;
  assert.equal((await fill(daemon, fork, 2000, 'c')).status, 200);
  const grandchild = (await daemon.post(`labs/${fork.id}/fork`, { name: 'grandchild' })).body;
  assert.equal((await fill(daemon, grandchild, 100, 'g')).status, 200);
  return { daemon, labs: [lab, fork, grandchild] };
}

test('an exported lab opens as a store and is the same at every moment', async (t) => {
  const { daemon, labs } = await family();
  for (const [i, lab] of labs.entries())
    for (const snapshots of ['', '&snapshots=true']) {
      const reply = await daemon.ask('GET', `labs/${lab.id}/export?format=sqlite${snapshots}`, { raw: true });
      assert.equal(reply.status, 200);
      assert.equal(reply.headers.get('content-type'), 'application/vnd.sqlite3');
      const store = join(daemon.directory, `lab-${i}${snapshots.length}.db`);
      writeFileSync(store, reply.body);
      const here = (await daemon.get(`labs/${lab.id}`)).body;
      const checked = run(['check', store]);
      assert.equal(checked.status, 0, checked.stdout + checked.stderr);
      assert.match(checked.stdout, new RegExp(`^1 labs, ${here.seq} operations, `, 'm'));
      const sql = (text) => execFileSync('sqlite3', [store, text], { encoding: 'utf8' }).trim();
      if (has_sqlite)
        assert.equal(
          sql(
            'SELECT count(*) > 0, count(*) = (SELECT count(DISTINCT id) FROM image) FROM snapshot WHERE nr_parts > 0',
          ),
          snapshots ? '1|1' : '0|1',
        );
      const other = await Daemon.start({ store });
      assert.deepEqual((await other.get(`labs/${lab.id}`)).body, here);
      for (const at of [2, 20_000, 25_000, here.seq - 7])
        assert.equal(
          (await other.get(`labs/${lab.id}/caches?at=${at}`)).text,
          (await daemon.get(`labs/${lab.id}/caches?at=${at}`)).text,
        );
      assert.equal((await other.op(here, { op: 'kmalloc', size: 10 })).seq, here.seq + 1);
      await other.signal('SIGTERM');
      t.diagnostic(`${here.name}${snapshots}: ${(reply.body.length / here.seq).toFixed(1)} bytes an operation`);
      if (has_sqlite) {
        assert.equal(sql("SELECT text FROM trace WHERE op = 'mark'"), 'half way');
        assert.equal(sql('PRAGMA integrity_check'), 'ok');
        assert.equal(sql('SELECT count(DISTINCT call_site) FROM trace'), '7');
      }
    }
  assert.deepEqual(strays(daemon), []);
  assert.equal((await daemon.get(`labs/${labs[0].id}/export?format=xls`)).status, 422);
  await daemon.end();
});

test('an export that nobody waits for leaves nothing behind, nor does a daemon that is killed', async () => {
  const { daemon, labs } = await family();
  for (let i = 0; i < 8; i++)
    await new Promise((resolve) => {
      const request = http.get(`${daemon.base}/labs/${labs[0].id}/export?format=sqlite`, (reply) =>
        reply.once('data', () => {
          request.destroy();
          resolve();
        }),
      );
      if (i % 2)
        setTimeout(() => {
          request.destroy();
          resolve();
        }, 5 * i);
      request.on('error', resolve);
    });
  const [open] = [daemon.get(`labs/${labs[0].id}/export?format=sqlite`).catch(() => undefined)];
  assert.equal((await daemon.op(labs[0], { op: 'kmalloc', size: 10 })).outcome, 'ok');
  await daemon.signal('SIGKILL');
  await open;
  assert.deepEqual(strays(daemon), []);
  await daemon.resume();
  await daemon.end();
});
