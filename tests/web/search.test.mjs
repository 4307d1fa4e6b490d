/* Search and commands; and which operations name a thing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, commandHits, searchHits } from '../../web/src/model/search.js';
import { eventsOf } from '../../web/src/model/touched.js';

const a = {
  address: '0xc0001010',
  requested: 100,
  allocated: 128,
  op: 'kmalloc',
  name: 'skb',
  pid: 0,
  frames: [{ pfn: 1, count: 1 }],
};
const state = /** @type {any} */ ({
  head: 50,
  ops: [{ seq: 12, op: 'kfree', outcome: 'ok' }],
  profile: { page_offset: '0xc0000000' },
  marks: [{ seq: 9, text: 'Pressure begins' }],
  views: {
    pid: 7,
    cells: { nr: 4096, shift: 0 },
    allocations: [a, { ...a, address: '0xc0009000', name: 'skb2' }],
    processes: [{ pid: 7, name: 'demo', rss_pages: 3 }],
  },
});
const caches = [{ name: 'kmalloc-128', nr_in_use: 2 }];
const find = (/** @type {string} */ text) => searchHits(text, state, caches);

test('an address finds the allocation that it lies in, its frame and its bytes', () => {
  const hits = find('0xc0001020');
  assert.deepEqual(
    hits.map((h) => h.title),
    ['skb', 'frame 0x1', 'bytes at 0xc0001020'],
  );
  assert.match(hits[0].note, /0x10 bytes into it/);
  assert.deepEqual(hits[1].actions[0], { type: 'select', selection: { kind: 'frame', pfn: 1 } });
  assert.deepEqual(
    find('0x8049000').map((h) => h.note),
    ['of pid 7'],
  );
});

test('frame, operation, name, cache, process', () => {
  assert.deepEqual(find('frame 420')[0].actions[0], { type: 'select', selection: { kind: 'frame', pfn: 420 } });
  assert.deepEqual(
    find('12').map((h) => h.title),
    ['operation 12', 'frame 0xc', 'cache kmalloc-128'],
  );
  assert.deepEqual(find('#12')[0].actions, [{ type: 'seek', seq: 12 }]);
  assert.equal(find('#51').length, 0, 'not in the history');
  assert.deepEqual(
    find('skb').map((h) => h.title),
    ['skb', 'skb2'],
  );
  assert.deepEqual(find('128')[1].actions[0], { type: 'cache', cache: 'kmalloc-128' });
  assert.equal(find('demo')[0].title, 'process 7 demo');
  assert.deepEqual(find('  '), []);
});

test('commands by any of their words', () => {
  const commands = [
    { title: 'Show Buddy', note: 'view' },
    { title: 'Call kmalloc', note: 'contiguous memory' },
  ];
  assert.deepEqual(commandHits('memory call', commands), [commands[1]]);
  assert.equal(commandHits('', commands).length, 2);
});

const ops = /** @type {any} */ ([
  { seq: 1, op: 'kmalloc', name: 'skb', result: { address: '0xc0001010', allocated: 128 } },
  { seq: 2, op: 'write', address: '0xc0001020', result: { allocated: 0 } },
  { seq: 3, op: 'write', address: '0xc0001020', pid: 7 },
  { seq: 4, op: 'kmalloc', name: 'far', result: { address: '0xc0005000', allocated: 64 } },
  { seq: 5, op: 'kfree', name: 'skb' },
]);

test('operations that name the selection: by handle or by an address inside it, of its own address space', () => {
  assert.deepEqual(
    eventsOf({ kind: 'allocation', address: a.address, pid: 0 }, ops, '0xc0000000', /** @type {any} */ (a)),
    [1, 2, 5],
  );
  assert.deepEqual(eventsOf({ kind: 'frame', pfn: 5 }, ops, '0xc0000000'), [4]);
});

test('an address finds what the daemon says holds it, also when the list of allocations is cut before it', () => {
  const far = { ...a, address: '0xc8000000', name: 'far' };
  const hits = searchHits('0xC8000010', state, caches, /** @type {any} */ ([far]));
  assert.equal(hits[0].title, 'far');
  assert.deepEqual(addressOf(' 0xC8000010 ', state), { address: '0xc8000010', pid: 0 });
  assert.deepEqual(addressOf('0x8049000', state), { address: '0x8049000', pid: 7 });
  assert.equal(addressOf('skb', state), null);
  assert.equal(
    searchHits('0xc0001020', state, caches, /** @type {any} */ ([a])).filter((h) => h.title === 'skb').length,
    1,
  );
});
