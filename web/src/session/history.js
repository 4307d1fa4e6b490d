/* history.js - the timeline's series: sampled over the whole history, read in parts so that a long one shows how far it is,
 * and continued as the head moves. */
import { effect } from '@preact/signals';
import { get } from '../api.js';
import { failureIntervals, POINTS, seriesParts } from '../model/timeline.js';

/** @typedef {import('../lab-session.js').Context} Context */

const OPS_SHOWN = 1000;
const SETTLE_MS = 60;

/** A long history is sampled once; after that, only what was added is asked for. @param {import('../types.js').Point[]} known @param {number} head */
const continues = (known, head) =>
  known.length > 0 && known.length < 2 * POINTS && head > known[known.length - 1].seq && head - known[known.length - 1].seq <= POINTS;

/** @param {Context} context */
export function watchHistory({ store, base, complain }) {
  let seen = -1,
    timer = 0;
  let abort = new AbortController();
  /** @param {number} from @param {number} head @param {import('../types.js').Point[]} known */
  const readPoints = async (from, head, known) => {
    let points = known;
    const parts = seriesParts(from, head);
    for (let i = 0; i < parts.length; i++) {
      const [first, last, nr] = parts[i];
      if (parts.length > 1) store.send({ type: 'series', points, progress: { done: i, total: parts.length } });
      const stats = await get(`${base}/stats?from=${first}&to=${last}&points=${nr}`, abort.signal);
      points = [...points, ...stats.points];
    }
    return points;
  };
  const load = async () => {
    const head = (seen = store.peek().head);
    try {
      const all = store.peek().points;
      const from = continues(all, head) ? all[all.length - 1].seq + 1 : 0;
      const ops = head ? (await get(`${base}/ops?from=${Math.max(1, head - OPS_SHOWN + 1)}&limit=${OPS_SHOWN}`, abort.signal)).ops : [];
      const points = await readPoints(from, head, from ? all : []);
      store.send({ type: 'series', points, ops });
    } catch (error) {
      complain(error);
    }
    timer = 0;
    if (store.peek().head !== seen) timer = window.setTimeout(load, SETTLE_MS);
  };
  const stop = effect(() => {
    if (store.value.head !== seen && !timer) timer = window.setTimeout(load, seen < 0 ? 0 : SETTLE_MS);
  });
  return () => (clearTimeout(timer), abort.abort(), stop());
}

/** The next operation after `seq` that failed: the counters of the series tell in which part of a long history to look.
 * @param {Context} context @param {number} seq @returns {Promise<number | null>} */
export async function findNextFailure({ store, base }, seq) {
  const { points, ops, head } = store.peek();
  const known = ops.find((op) => op.seq > seq && op.outcome !== 'ok');
  const reaches = ops.length > 0 && ops[0].seq <= seq + 1;
  if (reaches) return known?.seq ?? null;
  for (const [from, to] of failureIntervals(points, seq, head)) {
    for (let at = from; at <= to; at += OPS_SHOWN) {
      const page = await get(`${base}/ops?from=${at}&limit=${OPS_SHOWN}`);
      const found = page.ops.find((/** @type {import('../types.js').OpRow} */ op) => op.seq > seq && op.outcome !== 'ok');
      if (found) return found.seq;
    }
  }
  return known?.seq ?? null;
}
