/* states.mjs - what the visual test looks at: labs in every state that a page must bear, and the pages that show them. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { settled } from '../browser.mjs';

const root = resolve(import.meta.dirname, '../../..');
const RECORDING = process.env.TRUTH && resolve(root, process.env.TRUTH, 'kernel-6.1/d-ftrace-workload1/trace.txt.gz');
const SAMPLE = join(root, 'data/excerpt.ftrace.gz');
/** The long history: a recording of a real kernel, 321,856 operations; where it is missing, the excerpt of it. */
export const trace = RECORDING && existsSync(RECORDING) ? RECORDING : SAMPLE;

const WIDEST_LAB = 'W'.repeat(64);
const WIDE = 'W'.repeat(63); /* of an operation's names */
const LARGE = { profile: 'linux-6.1', memory: '64M', swap: '16M', cpus: 2 };

/** Makes the labs. @param {{ url: string }} daemon @param {{ api: any, op: any }} lab */
export async function makeLabs(daemon, { api, op }) {
  const made = async (name, wish, ops = []) => {
    const lab = await api('/labs', { name, ...wish });
    let last;
    for (const one of ops) {
      last = await op(lab, one);
      if (last.outcome !== 'ok') throw new Error(`${JSON.stringify(one)}: ${JSON.stringify(last)}`);
    }
    return { ...lab, last };
  };
  const labs = {
    empty: await made('empty', { profile: 'classic' }),
    four: await made('four ways', LARGE, FOUR),
    failing: await made('what fails', LARGE, [{ op: 'kmalloc', size: 1000, name: 'a' }]),
    imported: await made('imported', LARGE),
    long: await made('a long history', { profile: 'linux-6.1', memory: '4G' }),
    huge: await made('64 GiB', { profile: 'linux-6.1', memory: '64G' }, [
      { op: 'kmalloc', size: 1 << 20, name: 'block' },
      { op: 'vmalloc', size: 64 << 20, name: 'area' },
    ]),
    hole: await made('a hole', { profile: 'linux-6.1', memory: '64M', max_ram_below_4g: '32M' }, [
      { op: 'vmalloc', size: 200000, name: 'area' },
    ]),
    wide: await made(WIDEST_LAB, LARGE, wideOps()),
    rows: await made('1,000 rows', LARGE),
  };
  await post(daemon, `${labs.rows.id}/ops?results=summary`, 'application/x-ndjson', rowLines());
  await post(daemon, `${labs.long.id}/import`, 'application/gzip', await readFile(trace));
  return labs;
}

const post = (daemon, path, type, body) =>
  fetch(`${daemon.url}/api/v1/labs/${path}`, { method: 'POST', headers: { 'content-type': type }, body });

const FOUR = [
  { op: 'kmalloc', size: 1000, name: 'k' },
  { op: 'kzalloc', size: 131056, name: 'z' },
  { op: 'vmalloc', size: 196608, name: 'v' },
  { op: 'spawn', name: 'sh' },
  { op: 'malloc', pid: 100, size: 196608, name: 'm' },
  { op: 'malloc', pid: 100, size: 24, name: 's0' },
  { op: 'malloc', pid: 100, size: 24, name: 's1' },
  { op: 'malloc', pid: 100, size: 1500, name: 's2' },
  { op: 'malloc', pid: 100, size: 40, name: 's3' },
  { op: 'free', pid: 100, name: 's0' },
  { op: 'free', pid: 100, name: 's2' },
  { op: 'mmap', pid: 100, length: 1 << 20, name: 'map' },
  { op: 'write', pid: 100, name: 'map', fill: 65, length: 65536 },
  { op: 'madvise', pid: 100, name: 'map', length: 40960, advice: 'MADV_PAGEOUT' },
  { op: 'fork', pid: 100 },
  { op: 'mark', text: 'all four are there' },
  { op: 'write', pid: 100, name: 'm', fill: 170, length: 196608 },
];

/** Everything that can be named, by the widest letters. */
function wideOps() {
  return [
    { op: 'kmalloc', size: 1000, name: WIDE },
    { op: 'vmalloc', size: 40000, name: `v${WIDE.slice(1)}` },
    { op: 'kmem_cache_create', cache: `c${WIDE.slice(1)}`, size: 300 },
    { op: 'kmem_cache_alloc', cache: `c${WIDE.slice(1)}`, name: `o${WIDE.slice(1)}` },
    { op: 'spawn', name: WIDE.slice(0, 15) },
    { op: 'malloc', pid: 100, size: 100000, name: `m${WIDE.slice(1)}` },
    { op: 'write', pid: 100, name: `m${WIDE.slice(1)}`, fill: 1, length: 20000 },
    { op: 'mark', text: WIDE },
  ];
}

const rowLines = () =>
  Array.from({ length: 1000 }, (_, i) =>
    JSON.stringify({ op: 'kmalloc', size: 32 + (i % 9) * 40, name: `row ${i}` }),
  ).join('\n');

/**
 * @typedef {object} State
 * @property {string} name of the pictures
 * @property {string} path
 * @property {string} ready what is seen when the page is complete
 * @property {(page: any) => Promise<void>} [act] what a person does then
 * @property {string[]} [parts] parts of the page that a narrow window shows one at a time
 */

const PARTS = ['Call', 'Inspector', 'Memory'];
const MAP = 'canvas[data-test=frames][data-drawn]';
const READY = {
  map: MAP,
  heap: '[data-test=heap-strip] button',
  pagetables: '[data-test=table-PTE]',
  virtual: '[data-test=cascade]',
  processes: '[data-test=maps] tbody tr',
  swap: '[data-test=slots] g',
};

/** States of a lab, one for each of the tabs. @param {string} name @param {{ id: string }} lab @param {string[]} tabs @param {string} [query] @returns {State[]} */
const onTabs = (name, lab, tabs, query = '') =>
  tabs.map((tab) => ({
    name: `${name}-${tab}`,
    path: `/lab/${lab.id}?tab=${tab}${query}`,
    ready: name === 'empty' ? `#tab-${tab}[aria-selected=true]` : (READY[tab] ?? `#tab-${tab}[aria-selected=true]`),
    parts: tab === 'map' ? PARTS : undefined,
  }));

/** @param {any} labs of makeLabs() @returns {State[]} */
export function statesOf(labs) {
  const selected = (/** @type {any} */ lab) => `&sel=${lab.last.address}${lab.last.pid ? `-${lab.last.pid}` : ''}`;
  return [
    { name: 'home', path: '/', ready: '.home, main' },
    { name: 'compare', path: '/compare', ready: '.curves canvas' },
    { name: 'docs', path: '/docs', ready: '.subject .request', act: openFirstRequests },
    { name: 'fidelity', path: '/docs/fidelity', ready: 'table.fidelity' },
    ...onTabs('empty', labs.empty, ['map', 'buddy', 'slabs', 'heap', 'virtual', 'changes']),
    ...onTabs(
      'four',
      labs.four,
      ['map', 'buddy', 'slabs', 'pagetables', 'heap', 'bytes', 'virtual', 'processes', 'swap', 'changes'],
      '&pid=100',
    ),
    ...onTabs('long', labs.long, ['map', 'buddy', 'slabs', 'virtual', 'changes']),
    ...onTabs('huge', labs.huge, ['map', 'buddy'], selected(labs.huge)),
    ...onTabs('hole', labs.hole, ['map']),
    ...onTabs(
      'wide',
      labs.wide,
      ['map', 'slabs', 'pagetables', 'heap', 'bytes', 'virtual', 'processes', 'changes'],
      '&pid=100',
    ),
    ...onTabs('rows', labs.rows, ['map', 'slabs', 'changes']),
    { name: 'zoomed', path: `/lab/${labs.huge.id}?${selected(labs.huge)}`, ready: MAP, act: zoomToSelection },
    { name: 'chunk', path: `/lab/${labs.four.id}?tab=heap&pid=100`, ready: READY.heap, act: pickChunk },
    { name: 'past', path: `/lab/${labs.four.id}?seq=5`, ready: MAP, parts: PARTS },
    { name: 'form', path: `/lab/${labs.four.id}`, ready: MAP, act: openForm, parts: PARTS },
    {
      name: 'keys',
      path: `/lab/${labs.four.id}`,
      ready: MAP,
      act: (page) => page.click('[aria-label="Keyboard shortcuts"]'),
    },
    { name: 'finder', path: `/lab/${labs.wide.id}`, ready: MAP, act: find },
    { name: 'null', path: `/lab/${labs.failing.id}`, ready: MAP, act: callTooMuch, parts: PARTS },
    { name: 'bug', path: `/lab/${labs.failing.id}`, ready: MAP, act: sleepInInterrupt, parts: PARTS },
    { name: 'import', path: `/lab/${labs.imported.id}`, ready: MAP, act: importExcerpt },
  ];
}

async function openFirstRequests(page) {
  await page.$$eval('details.request', (all) => all.slice(0, 12).forEach((one) => (one.open = true)));
}

async function callTooMuch(page) {
  await page.fill('#f-size', '9999999');
  await page.click('[data-test=submit]');
  await page.waitForSelector('[data-test=last-op][data-outcome=null]');
}

/** A call that may sleep where nothing may: the form warns, then it is a bug. */
async function sleepInInterrupt(page) {
  await page.click('.field .pills label:has-text("hardirq")');
  await page.click('[data-test=submit]');
  await page.waitForSelector('[data-test=last-op][data-outcome=bug]');
}

async function zoomToSelection(page) {
  await page.click('.zoom button:has-text("to selection")');
  await page.waitForSelector('[data-test=minimap]');
}

async function pickChunk(page) {
  await page.click('.hlink >> nth=0');
  await page.waitForSelector('[data-test=chunk] .words li');
}

/** Every part of the form that can be opened, with the warning of flags that a context forbids. */
async function openForm(page) {
  await page.click('.field .pills label:has-text("hardirq")');
  await page.$$eval('.call details', (all) => all.forEach((one) => (one.open = true)));
}

async function find(page) {
  await page.click('.find');
  await page.waitForSelector('.finder');
  await page.keyboard.type('W');
  await page.waitForSelector('[role=option]');
}

async function importExcerpt(page) {
  await page.click('button:has-text("Import, export")');
  await page.setInputFiles('[name=trace]', SAMPLE);
  await page.click('.import button[type=submit]');
  await page.waitForSelector('[data-test=import-result]');
}

/** Opens a state in a page and waits until it is drawn. @param {any} page @param {string} url @param {State} state */
export async function showState(page, url, { path, ready, act }) {
  await page.goto(url + path);
  await page.waitForSelector(ready);
  await settled(page);
  await act?.(page);
  await settled(page);
}
