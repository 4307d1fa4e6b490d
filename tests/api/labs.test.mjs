// Labs, single operations, views and time travel, against the real daemon.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

let daemon;
before(async () => {
  daemon = await Daemon.start();
});
after(() => daemon.end());

test('is ready within 100 ms and answers health checks', async () => {
  assert.ok(daemon.started_ms < 1000, `${daemon.started_ms} ms`);
  assert.equal((await daemon.get('/healthz')).text, 'ok\n');
  assert.equal((await daemon.get('/readyz')).status, 200);
  assert.match((await daemon.get('/metrics')).text, /^pagoda_http_requests_total \d+$/m);
});

test('a lab on a machine with a past begins at operation 1 all the same', async () => {
  for (const profile of ['classic', 'linux-6.1']) {
    const made = await daemon.post('labs', { profile, machine: 'used' });
    assert.deepEqual([made.status, made.body.machine, made.body.seq], [201, 'used', 0], made.text);
    const lab = made.body;
    const live = async (query) => (await daemon.get(`labs/${lab.id}/allocations${query}`)).body.allocations;
    assert.deepEqual(await live(''), []);
    const past = await live('?past=true');
    assert.ok(past.length === 1000 && past.every((each) => each.seq === 0 && each.call_site && !each.name));
    await daemon.op(lab, { op: 'kmalloc', size: 100, name: 'mine' });
    assert.deepEqual(
      (await live('')).map((each) => [each.seq, each.name]),
      [[1, 'mine']],
    );
    const freed = await daemon.op(lab, { op: past[0].release, address: past[0].address });
    assert.equal(freed.outcome, 'ok');
    const fork = (await daemon.post(`labs/${lab.id}/fork`, { at: 0 })).body;
    assert.equal(fork.machine, 'used');
    const zones = async (id) => (await daemon.get(`labs/${id}/zones?at=0`)).body.zones;
    assert.deepEqual(await zones(fork.id), await zones(lab.id));
  }
  const plain = await daemon.lab();
  assert.equal(plain.machine, 'fresh');
  for (const machine of ['old', 1, null]) {
    const refused = await daemon.post('labs', { profile: 'classic', machine });
    assert.deepEqual([refused.status, refused.body.errors[0].pointer], [422, '/machine']);
    assert.match(refused.body.detail, /"fresh", "used" or "fragmented"/);
  }
  const large = await daemon.post('labs', { profile: 'linux-6.1', memory: '2G', machine: 'used' });
  assert.deepEqual([large.status, large.body.errors[0].pointer], [422, '/machine']);
});

test('words of the boot line make the machine', async () => {
  const make = async (boot, more = {}) => (await daemon.post('labs', { profile: 'linux-6.1', boot, ...more })).body;
  const words = await make('slub_debug=FZ init_on_alloc=1 transparent_hugepage=never');
  assert.deepEqual(
    [words.slub_debug, words.init_on_alloc, words.init_on_free, words.transparent_hugepage_never],
    ['FZ', 1, 0, 1],
  );
  assert.equal(words.cmdline_length, 66 + ' slub_debug=FZ init_on_alloc=1 transparent_hugepage=never'.length);
  assert.equal(words.boot, 'transparent_hugepage=never slub_debug=FZ init_on_alloc=1');
  const whole = 'console=ttyS0 nokaslr panic=-1 lab=dev_b labname=dev_b init_on_alloc=0 init_on_free=on';
  const pasted = await make(`${whole}\n`);
  assert.deepEqual([pasted.cmdline_length, pasted.init_on_free, pasted.boot], [whole.length, 1, 'init_on_free=1']);
  assert.equal((await make('slub_debug')).slub_debug, 'FZPU');
  assert.equal((await make('slub_debug=')).slub_debug, 'FZPU');
  assert.equal((await make('slub_debug=-')).slub_debug, '');
  const quoted = await make(
    'root=/dev/vda x="init_on_alloc=1 y" init-on-free="1"\u000bslub_debug=F -- init_on_alloc=1',
  );
  assert.deepEqual([quoted.init_on_alloc, quoted.init_on_free, quoted.slub_debug], [0, 1, 'F']);
  const own = { slub_debug: 'Z', boot: 'slub_debug=F init_on_alloc=1', profile: 'linux-6.1', init_on_alloc: 0 };
  const { slub_debug, init_on_alloc } = (await daemon.post('labs', own)).body;
  assert.deepEqual([slub_debug, init_on_alloc], ['Z', 0], 'an option given by itself counts more');
  assert.equal((await make('init_on_free=1', { cmdline_length: 100 })).cmdline_length, 100);
  assert.deepEqual([(await make('')).boot, (await make('')).cmdline_length], ['', 66]);
  const refusals = {
    'slub_debug=FQ': /"slub_debug" takes letters of FZPU/,
    'init_on_alloc=maybe': /"init_on_alloc" takes 0 or 1/,
    transparent_hugepage: /takes always, madvise or never/,
    'slub_debgu=F': /"slub_debgu" is not simulated/,
    'root=/dev/vda mem=64M': /"mem" is not simulated/,
    ['x'.repeat(1901)]: /at most 1900 characters/,
  };
  for (const [boot, text] of Object.entries(refusals)) {
    const refused = await daemon.post('labs', { profile: 'linux-6.1', boot });
    assert.deepEqual([refused.status, refused.body.errors[0].pointer], [422, '/boot'], boot);
    assert.match(refused.body.detail, text);
  }
  assert.equal((await daemon.post('labs', { profile: 'linux-6.1', boot: 7 })).status, 422);
  for (const boot of ['slub_debug', '']) {
    const refused = await daemon.post('labs', { boot });
    assert.deepEqual([refused.status, refused.body.errors[0].pointer], [422, '/boot']);
  }
});

test('publishes profiles and the op table', async () => {
  const { profiles } = (await daemon.get('profiles')).body;
  assert.deepEqual(
    profiles.map((profile) => profile.name),
    ['classic', 'linux-6.1'],
  );
  assert.deepEqual(profiles[0].min_blocks, [32, 64]);
  const table = (await daemon.get('ops')).body;
  assert.deepEqual(table.ops.find((op) => op.op === 'vmalloc').further.includes('gfp'), false);
  assert.deepEqual(table.contexts, ['process', 'softirq', 'tasklet', 'hardirq']);
  assert.ok(table.gfp.some((flag) => flag.name === 'GFP_KERNEL' && flag.bits === '0xcc0' && flag.mask));
  for (const op of table.ops)
    for (const name of [...op.needed, ...op.further])
      assert.ok(
        table.params.some((param) => param.name === name),
        `${op.op}.${name}`,
      );
});

test('a lab is made, listed, renamed and deleted', async () => {
  const made = await daemon.post('labs', { name: 'first', profile: 'classic', memory: '16M', min_block: 64 });
  assert.equal(made.status, 201);
  assert.equal(made.headers.get('location'), `/api/v1/labs/${made.body.id}`);
  assert.equal(made.body.memory, 16 << 20);
  assert.equal(made.body.min_block, 64);
  assert.equal(made.body.seq, 0);
  assert.match(made.body.hash, /^0x[0-9a-f]{16}$/);
  const path = `labs/${made.body.id}`;
  assert.ok((await daemon.get('labs')).body.labs.some((lab) => lab.id === made.body.id));
  assert.equal((await daemon.ask('PATCH', path, { body: { name: 'second' } })).body.name, 'second');
  assert.equal((await daemon.get(path)).body.name, 'second');
  assert.equal((await daemon.ask('DELETE', path)).status, 204);
  assert.equal((await daemon.get(path)).status, 404);
});

test('operations answer with results, and what the allocator refuses is a result too', async () => {
  const lab = await daemon.lab({ profile: 'classic', memory: '16M' });
  const done = await daemon.post(`labs/${lab.id}/ops`, {
    op: 'kmalloc',
    size: 1000,
    gfp: 'GFP_KERNEL|__GFP_ZERO',
    name: 'a',
  });
  assert.equal(done.status, 201);
  assert.equal(done.headers.get('location'), `/api/v1/labs/${lab.id}/ops/1`);
  assert.equal(done.body.outcome, 'ok');
  assert.match(done.body.address, /^0x[0-9a-f]+$/);
  assert.ok(done.body.allocated >= 1000);
  assert.ok(done.body.events.length > 0 && done.body.path[0] === 'kmalloc');
  assert.equal((await daemon.op(lab, { op: 'kmalloc', size: 131056 })).outcome, 'ok');
  assert.equal((await daemon.op(lab, { op: 'kmalloc', size: 131057 })).outcome, 'null');
  assert.equal((await daemon.op(lab, { op: 'kfree', name: 'a' })).outcome, 'ok');
  const twice = await daemon.op(lab, { op: 'kfree', address: done.body.address });
  assert.equal(twice.outcome, 'bug');
  assert.ok(twice.message.length > 0);
  assert.equal((await daemon.op(lab, { op: 'vmalloc', size: '64K', context: 'hardirq' })).outcome, 'bug');
});

test('explain shows decisions, dry_run records nothing', async () => {
  const lab = await daemon.lab();
  const tried = await daemon.op(lab, { op: 'alloc_pages', order: 3 }, '?dry_run=true&explain=true');
  assert.ok(tried.decisions.length > 0);
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, 0);
  const done = await daemon.op(lab, { op: 'alloc_pages', order: 3 });
  assert.equal(done.address, tried.address);
  assert.equal(done.decisions, undefined);
});

test('every view shows what was done', async () => {
  const lab = await daemon.lab();
  const path = `labs/${lab.id}`;
  const object = await daemon.op(lab, { op: 'kmalloc', size: 100, name: 'object' });
  const area = await daemon.op(lab, { op: 'vmalloc', size: 20000, name: 'area' });
  const { pid } = await daemon.op(lab, { op: 'spawn', name: 'sh' });
  const block = await daemon.op(lab, { op: 'malloc', pid, size: 500, name: 'block' });
  await daemon.op(lab, { op: 'write', address: object.address, hex: '00ff10' });

  const frames = (await daemon.get(`${path}/frames`)).body;
  assert.equal(frames.nr_frames, 64 << 8);
  assert.equal(
    frames.frames.reduce((sum, run) => sum + run.count, 0),
    frames.nr_frames,
  );
  assert.ok(frames.frames.some((run) => run.kind === 'slab' && /kmalloc-128/.test(run.owner)));
  const cells = await daemon.get(`${path}/frames`, { headers: { accept: 'application/octet-stream' }, raw: true });
  assert.equal(cells.body.length, 4 * frames.nr_frames);
  assert.equal(cells.headers.get('x-pagoda-seq'), '5');
  const { tiles } = (await daemon.get(`${path}/frames?lod=9`)).body;
  assert.equal(tiles.length, frames.nr_frames / 512);
  assert.equal(
    tiles.reduce((sum, tile) => sum + Object.values(tile.shares).reduce((a, b) => a + b, 0), 0),
    frames.nr_frames,
  );
  assert.equal((await daemon.get(`${path}/frames/4096`)).body.pfn, 4096);
  assert.equal((await daemon.get(`${path}/frames/99999999`)).status, 404);

  const { zones } = (await daemon.get(`${path}/zones`)).body;
  assert.ok(zones.length >= 2 && zones.every((zone) => zone.free_area.length === 11));
  const { caches } = (await daemon.get(`${path}/caches`)).body;
  assert.equal(caches.find((cache) => cache.name === 'kmalloc-128').nr_in_use, 1);
  const cache = (await daemon.get(`${path}/caches/kmalloc-128?objects=true`)).body;
  assert.equal(cache.slabs.flatMap((slab) => slab.objects).filter((each) => each.in_use)[0].address, object.address);
  assert.equal((await daemon.get(`${path}/caches/none`)).status, 404);

  const { areas } = (await daemon.get(`${path}/vmalloc`)).body;
  const mine = areas.find((each) => each.start === area.address);
  assert.equal(
    mine.frames.reduce((sum, run) => sum + run.count, 0),
    5,
  );
  assert.equal((await daemon.get(`${path}/processes`)).body.processes[0].pid, pid);
  assert.ok((await daemon.get(`${path}/processes/${pid}/maps`)).body.maps.some((map) => map.name === '[heap]'));
  assert.ok((await daemon.get(`${path}/processes/${pid}/heap`)).body.chunks.some((chunk) => chunk.requested === 500));
  assert.equal((await daemon.get(`${path}/processes/9999/maps`)).status, 404);

  const walk = (await daemon.get(`${path}/translate?address=${area.address}`)).body;
  assert.ok(walk.present && walk.levels.length === 4);
  assert.equal((await daemon.get(`${path}/translate?address=${block.address}&pid=${pid}`)).body.region, 'user');
  assert.equal((await daemon.get(`${path}/memory?address=${object.address}&length=3`)).body.hex, '00ff10');
  const { allocations } = (await daemon.get(`${path}/allocations`)).body;
  assert.deepEqual(allocations.map((each) => each.name).sort(), ['area', 'block', 'object']);
  const first_page = (await daemon.get(`${path}/allocations?limit=2`)).body;
  const second_page = (await daemon.get(`${path}/allocations?limit=2&next=${first_page.next}`)).body;
  assert.deepEqual([...first_page.allocations, ...second_page.allocations], allocations);
  assert.equal((await daemon.get(`${path}/stats`)).body.outcomes.ok, 5);
  const { points } = (await daemon.get(`${path}/stats?points=3`)).body;
  assert.deepEqual(
    points.map((point) => point.seq),
    [0, 2, 5],
  );
});

test('any moment can be seen again, and ETags make that free', async () => {
  const lab = await daemon.lab();
  const path = `labs/${lab.id}`;
  const views = ['frames', 'zones', 'caches', 'vmalloc', 'allocations', 'stats', 'processes'];
  const seen = [];
  for (let i = 0; i < 12; i++) {
    await daemon.op(
      lab,
      [
        { op: 'kmalloc', size: 3000 },
        { op: 'vmalloc', size: 9000 },
        { op: 'alloc_pages', order: i % 4 },
      ][i % 3],
    );
    seen.push(await Promise.all(views.map(async (view) => (await daemon.get(`${path}/${view}`)).text)));
  }
  for (const seq of [12, 3, 7, 8, 1, 11])
    for (const [i, view] of views.entries()) {
      const past = await daemon.get(`${path}/${view}?at=${seq}`);
      assert.equal(past.text, seen[seq - 1][i], `${view} at ${seq}`);
      assert.equal(past.headers.get('cache-control'), 'private, no-cache');
      const kept = await daemon.get(`${path}/${view}?at=${seq}&rules=${lab.engine.now}`);
      assert.equal(kept.text, past.text);
      assert.match(kept.headers.get('cache-control'), /immutable/);
      const again = await daemon.get(`${path}/${view}?at=${seq}`, {
        headers: { 'if-none-match': past.headers.get('etag') },
      });
      assert.equal(again.status, 304);
      assert.equal(again.text, '');
    }
  const head = await daemon.get(`${path}/zones`);
  assert.equal(head.headers.get('cache-control'), 'no-cache');
  assert.equal(
    (await daemon.get(`${path}/zones`, { headers: { 'if-none-match': head.headers.get('etag') } })).status,
    304,
  );
  await daemon.op(lab, { op: 'kmalloc', size: 8 });
  assert.equal(
    (await daemon.get(`${path}/zones`, { headers: { 'if-none-match': head.headers.get('etag') } })).status,
    200,
  );
});

test('the log lists operations, and tells each one again in full', async () => {
  const lab = await daemon.lab();
  const first = await daemon.op(lab, { op: 'kmalloc', size: 200, name: 'x', call_site: 'demo+0x1' });
  for (let i = 0; i < 4; i++) await daemon.op(lab, { op: 'alloc_pages', order: 0 });
  const page = await daemon.get(`labs/${lab.id}/ops?limit=2`);
  assert.deepEqual(
    page.body.ops.map((op) => op.seq),
    [1, 2],
  );
  assert.equal(page.body.ops[0].name, 'x');
  assert.equal(page.body.ops[0].result.address, first.address);
  assert.match(page.headers.get('link'), /rel="next"/);
  assert.deepEqual(
    (await daemon.get(`labs/${lab.id}/ops?from=${page.body.next}`)).body.ops.map((op) => op.seq),
    [3, 4, 5],
  );
  const { request, ...again } = (await daemon.get(`labs/${lab.id}/ops/1`)).body;
  assert.deepEqual(again, first);
  assert.equal(request.call_site, 'demo+0x1');
  assert.equal((await daemon.get(`labs/${lab.id}/ops/6`)).status, 404);
  const lines = await daemon.get(`labs/${lab.id}/ops`, { headers: { accept: 'application/x-ndjson' } });
  assert.equal(lines.text.trim().split('\n').length, 5);
});

test('a fork shares the past and goes its own way; an export makes the same machine', async () => {
  const lab = await daemon.lab();
  for (let i = 0; i < 6; i++) await daemon.op(lab, { op: 'kmalloc', size: 100 * i + 1, name: `n${i}` });
  const fork = (await daemon.post(`labs/${lab.id}/fork`, { at: 4 })).body;
  assert.equal(fork.seq, 4);
  await daemon.op(fork, { op: 'kfree', name: 'n1' });
  assert.equal(
    (await daemon.get(`labs/${fork.id}/zones?at=3`)).text,
    (await daemon.get(`labs/${lab.id}/zones?at=3`)).text,
  );
  assert.equal((await daemon.get(`labs/${fork.id}/ops`)).body.ops.length, 5);
  assert.equal((await daemon.ask('DELETE', `labs/${lab.id}`)).status, 204);
  assert.equal((await daemon.get(`labs/${fork.id}/ops/2`)).body.request.name, 'n1');

  const text = (await daemon.get(`labs/${fork.id}/export?format=ndjson`)).text;
  const copy = await daemon.lab();
  assert.equal(
    (
      await daemon.post(`labs/${copy.id}/import?format=ndjson`, text, {
        headers: { 'content-type': 'application/x-ndjson' },
      })
    ).status,
    200,
  );
  assert.equal((await daemon.get(`labs/${copy.id}`)).body.hash, (await daemon.get(`labs/${fork.id}`)).body.hash);
});

test('If-Match and Idempotency-Key keep two people and retries apart', async () => {
  const lab = await daemon.lab();
  const path = `labs/${lab.id}/ops`;
  const op = { op: 'kmalloc', size: 64 };
  assert.equal((await daemon.post(path, op, { headers: { 'if-match': '"0"' } })).status, 201);
  assert.equal((await daemon.post(path, op, { headers: { 'if-match': '"0"' } })).status, 412);
  const first = await daemon.post(path, op, { headers: { 'idempotency-key': 'k1' } });
  const again = await daemon.post(path, op, { headers: { 'idempotency-key': 'k1' } });
  assert.deepEqual(again.body, first.body);
  assert.equal(
    (await daemon.post(path, { op: 'kmalloc', size: 65 }, { headers: { 'idempotency-key': 'k1' } })).status,
    422,
  );
  const many = await Promise.all(
    Array.from({ length: 8 }, () => daemon.post(path, op, { headers: { 'idempotency-key': 'k2' } })),
  );
  assert.equal(new Set(many.map((reply) => reply.body.seq)).size, 1);
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, 3);
});

test('of two NDJSON bodies for the same moment one is applied', async () => {
  const lab = await daemon.lab();
  const body = '{"op":"kmalloc","size":64}\n'.repeat(300);
  for (let round = 0; round < 30; round++) {
    const headers = { 'content-type': 'application/x-ndjson', 'if-match': `"${round * 300}"` };
    const ask = () => daemon.post(`labs/${lab.id}/ops?results=summary`, body, { headers });
    const answers = await Promise.all([ask(), ask(), ask(), ask()]);
    assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 412, 412, 412], `round ${round}`);
  }
  assert.equal((await daemon.get(`labs/${lab.id}`)).body.seq, 9000);
});

test('text answers can be compressed', async () => {
  const lab = await daemon.lab();
  const reply = await daemon.get(`labs/${lab.id}/caches`, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(reply.headers.get('content-encoding'), 'gzip');
  assert.ok(reply.body.caches.length > 5);
});
