/* swap.js - the swap area as cells: which process's page is in which slot. Of a large area one cell is many slots. */
import { ownerColour } from './colours.js';

/** @typedef {{ slot: number, count: number, pid: number, address: string, nr_users: number }} SlotRun */
/** @typedef {{ cell: number, count: number, pid: number, owners: number[] }} CellRun owners: all that have a page there */

export const CELLS_MAX = 1024;

/** Slots that one cell stands for. @param {number} total */
export const slotsPerCell = (total) => 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(1, total) / CELLS_MAX)));

/** Cells in use, neighbours with the same owners together. @param {SlotRun[]} slots @param {number} total @returns {CellRun[]} */
export function swapCells(slots, total) {
  const per = slotsPerCell(total);
  const owners = /** @type {Map<number, Set<number>>} */ (new Map());
  for (const run of slots)
    for (let cell = Math.floor(run.slot / per); cell <= Math.floor((run.slot + run.count - 1) / per); cell++) {
      const set = owners.get(cell) ?? new Set();
      set.add(run.pid);
      owners.set(cell, set);
    }
  const cells = [...owners]
    .sort(([a], [b]) => a - b)
    .map(([cell, set]) => ({ cell, count: 1, pid: Math.min(...set), owners: [...set].sort((a, b) => a - b) }));
  return cells.reduce((/** @type {CellRun[]} */ runs, one) => {
    const last = runs[runs.length - 1];
    if (last && last.cell + last.count === one.cell && last.owners.join() === one.owners.join()) last.count++;
    else runs.push(one);
    return runs;
  }, []);
}

/** A run of cells as rectangles in rows. @param {{ cell: number, count: number }} run @param {number} columns */
export function rowParts({ cell, count }, columns) {
  const parts = [];
  for (let at = cell; at < cell + count;) {
    const row = Math.floor(at / columns);
    const end = Math.min(cell + count, (row + 1) * columns);
    parts.push({ x: at % columns, y: row, w: end - at });
    at = end;
  }
  return parts;
}

/** The processes with pages in swap, and how many each has. @param {SlotRun[]} slots */
export function swapOwners(slots) {
  const of = new Map();
  for (const run of slots) of.set(run.pid, (of.get(run.pid) ?? 0) + run.count);
  return [...of].sort(([a], [b]) => a - b).map(([pid, pages]) => ({ pid, pages, colour: pidColour(pid) }));
}

/** @param {number} pid */
export const pidColour = (pid) => ownerColour(pid);
/** The letter of a process: colour is not the only sign. @param {number} pid */
export const pidLetter = (pid) => String.fromCharCode(65 + (pid % 26));
