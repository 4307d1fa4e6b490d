/* The byte view: what each byte is, and which the last operation changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extentsIn, freePointerFields, headerFields, hexRows, leadOf, windowFor } from '../../web/src/model/hexdump.js';

const kinds = (/** @type {any} */ row) => row.spans.map((/** @type {any} */ s) => s.kind + (s.changed ? '!' : ''));
const extent = (/** @type {any} */ more) => ({
  start: 0x1010n,
  requested: 4,
  allocated: 8,
  name: 'a',
  mine: true,
  ...more,
});

test('the window begins at the metadata, at a multiple of sixteen, and pages both ways', () => {
  assert.deepEqual(windowFor('0xc0001010', 20, 16, 0), { address: '0xc0001000', length: 80 });
  assert.deepEqual(windowFor('0xc0001100', 2000, 0, 1), { address: '0xc0001500', length: 1008 });
  assert.deepEqual(windowFor('0xc000100c', 100, 0, 0), { address: '0xc0001000', length: 144 });
  assert.deepEqual(windowFor('0xc0001100', 64, 0, -1), { address: '0xc0000d00', length: 1024 });
});

test('written, zero, granted but not asked for, nobody’s', () => {
  const rows = hexRows({
    hex: '11'.repeat(16) + '00aa'.repeat(8),
    from: '0x1000',
    extents: [extent({})],
    fields: [],
    poison: false,
  });
  assert.deepEqual(kinds(rows[0]), ['out']);
  assert.deepEqual(kinds(rows[1]), ['zero', 'data', 'zero', 'data', 'slack', 'out']);
});

test('what stood there when the memory was handed out is stale until it is written', () => {
  const born = '41424300' + '00'.repeat(12);
  const rows = hexRows({
    hex: '41ff4300' + '00'.repeat(12),
    from: '0x1010',
    born,
    before: null,
    extents: [extent({})],
    fields: [],
    poison: false,
  });
  assert.deepEqual(kinds(rows[0]), ['stale', 'data', 'stale', 'zero', 'slack', 'out']);
});

test('changes since the last step are marked; a page that had no frame before is changed whole', () => {
  const rows = hexRows({
    hex: '0102' + '00'.repeat(14),
    from: '0x1010',
    before: '0103' + '00'.repeat(14),
    extents: [extent({})],
    fields: [],
    poison: false,
  });
  assert.deepEqual(kinds(rows[0]).slice(0, 2), ['data', 'data!']);
  assert.equal(rows[0].spans.map((s) => s.text).join(''), '01 02 00 00 00 00 00 00  00 00 00 00 00 00 00 00');
  const fresh = hexRows({ hex: '00'.repeat(16), from: '0x1010', before: '', extents: [], fields: [], poison: false });
  assert.deepEqual(kinds(fresh[0]), ['out!']);
});

test('another allocation’s bytes are not mine; poison is told where the machine poisons', () => {
  const other = extent({ start: 0x1000n, requested: 16, allocated: 16, mine: false, name: 'b' });
  const view = {
    hex: '6b'.repeat(32),
    from: '0x1000',
    extents: [extent({ requested: 16, allocated: 16 }), other],
    fields: [],
    poison: false,
  };
  assert.deepEqual(hexRows(view).map(kinds), [['other'], ['data']]);
  assert.deepEqual(hexRows({ ...view, extents: [], poison: true }).map(kinds), [['poison'], ['poison']]);
});

test('metadata by name: page descriptor, chunk header, free pointers', () => {
  const classic = headerFields({
    profile: 'classic',
    bits: 32,
    allocation: { address: '0xc0001010', pid: 0, op: 'kmalloc', cache: 'kmalloc-32' },
  });
  assert.deepEqual([classic.length, classic[0].start, leadOf(classic, '0xc0001010')], [4, 0xc0001000n, 16]);
  assert.equal(
    headerFields({
      profile: 'classic',
      bits: 32,
      allocation: { address: '0xc0001210', pid: 0, op: 'kmalloc', cache: 'kmalloc-32' },
    }).length,
    0,
  );
  const heap = headerFields({
    profile: 'linux-6.1',
    bits: 64,
    allocation: { address: '0x55550000a2a0', pid: 100, op: 'malloc', cache: null },
  });
  assert.deepEqual(
    heap.map((f) => Number(f.start - 0x55550000a2a0n)),
    [-16, -8],
  );
  const free = /** @type {any} */ ([
    { address: '0x2000', in_use: false, free_next: '0x2060' },
    { address: '0x2060', in_use: false, free_next: '0x0' },
    { address: '0x20c0', in_use: true },
  ]);
  const slub = freePointerFields(free, 48, 8);
  assert.deepEqual(
    slub.map((f) => [f.start, f.end]),
    [
      [0x2030n, 0x2038n],
      [0x2090n, 0x2098n],
    ],
  );
  assert.match(slub[1].name, /end of the chain/);
  assert.deepEqual(
    freePointerFields(free, 0, 4).map((f) => Number(f.end - f.start)),
    [4, 4],
  );
  const rows = hexRows({ hex: 'ff'.repeat(16), from: '0x2030', extents: [], fields: slub, poison: false });
  assert.deepEqual(kinds(rows[0]), ['meta', 'out']);
  assert.deepEqual(rows[0].notes, ['free pointer → 0x2060']);
});

test('allocations that reach into the window, of one address space', () => {
  const live = /** @type {any} */ ([
    { address: '0x1000', requested: 64, allocated: 64, op: 'kmalloc', pid: 0, name: 'a' },
    { address: '0x1000', requested: 64, allocated: 64, op: 'malloc', pid: 7, name: 'u' },
    { address: '0x9000', requested: 64, allocated: 64, op: 'kmalloc', pid: 0, name: 'far' },
  ]);
  assert.deepEqual(
    extentsIn(live, '0x1030', 32, 0, live[0], (a) => a.name).map((e) => [e.name, e.mine]),
    [['a, kmalloc 64', true]],
  );
});
