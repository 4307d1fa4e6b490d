// The comparison of the four allocators, and the views of page tables and TLBs.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

let daemon;
before(async () => {
  daemon = await Daemon.start();
});
after(() => daemon.end());

const compare = async (query) => {
  const reply = await daemon.get(`compare?${query}`);
  assert.equal(reply.status, 200, reply.text);
  return Object.fromEntries(reply.body.allocators.map((each) => [each.op, each]));
};

test('192 KiB: too much for the classic kmalloc, scattered for vmalloc, a promise from malloc', async () => {
  const { kmalloc, kzalloc, vmalloc, malloc } = await compare('profile=classic&size=192K');
  assert.equal(kmalloc.outcome, 'null');
  assert.equal(kmalloc.limit, 131056);
  assert.equal(kzalloc.limit, 131056);
  assert.equal(vmalloc.outcome, 'ok');
  assert.equal(vmalloc.physically_contiguous, false);
  assert.equal(vmalloc.waste.guard_addresses, 4096);
  assert.ok(vmalloc.limit > 8 << 20 && vmalloc.limit < 16 << 20);
  assert.equal(malloc.release, 'free');
  assert.ok(malloc.first_touch.cost.some(({ step, count }) => step === 'page fault' && count >= 48));
  assert.equal(vmalloc.first_touch, null);
});

test('on a used machine vmalloc takes pages that lie apart; on one in pieces a large kmalloc fails', async () => {
  const query = 'profile=linux-6.1&size=80K';
  assert.match((await compare(query)).vmalloc.contiguity, /by chance: .* as the machine is fresh/);
  const used = await compare(`${query}&machine=used`);
  assert.equal(used.vmalloc.physically_contiguous, false);
  assert.match(used.vmalloc.contiguity, /^none/);
  assert.equal(used.kmalloc.physically_contiguous, true);
  const fragmented = await compare(`${query}&machine=fragmented&gfp=GFP_ATOMIC`);
  assert.equal(fragmented.kmalloc.outcome, 'null');
  assert.equal(fragmented.vmalloc.outcome, 'ok');
  assert.equal((await daemon.get('compare/curves?machine=fragmented&points=3')).body.machine, 'fragmented');
  const refused = await daemon.get('compare?machine=old');
  assert.deepEqual([refused.status, refused.body.errors[0].pointer], [422, '/machine']);
});

test('6.1: kmalloc performs better, as measured', async () => {
  const { kmalloc, kzalloc, vmalloc } = await compare('profile=linux-6.1&size=64K');
  assert.ok(kmalloc.cost_ns < vmalloc.cost_ns);
  assert.ok(kmalloc.cost_ns < kzalloc.cost_ns);
  assert.deepEqual([kmalloc.access.tlb.misses, vmalloc.access.tlb.misses], [1, 16]);
  assert.ok(kmalloc.access.cost_ns < vmalloc.access.cost_ns);
  assert.equal(kmalloc.physically_contiguous, true);
  assert.equal(kmalloc.limit, 4 << 20);
  assert.equal(vmalloc.waste.page_array, 128);
  for (const each of [kmalloc, kzalloc, vmalloc])
    assert.equal(
      each.cost.reduce((sum, { ns }) => sum + ns, 0),
      each.cost_ns,
    );
});

test('frames that adjoin by chance are called that', async () => {
  for (const size of ['8193', '192K', '4M']) {
    const { kmalloc, vmalloc } = await compare(`profile=linux-6.1&size=${size}`);
    assert.match(kmalloc.contiguity, /^promised: /);
    assert.match(vmalloc.contiguity, vmalloc.physically_contiguous ? /^by chance: .* promises nothing$/ : /^none: /);
  }
  const { vmalloc, malloc } = await compare('profile=classic&size=192K');
  assert.match(vmalloc.contiguity, /^none: /);
  assert.match(malloc.contiguity, /^a single frame$/); // the head of the block; the rest has none
  assert.equal((await compare('profile=classic&size=1M')).kmalloc.contiguity, null);
});

test("flags and contexts reach the kernel's allocators alone", async () => {
  const { kmalloc, vmalloc, malloc } = await compare('profile=linux-6.1&size=100&gfp=GFP_ATOMIC&context=softirq');
  assert.equal(kmalloc.outcome, 'ok');
  assert.equal(kmalloc.may_sleep, false);
  assert.equal(vmalloc.outcome, 'bug');
  assert.match(vmalloc.message, /kernel BUG at mm\/vmalloc\.c:\d+!/);
  assert.equal(malloc.context, 'process');
  assert.equal(malloc.outcome, 'ok');
});

test('the same question has the same answer, and 304 for those who know it', async () => {
  const [a, b] = [await daemon.get('compare?size=1000'), await daemon.get('compare?size=1000')];
  assert.deepEqual(a.body, b.body);
  const etag = a.headers.get('etag');
  assert.equal((await daemon.get('compare?size=1000', { headers: { 'If-None-Match': etag } })).status, 304);
  assert.equal((await daemon.get('compare?size=1001', { headers: { 'If-None-Match': etag } })).status, 200);
});

test('wrong queries are refused by name', async () => {
  for (const [query, field] of [
    ['profile=vms', 'profile'],
    ['size=x', 'size'],
    ['gfp=GFP_MUCH', 'gfp'],
    ['context=nmi', 'context'],
    ['colour=red', 'colour'],
  ]) {
    const reply = await daemon.get(`compare?${query}`);
    assert.equal(reply.status, 422, query);
    assert.match(reply.text, new RegExp(field));
  }
  assert.equal((await daemon.get('compare/curves?points=1')).status, 422);
});

test('curves: log spaced, from a byte to 16 MiB, kmalloc ends where its limit is', async () => {
  for (const [profile, limit] of [
    ['classic', 131056],
    ['linux-6.1', 4 << 20],
  ]) {
    const { body, status } = await daemon.get(`compare/curves?profile=${profile}&points=25`);
    assert.equal(status, 200);
    assert.equal(body.sizes[0], 1);
    assert.equal(body.sizes.at(-1), 16 << 20);
    assert.ok(body.sizes.every((size, i) => i === 0 || size > body.sizes[i - 1]));
    assert.deepEqual(
      body.allocators.map((each) => each.op),
      ['kmalloc', 'kzalloc', 'vmalloc', 'malloc'],
    );
    const [kmalloc, , , malloc] = body.allocators;
    body.sizes.forEach((size, i) => assert.equal(kmalloc.points[i].outcome, size <= limit ? 'ok' : 'null', `${size}`));
    malloc.points.forEach(({ outcome, first_touch_ns }, i) => {
      if (body.sizes[i] <= 8 << 20) assert.ok(outcome === 'ok' && first_touch_ns > 0, `${body.sizes[i]}`);
    });
  }
});

test('page tables: whole tables, the way to an address, entries as runs', async () => {
  const lab = await daemon.lab({ profile: 'linux-6.1', memory: '64M' });
  const { address } = await daemon.op(lab, { op: 'vmalloc', size: '64K' });
  const { body } = await daemon.get(`labs/${lab.id}/pgtable?address=${address}`);
  assert.deepEqual(
    body.tables.map(({ name }) => name),
    ['PGD', 'PUD', 'PMD', 'PTE'],
  );
  const walk = (await daemon.get(`labs/${lab.id}/translate?address=${address}`)).body;
  assert.deepEqual(
    body.tables.map(({ pfn, index }) => [pfn, index]),
    walk.levels.map(({ table_pfn, index }) => [table_pfn, index]),
  );
  for (const [i, table] of body.tables.slice(0, 3).entries()) {
    // each leads to the next
    const on_way = table.entries.find(({ index }) => index === table.index);
    assert.equal(on_way.kind, 'table');
    assert.equal(on_way.pfn, body.tables[i + 1].pfn);
  }
  const pages = body.tables[3];
  assert.equal(pages.nr_used, 16);
  assert.equal(pages.entry_bytes, 4096);
  assert.equal(
    pages.entries.reduce((sum, { count }) => sum + count, 0),
    16,
  );
  assert.deepEqual(pages.entries[0].flags, ['present', 'rw', 'accessed', 'dirty', 'global', 'nx']);
  assert.deepEqual(walk.levels[3].flags, pages.entries[0].flags);
  assert.equal(walk.page_size, 4096);
  const one = (await daemon.get(`labs/${lab.id}/pgtable?address=${address}&level=3`)).body;
  assert.deepEqual(one.tables, [pages]);
  const huge = await daemon.op(lab, { op: 'vmalloc_huge', size: '2M' });
  const at_huge = (await daemon.get(`labs/${lab.id}/pgtable?address=${huge.address}`)).body.tables;
  assert.equal(at_huge.length, 3);
  assert.equal(at_huge[2].entries.find(({ kind }) => kind === 'huge').count, 1);
  const areas = (await daemon.get(`labs/${lab.id}/vmalloc`)).body.areas;
  assert.equal(areas.find(({ start }) => start === huge.address).huge, true);
  const large = await daemon.op(lab, { op: 'vmalloc', size: 513 * 4096 });
  const after = (await daemon.get(`labs/${lab.id}/vmalloc`)).body.areas;
  assert.deepEqual(after.find(({ start }) => start === large.address).flags, ['vmalloc', 'vpages']);
  assert.deepEqual(after.find(({ caller }) => caller === 'vmalloc pages array').flags, ['vmalloc']);
  assert.deepEqual(after.find(({ state }) => state === 'free').flags, []);
});

test('page tables of a process: its own, and swap and copy-on-write show', async () => {
  const lab = await daemon.lab({ profile: 'classic', memory: '16M' });
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const { address } = await daemon.op(lab, { op: 'mmap', pid, length: 8192 });
  await daemon.op(lab, { op: 'write', pid, address, fill: 1, length: 1 });
  await daemon.op(lab, { op: 'read', pid, address: '0x' + (BigInt(address) + 4096n).toString(16), length: 1 });
  const { body } = await daemon.get(`labs/${lab.id}/pgtable?pid=${pid}&address=${address}`);
  assert.deepEqual(
    body.tables.map(({ name, nr_entries }) => [name, nr_entries]),
    [
      ['PGD', 1024],
      ['PTE', 1024],
    ],
  );
  const entries = body.tables[1].entries.filter(({ index }) => index >= body.tables[1].index);
  assert.ok(entries[0].flags.includes('user') && entries[0].flags.includes('rw'));
  assert.ok(entries[1].flags.includes('cow') && !entries[1].flags.includes('rw')); // the zero page
  assert.equal((await daemon.get(`labs/${lab.id}/pgtable?address=${address}`)).status, 404);
  assert.equal((await daemon.get(`labs/${lab.id}/pgtable?address=${address}&pid=4711`)).status, 404);
  assert.equal((await daemon.get(`labs/${lab.id}/pgtable`)).status, 422);
});

test('TLBs: results count, the view lists', async () => {
  const lab = await daemon.lab({ profile: 'linux-6.1', memory: '64M', cpus: 2, tlb_entries: 16, tlb_ways: 2 });
  const { address } = await daemon.op(lab, { op: 'vmalloc', size: '16K' });
  const first = await daemon.op(lab, { op: 'read', address, length: 16384 });
  assert.deepEqual(first.tlb, { hits: 0, misses: 4, flushes: 0 });
  const again = await daemon.op(lab, { op: 'read', address, length: 16384 });
  assert.deepEqual(again.tlb, { hits: 4, misses: 0, flushes: 0 });
  await daemon.op(lab, { op: 'vfree', address });
  let { body } = await daemon.get(`labs/${lab.id}/tlb`);
  assert.deepEqual([body.entries, body.ways, body.hits, body.misses], [16, 2, 4, 4]);
  assert.equal(body.cpus.length, 2);
  assert.equal(body.cpus[0].translations.length, 4);
  assert.ok(
    body.cpus[0].translations.every(({ stale, page_size, pid }) => stale && page_size === 4096 && pid === null),
  );
  const purge = await daemon.op(lab, { op: 'vm_unmap_aliases' });
  assert.equal(purge.tlb.flushes, 2);
  ({ body } = await daemon.get(`labs/${lab.id}/tlb`));
  assert.equal(body.cpus[0].translations.length, 0);
});

test('a lab may price its steps', async () => {
  const lab = await daemon.lab({ profile: 'linux-6.1', memory: '64M', cost_ns: { 'page-table entry write': 1000 } });
  const { cost, cost_ns } = await daemon.op(lab, { op: 'vmalloc', size: '64K' });
  const writes = cost.find(({ step }) => step === 'page-table entry write');
  assert.equal(writes.ns, 1000 * writes.count);
  assert.equal(
    cost.reduce((sum, { ns }) => sum + ns, 0),
    cost_ns,
  );
});
