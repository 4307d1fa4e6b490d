/* What the inspector says of allocations, frames and operations: nothing that it was not told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { descriptorOf } from '../../web/src/model/descriptor.js';
import { allocationFacts, frameFacts, operationFacts } from '../../web/src/model/inspector.js';

const textOf = (facts, label) =>
  facts
    .find((fact) => fact.label === label)
    ?.words.map(({ text, note }) => (note ? `${text} (${note})` : text))
    .join(' ');
const runs = (nr) => Array.from({ length: nr }, (_, i) => ({ pfn: 2 * i, count: 1 }));
const views = /** @type {any} */ ({ vmalloc: { start: '0xc1800000', end: '0xd0000000', areas: [] } });
const block = /** @type {any} */ ({
  address: '0xc1800000',
  op: 'vmalloc',
  pid: 0,
  cache: null,
  requested: 400000,
  allocated: 401408,
  nr_frames: 98,
  release: 'vfree',
  seq: 3,
  frames: runs(64),
});

test('runs of frames that were left out are not denied', () => {
  const told = (fields) => textOf(allocationFacts({ ...block, ...fields }, views, null), 'frames');
  assert.match(told({ frames_cut: true }), /98 frames \(in more than 64 runs\).*and more$/);
  assert.match(told({ frames_cut: false }), /\(in 64 runs\).*\+58 more$/);
  const result = { op: 'vmalloc', frames: runs(64), nr_frame_runs: 98, address: null };
  assert.match(textOf(operationFacts(/** @type {any} */ (result)), 'frames'), /and 94 more runs$/);
});

test('one run of a vmalloc is chance, of a kmalloc a promise', () => {
  const told = (fields) => textOf(allocationFacts({ ...block, ...fields }, views, null), 'contiguous');
  assert.match(told({ frames: [{ pfn: 1, count: 98 }] }), /only by chance/);
  assert.match(told({ address: '0xc0090010', frames: [{ pfn: 1, count: 98 }] }), /^physically and virtually$/);
});

test('the classic descriptor stands before the first block of a page only', () => {
  const at = (address, cache = 'kmalloc-131056', pid = 0) => descriptorOf({ address, cache, pid });
  assert.equal(at('0xc04a0010'), 0xc04a0000n);
  assert.deepEqual([at('0xc04a0090'), at('0xc04a0010', null), at('0x8050010', 'kmalloc-32', 7)], [null, null, null]);
  const ring = { ...block, address: '0xc04a0010', cache: 'kmalloc-131056' };
  assert.match(textOf(allocationFacts(ring, views, null, 'classic'), 'descriptor'), /16 B at 0xc04a0000 .*ends in 010/);
  assert.equal(textOf(allocationFacts(ring, views, null, 'linux-6.1'), 'descriptor'), undefined);
});

test('whose a frame is: only what the daemon said', () => {
  const cells = /** @type {any} */ ({ nr: 4, shift: 0, bytes: new Uint8Array(16), seq: 1, mixed: null });
  const facts = (detail, hasTypes = true) => frameFacts(1, cells, detail, detail?.allocation ?? null, hasTypes);
  const whose = (detail) => textOf(facts(detail), 'allocation');
  assert.equal(whose(null), undefined, 'not asked yet');
  assert.equal(whose({ allocation: null, page_array_of: null }), 'nobody’s');
  assert.match(whose({ allocation: null, page_array_of: '0xffffc90000000000' }), /page-pointer array, of 0xffffc9/);
  assert.match(whose({ allocation: block }), /0xc1800000 \(vmalloc\)/);
  const typed = { block: { migratetype: 'Movable' } };
  assert.equal(textOf(facts(typed), 'migratetype'), 'Movable');
  assert.equal(textOf(facts(typed, false), 'migratetype'), undefined, 'Linux 2.0 had none');
});

test('a freed name and what a write wrote are said', () => {
  const facts = operationFacts(
    /** @type {any} */ ({
      op: 'write',
      address: '0x10',
      name_is_freed: true,
      request: { name: 'k', fill: 170, length: 5000 },
    }),
  );
  assert.match(textOf(facts, 'address'), /the old address of k, which was freed/);
  assert.match(textOf(facts, 'wrote'), /5.000 bytes of 0xaa/);
});
