/* The heap: chunks in rows of addresses, what rounding costs, lists, and the words of a header. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chunkAt,
  chunkPlaces,
  fieldMeaning,
  heapRegions,
  heapSums,
  kindOfChunk,
  listArrows,
  listGroups,
  lostOf,
  regionRows,
  rowBytesFor,
  swappedNote,
} from '../../web/src/model/heap.js';

const chunk = (/** @type {number} */ at, /** @type {number} */ size, /** @type {any} */ more = {}) => ({
  address: '0x' + at.toString(16),
  size,
  state: 'used',
  requested: 0,
  name: '',
  seq: 1,
  arena: '0xa',
  flags: ['PREV_INUSE'],
  ...more,
});
const MAIN = [
  { address: '0xa', main: true },
  { address: '0xb', main: false },
];

test('a chunk’s kind: malloc’s own blocks and fenceposts are told from the program’s', () => {
  assert.equal(kindOfChunk(chunk(0, 48), 32).key, 'used');
  assert.equal(kindOfChunk(chunk(0, 656, { name: '(thread cache)' }), 32).key, 'own');
  assert.equal(kindOfChunk(chunk(0, 16), 32).key, 'fence');
  assert.equal(kindOfChunk(chunk(0, 16, { state: 'top' }), 32).key, 'top');
  assert.equal(kindOfChunk(chunk(0, 48, { state: 'tcache' }), 32).letter, 't');
});

test('rounding: a chunk in the heap lends the next one’s first word, a mapping has none to lend', () => {
  assert.equal(lostOf(chunk(0, 32, { requested: 24 }), 8), 0);
  assert.equal(lostOf(chunk(0, 112, { requested: 100 }), 8), 4);
  assert.equal(lostOf(chunk(0, 4096, { requested: 4000, state: 'mmap' }), 8), 80);
  const { total, asked, lost } = heapSums([chunk(0, 32, { requested: 24 }), chunk(32, 112, { requested: 100 })], {
    word: 8,
    min_chunk: 32,
  });
  assert.deepEqual([total, asked, lost], [144, 124, 4]);
});

test('chunks that touch and share an arena are one region', () => {
  const regions = heapRegions(
    [
      chunk(0x1000, 32),
      chunk(0x1020, 64),
      chunk(0x9000, 32, { arena: '0xb' }),
      chunk(0x20000, 4096, { arena: null, state: 'mmap' }),
    ],
    MAIN,
  );
  assert.deepEqual(
    regions.map((r) => [r.title, r.length, r.chunks]),
    [
      ['main arena', 96, [0, 1]],
      ['arena 1', 32, [2]],
      ['a mapping of its own', 4096, [3]],
    ],
  );
});

test('rows are true to scale, a chunk may run over their ends, and what was asked for is painted', () => {
  const chunks = [chunk(0x1010, 0xe0, { requested: 0x60 }), chunk(0x10f0, 0x40)];
  const [region] = heapRegions(chunks, MAIN);
  const rows = regionRows(chunks, region, 256);
  assert.deepEqual(
    rows.map((row) => row.address),
    ['0x1000', '0x1100'],
  );
  assert.deepEqual(
    rows[0].pieces.map((p) => [p.nr, p.from * 256, p.to * 256, p.first, p.last]),
    [
      [0, 0x10, 0xf0, true, true],
      [1, 0xf0, 0x100, true, false],
    ],
  );
  assert.deepEqual(
    rows[1].pieces.map((p) => [p.nr, p.to * 256, p.first, p.last]),
    [[1, 0x30, false, true]],
  );
  assert.equal(rows[0].pieces[0].asked, 0x70 / 0xe0, 'the header and the bytes asked for');
  assert.equal(rows[0].pieces[1].asked, 0);
});

test('many rows of one chunk are folded, and nothing is lost by that', () => {
  const chunks = [chunk(0x1000, 0x80), chunk(0x1080, 0x2000, { state: 'top' }), chunk(0x3080, 0x20)];
  const [region] = heapRegions(chunks, MAIN);
  const rows = regionRows(chunks, region, 256);
  const covered = rows.reduce(
    (sum, row) => sum + row.folded * 256 + row.pieces.reduce((s, p) => s + (p.to - p.from) * 256, 0),
    0,
  );
  assert.equal(covered, region.length);
  assert.deepEqual(
    rows.filter((row) => row.folded).map((row) => [row.address, row.folded, row.nr]),
    [['0x1100', 31, 1]],
  );
  assert.ok(rowBytesFor(chunks, [region]) === 256);
});

test('lists: in malloc’s order, by thread or arena when there are several; arrows follow the links', () => {
  const list = {
    kind: 'tcache',
    index: 1,
    tid: 0,
    arena: null,
    head: '0x0',
    min_size: 48,
    max_size: 48,
    count: 2,
    chunks: [
      { address: '0x1100', size: 48, link: '', next: '0x1010' },
      { address: '0x1000', size: 48, link: '', next: null },
    ],
    truncated: false,
  };
  const large = { ...list, kind: 'large', tid: null, arena: '0xb', min_size: 1024, max_size: 1087, count: null };
  const groups = listGroups([large, list], MAIN);
  assert.deepEqual(
    groups.map((g) => [g.kind, g.lists[0].label, g.lists[0].whose]),
    [
      ['tcache', '48 B', 'thread 0'],
      ['large', '1\u202f024–1\u202f087 B', 'arena 1'],
    ],
  );
  const chunks = [chunk(0x1000, 0x100), chunk(0x1100, 0x100)];
  const places = chunkPlaces(regionRows(chunks, heapRegions(chunks, MAIN)[0], 256));
  const numbers = new Map(chunks.map((c, i) => [c.address, i]));
  assert.deepEqual(listArrows(list.chunks, numbers, places, 100, 20), ['M50 30Q74 20 50 10']);
  assert.deepEqual(listArrows(list.chunks, new Map(), places, 100, 20), [], 'a chunk that is not shown has no arrow');
});

test('a header’s words say what they are', () => {
  const state = { tcache_key: '0x77' };
  const field = (/** @type {any} */ more) => ({
    name: 'fd',
    offset: 16,
    length: 8,
    value: '0x0',
    target: null,
    protected: false,
    previous_block: false,
    ...more,
  });
  const c = chunk(0x5000, 48);
  assert.match(
    fieldMeaning(field({ name: 'prev_size', previous_block: true }), c, state),
    /block before, which is in use/,
  );
  assert.match(fieldMeaning(field({ name: 'prev_size', value: '0x40' }), c, state), /free: 64 B/);
  assert.equal(fieldMeaning(field({ name: 'size' }), c, state), '48 B | PREV_INUSE');
  assert.match(fieldMeaning(field({ name: 'key', value: '0x77' }), c, state), /second free is noticed/);
  assert.match(fieldMeaning(field({ name: 'key', value: '0x78' }), c, state), /^not/);
  assert.match(
    fieldMeaning(field({ name: 'next', protected: true, target: '0x4010' }), c, state),
    /leads to 0x4010: stored value xor 0x5$/,
  );
  assert.match(fieldMeaning(field({ name: 'next', protected: true, target: '0x0' }), c, state), /end of the list/);
});

test('an address leads to its chunk, at its ends too', () => {
  const chunks = [chunk(0x1000, 32), chunk(0x1020, 32)];
  assert.deepEqual(
    ['0xfff', '0x1000', '0x101f', '0x1020', '0x1040'].map((a) => chunkAt(chunks, a)),
    [-1, 0, 0, 1, -1],
  );
});

test('a heap in swap is not empty: it is said what is not read', () => {
  const maps = /** @type {any} */ ([
    { name: '[heap]', swap_pages: 3 },
    { name: '', swap_pages: 9 },
  ]);
  assert.match(swappedNote(maps, MAIN), /^3 pages of this heap are in swap/);
  assert.deepEqual([swappedNote([], MAIN), swappedNote(maps, [])], ['', '']);
});
