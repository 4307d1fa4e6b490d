// pagodad replay --state: from a recorded state of the page allocator on, as the machine that was recorded went on.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { join } from 'node:path';
import { Daemon, run } from './daemon.mjs';

const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };
const lines = (nr, tag) =>
  Array.from({ length: nr }, (_, i) =>
    JSON.stringify(
      i % 3 === 2
        ? { op: 'free_pages', order: (i - 2) % 4, name: `${tag}${i - 2}`, cpu: i % 2 }
        : { op: 'alloc_pages', order: i % 4, name: `${tag}${i}`, cpu: i % 2 },
    ),
  ).join('\n') + '\n';

test('a trace goes on from a state', async () => {
  const daemon = await Daemon.start();
  const lab = await daemon.lab({ memory: '64M', cpus: 2 });
  const path = (name) => join(daemon.directory, name);
  const feed = async (text) => JSON.parse((await daemon.post(`labs/${lab.id}/ops?results=summary`, text, NDJSON)).text);
  assert.equal((await feed(lines(900, 'a'))).summary.failed, 0);
  const first = (await daemon.get(`labs/${lab.id}/state`)).text;
  const rest = lines(600, 'b');
  assert.equal((await feed(rest)).summary.failed, 0);
  const last = (await daemon.get(`labs/${lab.id}/state`)).text;
  writeFileSync(path('rest.ndjson'), rest);
  writeFileSync(path('first.tsv.gz'), gzipSync(`STATE\tnow\n${first}ENDSTATE\tnow\nSTATE\tlater\n`));
  const played = run([
    'replay',
    '--json',
    '--state',
    path('first.tsv.gz'),
    '--save-state',
    path('last.tsv'),
    path('rest.ndjson'),
  ]);
  assert.equal(played.status, 0, played.stderr);
  const summary = JSON.parse(played.stdout);
  assert.deepEqual([summary.operations, summary.nr_frames], [600, 16384]);
  // The same pages in the same order on every list; LRU pages alone are those of the recorded kernel.
  const lists = (text) => text.split('\n').filter((line) => !line.startsWith('LRU'));
  assert.deepEqual(lists(readFileSync(path('last.tsv'), 'utf8')), lists(last));
  assert.notDeepEqual(lists(first), lists(last));

  const refused = (...args) => {
    const done = run(['replay', ...args, path('rest.ndjson')]);
    assert.equal(done.status, 2);
    return done.stderr;
  };
  writeFileSync(path('bad.tsv'), first.replace(/^FREE.*$/m, 'FREE\t0\tnonsense'));
  assert.match(refused('--state', path('bad.tsv')), /line \d+/);
  assert.match(refused('--state', path('rest.ndjson')), /no ZONE line/);
  assert.match(refused('--state', path('none')), /cannot open/);
  assert.match(refused('--state', path('first.tsv.gz'), '--profile', 'classic', '--cpus', '1'), /no such states/);
  await daemon.end();
});
