/* Cells: what the daemon sends about frames, as bytes, runs or tiles. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  cellAt,
  cellsFromBytes,
  cellsFromRuns,
  cellsFromTiles,
  changedRuns,
  countKinds,
  headOf,
  ranges,
  shiftFor,
} from '../../web/src/model/cells.js';

const RUNS = {
  seq: 3,
  nr_frames: 16,
  frames: [
    { pfn: 0, count: 4, kind: 'reserved', order: 2 },
    { pfn: 4, count: 2, kind: 'slab', order: 0, owner: 'kmalloc-64' },
    { pfn: 6, count: 2, kind: 'free', order: 1 },
    { pfn: 8, count: 8, kind: 'kernel', order: 3 },
  ],
};

test('runs become cells with heads and orders', () => {
  const cells = cellsFromRuns(RUNS);
  assert.equal(cells.nr, 16);
  assert.deepEqual(
    [cellAt(cells, 8).kind.name, cellAt(cells, 8).order, cellAt(cells, 8).head, cellAt(cells, 9).head],
    ['kernel', 3, true, false],
  );
  assert.equal(headOf(cells, 13), 8);
  const { free, slab, kernel, reserved } = countKinds(cells);
  assert.deepEqual({ free, slab, kernel, reserved }, { free: 2, slab: 2, kernel: 8, reserved: 4 });
});

test('bytes are read as they come', () => {
  const cells = cellsFromBytes(Uint8Array.of(1, 5, 0x80, 0, 4, 0, 0x82, 9), 7);
  assert.deepEqual([cells.nr, cells.seq, cellAt(cells, 1).kind.name, cellAt(cells, 1).migratetype], [2, 7, 'slab', 2]);
});

test('tiles show their main kind and how pure they are', () => {
  const cells = cellsFromTiles({
    seq: 1,
    lod: 2,
    tiles: [
      { pfn: 0, count: 4, shares: { free: 4 } },
      { pfn: 4, count: 4, shares: { free: 1, anon: 3 } },
    ],
  });
  assert.deepEqual(
    [cellAt(cells, 0).kind.name, cellAt(cells, 1).kind.name, cells.mixed?.[0], cells.mixed?.[1]],
    ['free', 'anon', 255, 191],
  );
  assert.deepEqual([countKinds(cells).free, countKinds(cells).anon], [5, 3], 'counted by frames, not by tiles');
  assert.deepEqual(cells.shares, [
    null,
    [
      [7, 0.75],
      [1, 0.25],
    ],
  ]);
});

test('a cell stands for one frame up to 4 GiB, and for more above', () => {
  assert.deepEqual([10, 1 << 20, (1 << 20) + 1, 1 << 22].map(shiftFor), [0, 0, 5, 6]);
});

test('ranges cover all frames, page by page', () => {
  const cells = cellsFromRuns(RUNS);
  const first = ranges(cells, 0, 3);
  assert.deepEqual(
    first.rows.map((r) => [r.pfn, r.count, r.kind.name]),
    [
      [0, 4, 'reserved'],
      [4, 2, 'slab'],
      [6, 2, 'free'],
    ],
  );
  assert.deepEqual(ranges(cells, /** @type {number} */ (first.next), 3), {
    rows: [{ pfn: 8, count: 8, kind: cellAt(cells, 8).kind }],
    next: null,
  });
});

test('what an operation changed: the blocks of its events, else its frames', () => {
  const result = /** @type {any} */ ({
    frames: [{ pfn: 9, count: 1 }],
    events: [
      { event: 'split', pfn: 8, order: 2 },
      { event: 'mm_page_alloc', pfn: 8, order: 2 },
    ],
  });
  assert.deepEqual(changedRuns(result), [{ pfn: 8, count: 4 }]);
  assert.deepEqual(changedRuns({ ...result, events: [] }), [{ pfn: 9, count: 1 }]);
  assert.deepEqual(changedRuns(null), []);
});
