// Faults of the engine, planted (PAGODA_PLANT, only in checked builds): the lab answers 503, is made anew from its log, and
// rests after three in a row. Nobody else notices.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { Daemon, PAGODAD, run } from './daemon.mjs';
import { Client, pause } from './load.mjs';

const NR_WORKERS = Math.max(2, availableParallelism());
const NR_SLOW = 16; // WORKERS_SLOW_MAX

// Released builds have no planted faults: there a mark with such a text is a mark.
const start = async (t, environment = {}) => {
  const daemon = await Daemon.start({ environment: { PAGODA_PLANT: '1', ...environment } });
  t.after(() => daemon.end());
  return daemon;
};
const plant = (daemon, lab, text) => daemon.post(`labs/${lab.id}/ops`, { op: 'mark', text: `plant: ${text}` });

const FAULTS = [
  ['invariant', /planted/],
  ['stray write', /SIGSEGV at byte 0x/],
  ['division', /SIGFPE/],
];

// Asks another lab and /healthz on and on, until told to stop.
const others = (daemon, lab) => {
  let running = true;
  let nr = 0;
  const ended = (async () => {
    while (running) {
      assert.equal((await daemon.get('/healthz')).status, 200);
      assert.equal((await daemon.post(`labs/${lab.id}/ops`, { op: 'kmalloc', size: 100 })).status, 201);
      nr++;
    }
    return nr;
  })();
  return async () => {
    running = false;
    return ended;
  };
};

for (const [fault, detail] of FAULTS)
  test(`${fault}: the lab answers 503 and goes on from its log; others do not notice`, async (t) => {
    const daemon = await start(t);
    const lab = await daemon.lab();
    const stop = others(daemon, await daemon.lab({ name: 'other' }));
    for (let i = 1; i <= 20; i++) await daemon.op(lab, { op: 'kmalloc', size: 100 * i, name: `n${i}` });
    const before = (await daemon.get(`labs/${lab.id}`)).body;
    const frames = (await daemon.get(`labs/${lab.id}/frames`)).body;

    for (let round = 0; round < 4; round++) {
      const reply = await plant(daemon, lab, fault);
      assert.equal(reply.status, 503);
      assert.equal(reply.headers.get('content-type'), 'application/problem+json');
      assert.match(reply.body.detail, /the machine broke down/);
      assert.match(reply.body.detail, detail);
      const after = (await daemon.get(`labs/${lab.id}`)).body;
      assert.equal(after.faults, 1);
      assert.equal(after.seq, before.seq + round);
      if (round === 0) {
        assert.equal(after.hash, before.hash);
        assert.deepEqual((await daemon.get(`labs/${lab.id}/frames`)).body, frames);
      }
      await daemon.op(lab, { op: 'kfree', name: `n${round + 1}` }); // a success between: it does not rest
      assert.equal((await daemon.get(`labs/${lab.id}`)).body.faults, 0);
    }
    assert.ok((await stop()) > 5);
  });

test('three in a row: the lab rests until it is asked for; its past and its list entry say so', async (t) => {
  const daemon = await start(t);
  const lab = await daemon.lab();
  await daemon.op(lab, { op: 'kmalloc', size: 100 });
  for (let i = 0; i < 3; i++) assert.equal((await plant(daemon, lab, 'invariant')).status, 503);

  const refused = await daemon.post(`labs/${lab.id}/ops`, { op: 'kmalloc', size: 100 });
  assert.equal(refused.status, 503);
  assert.match(refused.body.detail, /three times in a row/);
  assert.equal((await daemon.get(`labs/${lab.id}/frames?at=1`)).status, 503);
  const shown = await daemon.get(`labs/${lab.id}`);
  assert.equal(shown.status, 200);
  assert.deepEqual([shown.body.faults, shown.body.quarantined, shown.body.seq], [3, true, 1]);
  const listed = (await daemon.get('labs')).body.labs.find(({ id }) => id === lab.id);
  assert.equal(listed.quarantined, true);
  assert.equal((await daemon.get(`labs/${lab.id}/ops`)).body.ops.length, 1); // what is recorded can be read all the same

  const awake = await daemon.post(`labs/${lab.id}/wake`, {});
  assert.equal(awake.status, 200);
  assert.deepEqual([awake.body.faults, awake.body.quarantined], [0, false]);
  assert.equal((await daemon.op(lab, { op: 'kmalloc', size: 100 })).seq, 2);
});

test('a view that breaks down', async (t) => {
  const daemon = await start(t);
  const lab = await daemon.lab();
  await daemon.op(lab, { op: 'kmalloc', size: 100 });
  const { body } = await daemon.get(`labs/${lab.id}/frames?at=1`);
  for (const query of ['', '?at=1']) {
    await daemon.post(`labs/${lab.id}/ops?dry_run=true`, { op: 'mark', text: 'plant: look' }); // not to stand in the log
    assert.equal((await daemon.get(`labs/${lab.id}/frames${query}`)).status, 503);
    assert.deepEqual((await daemon.get(`labs/${lab.id}/frames?at=1`)).body, body);
    assert.equal((await daemon.get(`labs/${lab.id}`)).body.faults, 1);
    await daemon.op(lab, { op: 'tick' });
  }
});

test('a log that breaks down when it is replayed: it is tried anew as often as a lab may fail', async (t) => {
  const daemon = await start(t);
  const lab = await daemon.lab();
  await daemon.op(lab, { op: 'kmalloc', size: 100 });
  await plant(daemon, lab, 'replay');
  const before = (await daemon.get(`labs/${lab.id}`)).body;
  assert.equal((await plant(daemon, lab, 'invariant')).status, 503);
  for (const faults of [2, 3]) {
    assert.equal((await daemon.get(`labs/${lab.id}/frames`)).status, 503);
    assert.equal((await daemon.get('labs')).body.labs[0].faults, faults);
  }
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.quarantined, true);
  assert.equal((await daemon.post(`labs/${lab.id}/wake`, {})).status, 503); // it breaks down once more
  const awake = await daemon.post(`labs/${lab.id}/wake`, {});
  assert.equal(awake.status, 200);
  assert.equal(awake.body.hash, before.hash);
  assert.equal((await daemon.post(`labs/${lab.id}/wake`, { name: 'x' })).status, 422);
});

test('lines and dry runs break down alone; what was acknowledged before stays', async (t) => {
  const daemon = await start(t);
  const lab = await daemon.lab();
  const lines = [
    '{"op":"kmalloc","size":100}',
    '{"op":"mark","text":"plant: stray write"}',
    '{"op":"kmalloc","size":200}',
  ];
  const headers = { 'content-type': 'application/x-ndjson' };
  const reply = await daemon.post(`labs/${lab.id}/ops`, lines.join('\n'), { headers });
  assert.equal(reply.status, 503);
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, 1);
  await daemon.op(lab, { op: 'kmalloc', size: 100 });
  const rehearsed = await daemon.post(`labs/${lab.id}/ops?dry_run=true`, { op: 'mark', text: 'plant: stray write' });
  assert.equal(rehearsed.status, 503);
  assert.deepEqual(
    [(await daemon.get(`labs/${lab.id}`)).body.faults, (await daemon.op(lab, { op: 'tick' })).seq],
    [0, 3],
  );
});

test('a host without memory: 503, and nothing has changed', async (t) => {
  const daemon = await start(t);
  const lab = await daemon.lab({ memory: '256M' });
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const { address } = await daemon.op(lab, { op: 'mmap', pid, length: '64M' });
  await plant(daemon, lab, 'refusal'); // perhaps refused itself
  const head = async () => (await daemon.get(`labs/${lab.id}`)).body.seq;
  const before = await head();
  const hex = '0123456789abcdef'.repeat(2048);
  const at = (i) => '0x' + (BigInt(address) + BigInt(i * 16384)).toString(16);
  let nr = 0,
    refused;
  for (; nr < 4000 && refused?.status !== 503; nr++)
    refused = await daemon.post(`labs/${lab.id}/ops`, { op: 'write', pid, address: at(nr), hex });
  assert.equal(refused.status, 503);
  assert.match(refused.body.detail, /memory/);
  assert.equal(await head(), before + nr - 1); // all but the last
  await plant(daemon, lab, 'no refusal');
  assert.equal((await daemon.op(lab, { op: 'write', pid, address: at(nr), hex })).seq, before + nr + 1);
});

// Rehearsals that come with a key are a worker's. Each is of a lab of its own, a few of each client.
const begin_long_turns = async (t, daemon, nr, nr_clients) => {
  const clients = Array.from({ length: nr_clients }, (_, i) => new Client(daemon, `127.0.0.${20 + i}`));
  t.after(() => clients.forEach((client) => client.end()));
  const labs = await Promise.all(Array.from({ length: nr }, (_, i) => daemon.lab({ name: `lab ${i}` })));
  const body = JSON.stringify({ op: 'mark', text: 'plant: long turn' });
  return labs.map((lab, i) =>
    clients[i % nr_clients].ask('POST', `labs/${lab.id}/ops?dry_run=true`, body, { 'idempotency-key': lab.id }),
  );
};

test('turns of two seconds, as many as there are workers: others do not wait', async (t) => {
  const daemon = await start(t);
  const other = await daemon.lab();
  const turns = await begin_long_turns(t, daemon, NR_WORKERS, NR_WORKERS);
  const ended = Promise.all(turns);
  await pause(100);
  for (let i = 0; i < 10; i++) {
    const begun = performance.now();
    const headers = { 'idempotency-key': `quick ${i}` };
    assert.equal((await daemon.post(`labs/${other.id}/ops`, { op: 'kmalloc', size: 100 }, { headers })).status, 201);
    assert.ok(performance.now() - begun < 500, `${performance.now() - begun} ms`);
  }
  for (const turn of await ended) assert.equal(turn.status, 200);
});

test('one client with more long turns than it may have does not keep the house from others', async (t) => {
  const daemon = await start(t);
  const other = await daemon.lab();
  const turns = await begin_long_turns(t, daemon, 30 + NR_WORKERS, 1);
  await pause(500);
  const begun = performance.now();
  const headers = { 'idempotency-key': 'quick' };
  assert.equal((await daemon.post(`labs/${other.id}/ops`, { op: 'kmalloc', size: 100 }, { headers })).status, 201);
  assert.ok(performance.now() - begun < 500, `${performance.now() - begun} ms`);
  assert.equal((await daemon.get('/readyz')).status, 200);
  for (const turn of turns) assert.equal((await turn).status, 200);
});

test('a turn that does not end is reported once; readyz is 503 while all workers are in one, the slow ones too', async (t) => {
  const daemon = await start(t, { PAGODA_TURN_LIMIT_MS: '500' });
  const turns = await begin_long_turns(t, daemon, NR_SLOW + NR_WORKERS, 3);
  let status = 200;
  for (let i = 0; i < 60 && status === 200; i++) {
    await pause(50);
    status = (await daemon.get('/readyz')).status;
    assert.equal((await daemon.get('/healthz')).status, 200);
  }
  assert.equal(status, 503);
  for (const turn of turns) assert.equal((await turn).status, 200);
  assert.equal((await daemon.get('/readyz')).status, 200);
  await daemon.signal('SIGTERM');
  const said = daemon.errors.split('\n').filter((line) => /does not end/.test(line));
  assert.ok(said.length >= 1 && said.length <= turns.length, daemon.errors);
  assert.match(said[0], /lab [a-z0-9]+: a turn does not end: mark/);
});

test('check names the lab whose machine breaks down, and checks the others', async (t) => {
  const daemon = await Daemon.start(); // nothing is planted while the marks are made
  t.after(() => daemon.end());
  const labs = [];
  for (const text of ['none', ...FAULTS.map(([fault]) => fault), 'none']) {
    labs.push({ ...(await daemon.lab()), text });
    await daemon.op(labs.at(-1), { op: 'kmalloc', size: 100 });
    await plant(daemon, labs.at(-1), text);
  }
  await daemon.signal('SIGTERM');
  const env = { ...process.env, PAGODA_PLANT: '1' };
  const checked = run(['check', daemon.store], { env });
  assert.equal(checked.status, 1, checked.stderr);
  for (const { id, text } of labs) {
    const expected =
      text === 'none' ? 'as recorded' : 'operation 2 \\(mark\\) is refused by a replay: the machine broke down';
    assert.match(checked.stdout, new RegExp(`lab ${id}: .*${expected}`), checked.stdout);
    if (text !== 'none') assert.match(checked.stderr, new RegExp(`lab ${id}: the machine broke down in mark`));
  }
  assert.match(checked.stdout, /5 labs, .* NOT as recorded/);
  assert.equal(run(['check', daemon.store]).status, 0);
});

test('replay says that the machine broke down', () => {
  const env = { ...process.env, PAGODA_PLANT: '1' };
  for (const [fault, detail] of FAULTS) {
    const input = `{"op":"kmalloc","size":100}\n{"op":"mark","text":"plant: ${fault}"}\n`;
    const replayed = run(['replay', '--format', 'ndjson', '-'], { env, input });
    assert.deepEqual([replayed.status, replayed.signal], [1, null], replayed.stderr);
    assert.match(replayed.stderr, /the machine broke down in mark/);
    assert.match(replayed.stderr, detail);
    assert.match(replayed.stderr, /pagodad replay: the machine broke down\n/);
  }
});

test('the daemon ends by a fault that is nobody’s', async (t) => {
  const daemon = await start(t);
  const { code, signal } = await daemon.signal('SIGSEGV');
  assert.ok(signal === 'SIGSEGV' || code > 0, `${code} ${signal}`); // a sanitizer ends it in its own way
});

test('released builds have no planted faults', { skip: !PAGODAD.includes('-san') && 'this is one' }, () => {
  const { stdout } = spawnSync('strings', [PAGODAD.replace('-san', '')], { encoding: 'utf8', maxBuffer: 1 << 26 });
  assert.ok(!stdout.includes('PAGODA_PLANT'));
});
