// Pages of the recorded kernel's own slabs: known by the flags that each version's allocator gives them, and by their place.
import test from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { run } from './daemon.mjs';

const replay = (text) => JSON.parse(run(['replay', '--json', '-'], { input: text }).stdout);
const row = (summary, name) => summary.by_event.find((event) => event.event === name);

const PFN = 0x12340n;
const pointer = (pfn, is_hashed) =>
  is_hashed ? `00000000${(0xa0000000n + pfn).toString(16)}` : (0xffff888000000000n + pfn * 4096n).toString(16);
const line = (us, rest) => `  make-90      [000] .....     4.${String(us).padStart(6, '0')}: ${rest}\n`;

// A slab's block, then an object out of it; both go again.
const slab = (page_gfp, object_gfp, { order = 0, is_hashed = false, notes = '' } = {}) =>
  line(
    1,
    `mm_page_alloc: page=ffffea0000048d00 pfn=0x${PFN.toString(16)} order=${order} migratetype=0 gfp_flags=${page_gfp}`,
  ) +
  line(
    2,
    `kmem_cache_alloc: call_site=foo+0x1/0x2 ptr=${pointer(PFN, is_hashed)} ${notes}bytes_req=192 bytes_alloc=192 gfp_flags=${object_gfp}`,
  ) +
  line(3, `kmem_cache_free: call_site=foo+0x9/0x10 ptr=${pointer(PFN, is_hashed)} name=dentry`) +
  line(4, `mm_page_free: page=ffffea0000048d00 pfn=0x${PFN.toString(16)} order=${order}`);

const BLOCKS = [
  // SLUB of 6.1
  ['GFP_KERNEL|__GFP_NOWARN|__GFP_NORETRY', 'GFP_KERNEL'],
  ['__GFP_IO|__GFP_FS|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_NOMEMALLOC|__GFP_RECLAIMABLE', 'GFP_KERNEL', 1],
  // since 6.7 GFP_NOWAIT has __GFP_NOWARN in it
  ['GFP_NOWAIT|__GFP_NORETRY|__GFP_COMP', 'GFP_NOWAIT'],
  ['GFP_NOWAIT|__GFP_NORETRY|__GFP_COMP|__GFP_RECLAIMABLE', 'GFP_NOWAIT', 1],
  // refills of 7.x
  ['__GFP_RECLAIMABLE|GFP_KERNEL|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_NOMEMALLOC', 'GFP_KERNEL'],
  ['__GFP_RECLAIMABLE|GFP_NOWAIT|__GFP_NORETRY|__GFP_COMP|__GFP_NOMEMALLOC', 'GFP_NOWAIT'],
  ['__GFP_RECLAIMABLE|__GFP_IO|__GFP_FS|__GFP_NOWARN|__GFP_COMP|__GFP_NOMEMALLOC', 'GFP_KERNEL'],
  ['GFP_NOWAIT|__GFP_COMP|__GFP_NOMEMALLOC', 'GFP_NOWAIT'],
  ['GFP_KERNEL|__GFP_NOWARN|__GFP_NOMEMALLOC', 'GFP_KERNEL'],
  // CONFIG_SLAB: 3.x, 4.x, 5.x and 6.x
  ['GFP_KERNEL|GFP_NOTRACK', 'GFP_KERNEL'],
  ['GFP_KERNEL|__GFP_COMP|__GFP_NOTRACK', 'GFP_KERNEL', 1],
  ['GFP_KERNEL|__GFP_COMP', 'GFP_KERNEL'],
  ['GFP_NOFS|__GFP_COMP|__GFP_RECLAIMABLE', 'GFP_NOFS'],
  ['GFP_KERNEL|__GFP_NOWARN|__GFP_COMP|__GFP_THISNODE', 'GFP_KERNEL_ACCOUNT|__GFP_ZERO'],
];

for (const is_hashed of [false, true])
  test(`blocks of slabs, pointers ${is_hashed ? 'hashed' : 'real'}`, () => {
    for (const [gfp, object_gfp, order] of BLOCKS) {
      const summary = replay(slab(gfp, object_gfp, { order, is_hashed }));
      const reasons = (name) => row(summary, name).reasons.map(({ reason }) => reason);
      assert.deepEqual(reasons('mm_page_alloc'), ["page of a slab: the machine's own slabs take theirs"], gfp);
      assert.deepEqual(
        reasons('mm_page_free'),
        ['page of a slab or large kmalloc: the machine gives back its own'],
        gfp,
      );
      assert.equal(row(summary, 'kmem_cache_alloc').applied, 1, gfp);
      if (!is_hashed) assert.deepEqual([summary.slab_pages_compared, summary.slab_pages_agree], [1, 1], gfp);
    }
  });

test('blocks that are no slabs', () => {
  for (const gfp of [
    'GFP_KERNEL',
    'GFP_KERNEL|__GFP_COMP|__GFP_ZERO',
    'GFP_KERNEL_ACCOUNT|__GFP_COMP',
    'GFP_USER|__GFP_COMP',
    'GFP_HIGHUSER_MOVABLE|__GFP_COMP',
    'GFP_KERNEL|__GFP_NOTRACK|__GFP_ZERO',
  ]) {
    const summary = replay(slab(gfp, 'GFP_NOWAIT', { is_hashed: true }));
    assert.deepEqual([row(summary, 'mm_page_alloc').applied, row(summary, 'mm_page_free').applied], [1, 1], gfp);
  }
  // a block with __GFP_COMP, and an object that lies elsewhere
  const apart = slab('GFP_KERNEL|__GFP_COMP', 'GFP_KERNEL').replaceAll(pointer(PFN), pointer(PFN + 64n));
  assert.equal(row(replay(apart), 'mm_page_alloc').applied, 1);
});

const RECORDINGS = process.env.TRUTH ? [process.env.TRUTH, `${process.env.TRUTH}-2`] : [];
test('recorded kernels: flags and places tell the same pages', { skip: !RECORDINGS.length }, () => {
  for (const directory of RECORDINGS)
    for (const kernel of ['kernel-6.1', 'kernel-6.12']) {
      const trace = `${directory}/${kernel}/d-ftrace-workload1/trace.txt.gz`;
      if (!existsSync(trace)) continue;
      const summary = JSON.parse(run(['replay', '--json', trace]).stdout);
      assert.ok(summary.slab_pages_compared > 200, trace);
      assert.equal(summary.slab_pages_agree, summary.slab_pages_compared, trace);
    }
});
