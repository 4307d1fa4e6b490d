/* changes.js - what differs between two moments: counters in words, frames by what they were and are, and where they lie. */
import { bytes, count, duration } from '../format.js';
import { KIND_BY_NAME } from '../kinds.js';

/** @typedef {{ kind: string, order: number, migratetype: string, owner: string }} FrameState */
/** @typedef {{ pfn: number, count: number, a: FrameState, b: FrameState }} FrameChange */
/** @typedef {{ seq: number, op: string, address: string, requested: number, allocated: number, pid: number, name: string }} Brief */
/** @typedef {{ a: number, b: number, with: string, frames: FrameChange[], nr_frames: number, nr_frame_runs: number, added: Brief[], nr_added: number, removed: Brief[], nr_removed: number, counters: { name: string, a: number, b: number }[] }} Diff */

/** What to ask for, and whether the answer is to be read backwards: the daemon compares this lab's moment with another lab's.
 * @param {{ seq: number, since: number | null, against: string, last?: number }} wish last: the last moment of this lab that can be shown @returns {{ query: string, isReversed: boolean, since: number }} */
export function question({ seq, since, against, last = Infinity }) {
  const wished = since ?? Math.max(0, seq - 1);
  const from = against ? wished : Math.min(wished, last);
  if (against)
    return { query: `a=${seq}&b=${from}&with=${encodeURIComponent(against)}`, isReversed: true, since: from };
  return { query: `a=${Math.min(from, seq)}&b=${Math.max(from, seq)}`, isReversed: from > seq, since: from };
}

/** @param {Diff} diff @returns {Diff} */
export const reversed = (diff) => ({
  ...diff,
  a: diff.b,
  b: diff.a,
  frames: diff.frames.map(({ a, b, ...place }) => ({ ...place, a: b, b: a })),
  added: diff.removed,
  nr_added: diff.nr_removed,
  removed: diff.added,
  nr_removed: diff.nr_added,
  counters: diff.counters.map(({ name, a, b }) => ({ name, a: b, b: a })),
});

const WORDS = /** @type {Record<string, string>} */ ({
  now_ns: 'simulated time',
  nr_allocations: 'live allocations',
  requested_bytes: 'asked for',
  allocated_bytes: 'granted',
  swap_used_pages: 'swap slots in use',
  nr_reclaimed: 'pages reclaimed',
  nr_oom_kills: 'killed for memory',
  'outcomes.ok': 'operations that went well',
  'outcomes.null': 'operations that got NULL',
  'outcomes.bug': 'operations that were a bug',
});

/** @param {{ name: string, a: number, b: number }[]} counters */
export function counterRows(counters) {
  return counters.map(({ name, a, b }) => {
    const kind = name.startsWith('frames.') ? name.slice(7) : '';
    const text = name.endsWith('_ns') ? duration : name.endsWith('_bytes') ? bytes : count;
    const sign = b > a ? '+' : '−';
    return {
      name,
      kind,
      label: kind ? (KIND_BY_NAME[kind]?.label ?? kind) : (WORDS[name] ?? name),
      unit: kind ? 'frames' : '',
      a: text(a),
      b: text(b),
      by: `${sign}${text(Math.abs(b - a))}`,
    };
  });
}

/** How frames changed, the most frequent first: from one kind to another, or of one kind but in another block.
 * @param {FrameChange[]} frames @returns {{ key: string, from: string, to: string, count: number, runs: number, what: string }[]} */
export function transitions(frames) {
  const found = new Map();
  for (const { a, b, count: nr } of frames) {
    const key = `${a.kind} ${b.kind}`;
    const sum = found.get(key) ?? { key, from: a.kind, to: b.kind, count: 0, runs: 0, what: '' };
    sum.count += nr;
    sum.runs++;
    if (a.kind === b.kind) sum.what = reason(a, b, sum.what);
    found.set(key, sum);
  }
  return [...found.values()].sort((x, y) => y.count - x.count);
}

/** @param {FrameState} a @param {FrameState} b @param {string} known */
function reason(a, b, known) {
  const all = new Set(known ? known.split(', ') : []);
  if (a.owner !== b.owner) all.add('another owner');
  if (a.order !== b.order) all.add('another block size');
  if (a.migratetype !== b.migratetype) all.add('another migratetype');
  return [...all].join(', ');
}

/** One side of a range in words. @param {FrameState} state */
export const stateText = ({ kind, order, owner }) =>
  [KIND_BY_NAME[kind]?.label ?? kind, owner, order ? `order ${order}` : ''].filter(Boolean).join(', ');

const CELLS_MAX = 8192;

/** The frames that changed as cells of a small map in rows. @param {FrameChange[]} frames @param {number} nr frames of the machine */
export function changedCells(frames, nr) {
  const per = 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(1, nr) / CELLS_MAX)));
  return {
    per,
    nr: Math.ceil(nr / per),
    runs: frames.map(({ pfn, count: n, a, b }) => {
      const cell = Math.floor(pfn / per);
      return { cell, count: Math.floor((pfn + n - 1) / per) - cell + 1, kind: b.kind, was: a.kind, pfn };
    }),
  };
}
