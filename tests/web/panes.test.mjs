/* Sizes of the parts of the lab page. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { panesFromText, paneSize, textOfPanes } from '../../web/src/model/panes.js';

test('a part leaves room for the others', () => {
  assert.equal(paneSize('left', 300, 1440), 300);
  assert.equal(paneSize('left', 10, 1440), 240);
  assert.equal(paneSize('left', 2000, 1440), 504);
  assert.equal(paneSize('timeline', 2000, 600), 360);
});

test('what was kept comes back; what cannot be read is as the page has it', () => {
  assert.deepEqual(panesFromText(textOfPanes({ left: 300, timeline: 250 })), { left: 300, timeline: 250 });
  for (const text of [null, '', 'many', '-3 0 x']) assert.deepEqual(panesFromText(text), {});
});
