/* The call panel: requests, lines of C, remarks, GFP expressions, sizes as people write them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, count, duration, parseSize } from '../../web/src/format.js';
import {
  callLine,
  candidates,
  emptyForm,
  fieldsOf,
  handleAt,
  remark,
  requestOf,
  suggestedName,
} from '../../web/src/model/form.js';
import { gfpBits, gfpExpression, gfpMeaning } from '../../web/src/model/gfp.js';

const PARAMS = /** @type {any[]} */ ([
  { name: 'size', type: 'size', default: 0 },
  { name: 'gfp', type: 'gfp', default: 0xcc0 },
  { name: 'context', type: 'context', default: 0 },
  { name: 'cpu', type: 'number', default: 0 },
  { name: 'name', type: 'text', default: 0 },
  { name: 'address', type: 'address', default: 0 },
  { name: 'pid', type: 'number', default: 0 },
]);
const KMALLOC = {
  op: 'kmalloc',
  group: 'kernel',
  doc: '',
  needed: ['size'],
  further: ['gfp', 'cpu', 'context', 'name'],
  makes: true,
  frame_kind: 'slab',
};
const KFREE = { ...KMALLOC, op: 'kfree', needed: ['address'], further: ['cpu', 'context'], makes: false };
const MALLOC = { ...KMALLOC, op: 'malloc', group: 'user', needed: ['pid', 'size'], further: ['name'] };
const VMALLOC = { ...KMALLOC, op: 'vmalloc', group: 'vmalloc', further: ['name'] };
const NONE = { pid: 0, name: 'a' };
const GFP = [
  { name: '__GFP_ZERO', bits: '0x100', mask: false },
  { name: '__GFP_DIRECT_RECLAIM', bits: '0x400', mask: false },
  { name: '__GFP_NOFAIL', bits: '0x8000', mask: false },
  { name: 'GFP_KERNEL', bits: '0xcc0', mask: true },
  { name: 'GFP_ATOMIC', bits: '0xa20', mask: true },
];
const form = (/** @type {any} */ patch) => ({ ...emptyForm(), ...patch });

test('a request says what was said, and leaves defaults out', () => {
  assert.deepEqual(requestOf(form({}), KMALLOC, PARAMS, NONE), {
    op: 'kmalloc',
    size: 1000,
    gfp: 'GFP_KERNEL',
    name: 'a',
  });
  assert.deepEqual(
    requestOf(
      form({
        values: { size: '64K', context: 'softirq', cpu: '1', name: 'x' },
        preset: 'GFP_ATOMIC',
        flags: ['__GFP_ZERO'],
      }),
      KMALLOC,
      PARAMS,
      NONE,
    ),
    { op: 'kmalloc', size: 65536, gfp: 'GFP_ATOMIC|__GFP_ZERO', cpu: 1, context: 'softirq', name: 'x' },
  );
});

test('what is no number goes to the daemon as it is', () => {
  assert.equal(requestOf(form({ values: { size: 'lots' } }), KMALLOC, PARAMS, NONE).size, 'lots');
  assert.equal(requestOf(form({ values: { size: '-4' } }), KMALLOC, PARAMS, NONE).size, -4);
});

test('an address is an address, and any other word a handle', () => {
  assert.deepEqual(requestOf(form({ values: { address: '0xc0001010' } }), KFREE, PARAMS, NONE), {
    op: 'kfree',
    address: '0xc0001010',
  });
  assert.deepEqual(requestOf(form({ values: { address: 'skb' } }), KFREE, PARAMS, NONE), { op: 'kfree', name: 'skb' });
});

test('an empty address means the selection', () => {
  assert.deepEqual(requestOf(form({ values: {} }), KFREE, PARAMS, { ...NONE, address: '0xc0009000' }), {
    op: 'kfree',
    address: '0xc0009000',
  });
  assert.deepEqual(requestOf(form({ values: {} }), KFREE, PARAMS, NONE), { op: 'kfree' });
});

test('user calls take the process shown, when there is one', () => {
  assert.equal(requestOf(form({}), MALLOC, PARAMS, { pid: 12, name: 'a' }).pid, 12);
  assert.ok(!('pid' in requestOf(form({}), MALLOC, PARAMS, NONE)));
});

test('the call as C', () => {
  const line = (/** @type {any} */ request) => {
    const l = callLine(request, /alloc$/.test(request.op));
    return `${l.target}${l.call}(${l.args});${l.note && ` /* ${l.note} */`}`;
  };
  assert.equal(
    line({ op: 'kmalloc', size: 1000, gfp: 'GFP_KERNEL|__GFP_ZERO', name: 'skb' }),
    'skb = kmalloc(1000, GFP_KERNEL | __GFP_ZERO);',
  );
  assert.equal(
    line({ op: 'vmalloc', size: 196608, name: 'v', context: 'softirq' }),
    'v = vmalloc(196608); /* softirq */',
  );
  assert.equal(line({ op: 'malloc', size: 10, name: 'b', pid: 7 }), 'b = malloc(10); /* pid 7 */');
  assert.equal(line({ op: 'kfree', address: '0xc0001010' }), 'kfree(0xc0001010);');
  assert.equal(line({ op: 'write', name: 'b', fill: 170, length: 20 }), 'memset(b, 0xaa, 20);');
});

test('remarks on a size', () => {
  const profile = /** @type {any} */ ({ kmalloc_max: 131056 });
  const preview = /** @type {any} */ ({ outcome: 'ok', allocated: 1020, cache: 'kmalloc-1020', frames: [] });
  assert.deepEqual(remark(KMALLOC, 1000, profile, preview), {
    text: `1\u202f000 → 1\u202f020 · kmalloc-1020`,
    strong: '20 B lost',
    bad: false,
  });
  assert.ok(remark(KMALLOC, 131057, profile, null).bad);
  assert.ok(!remark(KMALLOC, 131056, profile, null).bad);
  assert.match(remark(VMALLOC, 196608, profile, null).strong, /kmalloc could not/);
  assert.ok(remark(KMALLOC, 131057, profile, /** @type {any} */ ({ outcome: 'null', frames: [], message: null })).bad);
  const nothing = { text: '', strong: '', bad: false };
  const bug = {
    outcome: 'bug',
    frames: [],
    message: '------------[ cut here ]------------\nkernel BUG at mm/vmalloc.c:2554!\n',
  };
  assert.equal(remark(VMALLOC, 100, profile, /** @type {any} */ (bug)).text, 'kernel BUG at mm/vmalloc.c:2554!');
  assert.deepEqual(remark(KFREE, 1000, profile, preview), nothing, 'it makes nothing');
  assert.deepEqual(remark(null, 1000, profile, preview), nothing, 'the table is not there yet');
});

test('handles: a, b … z, a1, skipping those in use', () => {
  assert.deepEqual([0, 25, 26, 27].map(handleAt), ['a', 'z', 'a1', 'b1']);
  assert.equal(suggestedName(emptyForm(), /** @type {any} */ ([{ name: 'a' }, { name: 'b' }])), 'c');
});

test('an address field offers what its operation may take', () => {
  const live = /** @type {any} */ ([
    { release: 'kfree', address: '1' },
    { release: 'vfree', address: '2' },
  ]);
  assert.deepEqual(
    candidates('vfree', live).map((a) => a.address),
    ['2'],
  );
  assert.deepEqual(
    candidates('ksize', live).map((a) => a.address),
    ['1'],
  );
  assert.equal(candidates('write', live).length, 2);
});

test('fields: needed ones first', () => {
  assert.deepEqual(
    fieldsOf(MALLOC, PARAMS).map((f) => [f.param.name, f.needed]),
    [
      ['pid', true],
      ['size', true],
      ['name', false],
    ],
  );
});

test('GFP: expression, bits, and what cannot work', () => {
  assert.equal(gfpExpression('GFP_KERNEL', ['__GFP_ZERO']), 'GFP_KERNEL|__GFP_ZERO');
  assert.equal(gfpBits(GFP, 'GFP_KERNEL', ['__GFP_ZERO']), 0xdc0);
  assert.deepEqual(gfpMeaning(GFP, 'GFP_ATOMIC', [], 'hardirq'), { maySleep: false, conflict: '' });
  assert.match(gfpMeaning(GFP, 'GFP_KERNEL', [], 'hardirq').conflict, /hardirq/);
  assert.match(gfpMeaning(GFP, 'GFP_ATOMIC', ['__GFP_NOFAIL'], 'process').conflict, /NOFAIL/);
});

test('sizes and numbers', () => {
  assert.deepEqual(['64K', '256M', '0x100', ' 12 ', '1 GiB', '1.5K', '', 'x'].map(parseSize), [
    65536,
    2 ** 28,
    256,
    12,
    2 ** 30,
    NaN,
    NaN,
    NaN,
  ]);
  assert.deepEqual(
    [bytes(196608), bytes(1000), bytes(1 << 30), count(4096), duration(31400), duration(12)],
    ['192 KiB', '1000 B', '1 GiB', '4\u202f096', '31.4 µs', '12 ns'],
  );
});

test('words to choose from: the first stands for a needed one, the default stays out', () => {
  const params = /** @type {any[]} */ ([
    { name: 'pid', type: 'number', default: 0 },
    { name: 'advice', type: 'choice', default: 'MADV_DONTNEED', choices: ['MADV_DONTNEED', 'MADV_FREE'] },
    { name: 'prot', type: 'choice', default: 'rw-', choices: ['r--', 'rw-'] },
  ]);
  const info = { op: 'madvise', group: 'user', doc: '', needed: ['pid', 'advice'], further: ['prot'] };
  const request = (/** @type {any} */ values) =>
    requestOf(form({ op: 'madvise', values }), info, params, { pid: 7, name: 'a' });
  assert.deepEqual(request({}), { op: 'madvise', pid: 7, advice: 'MADV_DONTNEED' });
  assert.deepEqual(request({ advice: 'MADV_FREE', prot: 'rw-' }), { op: 'madvise', pid: 7, advice: 'MADV_FREE' });
  assert.equal(request({ prot: 'r--' }).prot, 'r--');
});

test('every operation of the engine is a line of C with its own arguments', async () => {
  const { readFile } = await import('node:fs/promises');
  const openapi = JSON.parse(await readFile(new URL('../../data/openapi.json', import.meta.url), 'utf8'));
  const ops = openapi.components.schemas.Operation.properties.op.enum;
  assert.ok(ops.length > 45, `${ops.length} operations`);
  const request = {
    name: 'p',
    address: '0x10',
    size: 100,
    n: 2,
    order: 1,
    length: 4096,
    new_length: 8192,
    align: 64,
    cache: 'c',
    text: 't',
    fill: 1,
    pid: 7,
    tid: 1,
    value: 5,
    increment: 16,
  };
  for (const op of ops) {
    const { args, call } = callLine({ op, ...request }, false);
    assert.doesNotMatch(`${call}(${args})`, /undefined|NaN|\?/, op);
  }
  assert.equal(
    callLine({ op: 'kmem_cache_create', cache: 'c', size: 64, flags: 'SLAB_POISON|SLAB_ACCOUNT' }, false).args,
    '"c", 64, 0, SLAB_POISON | SLAB_ACCOUNT, NULL',
  );
  assert.equal(
    callLine({ op: 'mprotect', address: '0x10', length: 4096, prot: 'r-x' }, false).args,
    '0x10, 4096, PROT_READ | PROT_EXEC',
  );
  assert.equal(callLine({ op: 'setrlimit', resource: 'RLIMIT_AS', size: 9, pid: 7 }, false).args, 'RLIMIT_AS, 9');
});

test('write writes the selected block with 0xaa unless something else is said; 0 said is 0', () => {
  const WRITE = { ...KFREE, op: 'write', needed: ['address', 'hex'], further: ['length', 'fill'] };
  const params = /** @type {any[]} */ ([
    ...PARAMS,
    { name: 'hex', type: 'hex' },
    { name: 'length', type: 'size', default: 0 },
    { name: 'fill', type: 'number', default: 0 },
  ]);
  const ask = (/** @type {any} */ values, size = 5000) =>
    requestOf(form({ op: 'write', values }), WRITE, params, { ...NONE, address: '0x10', size });
  assert.deepEqual(ask({}), { op: 'write', address: '0x10', fill: 0xaa, length: 5000 });
  assert.deepEqual(ask({ fill: '0', length: '0x20' }), { op: 'write', address: '0x10', fill: 0, length: 32 });
  assert.deepEqual(ask({ hex: '00ff' }), { op: 'write', address: '0x10', hex: '00ff' });
  assert.equal(ask({}, 1e6).length, 65536, 'as much as one operation may write');
});
