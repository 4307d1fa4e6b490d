// Kernel traces as every tool prints them: the same events in each dialect lead to the same machine, and whatever is not
// understood is counted with its line.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import http from 'node:http';
import { gzipSync } from 'node:zlib';
import { Daemon, run } from './daemon.mjs';

let daemon;
before(async () => {
  daemon = await Daemon.start();
});
after(() => daemon.end());

// ---- the events of a little kernel of our own ----

const random = (seed) => () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
const hex = (number, digits = 1) => BigInt(number).toString(16).padStart(digits, '0');
const BASE = 0xffff888004000000n;

function* happen(nr, nr_cpus = 1) {
  const next = random(7),
    pick = (list) => list[Math.floor(next() * list.length)];
  const objects = [],
    pages = [];
  const KMALLOCS = [
    [40, 64],
    [100, 128],
    [500, 512],
    [3000, 4096],
    [88, 96],
  ];
  const CACHES = [
    ['dentry', 'd_alloc_node+0x1b/0x250', 192],
    ['filp', 'alloc_empty_file+0x3c/0xd0', 256],
    ['vm_area_struct', 'vm_area_alloc+0x1a/0x70', 200],
  ];
  let ns = 4_344_805_000,
    free = 1,
    frame = 0x4000n;
  for (let i = 0; i < nr; i++) {
    ns += 1000 * (1 + Math.floor(next() * 40));
    const head = {
      cpu: Math.floor(next() * nr_cpus),
      pid: pick([90, 1204, 31337]),
      comm: pick(['sh', 'kworker/u8:2-ev', 'Web Content', 'a [3] b-4', 'make']),
      ns,
    };
    const dice = next();
    if (dice < 0.25) {
      const [bytes_req, bytes_alloc] = pick(KMALLOCS),
        ptr = BASE + BigInt(free++ * 8192);
      objects.push({ event: 'kfree', ptr, call_site: 'kfree_link+0x9/0x20' });
      yield {
        ...head,
        event: 'kmalloc',
        call_site: 'single_open+0x2a/0xa0',
        ptr,
        bytes_req,
        bytes_alloc,
        gfp: pick(['GFP_KERNEL', 'GFP_KERNEL|__GFP_ZERO', 'GFP_KERNEL_ACCOUNT']),
      };
    } else if (dice < 0.5) {
      const [name, call_site, size] = pick(CACHES),
        ptr = BASE + BigInt(free++ * 8192);
      objects.push({ event: 'kmem_cache_free', ptr, name, call_site: `free_${name}+0x51/0x70` });
      yield {
        ...head,
        event: 'kmem_cache_alloc',
        call_site,
        ptr,
        bytes_req: size,
        bytes_alloc: size,
        gfp: 'GFP_KERNEL',
      };
    } else if (dice < 0.6) {
      const order = pick([0, 0, 0, 1, 2]),
        pfn = frame;
      frame += 4n;
      pages.push({ event: 'mm_page_free', pfn, order });
      yield {
        ...head,
        event: 'mm_page_alloc',
        pfn,
        order,
        gfp: pick(['GFP_HIGHUSER_MOVABLE', 'GFP_KERNEL|__GFP_ZERO']),
      };
    } else if (dice < 0.63) {
      yield { ...head, event: 'mm_page_alloc', pfn: frame++, order: 0, gfp: 'GFP_NOWAIT|__GFP_NOWARN|__GFP_NORETRY' }; // of a slab
    } else if (dice < 0.65) {
      const order = 2,
        ptr = BASE + BigInt(free++ * 65536);
      yield { ...head, event: 'mm_page_alloc', pfn: frame, order, gfp: 'GFP_KERNEL|__GFP_COMP' }; // of a large kmalloc
      frame += 4n;
      yield {
        ...head,
        ns: (ns += 1000),
        event: 'kmalloc',
        call_site: 'seq_buf_alloc+0x12/0x40',
        ptr,
        bytes_req: 16000,
        bytes_alloc: 16384,
        gfp: 'GFP_KERNEL',
      };
    } else if (dice < 0.67) {
      yield { ...head, event: 'kfree', call_site: 'kfree_link+0x9/0x20', ptr: 0n };
    } else if (dice < 0.9 && objects.length) {
      yield { ...head, ...objects.splice(Math.floor(next() * objects.length), 1)[0] };
    } else if (pages.length) {
      yield { ...head, ...pages.splice(Math.floor(next() * pages.length), 1)[0] };
    }
  }
}
const EVENTS = [...happen(400)];

// ---- how the tools print them ----

const seconds = (ns, digits = 6) =>
  `${Math.floor(ns / 1e9)}.${String(ns % 1e9)
    .padStart(9, '0')
    .slice(0, digits)}`;
const gfp_bits = {
  GFP_KERNEL: 0xcc0,
  GFP_KERNEL_ACCOUNT: 0x400cc0,
  GFP_HIGHUSER_MOVABLE: 0x100cca,
  GFP_NOWAIT: 0x800,
  __GFP_ZERO: 0x100,
  __GFP_NOWARN: 0x2000,
  __GFP_NORETRY: 0x10000,
  __GFP_COMP: 0x40000,
};
const gfp_number = (text) => text.split('|').reduce((sum, name) => sum | gfp_bits[name], 0);

// The fields. how: { pointer, site, pfn, page, gfp, failed, tail, name_width }
const fields = (e, how = {}) => {
  const pointer = how.pointer ?? ((p) => hex(p, 16)),
    site = how.site ?? ((s) => `call_site=${s}`),
    gfp = how.gfp ?? ((g) => g);
  const pfn = how.pfn ?? ((p) => `0x${hex(p)}`),
    page = how.page ?? ((p) => `page=${hex(0xffffea0000000000n + p * 64n, 16)} `);
  switch (e.event) {
    case 'kmalloc':
    case 'kmem_cache_alloc':
      return `${site(e.call_site)} ptr=${pointer(e.ptr)} bytes_req=${e.bytes_req} bytes_alloc=${e.bytes_alloc} gfp_flags=${gfp(e.gfp)}${how.tail ?? ' node=-1 accounted=false'}`;
    case 'kfree':
      return `${site(e.call_site)} ptr=${pointer(e.ptr)}`;
    case 'kmem_cache_free':
      return `${site(e.call_site)} ptr=${pointer(e.ptr)} name=${e.name}`;
    case 'mm_page_alloc':
      return how.failed
        ? `[FAILED TO PARSE] pfn=0x${hex(e.pfn)} order=${e.order} gfp_flags=${gfp_number(e.gfp)} migratetype=0`
        : `${page(e.pfn)}pfn=${pfn(e.pfn)} order=${e.order} migratetype=0 gfp_flags=${gfp(e.gfp)}`;
    default:
      return how.failed
        ? `[FAILED TO PARSE] pfn=0x${hex(e.pfn)} order=${e.order}`
        : `${page(e.pfn)}pfn=${pfn(e.pfn)} order=${e.order}`;
  }
};
const cpu = (e) => `[${String(e.cpu).padStart(3, '0')}]`;
const task = (e) => `${e.comm.padStart(16)}-${String(e.pid).padEnd(7)}`;
const print = (line, head = []) => [...head, ...EVENTS.map(line)].join('\n') + '\n';

const raw = (p) => `0x${hex(p)}`,
  hashed = (p) => hex((p * 0x9e3779b1n) & 0xffffffffn, 16);
const short_site = (s) => `call_site=${s.replace(/\/.*/, '')}`;
const prefixed_site = (s) =>
  `(${s.replace(/\/.*/, '')}) call_site=ffffffff${hex(0x81000000 + ([...s].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7) % 0xffffff))}`;
const TRACEFS = [
  '# tracer: nop',
  '#',
  '# entries-in-buffer/entries-written: 400/400   #P:4',
  '#',
  '#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION',
  '#              | |         |   |||||     |         |',
];
const TRACE_CMD = ['CPU 1 is empty', 'CPU 2 is empty', 'cpus=4'];
const chain = [
  '\tffffffff811a2b3c __kmalloc+0x9c ([kernel.kallsyms])',
  '\tffffffff8114aa01 single_open+0x2a ([kernel.kallsyms])',
  '          7f3f2a1b __libc_open+0x1b (/usr/lib/x86_64-linux-gnu/libc.so.6)',
  '                 0 [unknown] ([unknown])',
  '',
].join('\n');
const tracecmd_how = {
  pointer: raw,
  site: (s) => `(${s.replace(/\/.*/, '')}) ${short_site(s)}`,
  failed: true,
  tail: ' node=-1 accounted=0',
};
const perf_how = { pointer: raw, site: short_site, page: (p) => `page=0x${hex(p)} `, pfn: (p) => `${p}` };

const DIALECTS = {
  'tracefs, five flags': print(
    (e) => `${task(e)} ${cpu(e)} ..... ${seconds(e.ns).padStart(12)}: ${e.event}: ${fields(e)}`,
    TRACEFS,
  ),
  'tracefs, four flags, older columns': print(
    (e) =>
      `${e.comm.padStart(16)}-${String(e.pid).padEnd(5)} ${cpu(e)} .... ${seconds(e.ns)}: ${e.event}: ${fields(e)}`,
    TRACEFS,
  ),
  'tracefs without irq-info': print(
    (e) => `${task(e)} ${cpu(e)} ${seconds(e.ns).padStart(12)}: ${e.event}: ${fields(e)}`,
    TRACEFS,
  ),
  'tracefs, seven flags of a preemptible kernel': print(
    (e) => `${task(e)} ${cpu(e)} ....... ${seconds(e.ns).padStart(12)}: ${e.event}: ${fields(e)}`,
  ),
  'tracefs with record-tgid': print(
    (e, i) =>
      `${task(e)} ${i % 3 ? `(${String(e.pid - 4).padStart(7)})` : '(-------)'} ${cpu(e)} ..... ${seconds(e.ns).padStart(12)}: ${e.event}: ${fields(e)}`,
    TRACEFS,
  ),
  'tracefs, a clock that counts': print(
    (e) => `${task(e)} ${cpu(e)} ..... ${String(e.ns).padStart(12)}: ${e.event}: ${fields(e)}`,
    TRACEFS,
  ),
  'tracefs, latency-format': print(
    (e) =>
      `${e.comm.slice(0, 8).padStart(8)}-${String(e.pid).padEnd(7)} ${String(e.cpu).padStart(3)}..... ${String(e.ns / 1000).padStart(4)}us : ${e.event}: ${fields(e)}`,
  ),
  'tracefs, latency-format with marks': print(
    (e, i) =>
      `${e.comm.slice(0, 8).padStart(8)}-${String(e.pid).padEnd(7)} ${String(e.cpu).padStart(3)}...1. ${String(e.ns / 1000).padStart(4)}us${'+!#*$@'[i % 6]}: ${e.event}: ${fields(e)}`,
  ),
  'tracefs, hashed pointers': print(
    (e) => `${task(e)} ${cpu(e)} ..... ${seconds(e.ns).padStart(12)}: ${e.event}: ${fields(e, { pointer: hashed })}`,
    TRACEFS,
  ),
  'tracefs, functions and the stacks below them': print(
    (e) =>
      `${task(e)} ${cpu(e)} ..... ${seconds(e.ns).padStart(12)}: ${e.event}: ${fields(e)}\n${task(e)} ${cpu(e)} ..... ${seconds(e.ns).padStart(12)}: <stack trace>\n => single_open\n => proc_reg_open+0xd2/0x170\n`,
    TRACEFS,
  ),
  'trace-cmd report': print(
    (e) =>
      `${e.comm.padStart(16)}-${String(e.pid).padEnd(5)} ${cpu(e)} ${seconds(e.ns).padStart(13)}: ${(e.event + ':').padEnd(21)} ${fields(e, tracecmd_how)}`,
    TRACE_CMD,
  ),
  'trace-cmd report, version 3, nanoseconds': print(
    (e) =>
      `${e.comm.padStart(16)}-${String(e.pid).padEnd(7)} ${cpu(e)} ..... ${seconds(e.ns, 9).padStart(16)}: ${(e.event + ':').padEnd(21)} ${fields(e, tracecmd_how)}`,
    ['version = 7', ...TRACE_CMD],
  ),
  'trace-cmd report -l': print(
    (e) =>
      `${e.comm.slice(0, 8).padStart(8)}-${String(e.pid).padEnd(5)} ${String(e.cpu).padStart(3)}..... ${seconds(e.ns).padStart(13)}: ${(e.event + ':').padEnd(21)} ${fields(e, tracecmd_how)}`,
    TRACE_CMD,
  ),
  'trace-cmd report --ts-diff, addresses with their functions': print(
    (e, i) =>
      `${task(e)} ${cpu(e)} ${seconds(e.ns).padStart(13)}: (+${i})  ${(e.event + ':').padEnd(21)} ${fields(e, { ...tracecmd_how, site: prefixed_site })}`,
    TRACE_CMD,
  ),
  'trace-cmd report of several buffers': print(
    (e) => `   kmem: ${task(e)} ${cpu(e)} ${seconds(e.ns).padStart(13)}: ${e.event}: ${fields(e, tracecmd_how)}`,
    TRACE_CMD,
  ),
  'perf script': print(
    (e) =>
      `${e.comm.padStart(16)} ${String(e.pid).padStart(7)} ${cpu(e)} ${seconds(e.ns).padStart(12)}: ${('kmem:' + e.event).padStart(24)}: ${fields(e, perf_how)}`,
  ),
  'perf script with callers': print(
    (e) =>
      `${e.comm} ${e.pid} ${cpu(e)} ${seconds(e.ns).padStart(12)}: kmem:${e.event}: ${fields(e, perf_how)}\n${chain}`,
  ),
  'perf script -F +pid,+period --ns': print(
    (e) =>
      `${e.comm.padStart(16)} ${String(e.pid - 1).padStart(7)}/${String(e.pid).padEnd(7)} ${cpu(e)} ${seconds(e.ns, 9).padStart(15)}: ${'1'.padStart(10)} kmem:${e.event}: ${fields(e, perf_how)}`,
  ),
  'perf script -F comm,tid,time,event,trace': print(
    (e) =>
      `${e.comm.padStart(16)} ${String(e.pid).padStart(7)} ${seconds(e.ns).padStart(12)}: kmem:${e.event}: ${fields(e, perf_how)}`,
  ),
  'perf script -F comm,tid,cpu,event,trace': print(
    (e) => `${e.comm.padStart(16)} ${String(e.pid).padStart(7)} ${cpu(e)} kmem:${e.event}: ${fields(e, perf_how)}`,
  ),
  'perf script -F tid,time,event,trace,ip,sym': print(
    (e) =>
      `${String(e.pid).padStart(7)} ${seconds(e.ns).padStart(12)}: kmem:${e.event}: ${fields(e, perf_how)} ffffffff811a2b3c __kmalloc+0x9c ([kernel.kallsyms])`,
  ),
  'perf script -F tid,event,trace': print(
    (e) => `${String(e.pid).padStart(7)} kmem:${e.event}: ${fields(e, perf_how)}`,
  ),
  'perf script of an old kernel': print(
    (e) =>
      `${e.comm} ${String(e.pid).padStart(5)} ${cpu(e)} ${seconds(e.ns)}: ${e.event}: ${fields(e, { ...perf_how, tail: '', gfp: (g) => g.replaceAll('__GFP', 'GFP') })}`,
  ),
  'flags as numbers': print(
    (e) =>
      `${task(e)} ${cpu(e)} ..... ${seconds(e.ns)}: ${e.event}: ${fields(e, { gfp: (g) => `0x${hex(gfp_number(g))}` })}`,
  ),
  'kmalloc_node, kmem_cache_alloc_node': print(
    (e) =>
      `${task(e)} ${cpu(e)} ..... ${seconds(e.ns)}: ${e.event.replace(/^(kmalloc|kmem_cache_alloc)$/, '$1_node')}: ${fields(e, { tail: ' node=0' })}`,
    TRACEFS,
  ),
  'every field in another order': print(
    (e) =>
      `${task(e)} ${cpu(e)} ..... ${seconds(e.ns)}: ${e.event}: ${fields(e).replace(/ \[/g, '[').split(' ').reverse().join(' ')}`,
    TRACEFS,
  ),
  'lines ended by CR LF': print(
    (e) => `${task(e)} ${cpu(e)} ..... ${seconds(e.ns)}: ${e.event}: ${fields(e)}`,
    ['', '  ', ...TRACEFS],
  ).replaceAll('\n', '\r\n'),
};

const import_into = async (lab, body, query = '?format=ftrace') => {
  const done = await daemon.post(`labs/${lab.id}/import${query}`, body, {
    headers: { 'content-type': 'application/octet-stream' },
  });
  assert.equal(done.status, 200, done.text);
  return done.body;
};
const lab_after = async (body, options = {}, query) => {
  const lab = await daemon.lab(options),
    summary = await import_into(lab, body, query);
  return { lab, summary, hash: (await daemon.get(`labs/${lab.id}`)).body.hash };
};
const row = (summary, name) => summary.by_event.find((event) => event.event === name);
const is_event = (event) => !event.event.startsWith('(');
const first = (summary, name) =>
  row(summary, name)?.reasons.map(({ reason, count, first_line }) => [reason, count, first_line]);

let reference;
test('the events themselves', async () => {
  reference = await lab_after(DIALECTS['tracefs, five flags'], {}, '?format=auto');
  const { summary } = reference,
    count = (name) => EVENTS.filter((e) => e.event === name).length;
  assert.deepEqual([summary.failed, summary.outcomes.bug, summary.outcomes.null], [0, 0, 0]);
  assert.equal(summary.events_read, EVENTS.length);
  assert.deepEqual(
    [row(summary, 'kmalloc').applied, row(summary, 'kmalloc').read],
    [count('kmalloc'), count('kmalloc')],
  );
  assert.equal(row(summary, 'kmem_cache_free').applied, count('kmem_cache_free'));
  assert.ok(first(summary, 'mm_page_alloc').some(([reason]) => /^page of a slab/.test(reason)));
  assert.ok(first(summary, 'mm_page_alloc').some(([reason]) => /^block of a large kmalloc/.test(reason)));
  const { allocations } = (await daemon.get(`labs/${reference.lab.id}/allocations?limit=1000`)).body;
  assert.ok(
    allocations.some((a) => a.call_site === 'single_open+0x2a'),
    'a call site is the function and the place in it',
  );
});

for (const [dialect, text] of Object.entries(DIALECTS))
  test(`the same machine: ${dialect}`, async () => {
    const { summary, hash } = await lab_after(text, {}, '?format=auto');
    assert.equal(summary.failed, 0, JSON.stringify(summary.by_event.at(-1)));
    assert.equal(summary.events_read, EVENTS.length);
    assert.equal(summary.applied, reference.summary.applied);
    assert.equal(hash, reference.hash);
  });

test('call sites that are but addresses: the same memory, caches and all', async () => {
  const bare = await lab_after(
    print(
      (e) =>
        `${task(e)} ${cpu(e)} ..... ${seconds(e.ns)}: ${e.event}: ${fields(e, { site: (s) => prefixed_site(s).replace(/.*\) /, '') })}`,
    ),
  );
  const frames = async (lab) =>
    (await daemon.get(`labs/${lab.id}/frames`)).body.frames.map((run) => ({ ...run, owner: run.owner.split(' ')[0] })); // without the call site
  assert.deepEqual(await frames(bare.lab), await frames(reference.lab));
});

test('a module is part of a call site, and a blank in it no end', async () => {
  const lab = await daemon.lab();
  await import_into(
    lab,
    `${'sh'.padStart(16)}-90      [000] .....     1.000001: kmalloc: call_site=vring_add+0x104/0x150 [virtio_ring] ptr=ffff888013efc2a0 bytes_req=64 bytes_alloc=64 gfp_flags=GFP_KERNEL node=-1 accounted=false\n`,
  );
  const { allocations } = (await daemon.get(`labs/${lab.id}/allocations`)).body;
  assert.deepEqual(
    allocations.map((a) => a.call_site),
    ['vring_add+0x104 [virtio_ring]'],
  );
});

// ---- several CPUs ----

const head = (e) => `${task(e)} ${cpu(e)} ..... ${seconds(e.ns).padStart(12)}: ${e.event}: ${fields(e)}`;
const MANY = [...happen(3000, 4)];

test('events of several CPUs, in runs as trace_pipe gives them', async () => {
  const sorted = await lab_after(MANY.map(head).join('\n'), { cpus: 4 });
  assert.deepEqual(
    [row(sorted.summary, '(out of order)'), row(sorted.summary, '(another recording)')],
    [undefined, undefined],
  );
  const runs = [];
  for (let at = 0; at < MANY.length; at += 200)
    for (const which of [2, 0, 3, 1]) runs.push(...MANY.slice(at, at + 200).filter((e) => e.cpu === which));
  assert.notDeepEqual(runs, MANY);
  const mixed = await lab_after(runs.map(head).join('\n'), { cpus: 4 });
  assert.equal(row(mixed.summary, '(out of order)'), undefined);
  assert.equal(mixed.hash, sorted.hash);
  const perf = await lab_after(
    runs
      .map(
        (e) =>
          `${e.comm.padStart(16)} ${String(e.pid).padStart(7)} ${cpu(e)} ${seconds(e.ns).padStart(12)}: ${('kmem:' + e.event).padStart(24)}: ${fields(e, perf_how)}`,
      )
      .join('\n'),
    { cpus: 4 },
  );
  assert.equal(perf.hash, sorted.hash);
});

test('whole CPUs one after the other: what comes too late is counted, with its line', async () => {
  const files = [0, 1].map((which) => MANY.filter((e) => e.cpu === which));
  const { summary } = await lab_after(files.flat().map(head).join('\n'), { cpus: 4 });
  const [[reason, count, line]] = first(summary, '(out of order)');
  assert.match(reason, /happened before/);
  assert.ok(count > 200 && count < files[1].length, `${count}`); // the window saves the last of them
  assert.equal(line, files[0].length + 1);
  assert.equal(summary.failed, 0);
});

test('two recordings in one file', async () => {
  const text = MANY.slice(0, 300).map(head).join('\n') + '\n';
  const lab = await daemon.lab({ cpus: 4 });
  await import_into(lab, text);
  await import_into(lab, text);
  const twice = await lab_after(text + text, { cpus: 4 });
  const [[reason, count, line]] = first(twice.summary, '(another recording)');
  assert.deepEqual([count, line <= 310 && line > 300], [1, true], reason);
  const kinds = async (which) => (await daemon.get(`labs/${which.id}/frames`)).body.counts;
  assert.equal(twice.summary.outcomes.bug, 0);
  assert.ok((await kinds(twice.lab)).slab > 0);
});

// ---- gaps, and what is no event ----

test("lost events, in every tool's words", async () => {
  const lines = EVENTS.slice(0, 20).map(head);
  const LOST = [
    ['CPU:1 [LOST 12 EVENTS]', 12],
    ['CPU:2 [LOST EVENTS]', 0],
    ['CPU:7 [204600 EVENTS DROPPED]', 204600],
    ['CPU:0 [EVENTS DROPPED]', 0],
    ['        perf    9777 [006]     4.500001: PERF_RECORD_LOST lost 9', 9],
    ['9777/9888 [006] 4.500002: unknown: PERF_RECORD_LOST lost 7', 7],
    ['LOST 31 events!', 31],
    ['[LOST 5 EVENTS]', 5],
    ['Processed 19 events and lost 3 chunks!', 3],
  ];
  const summary = (
    await lab_after([...lines.slice(0, 10), ...LOST.map(([line]) => line), ...lines.slice(10)].join('\n'))
  ).summary;
  assert.equal(summary.failed, 0);
  assert.equal(summary.events_read, 20);
  assert.deepEqual(first(summary, '(lost events)'), [["the recorder's buffer ran over", LOST.length, 11]]);
  assert.equal(
    summary.lost,
    LOST.reduce((sum, [, nr]) => sum + nr, 0),
  );
});

test('every line is accounted for', async () => {
  const lines = EVENTS.slice(0, 12).map(head);
  const odd = {
    comment: [
      '# tracer: nop',
      '##### CPU 1 buffer started ####',
      '',
      '   ',
      'cpus=8',
      'CPU 3 is empty',
      'version = 6',
      'CPU:1 [SUBBUFFER START] [12:0xa1]',
    ],
    other: [
      `${'sh'.padStart(16)}-90 [000] ..... 4.600001: sched_switch: prev_comm=sh prev_pid=90 ==> next_comm=make`,
      `${'sh'.padStart(16)}-90 [000] ..... 4.600002: vfs_read <-ksys_read`,
      'sh 90 4.600003: irq:irq_handler_entry: irq=1 name=i8042',
      `${'sh'.padStart(16)}-90 [000] ..... 4.600004: tracing_mark_write: half way`,
      ' 0)   0.123 us    |  kfree();',
    ],
    stack: [
      ' => vfs_read',
      ' => ksys_read <ffffffff811a2b3c>',
      '\tffffffff811a2b3c vfs_read+0x9c ([kernel.kallsyms])',
      '=> entry_SYSCALL_64 (ffffffff81e000ea)',
    ],
    broken: [
      `${'sh'.padStart(16)}-90 [000] ..... 4.600005: kmalloc: call_site=f+0x1/0x2 ptr=ffff8880`,
      `${'sh'.padStart(16)}-90 [000] ..... 4.600006: kfree: call_site=f+0x1/0x2 ptr=what`,
      `${'sh'.padStart(16)}-90 [000] ..... 4.600007: mm_page_free: page=0 pfn=0x1 order=77`,
      'sh 90 4.600008: kmem:mm_page_alloc: hello',
    ],
    garbage: [
      'this is no trace',
      '\u0000\u0001\u0002',
      '[   12.345678] usb 1-1: new device',
      'sh-90 [000]',
      'sh-90 [000] .....',
      ' 0)   0.123 us',
      '}',
    ],
  };
  const all = [...lines, ...Object.values(odd).flat()];
  const { summary } = await lab_after(all.join('\n'));
  assert.equal(summary.lines, all.length);
  const numbers = (kind) => odd[kind].map((line) => all.indexOf(line) + 1);
  assert.deepEqual(
    first(summary, '(call stack)').map(([, count, line]) => [count, line]),
    [[4, numbers('stack')[0]]],
  );
  assert.deepEqual(first(summary, '(unreadable line)'), [
    ['an event whose fields cannot be read', odd.broken.length, numbers('broken')[0]],
    ['not a line of ftrace text', odd.garbage.length, numbers('garbage')[0]],
  ]);
  assert.deepEqual(first(summary, '(other event)'), [
    ['not an event of an allocator', 2, numbers('other')[0]],
    ['a line of the function tracer', 2, numbers('other')[1]],
  ]);
  assert.equal(row(summary, 'tracing_mark_write').skipped, 1);
  assert.equal(summary.failed, odd.broken.length + odd.garbage.length);
  const counted = summary.by_event.reduce((sum, event) => sum + event.read, 0);
  assert.equal(counted + odd.comment.length, all.length);
  for (const event of summary.by_event)
    assert.equal(
      event.skipped,
      event.reasons.reduce((sum, reason) => sum + reason.count, 0),
      event.event,
    );
});

test('pointers that were not printed, that are NULL, that are ZERO_SIZE_PTR; failures', async () => {
  const line = (event, rest) => `${'sh'.padStart(16)}-90 [000] ..... 4.700001: ${event}: ${rest}`;
  const alloc = (ptr) => `call_site=f+0x1/0x2 ptr=${ptr} bytes_req=8 bytes_alloc=8 gfp_flags=GFP_KERNEL`;
  const { summary } = await lab_after(
    [
      line('kmalloc', alloc('(____ptrval____)')),
      line('kfree', 'call_site=f+0x1/0x2 ptr=(____ptrval____)'),
      line('kmalloc', alloc('(null)')),
      line('kfree', 'call_site=f+0x1/0x2 ptr=(null)'),
      line('kfree', 'call_site=f+0x1/0x2 ptr=0000000000000000'),
      line('kfree', 'call_site=f+0x1/0x2 ptr=0x0'),
      line('kfree', 'call_site=f+0x1/0x2 ptr=0x10'),
      line('mm_page_alloc', 'page=0 pfn=0 order=3 migratetype=0 gfp_flags=GFP_KERNEL'),
      line('kmalloc', alloc('0000000077777777')),
    ].join('\n'),
  );
  assert.deepEqual(first(summary, 'kmalloc'), [
    ['its pointer was not printed: (____ptrval____)', 1, 1],
    ['failed in the recording too', 1, 3],
  ]);
  assert.deepEqual(
    first(summary, 'kfree').map(([reason, count]) => [reason.slice(0, 9), count]),
    [
      ['its point', 1],
      ['NULL: not', 3],
      ['ZERO_SIZE', 1],
    ],
  );
  assert.deepEqual(first(summary, 'mm_page_alloc'), [['failed in the recording too', 1, 8]]);
  assert.equal(row(summary, 'kmalloc').applied, 1);
});

const replay = (text) => JSON.parse(run(['replay', '--json', '-'], { input: text }).stdout);
const events = (summary) => Object.fromEntries(summary.by_event.map((e) => [e.event, e]));
const because = (event) => Object.fromEntries(event.reasons.map((r) => [r.reason, r.count]));

test('a page that is allocated again, or overlaps one that is held: its free was lost', () => {
  const page = (at, event, pfn, order, more = '') =>
    `  worker-41    [000] .....    ${at}.000001: ${event}: page=ffffea0000048d00 pfn=${pfn} order=${order}${more}\n`;
  const alloc = (at, pfn, order) => page(at, 'mm_page_alloc', pfn, order, ' migratetype=0 gfp_flags=GFP_KERNEL');
  const inside = alloc(10, '0x1234', 0) + 'CPU:0 [LOST 57 EVENTS]\n' + alloc(20, '0x1234', 0) + alloc(21, '0x1230', 3);
  let by = events(replay(inside + page(22, 'mm_page_free', '0x1230', 3)));
  assert.deepEqual([by['(free not recorded)'].read, by['(free not recorded)'].applied], [2, 2]);
  assert.equal(by.mm_page_free.applied, 1);
  // a small one inside of a large one that is held; a large one over many small ones
  by = events(replay(alloc(10, '0x1230', 3) + alloc(11, '0x1236', 1) + page(12, 'mm_page_free', '0x1236', 1)));
  assert.deepEqual([by['(free not recorded)'].applied, by.mm_page_free.applied], [1, 1]);
  const many = Array.from({ length: 8 }, (_, i) => alloc(10 + i, `0x${(0x1230 + i).toString(16)}`, 0)).join('');
  by = events(replay(many + alloc(20, '0x1230', 3)));
  assert.equal(by['(free not recorded)'].applied, 8);
  // neighbours do not overlap
  by = events(replay(alloc(10, '0x1230', 1) + alloc(11, '0x1232', 1) + alloc(12, '0x122f', 0)));
  assert.equal(by['(free not recorded)'], undefined);
});

test('page events under the names that they had before 3.3; single pages freed twice in the trace', () => {
  const line = (us, rest) => `  shell-77    [000]   500.0000${us}: ${rest}\n`;
  const by = events(
    replay(
      line('01', 'mm_page_alloc: page=ffffea0000048d00 pfn=4660 order=0 migratetype=0 gfp_flags=GFP_KERNEL') +
        line('10', 'mm_page_free_direct: page=ffffea0000048d00 pfn=4660 order=0') +
        line('11', 'mm_page_free_direct: page=ffffea0000048d00 pfn=4660 order=0') +
        line(
          '20',
          'mm_page_alloc: page=ffffea0000048d40 pfn=4661 order=0 migratetype=2 gfp_flags=GFP_HIGHUSER_MOVABLE',
        ) +
        line('30', 'mm_pagevec_free: page=ffffea0000048d40 pfn=4661 order=0 cold=0'),
    ),
  );
  assert.equal(by.mm_page_alloc.applied, 2);
  assert.deepEqual([by.mm_page_free_direct.applied, by.mm_pagevec_free.applied], [1, 1]);
  assert.deepEqual(because(by.mm_page_free_direct), { 'freed already: those kernels record a single page twice': 1 });
});

test('NULL as kernels before 4.15 print it; page allocations that failed', () => {
  const summary = replay(
    '  init-1     [000] ....     0.170010: kfree: call_site=c10bfa4a ptr=  (null)\n' +
      '   app-2     [001] ....     1.170010: kfree: call_site=ffffffff816a1b7d ptr=          (null)\n' +
      '   app-2     [001] ....     1.170015: kfree: call_site=ffffffff816a1b7d ptr=(nil)\n' +
      '   app-2     [001] ....     1.170020: kmalloc: call_site=ffffffff816a1b7d ptr=          (null) bytes_req=9000000 bytes_alloc=0 gfp_flags=GFP_KERNEL\n' +
      '   app-2     [001] ....     1.170030: mm_page_alloc: page=          (null) pfn=18446744073709551615 order=9 migratetype=0 gfp_flags=GFP_KERNEL\n' +
      '   app-2     [001] ....     1.170040: mm_page_alloc: page=(null) pfn=-1 order=9 migratetype=0 gfp_flags=GFP_KERNEL\n',
  );
  const by = events(summary);
  assert.equal(summary.failed, 0);
  assert.deepEqual(because(by.kfree), { 'NULL: nothing to free': 3 });
  assert.deepEqual(because(by.kmalloc), { 'failed in the recording too': 1 });
  assert.deepEqual(because(by.mm_page_alloc), { 'failed in the recording too': 2 });
});

test('events among the lines of function_graph, with and without its columns', () => {
  const inner = [
    'mm_page_alloc: page=0000000082b1fe73 pfn=0x1a0398 order=0 migratetype=1 gfp_flags=GFP_HIGHUSER_MOVABLE|__GFP_ZERO',
    'kmalloc: call_site=foo+0x10/0x40 ptr=00000000a2345000 bytes_req=100 bytes_alloc=128 gfp_flags=GFP_KERNEL node=-1 accounted=false',
    'kfree: call_site=foo+0x20/0x40 ptr=00000000a2345000',
    'mm_page_free: page=0000000082b1fe73 pfn=0x1a0398 order=0',
  ];
  const around = ['__alloc_pages() {', '}', 'vfs_read();', '} /* __alloc_pages */'];
  const layouts = [
    (text, i) => `   77.10510${i} |   1)               |  ${text}\n`,
    (text) => ` 1)               |  ${text}\n`,
    (text) => ` 1)   1.688 us    |    ${text}\n`,
    (text, i) => `   77.10510${i} |   1)    sh-90    |   1.688 us    |  ${text}\n`,
  ];
  for (const layout of layouts) {
    const text = [...inner.map((event) => `/* ${event} */`), ...around].map(layout).join('');
    const summary = replay('# tracer: function_graph\n#\n' + text);
    const by = events(summary);
    assert.equal(summary.failed, 0, text);
    for (const name of ['mm_page_alloc', 'kmalloc', 'kfree', 'mm_page_free'])
      assert.equal(by[name]?.applied, 1, name + text);
    assert.deepEqual(because(by['(other event)']), { 'a line of the function tracer': around.length });
  }
});

test('mtrace with the caller bare in brackets, as the manual shows it', async () => {
  const text = '= Start\n[0x80481eb] + 0x8064c48 0x14\n[0x80481eb] + 0x8064c60 0x14\n[0x8048209] - 0x8064c48\n= End\n';
  const lab = await daemon.lab();
  const summary = await import_into(lab, text, '');
  const by = events(summary);
  assert.deepEqual([by.malloc.applied, by.free.applied, summary.failed], [2, 1, 0]);
  const { allocations } = (await daemon.get(`labs/${lab.id}/allocations`)).body;
  assert.deepEqual(
    allocations.filter((a) => a.op === 'malloc').map((a) => a.call_site),
    ['0x80481eb'],
  );
});

test('caches by the name that allocations of 7.0 tell', async () => {
  const alloc = (us, name, ptr) =>
    `  sh-90 [000] ..... 4.0000${us}: kmem_cache_alloc: call_site=foo+0x1/0x2 ptr=${ptr} name=${name} bytes_req=192 bytes_alloc=192 gfp_flags=GFP_KERNEL node=-1 accounted=false\n`;
  const lab = await daemon.lab();
  await import_into(lab, alloc('01', 'dentry', 'ffff888004000000') + alloc('02', 'dentry', 'ffff888004000100'));
  const { caches } = (await daemon.get(`labs/${lab.id}/caches`)).body;
  assert.equal(caches.find((c) => c.name === 'dentry').nr_in_use, 2);
});

test('GFP flags of kernels of other ages', async () => {
  const line = (gfp, i) =>
    `${'sh'.padStart(16)}-90 [000] ..... 4.70000${i}: kmalloc: call_site=f+0x1/0x2 ptr=ffff88800000${i}000 bytes_req=8 bytes_alloc=8 gfp_flags=${gfp} node=-1`;
  const gfps = [
    'GFP_NOFS|GFP_ZERO',
    '__GFP_WAIT|__GFP_IO|__GFP_FS',
    'GFP_KERNEL|__GFP_REPEAT',
    'GFP_TEMPORARY',
    'GFP_KERNEL|__GFP_COLD|__GFP_NOTRACK',
    'none',
    'GFP_KERNEL|0x8000000',
    'GFP_KERNEL|__GFP_TOMORROW',
    '0x20000cc0',
  ];
  const lab = await daemon.lab(),
    summary = await import_into(lab, gfps.map(line).join('\n'));
  const { ops } = (await daemon.get(`labs/${lab.id}/ops`)).body;
  assert.deepEqual(
    ops.map((op) => op.gfp),
    [
      'GFP_NOFS|__GFP_ZERO',
      'GFP_KERNEL',
      'GFP_KERNEL|__GFP_RETRY_MAYFAIL',
      'GFP_KERNEL|__GFP_RECLAIMABLE',
      'GFP_KERNEL',
      '0',
      'GFP_KERNEL',
      'GFP_KERNEL',
      'GFP_KERNEL',
    ],
  );
  assert.deepEqual(first(summary, '(GFP flags)'), [['a flag that Linux 6.1 does not have is left out', 3, 7]]);
});

test("contexts: every version's columns", async () => {
  const line = (flags, i) =>
    `${'sh'.padStart(16)}-90 [000] ${flags} 4.70000${i}: kmalloc: call_site=f+0x1/0x2 ptr=ffff88800000${i}000 bytes_req=8 bytes_alloc=8 gfp_flags=GFP_ATOMIC`;
  const FLAGS = [
    ['.....', 'process'],
    ['d.h1.', 'hardirq'],
    ['dNH2.', 'hardirq'],
    ['..s..', 'softirq'],
    ['b..1.', 'process'],
    ['dNh1', 'hardirq'],
    ['...s1..', 'softirq'],
    ['d.Z2.', 'hardirq'],
    ['DpL3.', 'process'],
  ];
  const lab = await daemon.lab();
  await import_into(lab, FLAGS.map(([flags], i) => line(flags, i)).join('\n'));
  const { ops } = (await daemon.get(`labs/${lab.id}/ops`)).body;
  assert.deepEqual(
    ops.map((op) => op.context),
    FLAGS.map(([, context]) => context),
  );
});

// ---- our own export, through other tools ----

test('an exported history is what other readers of ftrace text expect, and comes back from their layouts, too', async () => {
  const lab = await daemon.lab({ cpus: 2 });
  const ops = Array.from({ length: 300 }, (_, i) =>
    i % 3 === 2
      ? { op: 'kfree', name: `n${i - 1}`, cpu: i & 1 }
      : {
          op: 'kmalloc',
          size: 1 + ((i * 97) % 9000),
          name: `n${i}`,
          cpu: i & 1,
          context: i % 7 ? 'process' : 'softirq',
          gfp: i % 7 ? 'GFP_KERNEL' : 'GFP_ATOMIC',
        },
  );
  for (const op of [
    { op: 'spawn', name: 'sh' },
    { op: 'vmalloc', size: 70000, name: 'v' },
    { op: 'mark', text: 'print: half way' },
    ...ops,
  ])
    await daemon.op(lab, op);
  const { hash } = (await daemon.get(`labs/${lab.id}`)).body;
  const { text } = await daemon.get(`labs/${lab.id}/export?format=ftrace`);
  assert.match(text, /^# tracer: nop\n#/); // by which Perfetto knows it
  // What Perfetto's reader of systrace text asks of a line.
  const SYSTRACE = /-(\d+)\s+\(?\s*(\d+|-+)?\)?\s?\[(\d+)\]\s*[a-zA-Z0-9.]{0,5}\s+(\d+\.\d+):\s+(\S+):/;
  const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
  for (const line of lines) assert.match(line, SYSTRACE);
  const times = lines.map((line) => Number(SYSTRACE.exec(line)[4]));
  assert.ok(
    times.every((time, i) => i === 0 || time >= times[i - 1]),
    'in the order of time',
  );
  const HEAD = /^ *(\S+)-(\d+) +(\[\d+\]) (\S+) +([\d.]+): (\w+): (.*)$/;
  const tools = {
    itself: text,
    'trace-cmd report':
      'cpus=2\n' +
      lines
        .map((line) =>
          line.replace(
            HEAD,
            (_, comm, pid, cpu, flags, time, event, rest) =>
              `${comm.padStart(16)}-${pid.padEnd(5)} ${cpu} ${time.padStart(13)}: ${event === 'tracing_mark_write' ? 'print:'.padEnd(21) + ' tracing_mark_write:' : (event + ':').padEnd(21)} ${rest}`,
          ),
        )
        .join('\n'),
    'perf script': lines
      .map((line) =>
        line.replace(
          HEAD,
          (_, comm, pid, cpu, flags, time, event, rest) =>
            `${comm.padStart(16)} ${pid.padStart(7)} ${cpu} ${time.padStart(12)}: ${event === 'tracing_mark_write' ? 'ftrace:print: tracing_mark_write:' : `kmem:${event}:`} ${rest}`,
        ),
      )
      .join('\n'),
  };
  for (const [tool, told] of Object.entries(tools)) {
    const twin = await lab_after(told, { cpus: 2 }, '?format=auto');
    assert.equal(twin.summary.failed, 0, tool);
    assert.equal(twin.hash, hash, tool);
  }
});

// ---- how it arrives ----

test('gzip, gzip in several members, zstd in several frames, and cut off', async () => {
  const text = DIALECTS['trace-cmd report'],
    at = text.indexOf('\n', text.length / 3) - 20;
  const parts = [text.slice(0, at), text.slice(at, at + 5000), '', text.slice(at + 5000)].map((part) =>
    Buffer.from(part),
  );
  assert.equal((await lab_after(gzipSync(text))).hash, reference.hash);
  const members = Buffer.concat(parts.map((part) => gzipSync(part)));
  assert.equal((await lab_after(members)).hash, reference.hash);
  assert.equal(
    (await lab_after(Buffer.concat([members, Buffer.alloc(512)]))).summary.problem,
    null,
    'padded with zeroes, as from tapes',
  );
  const zstd = parts.map((part) => spawnSync('zstd', ['-q', '-c'], { input: part }));
  if (zstd.every((done) => done.status === 0))
    assert.equal((await lab_after(Buffer.concat(zstd.map((done) => done.stdout)))).hash, reference.hash);
  const cut = await lab_after(text.slice(0, text.lastIndexOf(' node=') - 30));
  assert.equal(cut.summary.failed, 1);
  assert.deepEqual(
    first(cut.summary, '(unreadable line)').map(([reason]) => reason),
    ['an event whose fields cannot be read'],
  );
});

test('the first bytes one by one', async () => {
  const lab = await daemon.lab(),
    packed = gzipSync(DIALECTS['trace-cmd report']);
  const status = await new Promise((resolve, reject) => {
    const request = http.request(
      `${daemon.base}/labs/${lab.id}/import`,
      { method: 'POST', headers: { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' } },
      (reply) => reply.resume().on('end', () => resolve(reply.statusCode)),
    );
    request.on('error', reject);
    (async () => {
      for (let i = 0; i < 5; i++) {
        request.write(packed.subarray(i, i + 1));
        await new Promise((done) => setTimeout(done, 30));
      }
      request.end(packed.subarray(5));
    })();
  });
  assert.equal(status, 200);
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.hash, reference.hash);
});

test('no line whatever ends an import', () => {
  const next = random(99),
    lines = Object.values(DIALECTS).flatMap((text) => text.split('\n').slice(0, 60));
  const damaged = lines.flatMap((line) =>
    Array.from({ length: 12 }, () => {
      const at = Math.floor(next() * line.length),
        length = Math.floor(next() * 12);
      switch (Math.floor(next() * 5)) {
        case 0:
          return line.slice(0, at);
        case 1:
          return line.slice(at);
        case 2:
          return line.slice(0, at) + line.slice(at + length);
        case 3:
          return line.slice(0, at) + String.fromCharCode(1 + Math.floor(next() * 255)).repeat(length) + line.slice(at);
        default:
          return line.slice(0, at) + line.slice(at - length, at) + line.slice(at);
      }
    }),
  );
  const done = run(['replay', '--json', '--format', 'ftrace', '-'], { input: damaged.join('\n'), maxBuffer: 1 << 26 });
  assert.equal(done.status, 0, done.stderr);
  const summary = JSON.parse(done.stdout);
  assert.ok(summary.failed > 1000 && summary.applied > 1000);
  assert.equal(
    summary.events_read,
    summary.by_event
      .filter(is_event)
      .concat(row(summary, '(other event)') ?? [])
      .reduce((sum, event) => sum + event.read, 0),
  );
});
