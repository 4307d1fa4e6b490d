/* touched.js - the operations of the log that name a thing: by its handle, or by an address inside it. */

import { directOf, PAGE_SIZE } from './page.js';

/** @typedef {import('../types.js').OpRow} OpRow */

/** @param {import('../types.js').Selection} selection @param {OpRow[]} ops @param {string | null} pageOffset @param {import('../types.js').Allocation | null} [allocation] @returns {number[]} in order */
export function eventsOf(selection, ops, pageOffset, allocation = null) {
  const [from, to] = rangeOf(selection, pageOffset, allocation);
  const pid = selection.kind === 'allocation' ? selection.pid : 0;
  const name = allocation?.name ?? null;
  const hits = ops.filter((op) => {
    if (name && op.name === name && (op.pid ?? 0) === pid) return true;
    const text = op.address ?? op.result?.address;
    if (!text || (op.pid ?? 0) !== pid) return false;
    const start = BigInt(text);
    const end = start + BigInt(Math.max(1, op.result?.allocated ?? 1));
    return start < to && end > from;
  });
  return hits.map((op) => op.seq);
}

/** @param {import('../types.js').Selection} selection @param {string | null} pageOffset @param {import('../types.js').Allocation | null} allocation @returns {[bigint, bigint]} */
function rangeOf(selection, pageOffset, allocation) {
  if (selection.kind === 'frame') {
    const from = directOf(pageOffset ?? '0', selection.pfn);
    return [from, from + BigInt(PAGE_SIZE)];
  }
  const from = BigInt(selection.address);
  return [from, from + BigInt(Math.max(1, allocation?.allocated ?? 1))];
}
