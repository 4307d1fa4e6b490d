// Imports that are too long, packed bombs, trickles, and peers that go away.
import test from 'node:test';
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { setTimeout as wait } from 'node:timers/promises';
import { Daemon, PAGODAD } from './daemon.mjs';

const LINE = '{"op":"alloc_pages","order":0}\n';
const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };
const head = (lab, query, headers) =>
  `POST /api/v1/labs/${lab.id}/import${query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n${headers}\r\n`;
// Packed, they fit into what the daemon and the host hold of a body that is not read yet.
const bomb = (line) => Buffer.concat(Array(8).fill(gzipSync(Buffer.alloc(20 << 20, line))));

test('bodies over the limits get 413, which says what the limit is', async () => {
  const daemon = await Daemon.start({ arguments: ['--upload', '1M', '--unpacked', '2M'] });
  const lab = await daemon.lab();
  const known = daemon.connect(head(lab, '', `Content-Length: ${(1 << 20) + 1}\r\n`));
  assert.match(await known.ended, /^HTTP\/1\.1 413 [^]*at most 1048576 bytes/);
  const part = `10000\r\n${LINE.repeat(3000).slice(0, 65536)}\r\n`;
  const chunked = daemon.connect(head(lab, '?atomic=true', 'Transfer-Encoding: chunked\r\n') + part.repeat(20));
  assert.match(await chunked.ended, /^HTTP\/1\.1 413 [^]*at most 1048576 bytes/);
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, 0);
  const packed = gzipSync(Buffer.alloc(3 << 20, LINE));
  for (const atomic of [true, false]) {
    const reply = await daemon.post(`labs/${lab.id}/import?atomic=${atomic}`, packed, NDJSON);
    assert.equal(reply.status, 413, reply.text);
    const { seq } = (await daemon.get(`labs/${lab.id}`)).body;
    assert.match(reply.body.detail, new RegExp(`at most 2097152 bytes here; ${seq} operations`));
    assert.equal(seq > 0, !atomic);
  }
  await daemon.end();
});

test('an import ends at once when its peer goes', async () => {
  const daemon = await Daemon.start();
  const runs = async (lab) => (await daemon.get(`labs/${lab.id}/import`)).body.running;
  for (const [query, body] of [
    ['?format=ndjson', bomb('{"op":"x"}\n')],
    ['?format=ftrace', bomb('x')],
    ['?atomic=true', bomb(LINE)],
    ['', bomb(LINE)],
  ]) {
    const lab = await daemon.lab();
    const socket = daemon.connect(head(lab, query, `Content-Length: ${body.length}\r\n`));
    socket.write(body);
    while (!(await runs(lab))) await wait(2);
    await wait(200);
    assert.ok(await runs(lab));
    socket.destroy();
    const begun = performance.now();
    while (await runs(lab)) await wait(2);
    const ms = performance.now() - begun;
    // What is promised is 100 ms; on a host with eight times more to do than it has CPUs, 118 ms were measured.
    assert.ok(ms < (PAGODAD.endsWith('/pagodad') ? 500 : 2000), `${query}: ${ms} ms`);
  }
  await daemon.end();
});

test('an import under a key goes on without its peer once its body is there', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  const body = LINE.repeat(5000);
  const socket = daemon.connect(head(lab, '', `Content-Length: ${body.length}\r\nIdempotency-Key: k\r\n`) + body);
  await socket.ready;
  await wait(50);
  socket.destroy();
  let again;
  do
    again = await daemon.post(`labs/${lab.id}/import`, body, {
      headers: { ...NDJSON.headers, 'idempotency-key': 'k' },
    });
  while (again.status === 409 || again.status === 425);
  assert.equal(again.status, 200, again.text);
  assert.equal(again.body.applied, 5000);
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, 5000);
  await daemon.end();
});

test('trickled uploads make room for others', async () => {
  const daemon = await Daemon.start({ arguments: ['--patience', '100'] });
  const lab = await daemon.lab();
  const trickles = Array.from({ length: 36 }, () => daemon.connect(head(lab, '', 'Content-Length: 1000000\r\n')));
  const drip = setInterval(() => trickles.forEach((socket) => socket.writable && socket.write('\n')), 100);
  await wait(3000);
  for (let i = 0; i < 8; i++) {
    const reply = await daemon.post(`labs/${lab.id}/import`, LINE, NDJSON);
    assert.equal(reply.status, 200, reply.text);
  }
  clearInterval(drip);
  assert.ok(trickles.some((socket) => /^HTTP\/1\.1 408 [^]*others waited/.test(socket.answer)));
  trickles.forEach((socket) => socket.destroy());
  await daemon.end();
});

test('what waits on the disk for an atomic import is bounded', async () => {
  const daemon = await Daemon.start({ arguments: ['--upload', '256K'] });
  const lab = await daemon.lab();
  const body = LINE.repeat(8000);
  const waiting = Array.from({ length: 6 }, () =>
    daemon.connect(head(lab, '?atomic=true', `Content-Length: ${256 << 10}\r\n`) + body),
  );
  const ended = () => waiting.filter((socket) => /^HTTP\/1\.1 507 /.test(socket.answer));
  for (const socket of waiting) {
    await wait(50);
    socket.write('\n'.repeat((256 << 10) - body.length - 1)); // all but the last byte
  }
  await wait(300);
  for (const socket of waiting) socket.write('\n');
  await Promise.all(waiting.map((socket) => socket.ended));
  assert.ok(ended().length >= 1 && ended().length <= 4, `${ended().length} of 6 found no room`);
  const after = await daemon.post(`labs/${lab.id}/import?atomic=true`, body, NDJSON);
  assert.equal(after.status, 200, after.text);
  await daemon.end();
});
