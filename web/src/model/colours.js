/* colours.js - what the physical map's colours tell: every cell belongs to one entry of the legend, by its state, owner, order,
 * migratetype, zone or age. Owner colours come from a stable hash of the owner, so one cache looks the same in every lab. */
import { count } from '../format.js';
import { KINDS, LEGEND, NONE, PCP } from '../kinds.js';
import { CELL } from './cells.js';

/** @typedef {import('../types.js').Cells} Cells */
/** @typedef {{ pfn: number, count: number, owner?: string }} OwnedRun */
/** @typedef {{ key: string, label: string, letter: string, colour: string, count: number, doc: string, kind: string }} Entry colour: a token ("--slab") or #rrggbb; kind: of the chip, '' when the colour is its own */
/** @typedef {{ by: string, entries: Entry[], of: Uint8Array, note: string }} Colouring of: each cell's entry; more entries than 255 never are */

/** Cividis, dark to light: reads the same with every kind of colour vision. */
const CIVIDIS = [
  '#00224e',
  '#123570',
  '#3b496c',
  '#575d6d',
  '#707173',
  '#8a8678',
  '#a59c74',
  '#c3b369',
  '#e1cc55',
  '#f1da4a',
  '#fee838',
];
const NOBODY = '--free';
const TYPES = [
  ['Unmovable', 'U', '#e69f00'],
  ['Movable', 'M', '#009e73'],
  ['Reclaimable', 'R', '#0072b2'],
  ['HighAtomic', 'H', '#d55e00'],
  ['Isolate', 'I', '#cc79a7'],
];
const ZONES = ['#cc79a7', '#e69f00', '#0072b2', '#009e73'];

/** @param {string} by @param {import('../lab-state.js').Views} views @param {OwnedRun[] | null} [runs] who owns what, when it was asked for @returns {Colouring} */
export function colouring(by, views, runs = null) {
  const { cells } = views;
  if (by === 'zone') return byZone(cells, views.zones);
  if (cells.shift || by === 'state') return byState(cells);
  if (by === 'owner') return byOwner(cells, runs);
  if (by === 'order') return byOrder(cells);
  if (by === 'migratetype') return byMigratetype(cells);
  if (by === 'age') return byAge(views);
  return byState(cells);
}

/** A place without memory counts as nothing. @param {string} by @param {Uint8Array} of @param {Entry[]} entries @param {Cells} cells @param {string} [note] @returns {Colouring} */
function counted(by, of, entries, cells, note = '') {
  const sums = new Uint32Array(entries.length);
  for (let i = 0; i < of.length; i++) if (cells.bytes[i * CELL] !== NONE) sums[of[i]]++;
  entries.forEach((entry, i) => (entry.count = sums[i] * 2 ** cells.shift));
  return { by, entries, of, note };
}

const entry = (
  /** @type {string} */ key,
  /** @type {string} */ label,
  /** @type {string} */ letter,
  /** @type {string} */ colour,
  doc = '',
) => ({
  key,
  label,
  letter,
  colour,
  count: 0,
  doc,
  kind: '',
});

/** @param {Cells} cells @returns {Colouring} */
function byState(cells) {
  const of = new Uint8Array(cells.nr);
  for (let i = 0; i < cells.nr; i++) of[i] = Math.min(cells.bytes[i * CELL], KINDS.length - 1);
  const entries = KINDS.map((kind) => ({
    ...entry(kind.name, kind.label, kind.letter, kind.token, kind.doc),
    kind: kind.name,
  }));
  const colours = counted('state', of, entries, cells);
  if (cells.counts)
    for (const one of entries)
      one.count = cells.counts[one.key] ?? 0; /* a tile's colour is that of most of it; its counts are exact */
  return colours;
}

/** The colour of an owner's number: hues are a golden angle apart, lightness has two steps. @param {number} hash */
export function ownerColour(hash) {
  const hue = (hash * 137.508) % 360;
  const light = hash & 2 ? 0.42 : 0.58;
  const part = (/** @type {number} */ n) => {
    const k = (n + hue / 30) % 12;
    const c = light - 0.58 * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * c)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${part(0)}${part(8)}${part(4)}`;
}

/** A stable number for a name. @param {string} text */
function textHash(text) {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return (hash >>> 8) & 0xffff;
}

const OWNERS_MAX = 250;

/** Colours by owner. The list of runs names every owner; before it is there, the hash in each cell tells owners apart.
 * @param {Cells} cells @param {OwnedRun[] | null} runs @returns {Colouring} */
function byOwner(cells, runs) {
  const of = new Uint8Array(cells.nr);
  const entries = [
    entry('nobody', 'free, nobody’s', '', NOBODY),
    entry('unnamed', 'in use, owner not recorded', '', '--mute'),
    entry('rest', 'further owners', '', '--line'),
  ];
  /** @type {Map<string | number, number>} */
  const places = new Map();
  const place = (/** @type {string | number} */ key, /** @type {string} */ label, /** @type {number} */ hash) => {
    const known = places.get(key);
    if (known !== undefined) return known;
    const at = entries.length < OWNERS_MAX ? entries.push(entry(`owner-${key}`, label, '', ownerColour(hash))) - 1 : 2;
    places.set(key, at);
    return at;
  };
  const isFree = (/** @type {number} */ i) => cells.bytes[i * CELL] > 0 && cells.bytes[i * CELL] <= PCP;
  if (runs) {
    for (const run of runs) {
      const at = isFree(run.pfn) ? 0 : run.owner ? place(run.owner, run.owner, textHash(run.owner)) : 1;
      of.fill(at, run.pfn, run.pfn + run.count);
    }
    return counted('owner', of, entries, cells);
  }
  for (let i = 0; i < cells.nr; i++) {
    const hash = cells.bytes[i * CELL + 3];
    of[i] = isFree(i) ? 0 : hash ? place(hash, `owner ${hash}`, hash) : 1;
  }
  return counted('owner', of, entries, cells, 'one colour may stand for several owners');
}

/** @param {Cells} cells @returns {Colouring} */
function byOrder(cells) {
  const of = new Uint8Array(cells.nr);
  let most = 0;
  for (let i = 0; i < cells.nr; i++) most = Math.max(most, (of[i] = Math.min(10, cells.bytes[i * CELL + 1])));
  const at = (/** @type {number} */ order) => CIVIDIS[Math.round((order * (CIVIDIS.length - 1)) / Math.max(1, most))];
  const entries = Array.from({ length: most + 1 }, (_, order) =>
    entry(
      `order-${order}`,
      `order ${order}`,
      String(order),
      at(order),
      `blocks of ${count(2 ** order)} frames, free or not`,
    ),
  );
  return counted('order', of, entries, cells);
}

/** @param {Cells} cells @returns {Colouring} */
function byMigratetype(cells) {
  const of = new Uint8Array(cells.nr);
  for (let i = 0; i < cells.nr; i++) of[i] = Math.min(TYPES.length - 1, cells.bytes[i * CELL + 2] & 0x7f);
  const entries = TYPES.map(([name, letter, colour]) => entry(name.toLowerCase(), name, letter, colour));
  return counted('migratetype', of, entries, cells);
}

/** @param {Cells} cells @param {import('../types.js').Zone[]} zones @returns {Colouring} */
function byZone(cells, zones) {
  const of = new Uint8Array(cells.nr);
  const there = zones.filter((z) => z.spanned);
  const entries = [
    entry('none', 'no zone', '-', '--reserved'),
    ...there.map((z, i) => entry(z.name, `zone ${z.name}`, z.name.slice(-1), ZONES[i % ZONES.length])),
  ];
  there.forEach((z, i) =>
    of.fill(i + 1, Math.floor(z.start_pfn / 2 ** cells.shift), Math.ceil((z.start_pfn + z.spanned) / 2 ** cells.shift)),
  );
  return counted('zone', of, entries, cells);
}

const AGES = [0, 3, 15, 63, 255, 1023, Infinity];
const AGE_NAMES = ['this operation', '1 – 3 operations ago', '4 – 15', '16 – 63', '64 – 255', '256 – 1 023', 'older'];

/** Age of the newest live allocation in a frame, in operations. @param {import('../lab-state.js').Views} views @returns {Colouring} */
function byAge({ cells, allocations, seq, more }) {
  const born = new Uint32Array(cells.nr); /* seq + 1; 0: no live allocation */
  for (const a of allocations)
    for (const run of a.frames)
      for (let i = run.pfn; i < run.pfn + run.count && i < cells.nr; i++) born[i] = Math.max(born[i], a.seq + 1);
  const of = new Uint8Array(cells.nr);
  for (let i = 0; i < cells.nr; i++) {
    const kind = cells.bytes[i * CELL];
    if (kind && kind <= PCP) of[i] = 0;
    else if (!born[i]) of[i] = 1;
    else {
      const age = seq + 1 - born[i];
      of[i] = 2 + AGES.findIndex((limit) => age <= limit);
    }
  }
  const entries = [
    entry('free', 'free', 'B', NOBODY),
    entry('none', 'the kernel’s own, or unknown', '', '--line'),
    ...AGE_NAMES.map((name, i) =>
      entry(`age-${i}`, name, '', CIVIDIS[CIVIDIS.length - 1 - Math.round((i * (CIVIDIS.length - 1)) / 6)]),
    ),
  ];
  return counted('age', of, entries, cells, more ? 'of the first 1 000 allocations' : '');
}

const SHOWN_MAX = 14;

/** The entries worth a place in the legend: for states always the same ones, else those that occur, the most frames first.
 * @param {Colouring} colours @returns {{ entries: Entry[], rest: number }} */
export function legendEntries(colours, hasPcp = true) {
  if (colours.by === 'state') {
    const byKey = new Map(colours.entries.map((e) => [e.key, e]));
    const names = LEGEND.filter((name) => hasPcp || name !== 'pcp');
    return { entries: names.flatMap((name) => byKey.get(name) ?? []), rest: 0 };
  }
  const there = colours.entries.filter((e) => e.count > 0);
  if (colours.by === 'owner') there.sort((a, b) => b.count - a.count);
  return { entries: there.slice(0, SHOWN_MAX), rest: Math.max(0, there.length - SHOWN_MAX) };
}
