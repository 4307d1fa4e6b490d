// Labs that nobody can use any more can be deleted: damaged in any way, at rest after faults, and when the disk is full.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Daemon } from './daemon.mjs';

const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };
const LINES = '{"op":"kmalloc","size":100}\n'.repeat(5000);
const MIDDLE = 'WHERE id >> 40 = LAB AND id & 1099511627775 = 50';
const DAMAGE = {
  'an operation with another result': `UPDATE op SET result = result + 4096 ${MIDDLE}`,
  'an operation of no call': `UPDATE op SET call = 99999 ${MIDDLE}`,
  'numbers that are none': `UPDATE op SET size = x'00', cost_ns = 'abc' ${MIDDLE}`,
  'a gap': `DELETE FROM op ${MIDDLE}`,
  'no log': 'DELETE FROM op WHERE id >> 40 = LAB',
  'another chain': 'UPDATE chain SET value = zeroblob(16) WHERE id >> 40 = LAB',
  'no chain': 'DELETE FROM chain WHERE id >> 40 = LAB',
  'no configuration': "UPDATE lab SET config = '{}' WHERE id = LAB",
  'a parent that is not there': 'UPDATE lab SET parent = 77, parent_seq = 3 WHERE id = LAB',
  'an import that never was': "INSERT INTO importing VALUES (LAB, 5000, x'01')",
};

const damage = (daemon, lab, sql) =>
  spawnSync('sqlite3', [
    daemon.store,
    `PRAGMA foreign_keys = OFF; DELETE FROM snapshot;
     ${sql.replaceAll('LAB', `(SELECT id FROM lab WHERE key = '${lab.id}')`)}`,
  ]);

test('a lab that is damaged in any way can be deleted, and so can its forks', async () => {
  const daemon = await Daemon.start();
  const labs = [];
  for (const kind of Object.keys(DAMAGE)) {
    const lab = await daemon.lab({ name: kind });
    await daemon.post(`labs/${lab.id}/ops?results=summary`, LINES.slice(0, 2800), NDJSON);
    const fork = (await daemon.post(`labs/${lab.id}/fork`, { at: 80 })).body;
    labs.push(lab, { ...fork, name: `a fork of ${kind}` });
  }
  const sound = await daemon.lab();
  await daemon.op(sound, { op: 'kmalloc', size: 100 });
  await daemon.signal('SIGTERM');
  for (const lab of labs) if (DAMAGE[lab.name]) damage(daemon, lab, DAMAGE[lab.name]);
  await daemon.resume();
  for (const lab of labs) {
    if (DAMAGE[lab.name]) assert.equal((await daemon.get(`labs/${lab.id}`)).status, 500, lab.name);
    const gone = await daemon.ask('DELETE', `labs/${lab.id}`);
    assert.equal(gone.status, 204, `${lab.name}: ${gone.text}`);
    assert.equal((await daemon.get(`labs/${lab.id}`)).status, 404, lab.name);
  }
  assert.equal((await daemon.op(sound, { op: 'kmalloc', size: 100 })).seq, 2);
  await daemon.end();
});

// The daemon alone sees the small disk, which goes when it ends.
const SMALL_DISK = [
  'unshare',
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mkdir "$0/small" && mount -t tmpfs -o size=24m tmpfs "$0/small" && cp "$0"/pagoda.db* "$0/small" && exec "$@"',
];

test('on a full disk a damaged lab, one that rests and a sound one can be deleted', async (t) => {
  if (spawnSync('unshare', ['--map-root-user', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status !== 0)
    return t.skip('this host lets nobody mount a disk');
  const daemon = await Daemon.start({ environment: { PAGODA_PLANT: '1' } });
  const [damaged, resting, large] = [await daemon.lab(), await daemon.lab(), await daemon.lab()];
  await daemon.post(`labs/${damaged.id}/ops?results=summary`, LINES.slice(0, 2800), NDJSON);
  await daemon.signal('SIGTERM');
  damage(daemon, damaged, DAMAGE['a gap']);
  daemon.wrapper = [...SMALL_DISK, daemon.directory];
  daemon.store = `${daemon.directory}/small/pagoda.db`;
  await daemon.resume();
  let reply;
  do reply = await daemon.post(`labs/${large.id}/import`, LINES, NDJSON);
  while (reply.status === 200);
  assert.equal(reply.status, 507, reply.text);
  for (let i = 0; i < 3; i++) await daemon.post(`labs/${resting.id}/ops`, { op: 'mark', text: 'plant: invariant' });
  for (const lab of [damaged, resting, large]) {
    const gone = await daemon.ask('DELETE', `labs/${lab.id}`);
    assert.equal(gone.status, 204, gone.text);
  }
  await daemon.lab();
  await daemon.end();
});
