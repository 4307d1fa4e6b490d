/* Processes, swap, the address space as a tree, and what an import says of itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressFacts, summaryFacts } from '../../web/src/model/import.js';
import {
  commitFacts,
  limitRows,
  pageStrip,
  processBar,
  processTree,
  stateSums,
  stripText,
} from '../../web/src/model/processes.js';
import { bytesOf, childrenOf, pathTo, resolvePath, stripOf, wholeSpace } from '../../web/src/model/space.js';
import { rowParts, slotsPerCell, swapCells, swapOwners } from '../../web/src/model/swap.js';

const map = { start: '0x10000', end: '0x14000', perms: 'rw-p', name: 'm', rss_pages: 1, swap_pages: 1 };
const runs = [
  { address: '0xf000', count: 2, state: 'present', pfn: 5 },
  { address: '0x11000', count: 1, state: 'swapped', slot: 3 },
  { address: '0x12000', count: 9, state: 'untouched' },
];

test('a mapping’s strip is its pages and no others', () => {
  const strip = pageStrip(map, runs);
  assert.deepEqual(
    strip.map((p) => [p.state, p.from, p.share, p.count]),
    [
      ['present', 0, 0.25, 1],
      ['swapped', 0.25, 0.25, 1],
      ['untouched', 0.5, 0.5, 2],
    ],
  );
  assert.equal(stripText(strip), '1 present, 1 in swap, 2 untouched');
  assert.deepEqual(
    stateSums(runs).map((s) => [s.key, s.count]),
    [
      ['present', 2],
      ['swapped', 1],
      ['untouched', 9],
    ],
  );
});

test('processes: parents first, bars to one scale, limits and promises in words', () => {
  const tree = [
    { pid: 3, parent_pid: 2 },
    { pid: 1, parent_pid: 0 },
    { pid: 2, parent_pid: 1 },
    { pid: 9, parent_pid: 77 },
  ];
  assert.deepEqual(processTree(tree), [
    { pid: 1, depth: 0 },
    { pid: 2, depth: 1 },
    { pid: 3, depth: 2 },
    { pid: 9, depth: 0 },
  ]);
  assert.deepEqual(processBar({ rss_pages: 2, swap_pages: 1, virtual_bytes: 16384 }, 8), {
    rss: 0.25,
    swap: 0.125,
    promised: 0.125,
  });
  assert.deepEqual(limitRows({ RLIMIT_AS: null, RLIMIT_STACK: 8388608 }), [
    { name: 'RLIMIT_AS', value: 'unlimited' },
    { name: 'RLIMIT_STACK', value: '8 MiB' },
  ]);
  const commit = commitFacts({ overcommit_memory: 2, limit_pages: 200, committed_pages: 50 });
  assert.deepEqual([commit.share, commit.isBinding], [0.25, true]);
});

test('swap: shared slots have all their owners, a large area has several slots a cell', () => {
  const slots = [
    { slot: 1, count: 3, pid: 7, address: '0x0', nr_users: 2 },
    { slot: 2, count: 1, pid: 8, address: '0x0', nr_users: 2 },
  ];
  assert.deepEqual(
    swapCells(slots, 100).map((c) => [c.cell, c.count, c.owners]),
    [
      [1, 1, [7]],
      [2, 1, [7, 8]],
      [3, 1, [7]],
    ],
  );
  assert.equal(slotsPerCell(1024), 1);
  assert.equal(slotsPerCell(1025), 2);
  assert.deepEqual(
    swapCells(slots, 4096).map((c) => [c.cell, c.owners]),
    [[0, [7, 8]]].slice(0, 1),
    'four slots a cell',
  );
  assert.deepEqual(rowParts({ cell: 6, count: 5 }, 8), [
    { x: 6, y: 0, w: 2 },
    { x: 0, y: 1, w: 3 },
  ]);
  assert.deepEqual(
    swapOwners(slots).map((o) => [o.pid, o.pages]),
    [
      [7, 3],
      [8, 1],
    ],
  );
});

/** @returns {any} */
const world = (more = {}) => ({
  bits: 64,
  pageOffset: '0xffff888000000000',
  memory: 1 << 22,
  runs: null,
  views: {
    pid: 7,
    processes: [{ pid: 7, name: 'sh', virtual_bytes: 16384 }],
    maps: [map],
    vmalloc: {
      start: '0xffffc90000000000',
      end: '0xffffe90000000000',
      areas: [
        {
          start: '0xffffc90000000000',
          end: '0xffffc90000003000',
          nr_pages: 2,
          guard_pages: 1,
          state: 'busy',
          name: 'v',
          caller: 'vmalloc',
          seq: 1,
          frames: [{ pfn: 9, count: 2 }],
        },
        {
          start: '0xffffc90000004000',
          end: '0xffffc90000006000',
          nr_pages: 1,
          guard_pages: 1,
          state: 'lazy',
          name: '',
          caller: '',
          seq: 1,
          frames: [],
        },
      ],
    },
    cells: { nr: 1024, shift: 0, bytes: new Uint8Array(4096).fill(1) },
  },
  ...more,
});

test('every level of the address space covers its parent without holes and overlaps', () => {
  const w = world({ runs });
  const walk = (/** @type {any} */ node, depth = 0) => {
    const children = childrenOf(node, w);
    if (!children.length || depth > 5) return;
    if (node.what !== 'map') {
      assert.equal(children[0].start, node.start, node.id);
      assert.equal(children[children.length - 1].end, node.end, node.id);
    }
    children.slice(1).forEach((child, i) => assert.equal(child.start, children[i].end, child.id));
    children.forEach((child) => walk(child, depth + 1));
  };
  walk(wholeSpace(w));
  const w32 = world({ bits: 32, pageOffset: '0xc0000000' });
  w32.views.vmalloc = { start: '0xc0c00000', end: '0xff000000', areas: [] };
  assert.deepEqual(
    childrenOf(wholeSpace(w32), w32).map((c) => c.look),
    ['user', 'direct', 'unmodelled', 'vmalloc', 'unmodelled'],
  );
});

test('areas end with their guard page; what is freed lazily is still there', () => {
  const w = world();
  const path = pathTo(w, 0xffffc90000000000n);
  const nodes = resolvePath(w, path);
  assert.deepEqual(
    nodes.map((n) => n.what),
    ['space', 'region', 'area', 'run', 'page'],
  );
  assert.deepEqual(
    childrenOf(nodes[2], w).map((c) => c.what),
    ['run', 'guard'],
  );
  assert.deepEqual(
    childrenOf(nodes[1], w).map((c) => c.what),
    ['area', 'gap', 'lazy', 'gap'],
  );
  assert.equal(nodes[4].pfn, 9);
  assert.deepEqual(
    childrenOf(nodes[3], w).map((c) => c.pfn),
    [9, 10],
  );
});

test('a path leads as far as it can, pages keep their frames and slots, and sizes beyond 2^53 are told', () => {
  const w = world({ runs });
  const nodes = resolvePath(w, [...pathTo(w, 0x11000n), 'gone']);
  assert.deepEqual([nodes[nodes.length - 1].what, nodes[nodes.length - 1].slot], ['page', 3]);
  const first = childrenOf(nodes[2], w)[0];
  assert.deepEqual(
    [first.start, first.pfn, first.what],
    [0x10000n, 6, 'page'],
    'cut to the mapping: the frame of its own first page',
  );
  assert.equal(bytesOf(1n << 64n), '16 EiB');
  assert.equal(bytesOf(1n << 47n), '128 TiB');
  assert.ok(stripOf(nodes[0], childrenOf(nodes[0], w), 800).every(({ w: wide }) => wide >= 1));
});

test('an import: how far, what came of it, what was skipped the most', () => {
  assert.equal(progressFacts({ bytes: 512, operations: 10 }, 1024, 2).share, 0.5);
  assert.match(
    progressFacts({ bytes: 512, operations: 10 }, 1024, 2).text,
    /512 B of 1 KiB read · 10 operations applied · 5 a second/,
  );
  assert.equal(progressFacts({ bytes: 512, operations: 1 }, 0, 0).share, null);
  const facts = summaryFacts({
    lines: 9,
    events_read: 8,
    applied: 5,
    skipped: 3,
    failed: 0,
    operations: 6,
    outcomes: { ok: 6, null: 0, bug: 0 },
    by_event: [
      { event: 'kfree', reasons: [{ reason: 'unknown pointer', count: 1, first_line: 4 }] },
      { event: 'x', reasons: [{ reason: 'no such event', count: 2, first_line: 2 }] },
    ],
    kmalloc_compared: 1000,
    kmalloc_agree: 999,
    blocks_compared: 0,
    blocks_agree: 0,
    slab_pages_compared: 0,
    slab_pages_agree: 0,
    pid: null,
    format: 'ftrace',
    format_reason: 'text of kernel events: line 4 is an event',
    problem: 'stopped on request',
    seconds: 0.5,
  });
  assert.deepEqual(facts.rows.at(-1), ['taken for', 'ftrace: text of kernel events: line 4 is an event']);
  assert.deepEqual(
    facts.skips.map((s) => [s.event, s.count]),
    [
      ['x', 2],
      ['kfree', 1],
    ],
  );
  assert.equal(facts.agreements[0].text, '999 of 1\u202f000, 99.9 %');
  assert.ok(facts.stopped);
});
