// tests/api/many_labs.test.mjs - thousands of labs awake at once. Part of make test-long (LABS=).
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Daemon, IS_TSAN } from './daemon.mjs';

const NR = Number(process.env.LABS ?? 300);
const proc = (daemon, file) => readFileSync(`/proc/${daemon.process.pid}/${file}`, 'utf8');
const in_parallel = (work) =>
  Promise.all(
    Array.from({ length: 16 }, async (_, first) => {
      for (let i = first; i < NR; i += 16) await work(i);
    }),
  );

test(`${NR} classic labs are awake, and each is served`, async (t) => {
  const daemon = await Daemon.start({ arguments: ['--budget', '64G'] });
  const mappings = proc(daemon, 'maps').split('\n').length;
  const labs = [];
  await in_parallel(async (i) => {
    labs[i] = await daemon.lab({ profile: 'classic', memory: '16M' });
    await daemon.op(labs[i], { op: 'kmalloc', size: 1000 });
  });
  await in_parallel(async (i) => assert.equal((await daemon.get(`labs/${labs[i].id}/zones`)).status, 200));
  const awake = /^pagoda_labs_awake (\d+)/m.exec((await daemon.get('/metrics')).text)[1];
  assert.equal(Number(awake), NR);
  const grown = proc(daemon, 'maps').split('\n').length - mappings;
  const kib = Number(/VmRSS:\s+(\d+)/.exec(proc(daemon, 'status'))[1]) / NR;
  t.diagnostic(`${grown} mappings, ${kib.toFixed(0)} KiB of memory a lab`);
  assert.ok(grown <= (IS_TSAN ? 6 : 3) * NR);
  assert.equal((await daemon.post(`labs/${labs[0].id}/fork`, {})).status, 201);
  await daemon.end();
});
