/* How the lab page uses its room: panes, lists, the phone, what is no memory. Overlaps and cuts are looked for by tests/browser/visual. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled, suite } from './browser.mjs';

const { daemon, openPage, api, openLab, op, shown } = suite();
const PHONE = { viewport: { width: 390, height: 844 } };
const LARGE = { name: 'layout', profile: 'linux-6.1', memory: '64M' };

async function withBlocks(nr) {
  const lab = await api('/labs', LARGE);
  const lines = Array.from({ length: nr }, (_, i) => JSON.stringify({ op: 'kmalloc', size: 32, name: `block ${i}` }));
  await fetch(`${daemon.url}/api/v1/labs/${lab.id}/ops?results=summary`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  return lab;
}

test('a list of 1,000 blocks draws the rows that are seen, whole ones; all can be reached, by hand and by filter', async () => {
  const { page, complaints } = await openPage();
  const lab = await withBlocks(1000);
  await page.goto(`${daemon.url}/lab/${lab.id}`);
  await shown(page, 1000);
  assert.ok((await page.locator('.pick').count()) < 30);
  const { height, row } = await page.$eval('.roll', (roll) => ({
    height: roll.clientHeight,
    row: roll.querySelector('li').offsetHeight,
  }));
  assert.equal(height % row, 0, 'no row is cut');
  await page.$eval('.roll', (roll) => (roll.scrollTop = roll.scrollHeight));
  await page.waitForSelector('.pick:has(b:text-is("block 0"))');
  await page.fill('.filter', 'block 500');
  await page.click('.pick:has(b:text-is("block 500"))');
  await page.waitForSelector('[data-test=selected]:has-text("block 500")');
  assert.deepEqual(complaints, []);
});

test('the parts of the page can be made larger, by pointer and by keys; they stay so, and come back', async () => {
  const { page, complaints } = await openPage();
  await openLab(page);
  const width = () => page.$eval('.left', (left) => left.offsetWidth);
  const height = () => page.$eval('.timeline', (line) => line.offsetHeight);
  const before = [await width(), await height()];
  await page.focus('[data-test=splitter-left]');
  await page.keyboard.press('ArrowRight');
  assert.equal(await width(), before[0] + 16);
  const border = await page.locator('[data-test=splitter-timeline]').boundingBox();
  await page.mouse.move(border.x + 300, border.y + 12);
  await page.mouse.down();
  await page.mouse.move(border.x + 300, border.y - 48, { steps: 3 });
  await page.mouse.up();
  assert.equal(await height(), before[1] + 60);
  await page.reload();
  await shown(page, 0);
  assert.deepEqual([await width(), await height()], [before[0] + 16, before[1] + 60]);
  await page.dblclick('[data-test=splitter-timeline]');
  await page.focus('[data-test=splitter-left]');
  await page.keyboard.press('Home');
  assert.deepEqual([await width(), await height()], before);
  assert.deepEqual(complaints, []);
});

test('the map fills what its shape allows, and a small one shows which part is seen', async () => {
  const { page, complaints } = await openPage();
  await openLab(page, LARGE);
  const map = await page.$eval('canvas[data-test=frames]', (canvas) => ({
    side: 128 * Number(canvas.dataset.px),
    room: Math.min(canvas.clientWidth, canvas.clientHeight),
  }));
  assert.ok(map.side > 0.96 * map.room, `${map.side} of ${map.room} pixels`);
  assert.equal(await page.locator('[data-test=minimap]').count(), 0);
  await page.click('[aria-label="Zoom in"]');
  await page.click('[aria-label="Zoom in"]');
  const small = await page.waitForSelector('[data-test=minimap]');
  const before = await page.$eval('canvas[data-test=frames]', (canvas) => canvas.toDataURL());
  await small.click({ position: { x: 5, y: 5 } });
  await settled(page);
  assert.notEqual(
    await page.$eval('canvas[data-test=frames]', (canvas) => canvas.toDataURL()),
    before,
    'it goes there',
  );
  const corner = () =>
    small.evaluate((canvas) => [...canvas.getContext('2d').getImageData(60, 60, 1, 1).data].slice(0, 3));
  await page.emulateMedia({ colorScheme: 'dark' });
  await settled(page);
  assert.deepEqual(await corner(), [0x1d, 0x22, 0x26], 'in the colours of the theme');
  await page.click('.zoom button:has-text("fit")');
  await page.waitForSelector('[data-test=minimap]', { state: 'detached' });
  assert.deepEqual(complaints, []);
});

test('an outline never fills the map of a large machine: small cells are outlined by the group, or not at all', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, { ...LARGE, memory: '2G' });
  for (let i = 0; i < 4; i++) await op(lab, { op: 'vmalloc', size: 1 << 26, name: `v${i}` });
  const { allocations } = await api(`/labs/${lab.id}/allocations`);
  await page.goto(`${daemon.url}/lab/${lab.id}?sel=${allocations[0].address}`);
  await page.waitForSelector('canvas[data-test=frames][data-selected*="+"]');
  await settled(page);
  const share = await page.$eval('canvas[data-test=frames]', (canvas) => {
    const accent = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(accent.slice(at, at + 2), 16));
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let red = 0;
    for (let i = 0; i < data.length; i += 4)
      red += Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 60;
    return red / (data.length / 4);
  });
  assert.ok(share < 0.02, `${(100 * share).toFixed(2)} % of the map is outline`);
  assert.deepEqual(complaints, []);
});

test('where there is no memory, nothing is drawn and nothing is counted', async () => {
  const { page, complaints } = await openPage();
  await openLab(page, { ...LARGE, max_ram_below_4g: '32M' });
  const { nr_frames } = await page.evaluate(async () =>
    (await fetch(`/api/v1${location.pathname.replace('/lab/', '/labs/')}/frames`)).json(),
  );
  assert.ok(nr_frames > 1 << 20, 'the addresses reach beyond 4 GiB');
  assert.match(await page.textContent('[data-test=map] .what'), /^16.384 frames of 4 KiB$/);
  const counts = await page.$$eval('[data-test=legend] button', (all) => all.map((one) => Number(one.dataset.count)));
  assert.equal(
    counts.reduce((a, b) => a + b),
    16384,
  );
  const hole = await page.$eval('canvas[data-test=frames]', (canvas) => {
    const { data } = canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
    const paper = getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3);
    return { drawn: [...data].slice(0, 3).map(String), paper };
  });
  assert.deepEqual(hole.drawn, hole.paper, 'a hole looks like the page');
  await page.click('#tab-map');
  for (const by of ['owner', 'order', 'zone', 'age']) {
    await page.selectOption('[data-test=colour-by]', by);
    await settled(page);
    const sum = await page.$$eval('[data-test=legend] button', (all) =>
      all.reduce((n, one) => n + Number(one.dataset.count), 0),
    );
    assert.equal(sum, 16384, by);
  }
  assert.deepEqual(complaints, []);
});

test('Virtual opens at what is selected, else where something is; the whole space has a link of its own', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, LARGE);
  await page.click('#tab-virtual');
  await page.waitForSelector('[data-test=cascade][data-levels="1"]');
  await op(lab, { op: 'vmalloc', size: 8192, name: 'area' });
  await page.waitForSelector('.crumbs [aria-current]:has-text("vmalloc")');
  await page.click('.pick:has-text("area")');
  await page.waitForSelector('[data-test=page], [data-test=cascade][data-levels="3"]');
  while (await page.isEnabled('text=↑ out')) await page.click('text=↑ out');
  await page.waitForURL(/path=whole/);
  await page.reload();
  await page.waitForSelector('[data-test=cascade][data-levels="1"]');
  assert.deepEqual(complaints, []);
});

test('a phone: the picture has most of the screen, and shows what Allocate made', async () => {
  const { page, complaints } = await openPage(PHONE);
  await openLab(page);
  const share = await page.$eval('main', (main) => main.clientHeight / innerHeight);
  assert.ok(share > 0.68, `${Math.round(100 * share)} % for the picture`);
  await page.click('.columns button:has-text("Call")');
  await page.click('[data-test=submit]');
  await shown(page, 1);
  assert.ok(await page.isVisible('canvas[data-test=frames]'));
  assert.match(await page.getAttribute('canvas[data-test=frames]', 'data-selected'), /\+1$/);
  assert.ok(await page.isVisible('.opline'), 'which call it was');
  await page.click('.lab-more');
  await page.click('#lab-menu button:has-text("Find")');
  await page.waitForSelector('.finder');
  assert.ok(!(await page.isVisible('#lab-menu')), 'the menu has closed');
  assert.deepEqual(complaints, []);
});

for (const path of ['/', '/compare', '/docs', '/lab'])
  test(`the first stop of the keyboard skips to the content: ${path}`, async () => {
    const { page, complaints } = await openPage();
    if (path === '/lab') await openLab(page);
    else await page.goto(daemon.url + path);
    await page.waitForSelector('main h1');
    const { href } = await page.evaluate(() => location);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    assert.ok(await page.isVisible('.skip'));
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.localName), 'main');
    assert.equal(await page.evaluate(() => location.href), href);
    assert.deepEqual(complaints, []);
  });
