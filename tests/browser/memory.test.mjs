/* Processes' memory on the lab page: heap, page tables, address space, processes, swap; and traces in and out. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { axe, suite } from './browser.mjs';

const { daemon, openPage, api, shown, op, openLab } = suite(prepare);
let lab, pid, child;
async function prepare() {
  lab = await api('/labs', { name: 'memory', profile: 'linux-6.1', memory: '64M', swap: '16M' });
  ({ pid } = await op(lab, { op: 'spawn', name: 'sh' }));
  for (const [i, size] of [24, 24, 24, 1500, 40, 3000].entries())
    await op(lab, { op: 'malloc', pid, size, name: `m${i}` });
  for (const name of ['m0', 'm2', 'm3']) await op(lab, { op: 'free', pid, name });
  await op(lab, { op: 'mmap', pid, length: 1 << 20, name: 'map' });
  await op(lab, { op: 'write', pid, name: 'map', fill: 65, length: 65536 });
  await op(lab, { op: 'madvise', pid, name: 'map', length: 40960, advice: 'MADV_PAGEOUT' });
  ({ pid: child } = await op(lab, { op: 'fork', pid }));
  await op(lab, { op: 'vmalloc', size: 20000, name: 'area' });
  lab.seq = (await api(`/labs/${lab.id}`)).seq;
}

const text = (page, selector) => page.textContent(selector);
/** By its link, so that each tab begins with a document of its own. */
async function showTab(page, tab) {
  await page.goto(`${daemon.url}/lab/${lab.id}?tab=${tab}&pid=${pid}`);
  await page.waitForSelector(`#tab-${tab}[aria-selected=true]`);
}
async function openTab(tab) {
  const opened = await openPage();
  await showTab(opened.page, tab);
  return opened;
}

const READY = {
  heap: '[data-test=heap-strip] button',
  pagetables: '[data-test=table-PTE]',
  virtual: '[data-test=cascade]',
  processes: '[data-test=maps] tbody tr',
  swap: '[data-test=slots] g',
};
for (const colorScheme of ['light', 'dark'])
  for (const width of [1440, 800])
    test(`every view of a process's memory is accessible and silent: ${colorScheme}, ${width} wide`, async () => {
      const { page, complaints } = await openPage({ colorScheme, viewport: { width, height: 900 } });
      for (const [tab, ready] of Object.entries(READY)) {
        await showTab(page, tab);
        await page.waitForSelector(ready);
        assert.deepEqual(await axe(page), [], tab);
        assert.deepEqual(complaints, [], tab);
      }
    });

test('nothing is wider than a small screen', async () => {
  const { page } = await openPage({ viewport: { width: 420, height: 820 } });
  for (const [tab, ready] of Object.entries(READY)) {
    await showTab(page, tab);
    await page.waitForSelector(ready);
    assert.ok(await page.$eval('main', (main) => main.scrollWidth <= main.clientWidth), tab);
  }
});

test('heap: a chunk of a list is the same chunk in the strip, with the words of its header', async () => {
  const { page, complaints } = await openTab('heap');
  const { lists, chunks } = await api(`/labs/${lab.id}/processes/${pid}/heap`);
  const cached = lists.find((list) => list.kind === 'tcache' && list.chunks.length === 2);
  await page.click('[data-test=lists-tcache] .hlink >> nth=0');
  await page.waitForSelector(`[data-test=chunk][data-address="${cached.chunks[0].address}"] .words li`);
  const nr = chunks.findIndex((chunk) => chunk.address === cached.chunks[0].address);
  assert.equal(await page.getAttribute('[data-test=heap-strip] button[aria-pressed=true]', 'data-nr'), String(nr));
  assert.match(await text(page, '.words'), /next.*stored value xor 0x[0-9a-f]+.*key.*a second free is noticed/s);
  assert.equal(
    await page.locator('.htracks .chain path:not(marker path)').count(),
    1,
    'an arrow from the first to the second',
  );
  await page.click('.words .link');
  await page.waitForSelector(`[data-test=chunk][data-address="${cached.chunks[1].address}"]`);
  await page.focus('[data-test=heap-strip] button[aria-pressed=true]');
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-pressed') === 'true');
  await page.click('text=bytes from the header');
  await page.waitForSelector('#tab-bytes[aria-selected=true]');
  assert.deepEqual(complaints, []);
});

test('page tables: the walk as the daemon has it; arrows take another entry', async () => {
  const { page, complaints } = await openTab('pagetables');
  const { levels, pfn } = await api(
    `/labs/${lab.id}/translate?address=${(await api(`/labs/${lab.id}/processes`)).processes[0].heap_start}&pid=${pid}`,
  );
  await page.waitForSelector('[data-test=table-PTE]');
  for (const level of levels)
    assert.equal(await page.getAttribute(`[data-test=table-${level.name}]`, 'data-index'), String(level.index));
  assert.match(await text(page, '[data-test=outcome]'), new RegExp(`frame 0x${pfn.toString(16)}`));
  await page.focus('[data-test=table-PTE]');
  await page.keyboard.press('ArrowLeft');
  await page.waitForSelector('[data-test=outcome][data-present=no]');
  await page.fill('[name=walk]', 'ffffc90000000000');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-test=outcome]:has-text("vmalloc")');
  assert.match(await text(page, '[data-test=steps]'), /rw/);
  assert.match(await text(page, '[data-test=tlb]'), /misses/);
  assert.deepEqual(complaints, []);
});

test('virtual: from the whole space to one page, and back, by keyboard', async () => {
  const { page, complaints } = await openTab('virtual');
  await page.waitForSelector('[data-test=cascade][data-levels="2"]'); /* it opens where something is: in user space */
  await page.focus('button.spacerow:has(b:text-is("map"))');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-test=cascade][data-levels="3"]');
  await page.waitForSelector('button.spacerow:has-text("in swap")');
  await page.focus('button.spacerow >> nth=0');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-test=cascade][data-levels="4"]');
  await page.focus('button.spacerow >> nth=0');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-test=page]');
  assert.match(await text(page, '[data-test=page]'), /swap slot/);
  assert.deepEqual(await axe(page), []);
  for (let i = 0; i < 4; i++) await page.click('text=↑ out');
  await page.waitForSelector('[data-test=cascade][data-levels="1"]');
  await page.click('button.spacerow:has(b:text-is("vmalloc"))');
  await page.click('button.spacerow:has-text("area")');
  await page.waitForSelector('.spacerow:has-text("guard page")');
  assert.deepEqual(complaints, []);
});

test('processes and swap: the numbers of the daemon; from a slot to its process', async () => {
  const { page, complaints } = await openTab('processes');
  await page.waitForSelector('[data-test=page-states] :text("in swap")');
  assert.match(await text(page, '[data-test=page-states]'), /in swap 10/);
  assert.match(await text(page, '[data-test=commit]'), /of a limit of/);
  await page.click('#tab-swap');
  await page.waitForSelector('[data-test=swap-use]');
  assert.match(await text(page, '[data-test=swap-use]'), /^Swap 10 of/);
  await page.click(`.pane.swap tbody .link:text("pid ${child}")`);
  await page.waitForSelector('#tab-processes[aria-selected=true]');
  await page.waitForSelector(`.procfacts:has-text("pid ${child}")`);
  assert.deepEqual(complaints, []);
});

test('a machine without processes and swap says so', async () => {
  const { page, complaints } = await openPage();
  await openLab(page);
  for (const [tab, says] of [
    ['heap', /no process/],
    ['processes', /no process yet/],
    ['swap', /no swap/],
  ]) {
    await page.click(`#tab-${tab}`);
    await page.waitForSelector('#tabpanel .empty');
    assert.match(await text(page, '#tabpanel .empty'), says);
  }
  await page.click('#tab-pagetables');
  await page.waitForSelector('#tabpanel form');
  assert.deepEqual(complaints, []);
});

test('import: a file in, what was skipped and why; stopped half-way; refused as a whole', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pagoda-import-'));
  const { page, complaints } = await openPage();
  const here = await openLab(page);
  const put = async (name, body) => {
    await writeFile(join(directory, name), body);
    await page.setInputFiles('[name=trace]', join(directory, name));
  };
  try {
    await page.click('button:has-text("Import, export")');
    assert.deepEqual(await axe(page), []);
    await put('good.ndjson', '{"op":"kmalloc","size":100,"name":"a"}\n{"op":"kmalloc","size":200,"name":"b"}\n');
    await page.click('.import button[type=submit]');
    await page.waitForSelector('[data-test=import-result]');
    assert.match(await text(page, '[data-test=import-result]'), /the lab is at op 2.*2 events, as 2 operations/s);
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(complaints, []);
    await put('bad.ndjson', '{"op":"kmalloc","size":100,"name":"c"}\n{"op":"nonsense"}\n');
    await page.check('[name=atomic]');
    await page.click('.import button[type=submit]');
    await page.waitForSelector('.import [role=alert]');
    assert.match(await text(page, '.import [role=alert]'), /line 2/);
    assert.equal((await api(`/labs/${here.id}`)).seq, 2);
    await page.uncheck('[name=atomic]');
    await put('long.ndjson', '{"op":"ksize","address":"0x0"}\n'.repeat(2000000));
    await page.click('.import button[type=submit]');
    await page.waitForFunction(() =>
      /[1-9].* operations? applied/.test(document.querySelector('[data-test=import-progress]')?.textContent ?? ''),
    );
    await page.focus('[data-test=import-progress] button');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-test=import-result]:has-text("Stopped")');
    const { seq } = await api(`/labs/${here.id}`);
    assert.ok(seq > 2 && seq < 2000000, `stopped at ${seq}`);
    for (const format of ['ndjson', 'csv', 'ftrace', 'perfetto'])
      assert.equal(await page.locator(`.exports a[href$="format=${format}"]`).count(), 1);
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
