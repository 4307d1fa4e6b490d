/* Every page in every state, in two themes and four sizes: pictures in build/visual to look at, and checks by script. Nothing
 * overlaps, is cut off, covered or out of reach; type has 12 pixels and targets 24; text can be read. STATES=four,wide looks at
 * those only. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { contrast, settled, suite } from '../browser.mjs';
import { makeLabs, showState, statesOf, trace } from './states.mjs';

const PICTURES = resolve(import.meta.dirname, '../../../build/visual');
const CHECKS = await readFile(join(import.meta.dirname, 'checks.js'), 'utf8');
const SIZES = [
  [1440, 900],
  [1024, 768],
  [1920, 1080],
  [390, 844],
];
const NARROW = 900;
const WAIT_MS = 20000;
const THEMES = /** @type {const} */ (['light', 'dark']);

/** @type {any} */
let labs;
const house = suite(async () => {
  await rm(PICTURES, { recursive: true, force: true });
  await mkdir(PICTURES, { recursive: true });
  labs = await makeLabs(house.daemon, house);
});
const { daemon, openPage } = house;

/** Faults, and the pictures that show each of them. */
class Findings {
  /** @type {Map<string, string[]>} */
  seen = new Map();
  add(faults, picture) {
    for (const fault of faults) this.seen.set(fault, [...(this.seen.get(fault) ?? []), picture]);
  }
  check() {
    assert.ok(
      !this.seen.size,
      [...this.seen].map(([fault, pictures]) => `${fault}\n    ${pictures.join(' ')}`).join('\n'),
    );
  }
}

/** What a narrow window shows one after the other; a wide one shows all of it. */
async function eachPart(page, state, width, look) {
  if (width >= NARROW || !state.parts) return look('');
  for (const part of state.parts) {
    await page.click(`.columns button:has-text("${part}")`);
    await settled(page);
    await look(`-${part.toLowerCase()}`);
  }
}

async function lookAtSize(page, state, [width, height], findings) {
  await page.setViewportSize({ width, height });
  for (const theme of THEMES) {
    await page.emulateMedia({ colorScheme: theme });
    await settled(page);
    await eachPart(page, state, width, async (part) => {
      const picture = `${state.name}${part}-${theme}-${width}x${height}`;
      await page.screenshot({ path: join(PICTURES, `${picture}.png`) });
      if (theme === THEMES[0]) findings.add(await page.evaluate(() => globalThis.visualFaults()), picture);
      if (width === SIZES[0][0]) findings.add(await contrast(page), picture);
    });
  }
}

async function lookAt(state) {
  const { page, complaints } = await openPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.addInitScript(`${CHECKS};watchCanvases()`);
  const findings = new Findings();
  await showState(page, daemon.url, state);
  for (const size of SIZES) await lookAtSize(page, state, size, findings);
  findings.check();
  assert.deepEqual(complaints, []);
}

test('every page in every state', async (t) => {
  t.diagnostic(`the long history is that of ${trace}`);
  const wanted = process.env.STATES && process.env.STATES.split(',');
  for (const state of statesOf(labs).filter(({ name }) => !wanted || wanted.some((one) => name.startsWith(one))))
    await t.test(state.name, () => lookAt(state));
});
