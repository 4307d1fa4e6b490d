// The live allocation that holds an address, among more of them than a list shows; and whose a frame is.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon } from './daemon.mjs';

let daemon;
before(async () => (daemon = await Daemon.start()));
after(() => daemon.end());

const add = (address, n) => '0x' + (BigInt(address) + BigInt(n)).toString(16);

async function labWith(ops, profile = 'linux-6.1') {
  const { body: lab } = await daemon.post('labs', { name: 'places', profile, memory: '64M' });
  const get = async (path) => (await daemon.get(`labs/${lab.id}/${path}`)).body;
  const at = async (address, more = '') => (await get(`allocations?address=${address}${more}`)).allocations;
  const send = async (op) => (await daemon.post(`labs/${lab.id}/ops`, op)).body;
  const lines = ops.map((op) => JSON.stringify(op)).join('\n');
  if (lines)
    await daemon.post(`labs/${lab.id}/ops?results=summary`, lines, {
      headers: { 'content-type': 'application/x-ndjson' },
    });
  return { lab, get, at, send };
}

test('the newest of 3 000 blocks is found by its address, and nobody is at a place that was freed', async () => {
  const ops = Array.from({ length: 3000 }, (_, i) => ({ op: 'kmalloc', size: 200, name: `k${i}` }));
  const { at, send, get } = await labWith(ops);
  const v = await send({ op: 'vmalloc', size: 20000, name: 'v' });
  const list = await get('allocations?limit=1000');
  assert.ok(!list.allocations.some((a) => a.name === 'v'), 'the first page of the list does not have it');
  assert.deepEqual(
    (await at(v.address)).map((a) => a.name),
    ['v'],
  );
  assert.deepEqual(
    (await at(add(v.address, 19999))).map((a) => [a.name, a.op, a.release]),
    [['v', 'vmalloc', 'vfree']],
  );
  await send({ op: 'vfree', name: 'v' });
  assert.deepEqual(await at(v.address), []);
  assert.deepEqual(
    (await at(v.address, '&at=3001')).map((a) => a.name),
    ['v'],
    'at the moment before it was there',
  );
});

test('an address inside a block, of each allocator', async () => {
  for (const profile of ['classic', 'linux-6.1']) {
    const { at, send } = await labWith([], profile);
    const { pid } = await send({ op: 'spawn' });
    for (const op of [
      { op: 'kmalloc', size: 100, name: 'small' },
      { op: 'kmalloc', size: 100000, name: 'large' },
      { op: 'alloc_pages', order: 2, name: 'pages' },
      { op: 'vmalloc', size: 9000, name: 'v' },
      { op: 'malloc', pid, size: 5000, name: 'm' },
      { op: 'malloc', pid, size: 500000, name: 'mapped' },
      { op: 'mmap', pid, length: 8192, name: 'map' },
    ]) {
      const made = await send(op);
      const query = op.pid ? `&pid=${pid}` : '';
      const inside = add(made.address, Math.max(1, made.allocated - 1));
      assert.deepEqual(
        (await at(inside, query)).map((a) => a.name),
        [op.name],
        `${profile} ${op.op}`,
      );
    }
  }
});

test('whose a frame is: of a slab, of vmalloc, of a heap; and a free one is nobody’s', async () => {
  const { get, send } = await labWith([]);
  const { pid } = await send({ op: 'spawn' });
  const frameOf = (made) => made.frames[0].pfn;
  const k = await send({ op: 'kmalloc', size: 8192, name: 'k' });
  const v = await send({ op: 'vmalloc', size: 9000, name: 'v' });
  await send({ op: 'malloc', pid, size: 5000, name: 'm' });
  await send({ op: 'write', pid, name: 'm', fill: 1, length: 5000 });
  assert.equal((await get(`frames/${frameOf(k)}`)).allocation.name, 'k');
  assert.equal((await get(`frames/${frameOf(v)}`)).allocation.name, 'v');
  const { allocations } = await get('allocations');
  const m = allocations.find((a) => a.name === 'm');
  const owner = (await get(`frames/${m.frames.at(-1).pfn}`)).allocation;
  assert.deepEqual([owner.name, owner.pid], ['m', pid]);
  await send({ op: 'kfree', name: 'k' });
  const { frames } = await get('frames');
  const free = frames.find((run) => run.kind === 'free');
  assert.equal((await get(`frames/${free.pfn}`)).allocation, null);
});

test('what is no address, and a process without one, are explained', async () => {
  const { lab } = await labWith([]);
  for (const [query, field] of [
    ['address=lots', 'address'],
    ['pid=5', 'address'],
    ['address=0x1000&pid=-1', 'pid'],
  ]) {
    const { status, body } = await daemon.get(`labs/${lab.id}/allocations?${query}`);
    assert.equal(status, 422, query);
    assert.match(body.detail, new RegExp(field));
  }
});

test('a list shows 64 runs of frames and says that there are more; asked for by its address, an allocation has them all', async () => {
  const { at, get, send } = await labWith([]);
  for (let i = 0; i < 300; i++) await send({ op: 'alloc_pages', order: 0, name: `p${i}` });
  for (let i = 0; i < 300; i += 2) await send({ op: 'free_pages', name: `p${i}`, order: 0 });
  const v = await send({ op: 'vmalloc', size: 200 * 4096, name: 'v' });
  assert.ok(v.nr_frame_runs > 64, `${v.nr_frame_runs} runs`);
  const listed = (await get('allocations')).allocations.find((a) => a.name === 'v');
  assert.deepEqual([listed.frames.length, listed.frames_cut], [64, true]);
  const [whole] = await at(v.address);
  assert.deepEqual([whole.frames.length, whole.frames_cut], [v.nr_frame_runs, false]);
  assert.equal(
    whole.frames.reduce((sum, run) => sum + run.count, 0),
    200,
  );
});

test('vmalloc’s page pointers are nobody’s allocation, and are called what they are', async () => {
  const { at, get, send } = await labWith([]);
  const small = await send({ op: 'vmalloc', size: 20000, name: 'small' });
  const large = await send({ op: 'vmalloc', size: 4000000, name: 'large' });
  const { areas } = await get('vmalloc');
  const array = areas.find((area) => area.caller === 'vmalloc pages array');
  assert.deepEqual(await at(array.start), []);
  assert.equal((await get(`allocations?address=${array.start}`)).page_array_of, large.address);
  assert.equal((await get(`frames/${array.frames[0].pfn}`)).page_array_of, large.address);
  assert.equal((await get(`allocations?address=${large.address}`)).page_array_of, null);
  const { slabs } = await get('caches/kmalloc-64');
  const { objects } = await get(`slabs/${slabs[0].pfn}`);
  const holder = objects.find((object) => object.page_array_of);
  assert.equal(holder.page_array_of, small.address);
  assert.deepEqual(await at(holder.address), []);
  assert.equal((await get(`allocations?address=${holder.address}`)).page_array_of, small.address);
  assert.equal((await get(`frames/${slabs[0].pfn}`)).page_array_of, small.address);
});
