// Kernel events where other tools have put them: LTTng, kernel logs, mails; and page allocations that failed.
import test from 'node:test';
import assert from 'node:assert/strict';
import { run } from './daemon.mjs';

const replay = (text, ...options) => {
  const done = run(['replay', '--json', ...options, '-'], { input: text });
  return JSON.parse(done.stdout);
};
const applied = (summary) => Object.fromEntries(summary.by_event.map((event) => [event.event, event.applied]));
const reasons = (summary, name) =>
  Object.fromEntries(
    summary.by_event.find((event) => event.event === name)?.reasons.map((r) => [r.reason, r.count]) ?? [],
  );

const EVENTS = [
  [
    'kmalloc',
    'call_site=foo+0x10/0x40 ptr=ffff888004a9b000 bytes_req=100 bytes_alloc=128 gfp_flags=GFP_KERNEL|__GFP_ZERO node=-1 accounted=false',
  ],
  [
    'kmem_cache_alloc',
    'call_site=bar+0x10/0x40 ptr=ffff888004a9c000 bytes_req=192 bytes_alloc=192 gfp_flags=GFP_KERNEL node=-1 accounted=true',
  ],
  ['mm_page_alloc', 'page=ffffea0000048d00 pfn=0x1234 order=1 migratetype=0 gfp_flags=GFP_KERNEL|__GFP_ZERO'],
  ['kmem_cache_free', 'call_site=bar+0x20/0x40 ptr=ffff888004a9c000 name=dentry'],
  ['kfree', 'call_site=foo+0x20/0x40 ptr=ffff888004a9b000'],
  ['mm_page_free', 'page=ffffea0000048d00 pfn=0x1234 order=1'],
];
const NAMES = EVENTS.map(([name]) => name);
const print = (line) => EVENTS.map(([name, fields], i) => line(name, fields, i)).join('');
const plain = print((name, fields, i) => `    sh-90      [001] .....     4.00000${i}: ${name}: ${fields}\n`);
const whole = replay(plain);

const same = (text, label, failed = 0) => {
  const summary = replay(text);
  assert.equal(summary.format, 'ftrace', label);
  for (const name of NAMES)
    assert.equal(applied(summary)[name], 1, `${label}: ${name}\n${JSON.stringify(summary.by_event)}`);
  assert.equal(summary.failed, failed, `${label}: ${JSON.stringify(summary.by_event)}`);
  assert.deepEqual([summary.outcomes, summary.frames_in_use], [whole.outcomes, whole.frames_in_use], label);
  return summary;
};

const GFP = { 'GFP_KERNEL|__GFP_ZERO': 3520, GFP_KERNEL: 3264 };
// "a=1 b=2" as LTTng has it: pointers with 0x, flags as a number
const lttng = (fields) =>
  fields
    .split(' ')
    .map((field) => field.split('='))
    .map(([key, value]) => [key, GFP[value] ?? (/^(ptr|page)$/.test(key) ? `0x${value}` : value)])
    .map(([key, value]) => [key, key === 'call_site' ? '0xffffffff81234567' : key === 'name' ? `"${value}"` : value])
    .map(([key, value]) => `${key} = ${value}`)
    .join(', ');
const lttng_name = (name) => (name.startsWith('kmem') ? name : `kmem_${name}`);

test('LTTng, as babeltrace prints it', () => {
  const layouts = [
    (name, fields, i) =>
      `[10:11:12.12345678${i}] (+0.000000001) host ${lttng_name(name)}: { cpu_id = 1 }, { ${lttng(fields)} }\n`,
    (name, fields, i) =>
      `[10:11:12.12345678${i}] (+?.?????????) ${lttng_name(name)}: { cpu_id = 1 }, { tid = 90, procname = "a: { b" }, { ${lttng(fields)} }\n`,
    (name, fields, i) =>
      `[2026-12-01 10:11:12.12345678${i}] (+0.1) host:${lttng_name(name)}: { cpu_id = 0 }, { ${lttng(fields)} }\r\n`,
    (name, fields, i) =>
      `[1764583872.12345678${i}] (+0.000000001) host ${name}: { cpu_id = 0 }, { ${lttng(fields)} }\n`,
  ];
  for (const layout of layouts) same(print(layout), layout(...EVENTS[0], 0));
  const other = '[10:11:12.123456789] (+0.1) host sched_switch: { cpu_id = 1 }, { prev_comm = "sh", prev_tid = 1 }\n';
  const summary = replay(other + print(layouts[0]));
  assert.deepEqual(reasons(summary, '(other event)'), { 'not an event of an allocator': 1 });
  assert.equal(summary.failed, 0);
});

test('events in a kernel log (tp_printk), in every form in which one is kept', () => {
  const at = (i) => `    4.00000${i}`;
  const layouts = [
    (name, fields, i) => `[${at(i)}] ${name}: ${fields}\n`,
    (name, fields, i) => `<4>[${at(i)}] ${name}: ${fields}\n`,
    (name, fields, i) => `[${at(i)}][   T90] ${name}: ${fields}\r\n`,
    (name, fields, i) => `[${at(i)}] [   T90] ${name}: ${fields}\n`,
    (name, fields, i) => `kern  :warn  : [${at(i)}] ${name}: ${fields}\n`,
    (name, fields, i) => `[Tue Dec  1 10:11:1${i} 2026] ${name}: ${fields}\n`,
    (name, fields, i) => `2026-12-01T10:11:12,00000${i}+00:00 ${name}: ${fields}\n`,
    (name, fields, i) => `Dec  1 10:11:12 host kernel: [${at(i)}] ${name}: ${fields}\n`,
    (name, fields) => `Dec 01 10:11:12 host kernel: ${name}: ${fields}\n`,
    (name, fields, i) => `2026-12-01T10:11:12.123456+00:00 host kernel: [${at(i)}] ${name}: ${fields}\n`,
  ];
  for (const layout of layouts) same(print(layout), layout(...EVENTS[0], 0));
  const boot = Array.from(
    { length: 3000 },
    (_, i) => `[    1.${String(i).padStart(6, '0')}] usb 1-1: new device number ${i}\n`,
  ).join('');
  const summary = same(boot + print(layouts[0]), 'a long log before the events');
  assert.deepEqual(reasons(summary, '(kernel message)'), { 'not an event of an allocator': 3000 });
  const none = run(['replay', '-'], { input: boot });
  assert.equal(none.status, 1);
  assert.match(none.stderr, /kernel log.*tp_printk/);
});

test('prints of bpftrace that name the event and its fields', () => {
  same('Attaching 6 probes...\n' + print((name, fields) => `${name}: ${fields}\n`), 'names alone', 1);
  same(
    print((name, fields, i) => `90 sh tracepoint:kmem:${name} ${fields.replace(/call_site=\S+ /, '')}\n`),
    'the probe',
  );
});

test('lines that a mail has wrapped', () => {
  const wrap = (text, width, quote = '') =>
    text
      .split('\n')
      .flatMap((line) => {
        const lines = [];
        for (let rest = line; rest.length;) {
          let cut = rest.length <= width ? rest.length : rest.lastIndexOf(' ', width);
          if (cut <= 24) cut = rest.indexOf(' ', Math.max(width, 24)) < 0 ? rest.length : rest.indexOf(' ', width);
          lines.push(quote + rest.slice(0, cut));
          rest = rest.slice(cut).trimStart();
        }
        return lines;
      })
      .join('\n');
  for (const width of [76, 72, 64, 50]) {
    const cut = wrap(plain, width);
    assert.ok(cut.split('\n').length > EVENTS.length + 4);
    const summary = same(cut, `${width}\n${cut}`);
    assert.ok(reasons(summary, '(wrapped line)')['put together again with what follows it'] > 0);
    same(wrap(plain, width, '> '), `quoted ${width}`);
    same(wrap(plain, width, '> > ').replaceAll('\n', '\r\n'), `quoted twice ${width}`);
  }
  const perf = print((name, fields, i) => `bash  1994 [001]  4342.32448${i}: kmem:${name}: ${fields}\n`);
  for (const width of [72, 64, 50]) same(wrap(perf, width), `perf ${width}`);
  same(perf.replaceAll(/: kmem/g, ':\nkmem'), 'cut before the event');
  const apart = replay(`bash 1994 [001] 4342.3:\n${print((name, fields) => `kmem:${name}: ${fields}\n`)}`);
  assert.deepEqual([apart.failed, apart.applied], [0, 6]);
  const prose = 'On Tue, somebody wrote:\n> I see this in the trace:\n>\n';
  assert.equal(same(prose + wrap(plain, 72, '> '), 'prose before it', 2).failed, 2);
  const cut = replay(
    plain + '    sh-90      [001] .....     4.000009: kfree: call_site=foo+0x20/0x40\nand that was it\n',
  );
  assert.deepEqual(reasons(cut, '(unreadable line)'), {
    'an event whose fields cannot be read': 1,
    'not a line of ftrace text': 1,
  });
});

test('page allocations that failed', () => {
  const line = (page, pfn) =>
    `  sh-90 [000] .... 4.000001: mm_page_alloc: page=${page} pfn=${pfn} order=9 migratetype=0 gfp_flags=GFP_KERNEL\n`;
  const failed = [
    ['(null)', '18446744073709551615'],
    ['          (null)', '-1'],
    ['  (null)', '4294967295'],
    ['(nil)', '0'],
    ['(nil)', '0xffffffffffffffff'],
    ['0x0', '0xffffffffffffffff'],
    ['(null)', '0xffffffff'],
    ['0000000000000000', '0x0'],
  ];
  const summary = replay(failed.map(([page, pfn]) => line(page, pfn)).join(''));
  assert.deepEqual(reasons(summary, 'mm_page_alloc'), { 'failed in the recording too': failed.length });
  assert.equal(summary.failed, 0);
});

test('layouts of the heads of many years, odd names of tasks, and what surrounds a trace', () => {
  const heads = [
    (i) => `           <...>-1994  [000]  4342.32448${i}: `, // 2.6.32
    (i) => `            bash-1994  [000] d..1  4342.32448${i}: `, // 3.x
    (i) => `           bash-1994    (   1994) [127] d..2.  4342.32448${i}: `,
    (i) => `            bash-1994  [000] ..... 18446744073709${i}: `, // x86-tsc
    (i) => `            bash-1994  [000] ..... 1764583872.32448${i}: `, // tai
    (i) => `            bash-1994  [000] .....  -1.32448${i}: `,
    (i) => `\tbash-1994\t[000]\t.....\t4342.32448${i}:\t`,
    (i) => `       a-1 [000]-1994  [000] d..1  4342.32448${i}: `,
    (i) => `  (sd-pam) [1]: x-1994  [003] d..1  4342.32448${i}: `,
    (i) => `  x 12.5: kfree:-1994  [003] d..1  4342.32448${i}: `,
    (i) => `                -1994  [003] d..1  4342.32448${i}: `,
    (i) => `kworker/u256:12-events_freezable_power_very_long_name_indeed-1994  [003] d..1  4342.32448${i}: `,
    (i) => `trace.txt:12:            bash-1994  [000] ..... 4342.32448${i}: `, // grep -n
    (i) => `> >             bash-1994  [000] ..... 4342.32448${i}: `,
    (i) => `[guest/1] bash  1994 [000]  4342.32448${i}: kmem:`,
    (i) => `bash  1994 [000] K    4342.32448${i}: kmem:`,
  ];
  for (const head of heads) {
    same(
      print((name, fields, i) => `${head(i)}${name}: ${fields}\n`),
      head(0),
    );
    same(
      print((name, fields, i) => `${head(i)}${name}: ${fields}  \r\n`),
      head(0),
    );
  }
  same(
    print((name, fields, i) => `bash  1994 [000]  4342.32448${i}: kmem:${name}/call-graph=no/: ${fields}\n`),
    'an option of perf',
  );
  same(
    print((name, fields, i) => `\x1b[32m[    4.00000${i}] \x1b[0m\x1b[33m${name}: ${fields}\n`),
    'dmesg --color',
  );
  same('```\n' + plain + '```\n', 'markdown', 2);
  same('<!DOCTYPE html>\n<html>\n<script>\n' + plain + '</script>\n', 'a systrace page', 4);
  const beyond = replay(plain.replace('bytes_req=100', 'bytes_req=99999999999999999999999999'));
  assert.deepEqual(reasons(beyond, '(unreadable line)'), { 'an event whose fields cannot be read': 1 });
});

test('a cache whose name is damaged keeps the one that it has by its size', () => {
  const damaged = plain.replace('node=-1 accounted=true', 'name=\0\x10dentry').replace('name=dentry', 'name=\0');
  const summary = replay(damaged);
  // six events, and the cache by its size alone
  assert.deepEqual([summary.failed, summary.outcomes.ok, summary.applied], [0, 7, 6]);
});
