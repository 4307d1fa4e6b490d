/* The comparison in a real browser: one request of four allocators, and their curves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, suite } from './browser.mjs';

const { daemon, openPage } = suite();

const cells = (page, name) =>
  page.$$eval(
    'table.beside tbody tr',
    (rows, wanted) =>
      rows
        .map((row) => [...row.cells].map((cell) => cell.textContent))
        .find(([head]) => head === wanted)
        .slice(1),
    name,
  );

for (const theme of ['light', 'dark'])
  test(`192 KiB on the classic machine, in ${theme}: kmalloc fails, vmalloc scatters, malloc promises`, async () => {
    const { page, complaints } = await openPage({ colorScheme: theme });
    await page.goto(`${daemon.url}/compare`);
    await page.waitForSelector('[data-test=answers]');
    assert.match(await page.textContent('section.answer[aria-label=kmalloc]'), /returns NULL/);
    assert.equal((await cells(page, 'address'))[0], 'NULL');
    assert.match((await cells(page, 'frames'))[2], /48 frames in \d+ runs/);
    assert.match((await cells(page, 'frames'))[3], /the rest when touched/);
    await page.waitForSelector('.curves canvas');
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

test('another size and machine by the form; the link restores them', async () => {
  const { page, complaints } = await openPage();
  await page.goto(`${daemon.url}/compare`);
  await page.selectOption('form.ask select', 'linux-6.1');
  await page.fill('[data-test=size]', '100');
  await page.waitForFunction(() =>
    /kmalloc-128/.test(document.querySelector('section.answer[aria-label=kmalloc]')?.textContent ?? ''),
  );
  await page.selectOption('form.ask label:has-text("Machine") select', 'fragmented');
  await page.waitForURL(/profile=linux-6.1&machine=fragmented&size=100/);
  await page.reload();
  await page.waitForFunction(() =>
    /kmalloc-128/.test(document.querySelector('section.answer[aria-label=kmalloc]')?.textContent ?? ''),
  );
  await page.fill('[data-test=size]', 'many');
  await page.waitForSelector('[role=alert]');
  assert.match(await page.textContent('[role=alert]'), /size/);
  assert.ok(
    complaints.every((text) => /422/.test(text)),
    complaints.join(),
  );
  await page.context().close();
});
