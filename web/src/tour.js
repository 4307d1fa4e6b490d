/* tour.js - opens a lab in which the same request has been made of all four allocators, at its first step. The lab of the tour before
 * is thrown away. */
import { post, remove } from './api.js';
import { sentenceFor, tourCalls, tourName } from './model/tour.js';

const KEPT = 'pagoda-tour'; /* the id of this browser's tour */

/** @param {import('./model/tour.js').Wish} wish */
export async function openTour(wish) {
  const lab = await post('/labs', { name: tourName(wish.size), profile: wish.profile, machine: wish.machine });
  const send = (/** @type {Record<string, any>} */ op) => post(`/labs/${lab.id}/ops`, op);
  let pid = 0,
    first = 0;
  for (const { op, tells } of tourCalls(wish)) {
    const result = await send('pid' in op ? { ...op, pid } : op);
    pid = result.pid ?? pid;
    first ||= result.seq;
    if (tells) await send({ op: 'mark', text: sentenceFor(op, result) });
  }
  await dropLast(lab.id);
  location.assign(`/lab/${lab.id}?tour=1&seq=${first}`);
}

/** @param {string} id of the one that is kept now */
async function dropLast(id) {
  try {
    const last = localStorage.getItem(KEPT);
    localStorage.setItem(KEPT, id);
    if (last) await remove(`/labs/${last}`);
  } catch {
    /* no storage, or somebody has deleted it: nothing is lost */
  }
}
