/* timeline.js - a lab's history as it is drawn: frames in use stacked by kind, free memory of each zone against its watermarks,
 * and lanes of what happened; and where a moment stands. */
import { STACK } from '../kinds.js';

/** @typedef {import('../types.js').Point} Point */
/** @typedef {import('../types.js').OpRow} OpRow */
/** @typedef {[number, number][]} Line */

/** Room at either end for the playhead's thumb, pixels. */
export const MARGIN = 8;
/** Samples of a history. */
export const POINTS = 512;
export const SPEEDS = [1, 2, 4, 8, 16, 32];
const PART = 64; /* samples asked for at once from a long history */
const SHORT = 4096; /* operations that are replayed in no time */

/** @param {number} seq @param {number} head @param {number} width */
export const xOf = (seq, head, width) => MARGIN + (head ? seq / head : 1) * (width - 2 * MARGIN);

/** Which parts of a history are asked for, one after the other: first, last and number of samples. A short history is one part.
 * @param {number} from @param {number} head @returns {[number, number, number][]} */
export function seriesParts(from, head) {
  const nr = Math.min(POINTS, head - from + 1);
  if (head - from < SHORT || nr <= PART) return [[from, head, nr]];
  const parts = /** @type {[number, number, number][]} */ ([]);
  const step = (head - from) / (nr - 1);
  for (let i = 0; i < nr; i += PART) {
    const last = Math.min(nr - 1, i + PART - 1);
    parts.push([from + Math.floor(i * step), last === nr - 1 ? head : from + Math.floor(last * step), last - i + 1]);
  }
  return parts;
}

/** The samples to ask for when the history went on: one for each operation of a short stretch. A long stretch gets samples by its
 * share of the whole history. @param {Point[]} known @param {number} head @returns {[number, number, number][]} */
export function added(known, head) {
  const last = known[known.length - 1].seq;
  const nr = head - last;
  if (nr <= 0) return [];
  const samples = nr <= PART ? nr : Math.max(4, Math.min(PART, Math.round((POINTS * nr) / head)));
  const step = (nr - 1) / Math.max(1, samples - 1);
  return [[last + Math.max(1, Math.floor(step)), head, samples]];
}

/** A long series without every other sample. The counters of the samples that stay still tell what happened in between. @param {Point[]} points */
export const thinned = (points) =>
  points.length <= 2 * POINTS ? points : points.filter((_, i) => i % 2 === 0 || i === points.length - 1);

/** Stretches of the history after `seq` in which the counters of failures rise. @param {Point[]} points @param {number} seq @param {number} head @returns {[number, number][]} */
export function failureIntervals(points, seq, head) {
  const failed = (/** @type {Point} */ p) => (p.outcomes?.null ?? 0) + (p.outcomes?.bug ?? 0);
  const found = /** @type {[number, number][]} */ ([]);
  for (let i = 0; i < points.length; i++) {
    const end = points[i + 1]?.seq ?? head;
    if (end <= seq) continue;
    if (!points[i + 1] || failed(points[i + 1]) > failed(points[i]))
      found.push([Math.max(seq + 1, points[i].seq + 1), end]);
  }
  return found.filter(([from, to]) => from <= to);
}

/** A round number of frames above what is used, so that small labs fill the picture too. @param {number} used @param {number} total */
export function scaleFor(used, total) {
  const want = Math.max(16, used * 1.25);
  if (want >= total / 2) return total;
  let nice = 1;
  while (nice < want) nice *= 2;
  return Math.min(total, nice);
}

/** @param {Point} point */
export const usedOf = (point) => STACK.reduce((sum, kind) => sum + (point.frames[kind] ?? 0), 0);

/** The end of the stretch for which a point holds. @param {Point[]} points @param {number} i @param {number} head @param {number} width @param {number} last the last moment that can be shown */
const endOf = (points, i, head, width, last) =>
  i + 1 < points.length
    ? xOf(points[i + 1].seq, head, width)
    : xOf(last, head, width) + (points.length === 1 && last === head ? MARGIN : 0);

/**
 * Stacked steps: the state after operation s holds until operation s + 1.
 * @param {Point[]} points @param {number} head @param {number} scale frames at the top @param {number} width @param {number} height @param {number} [last] the last moment that can be shown
 * @returns {{ kind: string, points: Line }[]}
 */
export function stack(points, head, scale, width, height, last = head) {
  const base = new Float64Array(points.length);
  return STACK.map((kind) => {
    const upper = /** @type {Line} */ ([]),
      lower = /** @type {Line} */ ([]);
    const y = (/** @type {number} */ frames) => height - (Math.min(frames, scale) / scale) * height;
    points.forEach((point, i) => {
      const x0 = xOf(point.seq, head, width);
      const x1 = endOf(points, i, head, width, last);
      const top = base[i] + (point.frames[kind] ?? 0);
      lower.push([x0, y(base[i])], [x1, y(base[i])]);
      upper.push([x0, y(top)], [x1, y(top)]);
      base[i] = top;
    });
    return { kind, points: [...upper, ...lower.reverse()] };
  });
}

/** Free frames of each zone as steps, on a scale of doublings: watermarks are a hundredth of the memory they guard, and a linear
 * ruler would lay them on its lowest pixel. @param {Point[]} points @param {number} head @param {number} width @param {number} height @param {string} [zone] whose marks are drawn; default: the one that comes closest to its marks @param {number} [last] the last moment that can be shown */
export function freeLines(points, head, width, height, zone, last = head) {
  const names = points[0]?.zones?.map((z) => z.name) ?? [];
  const most = points.reduce((top, p) => (p.zones ?? []).reduce((t, z) => Math.max(t, z.free, z.high), top), 16);
  const least = points.reduce(
    (low, p) => (p.zones ?? []).reduce((t, z) => Math.min(t, z.free, z.min || Infinity), low),
    most,
  );
  const end = Math.log2(1 + most) + 0.5,
    start = Math.max(0, Math.floor(Math.log2(1 + least) - 1.5));
  const y = (/** @type {number} */ n) => height - (Math.max(0, Math.log2(1 + n) - start) / (end - start)) * height;
  const level = (/** @type {Point} */ p, /** @type {string} */ name) => p.zones?.find((z) => z.name === name);
  const lines = names.map((name) => ({
    name,
    points: /** @type {Line} */ (
      points.flatMap((p, i) => {
        const at = y(level(p, name)?.free ?? 0);
        return [
          [xOf(p.seq, head, width), at],
          [endOf(points, i, head, width, last), at],
        ];
      })
    ),
  }));
  const marked = zone && names.includes(zone) ? zone : tightest(points, names);
  const newest = points[points.length - 1];
  const there = newest && level(newest, marked);
  const marks = /** @type {const} */ (['min', 'low', 'high'])
    .filter((name) => (there?.[name] ?? 0) > 0)
    .map((name) => ({
      name,
      n: there?.[name] ?? 0,
      points: /** @type {Line} */ (
        points.flatMap((p, i) => {
          const at = y(level(p, marked)?.[name] ?? 0);
          return [
            [xOf(p.seq, head, width), at],
            [endOf(points, i, head, width, last), at],
          ];
        })
      ),
    }));
  return { lines, marks, marked };
}

/** The zone that came closest to its low mark; among equals the largest. @param {Point[]} points @param {string[]} names */
function tightest(points, names) {
  let best = '',
    least = Infinity;
  for (const name of names) {
    for (const p of points) {
      const z = p.zones?.find((one) => one.name === name);
      if (z?.low && z.free / z.low <= least) [best, least] = [name, z.free / z.low];
    }
  }
  return best || (names[names.length - 1] ?? '');
}

/** @type {[string, string, (p: Point) => number][]} */
const LANES = [
  ['faults', 'page faults', (p) => (p.minor_faults ?? 0) + (p.major_faults ?? 0)],
  ['reclaim', 'reclaim', (p) => p.nr_reclaimed ?? 0],
  ['swap', 'swap', (p) => p.swap_used_pages ?? 0],
  ['oom', 'out of memory', (p) => p.nr_oom_kills ?? 0],
  ['failures', 'failures', (p) => (p.outcomes?.null ?? 0) + (p.outcomes?.bug ?? 0)],
];

/** The stretches in which each counter moved, from sample to sample. A lane without any is left out.
 * @param {Point[]} points @returns {{ id: string, label: string, spans: { from: number, to: number, n: number }[], most: number }[]} */
export function lanes(points) {
  return LANES.map(([id, label, value]) => {
    const spans = [];
    for (let i = 1; i < points.length; i++) {
      const n = value(points[i]) - value(points[i - 1]);
      const counts = id === 'swap' ? n !== 0 : n > 0;
      if (counts) spans.push({ from: points[i - 1].seq, to: points[i].seq, n });
    }
    return { id, label, spans, most: spans.reduce((top, s) => Math.max(top, Math.abs(s.n)), 0) };
  }).filter((lane) => lane.spans.length);
}

/** Remarks of the log, with their words. @param {OpRow[]} ops */
export const marksOf = (ops) =>
  ops.filter((op) => op.op === 'mark').map((op) => ({ seq: op.seq, text: op.text ?? '' }));

const FLAG_ROWS = 2;
const FLAG_WIDTH = 120; /* pixels that a remark may take beyond the next pole */

/** Where the words of remarks stand: in the first row that has room, cut to the next pole or a little further; a remark without room
 * keeps its pole only. @param {{ seq: number, text: string }[]} marks @param {number[]} xs of their poles @param {{ start: number, end: number, textWidth: (text: string) => number }} room start: free from there on in the first row
 * @returns {{ seq: number, text: string, x: number, row: number }[]} */
export function placeFlags(marks, xs, { start, end, textWidth }) {
  const free = [start, ...Array(FLAG_ROWS - 1).fill(0)];
  const placed = [];
  for (let i = 0; i < marks.length; i++) {
    const text = cut(marks[i].text, Math.max(FLAG_WIDTH, (xs[i + 1] ?? end) - xs[i] - 10), textWidth);
    const width = textWidth(text);
    const x = xs[i] + 4 + width > end ? xs[i] - width - 4 : xs[i] + 4;
    const row = free.findIndex((from) => x >= from);
    if (!text || row < 0) continue;
    placed.push({ seq: marks[i].seq, text, x, row });
    free[row] = x + width + 6;
  }
  return placed;
}

/** A text with dots where it has no room. @param {string} text @param {number} width @param {(text: string) => number} textWidth */
export function cut(text, width, textWidth) {
  if (textWidth(text) <= width) return text;
  let n = Math.max(1, Math.floor((text.length * width) / textWidth(text)) - 1);
  while (n > 1 && textWidth(text.slice(0, n) + '…') > width) n--;
  return text.slice(0, n) + '…';
}

/** The remark next to a moment. @param {{ seq: number, text: string }[]} marks @param {number} seq @param {1 | -1} by */
export const markBeside = (marks, seq, by) =>
  (by > 0 ? marks.find((mark) => mark.seq > seq) : marks.filter((mark) => mark.seq < seq).pop()) ?? null;

/** The point that holds at a moment. @param {Point[]} points @param {number} seq @returns {Point | null} */
export function pointAt(points, seq) {
  let found = null;
  for (const point of points) {
    if (point.seq > seq) break;
    found = point;
  }
  return found;
}
