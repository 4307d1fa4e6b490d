/* A lab that was recorded under other rules: what the page says, shows and refuses, and the way on. The store is altered beneath
 * the daemon: the lab's revision, and the recorded result of one operation. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { axe, settled, startDaemon, suite } from './browser.mjs';

const skip = spawnSync('sqlite3', ['--version']).status !== 0;
const OPS = 40;
const AT = 25;
const SHOTS = process.env.SHOTS; /* a folder for pictures of the page, for who wants to see it */

const { daemon, openPage, api, op, shown } = suite(prepare);
let old;

async function prepare() {
  if (skip) return;
  old = await makeLab('from last year');
  await makeOld();
}

async function makeLab(name) {
  const lab = await api('/labs', { name, profile: 'linux-6.1', memory: '64M' });
  for (let i = 1; i <= OPS; i++)
    await op(lab, i % 10 === 7 ? { op: 'mark', text: `round ${i}` } : { op: 'kmalloc', size: 3000 + i, name: `k${i}` });
  return lab;
}

/** All labs that there are become ones of other rules, as after an update of the daemon. */
async function makeOld() {
  await daemon.end();
  const store = join(daemon.directory, 'pagoda.db');
  execFileSync('sqlite3', [
    store,
    `UPDATE lab SET made = 0, rules = 0; UPDATE op SET result = result + 64 WHERE id & 1099511627775 = ${AT};
     DELETE FROM chain; INSERT INTO unchained SELECT id FROM lab`,
  ]); // without the chain, as from before there was one: it is made when the store is opened
  Object.assign(daemon, await startDaemon(daemon));
}

/** The old lab's page, with every path that it asks for. @param {any} options @param {string} query */
async function openOld(options = {}, query = '') {
  const { page, complaints } = await openPage(options);
  const asked = [];
  page.on('request', (request) => asked.push(`${request.method()} ${request.url().split('/api/v1')[1] ?? ''}`));
  await page.goto(`${daemon.url}/lab/${old.id}${query}`);
  return { page, complaints, asked };
}

/** No view at a moment that cannot be shown, and nothing that would change the lab. */
function assertAsked(asked) {
  for (const one of asked) {
    const at = /[?&](?:at|to|a|b)=(\d+)/g;
    for (const [, seq] of one.matchAll(at)) assert.ok(Number(seq) < AT, one);
    assert.doesNotMatch(one, /at=head|dry_run|^(PATCH|DELETE)/);
  }
}

for (const colorScheme of ['light', 'dark'])
  for (const width of [1440, 390])
    test(`what differs is said, and what is off is off (${colorScheme}, ${width} px)`, { skip }, async () => {
      const { page, complaints, asked } = await openOld({ colorScheme, viewport: { width, height: 900 } });
      await shown(page, AT - 1);
      await settled(page);
      const said = await page.textContent('[data-test=rules] [role=status]');
      assert.match(said, /recorded under rules revision 0\./);
      assert.match(said, /Operation 25 gives another result under today’s revision [1-9]\d*\./);
      assert.match(said, /stops before it, at operation 24 of 40\./);
      assert.match(said, /read-only/);
      assert.match(await page.textContent('[data-test=moment]'), /other rules, read-only · op 24/);
      const slider = await page.$eval('[data-test=slider]', ({ max, value }) => ({ max, value }));
      assert.deepEqual(slider, { max: '24', value: '24' });
      assert.equal(await page.getAttribute('canvas[data-test=timeline]', 'data-differs'), String(AT));
      if (SHOTS) await page.screenshot({ path: join(SHOTS, `rules-${colorScheme}-${width}.png`) });
      assert.deepEqual(await axe(page), []);
      if (width < 900) {
        await page.click('.columns button:has-text("Call")');
        assert.ok(await page.isVisible('[data-test=rules]'), 'it holds for every part of the page');
        await settled(page);
        if (SHOTS) await page.screenshot({ path: join(SHOTS, `rules-${colorScheme}-${width}-call.png`) });
      }
      const off = await page.$$eval('[data-test=call-fields] :is(input, select, button), #call-title select', (all) =>
        all.filter((one) => !one.matches(':disabled')).map((one) => one.outerHTML),
      );
      assert.deepEqual(off, [], 'the whole call panel is off');
      assert.equal(await page.textContent('[data-test=submit]'), 'Read-only: other rules');
      assert.match(await page.textContent('[data-test=why-off]'), /recorded under other rules/);
      const enabled = await page.$$eval('.allocations .release', (all) => all.filter((one) => !one.disabled).length);
      assert.equal(enabled, 0, 'nothing can be released');
      assertAsked(asked);
      assert.deepEqual(complaints, []);
    });

test('no key, button or link leads behind what can be shown', { skip }, async () => {
  const { page, complaints, asked } = await openOld({}, '?seq=38');
  await shown(page, AT - 1);
  await page.focus('.tabs [aria-selected=true]');
  const drag = (value) =>
    page.$eval(
      '[data-test=slider]',
      (slider, to) => ((slider.value = to), slider.dispatchEvent(new Event('input', { bubbles: true }))),
      String(value),
    );
  await drag(5);
  await shown(page, 5);
  assert.match(await page.textContent('[data-test=moment]'), /past, read-only · op 5/);
  await page.click('text=To the last moment');
  await shown(page, AT - 1);
  await drag(OPS);
  assert.equal(await page.isDisabled('[aria-label="One operation forward"]'), true);
  await page.click('.brand ~ .which'); /* the focus leaves the slider */
  for (const key of ['ArrowRight', 'Shift+ArrowRight', 'End']) await page.keyboard.press(key);
  await settled(page);
  assert.equal(await page.getAttribute('.lab', 'data-seq'), String(AT - 1));
  await page.click('[aria-label="To the next mark"]'); /* at 27: it is recorded, but has no picture */
  await page.waitForFunction(() => /not shown/.test(document.querySelector('[data-test=notice]').textContent));
  await drag(20);
  await shown(page, 20);
  await page.click('.speed select');
  await page.selectOption('.speed select', '32');
  await page.click('[aria-label=Play]');
  await page.waitForSelector(`.lab[data-seq="${AT - 1}"]`);
  await page.waitForSelector('[aria-label=Play]');
  assertAsked(asked);
  assert.deepEqual(complaints, []);
});

test('every tab, and a selection: views before the difference only, no touch', { skip }, async () => {
  const { page, complaints, asked } = await openOld();
  await shown(page, AT - 1);
  await page.click('.allocations .pick');
  await page.waitForSelector('[data-test=selected]');
  assert.equal(await page.$('.actions'), null, 'no touch');
  for (const tab of await page.$$('.tabs [role=tab]')) {
    await tab.click();
    await settled(page);
  }
  await page.fill('[name=since]', '39');
  await settled(page);
  await page.keyboard.press('Control+k');
  await page.waitForSelector('dialog.finder');
  const titles = await page.textContent('dialog.finder');
  assert.doesNotMatch(titles, /Call k?malloc/);
  await page.keyboard.press('Escape');
  await page.click('text=Import, export');
  await page.setInputFiles('[name=trace]', { name: 'a.ndjson', mimeType: 'text/plain', buffer: Buffer.from('{}') });
  assert.equal(await page.isDisabled('dialog.import [type=submit]'), true, 'nothing can be imported');
  assertAsked(asked);
  assert.deepEqual(complaints, []);
});

test('recorded results stay to be seen, and the way on opens the lab of today', { skip }, async () => {
  const { page, complaints } = await openOld();
  await shown(page, AT - 1);
  await page.click('[data-test=show-recorded]');
  await page.waitForSelector('[data-test=recorded] tbody tr');
  const { ops } = await api(`/labs/${old.id}/ops?from=${AT}`);
  const rows = await page.$$eval('[data-test=recorded] tbody tr', (all) => all.map((row) => row.textContent));
  assert.equal(rows.length, OPS - AT + 1);
  ops.forEach((one, i) => {
    assert.ok(rows[i].startsWith(String(one.seq)));
    if (one.result?.address) assert.ok(rows[i].includes(one.result.address), rows[i]);
  });
  await settled(page);
  if (SHOTS) await page.screenshot({ path: join(SHOTS, 'rules-recorded.png') });
  assert.deepEqual(await axe(page), []);
  await page.click('[data-test=rerun]');
  await page.waitForURL((url) => !url.pathname.endsWith(old.id));
  await shown(page, OPS);
  assert.equal(await page.$('[data-test=rules]'), null);
  assert.match(await page.textContent('.which'), /from last year \(rules \d+\)/);
  await page.fill('#f-size', '100');
  await page.click('[data-test=submit]');
  await shown(page, OPS + 1);
  assert.deepEqual(complaints, []);
});

test('an update of the daemon while the lab is open', { skip }, async () => {
  const { page } = await openPage();
  const lab = await makeLab('open meanwhile');
  await page.goto(`${daemon.url}/lab/${lab.id}?tab=slabs`);
  await page.waitForSelector(`.lab[data-seq="${OPS}"]`);
  await makeOld();
  await page.waitForSelector('[data-test=rules]');
  await page.waitForSelector(`.lab[data-seq="${AT - 1}"]`);
  assert.equal(await page.getAttribute('#tab-slabs', 'aria-selected'), 'true', 'the same place');
  assert.equal(await page.$('.problem'), null);
});
