// SIGTERM in the middle of everything, many times (ROUNDS=): imports and packed bombs run, a hundred watchers are busy, slow
// questions wait for a worker. The daemon ends by itself within five seconds, everybody is answered or cut off, and what was
// acknowledged is there.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { setTimeout as wait } from 'node:timers/promises';
import { Daemon, PAGODAD } from './daemon.mjs';
import { describe_times, say_times } from './load.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 3);
const STOP_MS = PAGODAD.endsWith('/pagodad') ? 5000 : 8000; // a checked build takes longer
const LINE = '{"op":"alloc_pages","order":0}\n';
const zstd = (text) => spawnSync('zstd', ['-c', '-q'], { input: text, maxBuffer: 1 << 28 }).stdout;
const packed = (line) => Buffer.concat(Array(20).fill(gzipSync(Buffer.alloc(10 << 20, line))));
const BODIES = [packed(LINE), packed('x\n'), Buffer.concat(Array(40).fill(zstd(Buffer.alloc(50 << 20, 'x\n'))))];
const NDJSON = { 'content-type': 'application/x-ndjson' };

// Resolves with the reply, or with nothing when the connection was cut off.
const ask = (daemon, ...what) => daemon.ask(...what).catch(() => undefined);

test(`SIGTERM while imports, watchers and bombs are at work, ${ROUNDS} times`, async () => {
  const daemon = await Daemon.start();
  const times = [];
  for (let round = 0; round < ROUNDS; round++) {
    const lab = await daemon.lab({ memory: '256M' });
    const kept = await daemon.lab();
    const watch = { length: 100 };
    const watchers = Array.from(watch, () =>
      daemon.connect(`GET /api/v1/labs/${lab.id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    );
    const imports = BODIES.flatMap((body) =>
      ['?format=ndjson', '?format=ftrace', '?atomic=true'].map((query) =>
        ask(daemon, 'POST', `labs/${lab.id}/import${query}`, { body, headers: NDJSON }),
      ),
    );
    let running = true;
    let acknowledged = 0;
    const client = async (i) => {
      while (running) {
        const reply = await ask(daemon, 'POST', `labs/${kept.id}/ops`, { body: { op: 'alloc_pages', order: 0 } });
        if (reply?.status === 201) acknowledged = Math.max(acknowledged, reply.body.seq);
        else if (reply) assert.equal(reply.status, 503, reply.text);
        if (i % 2) await ask(daemon, 'GET', `labs/${kept.id}/diff?a=0&b=${acknowledged}`);
        await wait(1);
      }
    };
    const clients = Array.from({ length: 8 }, (_, i) => client(i));
    await wait(100 + 37 * (round % 20));
    const begun = performance.now();
    const ended = await daemon.signal('SIGTERM');
    const ms = performance.now() - begun;
    times.push(ms);
    running = false;
    assert.deepEqual(ended, { code: 0, signal: null });
    assert.ok(ms < STOP_MS, `round ${round}: ${ms} ms`);
    assert.doesNotMatch(daemon.errors, /did not end within/, `round ${round}: it gave up waiting`);
    await Promise.all([...clients, ...imports]);
    watchers.forEach((socket) => socket.destroy());
    await daemon.resume();
    assert.ok((await daemon.get(`labs/${kept.id}`)).body.seq >= acknowledged, `round ${round}`);
    await daemon.ask('DELETE', `labs/${lab.id}`);
  }
  console.log(`# stops: ${say_times(describe_times(times))}`);
  await daemon.end();
});

test('SIGHUP changes nothing; a file at its limit is an answer, not the end', async () => {
  const daemon = await Daemon.start({ wrapper: ['prlimit', '--fsize=1500000'] });
  const lab = await daemon.lab();
  daemon.process.kill('SIGHUP');
  assert.equal((await daemon.get('/healthz')).status, 200);
  let reply;
  do reply = await daemon.post(`labs/${lab.id}/import`, LINE.repeat(5000), { headers: NDJSON });
  while (reply.status === 200);
  assert.ok([503, 507].includes(reply.status), reply.text);
  assert.equal((await daemon.get('/healthz')).status, 200);
  const atomic = await daemon.post(`labs/${lab.id}/import?atomic=true`, LINE.repeat(60_000), { headers: NDJSON });
  assert.ok([503, 507].includes(atomic.status), atomic.text);
  assert.deepEqual(await daemon.signal('SIGTERM'), { code: 0, signal: null });
});
