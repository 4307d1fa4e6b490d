// A disk that takes long, and one that is full, under requests with an Idempotency-Key: nobody else waits, no lab stays locked.
import test from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { Daemon } from './daemon.mjs';

const SYNC_MS = 2000; // of one commit at least
const SOON_MS = 1000; // for an answer that needs no commit, on a busy machine
const keyed = (key) => ({ headers: { 'idempotency-key': key } });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function timed(promise) {
  const begun = performance.now();
  const reply = await promise;
  return { reply, ms: performance.now() - begun };
}

// Enough connections that each HTTP thread has some.
const ask_all = (daemon, path) => Promise.all(Array.from({ length: 12 }, () => timed(daemon.get(path))));

test('operations with a key wait for the disk, and nobody waits for them', async (t) => {
  const daemon = await Daemon.start({ slow_disk: true });
  t.after(() => daemon.end());
  const lab = await daemon.lab();
  const path = `labs/${lab.id}`;
  const op = { op: 'alloc_pages', order: 0 };
  daemon.set_disk(SYNC_MS);
  const plain = timed(daemon.post(`${path}/ops`, op));
  await sleep(200);
  const once = Array.from({ length: 4 }, () => timed(daemon.post(`${path}/ops`, op, keyed('once'))));
  const others = Array.from({ length: 8 }, (_, i) => timed(daemon.post(`${path}/ops`, op, keyed(`other ${i}`))));
  await sleep(200);
  for (const asked of ['/healthz', path, `${path}/zones`]) {
    const seen = await ask_all(daemon, asked);
    for (const { reply, ms } of seen) {
      assert.equal(reply.status, 200);
      assert.ok(ms < SOON_MS, `${asked}: ${ms} ms`);
    }
  }
  const done = await Promise.all([plain, ...once, ...others]);
  for (const { reply, ms } of done) {
    assert.equal(reply.status, 201, reply.text);
    assert.ok(ms > SYNC_MS / 2, `${ms} ms: before it was on disk`);
  }
  const answers = done.slice(1, 5).map(({ reply }) => reply.text);
  assert.equal(new Set(answers).size, 1);
  assert.equal((await daemon.get(path)).body.seq, 10); // plain, once, 8 others
  daemon.set_disk('');
});

test('a moment that is not on disk yet may not be kept: its number may come to stand for another', async (t) => {
  const daemon = await Daemon.start({ slow_disk: true });
  t.after(() => daemon.end());
  const lab = await daemon.lab();
  const rules = lab.engine.now;
  const headers = (reply) => [/immutable/.test(reply.headers.get('cache-control')), reply.headers.has('etag')];
  const path = `labs/${lab.id}`;
  await daemon.op(lab, { op: 'alloc_pages', order: 0 });
  daemon.set_disk(SYNC_MS);
  const pending = daemon.op(lab, { op: 'alloc_pages', order: 3 });
  await sleep(200);
  const early = await daemon.get(`${path}/zones?at=2&rules=${rules}`);
  assert.equal(early.status, 200);
  assert.deepEqual(headers(early), [false, false]);
  assert.deepEqual(headers(await daemon.get(`${path}/zones?at=1&rules=${rules}`)), [true, true]);
  await pending;
  daemon.set_disk('');
  assert.deepEqual(headers(await daemon.get(`${path}/zones?at=2&rules=${rules}`)), [true, true]);
  const op = await daemon.get(`${path}/ops/2?rules=${rules}`);
  assert.deepEqual(headers(op), [true, true]);
  const again = await daemon.get(`${path}/ops/2?rules=${rules}`, {
    headers: { 'if-none-match': op.headers.get('etag') },
  });
  assert.equal(again.status, 304);
});

test('a lab that is made under a key waits for the disk alone', async (t) => {
  const daemon = await Daemon.start({ slow_disk: true });
  t.after(() => daemon.end());
  const lab = await daemon.lab();
  daemon.set_disk(SYNC_MS);
  const made = timed(daemon.post('labs', { name: 'slow' }, keyed('make')));
  const forked = timed(daemon.post(`labs/${lab.id}/fork`, {}, keyed('fork')));
  await sleep(200);
  for (const { ms } of await ask_all(daemon, '/healthz')) assert.ok(ms < SOON_MS, `${ms} ms`);
  for (const { reply } of await Promise.all([made, forked])) assert.equal(reply.status, 201);
  const ended = timed(daemon.ask('DELETE', `labs/${lab.id}`, keyed('end')));
  await sleep(200);
  for (const { ms } of await ask_all(daemon, '/healthz')) assert.ok(ms < SOON_MS, `${ms} ms`);
  assert.equal((await ended).reply.status, 204);
  daemon.set_disk('');
});

test('a full disk under keys: refused, and the lab answers the next request', async (t) => {
  const daemon = await Daemon.start({ slow_disk: true });
  t.after(() => daemon.end());
  const lab = await daemon.lab();
  const path = `labs/${lab.id}`;
  const op = { op: 'alloc_pages', order: 0 };
  const first = await daemon.post(`${path}/ops`, op, keyed('first'));
  assert.equal(first.status, 201);
  for (let round = 0; round < 5; round++) {
    daemon.set_disk('full');
    const refused = await Promise.all(
      Array.from({ length: 16 }, (_, i) =>
        daemon.post(`${path}/ops`, op, i % 4 ? keyed(`round ${round}, ${i % 3}`) : {}),
      ),
    );
    // 503: who had the lab when its log was lost.
    for (const reply of refused) assert.ok(reply.status === 507 || reply.status === 503, reply.text);
    assert.ok(refused.some((reply) => reply.status === 507));
    const { reply, ms } = await timed(daemon.get(path));
    assert.equal(reply.status, 200);
    assert.equal(reply.body.seq, round + 1);
    assert.ok(ms < SOON_MS, `${ms} ms`);
    daemon.set_disk('');
    const again = await daemon.post(`${path}/ops`, op, keyed(`round ${round}, 1`)); // what was refused has not been answered
    assert.equal(again.status, 201, again.text);
    assert.equal(again.body.seq, round + 2);
    assert.deepEqual((await daemon.post(`${path}/ops`, op, keyed('first'))).body, first.body);
  }
});

test('an import whose peer goes away ends in its own time', async (t) => {
  const daemon = await Daemon.start({ slow_disk: true });
  t.after(() => daemon.end());
  const lab = await daemon.lab();
  const line = '{"op":"alloc_pages","order":0}\n';
  for (const key of ['', 'Idempotency-Key: cut\r\n']) {
    const before = (await daemon.get(`labs/${lab.id}`)).body.seq;
    daemon.set_disk(SYNC_MS);
    const socket = net.connect(daemon.port, '127.0.0.1');
    socket.write(
      `POST /api/v1/labs/${lab.id}/import HTTP/1.1\r\nHost: localhost\r\n${key}Content-Type: application/x-ndjson\r\n` +
        `Content-Length: 1000000\r\n\r\n${line.repeat(5000)}`,
    );
    await sleep(SYNC_MS / 3);
    socket.destroy();
    await sleep(100);
    for (const { ms } of await ask_all(daemon, '/healthz')) assert.ok(ms < SOON_MS, `${ms} ms`);
    daemon.set_disk('');
    while ((await daemon.get(`labs/${lab.id}/import`)).body.running) await sleep(20);
    const { seq } = (await daemon.get(`labs/${lab.id}`)).body;
    assert.ok(key ? seq === before : seq > before, `${seq}`); // the key was not yet on disk when the peer went
  }
});
