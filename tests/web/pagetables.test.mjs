/* Page tables: cells of entries, steps from one to the next, and what an entry says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canonical,
  entryAddress,
  entryText,
  hitShare,
  tableGrids,
  tlbHits,
  walkRows,
  withIndex,
} from '../../web/src/model/pagetables.js';

const table = (/** @type {any} */ more = {}) => ({
  name: 'PTE',
  level: 3,
  pfn: 9,
  base: '0x555555400000',
  entry_bytes: 4096,
  nr_entries: 512,
  index: 353,
  nr_used: 3,
  entries: [
    { index: 353, count: 2, kind: 'page', pfn: 100, entry: '0x1', flags: ['present'] },
    { index: 400, count: 1, kind: 'swap', slot: 7, entry: '0x2', flags: ['swap'] },
  ],
  ...more,
});

test('addresses of the upper half repeat their highest bit; 32-bit ones wrap', () => {
  assert.equal(canonical(1n << 47n, 64), 0xffff800000000000n);
  assert.equal(canonical(0x7fffffffffffn, 64), 0x7fffffffffffn);
  assert.equal(canonical(0x1_0000_1000n, 32), 0x1000n);
  assert.equal(entryAddress(table({ base: '0x0', entry_bytes: 2 ** 39 }), 511, 64), '0xffffff8000000000');
});

test('another entry keeps the offset below it, and stops at the table’s ends', () => {
  assert.equal(withIndex('0x555555561abc', table(), 354, 64), '0x555555562abc');
  assert.equal(withIndex('0x555555561abc', table(), 9999, 64), '0x5555555ffabc');
  assert.equal(withIndex('0x555555561abc', table(), -1, 64), '0x555555400abc');
});

test('an entry in words: the frame within its run, the size of what it covers', () => {
  assert.equal(entryText(table(), 354, 64), 'entry 354: page in frame 0x65, from 0x555555562000, 4 KiB');
  assert.match(entryText(table(), 400, 64), /swap slot 7/);
  assert.match(entryText(table(), 1, 64), /not present/);
  const huge = table({
    entry_bytes: 2 ** 21,
    entries: [{ index: 0, count: 2, kind: 'huge', pfn: 512, entry: '0x1', flags: [] }],
  });
  assert.match(entryText(huge, 1, 64), /large page at frame 0x400/);
});

test('each table is a grid, its walked entry joined to the next table; they fit the width', () => {
  const { grids, links } = tableGrids([table({ name: 'PMD', index: 17 }), table()], 600, 64);
  assert.deepEqual([grids[0].columns, grids[0].rows, grids[1].cells.length], [16, 32, 3]);
  assert.deepEqual(grids[0].walked, { x: grids[0].cell, y: grids[0].y + grids[0].cell });
  assert.equal(links.length, 1);
  assert.ok(!/NaN/.test(links[0]));
  const classic = tableGrids([table({ nr_entries: 1024 }), table({ nr_entries: 1024 })], 500, 32);
  assert.equal(classic.grids[1].columns, 32);
  assert.ok(classic.grids[1].x + classic.grids[1].width <= 500);
});

test('the walk’s rows: the frame that an entry names, or its swap slot, or nothing', () => {
  const walk = {
    present: false,
    levels: [
      { name: 'PMD', index: 170, entry: '0x1445067', flags: ['present', 'rw'] },
      { name: 'PTE', index: 400, entry: '0x70', flags: ['swap'] },
    ],
  };
  assert.deepEqual(
    walkRows(walk, [table()]).map((row) => [row.kind, row.frame, row.slot]),
    [
      ['table', 0x1445, null],
      ['swap', null, 7],
    ],
  );
  const [row] = walkRows(
    { present: true, levels: [{ name: 'PTE', index: 1, entry: '0x8000000003d48465', flags: ['present', 'nx'] }] },
    [],
  );
  assert.equal(row.frame, 0x3d48, 'the bits above and below the frame are flags');
});

test('a TLB that was never asked has no hit rate; entries of another process are not this one’s', () => {
  assert.equal(hitShare({ hits: 0, misses: 0 }), 0);
  assert.equal(hitShare({ hits: 3, misses: 1 }), 0.75);
  const held = (/** @type {number | null} */ pid) => ({
    address: '0x1000',
    page_size: 4096,
    pfn: 5,
    pid,
    set: 1,
    age: 0,
    stale: false,
  });
  const tlb = {
    cpus: [
      { cpu: 0, translations: [held(7)] },
      { cpu: 1, translations: [held(8), held(null)] },
    ],
  };
  assert.deepEqual(
    tlbHits(tlb, '0x1fff', 7).map((t) => t.cpu),
    [0, 1],
  );
  assert.deepEqual(tlbHits(tlb, '0x2000', 7), []);
});
