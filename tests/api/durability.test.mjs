// What was acknowledged survives: kill -9, restarts, event streams that were cut off; and the store reads well in SQL.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon, run } from './daemon.mjs';

const RANDOM_OPS = [
  (i) => ({ op: 'kmalloc', size: 1 + ((i * 37) % 9000), name: `k${i}`, call_site: 'test+0x1' }),
  (i) => ({ op: 'vmalloc', size: 1 + ((i * 4099) % 60000), name: `v${i}` }),
  (i) => ({ op: 'alloc_pages', order: i % 4, gfp: 'GFP_ATOMIC' }),
  (i) => ({ op: 'kmalloc', size: i, gfp: 'GFP_KERNEL', context: 'hardirq' }),
  (i) => ({ op: 'kfree', name: `k${i - 4}` }),
];
const op_at = (i) => RANDOM_OPS[i % RANDOM_OPS.length](i);
const has_sqlite = spawnSync('sqlite3', ['--version']).status === 0;

test('kill -9 under load loses nothing that was acknowledged', async () => {
  const daemon = await Daemon.start();
  const labs = [await daemon.lab(), await daemon.lab({ profile: 'classic', memory: '16M' })];
  for (let round = 0; round < 4; round++) {
    const acknowledged = labs.map(() => 0);
    let running = true;
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let i = 0; running; i++) {
        const which = (client + i) % labs.length;
        const done = await daemon
          .post(`labs/${labs[which].id}/ops`, { op: 'kmalloc', size: 16 + (i % 2000) })
          .catch(() => undefined);
        if (done?.status === 201) acknowledged[which] = Math.max(acknowledged[which], done.body.seq);
      }
    });
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    await sleep(150 + 70 * round);
    while (acknowledged.includes(0)) await sleep(10); // a busy machine may need longer for its first answers
    await daemon.signal('SIGKILL');
    running = false;
    await Promise.all(clients);
    await daemon.resume();
    for (const [which, lab] of labs.entries()) {
      const now = (await daemon.get(`labs/${lab.id}`)).body;
      assert.ok(now.seq >= acknowledged[which], `${now.seq} < ${acknowledged[which]}`);
      assert.ok(acknowledged[which] > 0);
    }
  }
  await daemon.end();
});

test('the machine that comes back is the one that was', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  for (let i = 0; i < 60; i++) await daemon.post(`labs/${lab.id}/ops`, op_at(i));
  const { pid } = await daemon.op(lab, { op: 'spawn', name: 'sh', touch: 'all' });
  const heap = await daemon.op(lab, { op: 'malloc', pid, size: 100_000, name: 'big' });
  await daemon.op(lab, { op: 'write', address: heap.address, pid, fill: 170, length: 5000 });
  const before = (await daemon.get(`labs/${lab.id}`)).body;
  const views = ['frames', 'caches', 'allocations', 'vmalloc', `processes/${pid}/heap`, 'stats'];
  const seen = await Promise.all(views.map(async (view) => (await daemon.get(`labs/${lab.id}/${view}`)).text));
  for (const name of ['SIGKILL', 'SIGTERM', 'SIGINT']) {
    const ended = await daemon.signal(name);
    if (name !== 'SIGKILL') assert.equal(ended.code, 0);
    await daemon.resume();
    assert.deepEqual((await daemon.get(`labs/${lab.id}`)).body, before);
    assert.deepEqual(
      await Promise.all(views.map(async (view) => (await daemon.get(`labs/${lab.id}/${view}`)).text)),
      seen,
    );
  }
  assert.equal((await daemon.op(lab, { op: 'kmalloc', size: 1 })).seq, before.seq + 1);
  await daemon.end();
});

test('an Idempotency-Key is remembered across a crash', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  const send = () =>
    daemon.post(`labs/${lab.id}/ops`, { op: 'alloc_pages', order: 2 }, { headers: { 'idempotency-key': 'once' } });
  const first = await send();
  await daemon.signal('SIGKILL');
  await daemon.resume();
  assert.deepEqual((await send()).body, first.body);
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, 1);
  await daemon.end();
});

test('the store reads well in the sqlite3 shell', { skip: !has_sqlite }, async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  await daemon.op(lab, { op: 'kmalloc', size: 1000, gfp: 'GFP_KERNEL|__GFP_ZERO', name: 'a', call_site: 'demo' });
  await daemon.op(lab, { op: 'kfree', name: 'a' });
  await daemon.op(lab, { op: 'kfree', address: '0xffff888000001000' });
  const sql = (text) => execFileSync('sqlite3', ['-readonly', '-json', daemon.store, text], { encoding: 'utf8' });
  const rows = JSON.parse(
    sql(
      `SELECT seq, op, size, gfp, name, call_site, address, outcome, result, allocated FROM trace WHERE lab = '${lab.id}' ORDER BY seq`,
    ),
  );
  assert.equal(rows.length, 3);
  assert.deepEqual(
    [rows[0].op, rows[0].size, rows[0].gfp, rows[0].name, rows[0].call_site, rows[0].outcome, rows[0].allocated],
    ['kmalloc', 1000, 'GFP_KERNEL|__GFP_ZERO', 'a', 'demo', 'ok', 1024],
  );
  assert.match(rows[0].result, /^0xffff8880/);
  assert.equal(rows[2].outcome, 'bug');
  assert.equal(rows[2].address, '0xffff888000001000');
  await daemon.signal('SIGTERM');
  execFileSync('sqlite3', [daemon.store, 'PRAGMA user_version = 99']);
  const refused = run(['serve', '--listen', '127.0.0.1:0', '--store', daemon.store]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /newer pagodad/);
});

test('an event stream resumes where it was cut off', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  const live = daemon.events(lab, undefined, (event) => event.id === 3);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const results = [];
  for (let i = 0; i < 3; i++) results.push(await daemon.op(lab, { op: 'kmalloc', size: 100 + i }));
  const seen = await live;
  assert.deepEqual(
    seen.map((event) => event.id),
    [1, 2, 3],
  );
  assert.ok(seen.every((event) => event.event === 'op'));
  const { request, ...first } = seen[0].data;
  assert.deepEqual(first, results[0]);
  assert.equal(request.size, 100);
  for (let i = 0; i < 600; i++) await daemon.post(`labs/${lab.id}/ops`, { op: 'alloc_pages', order: 0 });
  const resumed = await daemon.events(lab, 1, (event) => event.id === 603);
  assert.deepEqual(
    resumed.map((event) => event.id),
    Array.from({ length: 602 }, (_, i) => i + 2),
  );
  assert.equal((await daemon.get(`labs/${lab.id}/events`, { headers: { 'last-event-id': '9999' } })).status, 422);
  const open = daemon.events(lab, undefined, () => false); // a stream must not hold up the end
  await new Promise((resolve) => setTimeout(resolve, 50));
  await daemon.end();
  await open;
});

// A file system of 2 MiB of one's own, where that can be had (as root).
const small_disk = mkdtempSync(join(tmpdir(), 'pagoda-disk-'));
const has_small_disk = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small_disk]).status === 0;
test(
  'a full disk: 507, the lab back at its durable state, and service again once there is room',
  { skip: !has_small_disk },
  async (t) => {
    const daemon = await Daemon.start({ store: join(small_disk, 'pagoda.db') });
    t.after(() => daemon.end());
    const lab = await daemon.lab();
    let acknowledged = 0,
      refused;
    for (let i = 0; i < 20_000 && !refused; i++) {
      const done = await Promise.all(
        Array.from({ length: 8 }, (_, k) =>
          daemon.post(`labs/${lab.id}/ops`, { op: 'kmalloc', size: 64, call_site: `site ${i} ${k}`.padEnd(60, '.') }),
        ),
      );
      for (const reply of done) if (reply.status === 201) acknowledged = Math.max(acknowledged, reply.body.seq);
      refused = done.find((reply) => reply.status !== 201);
    }
    assert.equal(refused.status, 507, refused.text);
    const now = (await daemon.get(`labs/${lab.id}`)).body;
    assert.ok(now.seq >= acknowledged);
    const long = { op: 'kmalloc', size: 64, call_site: 'x'.repeat(63) }; // a small one may still have fitted
    let last = 201;
    for (let i = 0; i < 5000 && last === 201; i++)
      last = (await daemon.post(`labs/${lab.id}/ops`, { ...long, call_site: `${i}`.padEnd(63, 'x') })).status;
    assert.equal(last, 507);
    const full = (await daemon.get(`labs/${lab.id}`)).body;
    assert.ok(full.seq >= now.seq);
    execFileSync('mount', ['-o', 'remount,size=16m', small_disk]);
    assert.equal((await daemon.op(lab, { op: 'kmalloc', size: 64 })).seq, full.seq + 1);
    await daemon.signal('SIGKILL');
    await daemon.resume();
    assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, full.seq + 1);
  },
);
test.after(() => {
  if (has_small_disk) spawnSync('umount', ['-l', small_disk]);
  rmdirSync(small_disk);
});
