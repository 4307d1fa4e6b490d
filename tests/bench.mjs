// Speed of the whole daemon, in ratios and rates of one run: start, memory, replay of a recorded trace, durable operations
// against empty requests. Usage: node tests/bench.mjs PAGODAD BENCH_HTTP [TRUTH]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [pagodad, benchHttp, truth = ''] = process.argv.slice(2);
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

async function startDaemon(store, port) {
  const started = performance.now();
  const daemon = spawn(pagodad, ['serve', '--listen', `127.0.0.1:${port}`, '--store', store], { stdio: 'ignore' });
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
  const { daemon, ready_ms } = await startDaemon(join(folder, 'pagoda.db'), port);
  try {
    row('ready to serve after', `${ready_ms.toFixed(1)} ms`);
    const idle = rss(daemon.pid);
    row('idle RSS', `${idle.toFixed(1)} MiB`);
    await fetch(`http://127.0.0.1:${port}/api/v1/labs`, { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'bench', profile: 'linux-6.1', memory: '256M' }) });
    row('a 256 MiB lab adds', `${(rss(daemon.pid) - idle).toFixed(1)} MiB`);
    for (const connections of ['1', '32'])
      process.stdout.write(spawnSync(benchHttp, [String(port), connections, '3'], { encoding: 'utf8' }).stdout);
  } finally {
    daemon.kill('SIGTERM');
    await new Promise((resume) => daemon.on('exit', resume));
    rmSync(folder, { recursive: true });
  }
}

benchReplay();
await benchDaemon();
