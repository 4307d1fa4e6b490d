/* What the map's colours tell: each cell in one entry, counts that add up, owners that keep their colour. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsFromBytes, ownerHash } from '../../web/src/model/cells.js';
import { colouring, legendEntries, ownerColour } from '../../web/src/model/colours.js';

/* kind, order, migratetype | head, owner: two free of order 1, a slab, a reserved one, a vmalloc, an anon */
const cells = cellsFromBytes(
  Uint8Array.of(1, 1, 0x81, 0, 1, 1, 1, 0, 4, 0, 0x80, 9, 9, 0, 0x80, 0, 5, 0, 0x80, 33, 7, 0, 0x81, 33),
  40,
);
const views = /** @type {any} */ ({
  seq: 40,
  cells,
  more: false,
  zones: [
    { name: 'DMA', start_pfn: 1, spanned: 3 },
    { name: 'Normal', start_pfn: 4, spanned: 2 },
  ],
  allocations: [
    { seq: 40, frames: [{ pfn: 2, count: 1 }] },
    { seq: 1, frames: [{ pfn: 2, count: 1 }] },
    { seq: 30, frames: [{ pfn: 4, count: 1 }] },
  ],
});
const counts = (/** @type {any} */ c) =>
  Object.fromEntries(
    c.entries.filter((/** @type {any} */ e) => e.count).map((/** @type {any} */ e) => [e.label, e.count]),
  );

test('every way to colour puts each frame into one entry', () => {
  for (const by of ['state', 'owner', 'order', 'migratetype', 'zone', 'age']) {
    const { entries, of, by: done } = colouring(by, views);
    assert.equal(done, by);
    assert.equal(
      entries.reduce((sum, e) => sum + e.count, 0),
      cells.nr,
      by,
    );
    assert.ok(
      of.every((i) => i < entries.length),
      by,
    );
  }
});

test('state, order, migratetype, zone, age', () => {
  assert.deepEqual(counts(colouring('state', views)), {
    free: 2,
    'slab or bucket': 1,
    vmalloc: 1,
    'user page': 1,
    reserved: 1,
  });
  assert.deepEqual(counts(colouring('order', views)), { 'order 0': 4, 'order 1': 2 });
  assert.deepEqual(counts(colouring('migratetype', views)), { Unmovable: 3, Movable: 3 });
  assert.deepEqual(counts(colouring('zone', views)), { 'no zone': 1, 'zone DMA': 3, 'zone Normal': 2 });
  assert.deepEqual(counts(colouring('age', views)), {
    free: 2,
    'this operation': 1,
    '4 – 15': 1,
    'the kernel’s own, or unknown': 2,
  });
});

test('owners: by name when the runs are known, by hash when not; one name, one colour, in any order', () => {
  assert.deepEqual(counts(colouring('owner', views)), {
    'free, nobody’s': 2,
    'owner 9': 1,
    'in use, owner not recorded': 1,
    'owner 33': 2,
  });
  const runs = [
    { pfn: 0, count: 2, owner: '' },
    { pfn: 2, count: 1, owner: 'kmalloc-64' },
    { pfn: 3, count: 1, owner: '' },
    { pfn: 4, count: 2, owner: 'pid 1' },
  ];
  const named = colouring('owner', views, runs);
  assert.deepEqual(counts(named), {
    'free, nobody’s': 2,
    'kmalloc-64': 1,
    'in use, owner not recorded': 1,
    'pid 1': 2,
  });
  const colour = (/** @type {any} */ c, /** @type {string} */ label) =>
    c.entries.find((/** @type {any} */ e) => e.label === label).colour;
  const turned = colouring('owner', views, [...runs].reverse());
  assert.equal(colour(named, 'kmalloc-64'), colour(turned, 'kmalloc-64'));
  assert.match(ownerColour(77), /^#[0-9a-f]{6}$/);
  assert.equal(legendEntries(named).entries[0].count, 2, 'the largest first');
});

test('the hash of an owner is the daemon’s', () => {
  /* 0x9e3779b1 * 1 >> 24 | 1, and of 2 */
  assert.deepEqual([ownerHash(0), ownerHash(1), ownerHash(2)], [0, 0x9f, 0x3d]);
});

test('a machine in tiles cannot tell owners: it shows states', () => {
  assert.equal(colouring('owner', { ...views, cells: { ...cells, shift: 4 } }).by, 'state');
});
