/* history.js - the timeline's series: sampled over the whole history, read in parts so that a long one shows how far it is,
 * and continued as the head moves, by a few samples of what was added; and the remarks of the log, wherever they stand. */
import { effect } from '@preact/signals';
import { get } from '../api.js';
import { lastSeq } from '../lab-state.js';
import { added, failureIntervals, marksOf, seriesParts, thinned } from '../model/timeline.js';
import { createPace } from './pace.js';

/** @typedef {import('../lab-session.js').Context} Context */

const OPS_SHOWN = 1000;
const SETTLE_MS = 60;

/** @param {Context} context */
export function watchHistory({ store, base, complain }) {
  let seen = -1,
    imports = 0,
    timer = 0;
  const pace = createPace();
  let abort = new AbortController();
  /** @param {[number, number, number][]} parts @param {import('../types.js').Point[]} known */
  const readPoints = async (parts, known) => {
    let points = known;
    for (let i = 0; i < parts.length; i++) {
      const [first, last, nr] = parts[i];
      if (parts.length > 1 && points.length >= store.peek().points.length)
        store.send({ type: 'series', points, progress: { done: i, total: parts.length } });
      const stats = await get(`${base}/stats?from=${first}&to=${last}&points=${nr}`, abort.signal);
      points = [...points, ...stats.points];
    }
    return points;
  };
  /** What is known of the last operations, and those that came since. @param {number} head */
  const readOps = async (head) => {
    const known = store.peek().ops;
    const last = known.length ? known[known.length - 1].seq : 0;
    const from = Math.max(1, head - OPS_SHOWN + 1, last + 1);
    if (from > head) return known;
    const { ops } = await get(`${base}/ops?from=${from}&limit=${OPS_SHOWN}`, abort.signal);
    return [...(from === last + 1 ? known : []), ...ops].slice(-OPS_SHOWN);
  };
  /** Every remark of the log. Those of the part that was read before are kept; only the rest is read. @param {number} head */
  const readMarks = async (head) => {
    const { marks } = store.peek();
    const found = [...marks];
    for (let from = marksUpTo + 1; from <= head;) {
      const page = await get(`${base}/ops?op=mark&from=${from}&limit=${OPS_SHOWN}`, abort.signal);
      found.push(...marksOf(page.ops));
      marksUpTo = page.next ? Number(page.next) - 1 : head;
      from = marksUpTo + 1;
      if (found.length > store.peek().marks.length) store.send({ type: 'marks', marks: [...found] });
    }
  };
  let marksUpTo = 0;
  const load = async () => {
    const head = (seen = store.peek().head);
    const known = store.peek().points;
    const last = lastSeq(store.peek());
    const isNew = !known.length || imports !== store.peek().imports;
    imports = store.peek().imports;
    pace.begin();
    try {
      const parts = isNew ? seriesParts(0, last) : added(known, last);
      const ops = head ? await readOps(head) : [];
      const points = await readPoints(parts, isNew ? [] : thinned(known));
      store.send({ type: 'series', points, ops });
      await readMarks(head);
    } catch (error) {
      complain(error);
    }
    pace.end();
    timer = 0;
    if (isDue(store.peek())) plan();
  };
  /** @param {import('../lab-state.js').LabState} state */
  const isDue = (state) => state.head !== seen || state.imports !== imports;
  const plan = () => (timer = window.setTimeout(load, Math.max(SETTLE_MS, pace.rest(true))));
  const stop = effect(() => {
    if (store.value.lab && isDue(store.value) && !timer) plan();
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
      const found = page.ops.find(
        (/** @type {import('../types.js').OpRow} */ op) => op.seq > seq && op.outcome !== 'ok',
      );
      if (found) return found.seq;
    }
  }
  return known?.seq ?? null;
}
