/* The lab page in a real browser, on a real daemon: open a lab, call kmalloc, see its frames, go to the past and back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, settled, startDaemon, suite } from './browser.mjs';

const { daemon, openPage, api, openLab, shown, legend, picture } = suite();

test('home: open a lab with the form', async () => {
  const { page, complaints } = await openPage();
  await page.goto(daemon.url);
  await page.fill('#lab-name', 'from the form');
  await page.fill('#lab-memory', '16M');
  assert.deepEqual(await axe(page), []);
  await page.click('[data-test=open-lab]');
  await page.waitForURL(/\/lab\//);
  await shown(page, 0);
  assert.match(await page.textContent('header'), /from the form/);
  assert.deepEqual(complaints, []);
});

test('kmalloc through the form: its frames are seen in inspector and canvas', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  const before = await legend(page, 'free');
  await page.fill('#f-size', '131056');
  await page.waitForFunction(() => /131.056 → 131.056/.test(document.querySelector('[data-test=remark]').textContent));
  assert.match(await page.textContent('[data-test=call]'), /a = kmalloc\(131056, GFP_KERNEL\);/);
  const empty = await picture(page);
  await page.click('[data-test=submit]');
  await shown(page, 1);
  await page.waitForSelector('[data-test=selected]');
  const { allocations } = await api(`/labs/${lab.id}/allocations`);
  const [{ pfn, count }] = allocations[0].frames;
  assert.equal(count, 32);
  assert.equal(await page.getAttribute('canvas[data-test=frames]', 'data-selected'), `${pfn}+32`);
  assert.match(await page.textContent('[data-fact=frames]'), /32 frames/);
  assert.match(await page.textContent('[data-fact=contiguous]'), /physically/);
  assert.equal(before - (await legend(page, 'free')), 32);
  assert.equal(
    await page.getAttribute('[data-test=ribbons]', 'data-count'),
    '1',
    'one solid ribbon: physically contiguous',
  );
  assert.notEqual(await picture(page), empty, 'the canvas shows it');
  await page.click('.release');
  await shown(page, 2);
  assert.equal(await legend(page, 'free'), before);
  assert.deepEqual(complaints, []);
});

test('one byte too many is NULL, said before and after; a wrong size is explained at its field', async () => {
  const { page, complaints } = await openPage();
  await openLab(page);
  await page.fill('#f-size', '131057');
  await page.waitForFunction(() => /would return NULL/.test(document.querySelector('[data-test=remark]').textContent));
  await page.click('[data-test=submit]');
  await page.waitForSelector('[data-test=last-op][data-outcome=null]');
  await page.fill('#f-size', 'lots');
  await page.click('[data-test=submit]');
  await page.waitForSelector('#f-size-error');
  assert.equal(await page.getAttribute('#f-size', 'aria-invalid'), 'true');
  const refused = complaints.filter((c) => !/422/.test(c));
  assert.deepEqual(refused, []);
});

test('malloc spawns a process, and frames come when it is touched', async () => {
  const { page, complaints } = await openPage();
  await openLab(page);
  await page.click('.seg label:has-text("malloc") >> nth=-1');
  await page.fill('#f-size', '20000');
  await page.click('[data-test=submit]');
  await shown(page, 2);
  const promised = await legend(page, 'anon');
  await page.click('text=Touch all its pages');
  await shown(page, 3);
  assert.ok((await legend(page, 'anon')) > promised);
  assert.deepEqual(complaints, []);
});

test('the timeline: drag to the past and back, step by keys, and the same moment draws the same picture', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  for (const size of [1000, 50000, 131056, 4000])
    await api(`/labs/${lab.id}/ops`, { op: 'kmalloc', size, gfp: 'GFP_KERNEL' });
  await shown(page, 4); /* by the event stream */
  await page.click('.pick');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('canvas[data-test=frames]').dataset.selected === '');
  const now = await legend(page, 'free');
  const box = await page.locator('[data-test=slider]').boundingBox();
  const at = (seq) => [box.x + 8 + (seq / 4) * (box.width - 16), box.y + 40];
  await page.mouse.move(...at(4));
  await page.mouse.down();
  await page.mouse.move(...at(2), { steps: 6 });
  await page.mouse.up();
  await shown(page, 2);
  assert.match(await page.textContent('[data-test=moment]'), /past, read-only · op 2/);
  assert.ok(await page.isDisabled('[data-test=submit]'), 'the past is read-only');
  assert.ok((await legend(page, 'free')) > now);
  await page.waitForURL(/seq=2/);
  await page.mouse.move(box.x, box.y - 200);
  await settled(page);
  const once = await picture(page);
  await page.keyboard.press('ArrowRight');
  await shown(page, 3);
  await page.keyboard.press('ArrowLeft');
  await shown(page, 2);
  assert.equal(await picture(page), once);
  await page.keyboard.press('Home');
  await shown(page, 0);
  await page.keyboard.press('End');
  await shown(page, 4);
  assert.equal(await legend(page, 'free'), now);
  assert.match(await page.textContent('[data-test=moment]'), /live · op 4/);
  assert.deepEqual(complaints, []);
});

test('the map by keyboard: move, select, filter by legend; the theme is remembered', async () => {
  const { page, complaints } = await openPage();
  await openLab(page);
  await page.focus('.surface');
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown', 'b']) await page.keyboard.press(key);
  assert.match(await page.textContent('.frames [aria-live]'), /^frame 0x[0-9a-f]+, /);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-test=frame]');
  await page.keyboard.press('w');
  await page.waitForFunction(() => document.querySelector('.zoom').textContent.includes('fit'));
  await page.click('[data-test=legend] [data-kind=reserved]');
  assert.equal(await page.getAttribute('[data-test=legend] [data-kind=reserved]', 'aria-pressed'), 'true');
  await page.keyboard.press('Shift+?');
  await page.waitForSelector('dialog[open]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.click('[aria-label="Switch between light and dark"]');
  await page.reload();
  assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
  assert.deepEqual(complaints, []);
});

test('every operation of the table has a form', async () => {
  const { page, complaints } = await openPage();
  await openLab(page);
  const ops = await page.$$eval('.more option', (options) => options.map((option) => option.value).filter(Boolean));
  assert.equal(ops.length, (await api('/ops')).ops.length);
  for (const op of ops) {
    await page.selectOption('.more', op);
    assert.match(await page.textContent('[data-test=call]'), /\(.*\);/, op);
  }
  assert.deepEqual(complaints, []);
});

test('a link restores moment, selection and tab', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  const made = await api(`/labs/${lab.id}/ops`, { op: 'vmalloc', size: 40000, name: 'v' });
  await api(`/labs/${lab.id}/ops`, { op: 'vfree', name: 'v' });
  await page.goto(`${daemon.url}/lab/${lab.id}?seq=1&sel=${made.address}&layout=linear`);
  await page.waitForSelector('[data-test=selected]');
  assert.match(await page.textContent('[data-fact=allocator]'), /vmalloc/);
  assert.equal(await page.getAttribute('.layout button >> nth=0', 'aria-pressed'), 'true');
  assert.deepEqual(complaints, []);
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing on any tab, ${colorScheme}`, async () => {
    const { page, complaints } = await openPage({ colorScheme });
    const lab = await openLab(page);
    await api(`/labs/${lab.id}/ops`, { op: 'spawn', name: 'demo' });
    await api(`/labs/${lab.id}/ops`, { op: 'kmalloc', size: 1000, gfp: 'GFP_KERNEL', name: 'skb' });
    await api(`/labs/${lab.id}/ops`, { op: 'vmalloc', size: 40000, name: 'v' });
    for (let i = 0; i < 40; i++)
      await api(`/labs/${lab.id}/ops`, { op: 'kmalloc', size: 30 + i, gfp: 'GFP_KERNEL', name: `n${i}` });
    await api(`/labs/${lab.id}/ops`, { op: 'mark', text: 'forty more' });
    await shown(page, 44);
    await page.fill('.filter', 'skb');
    await page.click('.pick:has-text("skb")');
    await page.waitForSelector('[data-test=selected]');
    for (const tab of [
      'map',
      'buddy',
      'slabs',
      'pagetables',
      'heap',
      'bytes',
      'virtual',
      'processes',
      'swap',
      'changes',
    ]) {
      await page.click(`#tab-${tab}`);
      await settled(page);
      assert.deepEqual(await axe(page), [], tab);
    }
    assert.deepEqual(complaints, []);
  });
}

for (const [profile, memory] of [
  ['classic', '4M'],
  ['linux-6.1', '256M'],
  ['linux-6.1', '8G'],
]) {
  test(`${profile} with ${memory} is drawn`, async () => {
    const { page, complaints } = await openPage();
    await openLab(page, { name: memory, profile, memory });
    assert.ok((await legend(page, 'free')) > 100);
    assert.deepEqual(complaints, []);
  });
}

test('a lab that is not there says so', async () => {
  const { page } = await openPage();
  await page.goto(`${daemon.url}/lab/nosuchlab`);
  await page.waitForSelector('text=There is no such lab');
  assert.deepEqual(await axe(page), []);
});

test('a daemon that dies is missed, and the page goes on when it is back', async () => {
  const first = await startDaemon();
  const { page } = await openPage();
  const post = (path, body) =>
    fetch(`${first.url}/api/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then((r) => r.json());
  const lab = await post('/labs', { name: 'restart', profile: 'classic' });
  await page.goto(`${first.url}/lab/${lab.id}`);
  await shown(page, 0);
  await first.end();
  await page.waitForSelector('[data-test=moment].lost');
  const second = await startDaemon(first);
  await post(`/labs/${lab.id}/ops`, { op: 'kmalloc', size: 100, gfp: 'GFP_KERNEL' });
  await page.waitForSelector('[data-test=moment].live');
  await shown(page, 1);
  await page.close();
  await second.stop();
});

/** What reaches beyond the window, other than the screen readers' words and what scrolls in a box of its own. */
const beyond = (page) =>
  page.evaluate(() => {
    const wide = document.documentElement.clientWidth;
    return [...document.querySelectorAll('body *')]
      .filter(
        (e) => !e.closest('svg, .scroll, .sr, .tabrow, .timeline .row') && e.getBoundingClientRect().right > wide + 1,
      )
      .map((e) => `${e.tagName}.${e.className}`);
  });

for (const width of [420, 1024])
  test(`${width} pixels wide: nothing is wider than the window, on any tab`, async () => {
    const { page, complaints } = await openPage({ viewport: { width, height: 820 } });
    const lab = await openLab(page, { name: 'a lab with quite a name', profile: 'linux-6.1', memory: '64M', cpus: 2 });
    await api(`/labs/${lab.id}/ops`, { op: 'mark', text: 'a remark of some length, at the very start' });
    await api(`/labs/${lab.id}/ops`, { op: 'spawn', name: 'server' });
    await api(`/labs/${lab.id}/ops`, { op: 'malloc', pid: 100, size: 400000, name: 'buffer' });
    await shown(page, 3);
    await page.waitForSelector('[data-test=timeline][data-marks="1"]');
    for (const tab of await page.$$eval('[role=tab]', (tabs) => tabs.map((one) => one.id))) {
      await page.click(`#${tab}`);
      await settled(page);
      assert.deepEqual(await beyond(page), [], tab);
    }
    assert.deepEqual(complaints, []);
  });

test('narrow: one part at a time, nothing wider than the screen', async () => {
  const { page, complaints } = await openPage({ viewport: { width: 420, height: 820 } });
  await openLab(page);
  for (const part of ['Call', 'Inspector', 'Memory']) {
    await page.click(`.columns button:has-text("${part}")`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), part);
    assert.deepEqual(await beyond(page), [], part);
    assert.deepEqual(await axe(page), [], part);
  }
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
});
