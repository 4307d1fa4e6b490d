// Traces of malloc: recorder logs, mtrace, the CS:APP malloc lab, scripts; with their quirks, damaged ones, and by name or by looks.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Daemon, run } from './daemon.mjs';

const SAMPLE = new URL('../truth/sample/glibc-2.36/', import.meta.url).pathname;
const TRUTH = process.env.TRUTH && `${process.env.TRUTH}/glibc-2.36/`;
const sample = (name) => readFileSync(SAMPLE + name);

let daemon;
before(async () => {
  daemon = await Daemon.start();
});
after(() => daemon.end());

const replay = (input, ...options) => {
  const done = run(['replay', '--json', ...options, '-'], { input: Buffer.from(input), encoding: 'buffer' });
  return { status: done.status, ...JSON.parse(done.stdout.toString() || '{}') };
};
const import_into = (lab, body, query = '') =>
  daemon.post(`labs/${lab.id}/import${query}`, body, { headers: { 'content-type': 'application/octet-stream' } });
const row = (summary, name) => summary.by_event.find((event) => event.event === name);
const counts = (summary, name) => {
  const { read, applied, skipped } = row(summary, name) ?? {};
  return [read, applied, skipped];
};
const reasons = (summary, name) =>
  row(summary, name).reasons.map(({ reason, count, first_line }) => [reason, count, first_line]);

test('a recorder log: every block lies where it lay in the program', async () => {
  const summary = replay(sample('traces/jq-start.log.gz'), '--check');
  assert.equal(summary.status, 0);
  assert.ok(summary.blocks_compared > 1400);
  assert.equal(summary.blocks_agree, summary.blocks_compared);
  const lab = await daemon.lab();
  const { body } = await import_into(lab, sample('traces/jq-start.log.gz'));
  assert.equal(body.blocks_agree, summary.blocks_compared);
  const { processes } = (await daemon.get(`labs/${lab.id}/processes`)).body;
  assert.deepEqual(
    processes.map(({ pid, name }) => [pid, name]),
    [[body.pid, 'jq']],
  );
});

test('a block that lies elsewhere is a difference, with its line', () => {
  const text = gunzipSync(sample('traces/jq-start.log.gz'))
    .toString()
    .replace('malloc 272 = +2c0', 'malloc 272 = +2d0')
    .replace('free +2c0', 'free +2d0');
  const summary = replay(text, '--check');
  assert.equal(summary.status, 1);
  assert.match(summary.first_difference, /^line 5: the trace has \+2d0, here it is \+2c0$/);
});

test('threads keep their arenas', async () => {
  const lab = await daemon.lab();
  const { body } = await import_into(lab, sample('mt-logs/pigz.log.gz'));
  assert.deepEqual([body.failed, body.skipped, body.outcomes.bug], [0, 0, 0]);
  assert.equal(body.blocks_compared, 0);
  const { arenas, threads } = (await daemon.get(`labs/${lab.id}/processes/${body.pid}/heap`)).body;
  assert.deepEqual([arenas.length, threads.length], [4, 4]);
});

test('lines of two threads stand between the two of a realloc', () => {
  const log = [
    '# malloc-log 1 program two heap_start 1000 threads 2 events 7',
    '7 malloc 100 = +2a0',
    '9 malloc 100 = @7f0000000b70',
    '7 realloc< +2a0 5000',
    '9 malloc 24 = +2a0',
    '9 free +2a0',
    '7 realloc> +2a0 5000 = +310',
    '9 realloc< @7f0000000b70 0',
    '9 realloc> @7f0000000b70 0 = 0',
    '7 free +310',
    '',
  ].join('\n');
  const summary = replay(log);
  assert.deepEqual([summary.applied, summary.skipped, summary.failed, summary.outcomes.bug], [7, 0, 0, 0]);
});

test('a log with gaps and nonsense is read to its end, and each oddity has its line', () => {
  const log = [
    '# malloc-log 1 program torn heap_start 1000 threads 1 events 9',
    '1 free +500', // 2: before the recording
    '1 malloc 100 = +2a0',
    '1 malloc 100 = +2a0', // 4: the free is missing
    '1 realloc< +2a0 50', // 5: never finished
    '1 realloc< +900 50',
    '1 realloc> +900 50 = +2a0', // 7: unknown
    'xx',
    '1 malloc',
    '1 malloc -5 = +1',
    '1 malloc 5 = 77',
    '1 conjure 5 = +1',
    '1 free',
    '\u0000\u00ff',
    '99999999999999999999 free 0', // 8 - 15
    '1 malloc 18446744073709551615 = 0',
    '1 free 0\r',
    '',
  ].join('\n');
  const summary = replay(log);
  assert.equal(summary.failed, 8);
  assert.deepEqual(reasons(summary, 'free'), [['frees what the trace never allocated', 1, 2]]);
  assert.deepEqual(reasons(summary, '(missing free)'), [
    ['a block is handed out again; it is freed before that', 1, 4],
  ]);
  assert.deepEqual(reasons(summary, 'realloc'), [['a realloc whose second line is missing', 1, 6]]);
  assert.equal(reasons(summary, '(unknown block)')[0][2], 7);
  assert.deepEqual([row(summary, '(unreadable line)').read, reasons(summary, '(unreadable line)')[0][2]], [8, 8]);
  assert.deepEqual([summary.outcomes.null, summary.outcomes.bug], [1, 0]);
  for (const event of summary.by_event) assert.equal(event.read, event.applied + event.skipped, event.event);
});

test("between the two lines of a realloc the old block is gone, and may be another thread's", async () => {
  const lab = await daemon.lab();
  const log = [
    '# malloc-log 1 program two heap_start 1000 threads 2 events 8',
    '71 malloc 100 = +2a0',
    '72 malloc 30 = @7f0000000b20',
    '71 realloc< +2a0 5000',
    '72 malloc 100 = +2a0',
    '72 realloc< @7f0000000b20 60',
    '71 realloc> +2a0 5000 = +400',
    '72 realloc> @7f0000000b20 60 = @7f0000000b90',
    '71 free +400',
    '72 free +2a0',
    '72 free @7f0000000b90',
    '',
  ].join('\r\n');
  const { body } = await import_into(lab, log);
  assert.deepEqual([body.failed, body.skipped, body.outcomes.bug], [0, 0, 0], JSON.stringify(body.by_event));
  assert.deepEqual(
    [counts(body, 'realloc'), counts(body, 'free')],
    [
      [2, 2, 0],
      [3, 3, 0],
    ],
  );
  const { ops } = (await daemon.get(`labs/${lab.id}/ops`)).body;
  assert.deepEqual(
    ops.slice(1).map((op) => op.tid ?? 0),
    [0, 1, 1, 0, 1, 0, 1, 1],
  ); // a realloc happens when it ends
  const { allocations } = (await daemon.get(`labs/${lab.id}/allocations`)).body;
  assert.deepEqual(
    allocations.filter(({ seq }) => seq !== 3),
    [],
  ); // what is left came with the second thread
});

test('realloc to nothing frees, in every format', async () => {
  for (const [format, text] of Object.entries({
    'malloc-log':
      '# malloc-log 1 program r heap_start 1000 threads 1 events 4\n5 malloc 100 = +2a0\n5 realloc< +2a0 0\n5 realloc> +2a0 0 = 0\n5 malloc 100 = +2a0\n',
    rep: '1\n2\n3\n1\na 0 100\nr 0 0\na 1 100\n',
    ops: 'a 1 100\nr 1 0\na 2 100\n',
    mtrace: '= Start\n+ 0x10 0x64\n- 0x10\n+ 0x10 0x64\n',
  })) {
    const lab = await daemon.lab(),
      { body } = await import_into(lab, text, `?format=${format}`);
    assert.deepEqual(
      [body.failed, body.skipped, body.outcomes.bug],
      [0, 0, 0],
      `${format}: ${JSON.stringify(body.by_event)}`,
    );
    const { allocations } = (await daemon.get(`labs/${lab.id}/allocations`)).body;
    assert.deepEqual(
      allocations.map(({ requested, address }) => [requested, address.slice(-3)]),
      [[100, '2a0']],
      format,
    ); // the same block again
  }
});

test('more threads than a process has here: counted, the others go on', () => {
  const lines = [
    '# malloc-log 1 program many heap_start 1000 threads 300 events 300',
    ...Array.from({ length: 300 }, (_, i) => `${1000 + i} malloc 24 = @7f00${(i * 64 + 0x1000).toString(16)}`),
  ];
  const summary = replay(lines.join('\n'));
  assert.deepEqual(counts(summary, 'malloc'), [256, 256, 0]);
  assert.deepEqual(reasons(summary, '(thread)'), [['more threads than a process has here', 44, 258]]);
});

test('mtrace: who called is kept; what it frees unknown is counted', async () => {
  const lab = await daemon.lab();
  const { body } = await import_into(lab, sample('mtrace/jq-start.mtrace.gz'));
  assert.deepEqual([body.failed, body.skipped], [0, 0]);
  const { allocations } = (await daemon.get(`labs/${lab.id}/allocations`)).body;
  assert.ok(allocations.some(({ call_site }) => call_site === '/lib/x86_64-linux-gnu/libjq.so.1:(jv_mem_alloc+9)'));
  const torn = replay(
    [
      '= Start',
      '- 0x10',
      '+ 0x20 0x8',
      '< 0x20',
      '> 0x30 0x1000',
      '! 0x30 0xffff',
      '< 0x30',
      '- 0x30',
      '> 0x40 0x8',
      '+ 0x50',
      '@',
      '@ x',
      'hello',
      '= End',
    ].join('\r\n'),
  );
  assert.deepEqual(counts(torn, 'malloc'), [1, 1, 0]);
  assert.deepEqual(counts(torn, 'realloc'), [4, 2, 2]);
  assert.deepEqual(counts(torn, 'free'), [2, 0, 2]);
  assert.equal(torn.failed, 4);
  assert.equal(torn.outcomes.bug, 0);
});

test('malloc-lab traces: the quirks of those in the wild', () => {
  const mini = replay(sample('rep/mini.rep'), '--check');
  assert.deepEqual([mini.status, mini.applied, mini.skipped], [0, 12, 0]);
  const crlf = replay(sample('rep/mini.rep').toString().replaceAll('\n', '\r\n') + '\r\n\r\n', '--check');
  assert.deepEqual([crlf.status, crlf.applied], [0, 12]);
  const weight_first = replay('1\n2\n4\n640\na 0 512\nr 1 128\nf 0\nf 1\n', '--check');
  assert.deepEqual([weight_first.status, weight_first.applied], [0, 4]);
  const wild = replay('20000\n2\n9\n1\na 0 512\nf -1\nr 1 99\nf 5\na 7 8\nf 0\nf 0\nn\na 16777216 8\na 1\nf 1\n');
  assert.deepEqual(counts(wild, 'free'), [5, 3, 2]);
  assert.deepEqual(counts(wild, 'malloc'), [3, 2, 1]);
  assert.deepEqual(counts(wild, 'realloc'), [1, 1, 0]);
  assert.equal(wild.failed, 2);
  assert.equal(row(wild, '(head)').read, 3);
  assert.equal(wild.outcomes.bug, 0);
});

test('scripts: each call, threads, options', async () => {
  const lab = await daemon.lab();
  const script =
    '# a script\n\na 1 100\nc 2 10 10\nr 1 5000\nm 3 64 10\ng 4 3 10\nv 5 1\np 6 1\no -3 65536\no 99 1\nT 1\na 7 24\nX 1\nT 300\nX 300\nt 0\ns\nf 1\nf 99\nr 2 0\na 3 1\na 0x8 0x10\nz 1\na 1\na 9 18446744073709551616\n';
  const { body } = await import_into(lab, script);
  assert.equal(body.failed, 4); // T 300, z, a 1, a number too large
  assert.deepEqual(counts(body, 'malloc'), [4, 4, 0]);
  for (const name of ['calloc', 'memalign', 'valloc', 'pvalloc', 'malloc_trim', 'posix_memalign'])
    assert.deepEqual(counts(body, name), [1, 1, 0], name);
  assert.deepEqual(counts(body, 'mallopt'), [2, 1, 1]);
  assert.deepEqual(counts(body, 'thread_exit'), [2, 1, 1]);
  assert.deepEqual(reasons(body, '(filled slot)'), [['an id is allocated again; its block is lost', 1, 22]]);
  assert.deepEqual(body.outcomes, { ok: body.operations - 2, null: 2, bug: 0 }); // posix_memalign, realloc to nothing
});

test('every format by its name, and none by a wrong one', async () => {
  const lab = await daemon.lab();
  const before_it = (await daemon.get(`labs/${lab.id}`)).body;
  for (const format of ['malloc-log', 'mtrace', 'rep', 'ops']) {
    const garbage = await import_into(lab, 'what is this\n\u0001\u0002\n', `?format=${format}`);
    assert.equal(garbage.status, 422, format);
  }
  assert.deepEqual((await daemon.get(`labs/${lab.id}`)).body, before_it); // not even a process
  assert.match((await import_into(lab, 'a 1 1', '?format=oops')).body.detail, /malloc-log, mtrace, rep or ops/);
  assert.equal((await import_into(lab, 'a 1 1\n', '?format=ops')).body.applied, 1);
});

test('whole recordings', { skip: !TRUTH || !existsSync(TRUTH) }, () => {
  for (const name of ['traces/jq.log.gz', 'traces/sqlite.log.gz']) {
    const done = run(['replay', '--json', '--check', TRUTH + name]);
    const summary = JSON.parse(done.stdout);
    assert.deepEqual([done.status, summary.blocks_agree], [0, summary.blocks_compared], name);
  }
  for (const name of [
    'mt-logs/gitgrep.log.gz',
    'mtrace/sqlite3.mtrace.gz',
    'rep/churn.rep',
    'random/mixed-100000-s5.ops.gz',
    'threads/random-20000-s3.ops',
  ]) {
    const summary = JSON.parse(run(['replay', '--json', TRUTH + name]).stdout);
    assert.deepEqual([summary.failed, summary.skipped, summary.outcomes.bug], [0, 0, 0], name);
  }
});
