/* The checks of the visual test see what they are for: each finds a fault that was put into a page, and none in a page without. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { suite } from '../browser.mjs';

const { openPage } = suite();
const CHECKS = await readFile(join(import.meta.dirname, 'checks.js'), 'utf8');

const PAGE = '<!doctype html><style>* { margin: 0; font: 14px/1.5 sans-serif } p, div { width: 300px }</style>';
const CANVAS = '<canvas width="200" height="60"></canvas>';

/** What it is about, the page, what is to be found; what is drawn on its canvas. */
/** @type {[string, string, RegExp | null, string?][]} */
const CASES = [
  [
    'nothing',
    '<p>All is well. <a href="#x">A link in a sentence</a> may be low.</p><button style="height:24px">press</button>',
    null,
  ],
  [
    'two words in one place',
    '<p>one line</p><p style="margin-top:-18px">another</p>',
    /^overprinted: “one line”.*“another”/,
  ],
  [
    'letters beyond a box',
    '<div style="width:60px;overflow:hidden;white-space:nowrap">more than has room</div>',
    /^cut off: “more than/,
  ],
  ['half a line', '<div style="height:10px;overflow:hidden">a line</div>', /^cut off: “a line”/],
  [
    'dots without a title',
    '<div style="width:60px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis">more than has room</div>',
    /with dots/,
  ],
  [
    'dots with one',
    '<div title="all" style="width:60px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis">more than has room</div>',
    null,
  ],
  ['a box that rolls', '<div style="height:30px;overflow:auto">one<br>two<br>three<br>four</div>', null],
  [
    'a card over text',
    '<p>under it</p><div style="position:absolute;top:0;background:#fff;height:40px"></div>',
    /^covered: “under it”/,
  ],
  [
    'a card over a button',
    '<button style="height:24px"></button><div style="position:absolute;top:0;background:#fff;height:40px"></div>',
    /^covered: .*button/m,
  ],
  ['left of the page', '<p style="position:absolute;left:-20px">away</p>', /^out of reach: “away”/],
  ['wider than the page', '<div style="width:3000px">wide</div>', /^the document scrolls sideways/],
  ['small type', '<p style="font-size:11px">small</p>', /^type of 11px: “small”/],
  [
    'small in a drawing',
    '<svg width="50" viewBox="0 0 100 20"><text y="15">scaled</text></svg>',
    /^type of 7px: “scaled”/,
  ],
  ['a small target', '<button style="height:18px;padding:0 20px">press</button>', /^target of \d+×18/],
  [
    'a column of letters',
    '<div style="width:12px;overflow-wrap:anywhere">narrow</div>',
    /^a column of a few letters: “narrow”/,
  ],
  ['words on a canvas', CANVAS, null, `ctx.fillText('fine', 10, 20)`],
  ['small ones', CANVAS, /^type of 9.0px: “tiny”/, `ctx.font = '9px sans-serif'; ctx.fillText('tiny', 10, 20)`],
  ['beyond its edge', CANVAS, /^cut off: “more than/, `ctx.fillText('more than has room', 150, 20)`],
  ['over each other', CANVAS, /^overprinted: “one”/, `ctx.fillText('one', 10, 20); ctx.fillText('two', 12, 22)`],
  [
    'over what was wiped',
    CANVAS,
    null,
    `ctx.fillText('one', 10, 20); ctx.clearRect(0, 0, 200, 60); ctx.fillText('two', 12, 22)`,
  ],
];

test('each check finds what it is for, and nothing else', async (t) => {
  for (const [name, body, wanted, script = ''] of CASES)
    await t.test(name, async () => {
      const { page } = await openPage();
      await page.setContent(PAGE + body);
      await page.evaluate(CHECKS);
      await page.evaluate((text) => {
        globalThis.watchCanvases();
        const ctx = document.querySelector('canvas')?.getContext('2d');
        if (ctx) ctx.font = '14px sans-serif';
        new Function('ctx', text)(ctx);
      }, script);
      const faults = await page.evaluate(() => globalThis.visualFaults());
      if (wanted) assert.match(faults.join('\n'), wanted);
      else assert.deepEqual(faults, []);
    });
});
