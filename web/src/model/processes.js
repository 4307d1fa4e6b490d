/* processes.js - processes as they are compared: what each has promised itself, what of it has frames, what is in swap; and the
 * state of every page of a mapping as strips. */
import { bytes, count } from '../format.js';
import { PAGE_SIZE } from './page.js';

/** @typedef {{ address: string, count: number, state: string, pfn?: number, slot?: number, nr_users?: number, writable?: boolean, accessed?: boolean, dirty?: boolean, locked?: boolean }} PageRun */
/** @typedef {{ start: string, end: string, perms: string, name: string, rss_pages: number, swap_pages: number, zero_pages?: number, shared_pages?: number, locked_pages?: number, flags?: string, is_file?: boolean }} FullMap */

const PAGE = BigInt(PAGE_SIZE);

export const PAGE_STATES = [
  { key: 'present', letter: 'a', label: 'present', doc: 'has a frame of its own' },
  {
    key: 'shared',
    letter: 'c',
    label: 'shared, copy on write',
    doc: 'its frame is another process’s too, until one of them writes',
  },
  { key: 'zero', letter: '0', label: 'zero page', doc: 'read but never written: the one page of zeroes' },
  { key: 'lazyfree', letter: 'l', label: 'may be dropped', doc: 'MADV_FREE: reclaimed without being written anywhere' },
  { key: 'swapped', letter: 'w', label: 'in swap', doc: 'touching it reads it back: a major fault' },
  { key: 'untouched', letter: '·', label: 'untouched', doc: 'promised, without a frame: touching it is a minor fault' },
];

/** @param {{ start: string, end: string }} map */
export const pagesOf = (map) => Number((BigInt(map.end) - BigInt(map.start)) / PAGE);

/** The runs of pages inside a mapping, cut to it, at shares of its length. @param {FullMap} map @param {PageRun[]} runs */
export function pageStrip(map, runs) {
  const start = BigInt(map.start),
    end = BigInt(map.end),
    nr = pagesOf(map) || 1;
  return runs.flatMap((run) => {
    const from = BigInt(run.address),
      to = from + BigInt(run.count) * PAGE;
    if (to <= start || from >= end) return [];
    const first = Number(((from > start ? from : start) - start) / PAGE);
    const last = Number(((to < end ? to : end) - start) / PAGE);
    return [{ state: run.state, from: first / nr, share: (last - first) / nr, count: last - first, run }];
  });
}

/** "12 pages shared, 21 untouched" @param {ReturnType<typeof pageStrip>} strip */
export function stripText(strip) {
  const sums = new Map();
  for (const part of strip) sums.set(part.state, (sums.get(part.state) ?? 0) + part.count);
  return PAGE_STATES.filter((state) => sums.has(state.key))
    .map((state) => `${count(sums.get(state.key))} ${state.label}`)
    .join(', ');
}

/** @param {PageRun[]} runs */
export function stateSums(runs) {
  const sums = new Map(PAGE_STATES.map((state) => [state.key, 0]));
  for (const run of runs) sums.set(run.state, (sums.get(run.state) ?? 0) + run.count);
  return PAGE_STATES.map((state) => ({ ...state, count: /** @type {number} */ (sums.get(state.key)) })).filter(
    (state) => state.count,
  );
}

/** A process's address space in shares: with frames, in swap, the rest only promised. @param {{ rss_pages: number, swap_pages: number, virtual_bytes: number }} process @param {number} most pages, the scale */
export function processBar(process, most) {
  const all = process.virtual_bytes / PAGE_SIZE;
  const scale = most || 1;
  return {
    rss: process.rss_pages / scale,
    swap: process.swap_pages / scale,
    promised: Math.max(0, all - process.rss_pages - process.swap_pages) / scale,
  };
}

const OVERCOMMIT = [
  'guess: only what is plainly too much is refused',
  'always: nothing is refused',
  'never beyond the limit',
];

/** @param {{ overcommit_memory: number, limit_pages: number, committed_pages: number }} commit */
export function commitFacts({ overcommit_memory: mode, limit_pages: limit, committed_pages: committed }) {
  return {
    share: limit ? committed / limit : 0,
    isBinding: mode === 2,
    text: `${bytes(committed * PAGE_SIZE)} promised of a limit of ${bytes(limit * PAGE_SIZE)}`,
    mode: `overcommit_memory ${mode}, ${OVERCOMMIT[mode] ?? ''}`,
  };
}

/** @param {Record<string, number | null>} limits */
export const limitRows = (limits) =>
  Object.entries(limits).map(([name, value]) => ({ name, value: value === null ? 'unlimited' : bytes(value) }));

/** Parents before children, with how deep each stands. @param {{ pid: number, parent_pid: number }[]} processes */
export function processTree(processes) {
  const byPid = new Set(processes.map((p) => p.pid));
  const rows = /** @type {{ pid: number, depth: number }[]} */ ([]);
  const add = (/** @type {number} */ pid, /** @type {number} */ depth) => {
    rows.push({ pid, depth });
    for (const child of processes) if (child.parent_pid === pid && child.pid !== pid) add(child.pid, depth + 1);
  };
  for (const p of processes) if (!byPid.has(p.parent_pid) || p.parent_pid === p.pid) add(p.pid, 0);
  return rows;
}
