/* Never a false word: what the pages say of things they have not been told, and of figures that are nearly round. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled, suite } from './browser.mjs';

const { daemon, openPage, api, openLab, shown, op } = suite();

/** Many operations at once. */
const send = (lab, ops) =>
  fetch(`${daemon.url}/api/v1/labs/${lab.id}/ops?results=summary`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: ops.map((one) => JSON.stringify(one)).join('\n'),
  }).then((answer) => answer.text());

const fact = (page, name) => page.textContent(`[data-fact="${name}"]`);

test('in a lab of 3 000 live blocks the one behind the list is shown, with frames and ribbons, and nobody is denied', async () => {
  const { page, complaints } = await openPage();
  const lab = await api('/labs', { name: 'many', profile: 'linux-6.1', memory: '64M' });
  await send(
    lab,
    Array.from({ length: 3000 }, () => ({ op: 'kmalloc', size: 200 })),
  );
  const v = await op(lab, { op: 'vmalloc', size: 20000, name: 'v' });
  await page.goto(`${daemon.url}/lab/${lab.id}?sel=${v.address}`);
  await shown(page, 3001);
  await page.waitForSelector('[data-test=selected]');
  assert.match(await fact(page, 'frames'), /5 frames/);
  assert.ok(Number(await page.getAttribute('[data-test=ribbons]', 'data-count')) > 0, 'ribbons');
  assert.match(await page.textContent('[data-test=nr-live]'), /3.001/);
  await page.goto(`${daemon.url}/lab/${lab.id}?sel=frame-${v.frames[0].pfn}`);
  await page.waitForSelector('[data-test=frame] [data-fact=allocation]');
  assert.match(await fact(page, 'allocation'), /^v vmalloc/, 'whose the frame is');
  await page.click('[data-fact=allocation] button');
  await page.waitForSelector('[data-test=selected]');
  await page.goto(`${daemon.url}/lab/${lab.id}?sel=${'0x' + (BigInt(v.address) + 4096n).toString(16)}`);
  await page.waitForSelector('[data-test=unlisted][data-known=yes]');
  assert.match(await page.textContent('[data-test=unlisted]'), /lies 4.096 bytes into v/);
  await op(lab, { op: 'vfree', name: 'v' });
  await page.goto(`${daemon.url}/lab/${lab.id}?sel=${v.address}`);
  await page.waitForSelector('[data-test=unlisted][data-known=yes]');
  assert.match(await page.textContent('[data-test=unlisted]'), /is not allocated at op 3002/);
  await page.keyboard.press('/');
  await page.fill('.finder input', v.address);
  await settled(page);
  assert.deepEqual(complaints, []);
});

test('a block of another process brings its process with it, wherever it is found', async () => {
  const { page } = await openPage();
  const lab = await openLab(page);
  for (const name of ['one', 'two']) {
    const { pid } = await op(lab, { op: 'spawn', name });
    await op(lab, { op: 'malloc', pid, size: 5000, name: `of_${name}` });
  }
  await page.goto(`${daemon.url}/lab/${lab.id}?pid=101`);
  await shown(page, 4);
  assert.match(await page.textContent('.map .cap'), /pid 101/);
  await page.keyboard.press('/');
  await page.fill('.finder input', 'of_one');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /pid 100/.test(document.querySelector('.map .cap').textContent));
  await page.waitForFunction(() => Number(document.querySelector('[data-test=ribbons]').dataset.count) > 0);
});

test('after a live import the timeline is the one that a reload shows: samples, kinds, clock', async () => {
  const { page } = await openPage();
  const lab = await openLab(page);
  const lines = Array.from({ length: 60000 }, (_, i) =>
    JSON.stringify({
      op: i % 3 ? 'kmalloc' : 'vmalloc',
      size: 40 + (i % 90),
      name: `x${i % 40}${i % 80 < 40 ? '' : 'y'}`,
    }),
  ).flatMap((line, i) =>
    i < 40
      ? [line]
      : [`{"op":"${(i - 40) % 3 ? 'kfree' : 'vfree'}","name":"x${i % 40}${(i - 40) % 80 < 40 ? '' : 'y'}"}`, line],
  );
  const answer = await fetch(`${daemon.url}/api/v1/labs/${lab.id}/import?format=ndjson`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: lines.join('\n') + '\n',
  });
  const { seq } = await answer.json();
  await shown(page, seq);
  const drawn = () =>
    page.$eval('[data-test=timeline]', (canvas) => [canvas.dataset.points, canvas.dataset.end, canvas.toDataURL()]);
  const isWhole = (end) =>
    page.waitForFunction((end) => {
      const { points, end: last } = document.querySelector('[data-test=timeline]').dataset;
      return Number(points) >= 512 && last === String(end);
    }, end);
  await isWhole(seq);
  await settled(page);
  const live = await drawn();
  const clock = await page.textContent('[data-test=moment]');
  await page.reload();
  await shown(page, seq);
  await isWhole(seq);
  await settled(page);
  const again = await drawn();
  assert.deepEqual(live.slice(0, 2), again.slice(0, 2));
  assert.equal(live[2], again[2], 'the same picture');
  assert.equal(clock, await page.textContent('[data-test=moment]'));
});

test('131 056 is 128 KiB − 16 B; the descriptor that takes the 16 stands at the block’s head', async () => {
  const { page, complaints } = await openPage();
  const lab = await openLab(page);
  await op(lab, { op: 'kmalloc', size: 131056, name: 'ring' });
  await shown(page, 1);
  await page.click('.pick');
  await page.waitForSelector('[data-test=selected]');
  assert.match(await fact(page, 'asked for'), /^128 KiB − 16 B/);
  assert.match(await fact(page, 'descriptor'), /16 B at 0x\w+000 .*ends in 010/);
  assert.equal(await page.locator('.virtual .descriptor').count(), 1);
  assert.ok(!/128 KiB(?! −)/.test(await page.textContent('.lab')), 'nowhere a round figure');
  await page.goto(`${daemon.url}/compare?profile=classic&size=131056`);
  await page.waitForSelector('.curves canvas');
  const text = await page.textContent('main');
  assert.match(text, /kmalloc above 131.056 \(128 KiB − 16 B\)/);
  assert.match(text, /131.056 bytes, 128 KiB − 16 B/);
  assert.deepEqual(complaints, []);
});

test('a call in an interrupt is compared as it was asked; what failed claims nothing', async () => {
  const { page } = await openPage();
  for (const profile of ['classic', 'linux-6.1']) {
    await page.goto(`${daemon.url}/compare?profile=${profile}&size=192K&gfp=GFP_KERNEL&context=hardirq`);
    await page.waitForSelector('[data-test=answers]');
    for (const name of ['kmalloc', 'kzalloc']) {
      const card = await page.textContent(`section.answer[aria-label=${name}]`);
      assert.ok(card.includes(`p = ${name}(196608, GFP_KERNEL); /* hardirq */`), card);
    }
    const cells = (name) =>
      page.$$eval(
        'table.beside tr',
        (rows, name) => [
          ...rows.map((row) => [...row.cells].map((c) => c.textContent)).find(([head]) => head === name),
        ],
        name,
      );
    assert.equal((await cells('cost of first touch'))[1], '–');
    assert.match((await cells('may sleep'))[1], /a bug in hardirq|–/);
  }
});

test('the classic machine shows nothing that Linux 2.0 had not; kzalloc keeps its name', async () => {
  const { page } = await openPage();
  const lab = await openLab(page);
  await op(lab, { op: 'kzalloc', size: 1000, name: 'z' });
  await shown(page, 1);
  await page.click('.pick');
  await page.waitForSelector('[data-test=why]');
  assert.match(await page.textContent('.allocations li'), /kzalloc 1.000/);
  assert.match(await fact(page, 'allocator'), /^kzalloc/);
  const anachronism = /migratetype|unmovable|pageblock|fragmentation|free on a CPU|highatomic/i;
  assert.doesNotMatch(await page.textContent('.lab'), anachronism);
  await page.keyboard.press('Escape');
  await page.goto(`${daemon.url}/lab/${lab.id}?sel=frame-4000`);
  await page.waitForSelector('[data-fact=allocation]');
  assert.doesNotMatch(await page.textContent('.right'), anachronism);
  await page.click('#tab-buddy');
  await page.waitForSelector('table.areas');
  assert.doesNotMatch(await page.textContent('#tabpanel'), anachronism);
});

test('the first page’s figure is what the engine answers, and its code is the call', async () => {
  const { page, complaints } = await openPage();
  await page.goto(daemon.url);
  await page.waitForSelector('[data-test=figure] .thread');
  const lines = await page.$$eval('[data-test=figure] code', (all) => all.map((one) => one.textContent));
  assert.deepEqual(lines, ['p = kmalloc(32000, GFP_KERNEL);', 'p = vmalloc(32000);', 'p = malloc(32000);']);
  const { allocators } = await api('/compare?profile=classic&size=32000&gfp=GFP_KERNEL&context=process');
  const threads = await page.$$eval('[data-test=figure] svg', (all) =>
    all.map((one) => one.querySelectorAll('.thread').length),
  );
  assert.equal(threads[0], 1, 'one solid run');
  assert.equal(threads[1], allocators.find((a) => a.op === 'vmalloc').nr_frame_runs);
  assert.deepEqual(complaints, []);
});

test('a vmalloc whose frames happen to adjoin promises nothing', async () => {
  const { page } = await openPage();
  const lab = await openLab(page, { name: 'chance', profile: 'linux-6.1' });
  const v = await op(lab, { op: 'vmalloc', size: 20000, name: 'v' });
  assert.equal(v.nr_frame_runs, 1);
  await shown(page, 1);
  await page.click('.pick');
  await page.waitForSelector('[data-fact=contiguous]');
  assert.match(await fact(page, 'contiguous'), /by chance/);
  await page.goto(`${daemon.url}/compare?profile=linux-6.1&machine=fresh&size=20000`);
  await page.waitForSelector('table.beside');
  assert.match(await page.textContent('table.beside'), /5 frames in one run, by chance: it promises nothing/);
});

test('vmalloc’s page-pointer array is called so, wherever it lies', async () => {
  const { page } = await openPage();
  const lab = await openLab(page, { name: 'arrays', profile: 'linux-6.1' });
  await op(lab, { op: 'vmalloc', size: 20000, name: 'small' });
  const large = await op(lab, { op: 'vmalloc', size: 4000000, name: 'large' });
  await shown(page, 2);
  assert.match(await page.textContent('.virtual'), /page pointers of large/);
  const { slabs } = await api(`/labs/${lab.id}/caches/kmalloc-64`);
  await page.goto(`${daemon.url}/lab/${lab.id}?tab=slabs&cache=kmalloc-64`);
  await page.waitForSelector('.object.on');
  assert.match(await page.getAttribute('.object.on', 'title'), /page-pointer array/);
  await page.click('.object.on');
  await page.waitForSelector('[data-test=unlisted][data-known=yes]');
  assert.match(await page.textContent('[data-test=unlisted]'), /page-pointer array of 0x/);
  await page.goto(`${daemon.url}/lab/${lab.id}?sel=frame-${slabs[0].pfn}`);
  await page.waitForSelector('[data-fact=allocation] button');
  assert.match(await fact(page, 'allocation'), /page-pointer array/);
  const { areas } = await api(`/labs/${lab.id}/vmalloc`);
  const own = areas.find((area) => area.caller === 'vmalloc pages array');
  await page.goto(`${daemon.url}/lab/${lab.id}?sel=${own.start}`);
  await page.click('[data-test=unlisted] button');
  await page.waitForSelector('[data-test=selected]');
  assert.match(await fact(page, 'virtual'), new RegExp(large.address));
});
