// Traces: the shipped excerpt, damaged ones, several formats; through HTTP and through pagodad replay.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import http from 'node:http';
import { spawnSync } from 'node:child_process';
import { Daemon, run } from './daemon.mjs';

const ROOT = new URL('../../', import.meta.url).pathname;
const EXCERPT = `${ROOT}data/excerpt.ftrace.gz`;
const packed = readFileSync(EXCERPT);
const text = gunzipSync(packed).toString();
const lines = text.split('\n');

let daemon;
before(async () => {
  daemon = await Daemon.start();
});
after(() => daemon.end());

const import_into = async (lab, body, query = '') =>
  daemon.post(`labs/${lab.id}/import${query}`, body, { headers: { 'content-type': 'application/octet-stream' } });
const count = (name) => lines.filter((line) => line.includes(`: ${name}: `)).length;
const row = (summary, name) => summary.by_event.find((event) => event.event === name);

test('an ftrace excerpt: every event is read, applied or skipped with a reason', async () => {
  const lab = await daemon.lab();
  const done = await import_into(lab, packed);
  assert.equal(done.status, 200, done.text);
  const summary = done.body;
  assert.equal(summary.failed, 0);
  assert.equal(summary.events_read, lines.filter((line) => line && !line.startsWith('#')).length);
  for (const name of ['kmalloc', 'kfree', 'kmem_cache_alloc', 'kmem_cache_free', 'mm_page_alloc'])
    assert.equal(row(summary, name).read, count(name), name);
  for (const event of summary.by_event) {
    assert.equal(event.read, event.applied + event.skipped, event.event);
    assert.equal(
      event.skipped,
      event.reasons.reduce((sum, reason) => sum + reason.count, 0),
      event.event,
    );
  }
  assert.equal(summary.kmalloc_compared, count('kmalloc'));
  assert.equal(summary.kmalloc_agree, summary.kmalloc_compared);
  assert.equal(summary.slab_pages_agree, summary.slab_pages_compared);
  assert.equal(summary.seq, (await daemon.get(`labs/${lab.id}`)).body.seq);
  const { caches } = (await daemon.get(`labs/${lab.id}/caches`)).body;
  assert.ok(caches.some((cache) => cache.name === 'radix_tree_node' && cache.object_size === 584));

  const plain = await daemon.lab();
  assert.equal((await import_into(plain, text, '?format=ftrace')).status, 200);
  const hash = async (id) => (await daemon.get(`labs/${id}`)).body.hash;
  assert.equal(await hash(plain.id), await hash(lab.id));
});

test('a second trace finds the caches of the first', async () => {
  const lab = await daemon.lab();
  const first = (await import_into(lab, packed)).body;
  const second = (await import_into(lab, packed)).body;
  assert.equal(second.outcomes.bug, 0);
  assert.equal(row(second, 'kmem_cache_alloc').applied, row(first, 'kmem_cache_alloc').applied);
});

test('a truncated gzip and a line of garbage are named, the rest is read', async () => {
  const lab = await daemon.lab();
  const cut = await import_into(lab, packed.subarray(0, (packed.length / 2) | 0));
  assert.equal(cut.status, 200, cut.text);
  assert.match(cut.body.problem, /^truncated gzip input after line \d+$/);
  assert.ok(cut.body.applied > 20);

  const other = await daemon.lab();
  const broken = [
    ...lines.slice(0, 40),
    'this is no trace',
    '\u0000\u0001',
    'x-1 [000] ..... 1.0: kmalloc: ptr=',
    ...lines.slice(40),
  ].join('\n');
  const done = await import_into(other, broken);
  assert.equal(done.status, 200);
  assert.equal(done.body.failed, 3);
  assert.equal(row(done.body, '(unreadable line)').reasons[0].first_line, 41);
  const whole = (await import_into(await daemon.lab(), text)).body;
  assert.equal(done.body.applied, whole.applied);
});

test('gzip in the middle of damage, zstd, and nothing at all', async () => {
  const lab = await daemon.lab();
  const damaged = Buffer.from(packed);
  damaged.fill(0xff, (damaged.length / 2) | 0, ((damaged.length / 2) | 0) + 20);
  const done = await import_into(lab, damaged);
  assert.match(done.body.problem ?? done.body.detail, /damaged gzip|truncated gzip/);
  const zstd = spawnSync('zstd', ['-q', '-c'], { input: text });
  if (zstd.status === 0) assert.equal((await import_into(await daemon.lab(), zstd.stdout)).body.problem, null);
  const before_it = (await daemon.get(`labs/${lab.id}`)).body;
  for (const body of ['', 'garbage', gzipSync('garbage'), Buffer.from([0x1f, 0x8b])])
    assert.equal((await import_into(lab, body)).status, 422);
  assert.equal((await import_into(lab, text, '?format=xml')).status, 422);
  assert.deepEqual((await daemon.get(`labs/${lab.id}`)).body, before_it);
});

test('perf script and trace-cmd lines are the same events', async () => {
  const perf = lines
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => line.replace(/^ *(\S+)-(\d+) +(\[\d+\]) \S+ +([\d.]+): (\w+): /, '$1 $2 $3 $4: kmem:$5: '))
    .join('\n');
  const as_perf = (await import_into(await daemon.lab(), perf)).body;
  const as_ftrace = (await import_into(await daemon.lab(), text)).body;
  assert.equal(as_perf.failed, 0);
  assert.equal(as_perf.applied, as_ftrace.applied);
});

test('an imported lab survives kill -9 with its hash', async () => {
  const lab = await daemon.lab();
  await import_into(lab, packed);
  const now = (await daemon.get(`labs/${lab.id}`)).body;
  await daemon.signal('SIGKILL');
  await daemon.resume();
  assert.deepEqual((await daemon.get(`labs/${lab.id}`)).body, now);
});

test('pagodad replay prints a summary and checks', () => {
  const done = run(['replay', '--check', EXCERPT]);
  assert.equal(done.status, 0, done.stderr);
  assert.match(done.stdout, /kmalloc sizes +\d+ of \d+ as recorded/);
  const json = JSON.parse(run(['replay', '--json', '-'], { input: packed, encoding: 'buffer' }).stdout.toString());
  assert.equal(json.kmalloc_agree, json.kmalloc_compared);
  assert.ok(json.peak_frames > 0 && json.events_per_second > 0);
  const wrong = text.replace(/bytes_req=88 bytes_alloc=96/, 'bytes_req=88 bytes_alloc=128');
  assert.equal(run(['replay', '--check', '-'], { input: wrong }).status, 1);
  assert.equal(run(['replay', '/nowhere/at/all']).status, 2);
  assert.equal(run(['replay', '--profile', 'none', EXCERPT]).status, 2);
  assert.equal(run(['replay', '--memory', 'much', EXCERPT]).status, 2);
});

test('an export replays without a server', async () => {
  const lab = await daemon.lab({ profile: 'classic', memory: '16M' });
  for (const op of [
    { op: 'kmalloc', size: 100, name: 'a' },
    { op: 'vmalloc', size: 10000 },
    { op: 'kfree', name: 'a' },
  ])
    await daemon.op(lab, op);
  const { text: log } = await daemon.get(`labs/${lab.id}/export`);
  const done = run(['replay', '--json', '--format', 'ndjson', '-'], { input: log });
  assert.deepEqual(JSON.parse(done.stdout).outcomes, { ok: 3, null: 0, bug: 0 });
});

const RECORDING = process.env.TRUTH && `${process.env.TRUTH}/kernel-6.1/d-ftrace-workload1/trace.txt.gz`;
test('the whole recording', { skip: !RECORDING || !existsSync(RECORDING) }, () => {
  const summary = JSON.parse(run(['replay', '--json', RECORDING]).stdout);
  assert.equal(summary.failed, 0);
  assert.equal(summary.kmalloc_agree, summary.kmalloc_compared);
  assert.deepEqual([summary.outcomes.null, summary.outcomes.bug], [0, 0]);
});

// A body in pieces, at one's own pace.
const slow_import = (lab, pieces, { query = '', between = () => {} } = {}) =>
  new Promise((resolve, reject) => {
    const request = http.request(
      `${daemon.base}/labs/${lab.id}/import${query}`,
      { method: 'POST', headers: { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' } },
      (reply) => {
        let answer = '';
        reply.on('data', (part) => {
          answer += part;
        });
        reply.on('end', () => resolve({ status: reply.statusCode, body: JSON.parse(answer) }));
      },
    );
    request.on('error', reject);
    (async () => {
      for (const [i, piece] of pieces.entries()) {
        await new Promise((done) => request.write(piece, done));
        await between(i, request);
      }
      request.end();
    })().catch(reject);
  });
const kmallocs = (from, count) =>
  Array.from({ length: count }, (_, i) => JSON.stringify({ op: 'kmalloc', size: 64, name: `k${from + i}` })).join(
    '\n',
  ) + '\n';
const until = async (test) => {
  for (let i = 0; i < 200; i++) {
    const got = await test();
    if (got) return got;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error('it never came');
};
const seq_of = async (lab) => (await daemon.get(`labs/${lab.id}`)).body.seq;

test('a body is applied while it still arrives; its progress can be seen and heard', async () => {
  const lab = await daemon.lab();
  let progress;
  const heard = daemon.events(lab, undefined, (event) => event.event === 'import' && event.data.running === false);
  const done = await slow_import(lab, [kmallocs(0, 2000), kmallocs(2000, 2000)], {
    between: async (i) => {
      if (i > 0) return;
      await until(async () => (await seq_of(lab)) >= 1500);
      progress = (await daemon.get(`labs/${lab.id}/import`)).body;
    },
  });
  assert.equal(done.status, 200);
  assert.equal(done.body.applied, 4000);
  assert.equal(progress.running, true);
  assert.ok(progress.operations > 0 && progress.bytes > 0, JSON.stringify(progress));
  assert.equal((await daemon.get(`labs/${lab.id}/import`)).body.running, false);
  assert.ok((await heard).some((event) => event.event === 'import' && event.data.running));
});

test('memory holds a piece of a long body, not the body', async () => {
  const lab = await daemon.lab();
  const resident = async () =>
    Number(/process_resident_memory_bytes (\d+)/.exec((await daemon.get('/metrics')).text)[1]);
  const piece = ' '
    .repeat(1 << 20)
    .replace(/ {64}/g, '# nothing is written on this line, but it has some length, too\n');
  await slow_import(lab, [kmallocs(0, 10)]);
  const before_it = await resident();
  const done = await slow_import(lab, [kmallocs(20, 10), ...Array(150).fill(piece)], { query: '?format=ftrace' });
  assert.equal(done.status, 422); // kmallocs are no ftrace
  assert.ok((await resident()) - before_it < 64 << 20);
});

test('an import is stopped on request; what came before it stays', async () => {
  const lab = await daemon.lab();
  const done = await slow_import(lab, [kmallocs(0, 1000), kmallocs(1000, 10)], {
    between: async (i) => {
      if (i > 0) return;
      await until(async () => (await seq_of(lab)) >= 900);
      assert.equal((await daemon.ask('DELETE', `labs/${lab.id}/import`)).status, 204);
    },
  });
  assert.equal(done.status, 200);
  assert.match(done.body.problem, /stopped/);
  assert.equal(done.body.applied, await seq_of(lab));
  assert.equal((await daemon.ask('DELETE', `labs/${lab.id}/import`)).status, 404);
});

test('a peer that goes away leaves what it sent, and the lab at work', async () => {
  const lab = await daemon.lab();
  await slow_import(lab, [kmallocs(0, 1000)], {
    between: async (_, request) => {
      await until(async () => (await seq_of(lab)) >= 900);
      request.destroy();
    },
  }).catch(() => {});
  await until(async () => !(await daemon.get(`labs/${lab.id}/import`)).body.running);
  const seq = await seq_of(lab);
  assert.ok(seq >= 900 && seq <= 1000);
  assert.equal((await daemon.op(lab, { op: 'kmalloc', size: 8 })).seq, seq + 1);
});

test('all or nothing', async () => {
  const lab = await daemon.lab();
  const bad = await import_into(
    lab,
    `${kmallocs(0, 1500)}{"op":"kfree","name":"nobody"}\n${kmallocs(1500, 5)}`,
    '?atomic=true',
  );
  assert.equal(bad.status, 422);
  assert.match(bad.body.detail, /line 1501/);
  assert.equal(await seq_of(lab), 0);
  const cut = await import_into(lab, gzipSync(kmallocs(0, 3000)).subarray(0, -9), '?atomic=true');
  assert.equal(cut.status, 422);
  assert.equal(await seq_of(lab), 0);
  const good = await import_into(lab, kmallocs(0, 1500), '?atomic=true');
  assert.equal(good.status, 200, good.text);
  assert.equal(await seq_of(lab), 1500);
  const trace = await daemon.lab(),
    twin = await daemon.lab();
  assert.equal((await import_into(trace, packed, '?atomic=true')).status, 200);
  await import_into(twin, packed);
  assert.equal((await daemon.get(`labs/${trace.id}`)).body.hash, (await daemon.get(`labs/${twin.id}`)).body.hash);
});
