// Speed of the whole daemon, in ratios and rates of one run: start, memory, replay of a recorded trace; durable operations
// and imports against their rivals, who take turns with them; a lab's history. Usage: node tests/bench/bench.mjs BUILD [TRUTH]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const [build, truth = ''] = process.argv.slice(2);
// pagodad-memory is the same daemon with a store that remembers nothing.
const [pagodad, memory, benchHttp, benchImport, benchSqlite] = [
  'pagodad',
  'pagodad-memory',
  'bench_http',
  'bench_import',
  'bench_sqlite',
].map((name) => join(build, name));
const ROUNDS = 3;
const row = (name, text) => console.log(`${name.padEnd(28)} ${text}`);

// The text as the kernel prints it, and as it is kept.
function benchReplay(folder) {
  const recorded = join(truth, 'kernel-6.1/d-ftrace-workload1/trace.txt.gz');
  const kept = existsSync(recorded) ? recorded : 'data/excerpt.ftrace.gz',
    text = join(folder, 'trace.txt');
  writeFileSync(text, gunzipSync(readFileSync(kept)));
  const rate = (file) =>
    Math.max(
      ...[1, 2, 3, 4, 5].map(() => {
        const run = spawnSync(pagodad, ['replay', file], { encoding: 'utf8' });
        return Number(/([0-9]+) events\/s/.exec(run.stdout)?.[1] ?? 0);
      }),
    ) / 1e6;
  row(
    'ftrace replay, text',
    `${rate(text).toFixed(2)} M events/s (${kept === recorded ? 'recording' : 'excerpt'}; goal >= 2)`,
  );
  row('the same, unpacked from gzip', `${rate(kept).toFixed(2)} M events/s`);
}

const rss = (pid) => Number(/VmRSS:\s+([0-9]+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

async function startDaemon(binary, store, port) {
  const started = performance.now();
  const daemon = spawn(binary, ['serve', '--listen', `127.0.0.1:${port}`, '--store', store], { stdio: 'ignore' });
  for (;;) {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
      if (answer.ok) return { daemon, ready_ms: performance.now() - started };
    } catch {
      /* not listening yet */
    }
    await new Promise((resume) => setTimeout(resume, 1));
  }
}

async function benchDaemon() {
  const folder = mkdtempSync(join(tmpdir(), 'pagoda-bench-'));
  const port = 20000 + Math.floor(Math.random() * 20000);
  const { daemon, ready_ms } = await startDaemon(pagodad, join(folder, 'pagoda.db'), port);
  try {
    row('ready to serve after', `${ready_ms.toFixed(1)} ms`);
    const idle = rss(daemon.pid);
    row('idle RSS', `${idle.toFixed(1)} MiB`);
    await fetch(`http://127.0.0.1:${port}/api/v1/labs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'bench', profile: 'linux-6.1', memory: '256M' }),
    });
    row('a 256 MiB lab adds', `${(rss(daemon.pid) - idle).toFixed(1)} MiB`);
  } finally {
    daemon.kill('SIGTERM');
    await new Promise((resume) => daemon.on('exit', resume));
    rmSync(folder, { recursive: true });
  }
}

const sql = (store, text) => spawnSync('sqlite3', [store, text], { encoding: 'utf8' }).stdout.trim();

// The figures that a program prints as name=number.
function figures(program, ...args) {
  const run = spawnSync(program, args, { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`${program}: ${run.stderr}`);
  return Object.fromEntries(
    [...run.stdout.matchAll(/(\w+)=([\d.]+)/g)].map(([, name, number]) => [name, Number(number)]),
  );
}

async function withDaemon(binary, folder, port, use) {
  const store = join(folder, `${Math.random()}.db`);
  const { daemon } = await startDaemon(binary, store, port);
  try {
    return await use(`http://127.0.0.1:${port}/api/v1`, store, daemon);
  } finally {
    daemon.kill('SIGTERM');
    await new Promise((resume) => daemon.on('exit', resume));
  }
}

const newLab = async (base, fields = {}) =>
  (
    await fetch(`${base}/labs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'bench', profile: 'linux-6.1', memory: '512M', ...fields }),
    })
  ).json();
const importInto = async (base, lab, body) =>
  (
    await fetch(`${base}/labs/${lab.id}/import`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body })
  ).json();

// Rates of single operations: durable, from memory, and of bare commits of the same rows.
async function benchOperations(folder, port) {
  const rate = (binary, connections, then = () => {}) =>
    withDaemon(binary, folder, port, async (base, store) => {
      const { durable_ops_per_s } = figures(benchHttp, String(port), connections, '1');
      then(store);
      return durable_ops_per_s;
    });
  const best = { one: 0, many: 0, memory: 0, commits: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    best.one = Math.max(
      best.one,
      await rate(pagodad, '1', (store) => {
        best.commits = Math.max(best.commits, figures(benchSqlite, store, '1', '1000').rows_per_s);
      }),
    );
    best.many = Math.max(best.many, await rate(pagodad, '64'));
    if (existsSync(memory)) best.memory = Math.max(best.memory, await rate(memory, '64'));
  }
  row(
    'durable ops, 1 connection',
    `${best.one.toFixed(0)}/s, bare FULL commits ${best.commits.toFixed(0)}/s, time ratio ${(best.commits / best.one).toFixed(2)} (goal <= 1.3)`,
  );
  if (best.memory)
    row(
      'durable ops, 64 connections',
      `${best.many.toFixed(0)}/s, from memory ${best.memory.toFixed(0)}/s, ratio ${(best.many / best.memory).toFixed(2)} (goal >= 0.6)`,
    );
}

// NDJSON into a lab, against a bare program that inserts the same rows; then a long one beside somebody who works.
async function benchImports(folder, port) {
  const best = { ours: 0, bare: 0 };
  for (let round = 0; round < ROUNDS; round++)
    await withDaemon(pagodad, folder, port, async (base, store) => {
      best.ours = Math.max(best.ours, figures(benchImport, String(port), '500000', 'alone').ops_per_s);
      best.bare = Math.max(best.bare, figures(benchSqlite, store).rows_per_s);
    });
  row(
    'NDJSON import, durable',
    `${(best.ours / 1e3).toFixed(0)} k ops/s, bare SQLite ${(best.bare / 1e3).toFixed(0)} k rows/s, ratio ${(best.ours / best.bare).toFixed(2)} (goal >= 0.6)`,
  );
  const { others, p50_ms, p99_ms, max_ms, seconds } = await withDaemon(pagodad, folder, port, () =>
    figures(benchImport, String(port), '10000000'),
  );
  row(
    'others while one imports 10 M',
    `p50 ${p50_ms} ms, p99 ${p99_ms} ms, max ${max_ms} ms of ${others} operations in ${seconds.toFixed(0)} s (goal p99 <= 20)`,
  );
}

// Bytes an operation, opening after a restart, any moment of it.
async function benchHistory(folder, port) {
  const recorded = join(truth, 'kernel-6.1/d-ftrace-workload1/trace.txt.gz');
  const trace = readFileSync(existsSync(recorded) ? recorded : 'data/excerpt.ftrace.gz');
  const store = join(folder, 'history.db');
  const first = await startDaemon(pagodad, store, port);
  const base = `http://127.0.0.1:${port}/api/v1`;
  const lab = await newLab(base);
  const summary = await importInto(base, lab, trace);
  row('ftrace import, durable', `${(summary.operations / summary.seconds / 1e3).toFixed(0)} k ops/s`);
  first.daemon.kill('SIGTERM');
  await new Promise((resume) => first.daemon.on('exit', resume));
  const bytes = Number(
    sql(store, "SELECT sum(pgsize) FROM dbstat WHERE name IN ('op', 'call', 'text', 'sqlite_autoindex_text_1')"),
  );
  const images = Number(sql(store, 'SELECT sum(length(bytes)) FROM image'));
  row(
    'store, bytes an operation',
    `${(bytes / summary.operations).toFixed(1)} and ${(images / summary.operations).toFixed(1)} of snapshots (goal <= 40)`,
  );
  const { daemon } = await startDaemon(pagodad, store, port);
  let started = performance.now();
  const { seq } = await (await fetch(`${base}/labs/${lab.id}`)).json();
  row('opening it after a restart', `${(performance.now() - started).toFixed(1)} ms at operation ${seq} (goal <= 300)`);
  const times = [];
  for (let i = 1; i <= 100; i++) {
    started = performance.now();
    await (await fetch(`${base}/labs/${lab.id}/zones?at=${Math.floor(seq * ((i * 0.618) % 1))}`)).text();
    times.push(performance.now() - started);
  }
  row(
    'a view at any moment',
    `p50 ${times.sort((a, b) => a - b)[50].toFixed(1)} ms, p95 ${times[95].toFixed(1)} ms (goal <= 100)`,
  );
  daemon.kill('SIGTERM');
  await new Promise((resume) => daemon.on('exit', resume));
}

async function benchInFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'pagoda-bench-')),
    port = 20000 + Math.floor(Math.random() * 20000);
  try {
    benchReplay(folder);
    await benchOperations(folder, port);
    await benchImports(folder, port);
    await benchHistory(folder, port);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await benchDaemon();
await benchInFolder();
