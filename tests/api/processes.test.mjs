// Processes over HTTP: their layout, mappings, pages, limits, swap, and what becomes of a process that errs.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

let daemon;
before(async () => {
  daemon = await Daemon.start();
});
after(() => daemon.end());

const view = async (lab, path) => (await daemon.get(`labs/${lab.id}/${path}`)).body;
const at = (address, pages = 0) => `0x${(BigInt(address) + BigInt(pages) * 4096n).toString(16)}`;

test('a new process has the mappings of a small program, and not one page', async () => {
  const lab = await daemon.lab();
  const { pid } = await daemon.op(lab, { op: 'spawn', name: 'cat' });
  const { maps } = await view(lab, `processes/${pid}/maps`);
  assert.deepEqual(
    [...new Set(maps.map((map) => map.name))],
    [
      'cat',
      '',
      '/usr/lib/x86_64-linux-gnu/libc.so.6',
      '[vvar]',
      '[vdso]',
      '/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
      '[stack]',
    ],
  );
  assert.equal(maps.at(-1).end, '0x7ffffffff000');
  assert.equal(maps.at(-1).flags, 'rd wr mr mw me gd ac sd');
  assert.equal(
    maps.reduce((pages, map) => pages + map.rss_pages + map.zero_pages, 0),
    0,
  );
  const {
    processes: [process],
    commit,
  } = await view(lab, 'processes');
  assert.equal(process.nr_maps, maps.length);
  assert.deepEqual(process.limits, {
    RLIMIT_AS: null,
    RLIMIT_DATA: null,
    RLIMIT_STACK: 8 << 20,
    RLIMIT_MEMLOCK: 8 << 20,
  });
  assert.equal(process.committed_pages, commit.committed_pages);
  assert.equal(commit.overcommit_memory, 0);
});

test('mmap, mprotect, mremap and munmap change the mappings; refusals give the errno', async () => {
  const lab = await daemon.lab();
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const made = await daemon.op(lab, { op: 'mmap', pid, length: '400K', prot: 'rw-', name: 'buffer' });
  assert.equal(made.allocated, 400 << 10);
  await daemon.op(lab, { op: 'mprotect', pid, address: at(made.address, 10), length: 8192, prot: 'r--' });
  const parts = async () =>
    (await view(lab, `processes/${pid}/maps`)).maps
      .filter((map) => map.name === 'buffer')
      .map((map) => `${map.perms} ${(Number(map.end) - Number(map.start)) / 4096}`);
  assert.deepEqual(await parts(), ['rw-p 10', 'r--p 2', 'rw-p 88']);
  await daemon.op(lab, { op: 'mprotect', pid, address: at(made.address, 10), length: 8192, prot: 'rw-' });
  assert.deepEqual(await parts(), ['rw-p 100']);
  const moved = await daemon.op(lab, { op: 'mremap', pid, name: 'buffer', length: '400K', new_length: '8M' });
  assert.equal(moved.outcome, 'ok');
  assert.notEqual(moved.address, made.address);
  assert.equal((await daemon.op(lab, { op: 'munmap', pid, name: 'buffer', length: '8M' })).outcome, 'ok');
  assert.deepEqual(await parts(), []);
  const refused = await daemon.op(lab, { op: 'mmap', pid, length: '1T', prot: 'rw-' });
  assert.equal(refused.outcome, 'null');
  assert.equal(refused.address, null);
  assert.equal(refused.message, 'mmap: ENOMEM: more than vm.overcommit_memory allows');
});

test('pages say what stands behind each address', async () => {
  const lab = await daemon.lab({ swap: '16M' });
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const { address } = await daemon.op(lab, { op: 'mmap', pid, length: 20 * 4096 });
  await daemon.op(lab, { op: 'write', pid, address, fill: 1, length: 8 * 4096 });
  await daemon.op(lab, { op: 'read', pid, address: at(address, 10), length: 4096 });
  await daemon.op(lab, { op: 'madvise', pid, address, length: 4096, advice: 'MADV_FREE' });
  await daemon.op(lab, { op: 'madvise', pid, address: at(address, 4), length: 4 * 4096, advice: 'MADV_PAGEOUT' });
  const states = async (query) => (await view(lab, `processes/${pid}/pages?${query}`)).pages;
  const pages = await states(`address=${address}&length=${20 * 4096}`);
  const merged = pages.reduce((list, run) => {
    if (list.at(-1)?.[0] === run.state) list.at(-1)[1] += run.count;
    else list.push([run.state, run.count]);
    return list;
  }, []);
  assert.deepEqual(merged, [
    ['lazyfree', 1],
    ['present', 3],
    ['swapped', 4],
    ['untouched', 2],
    ['zero', 1],
    ['untouched', 9],
  ]);
  assert.ok(pages.every((run) => BigInt(run.address) % 4096n === 0n));
  const swap = await view(lab, 'swap');
  assert.equal(swap.total_pages, 4096);
  assert.equal(swap.used_pages, 4);
  assert.equal(
    swap.slots.reduce((n, run) => n + run.count, 0),
    4,
  );
  assert.ok(swap.slots.every((run) => run.pid === pid && BigInt(run.address) >= BigInt(address)));
  const { pid: child } = await daemon.op(lab, { op: 'fork', pid });
  assert.equal(
    (await view(lab, `processes/${child}/pages?address=${at(address, 1)}&length=4096`)).pages[0].state,
    'shared',
  );
  const first = await view(lab, `processes/${pid}/pages?limit=2`);
  assert.equal(first.pages.length, 2);
  const rest = await view(lab, `processes/${pid}/pages?address=${first.next_address}`);
  assert.equal(rest.pages[0].address, first.next_address);
  assert.equal(rest.next_address, null);
});

test('limits, the break, locks', async () => {
  const lab = await daemon.lab();
  const { pid } = await daemon.op(lab, { op: 'spawn' });
  const process = async () => (await view(lab, 'processes')).processes.find((p) => p.pid === pid);
  const { heap_start } = await process();
  assert.equal((await daemon.op(lab, { op: 'sbrk', pid, increment: 5000 })).address, heap_start);
  assert.equal((await process()).brk, `0x${(BigInt(heap_start) + 5000n).toString(16)}`);
  await daemon.op(lab, { op: 'mlock', pid, address: heap_start, length: 1 });
  assert.equal((await process()).locked_pages, 1);
  assert.equal((await process()).rss_pages, 1);
  await daemon.op(lab, { op: 'setrlimit', pid, resource: 'RLIMIT_MEMLOCK', size: 4096 });
  assert.equal(
    (await daemon.op(lab, { op: 'mlock', pid, address: heap_start, length: 5000 })).message,
    'mlock: ENOMEM: beyond RLIMIT_MEMLOCK',
  );
  assert.equal((await daemon.op(lab, { op: 'munlock', pid, address: heap_start, length: 1 })).outcome, 'ok');
  assert.equal((await process()).locked_pages, 0);
  assert.equal((await daemon.op(lab, { op: 'brk', pid, address: heap_start })).outcome, 'ok');
  assert.equal((await process()).rss_pages, 0);
});

test('a wild write ends the process, and only that', async () => {
  const lab = await daemon.lab();
  const { pid } = await daemon.op(lab, { op: 'spawn', name: 'wild' });
  const { pid: other } = await daemon.op(lab, { op: 'spawn' });
  const done = await daemon.op(lab, { op: 'write', pid, address: '0x10', fill: 1, length: 1 });
  assert.equal(done.outcome, 'bug');
  assert.match(
    done.message,
    /^wild\[\d+\]: segfault at 10 ip [0-9a-f]{16} sp [0-9a-f]{16} error 6 in wild\[[0-9a-f]+\+8000\] likely on CPU 0/,
  );
  assert.deepEqual(
    (await view(lab, 'processes')).processes.map((p) => p.pid),
    [other],
  );
  assert.equal((await daemon.post(`labs/${lab.id}/ops`, { op: 'read', pid, address: '0x10', length: 1 })).status, 422);
});

test('address randomisation follows the seed', async () => {
  const tops = [];
  for (const aslr_seed of [1, 1, 2]) {
    const lab = await daemon.lab({ aslr_seed });
    await daemon.op(lab, { op: 'spawn' });
    tops.push((await view(lab, 'processes')).processes[0].mmap_top);
  }
  assert.equal(tops[0], tops[1]);
  assert.notEqual(tops[0], tops[2]);
});
