/* tour.js - a lab with a few operations in it already: the same request made of all four allocators, with a remark before each. */
import { count } from '../format.js';

/** @typedef {{ profile: string, size: number, gfp: string, context: string }} Wish */

/** Operations in order; a null pid stands for the process that is spawned on the way. @param {Wish} wish @returns {Record<string, any>[]} */
export function tourOps({ size, gfp, context }) {
  const call = context === 'process' ? { gfp } : { gfp, context };
  const touched = Math.min(size, 12288);
  return [
    { op: 'mark', text: 'kmalloc: one run of frames' },
    { op: 'kmalloc', size, ...call, name: 'by_kmalloc' },
    { op: 'mark', text: 'kzalloc: the same, cleared' },
    { op: 'kzalloc', size, ...call, name: 'by_kzalloc' },
    { op: 'mark', text: 'vmalloc: single frames, one range of addresses' },
    { op: 'vmalloc', size, name: 'by_vmalloc', ...(context === 'process' ? {} : { context }) },
    { op: 'mark', text: 'malloc: a promise' },
    { op: 'spawn', name: 'demo' },
    { op: 'malloc', pid: null, size, name: 'by_malloc' },
    ...(touched
      ? [
          { op: 'mark', text: `${count(touched)} bytes are written: their frames come` },
          { op: 'write', pid: null, name: 'by_malloc', fill: 170, length: touched },
        ]
      : []),
  ];
}

/** Which of them the page points at first: the one that is spread out, else the first that is there.
 * @param {{ name?: string, outcome: string, address: string | null, pid: number }[]} done */
export function firstSelection(done) {
  const there = done.filter((one) => one.outcome === 'ok' && one.address);
  const best = there.find((one) => one.name === 'by_vmalloc') ?? there[0];
  return best ? `${best.address}${best.pid ? `-${best.pid}` : ''}` : '';
}
