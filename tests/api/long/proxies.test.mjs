// What libmicrohttpd's parser takes in silence (a bare LF, a blank before a colon) does not get past nginx and HAProxy as the
// sample configurations in data/proxy set them up: nothing is smuggled behind it.
import test from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Daemon } from '../daemon.mjs';

const missing = ['nginx', 'haproxy'].filter((name) => spawnSync('which', [name]).status !== 0);
if (missing.length) throw new Error(`missing: ${missing.join(', ')} (sh tools/install.sh build test long)`);

const daemon = await Daemon.start({ arguments: ['--log'] });
const lab = await daemon.lab();
test.after(() => daemon.end());

const free_port = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

// A sample configuration with other ports, started as an ordinary process.
const start = async (sample, args) => {
  const port = await free_port();
  const file = join(daemon.directory, sample);
  const text = readFileSync(new URL(`../../../data/proxy/${sample}`, import.meta.url), 'utf8')
    .replaceAll('127.0.0.1:8081', `127.0.0.1:${port}`)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${daemon.port}`)
    .replace('/run/nginx-pagoda.pid', join(daemon.directory, 'nginx.pid'));
  writeFileSync(file, text);
  const [command, ...rest] = args(file);
  const process = spawn(command, rest, { stdio: 'ignore' });
  const is_up = () =>
    new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)));
      socket.on('error', () => resolve(false));
    });
  for (let i = 0; i < 200 && !(await is_up()); i++) await wait(25);
  return { port, end: () => process.kill('SIGTERM') };
};

const exchange = (port, text) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (part) => (answer += part));
    socket.on('error', () => resolve(answer));
    socket.on('close', () => resolve(answer));
    socket.setTimeout(1500, () => socket.destroy());
    socket.write(text);
  });

const OP = '{"op":"kmalloc","size":1}';
const SMUGGLED = `GET /api/v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const chunks = `${OP.length.toString(16)}\r\n${OP}\r\n0\r\n\r\n`;
const head = (more) =>
  `POST /api/v1/labs/${lab.id}/ops HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}`;
const ATTACKS = [
  [
    'TE : chunked beside a length',
    head(`Content-Length: ${chunks.length}\r\nTransfer-Encoding : chunked\r\n\r\n${chunks}`),
  ],
  ['TE : chunked, a short length', head(`Content-Length: 4\r\nTransfer-Encoding : chunked\r\n\r\n1\r\nZ\r\n0\r\n\r\n`)],
  ['a vertical tab before chunked', head(`Content-Length: 4\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`)],
  ['a bare LF that hides a header', head(`X: a\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`)],
  ['a folded header', head(`X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n`)],
  ['two lengths', head(`Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n`)],
  ['a length and chunks', head(`Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)],
  ['two hosts', `GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n`],
  ['a chunk size with a sign', head(`Transfer-Encoding: chunked\r\n\r\n+19\r\n${OP}\r\n0\r\n\r\n`)],
  ['a chunk size with 0x', head(`Transfer-Encoding: chunked\r\n\r\n0x19\r\n${OP}\r\n0\r\n\r\n`)],
  ['a chunk size beyond 64 bits', head(`Transfer-Encoding: chunked\r\n\r\n10000000000000019\r\n${OP}\r\n0\r\n\r\n`)],
  ['a NUL in a header', head(`X: a\0b\r\nContent-Length: 0\r\n\r\n`)],
];

for (const [sample, args] of [
  ['nginx.conf', (file) => ['nginx', '-c', file, '-g', 'daemon off;']],
  ['haproxy.cfg', (file) => ['haproxy', '-db', '-f', file]],
])
  test(`${sample}: requests get through, nothing is smuggled`, async () => {
    const proxy = await start(sample, args);
    try {
      const plain = await exchange(proxy.port, `GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      assert.match(plain, /^HTTP\/1\.1 200 /);
      const done = await exchange(proxy.port, head(`Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunks}`));
      assert.match(done, /^HTTP\/1\.1 201 /);
      for (const [what, attack] of ATTACKS) {
        daemon.errors = '';
        const [answer] = await Promise.all([
          exchange(proxy.port, attack + SMUGGLED),
          exchange(proxy.port, `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Victim: 1\r\nConnection: close\r\n\r\n`),
        ]);
        // A request that follows on the same connection is the attacker's own; what may not be is a poisoned other one.
        const own = (answer.match(/HTTP\/1\.1 /g) ?? []).length;
        const smuggled = (daemon.errors.match(/smuggled/g) ?? []).length;
        assert.ok(smuggled <= Math.max(0, own - 1), `${what}: ${smuggled} of ${own}\n${answer}\n${daemon.errors}`);
        const victim = await exchange(
          proxy.port,
          `GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
        );
        assert.match(victim, /^HTTP\/1\.1 200 [^]*\r\n\r\n/, what);
        assert.doesNotMatch(victim, /smuggled/, what);
      }
    } finally {
      proxy.end();
    }
  });
