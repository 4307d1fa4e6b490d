/* tour.js - the same request made of all four allocators, one after the other in one machine, with a sentence behind each that says
 * what came of it; and the walk over these sentences. */
import { bytes, count, plural } from '../format.js';

/** @typedef {{ profile: string, machine: string, size: number, gfp: string, context: string }} Wish machine: what has run on it */
/** @typedef {import('../types.js').Result} Result */
/** @typedef {{ seq: number, text: string }} Step seq: the moment that is shown */

/** Labs of tours are scratch paper: the list of labs leaves them out. @param {number} size */
export const tourName = (size) => `four ways: ${count(size)} bytes`;
/** @param {{ name: string }} lab */
export const isTour = ({ name }) => /^four ways: /.test(name ?? '');

/** The calls in order; those with a null pid belong to the process that is spawned on the way; those that tell have a sentence after them.
 * @param {Wish} wish @returns {{ op: Record<string, any>, tells: boolean }[]} */
export function tourCalls({ size, gfp, context }) {
  const call = context === 'process' ? { gfp } : { gfp, context };
  const touched = Math.min(size, 12288);
  const calls = [
    { op: { op: 'kmalloc', size, ...call, name: 'by_kmalloc' }, tells: true },
    { op: { op: 'kzalloc', size, ...call, name: 'by_kzalloc' }, tells: true },
    { op: { op: 'vmalloc', size, name: 'by_vmalloc', ...(context === 'process' ? {} : { context }) }, tells: true },
    { op: { op: 'spawn', name: 'demo' }, tells: false },
    { op: { op: 'malloc', pid: null, size, name: 'by_malloc' }, tells: true },
  ];
  return touched
    ? [...calls, { op: { op: 'write', pid: null, name: 'by_malloc', fill: 170, length: touched }, tells: true }]
    : calls;
}

/** What came of a call, in one sentence. @param {Record<string, any>} op @param {Result} result */
export function sentenceFor(op, result) {
  if (result.outcome === 'null') return `${op.op} returns NULL: ${bytes(op.size)} is more than it can give now.`;
  if (result.outcome !== 'ok') return `${op.op} is a bug here: it may sleep, and this context may not.`;
  const nr = result.frames.reduce((sum, run) => sum + run.count, 0);
  const runs = result.nr_frame_runs;
  if (op.op === 'kmalloc')
    return nr > 1
      ? `kmalloc took one run: ${plural(nr, 'frame')} side by side.`
      : 'kmalloc took an object from a slab: one frame holds several.';
  if (op.op === 'kzalloc') return 'kzalloc is kmalloc, and clears what it got: again one run.';
  if (op.op === 'vmalloc')
    return runs > 1
      ? `vmalloc took ${plural(nr, 'single frame')} in ${plural(runs, 'place')}, and made one range of addresses of them.`
      : `vmalloc took single frames; that these ${count(nr)} adjoin is chance.`;
  if (op.op === 'malloc')
    return `malloc gave a promise: ${bytes(op.size)} of addresses, ${nr ? `${plural(nr, 'frame')} so far` : 'no frame yet'}.`;
  return `The first ${count(op.length)} bytes were written: now their frames are there.`;
}

/** The steps of a tour: each mark tells of the operation before it. @param {{ seq: number, text: string }[]} marks @returns {Step[]} */
export const tourSteps = (marks) => marks.map(({ seq, text }) => ({ seq: seq - 1, text }));

/** The step that is shown at a moment: the last one that has come; -1: none has. @param {Step[]} steps @param {number} seq */
export const tourStepAt = (steps, seq) => steps.filter((step) => step.seq <= seq).length - 1;
