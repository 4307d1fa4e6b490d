/* The timeline: use as stacked steps, free memory against the marks, lanes of what happened, and reading a long history in parts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  added,
  failureIntervals,
  freeLines,
  lanes,
  markBeside,
  marksOf,
  placeFlags,
  pointAt,
  POINTS,
  scaleFor,
  seriesParts,
  stack,
  thinned,
  xOf,
} from '../../web/src/model/timeline.js';

test('use: steps from point to point, stacked', () => {
  const points = /** @type {any} */ ([
    { seq: 0, frames: { slab: 2 } },
    { seq: 5, frames: { slab: 4, anon: 4 } },
  ]);
  const layers = stack(points, 10, 8, 116, 80);
  assert.equal(xOf(0, 10, 116), 8);
  const slab = layers.find((l) => l.kind === 'slab'),
    anon = layers.find((l) => l.kind === 'anon');
  assert.deepEqual(slab?.points.slice(0, 4), [
    [8, 60],
    [58, 60],
    [58, 40],
    [108, 40],
  ]);
  assert.deepEqual(anon?.points.slice(2, 4), [
    [58, 0],
    [108, 0],
  ]);
  assert.equal(pointAt(points, 4)?.seq, 0);
  assert.deepEqual([scaleFor(0, 4096), scaleFor(100, 4096), scaleFor(3000, 4096)], [16, 128, 4096]);
});

test('a short history is one part; a long one is read in parts that meet', () => {
  assert.deepEqual(seriesParts(0, 40), [[0, 40, 41]]);
  assert.deepEqual(seriesParts(0, 4000), [[0, 4000, POINTS]]);
  const parts = seriesParts(0, 320000);
  assert.equal(parts.length, 8);
  assert.equal(parts[0][0], 0);
  assert.equal(parts[parts.length - 1][1], 320000);
  assert.equal(
    parts.reduce((sum, [, , nr]) => sum + nr, 0),
    POINTS,
  );
  for (const head of [4097, 5003, 999999]) assert.equal(seriesParts(0, head).pop()?.[1], head, 'to the very end');
  for (let i = 1; i < parts.length; i++) assert.ok(parts[i][0] > parts[i - 1][1], 'no moment twice');
});

const level = (/** @type {number} */ free, /** @type {number} */ low) => ({
  name: 'Normal',
  free,
  min: low - 10,
  low,
  high: low + 10,
});
const dma = { name: 'DMA', free: 3000, min: 10, low: 12, high: 14 };

test('free memory: the marks drawn are those of the zone that came closest to them, or of the chosen one', () => {
  const points = /** @type {any} */ ([
    { seq: 0, frames: {}, zones: [dma, level(5000, 100)] },
    { seq: 5, frames: {}, zones: [dma, level(95, 100)] },
  ]);
  const { lines, marks, marked } = freeLines(points, 10, 116, 60);
  assert.equal(marked, 'Normal');
  assert.deepEqual(
    lines.map((l) => l.name),
    ['DMA', 'Normal'],
  );
  const [min, low, high] = marks.map((m) => m.points[0][1]);
  assert.ok(min > low && low > high, 'more frames are drawn higher');
  const at = lines[1].points.map(([, y]) => y);
  assert.ok(at[0] < high && at[2] > low && at[2] < min, 'falls from above high to between min and low');
  assert.equal(freeLines(points, 10, 116, 60, 'DMA').marked, 'DMA');
  const tight = { ...points[0], zones: [{ ...dma, free: 13 }, level(5000, 100)] };
  assert.equal(freeLines([tight], 10, 116, 60).marked, 'DMA');
  assert.deepEqual(
    freeLines(/** @type {any} */ ([{ seq: 0, frames: {} }]), 1, 10, 10).lines,
    [],
    'a daemon that tells no zones',
  );
});

test('lanes: where counters rose; swap also where it fell; empty lanes are left out', () => {
  const points = /** @type {any} */ ([
    { seq: 0, frames: {}, outcomes: { null: 0, bug: 0 }, swap_used_pages: 4, minor_faults: 1 },
    { seq: 1, frames: {}, outcomes: { null: 1, bug: 0 }, swap_used_pages: 4, minor_faults: 0 },
    { seq: 2, frames: {}, outcomes: { null: 1, bug: 0 }, swap_used_pages: 1, minor_faults: 0 },
  ]);
  assert.deepEqual(
    lanes(points).map((l) => [l.id, l.spans.map((s) => s.to)]),
    [
      ['swap', [2]],
      ['failures', [1]],
    ],
  );
  assert.deepEqual(
    marksOf(
      /** @type {any} */ ([
        { seq: 3, op: 'mark', text: 'here' },
        { seq: 4, op: 'kfree' },
      ]),
    ),
    [{ seq: 3, text: 'here' }],
  );
});

test('the next failure is looked for where the counters rise, after the moment shown', () => {
  const points = /** @type {any} */ ([
    { seq: 0, frames: {}, outcomes: { null: 0, bug: 0 } },
    { seq: 100, frames: {}, outcomes: { null: 1, bug: 0 } },
    { seq: 200, frames: {}, outcomes: { null: 1, bug: 0 } },
    { seq: 300, frames: {}, outcomes: { null: 1, bug: 2 } },
  ]);
  assert.deepEqual(failureIntervals(points, 0, 320), [
    [1, 100],
    [201, 300],
    [301, 320],
  ]);
  assert.deepEqual(failureIntervals(points, 250, 300), [[251, 300]]);
});

test('a history that goes on: each of a few operations, of many as large a share of the samples as theirs of the history', () => {
  const known = /** @type {any} */ ([{ seq: 0 }, { seq: 100 }]);
  assert.deepEqual(added(known, 110), [[101, 110, 10]]);
  assert.deepEqual(added(known, 100), []);
  const [[from, to, nr]] = added(known, 100100);
  assert.ok(from > 100 && to === 100100 && nr <= 64 && nr >= 4, `${from} ${to} ${nr}`);
  const many = /** @type {any} */ (Array.from({ length: 2 * POINTS + 2 }, (_, seq) => ({ seq })));
  const less = thinned(many);
  assert.ok(less.length <= POINTS + 2);
  assert.deepEqual([less[0].seq, less[less.length - 1].seq], [0, 2 * POINTS + 1]);
  assert.equal(thinned(known), known);
});

test('remarks: the one beside a moment, and words that do not run into one another', () => {
  const marks = [
    { seq: 2, text: 'first of all' },
    { seq: 3, text: 'second' },
    { seq: 9, text: 'a very long remark that could not be said in full' },
  ];
  assert.deepEqual(
    [markBeside(marks, 2, 1)?.seq, markBeside(marks, 2, -1), markBeside(marks, 9, -1)?.seq, markBeside(marks, 9, 1)],
    [3, null, 3, null],
  );
  const textWidth = (/** @type {string} */ text) => text.length * 5;
  const placed = placeFlags(marks, [50, 60, 300], { start: 100, end: 400, textWidth });
  assert.deepEqual(
    placed.map((one) => [one.seq, one.row]),
    [
      [2, 1],
      [9, 0],
    ],
    'the second has no room: the title and the first are in its way',
  );
  assert.equal(placed[0].text, 'first of all');
  assert.match(placed[1].text, /^a very long.*…$/);
  for (const one of placed) assert.ok(one.x >= 0 && one.x + textWidth(one.text) <= 400);
});
