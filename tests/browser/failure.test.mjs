/* A failure is the lesson: it takes the stage, says what would have been right, and does it at one click. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, settled, suite } from './browser.mjs';

const { daemon, openPage, api, openLab, shown, op } = suite();

const text = (page, selector) => page.textContent(selector);
const FAILED = '[data-test=last-op]';

for (const theme of ['light', 'dark'])
  test(`the wrong release function, in ${theme}: the card, the line, the click that does it right, Esc back to the selection`, async () => {
    const { page, complaints } = await openPage({ colorScheme: theme });
    const lab = await openLab(page);
    const v = await op(lab, { op: 'vmalloc', size: 50000, name: 'v' });
    await op(lab, { op: 'kmalloc', size: 100, name: 'k' });
    await shown(page, 2);
    await page.click('.pick:has-text("k")');
    await page.waitForSelector('[data-test=selected]');
    await op(lab, { op: 'kfree', name: 'v' });
    await shown(page, 3);
    await page.waitForSelector(`${FAILED}[data-outcome=bug]`);
    assert.match(await text(page, FAILED), /back to k/);
    assert.match(await text(page, `${FAILED} .words`), /kfree of non-kmalloced memory: c1800000/);
    assert.match(await text(page, '[data-test=failure-line]'), /^kfree\(v\) → BUG/);
    const selected = await page.getAttribute('canvas[data-test=frames]', 'data-selected');
    assert.ok(selected.split(' ').length === v.nr_frame_runs, 'the map marks the frames of what was given');
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press('Escape');
    await page.waitForSelector('[data-test=selected]');
    assert.match(await text(page, '[data-test=selected] h2'), /k · op 2/);
    assert.equal(await page.locator('[data-test=failure-line]').count(), 0);
    await page.goto(`${daemon.url}/lab/${lab.id}`);
    await page.click('[data-test=do-that]');
    await shown(page, 4);
    await page.waitForFunction(() => !document.querySelector('[data-test=failure-line]'));
    const { allocations } = await api(`/labs/${lab.id}/allocations`);
    assert.deepEqual(
      allocations.map((a) => a.name),
      ['k'],
    );
    assert.deepEqual(complaints, []);
  });

test('NULL: the reason, what is not the reason, and the call that works selects what it made', async () => {
  const { page } = await openPage();
  const lab = await openLab(page);
  await page.fill('#f-size', '131057');
  await page.click('[data-test=submit]');
  await page.waitForSelector(`${FAILED}[data-outcome=null]`);
  assert.match(await text(page, FAILED), /One byte over kmalloc’s limit/);
  assert.match(await text(page, '[data-test=failed-why]'), /128 KiB − 16 B/);
  await page.waitForFunction(() => document.querySelectorAll('[data-test=ruler] .scale i').length === 14);
  assert.match(await text(page, '[data-test=ruler]'), /16 B page descriptor.*128 KiB − 16 B/);
  assert.deepEqual(await axe(page), []);
  assert.match(await text(page, FAILED), /Not the reason.*Memory was not short/s);
  await page.click('[data-test=do-that] >> nth=0');
  await page.waitForSelector('[data-test=selected]');
  const { allocations } = await api(`/labs/${lab.id}/allocations`);
  assert.deepEqual(
    allocations.map((a) => [a.op, a.requested]),
    [['vmalloc', 131057]],
  );
});

test('the full call stays readable on the timeline and in replay, with flags and context', async () => {
  const { page } = await openPage();
  const lab = await openLab(page, { name: 'irq', profile: 'linux-6.1' });
  await op(lab, { op: 'kmalloc', size: 64, gfp: 'GFP_KERNEL', context: 'hardirq' });
  await op(lab, { op: 'tick' });
  await shown(page, 2);
  await page.keyboard.press('ArrowLeft');
  await shown(page, 1);
  await page.waitForFunction(() => /kmalloc/.test(document.querySelector('.opline')?.textContent ?? ''));
  assert.match(await text(page, '.opline'), /kmalloc\(64, GFP_KERNEL\) \/\* hardirq \*\/.*bug/);
  assert.match(await text(page, '[data-test=failed-call]'), /kmalloc\(64, GFP_KERNEL\); \/\* hardirq \*\//);
  assert.ok(await page.locator('[data-test=do-that]').first().isDisabled(), 'the past is read-only');
});

test('a freed name leads to its old address, and the page says so', async () => {
  const { page } = await openPage();
  const lab = await openLab(page, { name: 'freed', profile: 'linux-6.1' });
  await op(lab, { op: 'kmalloc', size: 64, name: 'k' });
  await op(lab, { op: 'kfree', name: 'k' });
  await op(lab, { op: 'write', name: 'k', fill: 1, length: 4 });
  await shown(page, 3);
  await page.waitForSelector('[data-fact=address]');
  assert.match(await text(page, '[data-fact=address]'), /the old address of k, which was freed/);
  await op(lab, { op: 'kfree', name: 'k' });
  await shown(page, 4);
  await page.waitForSelector(`${FAILED}[data-outcome=bug]`);
  assert.match(await text(page, FAILED), /k was freed before.*old address/s);
});

test('what was just done is to be seen, not only heard; the hovered frame has its place in view', async () => {
  const { page } = await openPage();
  const lab = await openLab(page);
  for (let i = 0; i < 3; i++) await op(lab, { op: 'kmalloc', size: 1000, name: `k${i}` });
  await shown(page, 3);
  await page.keyboard.press('Shift+N');
  await page.waitForSelector('.notice:has-text("No failure after operation 3")');
  await page.keyboard.press(']');
  await page.waitForSelector('.notice:has-text("operations a second")');
  await page.click('.pick');
  await page.waitForSelector('[data-test=why]');
  const box = await page.locator('.frames .surface').boundingBox();
  await page.mouse.move(box.x + 200, box.y + 200);
  await page.waitForSelector('[data-test=hovered] [data-fact=frame]');
  await settled(page);
  const hovered = await page.locator('[data-test=hovered]').boundingBox();
  const column = await page.locator('.right').boundingBox();
  assert.ok(
    hovered.y >= column.y && hovered.y + hovered.height <= column.y + column.height + 1,
    'wherever the column is scrolled to',
  );
});

test('write fills the selected block with 0xaa, and says so before and after', async () => {
  const { page } = await openPage();
  const lab = await openLab(page);
  await op(lab, { op: 'kmalloc', size: 1000, name: 'k' });
  await shown(page, 1);
  await page.click('.pick');
  await page.selectOption('.more', 'write');
  assert.match(await text(page, '[data-test=call]'), /memset\(0x\w+, 0xaa, 1000\);/);
  assert.equal(await page.getAttribute('#f-fill', 'placeholder'), '0xaa');
  await page.click('[data-test=submit]');
  await shown(page, 2);
  await page.keyboard.press('Escape');
  await page.waitForSelector('[data-fact=wrote]');
  assert.match(await text(page, '[data-fact=wrote]'), /1.000 bytes of 0xaa/);
});
