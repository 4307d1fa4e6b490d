/* The list of live allocations: order, filter, rows seen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liveRows, rowsSeen } from '../../web/src/model/live.js';

const block = (seq, name, more = {}) => ({
  seq,
  name,
  op: 'kmalloc',
  address: `0xffff88800${seq}000`,
  requested: 100,
  allocated: 128,
  cache: 'kmalloc-128',
  call_site: null,
  pid: null,
  ...more,
});
const names = (rows) => rows.map((a) => a.name ?? a.call_site);

test('named blocks come first, then the newest', () => {
  const live = [
    block(1, 'old'),
    block(9, null, { call_site: 'vm_area_alloc+0x1/0x2' }),
    block(5, 'new'),
    block(3, null, { call_site: 'x' }),
  ];
  assert.deepEqual(names(liveRows(live, '')), ['new', 'old', 'vm_area_alloc+0x1/0x2', 'x']);
});

test('every word of the filter must be in the row: name, function, cache, address, process', () => {
  const live = [
    block(1, 'ring'),
    block(2, 'heap', { op: 'malloc', pid: 100, cache: null }),
    block(3, null, { cache: 'dentry', call_site: 'd_alloc' }),
  ];
  assert.deepEqual(names(liveRows(live, 'DENTRY')), ['d_alloc']);
  assert.deepEqual(names(liveRows(live, 'malloc pid 100')), ['heap']);
  assert.deepEqual(names(liveRows(live, '0xffff888001')), ['ring']);
  assert.deepEqual(liveRows(live, 'ring dentry'), []);
});

test('of a long list the rows in the box are drawn, and a few beside them', () => {
  assert.deepEqual(rowsSeen(1000, 0, 220, 44), [0, 9]);
  assert.deepEqual(rowsSeen(1000, 4400, 220, 44), [96, 109]);
  assert.deepEqual(rowsSeen(1000, 43780, 220, 44), [991, 1000]);
  assert.deepEqual(rowsSeen(3, 5000, 220, 44), [3, 3], 'a list that has become short');
});
