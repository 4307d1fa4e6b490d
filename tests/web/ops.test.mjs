/* What the engine's table says of an operation: whether it makes memory, and the kind of frames that it is about. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reduce, initialState } from '../../web/src/lab-state.js';
import { kindOfFrames, kindOfOp, makesMemory, opInfo } from '../../web/src/model/ops.js';
import { virtualBands } from '../../web/src/model/virtual.js';

const row = (/** @type {string} */ op, makes = false, frame_kind = 'none') => ({
  op,
  group: '',
  doc: '',
  needed: [],
  further: [],
  makes,
  frame_kind,
});
/** As GET /ops has them, and one that the page has never heard of. */
const OPS = [
  row('kmalloc', true, 'slab'),
  row('kfree', false, 'slab'),
  row('alloc_pages', true, 'kernel'),
  row('spawn', false, 'pgtable'),
  row('tick'),
  row('dma_alloc_coherent', true, 'kernel'),
];

test('what makes memory is what the table says, also of an operation that is new', () => {
  assert.deepEqual(
    OPS.filter(({ op }) => makesMemory(OPS, op)).map(({ op }) => op),
    ['kmalloc', 'alloc_pages', 'dma_alloc_coherent'],
  );
  assert.equal(makesMemory([], 'kmalloc'), false, 'the table is not there yet');
  assert.equal(opInfo(OPS, 'nonsense'), null);
});

test('the kind of frames comes from the table; a block that no cache holds is pages', () => {
  assert.equal(kindOfOp(OPS, 'kmalloc'), 'slab');
  assert.equal(kindOfFrames(OPS, { op: 'kmalloc', cache: 'kmalloc-64' }), 'slab');
  assert.equal(kindOfFrames(OPS, { op: 'kmalloc', cache: null }), 'kernel');
  assert.equal(kindOfFrames(OPS, { op: 'spawn', cache: null }), 'pgtable');
  assert.deepEqual(
    [kindOfOp(OPS, 'tick'), kindOfOp(OPS, 'nonsense'), kindOfOp([], 'kmalloc')],
    ['none', 'none', 'none'],
  );
});

test('two tables do not mix', () => {
  const other = [row('kmalloc', false, 'anon')];
  assert.deepEqual([kindOfOp(OPS, 'kmalloc'), kindOfOp(other, 'kmalloc')], ['slab', 'anon']);
  assert.deepEqual([makesMemory(OPS, 'kmalloc'), makesMemory(other, 'kmalloc')], [true, false]);
});

test('the bars of virtual memory take their kind from the table of the lab', () => {
  const table = /** @type {any} */ ({ ops: OPS, params: [], gfp: [], contexts: [] });
  const lab = /** @type {any} */ ({ seq: 1 });
  const state = reduce(initialState('x'), { type: 'opened', lab, profile: null, table });
  const block = { op: 'kmalloc', address: '0xc0001000', requested: 64, allocated: 64, nr_frames: 1, frames: [] };
  const views = /** @type {any} */ ({
    processes: [],
    maps: [],
    vmalloc: { start: '0xd0000000', end: '0xe0000000', areas: [] },
    allocations: [{ ...block, cache: 'kmalloc-64' }],
  });
  const kind = (/** @type {any[]} */ ops) => virtualBands(views, ops, null, 500)[1].bars[0].kind;
  assert.deepEqual([kind(state.table?.ops ?? []), kind([])], ['slab', 'none']);
});
