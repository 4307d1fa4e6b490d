// The page allocator over HTTP: zones with their indices against /proc, states that dump themselves, the operations on pages,
// who is reclaimed from under pressure, the OOM killer's report, and the decisions behind one allocation.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

const MIB = 1 << 20;
let daemon;
before(async () => {
  daemon = await Daemon.start();
});
after(() => daemon.end());

const get = async (lab, path) => {
  const reply = await daemon.get(`labs/${lab.id}/${path}`);
  assert.equal(reply.status, 200, reply.text);
  return reply.body;
};
const names = (list) => list.map((entry) => entry.event);

// "Node 0, zone    DMA32" and its lines, by name; the first number of a line is its value.
const parse_zoneinfo = (text) =>
  Object.fromEntries(
    text
      .split(/^Node 0, zone +/m)
      .slice(1)
      .map((part) => {
        const [name, ...lines] = part.split('\n');
        const values = {};
        for (const line of lines) {
          const found = /^\s+(?:pages )?([a-z_]+):? +(\d+)$/.exec(line);
          if (found) values[found[1]] ??= Number(found[2]);
        }
        const protection = /protection: \(([^)]*)\)/.exec(part)[1].split(',').map(Number);
        const pagesets = [...part.matchAll(/cpu: (\d+)\s+count: (\d+)\s+high: +(\d+)\s+batch: (\d+)/g)].map((m) =>
          m.slice(1).map(Number),
        );
        return [name.trim(), { ...values, protection, pagesets }];
      }),
  );

test('watermarks, sizes and per-CPU lists are those of /proc/zoneinfo', async () => {
  const lab = await daemon.lab({ memory: '192M', cpus: 2 });
  for (const name of ['a', 'b', 'c']) await daemon.op(lab, { op: 'alloc_pages', order: 1, cpu: 1, name });
  const { zones } = await get(lab, 'zones');
  const info = parse_zoneinfo(await get(lab, 'proc/zoneinfo'));
  assert.deepEqual(
    zones.map((zone) => zone.name),
    ['DMA', 'DMA32'],
  );
  for (const zone of zones) {
    const told = info[zone.name];
    for (const field of ['min', 'low', 'high', 'spanned', 'present', 'managed', 'boost', 'start_pfn'])
      assert.equal(zone[field], told[field], `${zone.name} ${field}`);
    assert.deepEqual(zone.lowmem_reserve.slice(0, told.protection.length), told.protection.slice(0, 4));
    assert.deepEqual(
      zone.cpus.map((pcp) => [pcp.cpu, pcp.count, pcp.high, pcp.batch]),
      told.pagesets,
    );
  }
});

test('indices, pageblocks and lists add up', async () => {
  const lab = await daemon.lab({ memory: '192M', cpus: 2 });
  for (const name of ['a', 'b', 'c', 'd']) await daemon.op(lab, { op: 'alloc_pages', order: 2, name });
  const { zones } = await get(lab, 'zones');
  const rows = (await get(lab, 'proc/buddyinfo'))
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).slice(4).map(Number));
  for (const [i, zone] of zones.entries()) {
    assert.deepEqual(
      zone.free_area.map((area) => area.nr_free),
      rows[i],
    );
    const free = rows[i].reduce((sum, nr, order) => sum + nr * 2 ** order, 0);
    assert.equal(zone.free, free);
    for (const area of zone.free_area) {
      const small = rows[i].slice(0, area.order).reduce((sum, nr, order) => sum + nr * 2 ** order, 0);
      assert.equal(area.unusable_index, Math.floor((small * 1000) / free));
      assert.equal(
        area.nr_free,
        Object.values(area.migratetypes).reduce((a, b) => a + b),
      );
      if (rows[i].slice(area.order).some((nr) => nr)) assert.equal(area.fragmentation_index, -1000);
    }
    assert.equal(
      Object.values(zone.pageblocks).reduce((a, b) => a + b),
      Math.ceil((zone.start_pfn + zone.spanned) / 512) - Math.floor(zone.start_pfn / 512),
    );
    for (const pcp of zone.cpus)
      assert.equal(
        pcp.count,
        pcp.lists.reduce((sum, list) => sum + list.nr_blocks * 2 ** list.order, 0),
      );
  }
  assert.equal(
    zones.reduce((sum, zone) => sum + zone.cpus.reduce((n, pcp) => n + pcp.count, 0), 0),
    zones.reduce((sum, zone) => sum + zone.pcp, 0),
  );
});

test('a state tells its moment, and classic has none', async () => {
  const lab = await daemon.lab({ memory: '64M' });
  await daemon.op(lab, { op: 'alloc_pages', order: 3, name: 'a' });
  const then = await get(lab, 'state');
  assert.match(then, /^ZONE\t0\tDMA\tstart_pfn=1\t/);
  await daemon.op(lab, { op: 'free_pages', order: 3, name: 'a' });
  await daemon.op(lab, { op: 'alloc_pages', order: 0, name: 'b' });
  assert.equal(await get(lab, 'state?at=1'), then);
  assert.notEqual(await get(lab, 'state'), then);
  const classic = await daemon.lab({ profile: 'classic', memory: '16M' });
  const reply = await daemon.get(`labs/${classic.id}/state`);
  assert.equal(reply.status, 404);
});

test('alloc_pages and free_pages: a block of its order, back by name, once', async () => {
  const lab = await daemon.lab();
  const made = await daemon.op(lab, { op: 'alloc_pages', order: 3, gfp: 'GFP_KERNEL|__GFP_ZERO', name: 'a' });
  assert.equal(made.outcome, 'ok');
  assert.deepEqual(
    [made.requested, made.allocated, made.frames.length, made.frames[0].count],
    [8 * 4096, 8 * 4096, 1, 8],
  );
  assert.equal(made.frames[0].pfn % 8, 0);
  const stats = await get(lab, 'stats');
  assert.equal(stats.nr_allocations, 1);
  assert.equal(stats.allocated_bytes, 8 * 4096);
  const wrong = await daemon.op(lab, { op: 'free_pages', order: 2, address: made.address });
  assert.equal(wrong.outcome, 'bug');
  assert.match(wrong.message, /has order 3, not 2/);
  assert.equal((await daemon.op(lab, { op: 'free_pages', order: 3, name: 'a' })).outcome, 'ok');
  const twice = await daemon.op(lab, { op: 'free_pages', order: 3, address: made.address });
  assert.equal(twice.outcome, 'bug');
  assert.match(twice.message, /^__free_pages: Linux would not notice\n\(the page is free already\)$/);
  assert.equal((await get(lab, 'stats')).nr_allocations, 0);
  const huge = await daemon.op(lab, { op: 'alloc_pages', order: 11 });
  assert.equal(huge.outcome, 'null');
  assert.match(huge.message, /mm\/page_alloc\.c/);
});

test('drain_pages empties the lists of its CPU alone', async () => {
  const lab = await daemon.lab({ cpus: 2 });
  for (const cpu of [0, 1]) {
    const { address } = await daemon.op(lab, { op: 'alloc_pages', order: 0, cpu });
    await daemon.op(lab, { op: 'free_pages', order: 0, cpu, address });
  }
  const count = async () =>
    (await get(lab, 'zones')).zones.reduce((sum, zone) => sum.map((n, cpu) => n + zone.cpus[cpu].count), [0, 0]);
  const [first, second] = await count();
  assert.ok(first > 0 && second > 0);
  await daemon.op(lab, { op: 'drain_pages', cpu: 1 });
  assert.deepEqual(await count(), [first, 0]);
});

test('compact_memory makes large blocks of scattered small ones', async () => {
  const lab = await daemon.lab({ memory: '64M' });
  const { pid } = await daemon.op(lab, { op: 'spawn', name: 'board' });
  const area = BigInt((await daemon.op(lab, { op: 'mmap', pid, length: 32 * MIB })).address);
  await daemon.op(lab, { op: 'write', pid, address: `0x${area.toString(16)}`, fill: 7, length: 8 * MIB });
  const holes = [];
  for (let page = 0n; page < 2048n; page += 2n)
    holes.push(JSON.stringify({ op: 'munmap', pid, address: `0x${(area + page * 4096n).toString(16)}`, length: 4096 }));
  const many = await daemon.post(`labs/${lab.id}/ops?results=summary`, holes.join('\n') + '\n', {
    headers: { 'content-type': 'application/x-ndjson' },
  });
  assert.equal(many.status, 200, many.text);
  await daemon.op(lab, { op: 'drain_pages', cpu: 0 });
  const large = async () =>
    (await get(lab, 'zones')).zones.reduce((sum, zone) => sum + zone.free_area.at(-1).nr_free, 0);
  const before = await large();
  const done = await daemon.op(lab, { op: 'compact_memory' });
  assert.equal(done.outcome, 'ok');
  assert.ok((await large()) > before, `${await large()} blocks of the largest order, ${before} before`);
  const read = await daemon.op(lab, { op: 'read', pid, address: `0x${(area + 4096n).toString(16)}`, length: 1 });
  assert.equal(read.hex, '07');
  const classic = await daemon.lab({ profile: 'classic', memory: '16M' });
  assert.equal((await daemon.op(classic, { op: 'compact_memory' })).outcome, 'null');
});

const fill = async (lab, pid, length, query) => {
  const { address } = await daemon.op(lab, { op: 'mmap', pid, length });
  let last;
  for (let done = 0; done < length; done += MIB) {
    last = await daemon.op(
      lab,
      { op: 'write', pid, address: `0x${(BigInt(address) + BigInt(done)).toString(16)}`, fill: 1, length: MIB },
      query,
    );
    if (last.outcome !== 'ok' || last.reclaimed_from?.length) break;
  }
  return last;
};

test('a call that had to sleep tells whom it took pages from', async () => {
  const lab = await daemon.lab({ memory: '64M', swap: '64M', overcommit_memory: 1 });
  const hog = (await daemon.op(lab, { op: 'spawn', name: 'hog' })).pid;
  const late = await fill(lab, hog, 80 * MIB);
  assert.equal(late.outcome, 'ok');
  assert.ok(late.slept_ns > 0);
  assert.ok(
    late.reclaimed_from.some((share) => share.pid === hog && share.pages > 0),
    JSON.stringify(late.reclaimed_from),
  );
  const stats = await get(lab, 'stats');
  assert.ok(stats.swap_used_pages > 0 && stats.nr_reclaimed > 0);
});

test('without swap the OOM killer reports in the words of the kernel', async () => {
  const lab = await daemon.lab({ memory: '64M', swap: 0, overcommit_memory: 1 });
  await daemon.op(lab, { op: 'spawn', name: 'small' });
  const hog = (await daemon.op(lab, { op: 'spawn', name: 'hog' })).pid;
  const last = await fill(lab, hog, 80 * MIB, '?explain=true');
  assert.match(last.message, /^\S+ invoked oom-killer: gfp_mask=0x[0-9a-f]+\([A-Z_|]+\), order=0, oom_score_adj=0\n/m);
  assert.match(last.message, /^Mem-Info:$/m);
  assert.match(
    last.message,
    new RegExp(
      `^Out of memory: Killed process ${hog} \\(hog\\) total-vm:\\d+kB, anon-rss:\\d+kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:\\d+kB oom_score_adj:0$`,
      'm',
    ),
  );
  assert.ok(names(last.events).includes('oom_kill'));
  assert.ok(names(last.decisions).includes('oom_badness'));
  assert.equal((await get(lab, 'stats')).nr_oom_kills, 1);
  assert.equal(
    (await get(lab, 'processes')).processes.some((process) => process.pid === hog),
    false,
  );
});

test('explain: every step of one allocation, and why one failed', async () => {
  const lab = await daemon.lab({ memory: '64M' });
  const first = await daemon.op(lab, { op: 'alloc_pages', order: 0 }, '?explain=true');
  const steps = names(first.decisions);
  for (const step of ['watermark', 'try_pcp', 'try_buddy']) assert.ok(steps.includes(step), `${step} in ${steps}`);
  assert.ok(first.decisions.every((step) => step.free === undefined || step.mark !== undefined));
  assert.ok(names(first.events).includes('pcp_refill'));
  let last;
  for (let i = 0; i < 200; i++) {
    last = await daemon.op(lab, { op: 'alloc_pages', order: 7, gfp: 'GFP_ATOMIC' }, '?explain=true');
    if (last.outcome !== 'ok') break;
  }
  assert.equal(last.outcome, 'null');
  const why = names(last.decisions);
  for (const step of ['watermark', 'slowpath', 'nopage_no_direct_reclaim'])
    assert.ok(why.includes(step), `${step} in ${why}`);
});

test('an explanation tells what its decisions led to, in the order in which it happened', async () => {
  const lab = await daemon.lab();
  const { decisions, events } = await daemon.op(lab, { op: 'alloc_pages', order: 0 }, '?explain=true');
  const steps = decisions.map((step) => step.event);
  assert.ok(steps.indexOf('watermark') < steps.indexOf('try_pcp'));
  assert.ok(steps.indexOf('try_pcp') < steps.indexOf('split'), steps.join());
  assert.ok(steps.includes('pcp_refill'), steps.join());
  assert.ok(events.every((event) => event.event !== 'watermark'));
  assert.deepEqual(
    decisions.filter((step) => step.event === 'split'),
    events.filter((event) => event.event === 'split'),
  );
});
