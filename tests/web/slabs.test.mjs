/* Slabs: the chain of free objects as the bytes have it, sound or broken, and what rounding costs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cacheFacts, objectChain, objectGrid, slabsByState } from '../../web/src/model/slabs.js';

const object = (/** @type {number} */ i, /** @type {any} */ more) => ({
  address: '0x' + (0x1000 + i * 64).toString(16),
  in_use: false,
  requested: 0,
  seq: 0,
  name: null,
  ...more,
});
const to = (/** @type {number} */ i) => ({ free_next: '0x' + (0x1000 + i * 64).toString(16) });
const used = { in_use: true, requested: 48, seq: 3, name: 'a' };

test('free objects are numbered in the order in which they will be handed out', () => {
  const { objects, chain, broken } = objectChain(
    [object(0, { free_next: '0x0' }), object(1, used), object(2, to(3)), object(3, to(0))],
    64,
  );
  assert.deepEqual(chain, [2, 3, 0]);
  assert.deepEqual(
    objects.map((o) => [o.nth, o.next, o.lost, o.share]),
    [
      [3, -1, 0, 0],
      [0, -1, 16, 0.75],
      [1, 3, 0, 0],
      [2, 0, 0, 0],
    ],
  );
  assert.equal(broken, '');
});

test('of two chains the CPU’s own comes first', () => {
  const objects = [object(0, { free_next: '0x0' }), object(1, to(2)), object(2, { free_next: '0x0' })];
  assert.deepEqual(objectChain(objects, 64).chain, [0, 1, 2]);
  assert.deepEqual(objectChain(objects, 64, ['0x1040', '0x1000']).chain, [1, 2, 0]);
});

test('a chain that leaves the slab, or runs in a circle, is told', () => {
  assert.match(objectChain([object(0, { free_next: '0x4141' })], 64).broken, /leads to 0x4141/);
  assert.match(objectChain([object(0, {})], 64, ['0x1000'], '0x7777').broken, /leads to 0x7777/);
  assert.match(objectChain([object(0, to(1)), object(1, used)], 64).broken, /no free object/);
  assert.match(objectChain([object(0, to(1)), object(1, to(0))], 64).broken, /circle/);
});

test('objects stand in rows, and each free one has an arrow to the next', () => {
  const { objects } = objectChain(
    [0, 1, 2, 3, 4].map((i) => object(i, i < 4 ? to(i + 1) : { free_next: '0x0' })),
    64,
  );
  const grid = objectGrid(objects, 330);
  assert.equal(grid.across, 3);
  assert.deepEqual(grid.place(4), { x: 110, y: 44 });
  assert.equal(grid.arrows.length, 4);
  assert.ok(grid.arrows.every((d) => !/NaN/.test(d)));
});

const cache = /** @type {any} */ ({
  name: 'kmalloc-1020',
  object_size: 1020,
  size: 1020,
  order: 0,
  objects_per_slab: 4,
  nr_slabs: 2,
  nr_objects: 8,
  nr_in_use: 6,
  requested_bytes: 6000,
});

test('rounding costs what was granted and not asked for', () => {
  assert.deepEqual([cacheFacts(cache).lost, cacheFacts(cache).fill, cacheFacts(cache).slabBytes], [120, 0.75, 8192]);
  assert.match(cacheFacts(cache, 'classic').text, /page descriptor of 16 B at its head$/);
  assert.match(cacheFacts(cache).text, /16 B left over at its end$/);
});

test('slabs by state, in the order in which they are allocated from; an unknown state is not lost', () => {
  const slabs = /** @type {any} */ (
    ['full', 'cpu', 'partial', 'strange', 'full'].map((state, pfn) => ({ pfn, state }))
  );
  assert.deepEqual(
    slabsByState(slabs).map((g) => [g.state, g.slabs.length]),
    [
      ['cpu', 1],
      ['partial', 1],
      ['full', 2],
      ['other', 1],
    ],
  );
});

test('of a chain that jumps about, neighbours and the chosen object keep their arrows', () => {
  const nr = 128;
  const objects = Array.from({ length: nr }, (_, i) => ({ in_use: false, nth: i + 1, next: (i * 37 + 50) % nr }));
  objects[7].next = 8;
  const near = objects.filter((o, i) => o.next === i + 1).length;
  assert.equal(objectGrid(objects, 400).arrows.length, near);
  const atTen = objects.filter((o, i) => o.next !== i + 1 && (i === 10 || o.next === 10)).length;
  assert.equal(objectGrid(objects, 400, 10).arrows.length, near + atTen);
  const row = objects.map((o, i) => ({ ...o, next: i + 1 < nr ? i + 1 : -1 }));
  assert.equal(objectGrid(row, 400).arrows.length, nr - 1, 'a chain in order keeps all');
});
