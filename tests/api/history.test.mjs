// Time travel and hibernation: any moment of a long lab, before and after a restart, is the moment that was; labs that nobody
// uses leave memory and come back.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };
const lines = (from, count) =>
  Array.from({ length: count }, (_, k) => {
    const i = from + k;
    return JSON.stringify(
      i % 2 ? { op: 'kfree', name: `a${i - 1}` } : { op: 'kmalloc', size: 1 + ((i * 7919) % 2000), name: `a${i}` },
    );
  }).join('\n');
const post_lines = (daemon, lab, from, count) =>
  daemon.post(`labs/${lab.id}/ops?results=summary`, lines(from, count), NDJSON);
const metric = async (daemon, name) =>
  Number(new RegExp(`^${name} (\\d+)`, 'm').exec((await daemon.get('/metrics')).text)?.[1]);

test('a long lab: every moment as it was, before and after a restart', async (t) => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  const path = `labs/${lab.id}`,
    seen = new Map();
  for (let i = 0; i < 30_000; i += 3000) {
    await post_lines(daemon, lab, i, 3000);
    seen.set(i + 3000, (await daemon.get(`${path}/caches`)).text);
  }
  const look = async () => {
    for (const [seq, text] of [...seen].reverse())
      assert.equal((await daemon.get(`${path}/caches?at=${seq}`)).text, text, `at ${seq}`);
  };
  await look();
  const before = (await daemon.get(path)).body;
  await daemon.signal('SIGKILL');
  await daemon.resume();
  const begun = performance.now();
  assert.deepEqual((await daemon.get(path)).body, before);
  t.diagnostic(`opened after a crash in ${(performance.now() - begun).toFixed(0)} ms`);
  await look();
  const times = [];
  for (let i = 0; i < 40; i++) {
    const start = performance.now();
    assert.equal((await daemon.get(`${path}/zones?at=${(i * 12347) % 30000}`)).status, 200);
    times.push(performance.now() - start);
  }
  t.diagnostic(`seek p95 ${times.sort((a, b) => a - b)[37].toFixed(0)} ms`);
  await daemon.end();
});

test('labs beyond the memory budget sleep and come back', async () => {
  const daemon = await Daemon.start({ arguments: ['--budget', '1'] });
  const labs = [];
  for (let i = 0; i < 5; i++) {
    labs.push(await daemon.lab({ name: `lab ${i}` }));
    await post_lines(daemon, labs[i], 0, 200);
    labs[i] = (await daemon.get(`labs/${labs[i].id}`)).body;
  }
  for (let tries = 0; tries < 100 && (await metric(daemon, 'pagoda_labs_awake')) > 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await metric(daemon, 'pagoda_labs_awake'), 0);
  for (const lab of labs) assert.deepEqual((await daemon.get(`labs/${lab.id}`)).body, lab);
  await daemon.end();
});

test('labs that are idle sleep', async () => {
  const daemon = await Daemon.start({ arguments: ['--idle', '1'] });
  const lab = await daemon.lab();
  await post_lines(daemon, lab, 0, 100);
  const before = (await daemon.get(`labs/${lab.id}`)).body;
  for (let tries = 0; tries < 100 && (await metric(daemon, 'pagoda_labs_awake')) > 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await metric(daemon, 'pagoda_labs_awake'), 0);
  assert.deepEqual((await daemon.get(`labs/${lab.id}`)).body, before);
  await daemon.end();
});

test('many writers see one order, and a reader sees one moment', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab({ memory: '256M' });
  let running = true;
  const seqs = [];
  const writers = Array.from({ length: 8 }, async () => {
    while (running) seqs.push((await daemon.op(lab, { op: 'alloc_pages', order: 0 })).seq);
  });
  for (let i = 0; i < 60; i++) {
    const { seq, allocations } = (await daemon.get(`labs/${lab.id}/allocations?limit=1000`)).body;
    assert.ok(allocations.length === Math.min(seq, 1000), `${allocations.length} allocations at ${seq}`);
    assert.deepEqual(
      allocations.map((each) => each.seq).sort((a, b) => a - b),
      allocations.map((_, k) => k + 1).slice(0, allocations.length),
    );
  }
  running = false;
  await Promise.all(writers);
  assert.deepEqual(
    seqs.sort((a, b) => a - b),
    seqs.map((_, k) => k + 1),
  );
  await daemon.end();
});

test('a deleted lab leaves the store, slice by slice; a fork of it stays whole', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  await post_lines(daemon, lab, 0, 9000);
  const fork = (await daemon.post(`labs/${lab.id}/fork`, { at: 8000 })).body;
  const hash = (await daemon.get(`labs/${fork.id}`)).body.hash;
  assert.equal((await daemon.ask('DELETE', `labs/${lab.id}`)).status, 204);
  await daemon.signal('SIGTERM');
  await daemon.resume();
  assert.equal((await daemon.get(`labs/${fork.id}`)).body.hash, hash);
  assert.equal((await daemon.get(`labs/${lab.id}`)).status, 404);
  assert.equal((await daemon.ask('DELETE', `labs/${fork.id}`)).status, 204);
  await daemon.end();
});
