// tests/api/long/migration.test.mjs - a large store of schema 4 (OPS=) is opened by today's daemon: within a minute, with lines
// that say how far it has got, and after a kill -9 in the middle it goes on where it was.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon, PAGODAD, run } from '../daemon.mjs';

const OPS = Number(process.env.OPS ?? 10_000_000);
const MOST_CPU_S = 60; // on a busy machine the clock says less
const TICKS = 100; // a second

const SAMPLE = new URL('../../store/store-4.sql', import.meta.url);
const PROGRESS = /(\d+) of (\d+) operations are chained/g;

const sqlite = (store, sql) => {
  const done = spawnSync('sqlite3', [store], { input: sql, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout.trim();
};

// A lab of 20,000 calls, most of which are not at hand when they are needed. Marks do nothing, so that any log of them is a
// sound one; what the sample's labs hold stays.
const fill = (store) =>
  sqlite(
    store,
    `${readFileSync(SAMPLE, 'utf8')}
     PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN;
     INSERT INTO lab (id, key, name, created, config, rules, made)
       SELECT 100, 'aaaaaaaa', 'large', created, config, rules, made FROM lab WHERE id = 2;
     INSERT INTO text (id, text) WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
       SELECT 100000 + i, 'remark ' || i FROM n;
     INSERT INTO call (id, kind, outcome, allocated, text)
       SELECT id, (SELECT id FROM op_kind WHERE name = 'mark'), 0, 0, id FROM text WHERE id > 100000;
     INSERT INTO op (id, call, result, cost_ns, slept_ns)
       WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${OPS})
       SELECT 100 << 40 | i, 100001 + i * 7919 % 20000, 0, 0, 0 FROM n;
     COMMIT`,
  );

// Resolves with how many are chained when the daemon has said so and is dead.
const kill_in_the_middle = (store) =>
  new Promise((resolve) => {
    const daemon = spawn(PAGODAD, ['serve', '--listen', '127.0.0.1:0', '--store', store]);
    let said = '';
    daemon.stderr.on('data', (part) => {
      said += part;
      if (PROGRESS.test(said)) daemon.kill('SIGKILL');
    });
    daemon.on('exit', () => resolve(said));
  });

test(`${OPS} operations of schema 4 are chained`, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pagoda-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const store = join(directory, 'pagoda.db');
  fill(store);
  const begun = performance.now();
  assert.match(await kill_in_the_middle(store), /are chained now; that takes \d+ MiB/);
  const killed_ms = performance.now() - begun;
  const left = OPS - Number(sqlite(store, 'SELECT coalesce(max(seq), 0) FROM chain WHERE id > 100 << 40'));
  assert.ok(left > 0 && left < OPS, `${left} are left`);
  const daemon = await Daemon.start({ directory, store });
  t.after(() => daemon.signal('SIGKILL'));
  const stat = readFileSync(`/proc/${daemon.process.pid}/stat`, 'utf8').split(' ');
  const cpu_s = (Number(stat[13]) + Number(stat[14])) / TICKS;
  t.diagnostic(`killed after ${Math.round(killed_ms)} ms, ${left} left`);
  t.diagnostic(`then ${Math.round(daemon.started_ms)} ms, ${cpu_s} s of CPU`);
  assert.ok(cpu_s < MOST_CPU_S);
  const [, done, all] = [...daemon.errors.matchAll(PROGRESS)].at(-1);
  assert.equal(done, all); // of those that were left
  assert.ok(Number(all) >= left && Number(all) < OPS);
  assert.deepEqual(await daemon.signal('SIGTERM'), { code: 0, signal: null });
  const checked = run(['check', store]);
  assert.equal(checked.status, 0, checked.stdout);
});
