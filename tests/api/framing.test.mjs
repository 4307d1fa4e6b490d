// Where a request ends, and what its head may say: raw bytes on a socket, each on a connection of its own.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

const daemon = await Daemon.start({ arguments: ['--log'] });
test.after(() => daemon.end());
const lab = await daemon.lab();
const OP = '{"op":"kmalloc","size":1}';
const post = (headers, body = OP, host = 'Host: localhost\r\n') =>
  `POST /api/v1/labs/${lab.id}/ops HTTP/1.1\r\n${host}Content-Type: application/json\r\n${headers}\r\n${body}`;
const chunked = (...parts) => `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;
const seq = async () => (await daemon.get(`labs/${lab.id}`)).body.seq;
const SMUGGLED = 'GET /api/v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n';

const DOUBTFUL = [
  ['two lengths', post(`Content-Length: ${OP.length}\r\nContent-Length: 5\r\n`)],
  ['the same length twice', post(`Content-Length: ${OP.length}\r\ncontent-length: ${OP.length}\r\n`)],
  ['a length and chunks', post(`Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, chunked(OP))],
  ['chunks and a length', post(`Transfer-Encoding: chunked\r\nContent-Length: 5\r\n`, chunked(OP))],
  ['two codings', post(`Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n`, chunked(OP))],
  ['chunked twice', post(`Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n`, chunked(OP))],
  ['a list of codings', post(`Transfer-Encoding: gzip, chunked\r\n`, chunked(OP))],
  ['another coding', post(`Transfer-Encoding: identity\r\n`, OP)],
  ['two hosts', post(`Content-Length: ${OP.length}\r\nHost: 127.0.0.1\r\n`)],
  ['two hosts on a GET', `GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n`],
  ['a length with a sign', post(`Content-Length: +${OP.length}\r\n`)],
  ['a list of lengths', post(`Content-Length: ${OP.length}, ${OP.length}\r\n`)],
];
for (const [what, request] of DOUBTFUL)
  test(`${what}: 400, and the connection ends`, async () => {
    const before = await seq();
    const answer = await daemon.exchange(request + SMUGGLED);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.doesNotMatch(answer, /smuggled/);
    for (const [, status] of answer.matchAll(/HTTP\/1\.1 (\d+)/g)) assert.equal(status, '400', answer);
    assert.equal(await seq(), before);
  });

test('a chunked body over the limit gets its 413, however it is cut', async () => {
  for (const size of [1000, 65536, 1 << 20]) {
    const socket = daemon.connect(post('Transfer-Encoding: chunked\r\n', ''));
    const part = `${size.toString(16)}\r\n${' '.repeat(size)}\r\n`;
    await socket.ready;
    for (let sent = 0; sent < 4 << 20 && socket.writable; sent += size)
      if (!socket.write(part)) await Promise.race([new Promise((done) => socket.once('drain', done)), socket.ended]);
    assert.match(await socket.ended, /^HTTP\/1\.1 413 [^]*at most \d+ bytes/, `${size}`);
  }
});

test('a body in many small pieces, and requests one behind the other, are heard', async () => {
  const before = await seq();
  const small = daemon.connect(post('Transfer-Encoding: chunked\r\nConnection: close\r\n', ''));
  for (const letter of chunked(...OP)) small.write(letter);
  assert.match(await small.ended, /^HTTP\/1\.1 201 /);
  const one = post(`Content-Length: ${OP.length}\r\n`);
  const last = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const answer = await daemon.exchange(one.repeat(20) + last);
  assert.equal(answer.match(/HTTP\/1\.1 201 /g).length, 20);
  assert.match(answer, /HTTP\/1\.1 200 OK[^]*$/);
  assert.equal(await seq(), before + 21);
});

test('Expect: 100-continue is answered with 100, or at once with the refusal', async () => {
  const socket = daemon.connect(
    post(`Content-Length: ${OP.length}\r\nExpect: 100-continue\r\nConnection: close\r\n`, ''),
  );
  while (!socket.answer) await new Promise((done) => socket.once('data', done));
  assert.match(socket.answer, /^HTTP\/1\.1 100 /);
  socket.write(OP);
  assert.match(await socket.ended, /\r\n\r\nHTTP\/1\.1 201 /);
  const refused = daemon.connect(post('Content-Length: 999999\r\nExpect: 100-continue\r\n', ''));
  assert.match(await refused.ended, /^HTTP\/1\.1 413 /);
});

test('strange targets: absolute, without end, with NUL, no UTF-8, a parameter twice', async () => {
  const get = (target, more = '') =>
    daemon.exchange(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${more}\r\n`);
  assert.match(await get('http://localhost/healthz'), /^HTTP\/1\.1 404 /);
  assert.match(await get(`/${'x'.repeat(100_000)}`), /^(HTTP\/1\.1 414 |$)/);
  assert.match(await get('/healthz', `X-Long: ${'x'.repeat(100_000)}\r\n`), /^(HTTP\/1\.1 431 |$)/);
  for (const target of ['/%00', '/api/v1/labs/%ff%fe/zones', '/api/v1/labs/%', '/api/v1/labs/%zz', '/%u0000'])
    assert.match(await get(target), /^HTTP\/1\.1 404 /, target);
  const answer = await get('/api/v1/labs/%ff%fe%0a%e2%80%ae/zones');
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  assert.doesNotThrow(() => JSON.parse(body), body);
  assert.match(await get(`/api/v1/labs/${lab.id}/ops?limit=1&limit=2`), /^HTTP\/1\.1 422 /);
  assert.match(await get(`/api/v1/labs/${lab.id}/ops?limit=1%00`), /^HTTP\/1\.1 422 /);
});

test('HEAD has the head of GET and no body', async () => {
  const ask = (method) =>
    daemon.exchange(`${method} /api/v1/labs/${lab.id}/zones HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  const [head, get] = [await ask('HEAD'), await ask('GET')];
  assert.match(head, /^HTTP\/1\.1 200 [^]*\r\n\r\n$/);
  assert.equal(/Content-Length: \d+/.exec(head)[0], /Content-Length: \d+/.exec(get)[0]);
});

test('a request writes no log line of its own', async () => {
  await daemon.exchange(
    `GET /x%0aGET%20/forged%20200%201%20us%0a%1b[31m%e2%80%ae HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
  );
  while (!daemon.errors.includes('forged')) await new Promise((done) => setTimeout(done, 5));
  const line = daemon.errors.split('\n').find((text) => text.includes('forged'));
  assert.match(line, /^GET \/x\\x0aGET\\x20\/forged\\x20200\\x201\\x20us\\x0a\\x1b\[31m\\xe2\\x80\\xae 404 \d+ us$/);
});
