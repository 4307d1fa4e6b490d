// tests/bench/bench_history.mjs PAGODAD [OPERATIONS] - time travel in a long lab: how large the store is, how long it takes to open after a
// restart, and to see any moment. One line each, to compare.
process.env.PAGODAD = process.argv[2] ?? 'build/pagodad';
const { Daemon } = await import('../api/daemon.mjs');
import { readFileSync, statSync } from 'node:fs';
import http from 'node:http';

const nr_ops = Number(process.argv[3] ?? 10_000_000),
  LIVE = 4096;
let seed = 20261122;
const below = (bound) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor((seed / 4294967296) * bound);
};
const ms = (from) => performance.now() - from;
const cpu_ms = (daemon) => {
  const stat = readFileSync(`/proc/${daemon.process.pid}/stat`, 'utf8').split(' ');
  return (Number(stat[13]) + Number(stat[14])) * 10;
};

// A workload such as a kernel's: a few thousand live objects of mixed sizes, each freed after a while. Handles are used again.
const SITES = ['alloc_inode', 'd_alloc', 'sk_prot_alloc', '__alloc_skb', 'seq_open', 'load_elf_binary', 'getname'];
function* script() {
  const orders = Array(LIVE).fill(undefined); // of what the slot holds; null: an object
  for (let i = 0; i < nr_ops; i++) {
    const slot = below(LIVE),
      held = orders[slot],
      name = `s${slot}`;
    if (held !== undefined) {
      orders[slot] = undefined;
      yield held === null
        ? `{"op":"kfree","name":"${name}"}\n`
        : `{"op":"free_pages","order":${held},"name":"${name}"}\n`;
      continue;
    }
    const order = below(8) ? null : below(3);
    orders[slot] = order;
    yield order !== null
      ? `{"op":"alloc_pages","order":${order},"name":"${name}"}\n`
      : `{"op":"kmalloc","size":${8 << below(8)},"call_site":"${SITES[below(7)]}","name":"${name}"}\n`;
  }
}

async function fill(daemon, lab) {
  const from = performance.now();
  const answer = await new Promise((resolve, reject) => {
    const request = http.request(
      `${daemon.base}/labs/${lab.id}/import?format=ndjson`,
      { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } },
      (reply) => {
        let text = '';
        reply.on('data', (part) => {
          text += part;
        });
        reply.on('end', () => resolve(JSON.parse(text)));
      },
    );
    request.on('error', reject);
    const lines = script();
    const more = () => {
      for (;;) {
        let block = '';
        for (let line; block.length < 65536 && !(line = lines.next()).done;) block += line.value;
        if (!block) return request.end();
        if (!request.write(block)) return request.once('drain', more);
      }
    };
    more();
  });
  if (answer.seq !== nr_ops) throw new Error(JSON.stringify(answer));
  console.log(`history: ops=${nr_ops} import_per_s=${Math.round((nr_ops / ms(from)) * 1000)}`);
}

async function open(daemon, lab) {
  const times = [];
  for (let i = 0; i < 5; i++) {
    await daemon.signal('SIGKILL');
    await daemon.resume();
    const from = performance.now();
    await daemon.get(`labs/${lab.id}`);
    times.push(ms(from));
  }
  console.log(
    `history: open_ms best=${Math.min(...times).toFixed(0)} worst=${Math.max(...times).toFixed(0)} daemon_start_ms=${daemon.started_ms.toFixed(0)}`,
  );
}

async function seek(daemon, lab, view) {
  const times = [],
    cpu = cpu_ms(daemon);
  for (let i = 0; i < 200; i++) {
    const at = below(nr_ops),
      from = performance.now();
    const { status, text } = await daemon.get(`labs/${lab.id}/${view}?at=${at}`);
    times.push(ms(from));
    if (status !== 200) throw new Error(text);
  }
  times.sort((a, b) => a - b);
  console.log(
    `history: seek view=${view} cpu_ms=${((cpu_ms(daemon) - cpu) / 200).toFixed(0)} p50_ms=${times[100].toFixed(0)} p95_ms=${times[190].toFixed(0)} worst_ms=${times[199].toFixed(0)}`,
  );
}

const daemon = await Daemon.start();
const lab = await daemon.lab({ memory: '256M' });
await fill(daemon, lab);
await new Promise((resolve) => setTimeout(resolve, 3000)); // the last snapshots
await daemon.signal('SIGTERM');
console.log(`history: bytes_per_op=${(statSync(daemon.store).size / nr_ops).toFixed(1)}`);
if (process.env.KEEP) console.log(daemon.store);
await daemon.resume();
await open(daemon, lab);
for (const view of ['zones', 'frames', 'caches', 'stats']) await seek(daemon, lab, view);
if (process.env.KEEP) await daemon.signal('SIGTERM');
else await daemon.end();
