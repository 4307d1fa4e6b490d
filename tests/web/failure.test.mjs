/* What a failed call teaches. The messages are the engine's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureLine, failureOf, orderFor } from '../../web/src/model/failure.js';

const makes = ['kmalloc', 'vmalloc', 'alloc_pages', 'malloc', 'kcalloc', 'kzalloc'];
const OPS = /** @type {any[]} */ (
  [...makes, 'kfree', 'vfree', 'free', 'free_pages', 'write'].map((op) => ({ op, makes: makes.includes(op) }))
);
const CLASSIC = { name: 'classic', word_bits: 32, kmalloc_max: 131056, nr_orders: 6 };
const LINUX = { name: 'linux-6.1', word_bits: 64, kmalloc_max: 4194304, nr_orders: 11 };
const v = {
  address: '0xc1800000',
  pid: 0,
  op: 'vmalloc',
  name: 'v',
  allocated: 53248,
  nr_frames: 13,
  order: 0,
  frames: [],
};
const zone = (free, blocks) => ({
  free,
  pcp: 0,
  free_area: blocks.map((nr_free, order) => ({ order, nr_free, migratetypes: {} })),
});
const views = (zones = [zone(3718, [0, 1, 1, 1, 1, 115])]) => /** @type {any} */ ({ allocations: [v], zones });

/** @param {any} request @param {any} result */
function fail(request, result, profile = CLASSIC, seen = views()) {
  const whole = { seq: 9, op: request.op, outcome: 'bug', address: null, message: null, request, ...result };
  return /** @type {any} */ (failureOf(whole, /** @type {any} */ ({ profile, views: seen, ops: OPS })));
}
const calls = (failure) => failure.instead.map((one) => one.call);

test('what went well is no failure; nor is what nobody knows the call of', () => {
  assert.equal(failureOf(null, /** @type {any} */ ({})), null);
  assert.equal(fail({ op: 'kfree' }, { outcome: 'ok' }), null);
  assert.equal(fail({ op: 'kfree' }, { request: undefined }), null);
});

test('one byte over the limit: why, why not, and three ways to go', () => {
  const it = fail(
    { op: 'kmalloc', size: 131057, name: 'ring' },
    { outcome: 'null', message: 'kmalloc of too large a block (131057 bytes).\n' },
  );
  assert.equal(it.title, 'One byte over kmalloc’s limit');
  assert.equal(it.call, 'ring = kmalloc(131057, GFP_KERNEL);');
  assert.equal(it.message, 'kmalloc of too large a block (131057 bytes).');
  assert.match(it.why, /32 frames, 131.072 bytes, and its first 16 .*131.056 are left for the caller: 128 KiB − 16 B/);
  assert.match(it.notReason, /3.718 frames are free, and 115 free blocks of 32 frames \(order 5\)/);
  assert.deepEqual(calls(it), [
    'ring = vmalloc(131057);',
    'ring = alloc_pages(GFP_KERNEL, 5);',
    'ring = kmalloc(131056, GFP_KERNEL);',
  ]);
  assert.match(it.source, /Linux 2\.0/);
  assert.equal(failureLine(it), 'ring = kmalloc(131057, GFP_KERNEL) → NULL');
  const linux = fail({ op: 'kmalloc', size: 5000000 }, { outcome: 'null', message: 'WARNING' }, LINUX);
  assert.match(linux.why, /1.024 of them: 4.194.304 bytes, 4 MiB/);
  assert.match(linux.source, /Linux 6\.1/);
});

test('the wrong release function: the message names the right one, which is one click away', () => {
  const it = fail(
    { op: 'kfree', name: 'v' },
    {
      address: '0xc1800000',
      message:
        'kfree of non-kmalloced memory: c1800000\nkfree(0xc1800000): this is vmalloc memory; it is released by vfree',
    },
  );
  assert.equal(it.title, 'kfree was given vmalloc memory');
  assert.deepEqual(it.instead, [
    { call: 'vfree(v);', note: 'gives back its 13 frames', request: { op: 'vfree', name: 'v' } },
  ]);
  assert.equal(it.holder, v);
  assert.match(it.changed, /Nothing changed/);
  const pages = fail(
    { op: 'kfree', address: '0xc0090000' },
    { message: 'this is alloc_pages memory; it is released by free_pages' },
  );
  assert.deepEqual(pages.instead[0].request, { op: 'free_pages', address: '0xc0090000', order: 0 });
});

test('sleeping in an interrupt: the context stays in the call; GFP_ATOMIC, or a process', () => {
  const it = fail(
    { op: 'kmalloc', size: 100, gfp: 'GFP_KERNEL', context: 'hardirq' },
    { message: 'BUG: sleeping function called from invalid context' },
    LINUX,
  );
  assert.equal(it.call, 'kmalloc(100, GFP_KERNEL); /* hardirq */');
  assert.equal(failureLine(it), 'kmalloc(100, GFP_KERNEL) /* hardirq */ → BUG');
  assert.match(it.title, /kmalloc may sleep, a hardirq must not/);
  assert.deepEqual(
    it.instead.map((one) => one.request),
    [
      { op: 'kmalloc', size: 100, gfp: 'GFP_ATOMIC', context: 'hardirq' },
      { op: 'kmalloc', size: 100, gfp: 'GFP_KERNEL' },
    ],
  );
  const area = fail(
    { op: 'vmalloc', size: 100, context: 'softirq' },
    { message: '(BUG_ON(in_interrupt()): vmalloc may sleep, and this is a softirq)' },
    LINUX,
  );
  assert.deepEqual(calls(area), ['kmalloc(100, GFP_ATOMIC); /* softirq */', 'vmalloc(100);']);
  const classic = fail(
    { op: 'kmalloc', size: 100, context: 'hardirq' },
    { message: 'kmalloc called nonatomically', address: '0xc009d010', allocated: 128 },
  );
  assert.match(classic.changed, /complains and goes on: it gave 128 B at 0xc009d010 all the same/);
});

test('a freed name’s old address', () => {
  const twice = fail(
    { op: 'kfree', name: 'k' },
    { name_is_freed: true, message: 'kfree: 0xc009c010: its page frame is free: double free, or never allocated' },
  );
  assert.equal(twice.title, 'k was freed before');
  assert.match(twice.why, /name still leads to its old address/);
  const used = fail({ op: 'write', name: 'k', fill: 1, length: 4 }, { name_is_freed: true, message: 'BUG: something' });
  assert.equal(used.title, 'k is used after it was freed');
});

/** @type {[string, any, any, RegExp, any?][]} */
const OTHERS = [
  [
    'NULL is followed',
    { op: 'write', address: '0x10' },
    { message: 'Unable to handle kernel NULL pointer dereference' },
    /follows a NULL pointer/,
  ],
  [
    'in a process too',
    { op: 'write', address: '0x10', pid: 3 },
    { message: 'demo[3]: segfault at 10 ip' },
    /follows a NULL pointer/,
  ],
  [
    'nothing is there',
    { op: 'write', address: '0xc1812000' },
    { message: 'Unable to handle kernel paging request' },
    /behind which nothing is/,
  ],
  [
    'no block of malloc',
    { op: 'free', address: '0xb7fc7000', pid: 3 },
    { message: 'Segmentation fault at b7fc6ffc: SIGSEGV ends process 3' },
    /behind which nothing is/,
  ],
  [
    'heap',
    { op: 'free', name: 'm', pid: 3 },
    { message: 'free(): invalid size: SIGABRT ends process 3' },
    /glibc finds its heap damaged/,
  ],
  [
    'slub_debug',
    { op: 'kfree', name: 'k' },
    { message: 'BUG kmalloc-64: Right Redzone overwritten' },
    /wrote where he should not/,
  ],
  ['order', { op: 'alloc_pages', order: 10 }, { outcome: 'null' }, /Order 10 is beyond the largest, 5/],
  ['overflow', { op: 'kcalloc', n: 2 ** 30, size: 2 ** 40 }, { outcome: 'null' }, /n × size/],
  ['vmalloc', { op: 'vmalloc', size: 100 << 20 }, { outcome: 'null' }, /More frames than are free/],
  ['malloc', { op: 'malloc', size: 3e9, pid: 3 }, { outcome: 'null' }, /may not promise more/],
  ['used up', { op: 'alloc_pages', order: 0 }, { outcome: 'null', nr_reclaimed: 4 }, /Memory is used up/],
  ['anything', { op: 'kfree', address: '0xc1800010' }, { message: 'what nobody thought of' }, /kfree was misused/],
];
for (const [what, request, result, title] of OTHERS)
  test(`another failure: ${what}`, () => {
    const it = fail(request, result);
    assert.match(it.title, title);
    for (const part of [it.why, it.changed, it.rule, it.source])
      assert.ok(part && !/undefined|NaN|null/.test(part), part);
  });

test('no memory for a call that may not sleep, or not in one piece: what is free is said', () => {
  const pieces = views([zone(300, [300, 0, 0, 0, 0, 0])]);
  const atomic = fail(
    { op: 'kmalloc', size: 65000, gfp: 'GFP_ATOMIC', context: 'hardirq' },
    { outcome: 'null', decisions: [{ event: 'watermark', free: 12, mark: 20 }] },
    CLASSIC,
    pieces,
  );
  assert.match(atomic.title, /No free block of order 4, and no sleep/);
  assert.match(
    atomic.why,
    /12 free frames; this call must leave 20.*300 frames are free, and no free block of 16 frames/s,
  );
  assert.deepEqual(calls(atomic), ['kmalloc(65000, GFP_KERNEL);', 'vmalloc(65000);']);
  const split = fail({ op: 'alloc_pages', order: 4 }, { outcome: 'null' }, CLASSIC, pieces);
  assert.match(split.title, /Memory enough, but no 16 frames side by side/);
  assert.equal(orderFor(65520), 4);
});

test('a process that ended, and pages that were reclaimed, are what changed', () => {
  assert.match(
    fail({ op: 'free', name: 'm', pid: 7 }, { message: 'double free or corruption (out): SIGABRT ends process 7' })
      .changed,
    /Process 7 has ended/,
  );
  assert.match(
    fail({ op: 'alloc_pages', order: 0 }, { outcome: 'null', nr_reclaimed: 4 }).changed,
    /4 pages were reclaimed/,
  );
});
