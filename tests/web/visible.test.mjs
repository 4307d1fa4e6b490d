/* What cannot be seen is shown by its number, in all text of the pages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showHidden, visible } from '../../web/src/visible.js';

test('controls and signs of direction are shown; other text stays', () => {
  assert.equal(visible('safe\u202etxt.exe'), 'safe⟨U+202E⟩txt.exe');
  assert.equal(visible('\x1b[31m\0\r\u2066\u200f\ufeff'), '⟨U+001B⟩[31m⟨U+0000⟩⟨U+000D⟩⟨U+2066⟩⟨U+200F⟩⟨U+FEFF⟩');
  for (const text of ['', 'kmalloc-64', 'tab\tand\nline', '4\u202f096', 'Größe', 'שלום', '👩\u200d💻'])
    assert.equal(visible(text), text);
});

test('elements: children at any depth and titles; not components, not what is edited', () => {
  const of = (/** @type {any} */ type, /** @type {any} */ props) => (showHidden({ type, props }), props);
  assert.deepEqual(of('b', { children: ['a\u202e', ['\u202eb', 3, null]], title: '\u202e' }), {
    children: ['a⟨U+202E⟩', ['⟨U+202E⟩b', 3, null]],
    title: '⟨U+202E⟩',
  });
  assert.equal(of('i', { children: '\u0007' }).children, '⟨U+0007⟩');
  assert.equal(of('input', { value: '\u202e' }).value, '\u202e');
  assert.equal(of('textarea', { children: '\u202e' }).children, '\u202e');
  const Component = () => null;
  assert.equal(of(Component, { children: '\u202e' }).children, '\u202e');
});
