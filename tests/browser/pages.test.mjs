/* What leads from one page to the next, what a link carries, what changed between two moments, and a page beside a fast import. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, suite } from './browser.mjs';

const { daemon, openPage, api, op, openLab, shown } = suite();

const text = (page, selector) => page.textContent(selector);

test('home: how the four differ is on the first screen; one press shows them in a lab', async () => {
  const { page, complaints } = await openPage();
  await page.goto(daemon.url);
  await page.waitForSelector('[data-test=figure]');
  const box = await page.locator('.compare table').boundingBox();
  assert.ok(box.y < 700, `the table begins at ${box.y}`);
  assert.deepEqual(await page.$$eval('.compare thead th', (cells) => cells.map((cell) => cell.lastChild.textContent)), [
    'kmalloc',
    'kzalloc',
    'vmalloc',
    'malloc',
  ]);
  await page.click('[data-test=tour]');
  await page.waitForURL(/\/lab\/\w+\?.*tour=1/);
  await page.waitForSelector('[data-test=timeline][data-marks="5"]');
  const step = async (nr, sentence, name) => {
    await page.waitForSelector(`[data-test=tour-bar][data-step="${nr}"]`);
    assert.match(await text(page, '[data-test=tour-bar]'), sentence);
    await page.waitForSelector(`[data-test=selected] h2:has-text("${name}")`);
  };
  const next = () => page.click('[data-test=tour-bar] .next');
  const threads = async () => Number(await page.getAttribute('[data-test=ribbons]', 'data-count'));
  await step(1, /kmalloc took one run: 32 frames/, 'by_kmalloc');
  await page.waitForFunction(() => document.querySelector('[data-test=ribbons]').dataset.count === '1');
  assert.deepEqual(await axe(page), []);
  await next();
  await step(2, /kzalloc is kmalloc, and clears/, 'by_kzalloc');
  await next();
  await step(3, /25 single frames in \d+ places/, 'by_vmalloc');
  await page.waitForFunction(() => Number(document.querySelector('[data-test=ribbons]').dataset.count) > 3);
  assert.match(await text(page, '[data-fact=contiguous]'), /virtually only/);
  await next();
  await step(4, /malloc gave a promise/, 'by_malloc');
  const promised = await threads();
  await next();
  await step(5, /12.288 bytes were written/, 'by_malloc');
  assert.ok((await threads()) >= promised, 'its frames have come');
  await next();
  await page.waitForSelector('[data-test=tour-bar]', { state: 'detached' });
  assert.match(await text(page, '[data-test=moment]'), /live/);
  await page.goto(daemon.url);
  await page.waitForSelector('#labs-title span:not(:empty)');
  await page.waitForFunction(() => !document.querySelector('.threefold[aria-busy]'));
  assert.doesNotMatch(await text(page, '#labs'), /four ways/, 'a tour’s lab is scratch paper');
  const { labs } = await api('/labs');
  await page.click('[data-test=tour]');
  await page.waitForURL(/tour=1/);
  assert.equal((await api('/labs')).labs.length, labs.length, 'the one before is thrown away');
  assert.deepEqual(complaints, []);
});

test('an allocator has one colour: in the table and the figure of the first page, in the comparison, in a lab', async () => {
  const { page } = await openPage();
  const fills = (selector) => page.$$eval(selector, (all) => all.map((one) => getComputedStyle(one).backgroundColor));
  await page.goto(daemon.url);
  const home = await fills('.compare thead .chip');
  assert.equal(new Set(home).size, 3, 'kzalloc is kmalloc that clears');
  await page.waitForSelector('.threefold .bar .solid');
  const figure = await page.$$eval('.threefold .bar .solid', (all) => all.map((one) => getComputedStyle(one).fill));
  assert.deepEqual(figure, [home[0], home[2], home[3]]);
  await page.goto(`${daemon.url}/compare`);
  await page.waitForSelector('.answer .chip');
  assert.deepEqual(await fills('.answer h2 .chip'), home);
  const lab = await api('/labs', { name: 'colours', profile: 'linux-6.1' });
  const op = (body) => api(`/labs/${lab.id}/ops`, body);
  const { pid } = await op({ op: 'spawn' });
  for (const name of ['kmalloc', 'kzalloc', 'vmalloc', 'malloc'])
    await op({ op: name, size: 2000, ...(name === 'malloc' ? { pid } : {}) });
  await page.goto(`${daemon.url}/lab/${lab.id}`);
  await page.waitForSelector('.allocations li:nth-child(4)');
  assert.deepEqual(await fills('.allocations .chip'), [...home].reverse(), 'the newest stands first');
});

test('from a call to its comparison, and from the comparison into a lab', async () => {
  const { page, complaints } = await openPage();
  await openLab(page);
  await page.fill('#f-size', '5000');
  await page.click('header a:text-is("Compare")');
  await page.waitForURL(/\/compare\?profile=classic&machine=fresh&size=5000&gfp=GFP_KERNEL&context=process/);
  await page.waitForSelector('[data-test=answers]');
  await page.click('button:has-text("Watch these calls in a lab")');
  await page.waitForURL(/\/lab\//);
  await page.waitForSelector('[data-test=selected]');
  assert.match(await text(page, 'header'), /four ways: 5.000 bytes/);
  assert.deepEqual(complaints, []);
});

test('a link restores the chunk, the walked address and the place in the address space', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, { name: 'links', profile: 'linux-6.1', memory: '64M' });
  const { pid } = await op(lab, { op: 'spawn', name: 'demo' });
  for (const size of [24, 100, 300]) await op(lab, { op: 'malloc', pid, size, name: `m${size}` });
  await op(lab, { op: 'free', pid, name: 'm100' });
  await shown(page, 5);
  const opened = async () => {
    const { page: other, complaints: said } = await openPage();
    await other.goto(page.url());
    return { other, close: async () => (assert.deepEqual(said, []), other.context().close()) };
  };

  await page.click('#tab-heap');
  await page.click('.hlink >> nth=0');
  await page.waitForSelector('[data-test=chunk]');
  const chunk = await page.getAttribute('[data-test=chunk]', 'data-address');
  await page.waitForURL(new RegExp(`chunk=${chunk}`));
  const heap = await opened();
  await heap.other.waitForSelector(`[data-test=chunk][data-address="${chunk}"]`);
  await heap.close();

  await page.click('#tab-pagetables');
  await page.fill('[name=walk]', '7ffff7ffe000');
  await page.keyboard.press('Enter');
  await page.waitForURL(/walk=0x7ffff7ffe000/);
  const walk = await opened();
  await walk.other.waitForSelector('[data-test=outcome] code:has-text("0x7ffff7ffe000")');
  await walk.close();

  await page.click('#tab-virtual');
  await page.click('button.spacerow:has-text("[heap]")');
  await page.waitForSelector('.crumbs [aria-current]:has-text("[heap]")');
  await page.waitForURL(/path=[^&]+(,|%2C)[^&]+/); /* both steps: the address follows a little later */
  const space = await opened();
  await space.other.waitForSelector('.crumbs [aria-current]:has-text("[heap]")');
  await space.close();
  assert.deepEqual(complaints, []);
});

test('changes: the operation before, since a mark, and against a fork', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  await op(lab, { op: 'kmalloc', size: 100, name: 'a' });
  await op(lab, { op: 'mark', text: 'from here' });
  await op(lab, { op: 'kmalloc', size: 131056, name: 'ring' });
  const fork = await api(`/labs/${lab.id}/fork`, { at: 3 });
  await op(fork, { op: 'vmalloc', size: 20000, name: 'only_in_the_fork' });
  await op(lab, { op: 'kfree', name: 'a' });
  await page.goto(`${daemon.url}/lab/${lab.id}?tab=changes`);
  await page.waitForSelector('[data-test=diff-removed]:has-text("a")');
  assert.equal(await page.locator('[data-test=diff-added]').count(), 0);
  await page.click('.bases button:has-text("last mark")');
  await page.waitForSelector('[data-test=diff-added]:has-text("ring")');
  assert.ok(Number(await page.getAttribute('[data-test=diff]', 'data-frames')) >= 32);
  assert.match(await text(page, '[data-test=diff-counters]'), /free frames.*−3\d/s);
  assert.ok((await page.locator('[data-test=changed-map] .is').count()) > 0);
  await page.waitForURL(/since=2/);
  await page.click('[data-test=diff-added] button');
  await page.waitForSelector('[data-test=selected]');
  await page.selectOption('[name=against]', fork.id);
  await page.fill('[name=since]', '4');
  await page.waitForSelector('[data-test=diff-removed]:has-text("only_in_the_fork")');
  await page.waitForURL(new RegExp(`with=${fork.id}`));
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
});

test('marks: set by a button, found by their words, gone to by a key; those of long ago are drawn too', async () => {
  const { page, complaints } = await openPage();
  const lab = await api('/labs', { name: 'marks', profile: 'classic' });
  await op(lab, { op: 'mark', text: 'long ago' });
  const lines = Array.from({ length: 1500 }, () => '{"op":"ksize","address":"0x0"}');
  await fetch(`${daemon.url}/api/v1/labs/${lab.id}/ops?results=summary`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  await page.goto(`${daemon.url}/lab/${lab.id}`);
  await page.waitForSelector('[data-test=timeline][data-marks="1"]');
  await page.click('button:text-is("Mark")');
  await page.waitForFunction(() => document.activeElement?.id === 'f-text');
  await page.keyboard.type('look at this');
  await page.keyboard.press('Enter');
  await shown(page, 1502);
  await page.waitForSelector('[data-test=timeline][data-marks="2"]');
  await page.focus('.surface');
  await page.keyboard.press('Shift+M');
  await shown(page, 1);
  assert.match(await text(page, '[data-test=notice]'), /long ago/);
  await page.keyboard.press('m');
  await shown(page, 1502);
  await page.keyboard.press('/');
  await page.waitForSelector('.finder');
  await page.keyboard.type('long a');
  await page.waitForSelector('[role=option]:has-text("mark, operation 1")');
  await page.keyboard.press('Enter');
  await shown(page, 1);
  assert.deepEqual(complaints, []);
});

test('lists of words are lists: protection, advice, limits; an error stands at its field', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, { name: 'choices', profile: 'linux-6.1', memory: '64M' });
  await op(lab, { op: 'spawn', name: 'demo' });
  await op(lab, { op: 'mmap', pid: 100, length: 65536, name: 'area' });
  await shown(page, 2);
  await page.selectOption('.more', 'madvise');
  await page.fill('#f-address', 'area');
  await page.fill('#f-length', '4096');
  assert.match(await text(page, '[data-test=call]'), /madvise\(area, 4096, MADV_DONTNEED\);/);
  await page.selectOption('#f-advice', 'MADV_PAGEOUT');
  assert.match(await text(page, '[data-test=call]'), /MADV_PAGEOUT/);
  await page.click('[data-test=submit]');
  await shown(page, 3);
  assert.equal((await api(`/labs/${lab.id}/ops?from=3`)).ops[0].advice, 'MADV_PAGEOUT');
  await page.selectOption('.more', 'kmem_cache_create');
  await page.click('summary:has-text("more arguments")');
  await page.click('.pills label:has-text("POISON")');
  await page.click('.pills label:has-text("RED_ZONE")');
  assert.match(await text(page, '[data-test=call]'), /SLAB_RED_ZONE \| SLAB_POISON, NULL/);
  await page.selectOption('.more', 'madvise');
  await page.fill('#f-length', 'all');
  await page.click('[data-test=submit]');
  await page.waitForSelector('#f-length-error');
  assert.equal(await page.getAttribute('#f-length', 'aria-invalid'), 'true');
  assert.ok(
    complaints.every((one) => /422/.test(one)),
    complaints.join(),
  );
});

test('beside a fast import the page looks a few times a second, one request of a view at a time, and ends at the truth', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  const views = { allocations: 0, zones: 0 };
  const running = { allocations: 0, zones: 0 };
  let twice = 0;
  const nameOf = (request) => Object.keys(views).find((name) => request.url().includes(`/${name}?`));
  page.on('request', (request) => {
    const name = nameOf(request);
    if (!name) return;
    views[name]++;
    if (++running[name] > 1) twice++;
  });
  for (const end of ['requestfinished', 'requestfailed'])
    page.on(end, (request) => nameOf(request) && running[nameOf(request)]--);
  const lines = Array.from({ length: 60000 }, (_, i) =>
    i % 2 ? `{"op":"kfree","name":"x${i - 1}"}` : `{"op":"kmalloc","size":${40 + (i % 900)},"name":"x${i}"}`,
  );
  const began = performance.now();
  const send = () =>
    fetch(`${daemon.url}/api/v1/labs/${lab.id}/import?format=ndjson`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: lines.join('\n'),
    }).then((answer) => answer.json());
  for (let i = 0; i < 4; i++) assert.equal((await send()).outcomes.ok, 60000);
  await shown(page, 240000);
  const seconds = (performance.now() - began) / 1000;
  assert.equal(twice, 0);
  assert.ok(views.zones <= 4 * seconds + 3, `${views.zones} looks in ${seconds} s`);
  await page.waitForSelector('[data-test=last-op]:has-text("Op 240")');
  await op(lab, { op: 'kmalloc', size: 77, name: 'after' });
  await shown(page, 240001);
  await page.waitForSelector('.pick:has-text("after")');
  assert.match(await text(page, '[data-test=moment]'), /live · op 240001/);
  assert.deepEqual(complaints, []);
});

test('the reference: requests by subject, each opens to its parameters and shapes', async () => {
  const { page, complaints } = await openPage();
  await page.goto(`${daemon.url}/docs`);
  await page.waitForSelector('.request');
  const described = Object.values((await api('/openapi.json')).paths).flatMap((methods) =>
    Object.keys(methods).filter((m) => /^(get|post|put|patch|delete)$/.test(m)),
  );
  assert.equal(await page.locator('.request').count(), described.length);
  await page.click('.request summary:has-text("/labs/{lab}/diff")');
  await page.waitForSelector('.request[open] pre:has-text("nr_frames: integer")');
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
});

test('a lab with an option of its machine; a wrong one is told at its field', async () => {
  const { page, complaints } = await openPage();
  await page.goto(daemon.url);
  await page.click('label:has-text("linux-6.1")');
  await page.fill('#lab-memory', '64M');
  await page.click('[data-test=options] summary');
  await page.fill('#lab-slub_debug', 'Q');
  await page.click('[data-test=open-lab]');
  await page.waitForSelector('#lab-slub_debug-error');
  assert.deepEqual(await axe(page), []);
  await page.fill('#lab-slub_debug', 'FZ');
  await page.click('[data-test=open-lab]');
  await page.waitForURL(/\/lab\//);
  await shown(page, 0);
  assert.match(
    (
      await api(
        page
          .url()
          .replace(/.*\/lab\//, '/labs/')
          .replace(/\?.*/, ''),
      )
    ).slub_debug,
    /F.*Z|Z.*F/,
  );
  assert.ok(
    complaints.every((one) => /422/.test(one)),
    complaints.join(),
  );
});

test('slabs by keyboard: one stop a slab, arrows from object to object; a fork goes on at the same tab', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page, { name: 'objects', profile: 'linux-6.1', memory: '64M' });
  for (const size of [8, 8, 8]) await op(lab, { op: 'kmalloc', size });
  await page.goto(`${daemon.url}/lab/${lab.id}?tab=slabs&cache=kmalloc-8`);
  await page.waitForSelector('.object');
  assert.equal(await page.locator('.object[tabindex="0"]').count(), await page.locator('.objects').count());
  await page.focus('.object[tabindex="0"]');
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.nr), '1');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.object.sel[data-nr="1"]');
  await page.waitForURL(/sel=0x/);
  assert.deepEqual(await axe(page), []);
  await page.click('button:has-text("Fork here")');
  await page.waitForURL(
    (url) => !url.pathname.endsWith(lab.id) && /tab=slabs/.test(url.search) && /cache=kmalloc-8/.test(url.search),
  );
  await page.waitForSelector('.object.sel');
  assert.deepEqual(complaints, []);
});
