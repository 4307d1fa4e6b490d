// GET /processes/{pid}/heap: chunks, lists, arenas, the words of a chunk; pages; what is not there.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

let daemon;
before(async () => {
  daemon = await Daemon.start();
});
after(() => daemon.end());

const heap_of = async (lab, pid, query = '') => (await daemon.get(`labs/${lab.id}/processes/${pid}/heap${query}`)).body;
const below = (address, bytes) => `0x${(BigInt(address) - BigInt(bytes)).toString(16)}`;

// A block of each state: used, tcache, fast, unsorted, large, top, mmap.
async function start() {
  const lab = await daemon.lab();
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const malloc = async (size, more = {}) => (await daemon.op(lab, { op: 'malloc', pid, size, ...more })).address;
  const free = (address) => daemon.op(lab, { op: 'free', pid, address });
  const small = [];
  for (let i = 0; i < 9; i++) small.push(await malloc(24));
  const large = await malloc(4000);
  await malloc(24);
  const sorted = await malloc(2000);
  const used = await malloc(100, { name: 'kept' });
  const mapped = await malloc(300000, { name: 'far' }); // a large request merges what lies in fastbins: so it comes first
  await free(sorted);
  await malloc(5000);
  for (const address of small) await free(address);
  await free(large);
  return { lab, pid, malloc, free, small, large, sorted, used, mapped };
}

test('chunks have their state, and lists lead through them', async () => {
  const { lab, pid, small, large, sorted, used, mapped } = await start();
  const heap = await heap_of(lab, pid);
  const chunk = (address) => heap.chunks.find((one) => one.address === below(address, 16));
  assert.deepEqual(
    [small[0], small[8], large, sorted, used, mapped].map((address) => chunk(address).state),
    ['tcache', 'fast', 'unsorted', 'large', 'used', 'mmap'],
  );
  assert.deepEqual([chunk(used).name, chunk(used).requested, chunk(used).flags], ['kept', 100, []]); // what lies before it is free
  assert.deepEqual(chunk(mapped).flags, ['IS_MMAPPED']);
  assert.equal(heap.chunks[0].name, '(thread cache)');
  assert.equal(heap.next, null);
  const [arena] = heap.arenas;
  assert.equal(heap.arenas.length, 1);
  assert.equal(arena.top, heap.chunks.find((one) => one.state === 'top').address);
  assert.equal(heap.state.mmap_threshold, 131072);
  assert.equal(heap.state.n_mmaps, 1);
  const list = (kind) => heap.lists.find((one) => one.kind === kind);
  assert.deepEqual(
    list('tcache').chunks.map((one) => one.address),
    small
      .slice(0, 7)
      .reverse()
      .map((address) => below(address, 16)),
  );
  assert.deepEqual([list('tcache').count, list('tcache').tid, list('tcache').min_size], [7, 0, 32]);
  assert.deepEqual(
    list('fast').chunks.map((one) => one.next),
    [below(small[7], 16), null],
  );
  assert.deepEqual(
    [list('unsorted').chunks[0].address, list('unsorted').chunks[0].next],
    [below(large, 16), list('unsorted').head],
  );
  assert.ok(list('large').min_size <= 2016 && list('large').max_size >= 2016);
  for (const { chunks } of heap.lists)
    for (const { address } of chunks)
      assert.notEqual(
        heap.chunks.find((one) => one.address === address),
        undefined,
      );
});

test('the words of a chunk, and where its protected link leads', async () => {
  const { lab, pid, small, sorted, used } = await start();
  const words = async (address) => (await heap_of(lab, pid, `?chunk=${below(address, 16)}`)).chunk.fields;
  const cached = await words(small[6]);
  assert.deepEqual(
    cached.map(({ name, offset }) => [name, offset]),
    [
      ['prev_size', 0],
      ['size', 8],
      ['next', 16],
      ['key', 24],
    ],
  );
  assert.ok(cached[2].protected && cached[2].target === small[5]);
  assert.equal(BigInt(cached[2].value), BigInt(small[5]) ^ (BigInt(small[6]) >> 12n));
  assert.equal(cached[3].value, (await heap_of(lab, pid)).state.tcache_key);
  assert.deepEqual(
    (await words(sorted)).map(({ name }) => name),
    ['prev_size', 'size', 'fd', 'bk', 'fd_nextsize', 'bk_nextsize'],
  );
  assert.deepEqual(
    (await words(used)).map(({ name, previous_block }) => [name, previous_block]),
    [
      ['prev_size', false],
      ['size', false],
    ],
  );
  assert.equal((await words(small[3]))[0].previous_block, true);
  const bytes = (await daemon.get(`labs/${lab.id}/memory?address=${below(used, 8)}&length=8&pid=${pid}`)).body.hex;
  assert.equal(BigInt((await words(used))[1].value), Buffer.from(bytes, 'hex').readBigUInt64LE());
});

test('pages lead through all chunks; what is not there is refused', async () => {
  const { lab, pid } = await start();
  const whole = await heap_of(lab, pid);
  const pieces = [];
  for (let next = ''; next !== null;) {
    const page = await heap_of(lab, pid, `?limit=3${next && `&from=${next}`}`);
    assert.equal(page.lists !== undefined, next === '');
    pieces.push(...page.chunks);
    next = page.next;
  }
  assert.deepEqual(pieces, whole.chunks);
  const status = async (query) => (await daemon.get(`labs/${lab.id}/processes/${pid}/heap${query}`)).status;
  assert.deepEqual(
    [await status('?chunk=0x10'), await status('?chunk=x'), await status('?limit=0'), await status('?nonsense=1')],
    [404, 422, 422, 422],
  );
  assert.equal((await daemon.get(`labs/${lab.id}/processes/1/heap`)).status, 404);
  const { pid: idle } = await daemon.op(lab, { op: 'spawn' });
  assert.deepEqual((await heap_of(lab, idle)).chunks, []);
});

test('threads have arenas in regions of their own', async () => {
  const lab = await daemon.lab();
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const malloc = async (tid, size) => (await daemon.op(lab, { op: 'malloc', pid, tid, size })).address;
  await malloc(0, 10);
  const mine = await malloc(3, 10);
  const heap = await heap_of(lab, pid);
  assert.deepEqual(
    heap.threads.map(({ tid }) => tid),
    [0, 3],
  );
  assert.deepEqual(
    heap.arenas.map(({ main, nr_threads }) => [main, nr_threads]),
    [
      [true, 1],
      [false, 1],
    ],
  );
  assert.equal(heap.regions.length, 1);
  assert.equal(heap.regions[0].arena, heap.threads[1].arena);
  const chunk = heap.chunks.find((one) => one.address === below(mine, 16));
  assert.deepEqual([chunk.arena, chunk.flags], [heap.threads[1].arena, ['PREV_INUSE', 'NON_MAIN_ARENA']]);
  assert.equal(heap.chunks.filter((one) => one.state === 'top').length, 2);
  assert.equal(
    heap.chunks.filter((one) => one.name === "(thread's storage)" || one.name === '(thread cache)').length,
    3,
  );
  await daemon.op(lab, { op: 'thread_exit', pid, tid: 3 });
  assert.deepEqual(
    (await heap_of(lab, pid)).arenas.map(({ free }) => free),
    [false, true],
  );
});

test("misuse ends the process with glibc's word, and the lab goes on", async () => {
  const lab = await daemon.lab();
  const { pid } = await daemon.op(lab, { op: 'spawn', tunables: 'glibc.malloc.tcache_count=0' });
  const { address } = await daemon.op(lab, { op: 'malloc', pid, size: 24, name: 'a' });
  await daemon.op(lab, { op: 'free', pid, name: 'a' });
  const bug = await daemon.op(lab, { op: 'free', pid, address });
  assert.deepEqual(
    [bug.outcome, bug.message],
    ['bug', `double free or corruption (fasttop): SIGABRT ends process ${pid}`],
  );
  assert.ok(bug.path.includes('malloc_printerr'));
  assert.equal((await daemon.get(`labs/${lab.id}/processes`)).body.processes.length, 0);
  const { status, body } = await daemon.post(`labs/${lab.id}/ops`, { op: 'malloc', pid, size: 1 });
  assert.deepEqual([status, body.errors[0].pointer], [422, '/pid']);
  assert.equal(
    (
      await daemon.op(lab, {
        op: 'posix_memalign',
        pid: (await daemon.op(lab, { op: 'spawn' })).pid,
        align: 3,
        size: 1,
      })
    ).outcome,
    'null',
  );
});

test('a block whose header claims any size holds nobody up', async () => {
  const lab = await daemon.lab({ profile: 'linux-6.1' });
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const block = await daemon.op(lab, { op: 'malloc', pid, size: 24, name: 'x' });
  const header = `0x${(BigInt(block.address) - 8n).toString(16)}`;
  for (const hex of ['a7a7a7a7a7a7a7a7', 'a2a2a2a2a2a2a2a2', 'f2ffffffffffff7f']) {
    const begun = performance.now();
    await daemon.op(lab, { op: 'write', pid, address: header, hex });
    const usable = await daemon.op(lab, { op: 'malloc_usable_size', pid, name: 'x' });
    assert.ok(usable.allocated > 2 ** 40);
    await daemon.get(`labs/${lab.id}/allocations`);
    await daemon.get(`labs/${lab.id}/allocations?address=${block.address}&pid=${pid}`);
    assert.ok(performance.now() - begun < 2000, hex);
  }
});
