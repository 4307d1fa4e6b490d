// Who asks for much and reads nothing: memory stays bounded, and others get their answers.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { Daemon } from './daemon.mjs';
import { pause } from './load.mjs';

const NR_LABS = 4800;
const NR_OPS = 100_000;
const NR_READERS = 40;
const MAX_MIB = 64 + 60; // UNREAD_OF_CLIENT, and what makes the answers
const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };
const rss = (daemon) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.process.pid}/status`, 'utf8'))[1]) / 1024;

// Asks, and reads no more than says whether it is answered.
const idle_reader = (daemon, path, localAddress) =>
  new Promise((resolve) => {
    const socket = net.connect({ port: daemon.port, host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined);
    socket.write(`GET /api/v1/${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    socket.once('data', (part) => {
      socket.pause();
      socket.status = Number(/^HTTP\/1.1 (\d+)/.exec(part)[1]);
      resolve(socket);
    });
  });

test(`${NR_READERS} readers that do not read a long list of labs`, async (t) => {
  const daemon = await Daemon.start({ arguments: ['--budget', '64M'] });
  const { costs } = (await daemon.get('ops')).body; // what makes a lab's entry long
  const cost_ns = Object.fromEntries(costs.map(({ name }) => [name, 999_999]));
  const wish = { profile: 'classic', memory: '4M', name: '\u0001'.repeat(100), cost_ns };
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let i = 0; i < NR_LABS / 16; i++) await daemon.lab(wish);
    }),
  );
  const whole = await daemon.get('labs', { raw: true });
  const before = rss(daemon);
  const sockets = [];
  for (let i = 0; i < NR_READERS; i++) sockets.push(await idle_reader(daemon, 'labs', '127.0.0.8'));
  const nr_refused = sockets.filter(({ status }) => status === 429).length;
  const grown = rss(daemon) - before;
  t.diagnostic(`${whole.body.length >> 20} MiB each: ${nr_refused} refused, ${grown.toFixed(0)} MiB more`);
  assert.ok(nr_refused > 0 && nr_refused < NR_READERS, `${nr_refused} refused`);
  if (daemon.program.endsWith('/pagodad')) assert.ok(grown < MAX_MIB, `${grown} MiB`); // a sanitizer keeps what is free
  const other = await idle_reader(daemon, 'labs', '127.0.0.7');
  assert.equal(other.status, 200);
  [...sockets, other].forEach((socket) => socket.destroy());
  let again;
  for (let i = 0; i < 100 && again?.status !== 200; i++, await pause(50))
    again = await idle_reader(daemon, 'labs', '127.0.0.8');
  assert.equal(again.status, 200, 'who has gone does not count');
  again.destroy();
  await daemon.end();
});

for (const format of ['ndjson', 'csv', 'ftrace', 'perfetto', 'sqlite'])
  test(`${NR_READERS} readers that do not read an export as ${format}`, async (t) => {
    const daemon = await Daemon.start();
    const lab = await daemon.lab({ memory: '256M' });
    await daemon.post(`labs/${lab.id}/import`, '{"op":"kmalloc","size":8}\n'.repeat(NR_OPS), NDJSON);
    const before = rss(daemon);
    const path = `labs/${lab.id}/export?format=${format}`;
    const sockets = await Promise.all(Array.from({ length: NR_READERS }, () => idle_reader(daemon, path, '127.0.0.8')));
    await pause(500);
    const mib = (rss(daemon) - before) / NR_READERS;
    t.diagnostic(`${mib.toFixed(2)} MiB for each that reads an export as ${format}`);
    assert.ok(!sockets.some(({ status }) => status >= 500 || status === 422));
    if (daemon.program.endsWith('/pagodad')) assert.ok(mib < 4, `${mib} MiB`);
    sockets.forEach((socket) => socket.destroy());
    await daemon.end();
  });
