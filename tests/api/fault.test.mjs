// Faults of the engine, planted (PAGODA_PLANT, only in checked builds): the lab answers 503, is made anew from its log, and
// rests after three in a row. Nobody else notices.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Daemon, PAGODAD } from './daemon.mjs';

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

test('a turn that does not end is reported once; readyz is 503 while all workers are in one', async (t) => {
  const daemon = await start(t, { PAGODA_TURN_LIMIT_MS: '500' });
  const labs = await Promise.all(['a', 'b', 'c', 'd'].map((name) => daemon.lab({ name })));
  const body = { op: 'mark', text: 'plant: long turn' }; // a rehearsal that comes with a key is a worker's
  const turns = labs.map((lab) =>
    daemon.post(`labs/${lab.id}/ops?dry_run=true`, body, { headers: { 'idempotency-key': lab.id } }),
  );
  let status = 200;
  for (let i = 0; i < 60 && status === 200; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    status = (await daemon.get('/readyz')).status;
    assert.equal((await daemon.get('/healthz')).status, 200);
  }
  assert.equal(status, 503);
  for (const turn of turns) assert.equal((await turn).status, 200);
  assert.equal((await daemon.get('/readyz')).status, 200);
  await daemon.signal('SIGTERM');
  const said = daemon.errors.split('\n').filter((line) => /does not end/.test(line));
  assert.ok(said.length >= 1 && said.length <= labs.length, daemon.errors);
  assert.match(said[0], /lab [a-z0-9]+: a turn does not end: mark/);
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
