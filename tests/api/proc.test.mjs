// /proc of a lab: the texts that existing scripts read, the binary page files, and what is refused.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Daemon } from './daemon.mjs';

let daemon, lab, classic, pid;
const KERNEL_FILES = ['buddyinfo', 'meminfo', 'pagetypeinfo', 'slabinfo', 'vmallocinfo', 'vmstat', 'zoneinfo'];

before(async () => {
  daemon = await Daemon.start();
  lab = await daemon.lab({ memory: '256M', cpus: 2, swap: '16M' });
  classic = await daemon.lab({ profile: 'classic', memory: '16M' });
  await daemon.op(lab, { op: 'kmalloc', size: 1000, name: 'a' });
  await daemon.op(lab, { op: 'vmalloc', size: 100000, call_site: 'load_module+0x10/0x20' });
  pid = (await daemon.op(lab, { op: 'spawn', name: 'sh' })).pid;
  const mapping = await daemon.op(lab, { op: 'mmap', pid, length: 65536, name: 'm' });
  await daemon.op(lab, { op: 'write', pid, address: mapping.address, fill: 1, length: 12288 });
  lab.mapping = mapping.address;
});
after(() => daemon.end());

const read = async (file, query = '') => {
  const reply = await daemon.get(`labs/${lab.id}/proc/${file}${query}`);
  assert.equal(reply.status, 200, reply.text);
  return reply;
};
const words = (bytes) => new BigUint64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const binary = (path, accept) => daemon.ask('GET', path, { raw: true, headers: { accept } });

test('every file is plain text of its moment, and tagged', async () => {
  for (const file of [...KERNEL_FILES, ...['maps', 'smaps', 'status'].map((name) => `${pid}/${name}`)]) {
    const reply = await read(file);
    assert.match(reply.headers.get('content-type'), /^text\/plain/);
    assert.ok(reply.text.endsWith('\n'), file);
    assert.ok(!reply.text.includes('undefined'));
    assert.equal(reply.headers.get('x-pagoda-seq'), '5');
    const again = await daemon.get(`labs/${lab.id}/proc/${file}`, {
      headers: { 'if-none-match': reply.headers.get('etag') },
    });
    assert.equal(again.status, 304);
  }
});

test('the past can be read', async () => {
  const then = await read('vmallocinfo', `?at=1&rules=${lab.engine.now}`);
  assert.equal(then.text, '');
  assert.match(then.headers.get('cache-control'), /immutable/);
  assert.equal(
    (await read('vmallocinfo', '?at=5')).text,
    '0xffffc90000000000-0xffffc9000001a000  106496 load_module+0x10/0x20 pages=25 vmalloc N0=25\n',
  );
  assert.equal((await daemon.get(`labs/${lab.id}/proc/${pid}/maps?at=1`)).status, 404, 'no process yet');
});

// What people have in their shell history.
const awk = (program, text) => {
  const done = spawnSync('awk', [program], { input: text, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout.trim();
};

test('awk one-liners read them', async () => {
  const text = Object.fromEntries(await Promise.all(KERNEL_FILES.map(async (file) => [file, (await read(file)).text])));
  const zones = (await daemon.get(`labs/${lab.id}/zones`)).body.zones;
  const free_kb = Number(awk('/^MemFree:/ {print $2}', text.meminfo));
  assert.equal(
    awk('/MemTotal/ {print $2}', text.meminfo),
    String(zones.reduce((sum, zone) => sum + zone.managed * 4, 0)),
  );
  assert.equal(
    awk('{for (i = 5; i <= NF; i++) n += $i * 2 ^ (i - 5)} END {print n}', text.buddyinfo),
    String(zones.reduce((sum, zone) => sum + zone.free, 0)),
  );
  assert.equal(Number(awk('$1 == "pages" && $2 == "free" {n += $3} END {print n * 4}', text.zoneinfo)), free_kb);
  assert.equal(Number(awk('$1 == "nr_free_pages" {print $2 * 4}', text.vmstat)), free_kb);
  assert.equal(awk('$1 == "kmalloc-1k" {print $3, $4, $5, $6, $(NF-1)}', text.slabinfo), '16 1024 16 4 1');
  assert.equal(
    awk(
      '/vmalloc/ {for (i = 1; i <= NF; i++) if ($i ~ /^pages=/) {split($i, p, "="); n += p[2]}} END {print n * 4}',
      text.vmallocinfo,
    ),
    awk('/^VmallocUsed/ {print $2}', text.meminfo),
  );
  assert.equal(awk('/type +Movable/ && /DMA32/ {print NF}', text.pagetypeinfo), '17');
  const smaps = (await read(`${pid}/smaps`)).text,
    status = (await read(`${pid}/status`)).text;
  assert.equal(awk('/^Rss:/ {n += $2} END {print n}', smaps), awk('/^VmRSS:/ {print $2}', status));
  assert.equal(awk('/^Pss:/ {n += $2} END {print n}', smaps), '12');
});

test('a Python parser of zoneinfo reads it', { skip: spawnSync('python3', ['--version']).status !== 0 }, async () => {
  const program = `
import re, sys, json
zones, zone = {}, None
for line in sys.stdin:
    head = re.match(r'^Node\\s+(\\d+), zone\\s+(\\w+)', line)
    if head:
        zone = zones.setdefault(head.group(2), {'pagesets': []})
        continue
    fields = line.split()
    if fields[:2] == ['pages', 'free']:
        zone['free'] = int(fields[2])
    elif fields[0] == 'protection:':
        zone['protection'] = [int(n) for n in re.findall(r'\\d+', line)]
    elif fields[0] == 'cpu:':
        zone['pagesets'].append({})
    elif fields[0] in ('count:', 'high:', 'batch:') and zone['pagesets']:
        zone['pagesets'][-1][fields[0][:-1]] = int(fields[1])
    elif len(fields) == 2 and fields[1].isdigit():
        zone[fields[0]] = int(fields[1])
json.dump(zones, sys.stdout)`;
  const done = spawnSync('python3', ['-c', program], { input: (await read('zoneinfo')).text, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  const parsed = JSON.parse(done.stdout),
    shown = (await daemon.get(`labs/${lab.id}/zones`)).body.zones;
  assert.deepEqual(Object.keys(parsed), ['DMA', 'DMA32', 'Normal', 'Movable', 'Device']);
  for (const zone of shown) {
    const found = parsed[zone.name];
    for (const field of ['min', 'low', 'high', 'boost', 'spanned', 'present', 'managed'])
      assert.equal(
        found[field],
        zone[field] + (['min', 'low', 'high'].includes(field) ? zone.boost : 0),
        `${zone.name} ${field}`,
      );
    assert.deepEqual(found.protection.slice(0, 4), zone.lowmem_reserve);
    assert.equal(found.pagesets.length, 2);
    assert.equal(
      found.pagesets.reduce((sum, set) => sum + set.count, 0),
      zone.pcp,
    );
    assert.equal(found.pagesets[0].high, zone.pcp_high);
  }
});

// What page-types makes of the bits.
const KPF = { LRU: 5n, SLAB: 7n, BUDDY: 10n, MMAP: 11n, ANON: 12n, NOPAGE: 20n, RESERVED: 32n };
const decode = (flags) =>
  (flags >> KPF.NOPAGE) & 1n
    ? 'none'
    : (flags >> KPF.BUDDY) & 1n
      ? 'free'
      : (flags >> KPF.SLAB) & 1n
        ? 'slab'
        : (flags >> KPF.ANON) & 1n
          ? 'anon'
          : (flags >> KPF.RESERVED) & 1n
            ? 'reserved'
            : 'other';

test('kpageflags and kpagecount agree with the frames', async () => {
  const path = `labs/${lab.id}/frames`,
    shown = (await daemon.get(path)).body;
  const reply = await binary(path, 'application/vnd.linux.kpageflags');
  assert.equal(reply.headers.get('content-type'), 'application/vnd.linux.kpageflags');
  const flags = words(reply.body);
  assert.equal(flags.length, shown.nr_frames);
  for (const run of shown.frames)
    for (let pfn = run.pfn; pfn < run.pfn + run.count; pfn++)
      assert.equal(
        decode(flags[pfn]),
        ['free', 'slab', 'anon', 'reserved', 'none'].includes(run.kind) ? run.kind : 'other',
        `pfn ${pfn}`,
      );
  const counts = words((await binary(path, 'application/vnd.linux.kpagecount')).body);
  assert.equal(counts.length, shown.nr_frames);
  assert.equal(
    counts.reduce((sum, n) => sum + Number(n), 0),
    shown.counts.anon,
  );
  const part = words((await binary(`${path}?from=4096&count=10`, 'application/vnd.linux.kpageflags')).body);
  assert.deepEqual(part, flags.slice(4096, 4106));
  const json = await daemon.get(path);
  assert.notEqual(json.headers.get('etag'), reply.headers.get('etag'), 'another representation, another tag');
  assert.equal((await binary(`labs/${classic.id}/frames`, 'application/vnd.linux.kpageflags')).status, 406);
});

test('pagemap leads to the frames that translate finds', async () => {
  const reply = await daemon.ask('GET', `labs/${lab.id}/proc/${pid}/pagemap?address=${lab.mapping}&length=65536`, {
    raw: true,
  });
  assert.equal(reply.status, 200);
  assert.equal(reply.headers.get('content-type'), 'application/octet-stream');
  const map = words(reply.body);
  assert.equal(map.length, 16);
  for (let i = 0; i < 16; i++) {
    const at = `0x${(BigInt(lab.mapping) + BigInt(i) * 4096n).toString(16)}`;
    const where = (await daemon.get(`labs/${lab.id}/translate?pid=${pid}&address=${at}`)).body;
    assert.equal(map[i] >> 63n === 1n, where.present);
    if (where.present) assert.equal(Number(map[i] & ((1n << 55n) - 1n)), where.pfn);
  }
  assert.equal((await daemon.get(`labs/${lab.id}/proc/${pid}/pagemap`)).status, 422, 'which address?');
  assert.equal((await daemon.get(`labs/${lab.id}/proc/${pid}/pagemap?address=0x1000&length=0`)).status, 422);
  assert.equal((await daemon.get(`labs/${lab.id}/proc/${pid}/pagemap?address=0x1000&length=99999999999`)).status, 422);
});

test('classic has what Linux 2.0 had', async () => {
  const reply = await daemon.get(`labs/${classic.id}/proc/meminfo`);
  assert.equal(reply.status, 200);
  const lines = reply.text.split('\n');
  assert.equal(lines[0], '        total:    used:    free:  shared: buffers:  cached:');
  assert.match(lines[1], /^Mem: ( +\d+){6}$/);
  assert.equal(awk('/^Mem:/ {t = $2} /^MemTotal:/ {print t == $2 * 1024}', reply.text), '1');
  for (const file of KERNEL_FILES.filter((name) => name !== 'meminfo')) {
    const refused = await daemon.get(`labs/${classic.id}/proc/${file}`);
    assert.equal(refused.status, 404);
    assert.match(refused.body.detail, /meminfo/, 'says what there is');
  }
});

test('what is not there is a problem that names what is', async () => {
  for (const [path, says] of [
    ['proc/nothing', /buddyinfo, meminfo, pagetypeinfo, slabinfo, vmallocinfo, vmstat, zoneinfo/],
    [`proc/${pid}/nothing`, /maps, pagemap, smaps, status/],
    ['proc/99999/maps', /no process 99999/],
    ['proc/self/maps', /no process self/],
    ['proc/18446744073709551617/maps', /no process/],
    ['proc/%2e%2e', /./],
    [`proc/${'x'.repeat(150)}`, /./],
  ]) {
    const reply = await daemon.get(`labs/${lab.id}/${path}`);
    assert.equal(reply.status, 404, path);
    assert.match(reply.headers.get('content-type'), /problem\+json/);
    assert.match(reply.body.detail, says);
  }
  assert.equal((await daemon.post(`labs/${lab.id}/proc/meminfo`, {})).status, 405);
  assert.equal((await daemon.get(`labs/${lab.id}/proc/meminfo?from=1`)).status, 422);
  assert.equal((await daemon.get(`labs/${lab.id}/proc/meminfo?at=999`)).status, 422);
});
