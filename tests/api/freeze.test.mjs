// What one client asks for does not make others wait: operations that take long, imports that are all or nothing, watchers and
// readers who do not read, and many connections at once. The plain daemon is asked, because times are what is looked at.
// Bounds are generous, for a busy machine; the figures are said.
import test from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { Daemon } from './daemon.mjs';
import { Client, describe_times, pause, say_times, watch_health } from './load.mjs';

const PROGRAM = process.env.FREEZE_PAGODAD ?? 'build/pagodad';
const STALL_MS = 2000;
const NDJSON = { 'content-type': 'application/x-ndjson' };
const start = (options = {}) => Daemon.start({ program: PROGRAM, ...options });
const metric = async (daemon, name) =>
  Number(new RegExp(`^${name} (\\d+)`, 'm').exec((await daemon.get('/metrics')).text)?.[1]);

function expect_no_stall(t, what, times) {
  t.diagnostic(`${what}: ${say_times(times)}`);
  assert.ok(times.nr > 5 && times.max < STALL_MS, `${what}: ${say_times(times)}`);
}

const allocations = (nr) =>
  Array.from({ length: nr }, (_, i) =>
    i % 2 ? `{"op":"kfree","name":"a${i - 1}"}` : `{"op":"kmalloc","size":100,"name":"a${i}"}`,
  ).join('\n');

// A lab whose operations carry much: each reads 64 KiB.
async function lab_of_reads(daemon, nr) {
  const lab = await daemon.lab({ memory: '64M' });
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const { address } = await daemon.op(lab, { op: 'mmap', pid, length: 65536 });
  await daemon.op(lab, { op: 'write', pid, address, length: 65536, fill: 65 });
  const read = JSON.stringify({ op: 'read', pid, address, length: 65536 });
  const read_many = () =>
    daemon.post(`labs/${lab.id}/ops?results=summary`, Array(nr).fill(read).join('\n'), { headers: NDJSON });
  return { lab, read_many };
}

// A peer that asks and never reads what comes.
function ask_and_never_read(daemon, path) {
  const socket = net.connect(daemon.port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  socket.pause();
  socket.on('error', () => undefined);
  return socket;
}

test('14 KB of large writes and four views of that lab', { timeout: 120_000 }, async (t) => {
  const daemon = await start();
  t.after(() => daemon.end());
  const lab = await daemon.lab({ memory: '256M' });
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const { address } = await daemon.op(lab, { op: 'mmap', pid, length: 64 << 20 });
  const write = JSON.stringify({ op: 'write', pid, address, length: 48 << 20, fill: 65 });
  const body = Array(Math.floor(14_000 / write.length))
    .fill(write)
    .join('\n');
  const end = await watch_health(daemon);
  const begun = performance.now();
  const lines = daemon.post(`labs/${lab.id}/ops?results=summary`, body, { headers: NDJSON });
  await pause(50);
  const views = ['zones', 'frames?lod=8', 'stats', 'processes'].map((view) => daemon.get(`labs/${lab.id}/${view}`));
  for (const view of await Promise.all(views)) assert.equal(view.status, 200);
  t.diagnostic(`four views: ${(performance.now() - begun).toFixed(0)} ms`);
  assert.equal((await lines).status, 200);
  t.diagnostic(`all lines: ${(performance.now() - begun).toFixed(0)} ms`);
  expect_no_stall(t, 'healthz', await end());
});

test('an atomic import of 600,000 operations and a view of that lab', { timeout: 300_000 }, async (t) => {
  const daemon = await start();
  t.after(() => daemon.end());
  const lab = await daemon.lab({ memory: '256M' });
  const path = `labs/${lab.id}`;
  await daemon.op(lab, { op: 'kmalloc', size: 100 });
  const body = allocations(Number(process.env.FREEZE_OPS ?? 600_000));
  const end = await watch_health(daemon);
  let running = true;
  const begun = performance.now();
  const import_path = `${path}/import?format=ndjson&atomic=true`;
  const sent = daemon.post(import_path, body, { headers: NDJSON }).finally(() => (running = false));
  const views = [];
  let written;
  for (; running; await pause(20)) {
    const asked = performance.now();
    const view = await daemon.get(`${path}/zones`);
    views.push(performance.now() - asked);
    assert.equal(view.status, 200);
    if (running) assert.equal(view.body.seq, written ? view.body.seq : 1); // as it was, until the end
    const { operations } = (await daemon.get(`${path}/import`)).body;
    if (operations > 1000 && !written) written = daemon.op(lab, { op: 'kmalloc', size: 7 }); // waits for the end
  }
  const reply = await sent;
  t.diagnostic(`import: ${(performance.now() - begun).toFixed(0)} ms`);
  assert.equal(reply.status, 200, reply.text);
  assert.ok(written, 'nothing was written meanwhile');
  assert.equal((await written).seq, reply.body.seq + 1);
  expect_no_stall(t, 'views', describe_times(views));
  expect_no_stall(t, 'healthz', await end());
});

test('watchers and readers who never read: a bound in bytes, and nobody waits', { timeout: 120_000 }, async (t) => {
  const daemon = await start();
  t.after(() => daemon.end());
  const { lab, read_many } = await lab_of_reads(daemon, 300);
  await read_many();
  const before = await metric(daemon, 'process_resident_memory_bytes');
  const end = await watch_health(daemon);
  const events = `/api/v1/labs/${lab.id}/events`;
  const sockets = Array.from({ length: 40 }, () => ask_and_never_read(daemon, events));
  const exports = ['perfetto', 'ftrace', 'ndjson', 'csv'];
  for (const format of [...exports, ...exports])
    sockets.push(ask_and_never_read(daemon, `/api/v1/labs/${lab.id}/export?format=${format}`));
  await pause(200);
  await read_many();
  const seen = await daemon.events(lab, 3, ({ id }) => id === 603); // who reads gets all of it
  assert.equal(seen.length, 600);
  await pause(1000);
  const grown = (await metric(daemon, 'process_resident_memory_bytes')) - before;
  t.diagnostic(`${sockets.length} who do not read: ${(grown / sockets.length / 1024).toFixed(0)} KiB each`);
  expect_no_stall(t, 'healthz', await end());
  for (const socket of sockets) socket.destroy();
  assert.ok(grown / sockets.length < 2 << 20, `${grown} bytes`);
});

test('a lab that is watched sleeps, and its watchers hear what happens next', async (t) => {
  const daemon = await start({ arguments: ['--idle', '1'] });
  t.after(() => daemon.end());
  const lab = await daemon.lab();
  await daemon.op(lab, { op: 'alloc_pages', order: 0 });
  const heard = daemon.events(lab, undefined, ({ id }) => id === 2);
  for (let tries = 0; tries < 100 && (await metric(daemon, 'pagoda_labs_awake')) > 0; tries++) await pause(100);
  assert.equal(await metric(daemon, 'pagoda_labs_awake'), 0);
  await daemon.op(lab, { op: 'alloc_pages', order: 1 });
  assert.equal((await heard).at(-1).data.seq, 2);
});

test('32 connections of one client, and a client with small operations', { timeout: 120_000 }, async (t) => {
  const daemon = await start();
  t.after(() => daemon.end());
  const lab = await daemon.lab(),
    other = await daemon.lab();
  await daemon.post(`labs/${lab.id}/ops?results=summary`, allocations(60_000), { headers: NDJSON });
  const greedy = new Client(daemon, '127.0.0.2', 32),
    modest = new Client(daemon, '127.0.0.3', 1);
  const head = 60_000;
  let running = true,
    nr_greedy = 0;
  const asks = [
    (at) => greedy.ask('GET', `labs/${lab.id}/zones?at=${at}`),
    (at) => greedy.ask('GET', `labs/${lab.id}/diff?a=${at}&b=${head - at}`),
    () => greedy.ask('GET', 'compare/curves?points=129'),
    (at) => greedy.ask('POST', `labs/${lab.id}/fork`, JSON.stringify({ at })),
  ];
  const connections = Array.from({ length: 32 }, async (_, i) => {
    for (let k = 0; running; k++) {
      const reply = await asks[i % 4]((i * 7919 + k * 104_729) % head);
      assert.ok(reply.status === 200 || reply.status === 201, reply.text);
      nr_greedy++;
    }
  });
  const end = await watch_health(daemon);
  const times = [],
    views = [];
  for (const begun = performance.now(); performance.now() - begun < 4000; await pause(5)) {
    const op = await modest.ask('POST', `labs/${other.id}/ops`, '{"op":"alloc_pages","order":0}');
    assert.equal(op.status, 201, op.text);
    times.push(op.ms);
    const view = await modest.ask('GET', `labs/${other.id}/zones?at=${times.length >> 1}`);
    assert.equal(view.status, 200, view.text);
    views.push(view.ms);
  }
  running = false;
  await Promise.all(connections);
  t.diagnostic(`the one with 32 connections was answered ${nr_greedy} times`);
  expect_no_stall(t, 'operations of the other', describe_times(times));
  expect_no_stall(t, 'views of the past of the other', describe_times(views));
  expect_no_stall(t, 'healthz', await end());
  greedy.end();
  modest.end();
});

test('who has too much waiting is told so, and others are not', { timeout: 60_000 }, async (t) => {
  const daemon = await start();
  t.after(() => daemon.end());
  const lab = await daemon.lab();
  await daemon.post(`labs/${lab.id}/ops?results=summary`, allocations(20_000), { headers: NDJSON });
  const greedy = new Client(daemon, '127.0.0.2', 500),
    modest = new Client(daemon, '127.0.0.3', 1);
  const asked = Array.from({ length: 500 }, (_, i) =>
    greedy.ask('GET', `labs/${lab.id}/diff?a=${i * 37}&b=${20_000 - i}`),
  );
  await pause(100);
  const view = await modest.ask('GET', `labs/${lab.id}/zones?at=500`);
  assert.equal(view.status, 200, view.text);
  const statuses = { 200: 0, 429: 0 };
  for (const reply of await Promise.all(asked)) {
    statuses[reply.status]++;
    if (reply.status === 429) assert.equal(reply.headers['retry-after'], '1');
  }
  t.diagnostic(JSON.stringify(statuses));
  assert.equal(statuses[200] + statuses[429], 500);
  assert.ok(statuses[429] > 0 && statuses[200] >= 256);
  greedy.end();
  modest.end();
});
