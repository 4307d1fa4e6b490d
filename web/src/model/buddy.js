/* buddy.js - the page allocator's arithmetic made visible: a block of order k at frame p has its buddy at p XOR 2^k, so the
 * two differ in one bit. From an operation's events: the ladder of halvings (or joinings) that led to one of them. */
import { count, hex, plural } from '../format.js';

/** @typedef {import('../types.js').TraceEvent} TraceEvent */
/** @typedef {import('../types.js').Result} Result */
/** @typedef {{ at: number, kind: 'split' | 'merge', pfn: number, order: number }} Step at: place among the operation's events; order: of the halves; pfn: of the lower one */
/** @typedef {{ order: number, left: number, right: number, stays: 'left' | 'right' | null, word: string }} Rung stays: the half that goes on; word: where to */

/** The splits and merges of an operation, as pairs of halves. @param {Result | null} result @returns {Step[]} */
export function buddyEvents(result) {
  /** @type {Step[]} */
  const steps = [];
  (result?.events ?? []).forEach((e, at) => {
    if (typeof e.pfn !== 'number' || typeof e.order !== 'number') return;
    if (e.event === 'split') steps.push({ at, kind: 'split', pfn: e.pfn, order: e.order });
    else if (e.event === 'merge' && e.order > 0) steps.push({ at, kind: 'merge', pfn: e.pfn, order: e.order - 1 });
  });
  return steps;
}

/** The operation whose steps are shown: that of the moment, or, when it split and merged nothing, the one that made the selection.
 * @param {{ views: { op: Result | null } | null, explained: Result | null }} state */
export function buddyOperation({ views, explained }) {
  const now = views?.op ?? null;
  return buddyEvents(now).length || !explained || !buddyEvents(explained).length ? now : explained;
}

/** @param {Step} outer @param {Step} inner */
const contains = (outer, inner) =>
  inner.order < outer.order && inner.pfn >= outer.pfn && inner.pfn < outer.pfn + 2 ** (outer.order + 1);

/** What led to one step, in the order in which it happened: for a split the larger blocks that were halved before it, for a
 * merge the smaller ones that were joined before it. @param {Step[]} steps @param {number} index @param {Result | null} result @returns {Rung[]} */
export function ladder(steps, index, result) {
  const step = steps[index];
  if (!step) return [];
  /** @type {Step[]} */
  const chain = [step];
  for (let i = index - 1; i >= 0; i--) {
    const other = steps[i];
    if (other.kind !== step.kind) continue;
    if (
      step.kind === 'split'
        ? contains(other, chain[0])
        : contains(chain[0], other) && other.order === chain[0].order - 1
    )
      chain.unshift(other);
  }
  return chain.map((one, i) => {
    const right = one.pfn + 2 ** one.order;
    const inner = one.kind === 'split' ? chain[i + 1] : chain[i - 1];
    const end = inner
      ? { pfn: inner.pfn, word: one.kind === 'split' ? 'split again' : 'just joined' }
      : one.kind === 'split'
        ? takenFrom(result, one)
        : freedInto(result, one);
    return {
      order: one.order,
      left: one.pfn,
      right,
      stays: end === null ? null : end.pfn >= right ? 'right' : 'left',
      word: end?.word ?? '',
    };
  });
}

/** The half of a pair that the operation took, for itself or for its CPU's list. @param {Result | null} result @param {Step} step */
function takenFrom(result, step) {
  const after = (result?.events ?? []).slice(step.at + 1);
  const found = after.find(
    (e) => e.event === 'mm_page_alloc' && e.pfn >= step.pfn && e.pfn < step.pfn + 2 ** (step.order + 1),
  );
  if (found) return { pfn: Number(found.pfn), word: 'taken' };
  return after.some((e) => e.event === 'pcp_refill' && e.order === step.order)
    ? { pfn: step.pfn, word: 'to the CPU’s list' }
    : null;
}

/** The half that was freed. The event of the merge names the other one, its buddy. @param {Result | null} result @param {Step} step */
function freedInto(result, step) {
  const buddy = Number(result?.events?.[step.at]?.buddy ?? NaN);
  return Number.isNaN(buddy)
    ? null
    : { pfn: buddy === step.pfn ? step.pfn + 2 ** step.order : step.pfn, word: 'came back' };
}

/** @param {Step} step */
export function stepText({ kind, pfn, order }) {
  const right = pfn + 2 ** order;
  const size = plural(2 ** order, 'frame');
  return kind === 'split'
    ? `split: ${hex(pfn)} of order ${order + 1} into ${hex(pfn)} and ${hex(right)}, ${size} each`
    : `merge: ${hex(pfn)} and its buddy ${hex(right)}, both free and of order ${order}, become one of order ${order + 1}`;
}

const SHOWN_BITS = 16; /* those above are the same in both */

/** p XOR 2^k, bit by bit from the highest that matters. @param {number} pfn @param {number} order */
export function xorExample(pfn, order) {
  const mask = 2 ** order;
  const buddy = Math.floor(pfn / mask) % 2 ? pfn - mask : pfn + mask;
  const all = Math.max(4, Math.ceil(Math.max(pfn, buddy, mask).toString(2).length / 4) * 4);
  const width = order < SHOWN_BITS ? Math.min(all, SHOWN_BITS) : all;
  const digits = (/** @type {number} */ n) => n.toString(2).padStart(width, '0').slice(-width).split('');
  return {
    pfn,
    order,
    buddy,
    mask,
    width,
    cut: all > width,
    marked: width - 1 - order,
    rows: [digits(pfn), digits(mask), digits(buddy)],
  };
}

/** The marks that free memory is compared with. A fallback into a block of another type raises (boosts) them for a while. @param {import('../types.js').Zone} zone */
const boosted = (zone) =>
  zone.boost && zone.high
    ? { ...zone, min: zone.min + zone.boost, low: zone.low + zone.boost, high: zone.high + zone.boost }
    : zone;

/** Free memory against the watermarks, in words that say what follows. @param {import('../types.js').Zone} zone */
export function levelText(zone) {
  const { free, min, low, high } = boosted(zone);
  if (!min && !low) return 'this kernel keeps no watermarks here';
  if (free >= high) return `${count(free)} free, above high: kswapd sleeps`;
  if (free >= low)
    return `${count(free)} free, between low and high: kswapd sleeps until low is crossed, and works up to high once it runs`;
  if (free >= min) return `${count(free)} free, below low: kswapd is woken; calls go on`;
  return `${count(free)} free, below min: callers reclaim for themselves; only GFP_ATOMIC and its like go further`;
}

/** One bar of the level: its end, and where the marks stand, as shares of it. @param {import('../types.js').Zone} given */
export function levelScale(given) {
  const zone = boosted(given);
  const end = Math.max(1, Math.min(Math.max(zone.high * 1.7, zone.min * 2), Math.max(zone.managed, 1)) || zone.managed);
  const share = (/** @type {number} */ n) => Math.min(1, n / end);
  const marks = /** @type {[string, number][]} */ ([
    ['min', zone.min],
    ['low', zone.low],
    ['high', zone.high],
  ])
    .filter(([, n]) => n > 0)
    .map(([name, n]) => ({ name, n, share: share(n) }));
  const apart = marks.every((mark, i) => !i || mark.share - marks[i - 1].share > 0.09);
  return {
    end,
    apart,
    free: share(zone.free),
    beyond: zone.free > end,
    boost: zone.boost ? share(zone.boost) : 0,
    marks,
  };
}

/** Free areas as a table of cells: blocks and the share of the zone's free pages that they are.
 * @param {import('../types.js').Zone} zone */
export function freeAreaCells(zone) {
  const types = Object.keys(zone.free_area[0]?.migratetypes ?? {});
  const shown =
    types.length > 1 ? types.filter((t, i) => i < 3 || zone.free_area.some((area) => area.migratetypes[t])) : types;
  const pages = zone.free_area.reduce((sum, area) => sum + area.nr_free * 2 ** area.order, 0) || 1;
  const rows = zone.free_area.map((area) => ({
    order: area.order,
    nr_free: area.nr_free,
    pages: area.nr_free * 2 ** area.order,
    share: (area.nr_free * 2 ** area.order) / pages,
    unusable: indexOf(area.unusable_index),
    fragmentation: indexOf(area.fragmentation_index),
    cells: shown.map((type) => {
      const blocks = area.migratetypes[type] ?? 0;
      return { type, blocks, share: (blocks * 2 ** area.order) / pages };
    }),
  }));
  const hasTypes = types.length > 1; /* Linux 2.0 has neither types nor indices of fragmentation */
  return {
    types: shown,
    rows,
    hasIndices: hasTypes && rows.some((row) => row.unusable !== null || row.fragmentation !== null),
  };
}

/** Indices come in thousandths, as the kernel's extfrag files have them. @param {number | undefined | null} value */
const indexOf = (value) => (value === undefined || value === null ? null : value / 1000);

/** A CPU's lists in words: what lies on them, by order and type. @param {import('../types.js').CpuLists} cpu */
export function cpuText({ cpu, count: nr, high, lists }) {
  const what = lists
    .map((list) => `${count(list.nr_blocks)}${list.order ? ` of order ${list.order}` : ''} ${list.migratetype}`)
    .join(', ');
  return `CPU ${cpu}: ${nr ? `${plural(nr, 'frame')} of up to ${count(high)}` : 'empty'}${what ? ` (${what})` : ''}`;
}
