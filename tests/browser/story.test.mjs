/* The story in ten seconds: playing shows what each step made, an empty map says what it is, one way leads to every page. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, suite } from './browser.mjs';

const { daemon, openPage, api, openLab, shown, op } = suite();

const text = (page, selector) => page.textContent(selector);

test('playing selects what each step made, and its threads are drawn', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  await op(lab, { op: 'kmalloc', size: 40000, name: 'run' });
  await op(lab, { op: 'vmalloc', size: 40000, name: 'scatter' });
  const { pid } = await op(lab, { op: 'spawn', name: 'demo' });
  await op(lab, { op: 'malloc', pid, size: 40000, name: 'promise' });
  await op(lab, { op: 'kfree', name: 'run' });
  await shown(page, 5);
  await page.evaluate(() => {
    globalThis.seen = [];
    const note = () => {
      const title = document.querySelector('[data-test=selected] h2 span')?.textContent.split(' ·')[0];
      const threads = Number(document.querySelector('[data-test=ribbons]')?.dataset.count);
      if (title && threads && globalThis.seen.at(-1)?.[0] !== title) globalThis.seen.push([title, threads]);
    };
    new MutationObserver(note).observe(document.body, {
      subtree: true,
      childList: true,
      attributes: true,
      characterData: true,
    });
  });
  await page.selectOption('.speed select', '2');
  await page.click('button[aria-label=Play]');
  await page.waitForFunction(() => globalThis.seen.at(-1)?.[0] === 'promise');
  const seen = await page.evaluate(() => globalThis.seen);
  assert.deepEqual(
    seen.map(([title]) => title),
    ['run', 'scatter', 'promise'],
  );
  assert.equal(seen[0][1], 1, 'one solid run');
  assert.ok(seen[1][1] > 3, 'a fan');
  assert.deepEqual(complaints, []);
});

for (const theme of ['light', 'dark'])
  test(`an empty map says what it is, the legend what its numbers are, in ${theme}`, async () => {
    const { page } = await openPage({ colorScheme: theme });
    const lab = await openLab(page);
    assert.match(await text(page, '[data-test=fresh]'), /one page frame of 4 KiB.*just booted/);
    assert.match(
      await text(page, '[data-test=order-key]'),
      /^5 outlined: a free block of order 5, 32 frames side by side/,
    );
    assert.deepEqual(await axe(page), []);
    const large = await api('/labs', { name: 'large', profile: 'linux-6.1' });
    await page.goto(`${daemon.url}/lab/${large.id}`);
    await shown(page, 0);
    assert.ok(await page.locator('[data-test=order-key]').isHidden(), 'no numbers, no words about them');
    await page.goto(`${daemon.url}/lab/${lab.id}`);
    await shown(page, 0);
    await op(lab, { op: 'kmalloc', size: 100 });
    await shown(page, 1);
    assert.equal(await page.locator('[data-test=fresh]').count(), 0);
  });

test('one navigation on all pages, the current one marked', async () => {
  const { page } = await openPage();
  const lab = await openLab(page);
  const links = () =>
    page.$$eval('.sitenav a', (all) => all.map((a) => [a.textContent, a.getAttribute('aria-current')]));
  const want = { '/': 'Labs', '/compare': 'Compare', '/docs': 'API', [`/lab/${lab.id}`]: 'Labs' };
  for (const [path, here] of Object.entries(want)) {
    await page.goto(daemon.url + path);
    await page.waitForSelector('.sitenav');
    assert.deepEqual(
      await links(),
      ['Labs', 'Compare', 'API'].map((name) => [name, name === here ? 'page' : null]),
      path,
    );
  }
});

test('plain words: no riddles on any page', async () => {
  const { page } = await openPage();
  const lab = await openLab(page);
  await op(lab, { op: 'kmalloc', size: 100, name: 'a' });
  await shown(page, 1);
  for (const path of ['/', '/compare', '/docs', `/lab/${lab.id}`, `/lab/${lab.id}?tab=changes`]) {
    await page.goto(daemon.url + path);
    await page.waitForSelector('main');
    assert.doesNotMatch(await text(page, 'body'), /memory of\b|most at once|keep op|let go of/i, path);
  }
});

test('why an answer is so leads to how it is known', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, { profile: 'linux-6.1' });
  await op(lab, { op: 'vmalloc', size: 8192, name: 'a' });
  await shown(page, 1);
  await page.click('[data-test=why] a:has-text("How this is known")');
  await page.waitForURL(/\/docs\/fidelity#linux-6\.1\/vmalloc$/);
  await page.waitForSelector('tr[aria-current=true] th:has-text("vmalloc")');
  assert.match(await text(page, 'tr[aria-current=true]'), /recordings identical/);
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
});
