/* The views of memory on the lab page, as a person uses them: colours, splits and merges, slabs, bytes, history, finding things. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, settled, suite } from './browser.mjs';

const { daemon, openPage, api, openLab, shown, op, picture } = suite();

const SIX = { name: 'views', profile: 'linux-6.1', memory: '64M' };
const text = (page, selector) => page.textContent(selector);

test('colour by: each legend adds up to all frames, filters on a press, and the link keeps it', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, SIX);
  await op(lab, { op: 'kmalloc', size: 100, name: 'a' });
  await shown(page, 1);
  const nr = (await api(`/labs/${lab.id}/frames`)).nr_frames;
  const pictures = new Set();
  for (const by of ['state', 'order', 'migratetype', 'zone', 'age', 'owner']) {
    await page.selectOption('[data-test=colour-by]', by);
    await page.waitForSelector(`[data-test=legend][data-by=${by}]`);
    if (by === 'owner') await page.waitForSelector('[data-test=legend] :text("kernel image")');
    else {
      const counts = await page.$$eval('[data-test=legend] button', (all) =>
        all.map((one) => Number(one.dataset.count)),
      );
      assert.equal(
        counts.reduce((a, b) => a + b, 0),
        nr,
        by,
      );
    }
    await settled(page);
    pictures.add(await picture(page));
  }
  assert.equal(pictures.size, 6, 'six different pictures');
  const before = await picture(page);
  await page.click('[data-test=legend] button:has-text("kernel image")');
  await settled(page);
  assert.notEqual(await picture(page), before, 'the others fade');
  await page.waitForURL(/colour=owner/);
  await page.reload();
  await page.waitForSelector('[data-test=legend][data-by=owner]');
  assert.deepEqual(complaints, []);
});

test('a classic machine has no zones to colour by', async () => {
  const { page } = await openPage();
  await openLab(page);
  assert.deepEqual(await page.$$eval('[data-test=colour-by] option', (all) => all.map((option) => option.value)), [
    'state',
    'owner',
    'order',
    'age',
  ]);
});

test('buddy: the splits of the last operation, one at a time, with the arithmetic; a frame leads to the map', async () => {
  const { page, complaints } = await openPage({ reducedMotion: 'no-preference' });
  const lab = await openLab(page);
  const { events } = await op(lab, { op: 'vmalloc', size: 65536, name: 'v' });
  const splits = events.filter((e) => e.event === 'split');
  await shown(page, 1);
  await page.click('#tab-buddy');
  await page.waitForSelector('[data-test=stepper]');
  await page.keyboard.press('Escape');
  await page.keyboard.press('.');
  assert.match(
    await text(page, '[data-test=step-text]'),
    new RegExp(`0x${splits[0].pfn.toString(16)} of order ${splits[0].order + 1}`),
  );
  await page.keyboard.press('.');
  assert.match(await text(page, '[data-test=step-text]'), new RegExp(`of order ${splits[1].order + 1}`));
  const motion = await page.$eval('.ladder .now .half', (half) => getComputedStyle(half).animationDuration);
  assert.ok(parseFloat(motion) > 0 && parseFloat(motion) <= 0.25, motion);
  const differing = await page.$$eval('[data-test=xor] tr', ([a, , c]) => {
    const bits = (row) => [...row.querySelectorAll('.binary i')].map((i) => i.textContent);
    const [x, y] = [bits(a), bits(c)];
    return [x.filter((bit, i) => bit !== y[i]).length, a.querySelectorAll('.marked').length];
  });
  assert.deepEqual(differing, [1, 1]);
  await page.keyboard.press(',');
  assert.equal(await page.getAttribute('[data-test=stepper]', 'data-step'), '0');
  await page.click('.ladder .now .half:last-child .link');
  await page.waitForSelector(`canvas[data-selected="${splits[0].pfn + 2 ** splits[0].order}+1"]`);
  assert.deepEqual(complaints, []);
});

test('nothing moves for those who asked for stillness', async () => {
  const { page } = await openPage();
  const lab = await openLab(page, SIX);
  await op(lab, { op: 'alloc_pages', order: 6, name: 'p' });
  await shown(page, 1);
  await page.click('#tab-buddy');
  await page.waitForSelector('.ladder .now .half');
  assert.equal(await page.$eval('.ladder .now .half', (half) => getComputedStyle(half).animationName), 'none');
});

test('slabs: the chain as the daemon has it; an object is the same selection everywhere', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, SIX);
  for (const name of ['a', 'b', 'c', 'd']) await op(lab, { op: 'kmalloc', size: 1000, name });
  await op(lab, { op: 'kfree', name: 'b' });
  await shown(page, 5);
  const { slabs } = await api(`/labs/${lab.id}/caches/kmalloc-1k?objects=true`);
  const objects = slabs[0].objects;
  const pointed = new Set(objects.map((o) => o.free_next));
  let at = objects.findIndex((o) => !o.in_use && !pointed.has(o.address));
  const chain = [];
  while (at >= 0) {
    chain.push(at);
    at = objects.findIndex((o) => o.address === objects[at].free_next);
  }
  assert.equal(objects[chain[0]].address, objects[1].address, 'the one freed last is taken first');
  await page.click('#tab-slabs');
  await page.waitForSelector('[data-test=objects]');
  assert.equal(await page.getAttribute('[data-test=objects]', 'data-chain'), chain.join(' '));
  assert.equal(await text(page, '[data-test=lost]'), '72 B');
  await page.click('.object:has-text("c")');
  await page.waitForSelector('[data-test=selected]');
  assert.match(await text(page, '[data-test=selected] h2'), /^Selected c/);
  await page.click('[aria-label*="free, "] >> nth=0');
  await page.waitForSelector('[data-test=object]');
  await page.click('#tab-bytes');
  await page.waitForSelector('.b-meta');
  assert.match(await text(page, '.hex'), /free pointer → 0xffff8880/);
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
});

test('bytes: what the last operation changed is marked; stale bytes are told; any address can be read', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, SIX);
  const { address } = await op(lab, { op: 'kmalloc', size: 64, name: 'old' });
  await op(lab, { op: 'write', name: 'old', hex: '736563726574' });
  await op(lab, { op: 'kfree', name: 'old' });
  const again = await op(lab, { op: 'kmalloc', size: 64, name: 'new' });
  assert.equal(again.address, address, 'the same object');
  await op(lab, { op: 'write', name: 'new', hex: '41' });
  await shown(page, 5);
  await page.click('.pick:has-text("new")');
  await page.click('#tab-bytes');
  await page.waitForSelector('[data-test=changed]:has-text("1 byte changed by op 5")');
  assert.equal((await text(page, '.hexrow .b-data.changed')).trim(), '41');
  assert.match(await text(page, '.hexrow .b-stale'), /65 63 72 65 74/, 'the rest of the secret');
  await page.fill('[name=goto]', address.slice(2));
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=back to the selection');
  await page.waitForURL(/bytes=0x/);
  await page.click('text=← before');
  await page.waitForFunction(() => /0x400 before it/.test(document.querySelector('.pager').textContent));
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
});

test('bytes of a process: the chunk’s header by name', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, SIX);
  const { pid } = await op(lab, { op: 'spawn', name: 'demo' });
  await op(lab, { op: 'malloc', pid, size: 100, name: 'm' });
  await shown(page, 2);
  await page.click('.pick:has-text("m")');
  await page.click('#tab-bytes');
  await page.waitForSelector('.hexrow .b-meta');
  assert.match(await text(page, '.hex'), /size of this chunk/);
  assert.match(await text(page, '.pane.bytes .cap >> nth=1'), new RegExp(`of pid ${pid}`));
  assert.deepEqual(complaints, []);
});

test('history: remarks are drawn; the next failure; the operations that name the selection', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  await op(lab, { op: 'kmalloc', size: 100, name: 'a' });
  await op(lab, { op: 'mark', text: 'look here' });
  await op(lab, { op: 'kmalloc', size: 9999999, name: 'b' });
  await op(lab, { op: 'kmalloc', size: 50, name: 'c' });
  await op(lab, { op: 'write', name: 'a', fill: 1, length: 4 });
  await shown(page, 5);
  await page.waitForSelector('[data-test=timeline][data-marks="1"][data-points="6"]');
  await page.keyboard.press('Home');
  await shown(page, 0);
  await page.keyboard.press('Shift+N');
  await shown(page, 3);
  assert.match(await text(page, '[data-test=notice]'), /Operation 3 failed/);
  await page.keyboard.press('Shift+N');
  await page.waitForFunction(() => /No failure after/.test(document.querySelector('[data-test=notice]').textContent));
  await page.click('.pick:has-text("a")');
  await page.keyboard.press('.');
  await shown(page, 5);
  await page.keyboard.press(',');
  await shown(page, 1);
  await page.keyboard.press(']');
  assert.match(await text(page, '[data-test=notice]'), /8 operations a second/);
  assert.deepEqual(complaints, []);
});

test('a long history shows how much of it is read, and the next failure in it is found', async () => {
  const { page, complaints } = await openPage();
  const lab = await api('/labs', { name: 'long', profile: 'classic' });
  const lines = Array.from({ length: 6000 }, (_, i) =>
    i === 2499 ? '{"op":"kmalloc","size":9999999}' : '{"op":"ksize","address":"0x0"}',
  );
  await fetch(`${daemon.url}/api/v1/labs/${lab.id}/ops?results=summary`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  await page.route('**/stats?*', async (route) => {
    await new Promise((done) => setTimeout(done, 60));
    await route.continue();
  });
  await page.goto(`${daemon.url}/lab/${lab.id}`);
  await page.waitForSelector('.reading progress');
  await page.waitForSelector('[data-test=timeline][data-points="512"]');
  await page.waitForSelector('.reading', { state: 'detached' });
  await page.keyboard.press('Home');
  await shown(page, 0);
  await page.keyboard.press('Shift+N');
  await shown(page, 2500);
  assert.deepEqual(complaints, []);
});

test('finding: / for things, Ctrl+K for commands, all by keyboard', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  const { address } = await op(lab, { op: 'kmalloc', size: 1000, name: 'needle' });
  await shown(page, 1);
  await page.focus('.surface');
  await page.keyboard.press('/');
  await page.waitForSelector('.finder');
  await page.keyboard.type('needle');
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-test=selected]');
  assert.ok(await page.evaluate(() => document.activeElement?.classList.contains('surface')), 'the focus comes back');
  await page.keyboard.press('Escape');
  await page.waitForSelector('.finder', { state: 'detached' });
  await page.keyboard.press('/');
  await page.waitForSelector('.finder');
  await page.keyboard.type(address);
  await page.waitForSelector('[role=option]:has-text("bytes at")');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.hexrow');
  await page.waitForSelector('.finder', { state: 'detached' });
  await page.keyboard.press('Control+k');
  await page.waitForSelector('.finder');
  await page.keyboard.type('show slabs');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#tab-slabs[aria-selected=true]');
  await page.waitForSelector('.finder', { state: 'detached' });
  await page.keyboard.press('Control+k');
  await page.waitForSelector('.finder');
  await page.keyboard.type('call vmalloc');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.finder', { state: 'detached' });
  assert.match(await text(page, '[data-test=call]'), /vmalloc\(/);
  await page.waitForFunction(() => document.activeElement?.id === 'f-size'); /* ready to be typed into */
  await page.focus('#tab-slabs');
  await page.keyboard.press('2');
  await page.waitForSelector('#tab-buddy[aria-selected=true]');
  await page.keyboard.press('Shift+?');
  await page.waitForSelector('dialog[open] h2');
  assert.deepEqual(await axe(page), []);
  await page.uncheck('dialog input[type=checkbox]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.keyboard.press('3');
  await settled(page);
  assert.equal(await page.getAttribute('#tab-buddy', 'aria-selected'), 'true', 'single keys can be switched off');
  assert.deepEqual(complaints, []);
});

test('the inspector: where the time went, and where the call would land', async () => {
  const { page, complaints } = await openPage();
  await openLab(page);
  await page.waitForSelector('[data-test=dry-run] .link');
  const wish = await text(page, '[data-test=dry-run] .link');
  await page.click('[data-test=submit]');
  await shown(page, 1);
  await page.waitForSelector('[data-test=cost]');
  assert.equal(await text(page, '[data-fact=frames] .link'), wish, 'it landed where the rehearsal said');
  assert.match(await text(page, '[data-test=cost]'), /of estimated time/);
  assert.match(await text(page, '[data-test=why]'), /watermark/);
  await page.click('[data-fact=allocator] .link >> nth=1');
  await page.waitForSelector('#tab-slabs[aria-selected=true]');
  assert.deepEqual(complaints, []);
});

test('the map by keyboard: owner, mapping, fit to the selection', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  await op(lab, { op: 'vmalloc', size: 200000, name: 'v' });
  await shown(page, 1);
  const { allocations } = await api(`/labs/${lab.id}/allocations`);
  await page.click('.pick:has-text("v")');
  await page.focus('.surface');
  await page.keyboard.press('f');
  await page.waitForFunction(() => document.querySelector('.zoom').textContent.includes('fit'));
  await page.keyboard.press('Shift+D');
  await page.keyboard.press('f');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowLeft');
  assert.match(
    await text(page, '.frames [aria-live]'),
    new RegExp(`^frame 0x${allocations[0].frames[0].pfn.toString(16)},`),
    'the cursor starts at the selection',
  );
  await page.keyboard.press('Enter'); /* the selected one's frame by itself */
  await page.waitForSelector('[data-test=frame] [data-fact=allocation]');
  await page.keyboard.press('o');
  await page.waitForSelector('[data-test=selected]');
  await page.keyboard.press('v');
  await page.waitForSelector('#tab-pagetables[aria-selected=true]');
  assert.deepEqual(complaints, []);
});
