// What changed between two moments: of one lab, of two labs that share a fork point.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

let daemon, lab, block, area;
before(async () => {
  daemon = await Daemon.start();
  lab = await daemon.lab();
  await daemon.op(lab, { op: 'kmalloc', size: 100, name: 'stays' });
  block = await daemon.op(lab, { op: 'alloc_pages', order: 3, name: 'goes' });
  area = await daemon.op(lab, { op: 'vmalloc', size: 20000, name: 'comes' });
  await daemon.op(lab, { op: 'free_pages', name: 'goes', order: 3 });
});
after(() => daemon.end());

const diff = (query, path = `labs/${lab.id}/diff`) => daemon.get(`${path}?${query}`);

test('allocations that came and went', async () => {
  const { body } = await diff('a=2&b=4');
  assert.deepEqual(
    body.added.map((each) => each.name),
    ['comes'],
  );
  assert.deepEqual(
    body.removed.map((each) => [each.name, each.address, each.op]),
    [['goes', block.address, 'alloc_pages']],
  );
  assert.equal(body.nr_added, 1);
  assert.equal(body.nr_removed, 1);
});

test('frames that changed hands, each once, with both states', async () => {
  const { body } = await diff('a=2&b=4');
  const [block_run] = block.frames;
  const given_back = body.frames.find((run) => run.pfn <= block_run.pfn && block_run.pfn < run.pfn + run.count);
  assert.equal(given_back.a.kind, 'kernel');
  assert.equal(given_back.a.order, 3);
  assert.notEqual(given_back.b.kind, 'kernel');
  const mapped = body.frames.filter((run) => run.b.kind === 'vmalloc').reduce((sum, run) => sum + run.count, 0);
  assert.equal(mapped, 5);
  assert.equal(
    body.frames.reduce((sum, run) => sum + run.count, 0),
    body.nr_frames,
  );
  const sorted = body.frames.every((run, i, all) => i === 0 || all[i - 1].pfn + all[i - 1].count <= run.pfn);
  assert.ok(sorted);
  assert.equal(area.nr_frame_runs > 0, true);
});

test('counters that differ, with both values', async () => {
  const { body } = await diff('a=2&b=3');
  const live = body.counters.find((counter) => counter.name === 'nr_allocations');
  assert.deepEqual(live, { name: 'nr_allocations', a: 2, b: 3 });
});

test('a moment and itself: nothing', async () => {
  const { body } = await diff('a=3&b=3');
  assert.deepEqual([body.frames, body.added, body.removed, body.counters], [[], [], [], []]);
});

test('backwards is the mirror image', async () => {
  const there = (await diff('a=1&b=4')).body,
    back = (await diff('a=4&b=1')).body;
  assert.deepEqual(back.added, there.removed);
  assert.deepEqual(
    back.frames.map(({ a, b, ...run }) => ({ ...run, a: b, b: a })),
    there.frames,
  );
});

test('two labs that share a fork point; strangers are refused', async () => {
  const fork = (await daemon.post(`labs/${lab.id}/fork`, { at: 2 })).body;
  await daemon.op(fork, { op: 'kmalloc', size: 3000, name: 'only here' });
  const { body } = await diff(`a=2&with=${fork.id}`);
  assert.deepEqual(
    body.added.map((each) => each.name),
    ['only here'],
  );
  assert.equal(body.b, 3);
  const sibling = (await daemon.post(`labs/${lab.id}/fork`, { at: 1 })).body;
  assert.equal((await diff(`a=3&b=1&with=${sibling.id}`, `labs/${fork.id}/diff`)).status, 200);
  const stranger = await daemon.lab();
  assert.equal((await diff(`a=0&with=${stranger.id}`)).status, 422);
  assert.equal((await diff('a=0&with=nobody')).status, 404);
});

test('limits and bad requests', async () => {
  const { body } = await diff('a=0&b=4&limit=1');
  assert.equal(body.frames.length, 1);
  assert.ok(body.nr_frame_runs > 1);
  assert.equal((await diff('b=4')).status, 422);
  assert.equal((await diff('a=9&b=4')).status, 422);
  assert.equal((await diff('a=1&b=x')).status, 422);
});
