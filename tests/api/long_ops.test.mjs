// Operations that take long and cannot be cut, of several clients at once: as many as there are workers, and more. Who asks
// for something short in another lab does not wait for them.
import test from 'node:test';
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { Daemon, PAGODAD } from './daemon.mjs';
import { Client, describe_times, pause, say_times, watch_health } from './load.mjs';

const NR = Math.max(2, availableParallelism()) + 2;
const IS_CHECKED = !PAGODAD.endsWith('/pagodad'); // it takes longer for everything
const P99_MS = IS_CHECKED ? 1000 : 250;
const [MEMORY, LENGTH] = IS_CHECKED ? ['2G', '1G'] : ['8G', '6G'];
const KMALLOC = '{"op":"kmalloc","size":100}';

// A machine with gigabytes that a process has; the operations that touch all of them.
async function large_lab(daemon) {
  const lab = await daemon.lab({ memory: MEMORY });
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const { address } = await daemon.op(lab, { op: 'mmap', pid, length: LENGTH });
  return { ...lab, pid, address, length: LENGTH };
}
const fill = ({ pid, address, length }, byte) => JSON.stringify({ op: 'write', pid, address, length, fill: byte });

const ask_for_long = {
  'large writes': (client, lab, i) => client.ask('POST', `labs/${lab.id}/ops`, fill(lab, i % 250)),
  rehearsals: (client, lab) => client.ask('POST', `labs/${lab.id}/ops?dry_run=true`, KMALLOC),
  forks: async (client, lab) => {
    const fork = await client.ask('POST', `labs/${lab.id}/fork`, '{}');
    if (fork.status === 201) await client.ask('DELETE', `labs/${JSON.parse(fork.text).id}`);
    return fork;
  },
  differences: (client, lab) => client.ask('GET', `labs/${lab.id}/diff?a=1&b=3`),
  hashes: (client, lab) => client.ask('GET', `labs/${lab.id}`),
};

test(`${NR} clients with long operations: another client's lab and /healthz answer as ever`, async (t) => {
  const daemon = await Daemon.start({ arguments: ['--budget', '16G'] });
  const labs = [];
  for (let i = 0; i < NR; i++) labs.push(await large_lab(daemon));
  for (const lab of labs) await daemon.post(`labs/${lab.id}/ops`, fill(lab, 1));
  const quick = new Client(daemon, '127.0.0.99', 1);
  const own = await daemon.lab();
  for (const [kind, ask] of Object.entries(ask_for_long)) {
    const end_health = await watch_health(daemon);
    let running = true;
    const long = [];
    const clients = labs.map(async (lab, i) => {
      const client = new Client(daemon, `127.0.0.${10 + i}`, 1);
      for (let round = 0; running; round++) {
        const reply = await ask(client, lab, round);
        assert.ok(reply.status < 300 || reply.status === 429 || reply.status === 507, `${kind}: ${reply.text}`);
        long.push(reply.ms);
      }
      client.end();
    });
    const times = [];
    for (const begun = performance.now(); performance.now() - begun < 2000; await pause(5)) {
      const reply = await quick.ask('POST', `labs/${own.id}/ops?dry_run=true`, KMALLOC); // a worker's
      assert.equal(reply.status, 200, reply.text);
      times.push(reply.ms);
      times.push((await quick.ask('POST', `labs/${own.id}/ops`, KMALLOC)).ms);
    }
    running = false;
    const health = await end_health();
    await Promise.all(clients);
    const [waits, longs] = [describe_times(times), describe_times(long)];
    t.diagnostic(`${kind}: ${say_times(longs)}; others: ${say_times(waits)}; /healthz: ${say_times(health)}`);
    assert.ok(waits.p99 < P99_MS, `${kind}: ${say_times(waits)}`);
    assert.ok(health.p99 < P99_MS / 2, `${kind}: /healthz ${say_times(health)}`);
  }
  quick.end();
  await daemon.end();
});
