/* heap.js - a process's heap as it is looked at: chunks in rows of addresses, true to scale, with what was asked for painted in
 * each; and malloc's lists of free chunks, linked to the same chunks. */
import { bytes, count, hex, plural } from '../format.js';

/** @typedef {{ address: string, size: number, state: string, requested: number, name: string | null, seq: number, arena: string | null, flags: string[] }} Chunk */
/** @typedef {{ address: string, size: number, link: string, next: string | null }} Listed */
/** @typedef {{ kind: string, index: number, tid: number | null, arena: string | null, head: string, min_size: number, max_size: number, count: number | null, chunks: Listed[], truncated: boolean }} List */
/** @typedef {{ key: string, letter: string, label: string, doc: string }} ChunkKind */
/** @typedef {{ nr: number, from: number, to: number, first: boolean, last: boolean, asked: number }} Piece nr: of the chunk; from, to: shares of the row; asked: share of the piece that the program asked for */
/** @typedef {{ address: string, pieces: Piece[], folded: number, nr: number }} Row folded: so many rows alike, of chunk nr, are left out here */
/** @typedef {{ key: string, title: string, start: string, length: number, chunks: number[], arena: string | null, mmapped: boolean }} Region */

/** @type {ChunkKind[]} */
export const CHUNK_KINDS = [
  { key: 'used', letter: 'U', label: 'in use', doc: 'handed out by malloc' },
  { key: 'own', letter: 'm', label: 'malloc’s own', doc: 'the thread cache and other tables of malloc itself' },
  { key: 'tcache', letter: 't', label: 'tcache', doc: 'in its thread’s cache: still marked in use, never merged' },
  { key: 'fast', letter: 'f', label: 'fastbin', doc: 'in a fastbin: still marked in use, merged later' },
  { key: 'unsorted', letter: 'u', label: 'unsorted', doc: 'freed, not yet sorted into a bin' },
  { key: 'small', letter: 's', label: 'small bin', doc: 'in a bin of one size' },
  { key: 'large', letter: 'L', label: 'large bin', doc: 'in a bin of a range of sizes, kept sorted' },
  { key: 'top', letter: 'T', label: 'top', doc: 'the rest of the heap: cut when no list has a fit' },
  { key: 'mmap', letter: 'M', label: 'own mapping', doc: 'larger than mmap_threshold: mapped for itself' },
  { key: 'fence', letter: '|', label: 'fencepost', doc: 'a few bytes that end a part of the heap' },
  {
    key: 'free',
    letter: '?',
    label: 'free, on no list',
    doc: 'free by the next chunk’s PREV_INUSE bit, but no list has it',
  },
];
const KIND = new Map(CHUNK_KINDS.map((kind) => [kind.key, kind]));

/** @param {Chunk} chunk @param {number} minChunk @returns {ChunkKind} */
export function kindOfChunk(chunk, minChunk) {
  let key = chunk.state;
  if (key !== 'top' && chunk.size < minChunk) key = 'fence';
  else if (key === 'used' && /^\(.*\)$/.test(chunk.name ?? '')) key = 'own';
  return KIND.get(key) ?? /** @type {ChunkKind} */ (KIND.get('free'));
}

/** Bytes of a block in use that nobody asked for. Of a chunk in the heap the program also has the next chunk's first word.
 * @param {Chunk} chunk @param {number} word */
export function lostOf(chunk, word) {
  if (!chunk.requested) return 0;
  return Math.max(0, chunk.size - (chunk.state === 'mmap' ? 2 * word : word) - chunk.requested);
}

/** What malloc handed out. @param {Chunk} chunk @param {number} header */
export const userAddress = (chunk, header) => hex(BigInt(chunk.address) + BigInt(header));

/** @param {Chunk[]} chunks @param {{ word: number, min_chunk: number }} state */
export function heapSums(chunks, { word, min_chunk }) {
  const sums = CHUNK_KINDS.map((kind) => ({ ...kind, nr: 0, bytes: 0 }));
  let asked = 0,
    lost = 0,
    total = 0;
  for (const chunk of chunks) {
    const sum = sums[CHUNK_KINDS.indexOf(kindOfChunk(chunk, min_chunk))];
    sum.nr++;
    sum.bytes += chunk.size;
    total += chunk.size;
    asked += chunk.requested;
    lost += lostOf(chunk, word);
  }
  return { kinds: sums.filter((sum) => sum.nr), asked, lost, total };
}

/** A heap whose pages are in swap cannot be read without bringing them in: what is missing from the picture, in words.
 * @param {import('../types.js').UserMap[]} maps @param {{ main: boolean }[]} arenas */
export function swappedNote(maps, arenas) {
  const out = maps.filter((map) => map.name === '[heap]').reduce((sum, map) => sum + map.swap_pages, 0);
  if (!out || !arenas.length) return '';
  return `${plural(out, 'page')} of this heap ${out === 1 ? 'is' : 'are'} in swap: the chunks there are not read, so that looking changes nothing. A read or write by the process brings them back.`;
}

/** Chunks that touch form a region: the main heap, each part of a thread's arena, each mapping of its own.
 * @param {Chunk[]} chunks @param {{ address: string, main: boolean }[]} arenas @returns {Region[]} */
export function heapRegions(chunks, arenas) {
  const regions = /** @type {Region[]} */ ([]);
  let end = -1n;
  chunks.forEach((chunk, nr) => {
    const at = BigInt(chunk.address);
    const mmapped = chunk.state === 'mmap';
    const last = regions[regions.length - 1];
    if (last && at === end && last.mmapped === mmapped && last.arena === chunk.arena) {
      last.chunks.push(nr);
      last.length += chunk.size;
    } else
      regions.push({
        key: chunk.address,
        title: regionTitle(chunk, arenas),
        start: chunk.address,
        length: chunk.size,
        chunks: [nr],
        arena: chunk.arena,
        mmapped,
      });
    end = at + BigInt(chunk.size);
  });
  return regions;
}

/** @param {Chunk} chunk @param {{ address: string, main: boolean }[]} arenas */
function regionTitle(chunk, arenas) {
  if (chunk.state === 'mmap') return 'a mapping of its own';
  const nr = arenas.findIndex((arena) => arena.address === chunk.arena);
  return nr < 0 || arenas[nr].main ? 'main arena' : `arena ${nr}`;
}

export const ROW_BYTES = [256, 512, 1024, 2048, 4096, 8192, 16384, 65536];
const ROWS_MAX = 40;
const FOLD_FROM = 3; /* as many rows of nothing but one chunk are folded into one */

/** The scale at which a heap fits a screen or two. @param {Chunk[]} chunks @param {Region[]} regions */
export function rowBytesFor(chunks, regions) {
  return (
    ROW_BYTES.find(
      (size) => regions.reduce((sum, region) => sum + regionRows(chunks, region, size).length, 0) <= ROWS_MAX,
    ) ?? 65536
  );
}

/** @param {Chunk[]} chunks @param {Region} region @param {number} rowBytes @param {number} [header] bytes before the program's @returns {Row[]} */
export function regionRows(chunks, region, rowBytes, header = 16) {
  const start = BigInt(region.start);
  const base = start - (start % BigInt(rowBytes));
  const rows = /** @type {Row[]} */ ([]);
  let at = Number(start - base);
  const rowAt = (/** @type {number} */ n) => hex(base + BigInt(n) * BigInt(rowBytes));
  let open = -1;
  for (const nr of region.chunks) {
    const { size, requested } = chunks[nr];
    const end = at + size;
    const full = Math.floor(end / rowBytes) - Math.ceil(at / rowBytes);
    for (let from = at; from < end;) {
      const n = Math.floor(from / rowBytes);
      if (from === n * rowBytes && full > FOLD_FROM && Math.floor(end / rowBytes) - n > 1 && from > at) {
        const left = Math.floor(end / rowBytes) - n;
        rows.push({ address: rowAt(n), pieces: [], folded: left, nr });
        from += left * rowBytes;
        open = -1;
        continue;
      }
      if (open !== n) {
        rows.push({ address: rowAt(n), pieces: [], folded: 0, nr: -1 });
        open = n;
      }
      const to = Math.min(end, (n + 1) * rowBytes);
      const asked =
        Math.max(0, Math.min(to, at + header + requested) - Math.max(from, requested ? at : end)) / (to - from);
      rows[rows.length - 1].pieces.push({
        nr,
        from: from / rowBytes - n,
        to: to / rowBytes - n,
        first: from === at,
        last: to === end,
        asked: requested ? asked : 0,
      });
      from = to;
    }
    at = end;
  }
  return rows;
}

/** Where each chunk begins. @param {Row[]} rows @returns {Map<number, { row: number, from: number, to: number }>} */
export function chunkPlaces(rows) {
  const places = new Map();
  rows.forEach((row, i) => {
    for (const piece of row.pieces) if (piece.first) places.set(piece.nr, { row: i, from: piece.from, to: piece.to });
  });
  return places;
}

/** Arrows of a list's order, from chunk to the next, where both are drawn.
 * @param {Listed[]} listed @param {Map<string, number>} numbers of chunks by address @param {ReturnType<typeof chunkPlaces>} places @param {number} width @param {number} height of a row, pixels */
export function listArrows(listed, numbers, places, width, height) {
  const point = (/** @type {string} */ address) => {
    const place = places.get(numbers.get(address) ?? -1);
    return place && { x: Math.round(((place.from + place.to) / 2) * width), y: Math.round((place.row + 0.5) * height) };
  };
  return listed.slice(0, -1).flatMap((chunk, i) => {
    const a = point(chunk.address),
      b = point(listed[i + 1].address);
    if (!a || !b) return [];
    const bend = a.y === b.y ? 16 : 0;
    const side = a.x === b.x ? 24 : 0;
    return [`M${a.x} ${a.y}Q${(a.x + b.x) / 2 + side} ${(a.y + b.y) / 2 - bend} ${b.x} ${b.y}`];
  });
}

const GROUPS = [
  ['tcache', 'Thread caches', 'one size each, last in first out, next links protected'],
  ['fast', 'Fastbins', 'one size each, last in first out, fd links protected'],
  ['unsorted', 'Unsorted bin', 'what was freed since the last search'],
  ['small', 'Small bins', 'one size each, first in first out'],
  ['large', 'Large bins', 'a range of sizes each, largest first'],
];

/** @param {List[]} lists @param {{ address: string, main: boolean }[]} arenas */
export function listGroups(lists, arenas) {
  const many = arenas.length > 1;
  return GROUPS.map(([kind, title, doc]) => ({
    kind,
    title,
    doc,
    lists: lists
      .map((list, nr) => ({ list, nr, label: listLabel(list), whose: many ? whoseList(list, arenas) : '' }))
      .filter(({ list }) => list.kind === kind),
  })).filter((group) => group.lists.length);
}

/** @param {List} list */
function listLabel(list) {
  if (!list.max_size) return list.kind === 'unsorted' ? 'any size' : `from ${count(list.min_size)} B`;
  return list.min_size === list.max_size
    ? `${count(list.min_size)} B`
    : `${count(list.min_size)}–${count(list.max_size)} B`;
}

/** @param {List} list @param {{ address: string, main: boolean }[]} arenas */
function whoseList(list, arenas) {
  if (list.tid !== null) return `thread ${list.tid}`;
  const nr = arenas.findIndex((arena) => arena.address === list.arena);
  return nr < 0 || arenas[nr].main ? 'main arena' : `arena ${nr}`;
}

/** Address of a chunk -> the list that has it. @param {List[]} lists @returns {Map<string, number>} */
export function listOfChunk(lists) {
  const of = new Map();
  lists.forEach((list, nr) => list.chunks.forEach((chunk) => of.set(chunk.address, nr)));
  return of;
}

/** The chunk that holds an address, or starts there. @param {Chunk[]} chunks @param {string} address */
export function chunkAt(chunks, address) {
  const at = BigInt(address);
  return chunks.findIndex((chunk) => at >= BigInt(chunk.address) && at < BigInt(chunk.address) + BigInt(chunk.size));
}

/** One line about a chunk, for those who hear it and for titles. @param {Chunk} chunk @param {ChunkKind} kind @param {number} word */
export function chunkText(chunk, kind, word) {
  const lost = lostOf(chunk, word);
  const asked = chunk.requested ? `, ${count(chunk.requested)} B asked for, ${count(lost)} B rounding` : '';
  return `${chunk.name ? chunk.name + ', ' : ''}${kind.label}, ${chunk.address}, ${count(chunk.size)} B${asked}${chunk.seq ? `, since op ${chunk.seq}` : ''}`;
}

/** @typedef {{ name: string, offset: number, length: number, value: string, target: string | null, protected: boolean, previous_block: boolean }} Field */

/** What a word of the header says. @param {Field} field @param {Chunk} chunk @param {{ tcache_key: string }} state */
export function fieldMeaning(field, chunk, state) {
  if (field.name === 'prev_size')
    return field.previous_block
      ? 'the last word of the block before, which is in use'
      : `the chunk before is free: ${count(Number(BigInt(field.value)))} B`;
  if (field.name === 'size') return [`${count(chunk.size)} B`, ...chunk.flags].join(' | ');
  if (field.name === 'key')
    return field.value === state.tcache_key
      ? 'the thread cache’s key: a second free is noticed'
      : 'not the thread cache’s key';
  if (field.target === null) return '';
  const end = BigInt(field.target) === 0n;
  if (field.protected)
    return end
      ? `the end of the list, stored as 0 xor ${hex(wordAddress(chunk, field) >> 12n)}`
      : `leads to ${field.target}: stored value xor ${hex(wordAddress(chunk, field) >> 12n)}`;
  return end ? 'the end of the list' : `leads to ${field.target}`;
}

/** @param {Chunk} chunk @param {Field} field */
const wordAddress = (chunk, field) => BigInt(chunk.address) + BigInt(field.offset);

/** The numbers that decide where the next block comes from. @param {any} state */
export function thresholds(state) {
  return [
    { name: 'mmap_threshold', value: bytes(state.mmap_threshold), doc: 'larger requests get a mapping of their own' },
    { name: 'trim_threshold', value: bytes(state.trim_threshold), doc: 'a larger top is given back to the kernel' },
    { name: 'top_pad', value: bytes(state.top_pad), doc: 'asked of the kernel beyond what is needed' },
    { name: 'max_fast', value: bytes(state.max_fast), doc: 'largest chunk of a fastbin' },
    {
      name: 'tcache',
      value: `${count(state.tcache_count)} × ≤ ${bytes(state.tcache_max)}`,
      doc: 'chunks in each list of a thread’s cache, and the largest',
    },
    {
      name: 'own mappings',
      value: `${count(state.n_mmaps)} of ${count(state.n_mmaps_max)}, ${bytes(state.mmapped_mem)}`,
      doc: 'blocks with a mapping of their own',
    },
    {
      name: 'thresholds',
      value: state.thresholds_fixed ? 'fixed by the program' : 'follow what is freed',
      doc: 'mmap_threshold grows when a mapped block is freed',
    },
  ];
}
