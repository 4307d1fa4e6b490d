/* timeline.js - frames in use over the lab's history, as polygons, and where a moment stands. */
import { STACK } from '../kinds.js';

/** @typedef {import('../types.js').Point} Point */

/** Room at either end for the playhead's thumb, pixels. */
export const MARGIN = 8;

/** @param {number} seq @param {number} head @param {number} width */
export const xOf = (seq, head, width) => MARGIN + (head ? seq / head : 1) * (width - 2 * MARGIN);

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

/**
 * Stacked steps: the state after operation s holds until operation s + 1.
 * @param {Point[]} points @param {number} head @param {number} scale frames at the top @param {number} width @param {number} height
 * @returns {{ kind: string, points: [number, number][] }[]}
 */
export function stack(points, head, scale, width, height) {
  const base = new Float64Array(points.length);
  return STACK.map((kind) => {
    const upper = /** @type {[number, number][]} */ ([]),
      lower = /** @type {[number, number][]} */ ([]);
    const y = (/** @type {number} */ frames) => height - (Math.min(frames, scale) / scale) * height;
    points.forEach((point, i) => {
      const x0 = xOf(point.seq, head, width);
      const x1 = i + 1 < points.length ? xOf(points[i + 1].seq, head, width) : xOf(head, head, width) + (points.length === 1 ? MARGIN : 0);
      const top = base[i] + (point.frames[kind] ?? 0);
      lower.push([x0, y(base[i])], [x1, y(base[i])]);
      upper.push([x0, y(top)], [x1, y(top)]);
      base[i] = top;
    });
    return { kind, points: [...upper, ...lower.reverse()] };
  });
}

/** The point that holds at a moment. @param {Point[]} points @param {number} seq @returns {Point | null} */
export function pointAt(points, seq) {
  let found = null;
  for (const point of points) {
    if (point.seq > seq) break;
    found = point;
  }
  return found;
}
