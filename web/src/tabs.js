/* tabs.js - the views of memory that a lab page has, in order: what the address calls them, and what they are called. */

/** @typedef {'map' | 'buddy' | 'slabs' | 'pagetables' | 'heap' | 'bytes' | 'virtual' | 'processes' | 'swap' | 'changes'} Tab */

/** @type {[Tab, string][]} */
export const TABS = [
  ['map', 'Map'],
  ['buddy', 'Buddy'],
  ['slabs', 'Slabs'],
  ['pagetables', 'Page tables'],
  ['heap', 'Heap'],
  ['bytes', 'Bytes'],
  ['virtual', 'Virtual'],
  ['processes', 'Processes'],
  ['swap', 'Swap'],
  ['changes', 'Changes'],
];

/** What the physical map's colours can tell. `frames`: needs single frames, so not for a machine shown in tiles. @type {{ id: string, label: string, frames: boolean, zoned: boolean }[]} */
export const COLOURS = [
  { id: 'state', label: 'state', frames: false, zoned: false },
  { id: 'owner', label: 'owner', frames: true, zoned: false },
  { id: 'order', label: 'order', frames: true, zoned: false },
  { id: 'migratetype', label: 'migratetype', frames: true, zoned: true },
  { id: 'zone', label: 'zone', frames: false, zoned: true },
  { id: 'age', label: 'age', frames: true, zoned: false },
];

/** @param {string | null} id @returns {id is Tab} */
export const isTab = (id) => TABS.some(([name]) => name === id);
export const isColour = (/** @type {string | null} */ id) => COLOURS.some((colour) => colour.id === id);
