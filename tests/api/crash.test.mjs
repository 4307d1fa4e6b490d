// kill -9 at random moments under load, again and again: nothing acknowledged is missing or other than it was answered, nothing is
// half-applied, a retry with the same Idempotency-Key applies nothing twice, and in the end every lab replays to the results and
// hashes that were logged. `make test-crash` kills 200 times; KILLS= and SEED= say otherwise.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Daemon, run } from './daemon.mjs';

const KILLS = Number(process.env.KILLS ?? 30),
  CLIENTS = 6;
let seed = Number(process.env.SEED ?? 20261122);
const below = (bound) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor((seed / 4294967296) * bound);
};

const OPS = [
  (i) => ({ op: 'kmalloc', size: 1 + ((i * 37) % 3000) }),
  (i) => ({ op: 'vmalloc', size: 1 + ((i * 4099) % 60000) }),
  (i) => ({ op: 'alloc_pages', order: i % 3 }),
  () => ({ op: 'kmalloc', size: 64, gfp: 'GFP_ATOMIC', context: 'softirq' }),
];

test(`${KILLS} times kill -9 under load`, { timeout: 60_000 + KILLS * 4000 }, async (t) => {
  const daemon = await Daemon.start();
  const labs = [await daemon.lab({ memory: '256M' }), await daemon.lab({ profile: 'classic', memory: '64M' })];
  const begun = performance.now();
  const answers = new Map(),
    in_flight = new Map(),
    last = labs.map(() => 0);
  const counts = { kills: 0, operations: 0, acknowledged_before_a_kill: 0, retried: 0, of_these_on_disk_already: 0 };
  let slowest_start = 0;
  const send = async (i) => {
    const which = i % labs.length;
    in_flight.set(i, which);
    const done = await daemon
      .post(
        `labs/${labs[which].id}/ops`,
        { ...OPS[i % 4](i), name: `n${i}` },
        { headers: { 'idempotency-key': `k${i}` } },
      )
      .catch(() => undefined);
    if (!done) return undefined;
    assert.equal(done.status, 201, done.text);
    in_flight.delete(i);
    const { seq, op, outcome, address, allocated } = done.body;
    answers.set(i, { seq, op, outcome, address, allocated });
    last[which] = Math.max(last[which], seq);
    return seq;
  };
  while (counts.kills < KILLS) {
    let running = true;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (running) await send(counts.operations++);
    });
    await new Promise((resolve) => setTimeout(resolve, 2 + below(60)));
    await daemon.signal('SIGKILL');
    running = false;
    await Promise.all(clients);
    counts.kills++;
    counts.acknowledged_before_a_kill = answers.size - counts.retried;
    await daemon.resume();
    slowest_start = Math.max(slowest_start, daemon.started_ms);
    const found = [];
    for (const [which, lab] of labs.entries()) {
      found[which] = (await daemon.get(`labs/${lab.id}`)).body.seq;
      assert.ok(
        found[which] >= last[which],
        `after ${counts.kills} kills lab ${which} is at ${found[which]}, ${last[which]} was acknowledged`,
      );
    }
    for (const [i, which] of [...in_flight]) {
      counts.retried++;
      counts.of_these_on_disk_already += (await send(i)) <= found[which];
    }
    assert.equal(in_flight.size, 0);
  }
  const seen = new Map();
  for (const lab of labs) {
    const lines = (await daemon.get(`labs/${lab.id}/ops`, { headers: { accept: 'application/x-ndjson' } })).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    lines.forEach((line, k) => {
      const i = Number(line.name.slice(1)),
        { seq, op, outcome, result } = line;
      assert.equal(seq, k + 1);
      assert.ok(!seen.has(i), `operation ${i} was applied twice`);
      seen.set(i, true);
      assert.deepEqual({ seq, op, outcome, address: result.address, allocated: result.allocated }, answers.get(i));
    });
  }
  assert.equal(seen.size, counts.operations);
  assert.equal(answers.size, counts.operations);
  await daemon.signal('SIGTERM');
  const checked = run(['check', daemon.store]);
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  t.diagnostic(
    `${JSON.stringify(counts)}, slowest start ${slowest_start.toFixed(0)} ms, in ${((performance.now() - begun) / 1000).toFixed(0)} s`,
  );
  t.diagnostic(checked.stdout.trim().split('\n').at(-1));
  await daemon.resume();
  await daemon.end();
});
