/* The buddy's arithmetic, and the ladder of halvings that an operation's events tell. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  buddyEvents,
  buddyOperation,
  cpuText,
  freeAreaCells,
  ladder,
  levelScale,
  levelText,
  stepText,
  xorExample,
} from '../../web/src/model/buddy.js';

const result = (/** @type {any[]} */ ...events) => /** @type {any} */ ({ events });

test('a block and its buddy differ in one bit, whichever of the two is asked', () => {
  for (const [pfn, order, buddy] of [
    [0x14c0, 5, 0x14e0],
    [0x14e0, 5, 0x14c0],
    [7, 0, 6],
    [0, 10, 1024],
  ]) {
    const x = xorExample(pfn, order);
    assert.equal(x.buddy, buddy);
    const differing = x.rows[0].flatMap((digit, i) => (digit === x.rows[2][i] ? [] : [i]));
    assert.deepEqual(differing, [x.marked]);
    assert.equal(x.rows[1][x.marked], '1');
  }
  assert.equal(xorExample(2 ** 23, 3).cut, true, 'of a long number the low bits are shown');
  assert.equal(xorExample(2 ** 31 + 4096, 1).buddy, 2 ** 31 + 4098, 'beyond 31 bits');
});

/* 0x40 of order 3 is halved down to order 1; then 0x44, which became free on the way, once more. */
const SPLITS = result(
  { event: 'split', pfn: 0x40, order: 2 },
  { event: 'split', pfn: 0x40, order: 1 },
  { event: 'split', pfn: 0x44, order: 1 },
  { event: 'pcp_refill', order: 1, count: 2 },
  { event: 'mm_page_alloc', pfn: 0x40, order: 1 },
);

test('a split is told with the larger ones that led to it, and with what went on', () => {
  const steps = buddyEvents(SPLITS);
  assert.deepEqual(
    steps.map((s) => [s.kind, s.pfn, s.order]),
    [
      ['split', 0x40, 2],
      ['split', 0x40, 1],
      ['split', 0x44, 1],
    ],
  );
  assert.deepEqual(ladder(steps, 1, SPLITS), [
    { order: 2, left: 0x40, right: 0x44, stays: 'left', word: 'split again' },
    { order: 1, left: 0x40, right: 0x42, stays: 'left', word: 'taken' },
  ]);
  assert.deepEqual(ladder(steps, 2, SPLITS), [
    { order: 2, left: 0x40, right: 0x44, stays: 'right', word: 'split again' },
    { order: 1, left: 0x44, right: 0x46, stays: 'left', word: 'to the CPU’s list' },
  ]);
  assert.match(stepText(steps[0]), /0x40 of order 3 into 0x40 and 0x44, 4 frames each/);
});

test('a merge is told with the smaller ones before it; the freed half is the one that is not the buddy', () => {
  const merges = result(
    { event: 'merge', pfn: 0x42, order: 1, buddy: 0x42 },
    { event: 'merge', pfn: 0x40, order: 2, buddy: 0x40 },
  );
  assert.deepEqual(ladder(buddyEvents(merges), 1, merges), [
    { order: 0, left: 0x42, right: 0x43, stays: 'right', word: 'came back' },
    { order: 1, left: 0x40, right: 0x42, stays: 'right', word: 'just joined' },
  ]);
  assert.deepEqual(buddyEvents(null), []);
  assert.deepEqual(ladder([], 0, null), []);
});

test('an operation without splits leaves the word to the one that made the selection', () => {
  const quiet = result({ event: 'kmalloc' });
  assert.equal(buddyOperation({ views: { op: quiet }, explained: SPLITS }), SPLITS);
  assert.equal(buddyOperation({ views: { op: SPLITS }, explained: quiet }), SPLITS);
  assert.equal(buddyOperation({ views: { op: quiet }, explained: null }), quiet);
});

const zone = (/** @type {any} */ more) =>
  /** @type {any} */ ({
    name: 'Normal',
    managed: 1000,
    free: 500,
    min: 20,
    low: 25,
    high: 30,
    boost: 0,
    free_area: [],
    ...more,
  });

test('the level against the marks, in words and to scale', () => {
  assert.match(levelText(zone({})), /above high: kswapd sleeps/);
  assert.match(levelText(zone({ free: 22 })), /below low: kswapd is woken/);
  assert.match(levelText(zone({ free: 3 })), /below min/);
  const scale = levelScale(zone({ free: 25 }));
  assert.equal(scale.free, scale.marks[1].share);
  const raised = zone({ free: 700, min: 175, low: 218, high: 261, boost: 512 });
  assert.match(levelText(raised), /between|below low/, 'a boost raises the marks that are compared with');
  assert.deepEqual(
    levelScale(raised).marks.map((m) => m.n),
    [687, 730, 773],
  );
  assert.equal(levelScale(raised).apart, false, 'too close for words under each');
  assert.equal(levelScale(zone({})).beyond, true);
});

test('free areas: shares of the free pages; types that never occur are left out; indices when there are any', () => {
  const areas = [
    { order: 0, nr_free: 4, migratetypes: { Unmovable: 4, Movable: 0, Reclaimable: 0, HighAtomic: 0, Isolate: 0 } },
    {
      order: 1,
      nr_free: 6,
      migratetypes: { Unmovable: 0, Movable: 6, Reclaimable: 0, HighAtomic: 0, Isolate: 0 },
      unusable_index: 250,
      fragmentation_index: -1000,
    },
  ];
  const { types, rows, hasIndices } = freeAreaCells(zone({ free_area: areas }));
  assert.deepEqual(types, ['Unmovable', 'Movable', 'Reclaimable']);
  assert.deepEqual(
    [rows[0].share, rows[1].cells[1].share, rows[1].unusable, rows[1].fragmentation, hasIndices],
    [0.25, 0.75, 0.25, -1, true],
  );
});

test('a CPU’s lists in words', () => {
  const lists = [
    { order: 0, migratetype: 'Movable', nr_blocks: 7 },
    { order: 1, migratetype: 'Unmovable', nr_blocks: 2 },
  ];
  assert.equal(
    cpuText({ cpu: 1, count: 11, high: 42, batch: 1, free_factor: 0, lists }),
    'CPU 1: 11 frames of up to 42 (7 Movable, 2 of order 1 Unmovable)',
  );
  assert.equal(cpuText({ cpu: 0, count: 0, high: 42, batch: 1, free_factor: 0, lists: [] }), 'CPU 0: empty');
});
