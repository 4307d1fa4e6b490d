// ?atomic=true is all or nothing: when the daemon is killed in the middle, when the import is stopped, when the disk is full;
// and an Idempotency-Key sees to it that a retry applies nothing twice.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon, run } from './daemon.mjs';

const KILLS = Number(process.env.KILLS ?? 12),
  BEFORE = 60,
  LINES = 20_000;
let seed = Number(process.env.SEED ?? 20261122);
const below = (bound) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor((seed / 4294967296) * bound);
};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const lines = (nr, tag) =>
  Array.from({ length: nr }, (_, i) =>
    JSON.stringify(
      i % 3 === 2
        ? { op: 'kfree', name: `${tag}${i - 2}` }
        : { op: 'kmalloc', size: 1 + ((i * 37) % 300), name: `${tag}${i}` }, // a third stays: sixty imports fit
    ),
  ).join('\n') + '\n';
const ask = (daemon, lab, body, key) =>
  daemon.post(`labs/${lab.id}/import?format=ndjson&atomic=true`, body, {
    headers: { 'content-type': 'application/x-ndjson', ...(key ? { 'idempotency-key': key } : {}) },
  });
const look = async (daemon, lab) => {
  const { seq, hash } = (await daemon.get(`labs/${lab.id}`)).body;
  return { seq, hash };
};

test(
  `${KILLS} times kill -9 in the middle of an import: everything or nothing`,
  { timeout: 30_000 + KILLS * 10_000 },
  async (t) => {
    const daemon = await Daemon.start();
    const lab = await daemon.lab({ memory: '256M' });
    for (let i = 0; i < BEFORE; i++) await daemon.op(lab, { op: 'kmalloc', size: 100 + i });
    const counts = { nothing: 0, everything: 0, in_second_pass: 0, acknowledged: 0 };
    for (let kill = 0; kill < KILLS; kill++) {
      const before = await look(daemon, lab),
        body = lines(LINES, `k${kill}-`);
      const at = below(LINES);
      let acknowledged,
        running = true;
      const sent = ask(daemon, lab, body, `import-${kill}`)
        .then(
          (done) => {
            acknowledged = done;
          },
          () => undefined,
        )
        .finally(() => {
          running = false;
        });
      for (let done = 0; running && done < at; await pause(1))
        done = (await daemon.get(`labs/${lab.id}/import`)).body.operations;
      const was_running = running;
      await daemon.signal('SIGKILL');
      await sent;
      await daemon.resume();
      const listed = (await daemon.get('labs')).body.labs[0].seq; // without waking it
      const after = await look(daemon, lab);
      assert.equal(listed, after.seq);
      assert.ok(after.seq === before.seq || after.seq === before.seq + LINES, `${before.seq} -> ${after.seq}`);
      if (acknowledged) assert.equal(after.seq, before.seq + LINES);
      if (after.seq === before.seq) assert.equal(after.hash, before.hash);
      counts.in_second_pass += was_running;
      counts.acknowledged += Boolean(acknowledged);
      counts[after.seq === before.seq ? 'nothing' : 'everything']++;
      // Nothing of it is left in the way of what comes next, and the retry applies it once.
      const again = await ask(daemon, lab, body, `import-${kill}`);
      assert.equal(again.status, 200, again.text);
      assert.deepEqual([again.body.applied, again.body.seq], [LINES, before.seq + LINES]);
      assert.equal((await look(daemon, lab)).seq, before.seq + LINES);
    }
    await daemon.signal('SIGTERM');
    const checked = run(['check', daemon.store]);
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    t.diagnostic(JSON.stringify(counts));
    assert.ok(counts.nothing > 0 && counts.in_second_pass >= KILLS / 2);
    await daemon.resume();
    await daemon.end();
  },
);

test('an import that is stopped in its second pass leaves nothing', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab({ memory: '256M' });
  await daemon.op(lab, { op: 'kmalloc', size: 100 });
  const before = await look(daemon, lab);
  const sent = ask(daemon, lab, lines(60_000, 's'));
  for (let done = 0; done < 1000; await pause(1)) done = (await daemon.get(`labs/${lab.id}/import`)).body.operations;
  assert.equal((await daemon.ask('DELETE', `labs/${lab.id}/import`)).status, 204);
  const stopped = await sent;
  assert.equal(stopped.status, 409, stopped.text);
  assert.deepEqual(await look(daemon, lab), before);
  assert.equal((await daemon.op(lab, { op: 'kmalloc', size: 7 })).seq, 2);
  await daemon.signal('SIGTERM');
  assert.equal(run(['check', daemon.store]).status, 0);
  await daemon.resume();
  await daemon.end();
});

test('an import with an Idempotency-Key is applied once, also after a restart', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  for (const atomic of ['', '&atomic=true']) {
    const path = `labs/${lab.id}/import?format=ndjson${atomic}`,
      body = lines(300, `a${atomic.length}`);
    const post = (text, key) =>
      daemon.post(path, text, { headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': key } });
    const first = await post(body, `once${atomic.length}`);
    assert.equal(first.status, 200, first.text);
    assert.deepEqual((await post(body, `once${atomic.length}`)).body, first.body);
    await daemon.signal('SIGKILL');
    await daemon.resume();
    const again = await post(body, `once${atomic.length}`);
    assert.deepEqual([again.status, again.body], [200, first.body]);
    const other = await post(body + '{"op":"kmalloc","size":1}\n', `once${atomic.length}`);
    assert.equal(other.status, 422);
    assert.match(other.text, /another request/);
    assert.equal((await look(daemon, lab)).seq, first.body.seq);
    // Of a bad one nothing is kept: put right, it may come under the same key.
    assert.equal((await post('{"op":"nonsense"}\n', `bad${atomic.length}`)).status, 422);
    assert.equal((await post('{"op":"kmalloc","size":1}\n', `bad${atomic.length}`)).status, 200);
  }
  await daemon.end();
});

test('an import under a key that was cut short is not begun again', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab({ memory: '256M' });
  const body = lines(60_000, 'c'),
    headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': 'cut' };
  const sent = daemon.post(`labs/${lab.id}/import?format=ndjson`, body, { headers }).catch(() => undefined);
  while ((await daemon.get(`labs/${lab.id}`)).body.seq < 5000) await pause(1);
  await daemon.signal('SIGKILL');
  await sent;
  await daemon.resume();
  const { seq } = await look(daemon, lab);
  assert.ok(seq > 0 && seq < 60_000, `${seq}`);
  const again = await daemon.post(`labs/${lab.id}/import?format=ndjson`, body, { headers });
  assert.equal(again.status, 409, again.text);
  assert.match(again.text, /cut short/);
  assert.equal((await look(daemon, lab)).seq, seq);
  await daemon.end();
});

// A file system of 8 MiB of one's own, where that can be had (as root).
const small_disk = mkdtempSync(join(tmpdir(), 'pagoda-disk-'));
const has_small_disk = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small_disk]).status === 0;
test(
  'an import that the disk has no room for: 507, and nothing of it, or what was durable; then there is room',
  { skip: !has_small_disk },
  async (t) => {
    const daemon = await Daemon.start({ store: join(small_disk, 'pagoda.db') });
    t.after(() => daemon.end());
    const lab = await daemon.lab({ memory: '256M' }),
      other = await daemon.lab();
    await daemon.op(lab, { op: 'kmalloc', size: 100 });
    const before = await look(daemon, lab),
      body = lines(90_000, 'f');
    const refused = await ask(daemon, lab, body, 'full');
    assert.equal(refused.status, 507, refused.text);
    assert.equal((await daemon.get('/healthz')).status, 200);
    assert.equal((await daemon.get('labs')).body.labs[0].seq, before.seq);
    spawnSync('mount', ['-o', 'remount,size=10m', small_disk]);
    assert.deepEqual(await look(daemon, lab), before);
    assert.equal((await daemon.op(other, { op: 'kmalloc', size: 1 })).seq, 1);

    const partly = await daemon.post(`labs/${lab.id}/import?format=ndjson`, lines(140_000, 'h'), {
      headers: { 'content-type': 'application/x-ndjson' },
    });
    assert.equal(partly.status, 507, partly.text);
    spawnSync('mount', ['-o', 'remount,size=64m', small_disk]);
    const { seq } = await look(daemon, lab);
    assert.ok(seq >= before.seq && seq < 140_000, `${seq}`);
    const again = await ask(daemon, lab, lines(90_000, 'g'), 'full g');
    assert.deepEqual([again.status, again.body.seq], [200, seq + 90_000]);
    await daemon.signal('SIGKILL');
    await daemon.resume();
    assert.equal((await look(daemon, lab)).seq, seq + 90_000);
    const checked = run(['check', daemon.store]);
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  },
);
test.after(() => {
  if (has_small_disk) spawnSync('umount', ['-l', small_disk]);
  rmdirSync(small_disk);
});
