/* The colours of both themes. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const css = await readFile(new URL('../../web/src/style/tokens.css', import.meta.url), 'utf8');

/** Tokens of the n-th block that has them. */
const blocks = [...css.matchAll(/\{([^{}]*--bg:[^{}]*)\}/g)].map(([, body]) =>
  Object.fromEntries([...body.matchAll(/--([\w-]+): ([^;]+);/g)].map(([, name, value]) => [name, value])),
);
const [light, chosen, bySystem] = blocks;

/** Relative luminance, as WCAG defines it. */
function luminance(hex) {
  const [r, g, b] = [1, 3, 5]
    .map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

test('dark is the same, chosen or by the system', () => {
  assert.equal(blocks.length, 3);
  assert.deepEqual(chosen, bySystem);
});

test('reserved and free memory are told apart in both themes; a hole is the paper', () => {
  for (const theme of [light, { ...light, ...chosen }]) {
    assert.ok(contrast(theme.reserved, theme.free) > 2.4, `${contrast(theme.reserved, theme.free)}`);
    assert.equal(theme.hole, theme.bg);
  }
});
