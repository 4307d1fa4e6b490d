// Flags of kmem_cache_create over HTTP: given, refused, shown, kept in the log, sent out and brought back; who has an object.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

let daemon, lab;
before(async () => {
  daemon = await Daemon.start();
  lab = await daemon.lab({ profile: 'linux-6.1', memory: '64M' });
});
after(() => daemon.end());

const DEBUG = 'SLAB_CONSISTENCY_CHECKS|SLAB_RED_ZONE|SLAB_POISON|SLAB_STORE_USER';
const create = (cache, flags, more) =>
  daemon.post(`labs/${lab.id}/ops`, { op: 'kmem_cache_create', cache, size: 100, flags, ...more });
const get = async (path) => (await daemon.get(`labs/${lab.id}/${path}`)).body;

test('the table of operations publishes the flags', async () => {
  const { ops, params } = (await daemon.get('ops')).body;
  const flags = params.find((p) => p.name === 'flags');
  assert.equal(flags.type, 'flags');
  assert.equal(flags.default, '');
  for (const name of ['SLAB_HWCACHE_ALIGN', 'SLAB_TYPESAFE_BY_RCU', ...DEBUG.split('|')])
    assert.ok(flags.choices.includes(name), name);
  assert.ok(ops.find((o) => o.op === 'kmem_cache_create').further.includes('flags'));
});

test('flags make the cache, in any order; nonsense is refused with its field', async () => {
  assert.equal(
    (await create('watched', ' SLAB_STORE_USER | SLAB_POISON|SLAB_RED_ZONE|SLAB_CONSISTENCY_CHECKS ')).status,
    201,
  );
  assert.equal((await create('aligned', 'SLAB_HWCACHE_ALIGN')).status, 201);
  assert.equal((await create('plain', '')).status, 201);
  const { caches } = await get('caches');
  const by = (name) => caches.find((c) => c.name === name);
  assert.deepEqual([by('watched').flags, by('watched').size, by('watched').head], [DEBUG.split('|'), 192, 8]);
  assert.deepEqual([by('aligned').flags, by('aligned').size, by('aligned').align], [['SLAB_HWCACHE_ALIGN'], 128, 64]);
  assert.deepEqual([by('plain').flags, by('plain').size], [[], 104]);
  for (const wrong of [
    'SLAB_FOO',
    'SLAB_POISON|',
    '|SLAB_POISON',
    'SLAB_POISON SLAB_RED_ZONE',
    'SLAB_KMALLOC',
    5,
    null,
  ]) {
    const refused = await create('other', wrong);
    assert.equal(refused.status, 422, String(wrong));
    assert.equal(refused.body.errors[0].pointer, '/flags');
  }
  const seq = (await get('caches')).seq;
  assert.equal((await daemon.post(`labs/${lab.id}/ops`, { op: 'kmalloc', size: 1, flags: 'SLAB_POISON' })).status, 422);
  assert.equal((await get('caches')).seq, seq);
});

test('who has an object: its name and who called, in views and in reports', async () => {
  await daemon.op(lab, { op: 'kmem_cache_alloc', cache: 'watched', name: 'o', call_site: 'probe+0x10' });
  const { slabs } = await get('caches/watched?objects=true');
  const object = slabs[0].objects.find((o) => o.in_use);
  assert.deepEqual([object.name, object.label, object.is_handle, object.call_site], ['o', 'o', true, 'probe+0x10']);
  const { allocations } = await get('allocations');
  assert.deepEqual(
    allocations.map((a) => [a.name, a.call_site, a.cache]),
    [['o', 'probe+0x10', 'watched']],
  );
  await daemon.op(lab, { op: 'kmem_cache_free', name: 'o', call_site: 'remove+0x8' });
  await daemon.op(lab, { op: 'write', address: object.address, fill: 1, length: 1 });
  const bug = await daemon.op(lab, { op: 'kmem_cache_alloc', cache: 'watched' });
  assert.equal(bug.outcome, 'bug');
  assert.match(bug.message, /BUG watched \(Not tainted\): Poison overwritten/);
  assert.match(bug.message, /\nAllocated in probe\+0x10 age=0 cpu=0 pid=0\nFreed in remove\+0x8 age=0 cpu=0 pid=0\n/);
});

test('kmalloc keeps both, too; a name that is given anew forgets the old caller', async () => {
  await daemon.op(lab, { op: 'kmalloc', size: 3000, name: 'k', call_site: 'first' });
  const named = async () =>
    (await get('allocations')).allocations.filter((a) => a.name === 'k').map((a) => a.call_site);
  assert.deepEqual(await named(), ['first']);
  await daemon.op(lab, { op: 'kfree', name: 'k' });
  await daemon.op(lab, { op: 'kmalloc', size: 30000, name: 'k' });
  assert.deepEqual(await named(), [null]);
  await daemon.op(lab, { op: 'vmalloc', size: 30000, call_site: 'alone' });
  assert.deepEqual(
    (await get('allocations')).allocations.filter((a) => a.call_site === 'alone').map((a) => a.name),
    [null],
  );
});

test('the log, its exports and imports keep the flags', async () => {
  const log = (await get('ops?limit=1')).ops[0];
  assert.equal(log.flags, DEBUG);
  const { hash } = (await daemon.get(`labs/${lab.id}`)).body;
  for (const format of ['ndjson', 'ftrace']) {
    const text = (await daemon.ask('GET', `labs/${lab.id}/export?format=${format}`, { raw: true })).body.toString();
    assert.ok(text.includes(`"flags":"${DEBUG}"`), format);
    const twin = await daemon.lab({ profile: 'linux-6.1', memory: '64M' });
    const done = await daemon.post(`labs/${twin.id}/import?format=${format}`, text, {
      headers: { 'content-type': 'text/plain' },
    });
    assert.equal(done.status, 200, done.text);
    assert.equal((await daemon.get(`labs/${twin.id}`)).body.hash, hash, format);
  }
  const csv = (await daemon.ask('GET', `labs/${lab.id}/export?format=csv`, { raw: true })).body.toString();
  assert.ok(csv.split('\n')[1].includes(DEBUG));
});

test('after a restart the caches are what they were', async () => {
  const before = await get('caches');
  await daemon.signal('SIGTERM');
  await daemon.resume();
  assert.deepEqual(await get('caches'), before);
});
