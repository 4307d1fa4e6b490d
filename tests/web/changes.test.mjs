/* What changed between two moments, in words; and the lab with all four allocators in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedCells, counterRows, question, reversed, stateText, transitions } from '../../web/src/model/changes.js';

const free = { kind: 'free', order: 3, migratetype: 'Movable', owner: '' };
const slab = { kind: 'slab', order: 0, migratetype: 'Unmovable', owner: 'kmalloc-64' };
const diff = /** @type {any} */ ({
  a: 4,
  b: 9,
  frames: [
    { pfn: 8, count: 2, a: free, b: slab },
    { pfn: 10, count: 6, a: free, b: { ...free, order: 1 } },
  ],
  nr_frames: 8,
  nr_frame_runs: 2,
  added: [{ address: '0x1' }],
  nr_added: 1,
  removed: [],
  nr_removed: 0,
  counters: [
    { name: 'frames.free', a: 100, b: 98 },
    { name: 'now_ns', a: 0, b: 1500 },
    { name: 'requested_bytes', a: 2048, b: 4096 },
    { name: 'something_new', a: 1, b: 2 },
  ],
});

test('the question: the operation before unless told; a later moment and another lab are read backwards', () => {
  assert.deepEqual(question({ seq: 9, since: null, against: '' }), { query: 'a=8&b=9', isReversed: false, since: 8 });
  assert.deepEqual(question({ seq: 0, since: null, against: '' }).query, 'a=0&b=0');
  assert.deepEqual(question({ seq: 4, since: 9, against: '' }), { query: 'a=4&b=9', isReversed: true, since: 9 });
  assert.deepEqual(question({ seq: 9, since: 4, against: 'fork' }), {
    query: 'a=9&b=4&with=fork',
    isReversed: true,
    since: 4,
  });
});

test('read backwards, before and after, made and given back change places; twice, nothing has changed', () => {
  const back = reversed(diff);
  assert.deepEqual([back.a, back.b, back.nr_added, back.nr_removed], [9, 4, 0, 1]);
  assert.deepEqual([back.frames[0].a.kind, back.frames[0].b.kind, back.frames[0].pfn], ['slab', 'free', 8]);
  assert.deepEqual(back.counters[0], { name: 'frames.free', a: 98, b: 100 });
  assert.deepEqual(reversed(back), diff);
});

test('counters have words, units and a sign', () => {
  const rows = counterRows(diff.counters);
  assert.deepEqual(
    rows.map((r) => [r.label, r.unit, r.by]),
    [
      ['free', 'frames', '−2'],
      ['simulated time', '', '+1.5 µs'],
      ['asked for', '', '+2 KiB'],
      ['something_new', '', '+1'],
    ],
  );
});

test('frames are summed by what they were and are; of one kind, by what else changed', () => {
  assert.deepEqual(
    transitions(diff.frames).map((t) => [t.from, t.to, t.count, t.what]),
    [
      ['free', 'free', 6, 'another block size'],
      ['free', 'slab', 2, ''],
    ],
  );
  assert.equal(stateText(slab), 'slab or bucket, kmalloc-64');
  assert.equal(stateText(free), 'free, order 3');
});

test('changed frames on a map: one cell a frame while they fit, then more', () => {
  assert.deepEqual(
    changedCells(diff.frames, 4096).runs.map((r) => [r.cell, r.count, r.kind]),
    [
      [8, 2, 'slab'],
      [10, 6, 'free'],
    ],
  );
  const coarse = changedCells(diff.frames, 65536);
  assert.deepEqual([coarse.per, coarse.nr, ...coarse.runs.map((r) => [r.cell, r.count])], [8, 8192, [1, 1], [1, 1]]);
});
