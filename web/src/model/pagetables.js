/* pagetables.js - the tables on the way to an address as grids of cells, one cell an entry, and what steps from cell to cell do
 * to the address. */
import { bytes, count, hex } from '../format.js';

/** @typedef {{ index: number, count: number, kind: string, pfn?: number, slot?: number, entry: string, flags: string[] }} EntryRun */
/** @typedef {{ name: string, level: number, pfn: number, base: string, entry_bytes: number, nr_entries: number, index: number, entries: EntryRun[], nr_used: number }} Table */
/** @typedef {{ x: number, y: number, kind: string, index: number, title: string }} Cell */
/** @typedef {{ table: Table, x: number, y: number, columns: number, rows: number, cell: number, width: number, height: number, cells: Cell[], walked: { x: number, y: number }, run: EntryRun | null }} Grid */

export const ENTRY_KINDS = [
  { key: 'table', letter: 'g', label: 'leads to a table' },
  { key: 'page', letter: 'a', label: 'maps a page' },
  { key: 'huge', letter: 'H', label: 'maps a large page' },
  { key: 'swap', letter: 'w', label: 'swap slot' },
];

const HEAD = 34,
  FOOT = 4,
  GAP = 26;

/** A canonical address: its top bits repeat the highest bit that the tables translate. @param {bigint} address @param {number} bits of a word */
export function canonical(address, bits) {
  if (bits === 32) return address & 0xffffffffn;
  const low = address & ((1n << 48n) - 1n);
  return low >> 47n ? low | (0xffffn << 48n) : low;
}

/** The first address that an entry of a table covers. @param {Table} table @param {number} index @param {number} bits */
export const entryAddress = (table, index, bits) =>
  hex(canonical(BigInt(table.base) + BigInt(index) * BigInt(table.entry_bytes), bits));

/** The address with another index in one table. The bits below that table stay. @param {string} address @param {Table} table @param {number} index @param {number} bits */
export function withIndex(address, table, index, bits) {
  const to = Math.max(0, Math.min(table.nr_entries - 1, index));
  return hex(canonical(BigInt(address) + BigInt(to - table.index) * BigInt(table.entry_bytes), bits));
}

/** @param {Table} table @param {number} index @returns {EntryRun | null} */
export const runAt = (table, index) =>
  table.entries.find((run) => index >= run.index && index < run.index + run.count) ?? null;

/** One entry in words. @param {Table} table @param {number} index @param {number} bits */
export function entryText(table, index, bits) {
  const run = runAt(table, index);
  const covers = `from ${entryAddress(table, index, bits)}, ${bytes(table.entry_bytes)}`;
  if (!run) return `entry ${index}: not present, ${covers}`;
  const what =
    run.kind === 'swap'
      ? `swap slot ${(run.slot ?? 0) + index - run.index}`
      : `${run.kind === 'table' ? 'table in' : run.kind === 'huge' ? 'large page at' : 'page in'} frame ${hex((run.pfn ?? 0) + (index - run.index) * (run.kind === 'huge' ? table.entry_bytes / 4096 : 1))}`;
  return `entry ${index}: ${what}, ${covers}`;
}

/** All tables side by side in a width, narrow ones of 16 columns, those with 1024 entries of 32.
 * @param {Table[]} tables @param {number} width pixels @param {number} bits @returns {{ grids: Grid[], height: number, links: string[] }} */
export function tableGrids(tables, width, bits) {
  const columnsOf = (/** @type {Table} */ t) => (t.nr_entries > 512 ? 32 : 16);
  const total = tables.reduce((sum, t) => sum + columnsOf(t), 0) || 1;
  const cell = Math.max(4, Math.min(8, Math.floor((width - GAP * (tables.length - 1)) / total)));
  let x = 0;
  const grids = tables.map((table) => {
    const columns = columnsOf(table);
    const place = (/** @type {number} */ i) => ({ x: (i % columns) * cell, y: HEAD + Math.floor(i / columns) * cell });
    const rows = Math.ceil(table.nr_entries / columns);
    const grid = {
      table,
      x,
      y: HEAD,
      columns,
      rows,
      cell,
      width: columns * cell,
      height: rows * cell,
      cells: cellsOf(table, place, bits),
      walked: place(table.index),
      run: runAt(table, table.index),
    };
    x += grid.width + GAP;
    return grid;
  });
  const height = Math.max(0, ...grids.map((grid) => HEAD + grid.height + FOOT));
  return { grids, height, links: grids.slice(0, -1).map((grid, i) => linkPath(grid, grids[i + 1])) };
}

/** @param {Table} table @param {(i: number) => { x: number, y: number }} place @param {number} bits @returns {Cell[]} */
function cellsOf(table, place, bits) {
  return table.entries.flatMap((run) =>
    Array.from({ length: run.count }, (_, i) => ({
      ...place(run.index + i),
      kind: run.kind,
      index: run.index + i,
      title: entryText(table, run.index + i, bits),
    })),
  );
}

/** From the walked cell to the head of the table it leads to. @param {Grid} from @param {Grid} to */
function linkPath(from, to) {
  const x0 = from.x + from.walked.x + from.cell,
    y0 = from.walked.y + from.cell / 2;
  const x1 = to.x - 3,
    y1 = HEAD + 6;
  const edge = from.x + from.width + 4;
  return `M${x0} ${y0}L${edge} ${y0}C${edge + 12} ${y0} ${x1 - 12} ${y1} ${x1} ${y1}`;
}

/** Steps of the walk as rows of a table: each entry by its bits. @param {{ levels: any[], present: boolean }} walk @param {Table[]} tables */
export function walkRows(walk, tables) {
  return walk.levels.map((level, i) => {
    const table = tables.find((t) => t.name === level.name);
    const isLast = i === walk.levels.length - 1;
    const run = table && runAt(table, level.index);
    const kind = run?.kind ?? (level.flags?.includes('present') ? (isLast ? 'page' : 'table') : 'none');
    const frame = Number((BigInt(level.entry) >> 12n) & ((1n << 40n) - 1n));
    return {
      ...level,
      kind,
      frame: level.flags?.includes('present') ? frame : null,
      covers: table ? bytes(table.entry_bytes) : '',
      used: table ? `${count(table.nr_used)} of ${count(table.nr_entries)}` : '',
      slot: run?.kind === 'swap' ? run.slot : null,
    };
  });
}

/** What a bit of an entry says. @type {Record<string, string>} */
export const FLAG_DOCS = {
  present: 'the entry is valid: the walk goes on, or ends in a frame',
  rw: 'writes are allowed',
  user: 'user mode may use it',
  accessed: 'the CPU has used the entry',
  dirty: 'the CPU has written through it',
  pse: 'ends the walk here: one large page',
  global: 'kept in the TLB when the process changes',
  nx: 'instructions may not be fetched',
  cow: 'shared until someone writes: the write copies the page',
  swap: 'not present: the page is in this swap slot',
};

/** Share of look-ups that the TLB answered. @param {{ hits: number, misses: number }} tlb */
export const hitShare = ({ hits, misses }) => (hits + misses ? hits / (hits + misses) : 0);

/** The translations that a CPU keeps for a page, if any. @param {any} tlb @param {string} address @param {number} pid */
export function tlbHits(tlb, address, pid) {
  const at = BigInt(address);
  return tlb.cpus.flatMap((/** @type {any} */ cpu) =>
    cpu.translations
      .filter(
        (/** @type {any} */ t) =>
          at >= BigInt(t.address) && at < BigInt(t.address) + BigInt(t.page_size) && (t.pid === null || t.pid === pid),
      )
      .map((/** @type {any} */ t) => ({ cpu: cpu.cpu, ...t })),
  );
}
