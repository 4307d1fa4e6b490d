// Labs of other rules: equal ones go on, different ones are read-only up to where they differ, can be made again, and are
// never called damaged; what differs under the same rules is damage.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { Daemon, run } from './daemon.mjs';

const skip = spawnSync('sqlite3', ['--version']).status !== 0;
const sql = (store, text) => execFileSync('sqlite3', [store, text], { encoding: 'utf8' }).trim();
const OPS = 40;
const AT = 25; // an operation whose recorded result is changed

// A daemon whose lab was made under rules revision 0, with one recorded address altered when differs is set.
async function old_lab({ differs, rules = 0 }) {
  const daemon = await Daemon.start();
  const lab = await daemon.lab({ name: 'old' });
  for (let i = 1; i <= OPS; i++) await daemon.op(lab, { op: 'kmalloc', size: 100 + i, name: `k${i}` });
  const ops = (await daemon.get(`labs/${lab.id}/ops`)).body.ops;
  await daemon.signal('SIGTERM');
  sql(daemon.store, `UPDATE lab SET made = ${rules}, rules = ${rules}`);
  if (differs) sql(daemon.store, `UPDATE op SET result = result + 64 WHERE id & 1099511627775 = ${AT}`);
  return { daemon, lab, ops };
}

test('a new lab is of today', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  assert.deepEqual(lab.engine, { made: lab.engine.now, now: lab.engine.now, differs_at: null, compared: true });
  await daemon.end();
});

test('equal under today: it goes on, and keeps what made it', { skip }, async () => {
  const { daemon, lab } = await old_lab({ differs: false });
  assert.equal(run(['check', daemon.store]).status, 0);
  await daemon.resume();
  const listed = (await daemon.get('labs')).body.labs[0];
  assert.deepEqual([listed.engine.made, listed.engine.differs_at, listed.engine.compared], [0, null, false]);
  const { engine } = (await daemon.get(`labs/${lab.id}`)).body;
  assert.deepEqual([engine.made, engine.differs_at, engine.compared], [0, null, true]);
  assert.equal((await daemon.post(`labs/${lab.id}/ops`, { op: 'kmalloc', size: 8 })).status, 201);
  const fork = (await daemon.post(`labs/${lab.id}/fork`, { at: 10 })).body;
  assert.equal(fork.engine.made, 0);
  await daemon.signal('SIGTERM');
  assert.equal(sql(daemon.store, 'SELECT rules, made FROM lab WHERE parent IS NULL'), `${engine.now}|0`);
  await daemon.resume();
  await daemon.end();
});

test('different under today: as recorded, read-only, shown up to there', { skip }, async () => {
  const { daemon, lab, ops } = await old_lab({ differs: true });
  const checked = run(['check', daemon.store]);
  assert.equal(checked.status, 0, checked.stdout);
  assert.match(checked.stdout, new RegExp(`other rules.*operation ${AT} `));
  await daemon.resume();
  const path = `labs/${lab.id}`;
  const seen = (await daemon.get(path)).body;
  assert.deepEqual([seen.engine.made, seen.engine.differs_at, seen.seq], [0, AT, OPS]);
  assert.equal((await daemon.get('labs')).body.labs[0].engine.differs_at, AT);
  const recorded = (await daemon.get(`${path}/ops`)).body.ops;
  const altered = `0x${(BigInt(ops[AT - 1].result.address) + 64n).toString(16)}`;
  assert.equal(recorded[AT - 1].result.address, altered);
  assert.deepEqual(recorded[AT], ops[AT]);
  for (const seq of [AT, AT + 5, OPS]) {
    const reply = await daemon.get(`${path}/ops/${seq}`);
    assert.equal(reply.body.address, recorded[seq - 1].result.address);
    assert.equal(reply.headers.get('cache-control'), 'no-cache');
  }
  const exported = (await daemon.get(`${path}/export?format=csv`)).text.trim().split('\n');
  assert.ok(exported.some((line) => line.includes(altered)));
  // moments
  assert.equal((await daemon.get(`${path}/zones?at=${AT - 1}`)).status, 200);
  for (const at of [AT, OPS]) {
    const refused = await daemon.get(`${path}/zones?at=${at}`);
    assert.deepEqual([refused.status, refused.body.status], [409, 409]);
    assert.match(refused.body.detail, /rerun/);
  }
  assert.equal((await daemon.get(`${path}/zones`)).body.seq, AT - 1);
  // mutations
  const lines = { headers: { 'content-type': 'application/x-ndjson' } };
  for (const [where, body, options] of [
    ['ops', { op: 'kmalloc', size: 8 }],
    ['ops?dry_run=true', { op: 'kmalloc', size: 8 }],
    ['ops', '{"op":"kmalloc","size":8}', lines],
    ['fork', {}],
    ['fork', { at: AT }],
  ]) {
    const refused = await daemon.post(`${path}/${where}`, body, options);
    assert.equal(refused.status, 409, `${where}: ${refused.text}`);
    assert.match(refused.body.detail, /rerun/);
  }
  assert.equal((await daemon.post(`${path}/fork`, { at: AT - 1 })).status, 201);
  assert.equal((await daemon.ask('PATCH', path, { body: { name: 'still mine' } })).status, 200);
  await daemon.end();
});

test('rerun makes a sibling under today, once for a key', { skip }, async () => {
  const { daemon, lab, ops } = await old_lab({ differs: true });
  await daemon.resume();
  const again = { headers: { 'Idempotency-Key': 'rerun-1' } };
  const made = await daemon.post(`labs/${lab.id}/rerun`, {}, again);
  assert.equal(made.status, 201, made.text);
  assert.equal(made.headers.get('location'), `/api/v1/labs/${made.body.id}`);
  assert.equal(made.body.name, `old (rules ${made.body.engine.now})`);
  assert.deepEqual(
    [made.body.engine.made, made.body.engine.differs_at, made.body.seq],
    [made.body.engine.now, null, OPS],
  );
  assert.equal((await daemon.post(`labs/${lab.id}/rerun`, {}, again)).body.id, made.body.id);
  assert.equal((await daemon.get('labs')).body.labs.length, 2);
  assert.deepEqual((await daemon.get(`labs/${made.body.id}/ops`)).body.ops, ops);
  assert.equal((await daemon.post(`labs/${made.body.id}/ops`, { op: 'kfree', name: 'k3' })).status, 201);
  assert.equal((await daemon.post(`labs/${lab.id}/rerun`, { profile: 'classic' })).status, 422);
  await daemon.end();
});

test('a difference under the same rules is damage', { skip }, async () => {
  const probe = await Daemon.start();
  const { now } = (await probe.lab()).engine;
  await probe.end();
  const { daemon, lab } = await old_lab({ differs: true, rules: now });
  const checked = run(['check', daemon.store]);
  assert.equal(checked.status, 1);
  assert.match(checked.stdout, new RegExp(`operation ${AT} `));
  await daemon.resume();
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.engine.differs_at, null);
  await daemon.end();
});

test('immutable only with the rules of today in the URL', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab();
  await daemon.op(lab, { op: 'kmalloc', size: 100 });
  await daemon.op(lab, { op: 'kmalloc', size: 100 });
  const { now } = lab.engine;
  for (const path of [`labs/${lab.id}/zones?at=1`, `labs/${lab.id}/ops/1?explain=false`]) {
    assert.equal((await daemon.get(path)).headers.get('cache-control'), 'private, no-cache');
    assert.match((await daemon.get(`${path}&rules=${now}`)).headers.get('cache-control'), /immutable/);
    const other = await daemon.get(`${path}&rules=${now + 1}`);
    assert.equal(other.status, 422);
    assert.equal(other.body.errors[0].pointer, '/rules');
  }
  const { headers } = await daemon.get(`labs/${lab.id}/zones?at=1`);
  assert.equal(headers.get('etag'), `"${lab.id}-1-r${now}"`);
  const known = await daemon.get(`labs/${lab.id}/zones?at=1`, { headers: { 'If-None-Match': headers.get('etag') } });
  assert.equal(known.status, 304);
  assert.equal((await daemon.get(`labs/${lab.id}/zones`)).headers.get('cache-control'), 'no-cache');
  await daemon.end();
});
