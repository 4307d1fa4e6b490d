// Slab caches over HTTP: a cache with its slabs by state, one slab with its objects and free chain, past moments, slub_debug.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

let daemon, lab;
before(async () => {
  daemon = await Daemon.start();
  lab = await make({ name: 'slabs', profile: 'linux-6.1', memory: '64M', cpus: 2 });
});
after(() => daemon.end());

const make = async (body) => (await daemon.ask('POST', 'labs', { body })).body.id;
const op = async (id, body) => (await daemon.ask('POST', `labs/${id}/ops`, { body })).body;
const get = async (id, path) => {
  const reply = await daemon.ask('GET', `labs/${id}/${path}`);
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  return reply.body;
};

test('a cache tells its layout, its slabs by state and what it wastes', async () => {
  for (const name of ['a', 'b', 'c']) await op(lab, { op: 'kmalloc', size: 50, name });
  const { caches } = await get(lab, 'caches');
  const cache = caches.find((c) => c.name === 'kmalloc-64');
  assert.equal(caches.length, 52);
  assert.deepEqual(cache.slabs_by_state, { cpu: 1, cpu_partial: 0, partial: 0, full: 0 });
  assert.deepEqual(cache.layout, { free_pointer: 32, inuse: 64 });
  assert.deepEqual(cache.flags, ['SLAB_KMALLOC']);
  assert.equal(cache.nr_in_use, 3);
  assert.equal(cache.active_objs, 64); // as slabinfo counts: objects of a CPU's slab are active
  assert.equal(cache.rounding_bytes, 3 * 14);
  assert.equal(cache.is_kmalloc, true);
});

test('one slab: who has which object, and in which order the free ones come', async () => {
  await op(lab, { op: 'kfree', name: 'b' });
  const { slabs } = await get(lab, 'caches/kmalloc-64?objects=true');
  assert.equal(slabs.length, 1);
  assert.equal(slabs[0].state, 'cpu');
  assert.equal(slabs[0].cpu, 0);
  const slab = await get(lab, `slabs/${slabs[0].pfn}`);
  assert.equal(slab.cache.name, 'kmalloc-64');
  assert.equal(slab.objects.length, 64);
  assert.deepEqual(
    slab.objects.slice(0, 4).map((o) => [o.in_use, o.label, o.nth, o.lost]),
    [
      [true, 'a', 0, 14],
      [false, '', 1, 0],
      [true, 'c', 0, 14],
      [false, '', 2, 0],
    ],
  );
  assert.equal(slab.objects[0].is_handle, true);
  assert.equal(slab.free_chain.cpu_first, slab.objects[1].address);
  assert.equal(slab.objects[1].free_next, slab.objects[3].address);
  assert.equal(slab.free_chain.nr_cpu, 62);
  assert.equal(slab.free_chain.stray, undefined);
  assert.deepEqual(slabs[0].objects, slab.objects);
});

test('a write over a free pointer is seen before it does harm', async () => {
  const { slabs } = await get(lab, 'caches/kmalloc-64');
  const { objects } = await get(lab, `slabs/${slabs[0].pfn}`);
  const seq = (await get(lab, 'caches')).seq;
  const where = '0x' + (BigInt(objects[1].address) + 32n).toString(16);
  await op(lab, { op: 'write', address: where, hex: '4141414141414141' });
  const hurt = await get(lab, `slabs/${slabs[0].pfn}`);
  assert.equal(hurt.free_chain.stray, '0x4141414141414141');
  assert.equal(hurt.free_chain.nr_cpu, 1);
  const past = await get(lab, `slabs/${slabs[0].pfn}?at=${seq}`);
  assert.equal(past.free_chain.stray, undefined);
  assert.equal((await op(lab, { op: 'kmalloc', size: 50 })).outcome, 'ok');
  const last = await op(lab, { op: 'kmalloc', size: 50 });
  assert.equal(last.outcome, 'bug');
  assert.match(last.message, /general protection fault, probably for non-canonical address 0x4141414141414161/);
});

test('frames that are no slab are 404, whatever they are called', async () => {
  for (const pfn of ['1', '99999999999', 'x', '-1', '16x']) {
    assert.equal((await daemon.ask('GET', `labs/${lab}/slabs/${pfn}`)).status, 404, pfn);
  }
  assert.equal((await daemon.ask('GET', `labs/${lab}/slabs/1?objects=true`)).status, 422);
});

test('slub_debug shows in layouts, and in what an operation says', async () => {
  const debug = await make({ name: 'debug', profile: 'linux-6.1', memory: '64M', slub_debug: 'FZPU' });
  const a = await op(debug, { op: 'kmalloc', size: 64, name: 'a', call_site: 'probe' });
  const { caches } = await get(debug, 'caches');
  const cache = caches.find((c) => c.name === 'kmalloc-64');
  assert.equal(cache.size, 256);
  assert.equal(cache.head, 64);
  assert.deepEqual(cache.layout, { free_pointer: 72, inuse: 72, tracks: 80, padding: 148 });
  assert.deepEqual(cache.flags, [
    'SLAB_CONSISTENCY_CHECKS',
    'SLAB_RED_ZONE',
    'SLAB_POISON',
    'SLAB_STORE_USER',
    'SLAB_KMALLOC',
  ]);
  await op(debug, { op: 'write', name: 'a', fill: 0, length: 65 });
  const freed = await op(debug, { op: 'kfree', address: a.address });
  assert.equal(freed.outcome, 'bug');
  assert.match(freed.message, /BUG kmalloc-64 \(Not tainted\): Right Redzone overwritten/);
});

test('the old kernel has buckets: a descriptor at the head, no CPUs, no flags', async () => {
  const old = await make({ name: 'old', profile: 'classic' });
  const a = await op(old, { op: 'kmalloc', size: 50, name: 'a' });
  const slab = await get(old, `slabs/${a.frames[0].pfn}`);
  assert.equal(slab.cache.name, 'kmalloc-64');
  assert.equal(slab.cache.head, 16);
  assert.deepEqual(slab.cache.flags, []);
  assert.equal(slab.state, 'partial');
  assert.equal(slab.free_chain.nr, 62);
  assert.equal(slab.free_chain.first, slab.objects[1].address);
});

test('shrink and destroy', async () => {
  await op(lab, { op: 'kmem_cache_create', cache: 'inode', size: 600 });
  const a = await op(lab, { op: 'kmem_cache_alloc', cache: 'inode', name: 'i' });
  await op(lab, { op: 'kmem_cache_free', name: 'i' });
  assert.equal((await get(lab, 'caches/inode')).nr_slabs, 1);
  assert.equal((await op(lab, { op: 'kmem_cache_shrink', cache: 'inode' })).outcome, 'ok');
  assert.equal((await get(lab, 'caches/inode')).nr_slabs, 0);
  await op(lab, { op: 'kmem_cache_alloc', cache: 'inode', name: 'i' });
  const gone = await op(lab, { op: 'kmem_cache_destroy', cache: 'inode', call_site: 'exit' });
  assert.equal(gone.outcome, 'bug');
  assert.match(gone.message, /Slab cache still has objects when called from exit/);
  assert.equal((await get(lab, 'caches/inode')).is_destroyed, true);
  assert.ok(a.address);
});
