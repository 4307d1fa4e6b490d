/* gfp.js - GFP expressions: one preset and single flags, from the names that the API publishes. */

/** @typedef {import('../types.js').GfpInfo} GfpInfo */

/** The flags a person meets, in this order; the rest follow on request. */
export const COMMON_FLAGS = [
  '__GFP_ZERO',
  '__GFP_DMA',
  '__GFP_HIGH',
  '__GFP_NOWARN',
  '__GFP_NORETRY',
  '__GFP_NOFAIL',
  '__GFP_COMP',
  '__GFP_ACCOUNT',
];
export const PRESETS = ['GFP_KERNEL', 'GFP_ATOMIC', 'GFP_USER', 'GFP_NOWAIT', 'GFP_NOIO', 'GFP_NOFS', 'GFP_DMA'];

/** @param {string} preset @param {string[]} flags */
export const gfpExpression = (preset, flags) => [preset, ...flags].filter(Boolean).join('|') || '0';

/** @param {GfpInfo[]} table @param {string} preset @param {string[]} flags */
export function gfpBits(table, preset, flags) {
  let bits = 0;
  for (const entry of table) {
    if (entry.name === preset || flags.includes(entry.name)) bits |= Number(entry.bits);
  }
  return bits;
}

/** What a combination means, and what in it cannot work. @param {GfpInfo[]} table @param {string} preset @param {string[]} flags
 * @param {string} context @returns {{ maySleep: boolean, conflict: string }} */
export function gfpMeaning(table, preset, flags, context) {
  const bit = (/** @type {string} */ name) => Number(table.find((entry) => entry.name === name)?.bits ?? 0);
  const bits = gfpBits(table, preset, flags);
  const maySleep = (bits & bit('__GFP_DIRECT_RECLAIM')) !== 0;
  let conflict = '';
  if (maySleep && context !== 'process') conflict = `may sleep, but ${context} must not: this will be a bug`;
  else if (flags.includes('__GFP_NOFAIL') && !maySleep) conflict = '__GFP_NOFAIL needs a call that may sleep';
  else if (flags.includes('__GFP_NOFAIL') && flags.includes('__GFP_NORETRY'))
    conflict = '__GFP_NOFAIL and __GFP_NORETRY contradict each other';
  return { maySleep, conflict };
}
