/* ruler.js - the sizes that kmalloc serves as ticks, one step each, and the size that was asked for as a step beyond the last. */
import { bytes, count } from '../format.js';

const LABELS = 4; /* ticks with their size in words, the asked one beside them */

/** The sizes of the kmalloc caches, and above them the blocks of whole pages up to the limit. @param {{ name: string, object_size: number }[]} caches @param {number} limit */
export function sizesServed(caches, limit) {
  const sizes = caches
    .filter(({ name }) => /^kmalloc-\w+$/.test(name))
    .map((cache) => cache.object_size)
    .filter((size) => size <= limit);
  const all = new Set(sizes);
  for (let size = 2 * Math.max(0, ...sizes); size && size < limit; size *= 2) all.add(size);
  return [...all.add(limit)].sort((a, b) => a - b);
}

/** @param {number[]} sizes @param {number} asked @returns {{ at: number, label: string, isAsked: boolean }[]} at: share of the ruler */
export function ticksOf(sizes, asked) {
  const last = sizes.length - 1;
  const step = Math.max(1, Math.round(last / LABELS));
  const ticks = sizes.map((size, i) => ({
    at: i / sizes.length,
    label: i === last ? count(size) : i % step === 0 && i <= 0.6 * last ? count(size) : '',
    isAsked: false,
  }));
  return [...ticks, { at: 1, label: count(asked), isAsked: true }];
}

/** The parts of the largest block, and what would lie behind it. @param {import('./lessons.js').Ruler} ruler */
export function partsOfBlock({ asked, limit, head }) {
  const over = asked - limit;
  return [
    ...(head ? [{ name: 'head', text: `${head} B page descriptor` }] : []),
    { name: 'own', text: `${count(limit)} B for the caller${head ? `: ${bytes(limit)}` : ''}` },
    { name: 'over', text: over === 1 ? `byte ${count(asked)}` : `${bytes(over)} too many` },
  ];
}
