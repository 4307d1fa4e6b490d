// Idempotency-Key on what makes, forks and deletes labs: one effect, one answer, also after a restart and when two come at once.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

const keyed = (key) => ({ headers: { 'idempotency-key': key } });
const answer = (reply) => [reply.status, reply.body, reply.headers.get('location')];

test('labs are made, forked and deleted once', async () => {
  const daemon = await Daemon.start();
  const restart = async () => {
    await daemon.signal('SIGKILL');
    await daemon.resume();
  };
  const wish = { name: 'once', profile: 'linux-6.1', memory: '64M' };
  const made = await daemon.post('labs', wish, keyed('make'));
  assert.equal(made.status, 201);
  const lab = made.body,
    path = `labs/${lab.id}`;
  await daemon.op(lab, { op: 'kmalloc', size: 100 });
  await daemon.ask('PATCH', path, { body: { name: 'renamed' } });
  const forked = await daemon.post(`${path}/fork`, { at: 1 }, keyed('make')); // keys of a lab are not those of the service
  assert.equal(forked.status, 201);

  for (const again of [() => undefined, restart]) {
    await again();
    assert.deepEqual(answer(await daemon.post('labs', wish, keyed('make'))), answer(made)); // the first answer, not today's
    assert.deepEqual(answer(await daemon.post(`${path}/fork`, { at: 1 }, keyed('make'))), answer(forked));
    assert.equal((await daemon.get('labs')).body.labs.length, 2);
  }
  assert.equal((await daemon.post('labs', { ...wish, name: 'another' }, keyed('make'))).status, 422);
  assert.equal((await daemon.post(`${path}/fork`, { at: 0 }, keyed('make'))).status, 422);
  assert.equal((await daemon.post('labs', wish, keyed('k'.repeat(65)))).status, 422);
  assert.equal((await daemon.post(`${path}/ops`, { op: 'kmalloc', size: 1 }, keyed('make'))).status, 422);

  // What was refused has not been answered.
  assert.equal((await daemon.post('labs', { profile: 'none' }, keyed('refused'))).status, 422);
  assert.equal((await daemon.post('labs', wish, keyed('refused'))).status, 201);

  assert.equal((await daemon.ask('DELETE', path, keyed('end'))).status, 204);
  assert.equal((await daemon.ask('DELETE', path, keyed('end'))).status, 204);
  await restart();
  assert.equal((await daemon.ask('DELETE', path, keyed('end'))).status, 204);
  assert.equal((await daemon.ask('DELETE', path)).status, 404);
  assert.equal((await daemon.ask('DELETE', path, keyed('other end'))).status, 404);
  assert.equal((await daemon.ask('DELETE', `labs/${forked.body.id}`, keyed('end'))).status, 422);
  assert.deepEqual(answer(await daemon.post('labs', wish, keyed('make'))), answer(made));
  await daemon.end();
});

test('one key, many at once: one lab', async () => {
  const daemon = await Daemon.start();
  const all = await Promise.all(Array.from({ length: 12 }, () => daemon.post('labs', { name: 'race' }, keyed('race'))));
  assert.deepEqual(
    [...new Set(all.map((reply) => `${reply.status} ${reply.text}`))].length,
    1,
    all.map((reply) => reply.text).join('\n'),
  );
  assert.equal((await daemon.get('labs')).body.labs.length, 1);
  await daemon.end();
});
