// pagodad check, backup and salvage: a sound store is called sound, a damaged one is named, and what can be read is saved.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Daemon, run } from './daemon.mjs';

const has_sqlite = spawnSync('sqlite3', ['--version']).status === 0;
const sql = (store, text) => execFileSync('sqlite3', [store, text], { encoding: 'utf8' }).trim();

async function filled(count = 300) {
  const daemon = await Daemon.start();
  const labs = [await daemon.lab(), await daemon.lab({ profile: 'classic', memory: '16M' })];
  for (const lab of labs) {
    const lines = Array.from({ length: count }, (_, i) =>
      JSON.stringify(
        i % 3 ? { op: 'kmalloc', size: 1 + ((i * 37) % 3000), name: `k${i}` } : { op: 'alloc_pages', order: i % 4 },
      ),
    );
    assert.equal(
      (
        await daemon.post(`labs/${lab.id}/ops?results=summary`, lines.join('\n'), {
          headers: { 'content-type': 'application/x-ndjson' },
        })
      ).status,
      200,
    );
  }
  return { daemon, labs };
}

test('check calls a sound store sound, also while it is served; backup copies it', async () => {
  const { daemon, labs } = await filled();
  const fork = (await daemon.post(`labs/${labs[0].id}/fork`, { at: 100 })).body;
  await daemon.op(fork, { op: 'vmalloc', size: 5000 });
  const checked = run(['check', daemon.store]);
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  assert.match(checked.stdout, /3 labs, 701 operations, .*all as recorded/);
  const copy = join(daemon.directory, 'copy.db');
  assert.equal(run(['backup', daemon.store, copy]).status, 0);
  assert.equal(run(['backup', daemon.store, copy]).status, 2);
  assert.ok(!existsSync(`${copy}.part`));
  assert.equal(run(['check', copy]).stdout, checked.stdout);
  const hash = (await daemon.get(`labs/${fork.id}`)).body.hash;
  const other = await Daemon.start({ store: copy });
  assert.equal((await other.get(`labs/${fork.id}`)).body.hash, hash);
  await other.signal('SIGTERM');
  await daemon.end();
});

test('a second daemon on the same store is refused', async () => {
  const { daemon } = await filled(3);
  const second = run(['serve', '--listen', '127.0.0.1:0', '--store', daemon.store]);
  assert.equal(second.status, 1);
  assert.match(second.stderr, /in use by another pagodad/);
  await daemon.end();
});

test('check names the lab and the operation where a log no longer leads', { skip: !has_sqlite }, async () => {
  const { daemon, labs } = await filled();
  await daemon.signal('SIGTERM');
  const lab = sql(daemon.store, `SELECT id FROM lab WHERE key = '${labs[0].id}'`);
  sql(daemon.store, `UPDATE op SET size = size + 4096 WHERE id = ${lab} << 40 | 77`);
  const checked = run(['check', daemon.store]);
  assert.equal(checked.status, 1);
  assert.match(checked.stdout, new RegExp(`lab ${labs[0].id}: operation 77 \\(kmalloc\\)`));
  assert.match(checked.stdout, new RegExp(`lab ${labs[1].id}: 300 operations`));
  sql(daemon.store, `DELETE FROM op WHERE id = ${lab} << 40 | 70`);
  assert.match(run(['check', daemon.store]).stdout, new RegExp(`lab ${labs[0].id}: .*operation 7[01]`));
  await daemon.resume(); // the other lab is served all the same
  assert.equal((await daemon.get(`labs/${labs[1].id}`)).status, 200);
  const damaged = await daemon.get(`labs/${labs[0].id}`);
  assert.equal(damaged.status, 500);
  assert.match(damaged.body.detail, /damaged between operations 65 and 128/);
  assert.equal((await daemon.get(`labs/${labs[0].id}/ops?from=60&limit=100`)).status, 500);
  assert.equal((await daemon.get(`labs/${labs[0].id}/ops?from=1&limit=60`)).status, 200);
  await daemon.end();
});

test('a torn file is detected, and salvaged up to the tear', async () => {
  const { daemon, labs } = await filled(3000);
  await daemon.signal('SIGTERM');
  const torn = join(daemon.directory, 'torn.db'),
    out = join(daemon.directory, 'out.db');
  copyFileSync(daemon.store, torn);
  truncateSync(torn, Math.floor((statSync(torn).size * 0.6) / 4096) * 4096);
  assert.equal(run(['check', torn]).status, 1);
  const salvaged = run(['check', '--salvage', out, torn]);
  assert.equal(salvaged.status, 1, salvaged.stdout + salvaged.stderr);
  assert.match(salvaged.stdout, new RegExp(`lab ${labs[0].id}: [1-9][0-9]* (of [0-9]+ )?operations saved`));
  const checked = run(['check', out]);
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  const whole = join(daemon.directory, 'whole.db');
  assert.equal(run(['check', '--salvage', whole, daemon.store]).status, 0);
  assert.match(run(['check', whole]).stdout, /2 labs, 6000 operations/);
  await daemon.resume();
  await daemon.end();
});

test('damage in the middle is found; what is no store is said to be none', async () => {
  const { daemon } = await filled(3000);
  await daemon.signal('SIGTERM');
  const bad = join(daemon.directory, 'bad.db');
  copyFileSync(daemon.store, bad);
  const file = openSync(bad, 'r+'),
    size = statSync(bad).size;
  // Behind the schema, without which nothing can be read.
  for (let at = 34; at < size / 4096; at += 7) writeSync(file, Buffer.alloc(512, 0xa5), 0, 512, at * 4096);
  closeSync(file);
  assert.equal(run(['check', bad]).status, 1);
  assert.ok([0, 1].includes(run(['check', '--salvage', `${bad}.out`, bad]).status));
  assert.notEqual(run(['check', new URL(import.meta.url).pathname]).status, 0);
  const missing = run(['check', join(daemon.directory, 'none.db')]);
  assert.equal(missing.status, 2);
  assert.ok(readFileSync(daemon.store).length > 0);
  await daemon.resume();
  await daemon.end();
});
