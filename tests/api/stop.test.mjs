// SIGTERM while clients on lasting connections ask on: the daemon ends by itself, soon, and what it acknowledged is there.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { Daemon } from './daemon.mjs';

const ROUNDS = 6;
const ALLOCATE = '{"op":"alloc_pages","order":0}';

// One request on a connection of the agent's; resolves with the status and the text, or with undefined when it was cut off.
const ask = (daemon, agent, method, path, body, type = 'application/json') =>
  new Promise((resolve) => {
    const headers = body === undefined ? {} : { 'content-type': type, 'content-length': body.length };
    const request = http.request(
      { host: '127.0.0.1', port: daemon.port, method, path: `/api/v1/${path}`, agent, headers },
      (reply) => {
        let text = '';
        reply.on('data', (part) => (text += part));
        reply.on('end', () => resolve({ status: reply.statusCode, text }));
        reply.on('error', () => resolve(undefined));
      },
    );
    request.on('error', () => resolve(undefined));
    request.end(body);
  });

test('SIGTERM under load ends the daemon in good order', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  let acknowledged = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
    let running = true;
    const trace = Buffer.from(`${ALLOCATE}\n`.repeat(2000));
    const kinds = [
      async () => {
        const reply = await ask(daemon, agent, 'POST', `labs/${lab.id}/ops`, ALLOCATE);
        if (reply?.status === 201 && running) acknowledged = Math.max(acknowledged, JSON.parse(reply.text).seq);
      },
      () => ask(daemon, agent, 'GET', `labs/${lab.id}/export?format=csv`),
      () => ask(daemon, agent, 'GET', `labs/${lab.id}/ops?limit=10`),
      () => ask(daemon, agent, 'POST', `labs/${lab.id}/import`, trace, 'application/x-ndjson'),
    ];
    const clients = Array.from({ length: 16 }, async (_, i) => {
      while (running) {
        await kinds[i % 8 < 5 ? 0 : (i % 8) - 4]();
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    daemon.events(lab, undefined, () => false).catch(() => undefined); // it may be cut off before it has begun
    await new Promise((resolve) => setTimeout(resolve, 150 + 20 * round));
    const begun = performance.now();
    const ended = await daemon.signal('SIGTERM');
    running = false;
    assert.deepEqual(ended, { code: 0, signal: null });
    assert.ok(performance.now() - begun < 20_000, `${performance.now() - begun} ms`);
    await Promise.all(clients);
    agent.destroy();
    await daemon.resume();
    assert.ok((await daemon.get(`labs/${lab.id}`)).body.seq >= acknowledged);
  }
  await daemon.end();
});

test('many lines in one request are cut by a stop, and the answer says where', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab({ memory: '256M' });
  const headers = { 'content-type': 'application/x-ndjson' };
  const lines = daemon.post(`labs/${lab.id}/ops?results=failures`, `${ALLOCATE}\n`.repeat(1_000_000), { headers });
  while (!(await daemon.get(`labs/${lab.id}`)).body.seq);
  assert.deepEqual(await daemon.signal('SIGTERM'), { code: 0, signal: null });
  const reply = await lines;
  assert.equal(reply.status, 200, reply.text);
  const told = reply.text.trim().split('\n').map(JSON.parse);
  const { summary } = told.at(-1);
  const cut = told.find(({ status }) => status === 503);
  assert.ok(summary.applied > 0 && summary.applied < 1_000_000, JSON.stringify(summary));
  assert.equal(cut.line, summary.applied + 1);
  assert.match(cut.problem.detail, /about to stop/);
  assert.doesNotMatch(daemon.errors, /did not end within/);
  await daemon.resume();
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, summary.applied);
  await daemon.end();
});
