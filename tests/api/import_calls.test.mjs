// Calls of malloc as ltrace, preloaded tracers, valgrind and LTTng print them.
import test from 'node:test';
import assert from 'node:assert/strict';
import { run } from './daemon.mjs';

const replay = (text, ...options) => {
  const done = run(['replay', '--json', ...options, '-'], { input: text });
  return JSON.parse(done.stdout);
};
const applied = (summary) => Object.fromEntries(summary.by_event.map((event) => [event.event, event.applied]));
const reasons = (summary) =>
  Object.fromEntries(summary.by_event.flatMap((event) => event.reasons.map((reason) => [reason.reason, reason.count])));

const A = '0x55d0c62a72a0',
  B = '0x55d0c62a72c0',
  C = '0x55d0c62a7320';
// The same five calls, as each tool has them.
const call = (head, name, list, result = '<void>', tail = '') =>
  `${head}${`${name}(${list})`.padEnd(48)} = ${result}${tail}\n`;
const calls = (head, { prefix = '', comma = ', ', tail = '' } = {}) =>
  call(head, `${prefix}malloc`, '24', A, tail) +
  call(head, `${prefix}calloc`, `10${comma}8`, B, tail) +
  call(head, `${prefix}realloc`, `${A}${comma}100`, C, tail) +
  call(head, `${prefix}free`, B, '<void>', tail) +
  call(head, `${prefix}free`, C, '<void>', tail);
const LTTNG = [
  `malloc: { cpu_id = 1 }, { vtid = 77, procname = "a b" }, { size = 24, ptr = ${A} }`,
  `calloc: { cpu_id = 1 }, { vtid = 77 }, { nmemb = 10, size = 8, ptr = ${B} }`,
  `realloc: { cpu_id = 0 }, { in_ptr = ${A}, size = 100, ptr = ${C} }`,
  `free: { cpu_id = 0 }, { ptr = ${B} }`,
  `free: { cpu_id = 0 }, { ptr = ${C} }`,
];
const TOOLS = {
  ltrace: calls('') + '+++ exited (status 0) +++\n',
  'ltrace -f': calls('[pid 77] ') + '[pid 77] +++ exited (status 0) +++\n',
  'ltrace -f -o': calls('77 '),
  'ltrace -tt -T': calls('10:11:12.345678 ', { tail: ' <0.000123>' }),
  'ltrace -f -ttt': calls('[pid 77] 1764583872.345678 '),
  'ltrace -r': calls('  0.000123 '),
  'ltrace -i': calls('[0x401136] '),
  'ltrace, library before the name': calls('', { prefix: 'libc.so.6->' }),
  'ltrace, program before the name': calls('77 ', { prefix: 'a.out->' }),
  'ltrace without prototypes': calls('')
    .replace('malloc(24)', 'malloc(24, 0x7ffe1c, 0x7ffe2c, 0)')
    .replace(', 100)', ', 100, 0, 0x7ffe3c)'),
  'ltrace of C++': calls('').replace('malloc(24)', '_Znwm(24, 0x7ffe1c)').replace(`free(${B})`, `_ZdlPv(${B})`),
  'ltrace -C': calls('')
    .replace('malloc(24)', 'operator new(unsigned long)(24, 0x7ffe1c)')
    .replace(`free(${B})`, `operator delete(void*)(${B})`),
  'the plt': calls('').replaceAll(/(alloc|free)\(/g, '$1@plt('),
  'a preloaded tracer': calls('')
    .replaceAll(/ += 0x/g, ' -> 0x')
    .replaceAll(/ += <void>/g, ''),
  'a preloaded tracer with names': calls('[77] ')
    .replace('(24)', '(size=24)')
    .replace('10, 8', 'nmemb=10, size=8')
    .replaceAll(/ += /g, '='),
  'a preloaded tracer, hex sizes': calls('')
    .replace('(24)', '(0x18)')
    .replace('10, 8', '0xa, 0x8')
    .replaceAll(/ += /g, ' : '),
  'valgrind --trace-malloc=yes':
    '==77== Memcheck, a memory error detector\n' +
    `--77-- malloc(24) = ${A}\n--77-- calloc(10,8) = ${B}\n--77-- realloc(${A},100) = ${C}\n--77-- free(${B})\n--77-- free(${C})\n`,
  'CR LF and tabs': calls('77\t').replaceAll('\n', '\r\n').replaceAll(/ +=/g, '\t='),
  'LTTng, babeltrace': LTTNG.map(
    (line, i) => `[10:11:12.12345678${i}] (+0.000000001) host lttng_ust_libc:${line}\n`,
  ).join(''),
  'LTTng, babeltrace2 --clock-seconds': LTTNG.map(
    (line, i) => `[1764583872.12345678${i}] (+?.?????????) lttng_ust_libc:${line}\n`,
  ).join(''),
  'among what the program prints': calls('').replaceAll(
    '\n',
    '\nputs("malloc(24) = 0x1")                 = 17\nstrlen("free(0x10)") = 10\n--- SIGCHLD (Child exited) ---\n',
  ),
};
for (const [tool, text] of Object.entries(TOOLS))
  test(`five calls: ${tool}`, () => {
    const summary = replay(text);
    assert.equal(summary.format, 'ltrace');
    const by = applied(summary);
    assert.deepEqual([by.malloc, by.calloc, by.realloc, by.free], [1, 1, 1, 2], text);
    assert.equal(summary.failed, 0, JSON.stringify(summary.by_event));
    assert.deepEqual(summary.outcomes, { ok: 6, null: 0, bug: 0 });
    assert.equal(replay(text, '--format', 'ltrace').applied, 5);
  });

test('calls that other threads interrupt', () => {
  const summary = replay(
    [
      '[pid 77] malloc(24 <unfinished ...>',
      '[pid 78] calloc(10, 8 <unfinished ...>',
      `[pid 77] <... malloc resumed> )                      = ${A}`,
      `[pid 78] <... calloc resumed> )                      = ${B}`,
      `[pid 77] realloc(${A}, 100 <unfinished ...>`,
      `[pid 78] free(${B} <unfinished ...>`,
      `[pid 77] <... realloc resumed> )                     = ${C}`,
      `[pid 77] malloc(80)                                  = ${B}`,
      '[pid 78] <... free resumed> )                        = <void>',
      `[pid 78] <... malloc resumed> )                      = ${A}`,
      '[pid 78] <... read resumed> "", 10)                  = 0',
      '[pid 77] malloc(10 <unfinished ...>',
      '[pid 77] +++ exited (status 0) +++',
    ].join('\n'),
  );
  assert.deepEqual(applied(summary), { malloc: 2, calloc: 1, free: 1, realloc: 1, '(other call)': 0 });
  assert.deepEqual(reasons(summary), {
    'a call whose first line is missing': 1,
    'a call whose second line is missing': 1,
    'not a call of malloc and its kind': 1,
  });
  assert.equal(summary.failed, 0);
});

test('NULL, failures, sizes of 64 bits, alignments, what cannot be read', () => {
  const summary = replay(
    [
      `malloc(0) = ${A}`,
      'free(0) = <void>',
      'free(nil)',
      'free((nil)) = <void>',
      'free(NULL)',
      `realloc(0, 10) = ${B}`,
      `realloc(${B}, 0) = 0`,
      'malloc(18446744073709551615) = 0',
      'calloc(4611686018427387904, 8) = nil',
      `memalign(64, 100) = ${C}`,
      'aligned_alloc(64, 128) = 0x55d0c62a8000',
      'posix_memalign(0x7ffe1c, 64, 100) = 0',
      'malloc(99999999999999999999999) = 0x10',
      'malloc(24) = ?',
      'malloc() = 0x10',
      'free(0x55d0c0000000) = <void>',
      'malloc(24',
    ].join('\n'),
  );
  const by = applied(summary);
  assert.deepEqual(
    [by.malloc, by.free, by.realloc, by.memalign, by.aligned_alloc, by.posix_memalign],
    [1, 4, 2, 1, 1, 1],
  );
  assert.deepEqual(reasons(summary), {
    'failed in the recording too': 1,
    'a call whose arguments or result cannot be read': 4,
    'frees what the trace never allocated': 1,
    'its block is never freed here': 1,
  });
  assert.equal(summary.failed, 4);
});

test('what else such traces have in them', () => {
  const texts = [
    [`malloc(24) = ${A}\nreallocarray(${A}, 10, 8) = ${B}\nfree(${B})\n`, { malloc: 1, realloc: 1, free: 1 }],
    ['malloc(-1) = 0\nmalloc(24) = 0x602010\n', { malloc: 1 }],
    ['[+] malloc(0x18) = 0x602010;\n[-] free(0x602010);\n', { malloc: 1, free: 1 }],
    ['malloc( 24 ) returned 0X602010\nfree( 0X602010 )\n', { malloc: 1, free: 1 }],
    ['malloc(24) = 00000213F2A51230\nfree(00000213F2A51230)\n', { malloc: 1, free: 1 }],
    [`   0.123 us [  1234] | malloc(24) = ${A};\n   0.123 us [  1234] | free(${A});\n`, { malloc: 1, free: 1 }],
    ['[pid 7] malloc(24, 0, 0 <unfinished ...>\n[pid 7] <... malloc resumed> , 0) = 0x602010\n', { malloc: 1 }],
    [
      '--7-- malloc(24) = 0x4A5B040\n--7-- realloc(0x0,100)malloc(100) = 0x4A5B0A0\n--7-- realloc(0x4A5B040,0)free(0x4A5B040)\n = 0x0\n--7-- _Znwm(8) = 0x4A5B300\n--7-- _ZdlPv(0x4A5B300)\n',
      { malloc: 2, realloc: 2, free: 1 },
    ],
    [
      '[10:11:12.1] (+0.1) lttng_ust_libc:posix_memalign: { cpu_id = 1 }, { out_ptr = 0x55d0c62a7200, alignment = 64, size = 24, result = 0 }\n[10:11:12.2] (+0.1) lttng_ust_libc:free: { cpu_id = 1 }, { ptr = 0x55d0c62a7200 }\n',
      { posix_memalign: 1, free: 1 },
    ],
  ];
  for (const [text, want] of texts) {
    const summary = replay(text);
    assert.deepEqual(applied(summary), want, text);
    assert.equal(summary.failed, 0, text);
  }
  const none = run(['replay', '-'], { input: '77 read(3, "", 10) = 0\n77 strlen("abc") = 3\n' });
  assert.match(none.stderr, /trace of calls .* without any of malloc/);
});

test('a program in C is no trace of calls', () => {
  const done = run(['replay', '-'], { input: 'int main(void)\n{\n    char *p = malloc(24);\n    free(p);\n}\n' });
  assert.equal(done.status, 1);
  assert.match(done.stderr, /not known/);
});
