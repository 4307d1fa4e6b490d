// Every kind of bad input gets its status, a problem+json, and changes nothing.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon, run } from './daemon.mjs';

let daemon, lab, pages;
before(async () => {
  pages = mkdtempSync(join(tmpdir(), 'pagoda-web-'));
  mkdirSync(join(pages, 'web/assets'), { recursive: true });
  writeFileSync(join(pages, 'secret.txt'), 'secret');
  writeFileSync(join(pages, 'web/index.html'), '<!doctype html>home');
  writeFileSync(join(pages, 'web/lab.html'), '<!doctype html>lab');
  writeFileSync(join(pages, 'web/assets/main-8F3A09BC.js'), 'export {}');
  writeFileSync(join(pages, 'web/.hidden'), 'hidden');
  symlinkSync('../secret.txt', join(pages, 'web/link.txt'));
  daemon = await Daemon.start({ arguments: ['--web', join(pages, 'web')] });
  lab = await daemon.lab();
  await daemon.op(lab, { op: 'kmalloc', size: 10, name: 'taken' });
  lab = (await daemon.get(`labs/${lab.id}`)).body;
});
after(() => daemon.end());

const is_unchanged = async () => {
  const now = (await daemon.get(`labs/${lab.id}`)).body;
  assert.equal(now.seq, lab.seq);
  assert.equal(now.hash, lab.hash);
};

const is_problem = (reply, status, pointer) => {
  assert.equal(reply.status, status, reply.text);
  assert.match(reply.headers.get('content-type'), /^application\/problem\+json/);
  assert.equal(reply.body.status, status);
  assert.ok(reply.body.detail.length > 3 && reply.body.title && reply.body.type);
  if (pointer) assert.equal(reply.body.errors[0].pointer, pointer);
};

const OPS = [
  ['unknown op', { op: 'kmaloc', size: 1 }, 422, '/op'],
  ['no op', { size: 1 }, 422, '/op'],
  ['op of a wrong type', { op: 7 }, 422, '/op'],
  ['unknown field', { op: 'kmalloc', size: 1, colour: 'red' }, 422, '/colour'],
  ['unknown flag', { op: 'kmalloc', size: 1, gfp: 'GFP_KERNEL|GFP_FAST' }, 422, '/gfp'],
  ['empty flags', { op: 'kmalloc', size: 1, gfp: '' }, 422, '/gfp'],
  ['flags where none are taken', { op: 'vmalloc', size: 4096, gfp: 'GFP_KERNEL' }, 422, '/gfp'],
  ['a missing size', { op: 'kmalloc' }, 422, '/size'],
  ['a negative size', { op: 'kmalloc', size: -1 }, 422, '/size'],
  ['a fractional size', { op: 'kmalloc', size: 1.5 }, 422, '/size'],
  ['a size as null', { op: 'kmalloc', size: null }, 422, '/size'],
  ['a size as an array', { op: 'kmalloc', size: [1] }, 422, '/size'],
  ['a size in words', { op: 'kmalloc', size: 'big' }, 422, '/size'],
  ['an empty size', { op: 'kmalloc', size: '' }, 422, '/size'],
  ['a size with only a unit', { op: 'kmalloc', size: 'K' }, 422, '/size'],
  ['a size beyond 2^53', { op: 'kmalloc', size: '9007199254740992' }, 422, '/size'],
  ['a size that overflows its unit', { op: 'kmalloc', size: '9007199254740991T' }, 422, '/size'],
  ['an order beyond its range', { op: 'alloc_pages', order: 64 }, 422, '/order'],
  ['a fractional order', { op: 'alloc_pages', order: 0.5 }, 422, '/order'],
  ['an unknown context', { op: 'kmalloc', size: 1, context: 'nmi' }, 422, '/context'],
  ['an address as a number', { op: 'kfree', address: 4096 }, 422, '/address'],
  ['an address without 0x', { op: 'kfree', address: 'ffff' }, 422, '/address'],
  ['an address of 65 bits', { op: 'kfree', address: '0x1ffffffffffffffff' }, 422, '/address'],
  ['a handle nobody has', { op: 'kfree', name: 'nobody' }, 422],
  ['a handle in use', { op: 'kmalloc', size: 1, name: 'taken' }, 422],
  ['a handle that is too long', { op: 'kmalloc', size: 1, name: 'x'.repeat(64) }, 422, '/name'],
  ['an empty handle', { op: 'kmalloc', size: 1, name: '' }, 422, '/name'],
  ['a process that does not exist', { op: 'malloc', pid: 4242, size: 1 }, 422],
  ['pid 0', { op: 'malloc', pid: 0, size: 1 }, 422, '/pid'],
  ['odd hex', { op: 'write', address: '0x1000', hex: '0' }, 422, '/hex'],
  ['no hex', { op: 'write', address: '0x1000', hex: 'zz' }, 422, '/hex'],
  ['hex and more length', { op: 'write', address: '0x1000', hex: '00', length: 2 }, 422, '/length'],
  ['hex and less length', { op: 'write', address: '0x1000', hex: '0000', length: 1 }, 422, '/length'],
  ['hex and fill', { op: 'write', address: '0x1000', hex: '00', fill: 1, length: 1 }, 422],
  ['a CPU that is not there', { op: 'kmalloc', size: 1, cpu: 200 }, 422],
];
for (const [what, body, status, pointer] of OPS)
  test(`operation: ${what}`, async () => {
    is_problem(await daemon.post(`labs/${lab.id}/ops`, body), status, pointer);
    await is_unchanged();
  });

const TEXTS = [
  ['truncated JSON', '{"op":"kmalloc","size":', 400],
  ['nothing', '', 400],
  ['duplicate keys', '{"op":"kmalloc","size":1,"size":2}', 400],
  [
    'bad UTF-8',
    Buffer.from([...Buffer.from('{"op":"kmalloc","size":1,"name":"'), 0xc3, 0x28, ...Buffer.from('"}')]),
    400,
  ],
  ['a NUL in a text', '{"op":"kmalloc","size":1,"name":"a\\u0000b"}', 400],
  ['two values', '{"op":"kmalloc","size":1}{}', 400],
  ['an array', '[]', 422],
  ['a number too big for anybody', '{"op":"kmalloc","size":99999999999999999999999}', 422],
  ['a float too big for anybody', '{"op":"kmalloc","size":1e400}', 422],
  ['a body over the limit', JSON.stringify({ op: 'kmalloc', size: 1, name: 'x'.repeat(300_000) }), 413],
];
for (const [what, body, status] of TEXTS)
  test(`body: ${what}`, async () => {
    is_problem(await daemon.post(`labs/${lab.id}/ops`, body), status);
    await is_unchanged();
  });

test('size 0 is what the real call makes of it', async () => {
  const other = await daemon.lab();
  assert.equal((await daemon.op(other, { op: 'kmalloc', size: 0 })).address, '0x10');
});

test('a 100 MB body is refused before it is read', async () => {
  const answer = await daemon.exchange(
    `POST /api/v1/labs/${lab.id}/ops HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n{`,
  );
  assert.match(answer, /^HTTP\/1\.1 413 /);
  await is_unchanged();
});

test('an endless chunked body is cut off', async () => {
  const chunk = `10000\r\n${'x'.repeat(65536)}\r\n`;
  const answer = await daemon.exchange(
    `POST /api/v1/labs/${lab.id}/ops HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(8)}0\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.1 413 /);
  await is_unchanged();
});

test('wrong content type, wrong method, no length, wrong place', async () => {
  is_problem(await daemon.post(`labs/${lab.id}/ops`, '{}', { headers: { 'content-type': 'text/plain' } }), 415);
  is_problem(await daemon.post(`labs/${lab.id}/ops`, '{}', { headers: { 'content-type': 'application/jsonx' } }), 415);
  const wrong = await daemon.ask('PUT', `labs/${lab.id}/ops`, { body: '{}' });
  is_problem(wrong, 405);
  assert.equal(wrong.headers.get('allow'), 'POST, GET');
  is_problem(await daemon.ask('DELETE', 'ops'), 405);
  is_problem(await daemon.get('nothing'), 404);
  is_problem(await daemon.get('labs/nobody/zones'), 404);
  is_problem(await daemon.post('labs/nobody/ops', { op: 'kmalloc', size: 1 }), 404);
  const answer = await daemon.exchange(
    `POST /api/v1/labs/${lab.id}/ops HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.1 411 /);
  await is_unchanged();
});

test('queries that mean nothing', async () => {
  for (const query of [
    'zones?at=99',
    'zones?at=-1',
    'zones?at=x',
    'zones?when=1',
    'frames?lod=99',
    'memory',
    'memory?address=12',
    'memory?address=0x0&length=0',
    'translate?address=0x',
    'allocations?limit=0',
    'stats?points=0',
    'ops?limit=1001',
    'export?format=xml',
  ])
    is_problem(await daemon.get(`labs/${lab.id}/${query}`), 422);
  is_problem(await daemon.post(`labs/${lab.id}/ops?dry_run=maybe`, { op: 'kmalloc', size: 1 }), 422, '/dry_run');
  await is_unchanged();
});

const LABS = [
  ['an unknown profile', { profile: 'windows' }, '/profile'],
  ['an unknown field', { profile: 'classic', flavour: 1 }, '/flavour'],
  ['too little memory', { profile: 'linux-6.1', memory: 4096 }, '/memory'],
  ['absurd memory', { profile: 'linux-6.1', memory: '4096T' }, '/memory'],
  ['memory 0', { profile: 'classic', memory: 0 }, '/memory'],
  ['half a page', { profile: 'classic', memory: (16 << 20) + 1 }, '/memory'],
  ['too many CPUs', { profile: 'classic', cpus: 2 }, '/cpus'],
  ['a strange block', { profile: 'classic', min_block: 48 }, '/min_block'],
  ['an empty name', { name: '' }, '/name'],
  ['a long name', { name: 'x'.repeat(121) }, '/name'],
  ['a name of a wrong type', { name: {} }, '/name'],
];
for (const [what, body, pointer] of LABS)
  test(`lab: ${what}`, async () => is_problem(await daemon.post('labs', body), 422, pointer));

test('NDJSON: lines stand for themselves, and stop or go on as asked', async () => {
  const other = await daemon.lab();
  const lines = [
    '{"op":"kmalloc","size":10,"name":"a"}',
    '{"op":"kmalloc"}',
    '',
    'garbage',
    '{"op":"kfree","name":"a"}',
  ].join('\n');
  const send = (query) =>
    daemon.post(`labs/${other.id}/ops${query}`, lines, { headers: { 'content-type': 'application/x-ndjson' } });
  const parse = (reply) =>
    reply.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  const stopped = parse(await send(''));
  assert.deepEqual(
    stopped.map((line) => line.status),
    [201, 422, undefined],
  );
  assert.deepEqual(stopped.at(-1).summary, { applied: 1, failed: 1, first_failed_line: 2, seq: 1 });
  await daemon.op(other, { op: 'kfree', name: 'a' });
  const gone_on = parse(await send('?on_error=continue'));
  assert.deepEqual(
    gone_on.map((line) => line.line),
    [1, 2, 4, 5, undefined],
  );
  assert.deepEqual(gone_on.at(-1).summary, { applied: 2, failed: 2, first_failed_line: 2, seq: 4 });
  assert.equal(parse(await send('?on_error=continue&results=failures')).length, 3);
  assert.equal(parse(await send('?on_error=continue&results=summary')).length, 1);

  for (const body of ['', '\n\n', 'garbage', '{"op":"kmalloc"}'])
    is_problem(
      await daemon.post(`labs/${lab.id}/ops`, body, { headers: { 'content-type': 'application/x-ndjson' } }),
      422,
    );
  is_problem(await send('?on_error=retry'), 422, '/on_error');
  await is_unchanged();
});

test('requests for other hosts and from other sites', async () => {
  const ask = (headers, method = 'GET', body = '') =>
    daemon.exchange(
      `${method} /api/v1/labs/${lab.id}${method === 'POST' ? '/ops' : ''} HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
  const op = '{"op":"kmalloc","size":1}';
  const own = `localhost:${daemon.port}`;
  for (const host of [
    'evil.example',
    'evil.example:80',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.1.2.3',
    '',
  ])
    assert.match(await ask(`Host: ${host}\r\n`), /^HTTP\/1\.1 421 /, host);
  for (const host of [own, '127.0.0.1', '[::1]:8080', 'pagoda.localhost'])
    assert.match(await ask(`Host: ${host}\r\n`), /^HTTP\/1\.1 200 /, host);
  for (const origin of ['https://evil.example', 'null', `http://localhost:1`, `http://${own}.evil.example`])
    assert.match(await ask(`Host: ${own}\r\nOrigin: ${origin}\r\n`, 'POST', op), /^HTTP\/1\.1 403 /, origin);
  assert.match(await ask(`Host: ${own}\r\nSec-Fetch-Site: cross-site\r\n`, 'POST', op), /^HTTP\/1\.1 403 /);
  await is_unchanged();
  assert.match(
    await ask(`Host: ${own}\r\nOrigin: http://${own}\r\nSec-Fetch-Site: same-origin\r\n`, 'POST', '{"op":"kmalloc"}'),
    /^HTTP\/1\.1 422 /,
  );
});

test('static files: types, policy, and no way out of the directory', async () => {
  const home = await daemon.get('/');
  assert.equal(home.text, '<!doctype html>home');
  assert.match(home.headers.get('content-type'), /^text\/html/);
  assert.match(home.headers.get('content-security-policy'), /default-src 'self'/);
  assert.doesNotMatch(home.headers.get('content-security-policy'), /unsafe/);
  assert.equal(home.headers.get('x-content-type-options'), 'nosniff');
  assert.equal((await daemon.get('/lab/abc')).text, '<!doctype html>lab');
  const script = await daemon.get('/assets/main-8F3A09BC.js');
  assert.match(script.headers.get('content-type'), /^text\/javascript/);
  assert.match(script.headers.get('cache-control'), /immutable/);
  assert.equal((await daemon.get('/', { headers: { 'if-none-match': home.headers.get('etag') } })).status, 304);
  for (const path of [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/../../secret.txt',
    '//etc/passwd',
    '/.hidden',
    '/link.txt',
    '/assets',
    '/assets/',
    '/index.html/',
    '/%00',
    '/assets/%2e%2e%2f%2e%2e%2fsecret.txt',
    '/secret.txt%00.html',
  ]) {
    const answer = await daemon.exchange(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 40[04] /, path);
    assert.doesNotMatch(answer, /secret\n?$/);
  }
  is_problem(await daemon.ask('POST', '/index.html', { body: '{}' }), 405);
});

test('wrong options are one line and exit 2; a store in use and one from the future are refused', async () => {
  for (const args of [
    ['serve', '--colour'],
    ['serve', '--listen'],
    ['serve', 'extra'],
    ['fly'],
    ['replay'],
    ['replay', '--format', 'xml', '-'],
    ['serve', '--log=1'],
  ]) {
    const done = run(args, { input: '' });
    assert.equal(done.status, 2, args.join(' '));
    assert.equal(done.stderr.trim().split('\n').length, 1, done.stderr);
  }
  const WRONG = [
    ...[
      '127.0.0.1:99999',
      '127.0.0.1:65536',
      '127.0.0.1:-1',
      '127.0.0.1:+80',
      '127.0.0.1:80x',
      '127.0.0.1: 80',
      '127.0.0.1:',
    ]
      .concat(['127.0.0.1:0x50', '127.0.0.1:4294967376', '127.0.0.1:http', '8080', '[::1]', ''])
      .map((value) => ['--listen', value]),
    ...['1e3', '-1', '1K', '0x10', '10s', '', ' 1', '18446744073709551616'].flatMap((value) => [
      ['--idle', value],
      ['--patience', value],
    ]),
    ...['1e3', '-1', '0', '1.5G', '', '8 G', '9007199254740992', '99999999999T'].flatMap((value) => [
      ['--budget', value],
      ['--upload', value],
      ['--unpacked', value],
    ]),
  ];
  for (const option of WRONG) {
    const done = run(['serve', '--store', join(pages, 'wrong.db'), '--listen', '127.0.0.1:0', ...option], {
      timeout: 10_000,
    });
    assert.equal(done.status, 1, option.join(' '));
    assert.match(done.stderr, new RegExp(`^pagodad: .*${option[0] === '--listen' ? 'cannot listen' : option[0]}.*\n$`));
  }
  for (const option of [
    ['--cpus', '1K'],
    ['--cpus', '-1'],
    ['--cpus', '4294967297'],
    ['--memory', '1e3'],
    ['--memory', '-4K'],
  ]) {
    const done = run(['replay', ...option, '-'], { input: '{"op":"kmalloc","size":1}\n' });
    assert.notEqual(done.status, 0, option.join(' '));
    assert.match(done.stderr, new RegExp(option[0]));
  }
  const second = run(['serve', '--listen', '127.0.0.1:0', '--store', daemon.store]);
  assert.equal(second.status, 1);
  assert.match(second.stderr, /in use by another pagodad/);
  const busy = run(['serve', '--listen', `127.0.0.1:${daemon.port}`, '--store', join(pages, 'other.db')]);
  assert.equal(busy.status, 1);
  assert.match(busy.stderr, /cannot listen/);
  assert.match(run(['--version']).stdout, /^pagodad \d/);
  assert.match(run(['help', 'serve']).stdout, /--store/);
});
