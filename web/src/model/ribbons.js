/* ribbons.js - the threads from a virtual range to its frames, as SVG paths. The n-th page leaves the bar at the n-th part of
 * its height, and arrives where its frame stands: one broad ribbon means contiguous, a fan means scattered. */
import { rectsOf } from './geometry.js';

const MOST = 160;

/**
 * @param {object} from
 * @param {number} from.x pixels
 * @param {number} from.y
 * @param {number} from.h
 * @param {import('../types.js').Run[]} runs in address order
 * @param {import('./geometry.js').Layout} layout
 * @param {{ x: number, y: number, px: number, left: number, top: number, right: number, bottom: number, shift: number }} to origin, cell size and visible part of the map
 * @returns {string[]}
 */
export function ribbons(from, runs, layout, to) {
  const total = runs.reduce((sum, run) => sum + run.count, 0) || 1;
  const pieces = [];
  let done = 0;
  for (const run of runs) {
    const first = Math.floor(run.pfn / 2 ** to.shift);
    const cells = Math.max(1, Math.ceil((run.pfn + run.count) / 2 ** to.shift) - first);
    const rects = rectsOf(layout, first, cells);
    const area = rects.reduce((sum, r) => sum + r.w * r.h, 0) || 1;
    for (const rect of rects) {
      const share = (run.count * rect.w * rect.h) / area;
      pieces.push({ from: done, to: done + share, rect });
      done += share;
    }
  }
  const step = Math.ceil(pieces.length / MOST);
  return pieces
    .filter((_, i) => i % step === 0)
    .map((piece) => {
      const y0 = from.y + (piece.from / total) * from.h;
      const y1 = Math.max(y0 + 1, from.y + (piece.to / total) * from.h);
      return curve(from.x, y0, y1, arrival(piece.rect, to));
    });
}

/** The visible place of a rectangle's left edge. Outside the picture it is the picture's edge.
 * @param {import('./geometry.js').Rect} rect @param {{ x: number, y: number, px: number, left: number, top: number, right: number, bottom: number }} to */
function arrival(rect, to) {
  const clamp = (/** @type {number} */ v, /** @type {number} */ lo, /** @type {number} */ hi) =>
    Math.max(lo, Math.min(hi, v));
  const y0 = clamp(to.y + rect.y * to.px, to.top, to.bottom - 1);
  const y1 = clamp(to.y + (rect.y + rect.h) * to.px, y0 + 1, to.bottom);
  return { x: clamp(to.x + rect.x * to.px, to.left, to.right), y0, y1: Math.max(y1, y0 + 1) };
}

/** @param {number} x @param {number} y0 @param {number} y1 @param {{ x: number, y0: number, y1: number }} end */
function curve(x, y0, y1, end) {
  const bend = Math.max(36, (end.x - x) * 0.42);
  const n = (/** @type {number} */ v) => v.toFixed(1);
  return (
    `M${n(x)} ${n(y0)}C${n(x + bend)} ${n(y0)} ${n(end.x - bend)} ${n(end.y0)} ${n(end.x)} ${n(end.y0)}` +
    `L${n(end.x)} ${n(end.y1)}C${n(end.x - bend)} ${n(end.y1)} ${n(x + bend)} ${n(y1)} ${n(x)} ${n(y1)}Z`
  );
}
