// Many connections, slow ones, and more than there is room for: newcomers get an answer.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Daemon } from './daemon.mjs';

const GET = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';
const limited = (nr, more = []) => Daemon.start({ wrapper: ['prlimit', `--nofile=${nr}:${nr}`], arguments: more });
const until = async (condition, what, ms = 10_000) => {
  for (const begun = performance.now(); !condition(); await wait(5))
    assert.ok(performance.now() - begun < ms, `${what}: not within ${ms} ms`);
};
const nr_open = (daemon) => readdirSync(`/proc/${daemon.process.pid}/fd`).length;
const answered = (socket, ms) => until(() => socket.answer.includes('\r\n\r\n'), 'an answer', ms);

test('2,500 idle connections at a limit of 2,000 descriptors: a newcomer is answered', async () => {
  const daemon = await limited(2000);
  const sockets = [];
  for (let i = 0; i < 2500; i++) {
    const socket = daemon.connect(GET);
    sockets.push(socket);
    if (i % 50 === 49) await socket.ready;
  }
  await answered(sockets.at(-1));
  for (let i = 0; i < 5; i++) {
    const begun = performance.now();
    assert.equal((await daemon.get('/healthz', { headers: { connection: 'close' } })).status, 200);
    assert.ok(performance.now() - begun < 500);
  }
  const nr_left = sockets.filter((socket) => !socket.closed).length;
  assert.ok(nr_left > 1700 && nr_left <= 1744, `${nr_left} are left`);
  assert.ok(sockets[0].closed && !sockets.at(-1).closed, 'the idlest made room');
  assert.equal((await daemon.post('labs', { profile: 'classic' })).status, 201); // its files have their descriptors
  sockets.forEach((socket) => socket.destroy());
  await daemon.end();
});

test('2,500 connections that never say a thing', async () => {
  const daemon = await limited(2000);
  const sockets = [];
  for (let i = 0; i < 2500; i++) {
    sockets.push(daemon.connect());
    if (i % 50 === 49) await sockets.at(-1).ready;
  }
  // Who has been silent for a second makes room. Until then a newcomer is told to come back.
  const begun = performance.now();
  for (let reply; reply?.status !== 200; await wait(50)) {
    reply = await daemon.get('/healthz', { headers: { connection: 'close' } });
    if (reply.status !== 200)
      assert.deepEqual([reply.status, reply.headers.get('retry-after')], [503, '1'], reply.text);
    assert.ok(performance.now() - begun < 10_000, `${performance.now() - begun} ms`);
  }
  sockets.forEach((socket) => socket.destroy());
  await daemon.end();
});

test('a head that comes byte by byte is ended with 408', async () => {
  const daemon = await Daemon.start({ arguments: ['--patience', '1'] });
  for (const start of ['', GET]) {
    const socket = daemon.connect(start);
    if (start) await answered(socket);
    socket.answer = '';
    socket.write('GET /healthz HTTP/1.1\r\n');
    const begun = performance.now();
    const trickle = setInterval(() => socket.writable && socket.write('X'), 100);
    const answer = await socket.ended;
    clearInterval(trickle);
    assert.match(answer, /^HTTP\/1\.1 408 [^]*too slowly/);
    assert.ok(performance.now() - begun < 3000, `${performance.now() - begun} ms`);
  }
  await daemon.end();
});

test('a body that trickles is ended with 408; one that is merely slow is heard', async () => {
  const daemon = await Daemon.start({ arguments: ['--patience', '1'] });
  const lab = await daemon.lab();
  const head = (path, length, type) =>
    `POST /api/v1/labs/${lab.id}/${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;
  for (const path of ['ops', 'import']) {
    const socket = daemon.connect(head(path, 60_000, 'application/json'));
    const trickle = setInterval(() => socket.writable && socket.write(' '), 100);
    const begun = performance.now();
    assert.match(await socket.ended, /^HTTP\/1\.1 408 [^]*too slowly/, path);
    clearInterval(trickle);
    assert.ok(performance.now() - begun < 3000, `${performance.now() - begun} ms`);
  }
  const line = '{"op":"alloc_pages","order":0}\n'.repeat(40);
  const slow = daemon.connect(head('import', line.length * 12, 'application/x-ndjson'));
  for (let i = 0; i < 12; i++, await wait(200)) slow.write(line);
  assert.match(await slow.ended, /^HTTP\/1\.1 200 /);
  await daemon.end();
});

test('a stream ends soon after its reader has left, and with its lab', async () => {
  const daemon = await limited(100);
  const [left, deleted] = [await daemon.lab(), await daemon.lab()];
  const watch = async (lab) => {
    const socket = daemon.connect(`GET /api/v1/labs/${lab.id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await answered(socket);
    return socket;
  };
  const nr_before = nr_open(daemon);
  const streams = await Promise.all(Array.from({ length: 20 }, () => watch(left)));
  assert.equal(nr_open(daemon), nr_before + 20);
  streams.forEach((socket) => socket.destroy());
  const of_deleted = await watch(deleted);
  await daemon.ask('DELETE', `labs/${deleted.id}`);
  await until(() => of_deleted.answer.endsWith('\r\n0\r\n\r\n'), 'the end of a stream', 5000);
  await until(() => nr_open(daemon) <= nr_before + 1, 'the end of 20 streams', 5000);
});

test('event streams leave room for others; beyond it everybody is told to come back', async () => {
  const daemon = await limited(100); // 50 connections, of which 36 may be streams
  const lab = await daemon.lab();
  const streams = Array.from({ length: 40 }, () =>
    daemon.connect(`GET /api/v1/labs/${lab.id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  );
  await Promise.all(streams.map((socket) => answered(socket)));
  const refused = streams.filter((socket) => socket.answer.startsWith('HTTP/1.1 503 '));
  assert.equal(refused.length, 4);
  assert.match(refused[0].answer, /\r\nRetry-After: 1\r\n[^]*too many event streams/);
  assert.equal((await daemon.get('/healthz')).status, 200);
  const posts = Array.from({ length: 14 }, () =>
    daemon.connect(
      `POST /api/v1/labs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    ),
  );
  await Promise.all(posts.map((socket) => socket.ready));
  await wait(100);
  const surplus = await daemon.exchange(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  assert.match(surplus, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n[^]*too many connections/);
  const ended = streams.find((socket) => socket.answer.startsWith('HTTP/1.1 200 '));
  ended.destroy();
  await daemon.op(lab, { op: 'alloc_pages', order: 0 }).catch(() => undefined);
  [...streams, ...posts].forEach((socket) => socket.destroy());
  await until(() => true);
  await wait(300);
  assert.equal((await daemon.get('/healthz')).status, 200);
  await daemon.end();
});
