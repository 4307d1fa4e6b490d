// make_golden.mjs STORE.db.zst RESULTS.gz - makes a golden store with the pagodad that PAGODAD names.
//
// A golden store holds labs of every kind, filled by every operation, and RESULTS a digest of each full result and of what
// /proc showed at the end. tests/store/test_golden.c replays them under the engine of today. One is made for each rules
// revision that ever served people's labs, with the engine of that day, and is never made again:
//   PAGODAD=…/pagodad node tests/store/make_golden.mjs tests/store/golden/rules-1.db.zst tests/store/golden/rules-1.results.gz
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Daemon } from '../api/daemon.mjs';

const [, , STORE, RESULTS] = process.argv;
const ROOT = new URL('../../', import.meta.url).pathname;
const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };
const BYTES = { headers: { 'content-type': 'application/octet-stream' } };

// The fields of a result that the digest covers, in this order; tests/store/test_golden.c has the same list.
const FIELDS = [
  'op',
  'outcome',
  'address',
  'requested',
  'allocated',
  'cache',
  'pid',
  'frames',
  'nr_frame_runs',
  'physically_contiguous',
  'cost_ns',
  'slept_ns',
  'now_ns',
  'cost',
  'tlb',
  'nr_reclaimed',
  'reclaimed_from',
  'hex',
  'path',
  'events',
  'events_dropped',
  'message',
];
const PROC = ['buddyinfo', 'pagetypeinfo', 'slabinfo', 'vmallocinfo', 'meminfo', 'zoneinfo', 'vmstat'];

function digest(text) {
  let hash = 0x811c9dc5; // FNV-1a, 32 bits
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
const result_digest = (result) => digest(FIELDS.map((field) => JSON.stringify(result[field] ?? null)).join('\n'));

const random = (seed) => () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32;

// ---- operations drawn from the table that the daemon publishes ----

class Hand {
  constructor(daemon, lab, seed) {
    Object.assign(this, { daemon, lab, next: random(seed), seen: [], pids: [], given: 0 });
  }
  below(n) {
    return Math.floor(this.next() * n);
  }
  pick(list) {
    return list[this.below(list.length)];
  }

  // Applies them in one request; results come back in order, null where the request was refused.
  async apply(ops) {
    const reply = await this.daemon.post(
      `labs/${this.lab.id}/ops?on_error=continue`,
      ops.map((op) => JSON.stringify(op)).join('\n'),
      NDJSON,
    );
    if (reply.status === 422) return [];
    assert.equal(reply.status, 200, reply.text);
    const lines = reply.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    return lines.slice(0, -1).map(({ result }) => result ?? null);
  }

  number({ min, max, type }) {
    const most = Math.min(max || 2 ** 48, 2 ** 32); // so that no product leaves what JavaScript counts exactly
    switch (this.below(10)) {
      case 0:
        return min;
      case 1:
        return most;
      case 2:
        return min + this.below(Math.min(most - min, 2 ** 31));
      default:
        return type === 'size' ? 1 + this.below(20000) : min + this.below(Math.min(most - min + 1, 9));
    }
  }

  param(name) {
    const info = this.daemon.params.get(name);
    switch (name) {
      case 'address':
        return this.seen.length && this.below(30) ? this.pick(this.seen).address : '0xffff888000123456';
      case 'pid':
        return this.pids.length ? this.pick(this.pids) : 100;
      case 'gfp':
        return this.pick([
          'GFP_KERNEL',
          'GFP_KERNEL',
          'GFP_ATOMIC',
          'GFP_USER',
          'GFP_KERNEL|__GFP_ZERO',
          'GFP_NOWAIT',
          'GFP_DMA',
          'GFP_HIGHUSER_MOVABLE',
          'GFP_KERNEL|__GFP_ACCOUNT',
        ]);
      case 'order':
        return this.below(this.below(5) ? 4 : 12);
      case 'n':
        return this.below(20) ? 1 + this.below(9) : 2 ** 20;
      case 'cpu':
        return this.below(this.lab.cpus);
      case 'tid':
        return this.below(4);
      case 'context':
        return this.pick(['process', 'process', 'process', 'softirq', 'tasklet', 'hardirq']);
      case 'cache':
        return `cache-${this.below(4)}`;
      case 'call_site':
        return this.pick(['ext4_alloc', 'tcp_sendmsg', 'do_work']);
      case 'name':
        return `n${this.given++}`;
      case 'hex':
        return this.pick(['00ff', 'deadbeefdeadbeef', 'aa'.repeat(100)]);
      case 'text':
        return 'a remark';
      case 'tunables':
        return this.pick(['glibc.malloc.tcache_count=3', 'glibc.malloc.mmap_threshold=65536', 'glibc.malloc.mxfast=0']);
      case 'align':
        return 2 ** this.below(14);
      case 'flags':
        return this.pick([
          'SLAB_HWCACHE_ALIGN',
          'SLAB_POISON|SLAB_RED_ZONE',
          'SLAB_STORE_USER',
          'SLAB_RECLAIM_ACCOUNT',
          'SLAB_CACHE_DMA',
        ]);
      case 'duration_ns':
        return this.below(3) * 1e6 + 1;
      case 'length':
        return 1 + this.below(9000);
      case 'increment':
        return (this.below(9) - 4) * 4096;
      case 'value':
        return this.pick([0, 1, 3, 64, 4096, 131072]);
    }
    return info.choices ? this.pick(info.choices) : this.number(info);
  }

  op() {
    const info = this.pick(this.daemon.table);
    if (info.op === 'exit' && this.below(6)) return { op: 'spawn', name: `p${this.given++}` };
    const op = { op: info.op };
    for (const name of info.needed) op[name] = this.param(name);
    for (const name of info.further)
      if (this.below(3) === 0 || (name === 'name' && this.below(2))) op[name] = this.param(name);
    if ('hex' in op && this.below(2))
      Object.assign(op, { fill: this.below(256), length: 1 + this.below(6000), hex: undefined });
    else if ('hex' in op) for (const name of ['fill', 'length']) delete op[name];
    if ('address' in op && this.below(3) && this.seen.length) {
      const { name, address, pid } = this.pick(
        this.seen.filter((each) => each.free === info.op).concat(this.seen[this.seen.length - 1]),
      );
      if (name && this.below(2)) {
        delete op.address;
        op.name = name;
      } else op.address = address;
      if (pid && info.needed.includes('pid')) op.pid = pid;
    }
    return op;
  }

  async draw(count) {
    const FREES = {
      kmalloc: 'kfree',
      kzalloc: 'kfree',
      kcalloc: 'kfree',
      vmalloc: 'vfree',
      vzalloc: 'vfree',
      vmalloc_huge: 'vfree',
      kvmalloc: 'kvfree',
      malloc: 'free',
      calloc: 'free',
      aligned_alloc: 'free',
      memalign: 'free',
      alloc_pages: 'free_pages',
      kmem_cache_alloc: 'kmem_cache_free',
      mmap: 'munmap',
    };
    for (let done = 0; done < count; done += 25) {
      const ops = Array.from({ length: 25 }, () => this.op());
      const results = await this.apply(ops);
      results.forEach((result, i) => {
        if (result?.outcome !== 'ok') return;
        if (result.pid) this.pids = [...this.pids, result.pid].slice(-4);
        if (result.address)
          this.seen = [
            ...this.seen,
            { address: result.address, name: ops[i].name, pid: ops[i].pid, free: FREES[ops[i].op] },
          ].slice(-60);
      });
    }
  }
}

// ---- scripts: what must not be left to chance ----

const times = (n, each) => Array.from({ length: n }, (_, i) => each(i));

// Every operation once, in an order in which all of them can succeed. The first process of a lab is 100.
const tour = [
  { op: 'mark', text: 'tour' },
  { op: 'kmalloc', size: 1000, name: 'a', call_site: 'tour' },
  { op: 'kzalloc', size: 24, name: 'z' },
  { op: 'kcalloc', n: 4, size: 30, name: 'c' },
  { op: 'ksize', name: 'a' },
  { op: 'write', name: 'a', hex: '00112233445566778899aabbccddeeff' },
  { op: 'read', name: 'a', length: 20 },
  { op: 'krealloc', name: 'a', size: 3000 },
  { op: 'read', name: 'a', length: 20 },
  { op: 'kfree', name: 'a' },
  { op: 'alloc_pages', order: 2, name: 'p' },
  { op: 'write', name: 'p', fill: 7, length: 5000 },
  { op: 'free_pages', name: 'p', order: 2 },
  { op: 'drain_pages' },
  { op: 'kmem_cache_create', cache: 'mine', size: 200, align: 16 },
  ...times(30, (i) => ({ op: 'kmem_cache_alloc', cache: 'mine', name: `o${i}` })),
  ...times(30, (i) => ({ op: 'kmem_cache_free', name: `o${i}` })),
  { op: 'kmem_cache_shrink', cache: 'mine' },
  { op: 'kmem_cache_destroy', cache: 'mine' },
  { op: 'vmalloc', size: 20000, name: 'v' },
  { op: 'vzalloc', size: 5000, name: 'vz' },
  { op: 'vmalloc_huge', size: '4M', name: 'vh' },
  { op: 'write', name: 'v', fill: 1, length: 20000 },
  { op: 'vfree', name: 'v' },
  { op: 'vfree', name: 'vz' },
  { op: 'vfree', name: 'vh' },
  { op: 'vm_unmap_aliases' },
  { op: 'kvmalloc', size: 300000, name: 'kv' },
  { op: 'kvfree', name: 'kv' },
  { op: 'spawn', name: 'sh', touch: 'all' },
  { op: 'malloc', pid: 100, size: 100, name: 'm' },
  { op: 'calloc', pid: 100, n: 10, size: 40, name: 'cm' },
  { op: 'realloc', pid: 100, name: 'm', size: 5000 },
  { op: 'malloc_usable_size', pid: 100, name: 'm' },
  { op: 'aligned_alloc', pid: 100, align: 256, size: 512, name: 'al' },
  { op: 'memalign', pid: 100, align: 64, size: 100, name: 'ma' },
  { op: 'posix_memalign', pid: 100, align: 128, size: 100, name: 'pm' },
  { op: 'valloc', pid: 100, size: 10, name: 'va' },
  { op: 'pvalloc', pid: 100, size: 10, name: 'pv' },
  { op: 'malloc', pid: 100, size: 300000, name: 'big' },
  { op: 'mallopt', pid: 100, option: 'M_MXFAST', value: 64 },
  { op: 'malloc', pid: 100, tid: 2, size: 60, name: 't2' },
  { op: 'free', pid: 100, tid: 2, name: 't2' },
  { op: 'thread_exit', pid: 100, tid: 2 },
  ...['al', 'ma', 'pm', 'va', 'pv', 'big', 'cm', 'm'].map((name) => ({ op: 'free', pid: 100, name })),
  { op: 'malloc_trim', pid: 100, pad: 0 },
  { op: 'mmap', pid: 100, length: 40960, name: 'map' },
  { op: 'write', pid: 100, name: 'map', fill: 3, length: 40960 },
  { op: 'fork', pid: 100 },
  { op: 'mlock', pid: 100, name: 'map', length: 8192 },
  { op: 'munlock', pid: 100, name: 'map', length: 8192 },
  { op: 'mprotect', pid: 100, name: 'map', length: 4096, prot: 'r--' },
  { op: 'madvise', pid: 100, name: 'map', length: 8192, advice: 'MADV_DONTNEED' },
  { op: 'mremap', pid: 100, name: 'map', length: 40960, new_length: 81920 },
  { op: 'sbrk', pid: 100, increment: 8192 },
  { op: 'setrlimit', pid: 100, resource: 'RLIMIT_AS', size: '64M' },
  { op: 'munmap', pid: 100, name: 'map', length: 4096 },
  { op: 'compact_memory' },
  { op: 'tick', duration_ns: 5000000 },
  { op: 'exit', pid: 101 },
  { op: 'exit', pid: 100 },
];

// What the kernel and glibc would complain about.
const bugs = [
  { op: 'kmalloc', size: 100, name: 'a' },
  { op: 'kmalloc', size: 100, name: 'b' },
  { op: 'spawn' },
  { op: 'malloc', pid: 100, size: 40, name: 'u' },
  { op: 'vmalloc', size: 5000, context: 'hardirq' },
  { op: 'kmalloc', size: 64, gfp: 'GFP_KERNEL', context: 'softirq' },
  { op: 'kmalloc', size: 2 ** 40 },
  { op: 'kcalloc', n: 2 ** 52, size: 2 ** 40 },
  { op: 'vmalloc', size: 0 },
  { op: 'alloc_pages', order: 30 },
  { op: 'kfree', address: '0x1234' },
  { op: 'vfree', address: '0xffff888000200000' },
  { op: 'kmalloc', size: 2 ** 23, gfp: 'GFP_ATOMIC' },
  { op: 'write', pid: 100, address: '0x10', hex: '00' },
];
async function wrong(hand) {
  const results = await hand.apply(bugs);
  const [a, b] = results,
    c = (await hand.apply([{ op: 'spawn' }]))[0],
    u = (await hand.apply([{ op: 'malloc', pid: c.pid, size: 40 }]))[0];
  const inside = `0x${(BigInt(b.address) + 8n).toString(16)}`;
  await hand.apply([
    { op: 'kfree', address: a.address },
    { op: 'kfree', address: a.address },
    { op: 'kfree', address: inside },
    { op: 'vfree', address: b.address },
    { op: 'free', pid: c.pid, address: u.address },
    { op: 'free', pid: c.pid, address: u.address },
  ]);
}

// Processes that want more than there is.
const pressure = (pages) => [
  { op: 'spawn', name: 'one' },
  { op: 'spawn', name: 'two' },
  ...times(2, (k) => ({ op: 'mmap', pid: 100 + k, length: pages * 4096, name: `m${k}` })),
  ...times(2, (k) =>
    times(Math.ceil(pages / 500), (i) => ({
      op: 'write',
      pid: 100 + k,
      name: `m${k}`,
      fill: i + 1,
      length: Math.min(pages, (i + 1) * 500) * 4096,
    })),
  ).flat(),
  { op: 'tick', duration_ns: 50e6 },
  { op: 'read', pid: 100, name: 'm0', length: 60000 },
  ...times(60, (i) => ({ op: 'alloc_pages', order: 3, gfp: i % 3 ? 'GFP_KERNEL' : 'GFP_ATOMIC', name: `p${i}` })),
  ...times(40, (i) => ({ op: 'kmalloc', size: 4096 - i, gfp: 'GFP_ATOMIC' })),
  { op: 'vmalloc', size: '2M' },
  { op: 'compact_memory' },
  { op: 'spawn', name: 'three' },
  { op: 'mmap', pid: 102, length: pages * 4096, name: 'm3' },
  ...times(8, (i) => ({ op: 'write', pid: 102, name: 'm3', fill: 9, length: (i + 1) * pages * 512 })),
  ...times(30, (i) => ({ op: 'free_pages', name: `p${i * 2}`, order: 3 })),
  ...times(20, (i) => ({ op: 'alloc_pages', order: 4 + (i % 6) })),
  { op: 'tick', duration_ns: 200e6 },
];

const heap = (pid) => [
  ...times(150, (i) => ({ op: 'malloc', pid, size: 16 + ((i * 37) % 2500), name: `h${i}`, tid: i % 3 })),
  ...times(75, (i) => ({ op: 'free', pid, name: `h${i * 2}`, tid: i % 3 })),
  ...times(60, (i) => ({ op: 'malloc', pid, size: 16 + ((i * 53) % 1500), name: `i${i}` })),
  ...times(30, (i) => ({ op: 'realloc', pid, name: `i${i}`, size: 30 + i * 200 })),
  ...times(75, (i) => ({ op: 'free', pid, name: `h${i * 2 + 1}` })),
  { op: 'malloc_trim', pid },
];

// The break, where it is and where it could be.
async function breaks(hand) {
  const { pid } = (await hand.apply([{ op: 'spawn', name: 'brk' }]))[0],
    [{ address }] = await hand.apply([{ op: 'sbrk', pid, increment: 0 }]);
  const at = (offset) => `0x${(BigInt(address) + offset).toString(16)}`;
  await hand.apply([
    { op: 'brk', pid, address: at(20480n) },
    { op: 'write', pid, address: at(100n), fill: 1, length: 9000 },
    { op: 'fork', pid },
    { op: 'write', pid, address: at(100n), hex: 'ff' },
    { op: 'brk', pid, address: at(4096n) },
    { op: 'brk', pid, address: at(1n << 46n) },
  ]);
}

// ---- the labs ----

const LINUX = { profile: 'linux-6.1' },
  CLASSIC = { profile: 'classic' };
const LABS = [
  { name: 'tour', config: { ...LINUX, memory: '64M', cpus: 2, swap: '16M' }, script: tour, draw: 700 },
  { name: 'tour classic', config: { ...CLASSIC, memory: '16M', swap: '8M' }, script: tour, draw: 700 },
  {
    name: 'four cpus',
    config: {
      ...LINUX,
      memory: '256M',
      cpus: 4,
      percpu_pagelist_high_fraction: 16,
      watermark_scale_factor: 200,
      seed: 77,
    },
    draw: 700,
  },
  {
    name: 'six gigabytes',
    config: { ...LINUX, memory: '6G', cpus: 2, min_free_kbytes: 40000, lowmem_reserve_ratio: [128, 128, 16] },
    script: tour,
    draw: 300,
  },
  { name: 'slub_debug', config: { ...LINUX, memory: '64M', slub_debug: 'FZPU' }, script: tour, draw: 400 },
  {
    name: 'init_on',
    config: { ...LINUX, memory: '64M', init_on_alloc: 1, init_on_free: 1, slab_shuffle_seed: 5, aslr_seed: 9 },
    script: tour,
    draw: 400,
  },
  {
    name: 'overcommit 2',
    config: { ...LINUX, memory: '64M', overcommit_memory: 2, overcommit_ratio: 30, tlb_entries: 16, tlb_ways: 2 },
    script: tour,
    draw: 300,
  },
  { name: 'pressure', config: { ...LINUX, memory: '32M', cpus: 2, swap: '8M' }, script: pressure(5000), draw: 300 },
  { name: 'no swap', config: { ...LINUX, memory: '32M' }, script: pressure(4000), draw: 100 },
  {
    name: 'overcommit 1',
    config: { ...LINUX, memory: '40M', swap: '4M', overcommit_memory: 1 },
    script: pressure(6000),
    draw: 100,
  },
  {
    name: 'pressure classic',
    config: { ...CLASSIC, memory: '4M', swap: '2M', min_block: 64 },
    script: pressure(700),
    draw: 400,
  },
  { name: 'wrong', config: { ...LINUX, memory: '64M' }, act: wrong },
  { name: 'wrong debug', config: { ...LINUX, memory: '64M', slub_debug: 'FZPU' }, act: wrong },
  { name: 'wrong classic', config: { ...CLASSIC, memory: '8M' }, act: wrong },
  {
    name: 'heap',
    config: { ...LINUX, memory: '64M', cpus: 2 },
    script: [
      { op: 'spawn', name: 'sh', touch: 'all' },
      ...heap(100),
      { op: 'spawn', tunables: 'glibc.malloc.tcache_count=0' },
      ...heap(101).map((op) => (op.name ? { ...op, name: `2${op.name}` } : op)),
    ],
  },
  {
    name: 'heap classic',
    config: { ...CLASSIC, memory: '16M' },
    script: [{ op: 'spawn', name: 'sh', touch: 'headers' }, ...heap(100)],
  },
  { name: 'own costs', config: { ...LINUX, memory: '64M', cost_ns: { 'split or merge': 500 } }, script: tour },
];

const ftrace = () => {
  const next = random(11),
    lines = [],
    objects = [];
  for (let i = 0; i < 400; i++) {
    const stamp = (100 + i / 1000).toFixed(6),
      head = `            bash-${900 + (i % 3)} [00${i % 2}] ..... ${stamp}: `;
    if (objects.length && next() < 0.4) {
      lines.push(
        `${head}kfree: call_site=free_it+0x9/0x20 ptr=${objects.splice(Math.floor(next() * objects.length), 1)[0]}`,
      );
      continue;
    }
    const size = 8 << Math.floor(next() * 9),
      ptr = `0x${(0xffff888004000000n + BigInt(i * 8192)).toString(16).padStart(16, '0')}`;
    lines.push(
      `${head}kmalloc: call_site=make_it+0x1/0x20 ptr=${ptr} bytes_req=${size - 3} bytes_alloc=${size} gfp_flags=GFP_KERNEL`,
    );
    objects.push(ptr);
  }
  return `# tracer: nop\n${lines.join('\n')}\n`;
};
const sample = (name) => readFileSync(join(ROOT, 'tests/truth/sample', name));
const IMPORTS = [
  { name: 'import ftrace', format: 'ftrace', body: ftrace },
  { name: 'import ftrace recorded', format: 'auto', body: () => readFileSync(join(ROOT, 'data/excerpt.ftrace.gz')) },
  {
    name: 'import malloc log',
    format: 'auto',
    body: () =>
      Buffer.from(
        gunzipSync(sample('glibc-2.36/traces/jq-start.log.gz')).toString().split('\n').slice(0, 700).join('\n'),
      ),
  },
  {
    name: 'import mtrace',
    format: 'mtrace',
    body: () =>
      Buffer.from(
        gunzipSync(sample('glibc-2.36/mtrace/jq-start.mtrace.gz')).toString().split('\n').slice(0, 500).join('\n'),
      ),
  },
  { name: 'import rep', format: 'rep', body: () => sample('glibc-2.36/rep/mini.rep') },
  { name: 'import threads', format: 'auto', body: () => sample('glibc-2.36/mt-logs/pigz.log.gz') },
  {
    name: 'import ndjson',
    format: 'ndjson',
    query: '&atomic=true',
    body: () => tour.map((op) => JSON.stringify(op)).join('\n'),
  },
];

async function fill(daemon, spec, seed) {
  const lab = await daemon.lab({ name: spec.name, ...spec.config });
  const hand = new Hand(daemon, lab, seed);
  if (spec.script)
    for (let at = 0; at < spec.script.length; at += 100) await hand.apply(spec.script.slice(at, at + 100));
  if (spec.script === tour) await breaks(hand);
  if (spec.act) await spec.act(hand);
  if (spec.draw) await hand.draw(spec.draw);
  return lab;
}

async function import_into(daemon, { name, format, query = '', body }) {
  const lab = await daemon.lab({ name, memory: '64M', cpus: 2 });
  const reply = await daemon.post(`labs/${lab.id}/import?format=${format}${query}`, body(), {
    headers: { ...BYTES.headers, 'Idempotency-Key': `key-${name.replaceAll(' ', '-')}` },
  });
  assert.equal(reply.status, 200, `${name}: ${reply.text}`);
  return lab;
}

// A fork, a fork of the fork, and what each then does of its own, with idempotency keys.
async function fork(daemon, lab) {
  const head = (await daemon.get(`labs/${lab.id}`)).body.seq;
  const child = (await daemon.post(`labs/${lab.id}/fork`, { at: head >> 1, name: 'fork' })).body;
  await new Hand(daemon, child, 21).draw(150);
  const mid = (await daemon.get(`labs/${child.id}`)).body.seq;
  const grandchild = (
    await daemon.post(
      `labs/${child.id}/fork`,
      { at: mid - 20, name: 'fork of fork' },
      { headers: { 'Idempotency-Key': 'a-fork' } },
    )
  ).body;
  await new Hand(daemon, grandchild, 22).draw(150);
  for (const key of ['one', 'two']) {
    const made = await daemon.post(
      `labs/${grandchild.id}/ops`,
      { op: 'kmalloc', size: 500 },
      { headers: { 'Idempotency-Key': `key-${key}` } },
    );
    assert.equal(made.status, 201);
  }
  await daemon.op(lab, { op: 'mark', text: 'the parent goes on' });
  await new Hand(daemon, lab, 23).draw(50);
  return [child, grandchild];
}

async function describe(daemon, lab, lines, seen) {
  const { seq, name } = (await daemon.get(`labs/${lab.id}`)).body;
  lines.push(`lab ${seq} ${name}`);
  for (let at = 1; at <= seq; at++) {
    const result = (await daemon.get(`labs/${lab.id}/ops/${at}`)).body;
    lines.push(result_digest(result));
    const key = `${lab.profile} ${result.op}`;
    seen[key] = (seen[key] ?? new Set()).add(result.outcome);
  }
  for (const file of PROC) {
    const reply = await daemon.get(`labs/${lab.id}/proc/${file}`);
    if (reply.status === 200) lines.push(`proc ${file} ${digest(reply.text)}`);
  }
}

function say_what_is_missing(daemon, seen) {
  for (const profile of ['linux-6.1', 'classic'])
    for (const { op } of daemon.table)
      if (!seen[`${profile} ${op}`]?.has('ok'))
        console.log(`${profile}: ${op} never succeeded (${[...(seen[`${profile} ${op}`] ?? [])]})`);
  for (const outcome of ['ok', 'null', 'bug'])
    console.log(
      `${outcome}: ${Object.entries(seen).filter(([, outcomes]) => outcomes.has(outcome)).length} kinds of operation`,
    );
}

const daemon = await Daemon.start();
const table = (await daemon.get('ops')).body;
daemon.table = table.ops;
daemon.params = new Map((table.params ?? table.parameters).map((param) => [param.name, param]));
const labs = [];
for (const [i, spec] of LABS.entries()) labs.push(await fill(daemon, spec, 100 + i));
for (const spec of IMPORTS) labs.push(await import_into(daemon, spec));
labs.push(...(await fork(daemon, labs[0])));
const lines = [],
  seen = {};
for (const lab of labs) await describe(daemon, lab, lines, seen);
say_what_is_missing(daemon, seen);
await daemon.signal('SIGTERM');
execFileSync('sqlite3', [
  daemon.store,
  'DELETE FROM image; DELETE FROM snapshot; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE; VACUUM',
]);
execFileSync('zstd', ['-q', '-f', '-19', daemon.store, '-o', STORE]);
writeFileSync(RESULTS, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
console.log(`${labs.length} labs, ${lines.length} lines`);
await daemon.resume();
await daemon.end();
