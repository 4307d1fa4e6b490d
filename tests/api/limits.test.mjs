// tests/api/limits.test.mjs - what labs may take of the host: each, all together, and how many of them there may be.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Daemon, IS_TSAN } from './daemon.mjs';

// MiB; field: VmRSS, VmHWM.
const memory_of = (daemon, field) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${daemon.process.pid}/status`, 'utf8'))[1]) / 1024;
const nr_mappings = (daemon) => readFileSync(`/proc/${daemon.process.pid}/maps`, 'utf8').split('\n').length;
const metric = async (daemon, name) =>
  Number(new RegExp(`^${name} (\\d+)`, 'm').exec((await daemon.get('/metrics')).text)[1]);

test('a lab simulates at most --max-memory', async () => {
  const daemon = await Daemon.start({ arguments: ['--max-memory', '128M'] });
  const refused = await daemon.post('labs', { profile: 'linux-6.1', memory: '256M' });
  assert.equal(refused.status, 422);
  assert.equal(refused.body.errors[0].pointer, '/memory');
  assert.match(refused.body.detail, /134217728/);
  await daemon.lab({ memory: '128M' });
  await daemon.end();
});

test('a lab that reaches --lab-memory keeps what it has, and others go on', async () => {
  const daemon = await Daemon.start({ arguments: ['--lab-memory', '8M'] });
  const lab = await daemon.lab();
  let refused;
  for (let i = 0; i < 3000 && !refused; i++) {
    const done = await daemon.post(`labs/${lab.id}/ops`, { op: 'kzalloc', size: 4096, name: `n${i}` });
    if (done.status === 201) {
      const { address } = done.body;
      const written = await daemon.post(`labs/${lab.id}/ops`, { op: 'write', address, hex: '01' });
      if (written.status !== 201) refused = written;
    } else refused = done;
  }
  assert.equal(refused?.status, 507);
  assert.match(refused.body.detail, /8 MiB.*--lab-memory/);
  const { seq } = (await daemon.get(`labs/${lab.id}`)).body;
  assert.ok(seq > 100);
  assert.equal((await daemon.get(`labs/${lab.id}/zones`)).status, 200);
  assert.equal((await daemon.get(`labs/${lab.id}/zones?at=${seq - 50}`)).status, 200);
  await daemon.op(await daemon.lab(), { op: 'kmalloc', size: 100 });
  const large = await daemon.post('labs', { profile: 'linux-6.1', memory: '8G' });
  assert.equal(large.status, 507);
  await daemon.end();
});

test('beyond --budget idle labs sleep at once; what does not fit is refused with 429, and nobody else', async () => {
  const daemon = await Daemon.start({ arguments: ['--budget', '64M'] });
  const labs = [];
  for (let i = 0; i < 40; i++) {
    labs.push(await daemon.lab({ memory: '256M' }));
    await daemon.op(labs[i], { op: 'kmalloc', size: 1000 + i });
  }
  assert.ok((await metric(daemon, 'pagoda_labs_awake')) < 30);
  const large = await daemon.post('labs', { profile: 'linux-6.1', memory: '8G' });
  assert.equal(large.status, 429);
  assert.match(large.body.detail, /--budget/);
  for (const lab of labs) {
    assert.equal((await daemon.get(`labs/${lab.id}/zones`)).status, 200);
    await daemon.op(lab, { op: 'kmalloc', size: 10 });
  }
  await daemon.end();
});

test('many at once under a small --budget: each waits for its turn, and nobody is refused', async () => {
  const daemon = await Daemon.start({ arguments: ['--budget', '64M'] });
  const statuses = {};
  const count = ({ status }) => (statuses[status] = (statuses[status] ?? 0) + 1);
  const person = async () => {
    for (let i = 0; i < 3; i++) {
      const made = await daemon.post('labs', { profile: 'linux-6.1', memory: '256M' });
      count(made);
      for (let j = 0; j < 4; j++) count(await daemon.post(`labs/${made.body.id}/ops`, { op: 'kmalloc', size: 100 }));
      count(await daemon.post(`labs/${made.body.id}/fork`, { at: 2 }));
    }
  };
  await Promise.all(Array.from({ length: 32 }, person)); // a budget for 15 of them
  if (IS_TSAN)
    assert.ok(statuses[201] > 32 * 3 * 5); // so slow that some wait for too long
  else assert.deepEqual(statuses, { 201: 32 * 3 * 6 });
  const begun = performance.now();
  assert.equal((await daemon.post('labs', { profile: 'linux-6.1', memory: '8G' })).status, 429);
  assert.ok(performance.now() - begun < 1500, 'who can never get it is told at once');
  await daemon.end();
});

test('watched labs sleep under --budget too, and are woken while others make room', async (t) => {
  const daemon = await Daemon.start({ arguments: ['--budget', '64M'] });
  const watched = [];
  for (let i = 0; i < 60; i++) {
    const lab = await daemon.lab({ memory: '256M' });
    watched.push({
      lab,
      socket: daemon.connect(`GET /api/v1/labs/${lab.id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    });
  }
  const statuses = {};
  for (let round = 0; round < 4; round++)
    await Promise.all(
      watched.map(async ({ lab }) => {
        const { status } = await daemon.post(`labs/${lab.id}/ops`, { op: 'alloc_pages', order: 2 });
        statuses[status] = (statuses[status] ?? 0) + 1;
      }),
    );
  t.diagnostic(JSON.stringify(statuses));
  assert.ok(statuses[201] > 0 && Object.keys(statuses).every((status) => status === '201' || status === '429'));
  for (const { lab } of watched) {
    const shown = (await daemon.get(`labs/${lab.id}`)).body;
    assert.equal(shown.faults, 0);
    await daemon.op(lab, { op: 'alloc_pages', order: 2 });
  }
  assert.doesNotMatch(daemon.errors, /broke down/);
  watched.forEach(({ socket }) => socket.destroy());
  await daemon.end();
});

test('who reads an export and takes his time does not keep the lab awake', async () => {
  const daemon = await Daemon.start({ arguments: ['--budget', '64M'] });
  const readers = [];
  for (let i = 0; i < 40; i++) {
    const lab = await daemon.lab({ memory: '256M' });
    await daemon.post(`labs/${lab.id}/ops?results=summary`, '{"op":"kmalloc","size":100}\n'.repeat(5000), {
      headers: { 'content-type': 'application/x-ndjson' },
    });
    const ask = `GET /api/v1/labs/${lab.id}/export?format=perfetto HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const socket = daemon.connect(ask);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    readers.push(socket);
  }
  await daemon.op(await daemon.lab({ memory: '256M' }), { op: 'alloc_pages', order: 0 });
  readers[0].resume(); // its lab is woken for the rest
  assert.match(await readers[0].ended, /\r\n0\r\n\r\n$/);
  readers.forEach((socket) => socket.destroy());
  await daemon.end();
});

test('labs that are awake are a mapping each', async (t) => {
  const daemon = await Daemon.start();
  const before = nr_mappings(daemon);
  for (let i = 0; i < 100; i++) {
    const lab = await daemon.lab({ profile: 'classic', memory: '16M' });
    await daemon.op(lab, { op: 'kmalloc', size: 1000 });
  }
  assert.equal(await metric(daemon, 'pagoda_labs_awake'), 100);
  t.diagnostic(`${nr_mappings(daemon) - before} mappings for 100 labs`);
  assert.ok(nr_mappings(daemon) - before < (IS_TSAN ? 600 : 300));
  await daemon.end();
});

test('a large id in a script costs no table', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  const before = memory_of(daemon, 'VmHWM');
  const script = `20000\n2\n4\n1\na 16777215 8\nr 16777215 100\nf 16777215\na 16000000 1\n`;
  const done = await daemon.post(`labs/${lab.id}/import?format=rep`, script, {
    headers: { 'content-type': 'text/plain' },
  });
  assert.equal(done.status, 200);
  assert.equal(done.body.applied, 4);
  const grown = memory_of(daemon, 'VmHWM') - before;
  assert.ok(grown < 60, `${grown} MiB`);
  await daemon.end();
});
