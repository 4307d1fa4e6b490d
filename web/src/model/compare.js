/* compare.js - the answers of /compare and /compare/curves as rows and series: what a person compares. */
import { bytes, count, duration, plural } from '../format.js';
import { PAGE_SIZE } from './page.js';

/** @typedef {import('../types.js').CompareAnswer} Answer */
/** @typedef {import('../types.js').CompareCurves} Curves */
/** @typedef {{ profile: string, machine: string, size: string, gfp: string, context: string }} Question machine: what has run on it */

export const GFPS = ['GFP_KERNEL', 'GFP_USER', 'GFP_ATOMIC', 'GFP_NOWAIT', 'GFP_DMA'];
export const MACHINES = ['fresh', 'used', 'fragmented'];
export const CONTEXTS = ['process', 'softirq', 'tasklet', 'hardirq'];

/** @type {Question} */
const FIRST_QUESTION = { profile: 'classic', machine: 'used', size: '192K', gfp: 'GFP_KERNEL', context: 'process' };

/** @param {string} search @returns {Question} */
export function questionFromUrl(search) {
  const given = new URLSearchParams(search);
  const take = (/** @type {keyof Question} */ name) => given.get(name) ?? FIRST_QUESTION[name];
  return {
    profile: take('profile'),
    machine: take('machine'),
    size: take('size'),
    gfp: take('gfp'),
    context: take('context'),
  };
}

/** @param {Question} question */
export const urlFromQuestion = (question) => '?' + new URLSearchParams(question).toString();

/** The slider's place for a size: 0 is 1 byte, 24 is 16 MiB. @param {number} size */
export const sliderFromSize = (size) => Math.log2(Math.min(Math.max(size, 1), 2 ** 24));

/** The size at a place of the slider, written like 64K. @param {number} place */
export function sizeFromSlider(place) {
  const size = Math.round(2 ** place);
  return size >= 1024 && size % 1024 === 0 ? `${size / 1024}K` : String(size);
}

/** Where the bytes of one answer go, as shares of the whole: what was asked for, and each kind of waste.
 * @param {Answer} answer @returns {{ name: string, bytes: number, share: number }[]} */
export function sharesOf(answer) {
  const { waste, requested } = answer;
  const parts = [
    { name: 'asked for', bytes: requested },
    { name: 'rounding', bytes: waste.slack },
    { name: 'page-pointer array', bytes: waste.page_array },
    { name: 'page tables', bytes: waste.page_tables },
  ].filter((part) => part.bytes > 0);
  const total = parts.reduce((sum, part) => sum + part.bytes, 0);
  return parts.map((part) => ({ ...part, share: part.bytes / total }));
}

/** The pages of an answer in the order of their virtual addresses: runs of frames, and at last the share that has no frame until
 * it is touched. @param {Answer} answer */
export function piecesOf(answer) {
  const pages = Math.max(Math.ceil(answer.allocated / PAGE_SIZE), sum(answer.frames));
  const untouched = answer.first_touch ? pages - sum(answer.frames) : 0;
  const listed = sum(answer.frames) + untouched;
  return {
    runs: answer.frames.map((run) => ({ ...run, share: run.count / listed })),
    untouched,
    share: untouched / listed,
  };
}

/** @param {Answer} answer */
function placement(answer) {
  if (answer.outcome !== 'ok') return '–';
  if (!answer.frames.length) return 'no frame until it is touched';
  if (answer.physically_contiguous && !answer.first_touch) {
    const chance = answer.contiguity?.startsWith('by chance') ? ', by chance: it promises nothing' : '';
    return `${plural(sum(answer.frames), 'frame')} in one run${chance}`;
  }
  const later = answer.first_touch ? ' now, the rest when touched' : '';
  return `${plural(sum(answer.frames), 'frame')} in ${plural(answer.nr_frame_runs, 'run')}${later}`;
}

/** @param {{ count: number }[]} runs */
const sum = (runs) => runs.reduce((total, run) => total + run.count, 0);

/** @param {Answer} answer */
function firstTouch({ outcome, first_touch }) {
  if (outcome !== 'ok') return '–';
  return first_touch ? `${duration(first_touch.cost_ns)} more` : 'none: its frames are there';
}

/** @param {Answer} answer */
function maySleep({ outcome, may_sleep, context }) {
  if (outcome === 'null') return '–';
  if (!may_sleep) return 'no';
  return context === 'process' ? 'yes' : `yes: a bug in ${context}`;
}

/** The call as it was asked: an answer without memory knows no size. @param {Answer} answer @param {{ size: number, gfp: string }} asked */
export function requestOf({ op, context }, { size, gfp }) {
  const takesFlags = op === 'kmalloc' || op === 'kzalloc';
  return { op, size, context, ...(takesFlags ? { gfp } : {}) };
}

/** What a failed call says, or why it said nothing. @param {Answer} answer @param {number} size */
export function failureText({ message, limit }, size) {
  if (message) return message;
  return size > limit
    ? `More than it can give: at most ${count(limit)} bytes, ${bytes(limit)}.`
    : 'Not enough free memory for it.';
}

/** Above which sizes each allocator fails. @param {{ op: string, limit: number }[]} answers */
export const limitTexts = (answers) =>
  answers.map(({ op, limit }) => `${op} above ${count(limit)}${limit < 1024 ? '' : ` (${bytes(limit)})`}`);

/** @type {[string, (answer: Answer) => string][]} */
const FACTS = [
  ['address', (a) => a.address ?? 'NULL'],
  ['allocated', (a) => (a.outcome === 'ok' || a.address ? bytes(a.allocated) : '–')],
  ['frames', placement],
  ['cost of the call', (a) => duration(a.cost_ns)],
  ['cost of first touch', firstTouch],
  [
    'reading it once more',
    (a) =>
      a.access && a.outcome === 'ok'
        ? `${duration(a.access.cost_ns)} for ${bytes(a.access.length)}: ${plural(a.access.tlb.misses, 'TLB miss', 'TLB misses')} of ${count(a.access.tlb.misses + a.access.tlb.hits)}`
        : '–',
  ],
  ['may sleep', maySleep],
  ['largest request', (a) => `${count(a.limit)} bytes, ${bytes(a.limit)}`],
  ['released by', (a) => `${a.release}()`],
];

/** One row for each fact, one cell for each allocator. @param {Answer[]} answers */
export const factRows = (answers) => FACTS.map(([name, tell]) => ({ name, cells: answers.map(tell) }));

export const MEASURES =
  /** @type {Record<string, { title: string, unit: 'ns' | 'bytes', of: (p: import('../types.js').ComparePoint) => number }>} */ ({
    call: { title: 'cost of the call', unit: 'ns', of: (p) => p.cost_ns },
    use: { title: 'cost of the call and of touching every page', unit: 'ns', of: (p) => p.cost_ns + p.first_touch_ns },
    access: { title: 'cost of reading all of it once more', unit: 'ns', of: (p) => p.access_ns },
    waste: { title: 'bytes beyond what was asked for', unit: 'bytes', of: (p) => p.waste },
  });

/** Sizes, and a series for each allocator; null where the request fails. @param {Curves} curves @param {string} measure
 * @returns {{ sizes: number[], series: { op: string, values: (number | null)[] }[] }} */
export function seriesOf(curves, measure) {
  const { of } = MEASURES[measure];
  return {
    sizes: curves.sizes,
    series: curves.allocators.map(({ op, points }) => ({
      op,
      values: points.map((p) => (p.outcome === 'ok' ? of(p) : null)),
    })),
  };
}

/** @param {string} measure @param {number | null} value */
export const tellValue = (measure, value) =>
  value === null ? 'fails' : MEASURES[measure].unit === 'ns' ? duration(value) : bytes(value);
