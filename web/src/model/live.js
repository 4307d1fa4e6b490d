/* live.js - the list of live allocations: which come first, which a filter leaves, which rows of a long list are seen. */
import { titleOf } from './title.js';

/** @typedef {import('../types.js').Allocation} Allocation */

const BEYOND = 4; /* rows drawn beyond either edge, for those who go on by Tab */

/** Blocks that somebody gave a name come before those of a recording, then the newest. Words are looked for in all that a row says.
 * @param {Allocation[]} live @param {string} filter */
export function liveRows(live, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return live
    .filter((a) => words.every((word) => textOf(a).includes(word)))
    .sort((a, b) => Number(b.name !== null) - Number(a.name !== null) || b.seq - a.seq);
}

/** @param {Allocation} a */
const textOf = (a) =>
  [titleOf(a), a.call_site, a.address, a.op, a.cache, a.requested, a.pid && `pid ${a.pid}`].join(' ').toLowerCase();

/** The rows of a list that are to be drawn: first, and the one after the last.
 * @param {number} nr of all rows @param {number} top what is rolled away, pixels @param {number} height of the box @param {number} row pixels @returns {[number, number]} */
export function rowsSeen(nr, top, height, row) {
  const last = Math.min(nr, Math.ceil((top + height) / row) + BEYOND);
  return [Math.max(0, Math.min(Math.floor(top / row) - BEYOND, last)), last];
}
