// tests/api/long/soak.test.mjs - weeks of use in SOAK_SECONDS: labs come, are used, watched, imported into, forked, looked back
// at, exported and deleted, by several people at once. The daemon is to need no more at the end than at the beginning.
//
// Every 200 ms its memory (RSS), open files and mappings are read from /proc. The first quarter is its warm-up. The median of
// the last quarter may exceed that of the second by no more than ROOM says; everything that was made is deleted again, so
// that whatever grows with the number of rounds is a leak.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Daemon } from '../daemon.mjs';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 60);
const NR_PEOPLE = 6;
const SAMPLE_MS = 200;
const NDJSON = { 'content-type': 'application/x-ndjson' };
// What one sees, and how much more of it may be there at the end: a share, and a number.
const ROOM = {
  rss_kib: { share: 0.05, number: 4096 },
  fds: { share: 0, number: 10 },
  mappings: { share: 0.1, number: 20 },
};

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

function sample(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    rss_kib: Number(/VmRSS:\s+(\d+)/.exec(status)[1]),
    fds: readdirSync(`/proc/${pid}/fd`).length,
    mappings: readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').length,
  };
}

// Names and sizes come again in each round: words stay in the store.
const lines = (nr, size) =>
  Array.from({ length: nr }, (_, i) =>
    i % 3 === 2
      ? `{"op":"kfree","name":"k${i - 2}"}`
      : `{"op":"${i % 3 ? 'vmalloc' : 'kmalloc'}","size":${size + 40 * i},"name":"k${i}"}`,
  ).join('\n') + '\n';

// What a lab goes through. ask() throws when the answer is a fault of the daemon.
async function live(daemon, ask, round) {
  const profile = round % 2 ? 'classic' : 'linux-6.1';
  const lab = (await ask('POST', 'labs', { body: { name: 'soak', profile, memory: '32M' } })).body;
  const path = `labs/${lab.id}`;
  const watched = daemon.events(lab, 0, ({ id }) => id >= 20);
  for (let i = 0; i < 20; i++)
    await ask('POST', `${path}/ops`, {
      body: { op: 'kmalloc', size: 100 + i },
      headers: { 'idempotency-key': `${i}` },
    });
  await watched;
  await ask('POST', `${path}/import`, { body: lines(600, 64), headers: NDJSON });
  await ask('POST', `${path}/import?atomic=true`, { body: lines(60, 4000), headers: NDJSON });
  await ask('POST', `${path}/import?atomic=true`, { body: `${lines(30, 64)}{"op":"no"}\n`, headers: NDJSON });
  await ask('POST', `${path}/ops`, { body: { op: 'spawn' } });
  await ask('POST', `${path}/ops`, { body: '{"op":"kmalloc","size":' });
  for (const view of ['zones', 'frames?at=300', 'caches', 'diff?a=10&b=500', 'ops?from=1&limit=50'])
    await ask('GET', `${path}/${view}`);
  const fork = (await ask('POST', `${path}/fork`, { body: { at: 333 } })).body;
  await ask('POST', `labs/${fork.id}/import`, { body: lines(200, 300), headers: NDJSON });
  await ask('GET', `${path}/export?format=${['ndjson', 'csv', 'sqlite', 'ftrace'][round % 4]}`, { raw: true });
  const cut = daemon.connect(`GET /api/v1/${path}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await cut.ready;
  await ask('DELETE', round % 3 ? path : `labs/${fork.id}`);
  await ask('DELETE', round % 3 ? `labs/${fork.id}` : path);
  cut.destroy();
}

test(`${SECONDS} seconds of use, and nothing grows`, async (t) => {
  const daemon = await Daemon.start({ arguments: ['--idle', '2', '--budget', '1G'] });
  t.after(() => daemon.end());
  const end = performance.now() + SECONDS * 1000;
  let rounds = 0;
  const ask = async (method, path, options) => {
    for (;;) {
      const reply = await daemon.ask(method, path, options);
      assert.ok(reply.status < 500 || reply.status === 503, `${method} ${path}: ${reply.status} ${reply.text}`);
      if (reply.status !== 503 && reply.status !== 429) return reply;
      await wait(50);
    }
  };
  const person = async () => {
    while (performance.now() < end) await live(daemon, ask, rounds++);
  };
  const people = Promise.all(Array.from({ length: NR_PEOPLE }, person));
  const samples = [];
  while (performance.now() < end) {
    samples.push(sample(daemon.process.pid));
    await wait(SAMPLE_MS);
  }
  await people;
  t.diagnostic(`${rounds} labs and forks`);
  const quarter = (n) =>
    samples.slice(Math.floor((n * samples.length) / 4), Math.floor(((n + 1) * samples.length) / 4));
  for (const [what, room] of Object.entries(ROOM)) {
    const [before, after] = [1, 3].map((n) => median(quarter(n).map((each) => each[what])));
    t.diagnostic(`${what}: ${before} in the second quarter, ${after} in the last`);
    assert.ok(after <= before * (1 + room.share) + room.number, `${what} grows: ${before}, then ${after}`);
  }
  const labs = (await daemon.get('labs')).body.labs;
  assert.equal(labs.length, 0);
});
