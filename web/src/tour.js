/* tour.js - opens a lab in which the same request has been made of all four allocators, and goes there. */
import { post } from './api.js';
import { firstSelection, tourOps } from './model/tour.js';

/** @param {import('./model/tour.js').Wish} wish @param {string} [name] */
export async function openTour(wish, name = 'four ways to ask') {
  const lab = await post('/labs', { name, profile: wish.profile });
  const done = [];
  let pid = 0;
  for (const { pid: own, ...op } of tourOps(wish)) {
    const result = await post(`/labs/${lab.id}/ops`, own === null ? { ...op, pid } : op);
    pid = result.pid ?? pid;
    done.push({ ...result, name: op.name, pid: own === null ? pid : 0 });
  }
  const selection = firstSelection(done.filter((one) => one.name));
  location.assign(`/lab/${lab.id}${selection ? `?sel=${selection}` : ''}`);
}
