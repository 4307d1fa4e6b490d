// What a trace is taken for, and what is refused by its name; through pagodad replay and through HTTP.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Daemon, run } from './daemon.mjs';

let daemon;
before(async () => {
  daemon = await Daemon.start();
});
after(() => daemon.end());

const replay = (input, ...options) => run(['replay', ...options, '-'], { input });
const summary_of = (input, ...options) => JSON.parse(replay(input, '--json', ...options).stdout);

const KMALLOC = (us) =>
  `  sh-90 [000] ..... 4.${String(us).padStart(6, '0')}: kmalloc: call_site=f+0x1/0x2 ptr=ffff8880${String(us).padStart(5, '0')}000 bytes_req=8 bytes_alloc=8 gfp_flags=GFP_KERNEL node=-1\n`;
const KNOWN = {
  ftrace: [
    KMALLOC(11) + KMALLOC(12),
    'prose of a mail,\nand more of it:\n\n' + KMALLOC(11),
    '# tracer: nop\n#\n' + KMALLOC(11),
  ],
  ltrace: [
    'malloc(24) = 0x55d0c62a72a0\nfree(0x55d0c62a72a0) = <void>\n',
    'app starts\nwhat it prints\nmalloc(24) = 0x55d0c62a72a0\n',
  ],
  mtrace: ['= Start\n@ ./a:[0x401136] + 0x4052a0 0x18\n', '[0x80481eb] + 0x8064c48 0x14\n'],
  rep: ['100\n1\n2\n1\na 0 100\nf 0\n', '\n100\r\n1\r\n2\r\n1\r\na 0 100\r\nf 0\r\n'],
  ops: ['a 1 100\nf 1\n', '# a script\nT 0\na 1 0x20\nr 1 50\nf 1\ns\n'],
  ndjson: ['{"op":"kmalloc","size":64}\n', '\n  {"op": "mark", "text": "a"}\n'],
  'malloc-log': ['# malloc-log 1 program p heap_start 1000 threads 1 events 1\n1 malloc 24 = +2a0\n'],
};
test('what is read says what it was taken for, and why', () => {
  for (const [format, texts] of Object.entries(KNOWN))
    for (const text of texts) {
      const summary = summary_of(text);
      assert.equal(summary.format, format, text);
      assert.match(summary.format_reason, /^.+: line \d+ is .+$/, text);
      assert.ok(summary.applied > 0, text);
      assert.equal(summary.refusal, null);
    }
  assert.match(summary_of(KNOWN.ftrace[1]).format_reason, /line 4 is an event of the kernel's allocators/);
  assert.equal(summary_of(KNOWN.ops[0], '--format', 'ops').format_reason.length > 0, true);
});

const FOREIGN = [
  ['v 10400 3\nx 1c /usr/bin/demo\nX ./demo\ns 6 main\na 48 1\n+ 0\n- 0\n', /heaptrack.*mtrace/],
  ['PERFILE2\x68\0\0\0\0\0\0\0', /perf\.data.*perf script/],
  ['\x17\x08\x44tracing6\0\0', /trace\.dat.*trace-cmd report/],
  [Buffer.from('c11ffcc1aabbccdd00', 'hex'), /CTF.*babeltrace2/],
  ['/* CTF 1.8 */\ntypealias integer {', /CTF metadata/],
  ['execve("/bin/ls", ["ls"], 0x7ffe /* 9 vars */) = 0\nbrk(NULL) = 0x55d0c62a7000\n', /strace.*ltrace/],
  ['[pid 77] openat(AT_FDCWD, "a", O_RDONLY) = 3\n', /strace/],
  ['10:11:12.345678 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, -1, 0) = 0x7f0000000000\n', /strace/],
  ['==77== Memcheck, a memory error detector\n==77== HEAP SUMMARY:\n', /valgrind.*--trace-malloc/],
  ['desc: (none)\ncmd: ./a\ntime_unit: i\n#-----------\nsnapshot=0\n', /massif/],
  ['{"dhatFileVersion":2,"mode":"heap"}\n', /DHAT/],
  ['heap_v2/524288\n  t*: 28: 200 [0: 0]\n', /jemalloc/],
  ['___ Begin jemalloc statistics ___\nVersion: 5\n', /jemalloc/],
  ['heap profile: 1: 24 [ 1: 24] @ heapprofile\n', /tcmalloc/],
  ['time,size,ptr\n1,24,0x10\n2,48,0x20\n', /CSV/],
  [Buffer.from('d4c3b2a1020004000000', 'hex'), /pcap/],
  [Buffer.from('7f454c4602010100', 'hex'), /ELF/],
  ['SQLite format 3\0\x10\0', /SQLite.*--store/],
  ['PK\x03\x04\x14\0', /zip/],
  [Buffer.from('fd377a585a000004', 'hex'), /xz -dc/],
  ['BZh91AY&SY', /bzip2 -dc/],
  [Buffer.from('fffe000061000000', 'hex'), /UTF-32/],
  ['[{"op":"kmalloc","size":64}]\n', /JSON.*one object a line/],
  ['Command:            ./a\nMassif arguments:   (none)\n', /massif/],
  ['     0.000 ( 0.004 ms): sh/90 brk() = 0x55d0\n', /perf trace.*perf script/],
  ['Attaching to pid 7\n[10:11:12] Top 10 stacks with outstanding allocations:\n', /memleak/],
  ['# DURATION     TID     FUNCTION\n   0.123 us [  1234] | main();\n', /uftrace/],
  ['7 <... futex resumed> ) = 0\n7 futex(0x55, FUTEX_WAIT <unfinished ...>\n', /strace/],
  ['<!doctype html>\n<html>\n', /web page/],
  ['ZONE\tname=DMA\tstart_pfn=1\n', /--state/],
  ['[    0.000000] Linux version 6.1\n[    0.000001] Command line: ro\n', /kernel log.*tp_printk/],
  ['root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n', /not known/],
  [Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 200, 201]), /binary data/],
  ['', /empty/],
  ['\n\n   \n', /empty/],
  ['1\n2\n3\n4\n5\n6\n7\n8\n9\n', /Pagoda does not read it/],
];
test('what is not read is refused by its name, with what helps and what is read', () => {
  for (const [text, words] of FOREIGN)
    for (const input of [text, gzipSync(text)]) {
      const done = replay(input);
      assert.equal(done.status, 1, `${text}`);
      assert.match(done.stderr, words);
      assert.match(done.stderr, /Read are: ftrace, .*ltrace.*mtrace.*\.rep.*NDJSON/);
      const summary = summary_of(input);
      assert.deepEqual([summary.applied, summary.by_event.reduce((sum, event) => sum + event.applied, 0)], [0, 0]);
      assert.match(summary.refusal, words);
    }
});

test('the same through HTTP: 422, and the lab is as it was', async () => {
  const lab = await daemon.lab();
  for (const [text, words] of FOREIGN)
    for (const query of ['', '?atomic=true']) {
      const done = await daemon.post(`labs/${lab.id}/import${query}`, Buffer.from(text, 'latin1'), {
        headers: { 'content-type': 'application/octet-stream' },
      });
      assert.equal(done.status, 422, `${text}`);
      assert.match(done.body.detail, words);
    }
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, 0);
});

test('a format that is asked for is believed, and named when it was another', () => {
  const done = replay(FOREIGN[1][0], '--format', 'ftrace');
  assert.equal(done.status, 1);
  assert.match(done.stderr, /perf\.data/);
  assert.equal(summary_of(KNOWN.ltrace[0], '--format', 'ftrace').format_reason, 'as asked for');
});

test('nothing applied is an error of replay', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pagoda-'));
  assert.equal(run(['replay', directory]).status, 1);
  assert.match(run(['replay', directory]).stderr, /is a directory/);
  rmSync(directory, { recursive: true });
  const only_frees = '  sh-90 [000] ..... 4.000001: kfree: call_site=f+0x1/0x2 ptr=ffff888000001000\n';
  const done = replay(only_frees, '--json');
  assert.equal(done.status, 1);
  assert.match(done.stderr, /nothing was applied: line 1: allocated before the recording began/);
  const [event] = JSON.parse(done.stdout).by_event;
  assert.deepEqual(event, {
    event: 'kfree',
    read: 1,
    applied: 0,
    skipped: 1,
    reasons: [{ reason: 'allocated before the recording began', count: 1, first_line: 1 }],
  });
});

test('a trace that has nothing, or nothing yet', () => {
  for (const text of [
    '# tracer: nop\n#\n#  entries-in-buffer/entries-written: 0/0   #P:4\n',
    'cpus=4\nCPU 0 is empty\n',
    'CPU:0 [LOST 57 EVENTS]\n',
  ]) {
    assert.equal(summary_of(text).format, 'ftrace', text);
    assert.match(replay(text).stderr, /nothing was applied: (no line of it|line 1: the recorder's buffer ran over)/);
    assert.equal(replay(text).status, 1);
  }
  const late = '7 strlen("abc") = 3\n'.repeat(5000) + '7 malloc(24) = 0x602010\n';
  assert.deepEqual([summary_of(late).format, summary_of(late).applied, summary_of(late).refusal], ['ltrace', 1, null]);
  const other = '    sh-90      [001] .....     4.5: sched_switch: prev_comm=a\n'.repeat(5000) + KMALLOC(99999);
  assert.deepEqual([summary_of(other).format, summary_of(other).applied], ['ftrace', 1]);
});

test('--check fails on every bug, also on one by name', () => {
  const double = [
    '{"op":"kmalloc","size":64,"name":"a"}',
    '{"op":"kfree","name":"a"}',
    '{"op":"kfree","name":"a"}',
  ].join('\n');
  assert.equal(replay(double, '--check').status, 1);
  assert.equal(replay(double).status, 0);
  assert.equal(replay(double.split('\n').slice(0, 2).join('\n'), '--check').status, 0);
});

test('UTF-16, with and without its mark, packed, and cut in the middle of a letter', () => {
  const text = (KNOWN.ftrace[0] + KMALLOC(13).replace('sh-90', 'größe€-90')).replaceAll('\n', '\r\n');
  const little = Buffer.from(text, 'utf16le');
  const big = Buffer.from(little).swap16();
  const plain = summary_of(text);
  for (const bytes of [
    little,
    big,
    Buffer.concat([Buffer.from([0xff, 0xfe]), little]),
    Buffer.concat([Buffer.from([0xfe, 0xff]), big]),
  ])
    for (const input of [bytes, gzipSync(bytes)]) {
      const summary = summary_of(input);
      assert.match(summary.format_reason, /UTF-16/);
      assert.deepEqual([summary.applied, summary.failed, summary.lines], [3, 0, plain.lines]);
    }
  assert.equal(summary_of(little.subarray(0, -3)).applied, 3);
  assert.equal(summary_of('\ufeff' + text).applied, 3);
  const long = Buffer.from(Array.from({ length: 9000 }, (_, i) => KMALLOC(1000 + i)).join(''), 'utf16le');
  assert.deepEqual([summary_of(long).applied, summary_of(long).failed], [9000, 0]);
});

test('a block whose allocation failed here is called that, with what helps', () => {
  const big = 25769804800;
  const texts = {
    rep: `0\n3\n6\n${big}\na 0 100\na 1 ${big}\na 2 16\nf 1\nf 0\nf 2\n`,
    ltrace: `malloc(${big}) = 0x7f0000000010\nmalloc(24) = 0x55d0c62a72a0\nfree(0x7f0000000010)\nfree(0x55d0c62a72a0)\n`,
    mtrace: `= Start\n@ a:[0x1] + 0x7f0000000010 0x${big.toString(16)}\n@ a:[0x1] + 0x4052a0 0x18\n@ a:[0x2] - 0x7f0000000010\n@ a:[0x2] - 0x4052a0\n`,
    'malloc-log': `# malloc-log 1 program p heap_start 1000 threads 2 events 4\n1 malloc ${big} = @7f0000000010\n1 malloc 24 = +2a0\n1 free @7f0000000010\n1 free +2a0\n`,
  };
  for (const [format, text] of Object.entries(texts)) {
    const summary = summary_of(text);
    const free = summary.by_event.find((event) => event.event === 'free');
    assert.equal(summary.format, format);
    assert.deepEqual(
      free.reasons.map(({ reason, count }) => [reason, count]),
      [['its allocation failed in the machine of 512 MiB: give it more memory (--memory)', 1]],
      format,
    );
    const larger = summary_of(text, '--memory', '64G');
    assert.equal(larger.by_event.find((event) => event.event === 'free').skipped, 0, format);
  }
  const grown = summary_of(`0\n3\n6\n1\na 0 ${big}\nr 1 ${big}\nf 0\nf 1\nf 2\n`);
  assert.deepEqual(
    grown.by_event
      .find((event) => event.event === 'free')
      .reasons.map(({ reason, count }) => [reason.slice(0, 21), count]),
    [
      ['its allocation failed', 2],
      ['frees what the trace ', 1],
    ],
  );
});
