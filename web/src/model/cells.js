/* cells.js - the state of every frame as 4 bytes: kind, order of its block, migratetype | 0x80 at a block's head, owner.
 * It is what the daemon sends; up to 2^20 frames one cell is one frame, above that a cell is a tile of 2^shift frames with the
 * kind that holds most of it. */
import { KINDS, KIND_BY_NAME, NONE } from '../kinds.js';

/** @typedef {import('../types.js').Cells} Cells */
/** @typedef {import('../types.js').Run} Run */

export const CELLS_MAX = 1 << 20;
const TILES_MAX = 1 << 16;
export const CELL = 4;

/** The power of two frames that one cell must stand for: 4 bytes a frame are cheap, tiles in JSON are not, so they are fewer.
 * @param {number} nrFrames */
export function shiftFor(nrFrames) {
  if (nrFrames <= CELLS_MAX) return 0;
  let shift = 1;
  while (nrFrames / 2 ** shift > TILES_MAX) shift++;
  return shift;
}

/** @param {Uint8Array} raw @param {number} seq @returns {Cells} */
export function cellsFromBytes(raw, seq) {
  return { nr: Math.floor(raw.length / CELL), shift: 0, bytes: raw, seq, mixed: null };
}

/** The daemon's own hash of an owner's number, as it stands in the cells. @param {number} id */
export const ownerHash = (id) => (id ? ((Math.imul(id, 0x9e3779b1) >>> 24) | 1) & 255 : 0);

/** @param {{ nr_frames: number, seq: number, frames: { pfn: number, count: number, kind: string, order: number, migratetype?: number | string, owner?: string, owner_id?: number }[] }} view @returns {Cells} */
export function cellsFromRuns(view) {
  const raw = new Uint8Array(view.nr_frames * CELL);
  for (const run of view.frames) {
    const kind = KIND_BY_NAME[run.kind]?.id ?? 0;
    const block = 2 ** run.order;
    const owner = ownerHash(run.owner_id ?? 0);
    for (let i = 0; i < run.count && run.pfn + i < view.nr_frames; i++) {
      const at = (run.pfn + i) * CELL;
      raw[at] = kind;
      raw[at + 1] = run.order;
      raw[at + 2] = i % block === 0 ? 0x80 : 0;
      raw[at + 3] = owner;
    }
  }
  return { nr: view.nr_frames, shift: 0, bytes: raw, seq: view.seq, mixed: null };
}

/** Cells from tiles of 2^lod frames. `mixed` is the share of a tile's main kind, in 255ths.
 * @param {{ seq: number, lod: number, tiles: { pfn: number, count: number, shares: Record<string, number> }[] }} view @returns {Cells} */
export function cellsFromTiles(view) {
  const raw = new Uint8Array(view.tiles.length * CELL);
  const mixed = new Uint8Array(view.tiles.length);
  const shares = view.tiles.map((tile) => sharesOf(tile));
  /** @type {Record<string, number>} */
  const counts = Object.fromEntries(KINDS.map((kind) => [kind.name, 0]));
  view.tiles.forEach((tile, i) => {
    let best = 0,
      most = -1,
      sum = 0;
    for (const [name, share] of Object.entries(tile.shares)) {
      sum += share;
      counts[name] += share;
      if (share > most) [best, most] = [KIND_BY_NAME[name]?.id ?? 0, share];
    }
    raw[i * CELL] = best;
    raw[i * CELL + 2] = 0x80;
    mixed[i] = sum ? Math.round((255 * most) / sum) : 255;
  });
  return { nr: view.tiles.length, shift: view.lod, bytes: raw, seq: view.seq, mixed, shares, counts };
}

/** The kinds in a tile and their shares, the largest first. Null: the tile is of one kind. @param {{ shares: Record<string, number> }} tile @returns {[number, number][] | null} kind and share */
function sharesOf({ shares }) {
  const all = Object.entries(shares);
  if (all.length < 2) return null;
  const sum = all.reduce((n, [, share]) => n + share, 0);
  return all
    .map(([name, share]) => /** @type {[number, number]} */ ([KIND_BY_NAME[name]?.id ?? 0, share / sum]))
    .sort((a, b) => b[1] - a[1]);
}

/** @param {Cells} cells @param {number} index */
export function cellAt(cells, index) {
  const at = index * CELL;
  return {
    kind: KINDS[cells.bytes[at]] ?? KINDS[0],
    order: cells.bytes[at + 1],
    migratetype: cells.bytes[at + 2] & 0x7f,
    head: (cells.bytes[at + 2] & 0x80) !== 0,
  };
}

/** The first frame of the block that a frame lies in: blocks are aligned to their size. @param {Cells} cells @param {number} pfn */
export function headOf(cells, pfn) {
  const { order } = cellAt(cells, pfn);
  return pfn - (pfn % 2 ** order);
}

/** @param {Cells} cells @returns {Record<string, number>} */
export function countKinds(cells) {
  if (cells.counts) return cells.counts;
  /** @type {Record<string, number>} */
  const counts = {};
  const sums = new Uint32Array(KINDS.length);
  for (let i = 0; i < cells.nr; i++) sums[cells.bytes[i * CELL]]++;
  KINDS.forEach((kind) => (counts[kind.name] = sums[kind.id] * 2 ** cells.shift));
  return counts;
}

/** Where there is no memory, in cells. @param {Cells} cells @returns {Run[]} */
export function holesOf(cells) {
  const holes = [];
  for (let i = 0; i < cells.nr; i++) {
    if (cells.bytes[i * CELL] !== NONE) continue;
    const start = i;
    while (i < cells.nr && cells.bytes[i * CELL] === NONE) i++;
    holes.push({ pfn: start, count: i - start });
  }
  return holes;
}

/** Frames that there are: the machine's addresses may have holes. @param {Cells} cells @param {Record<string, number>} counts of the kinds */
export const nrFrames = (cells, counts) => cells.nr * 2 ** cells.shift - (counts.none ?? 0);

/** Neighbouring cells of one kind and owner, for the table of ranges. @param {Cells} cells @param {number} from @param {number} limit */
export function ranges(cells, from, limit) {
  const rows = [];
  let i = from;
  while (i < cells.nr && rows.length < limit) {
    const kind = cells.bytes[i * CELL],
      owner = cells.bytes[i * CELL + 3];
    let end = i + 1;
    while (end < cells.nr && cells.bytes[end * CELL] === kind && cells.bytes[end * CELL + 3] === owner) end++;
    rows.push({ pfn: i * 2 ** cells.shift, count: (end - i) * 2 ** cells.shift, kind: KINDS[kind] ?? KINDS[0] });
    i = end;
  }
  return { rows, next: i < cells.nr ? i : null };
}

/** Frames that an operation's events name: what stays outlined until the next operation. @param {import('../types.js').Result | null} result @returns {Run[]} */
export function changedRuns(result) {
  if (!result) return [];
  const runs = [];
  for (const event of result.events ?? []) {
    if (typeof event.pfn !== 'number') continue;
    if (event.event === 'mm_page_alloc' || event.event === 'mm_page_free')
      runs.push({ pfn: event.pfn, count: 2 ** (event.order ?? 0) });
    else if (event.event === 'pgtable_alloc' || event.event === 'new_slab')
      runs.push({ pfn: event.pfn, count: 2 ** (event.order ?? 0) });
  }
  return runs.length ? runs : (result.frames ?? []);
}
