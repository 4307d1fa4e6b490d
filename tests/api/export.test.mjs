// Histories that leave: in our own format, as ftrace text, as a table, for Perfetto; and come back to the same machine.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';

let daemon, lab;
const nr_ops = () => 2500; // more than two slices of every kind

before(async () => {
  daemon = await Daemon.start();
  lab = await daemon.lab({ swap: '16M', name: 'a "quoted", named lab' });
  const { pid } = await daemon.op(lab, { op: 'spawn', name: 'sh' });
  await daemon.op(lab, { op: 'malloc', pid, size: 5000, name: 'heap, "block"' });
  await daemon.op(lab, { op: 'write', name: 'heap, "block"', fill: 65, length: 5000 });
  await daemon.op(lab, { op: 'vmalloc', size: 50000, name: 'area', call_site: 'load_module' });
  await daemon.op(lab, { op: 'kmem_cache_create', cache: 'foo', size: 200 });
  await daemon.op(lab, { op: 'kmalloc', size: 64, gfp: 'GFP_ATOMIC', context: 'hardirq', name: 'irq' });
  await daemon.op(lab, { op: 'alloc_pages', order: 2, gfp: 'GFP_KERNEL|__GFP_ZERO', name: 'pages' });
  await daemon.op(lab, { op: 'write', name: 'area', hex: '00'.repeat(65536).slice(0, 90000) });
  await daemon.op(lab, { op: 'mark', text: 'half, "way"' });
  const lines = Array.from({ length: nr_ops() }, (_, i) =>
    JSON.stringify(
      i % 5 === 4 ? { op: 'kfree', name: `b${i - 2}` } : { op: 'kmalloc', size: 1 + ((i * 37) % 9000), name: `b${i}` },
    ),
  ).join('\n');
  const done = await daemon.post(`labs/${lab.id}/ops?results=summary`, lines, {
    headers: { 'content-type': 'application/x-ndjson' },
  });
  assert.equal(done.status, 200, done.text);
});
after(() => daemon.end());

const state = async (which) => (await daemon.get(`labs/${which.id}`)).body;
const exported = async (format) => {
  const reply = await daemon.ask('GET', `labs/${lab.id}/export?format=${format}`, { raw: true });
  assert.equal(reply.status, 200);
  return { type: reply.headers.get('content-type'), text: reply.body.toString() };
};
const imported = async (format, text) => {
  const twin = await daemon.lab({ swap: '16M' });
  const done = await daemon.post(`labs/${twin.id}/import?format=${format}`, text, {
    headers: { 'content-type': 'text/plain' },
  });
  assert.equal(done.status, 200, done.text);
  return { twin: await state(twin), summary: done.body };
};

test('ndjson comes back to the identical state', async () => {
  const { text } = await exported('ndjson');
  const here = await state(lab),
    { twin } = await imported('ndjson', text);
  assert.equal(text.trim().split('\n').length, here.seq);
  assert.equal(twin.seq, here.seq);
  assert.equal(twin.hash, here.hash);
});

test("ftrace text: the kernel's header, kmem events with all their fields", async () => {
  const { type, text } = await exported('ftrace');
  assert.match(type, /^text\/plain/);
  assert.match(text, /^# tracer: nop\n/);
  const events = text.split('\n').filter((line) => line && !line.startsWith('#'));
  for (const line of events) assert.match(line, /^ *lab-\d+ +\[\d{3}\] [.dshn12]{5} +\d+\.\d{6}: [a-z_]+: ./);
  assert.ok(
    events.some((line) =>
      / kmalloc: call_site=\S+ ptr=[0-9a-f]{16} bytes_req=\d+ bytes_alloc=\d+ gfp_flags=GFP_KERNEL node=-1 accounted=false$/.test(
        line,
      ),
    ),
  );
  assert.ok(events.some((line) => / \[000\] d\.h1\. .* kmalloc: .* gfp_flags=GFP_ATOMIC/.test(line)));
  assert.ok(
    events.some((line) =>
      / mm_page_alloc: page=ffffea[0-9a-f]{10} pfn=0x[0-9a-f]+ order=2 migratetype=0 gfp_flags=GFP_KERNEL\|__GFP_ZERO$/.test(
        line,
      ),
    ),
  );
  assert.ok(
    events.some((line) => / mm_page_alloc: .* gfp_flags=GFP_KERNEL\|__GFP_NOWARN\|__GFP_NORETRY/.test(line)),
    "a page of a slab has a slab's flags",
  );
  assert.ok(events.some((line) => / kfree: call_site=\S+ ptr=[0-9a-f]{16}$/.test(line)));
});

test('ftrace text comes back to the identical state', async () => {
  const { text } = await exported('ftrace');
  const here = await state(lab),
    { twin, summary } = await imported('auto', text);
  assert.equal(twin.seq, here.seq, JSON.stringify(summary.by_event));
  assert.equal(twin.hash, here.hash);
});

test('csv: one row an operation, one column a parameter', async () => {
  const { type, text } = await exported('csv');
  assert.match(type, /^text\/csv/);
  const rows = [...text.matchAll(/((?:"(?:[^"]|"")*"|[^,\r]*)(?:,(?:"(?:[^"]|"")*"|[^,\r]*))*)\r\n/g)].map((match) =>
    [...match[1].matchAll(/(?:^|,)("(?:[^"]|"")*"|[^,]*)/g)].map((field) =>
      field[1].startsWith('"') ? field[1].slice(1, -1).replaceAll('""', '"') : field[1],
    ),
  );
  const [head, ...body] = rows;
  assert.equal(body.length, (await state(lab)).seq);
  for (const row of body) assert.equal(row.length, head.length);
  const record = (i) => Object.fromEntries(head.map((name, column) => [name, body[i][column]]));
  assert.equal(record(1).name, 'heap, "block"');
  assert.equal(record(5).gfp, 'GFP_ATOMIC');
  assert.equal(record(8).text, 'half, "way"');
  assert.match(record(3).result_address, /^0xffffc9/);
});

test('csv: a name is no formula, and what was added can be told apart', async () => {
  const names = [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\tx',
    '\rx',
    "'quoted",
    'plain',
    '=HYPERLINK("http://x/","y")',
    'a=b',
  ];
  const other = await daemon.lab();
  for (const name of names) await daemon.op(other, { op: 'kmalloc', size: 1, name, call_site: name });
  const text = (await daemon.get(`labs/${other.id}/export?format=csv`)).text;
  const cells = [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,"\r\n]*))/gm)].map((m) =>
    (m[1] ?? m[2]).replaceAll('""', '"'),
  );
  assert.ok(!cells.some((cell) => /^[=+@\t\r\n]|^-(?!\d+$)/.test(cell)), text);
  for (const name of names) {
    const shown = /^[=+\-@\t\r']/.test(name) ? `'${name}` : name;
    assert.equal(cells.filter((cell) => cell === shown).length, 2, name);
  }
  const twin = await daemon.lab();
  const lines = (await daemon.get(`labs/${other.id}/export`)).text;
  await daemon.post(`labs/${twin.id}/import`, lines, { headers: { 'content-type': 'application/x-ndjson' } });
  assert.equal((await daemon.get(`labs/${twin.id}/export`)).text, lines);
});

test('perfetto: slices in time order, counters, a track name', async () => {
  const { type, text } = await exported('perfetto');
  assert.match(type, /^application\/json/);
  const { traceEvents } = JSON.parse(text);
  const slices = traceEvents.filter((event) => event.ph === 'X' || event.ph === 'i');
  assert.equal(slices.length, (await state(lab)).seq);
  assert.ok(slices.every((slice, i) => i === 0 || slice.ts >= slices[i - 1].ts));
  assert.ok(traceEvents.some((event) => event.ph === 'C' && event.name === 'free pages'));
  assert.equal(traceEvents[0].args.name, 'a "quoted", named lab');
});

test('an unknown format, an empty lab', async () => {
  assert.equal((await daemon.get(`labs/${lab.id}/export?format=tar`)).status, 422);
  const empty = await daemon.lab();
  assert.equal((await daemon.get(`labs/${empty.id}/export`)).text, '');
  assert.equal(JSON.parse((await daemon.get(`labs/${empty.id}/export?format=perfetto`)).text).traceEvents.length, 1);
});

test('the log with results, as lines', async () => {
  const reply = await daemon.get(`labs/${lab.id}/ops`, { headers: { accept: 'application/x-ndjson' } });
  const lines = reply.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, (await state(lab)).seq);
  assert.ok(lines.every((line, i) => line.seq === i + 1));
});
