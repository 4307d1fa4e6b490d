// Speed of the whole daemon, in ratios and rates of one run: start, memory, replay of a recorded trace, durable operations
// against empty requests. Usage: node tests/bench.mjs PAGODAD BENCH_HTTP [TRUTH]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [pagodad, benchHttp, truth = ''] = process.argv.slice(2);
const memory = `${pagodad}-memory`; // the same daemon with a store that remembers nothing
const row = (name, text) => console.log(`${name.padEnd(28)} ${text}`);

function benchReplay() {
  const recorded = join(truth, 'kernel-6.1/d-ftrace-workload1/trace.txt.gz');
  const file = existsSync(recorded) ? recorded : 'data/excerpt.ftrace.gz';
  const rates = [1, 2, 3].map(() => {
    const run = spawnSync(pagodad, ['replay', file], { encoding: 'utf8' });
    return Number(/([0-9]+) events\/s/.exec(run.stdout)?.[1] ?? 0);
  });
  row('ftrace replay, text and all', `${(Math.max(...rates) / 1e6).toFixed(2)} M events/s (${file === recorded ? 'recording' : 'excerpt'})`);
}

const rss = (pid) => Number(/VmRSS:\s+([0-9]+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

async function startDaemon(binary, store, port) {
  const started = performance.now();
  const daemon = spawn(binary, ['serve', '--listen', `127.0.0.1:${port}`, '--store', store], { stdio: 'ignore' });
  for (;;) {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
      if (answer.ok) return { daemon, ready_ms: performance.now() - started };
    } catch { /* not listening yet */ }
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
    await fetch(`http://127.0.0.1:${port}/api/v1/labs`, { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'bench', profile: 'linux-6.1', memory: '256M' }) });
    row('a 256 MiB lab adds', `${(rss(daemon.pid) - idle).toFixed(1)} MiB`);
  } finally {
    daemon.kill('SIGTERM');
    await new Promise((resume) => daemon.on('exit', resume));
    rmSync(folder, { recursive: true });
  }
}

const sql = (store, text) => spawnSync('sqlite3', [store, text], { encoding: 'utf8' }).stdout.trim();

// One row, one commit, synchronous=FULL, in WAL mode, on the same disk: nobody can acknowledge faster.
function benchCommits(folder) {
  const store = join(folder, 'bare.db'), count = 300;
  const script = ['PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE op(id INTEGER PRIMARY KEY, a, b, c);'];
  for (let i = 0; i < count; i++) script.push(`INSERT INTO op VALUES(${i}, 1, 2, 3);`);
  const started = performance.now();
  spawnSync('sqlite3', [store], { input: script.join('\n') });
  return count / (performance.now() - started) * 1e3;
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

const newLab = async (base, fields = {}) => (await fetch(`${base}/labs`, { method: 'POST', headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ name: 'bench', profile: 'linux-6.1', memory: '512M', ...fields }) })).json();
const importInto = async (base, lab, body) => (await fetch(`${base}/labs/${lab.id}/import`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body })).json();

// Rates of single operations: durable, from memory, and of bare commits, taking turns.
async function benchOperations(folder, port) {
  const rate = (binary, connections) => withDaemon(binary, folder, port, () =>
    Number(/durable_ops_per_s=(\d+)/.exec(spawnSync(benchHttp, [String(port), connections, '1'], { encoding: 'utf8' }).stdout)?.[1] ?? 0));
  const best = { one: 0, many: 0, memory: 0, commits: 0 };
  for (let round = 0; round < 3; round++) {
    best.commits = Math.max(best.commits, benchCommits(folder));
    rmSync(join(folder, 'bare.db'), { force: true });
    best.one = Math.max(best.one, await rate(pagodad, '1'));
    best.many = Math.max(best.many, await rate(pagodad, '64'));
    if (existsSync(memory)) best.memory = Math.max(best.memory, await rate(memory, '64'));
  }
  row('durable ops, 1 connection', `${best.one.toFixed(0)}/s, bare FULL commits ${best.commits.toFixed(0)}/s, time ratio ${(best.commits / best.one).toFixed(2)} (goal <= 1.3)`);
  if (best.memory) row('durable ops, 64 connections', `${best.many.toFixed(0)}/s, from memory ${best.memory.toFixed(0)}/s, ratio ${(best.many / best.memory).toFixed(2)} (goal >= 0.6)`);
}

// Bytes an operation, opening after a restart, any moment of it; other labs' operations meanwhile.
async function benchHistory(folder, port) {
  const recorded = join(truth, 'kernel-6.1/d-ftrace-workload1/trace.txt.gz');
  const trace = readFileSync(existsSync(recorded) ? recorded : 'data/excerpt.ftrace.gz');
  const store = join(folder, 'history.db');
  let lab, summary;
  const first = await startDaemon(pagodad, store, port);
  const base = `http://127.0.0.1:${port}/api/v1`;
  lab = await newLab(base);
  const other = await newLab(base, { memory: '64M' });
  let importing = true;
  const waits = [];
  const others = (async () => {
    while (importing) {
      const started = performance.now();
      await fetch(`${base}/labs/${other.id}/ops`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"op":"kmalloc","size":64}' });
      waits.push(performance.now() - started);
    }
  })();
  summary = await importInto(base, lab, trace);
  importing = false;
  await others;
  waits.sort((a, b) => a - b);
  row('others while one imports', `p99 ${waits[Math.floor(waits.length * 0.99)].toFixed(1)} ms of ${waits.length} operations (goal <= 20)`);
  row('import, durable', `${(summary.operations / summary.seconds / 1e3).toFixed(0)} k ops/s`);
  first.daemon.kill('SIGTERM');
  await new Promise((resume) => first.daemon.on('exit', resume));
  const bytes = Number(sql(store, "SELECT sum(pgsize) FROM dbstat WHERE name IN ('op', 'call', 'text', 'sqlite_autoindex_text_1')"));
  const images = Number(sql(store, 'SELECT sum(length(bytes)) FROM image'));
  row('store, bytes an operation', `${(bytes / summary.operations).toFixed(1)} and ${(images / summary.operations).toFixed(1)} of snapshots (goal <= 40)`);
  const { daemon } = await startDaemon(pagodad, store, port);
  let started = performance.now();
  const { seq } = await (await fetch(`${base}/labs/${lab.id}`)).json();
  row('opening it after a restart', `${(performance.now() - started).toFixed(1)} ms at operation ${seq} (goal <= 300)`);
  const times = [];
  for (let i = 1; i <= 100; i++) {
    started = performance.now();
    await (await fetch(`${base}/labs/${lab.id}/zones?at=${Math.floor(seq * (i * 0.618 % 1))}`)).text();
    times.push(performance.now() - started);
  }
  row('a view at any moment', `p50 ${times.sort((a, b) => a - b)[50].toFixed(1)} ms, p95 ${times[95].toFixed(1)} ms (goal <= 100)`);
  daemon.kill('SIGTERM');
  await new Promise((resume) => daemon.on('exit', resume));
}

async function benchStore() {
  const folder = mkdtempSync(join(tmpdir(), 'pagoda-bench-')), port = 20000 + Math.floor(Math.random() * 20000);
  try {
    await benchOperations(folder, port);
    await benchHistory(folder, port);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

benchReplay();
await benchDaemon();
await benchStore();
