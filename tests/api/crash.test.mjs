// kill -9 at random moments under load, again and again: nothing acknowledged is missing, nothing is half-applied, a retry with
// the same Idempotency-Key applies nothing twice, and in the end every lab replays to the hashes that were logged.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Daemon, run } from './daemon.mjs';

const KILLS = 200, TIME_MS = 55_000, CLIENTS = 6;
let seed = Number(process.env.SEED ?? 20261122);
const below = bound => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return Math.floor(seed / 4294967296 * bound); };

const OPS = [
  i => ({ op: 'kmalloc', size: 1 + i * 37 % 3000 }), i => ({ op: 'vmalloc', size: 1 + i * 4099 % 60000 }),
  i => ({ op: 'alloc_pages', order: i % 3 }), () => ({ op: 'kmalloc', size: 64, gfp: 'GFP_ATOMIC', context: 'softirq' }),
];

test('200 times kill -9', { timeout: 120_000 }, async t => {
  const daemon = await Daemon.start();
  const labs = [await daemon.lab({ memory: '256M' }), await daemon.lab({ profile: 'classic', memory: '64M' })];
  const begun = performance.now();
  const acknowledged = labs.map(() => 0), in_flight = new Map();
  let next = 0, kills = 0, retried = 0;
  const send = async i => {
    const which = i % labs.length;
    in_flight.set(i, which);
    const done = await daemon.post(`labs/${labs[which].id}/ops`, { ...OPS[i % 4](i), name: `n${i}` }, { headers: { 'idempotency-key': `k${i}` } }).catch(() => undefined);
    if (!done) return;
    assert.equal(done.status, 201, done.text);
    in_flight.delete(i);
    acknowledged[which] = Math.max(acknowledged[which], done.body.seq);
  };
  while (kills < KILLS && performance.now() - begun < TIME_MS) {
    let running = true;
    const clients = Array.from({ length: CLIENTS }, async () => { while (running) await send(next++); });
    await new Promise(resolve => setTimeout(resolve, 2 + below(60)));
    await daemon.signal('SIGKILL');
    running = false;
    await Promise.all(clients);
    kills++;
    await daemon.resume();
    for (const [which, lab] of labs.entries()) {
      const now = (await daemon.get(`labs/${lab.id}`)).body;
      assert.ok(now.seq >= acknowledged[which], `after ${kills} kills lab ${which} is at ${now.seq}, ${acknowledged[which]} was acknowledged`);
    }
    for (const i of [...in_flight.keys()]) { retried++; await send(i); }
    assert.equal(in_flight.size, 0);
  }
  const seen = new Map();
  for (const [which, lab] of labs.entries()) {
    const lines = (await daemon.get(`labs/${lab.id}/ops`, { headers: { accept: 'application/x-ndjson' } })).text.trim().split('\n').map(line => JSON.parse(line));
    lines.forEach((op, k) => { assert.equal(op.seq, k + 1); seen.set(op.name, (seen.get(op.name) ?? 0) + 1); });
    assert.ok(lines.length >= acknowledged[which]);
  }
  assert.equal(seen.size, next);
  assert.ok([...seen.values()].every(times => times === 1));
  await daemon.signal('SIGTERM');
  const checked = run(['check', daemon.store]);
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  t.diagnostic(`${kills} kills, ${next} operations, ${retried} retried, in ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  assert.ok(kills >= 20);
  await daemon.resume();
  await daemon.end();
});
