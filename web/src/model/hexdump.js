/* hexdump.js - bytes as rows of sixteen, each byte with what it is:
 *
 *   meta    kept by an allocator: page descriptor, chunk header, free pointer     slack   granted, not asked for
 *   zero    0                                                                       other   another live allocation's
 *   stale   as it was when the memory was handed out: somebody else's leavings     out     nobody's
 *   data    written since                                                           poison  slub_debug's patterns
 *
 * Whether a byte is stale is told by comparing it with the same byte right after the allocation: what differs was written; what
 * was written with the value that stood there cannot be told apart. A byte that the last operation changed is marked. */

export const PAGE_BYTES = 1024;
const ROW = 16;

/** @typedef {{ start: bigint, requested: number, allocated: number, name: string, mine: boolean }} Extent a live allocation */
/** @typedef {{ start: bigint, end: bigint, name: string }} Field */
/** @typedef {{ kind: string, changed: boolean, text: string }} Span */
/** @typedef {{ address: string, spans: Span[], ascii: Span[], notes: string[] }} Row */

/** The part of memory to show: a page of 1 KiB, from the metadata on when there is some before the block.
 * @param {string} address @param {number} size @param {number} lead bytes of metadata before the block @param {number} page */
export function windowFor(address, size, lead, page) {
  const at = BigInt(address);
  const before = page === 0 && (at & 4095n) >= BigInt(lead) ? BigInt(lead) : 0n;
  const wanted = at + BigInt(page * PAGE_BYTES) - before;
  const start = wanted & ~15n;
  const left = size - page * PAGE_BYTES + Number(at + BigInt(page * PAGE_BYTES) - start) + 32;
  const length = page < 0 ? PAGE_BYTES : Math.max(ROW, Math.min(PAGE_BYTES, Math.ceil(left / ROW) * ROW));
  return { address: '0x' + start.toString(16), length };
}

/** @param {string} text hex digits */
const bytesOf = (text) => text.match(/../g) ?? [];

/**
 * @param {{ hex: string, from: string, born?: string | null, before?: string | null, extents: Extent[], fields: Field[], poison: boolean }} view
 * born: the same bytes right after the allocation; before: after the operation before this one; both may be shorter
 * @returns {Row[]}
 */
export function hexRows({ hex, from, born = null, before = null, extents, fields, poison }) {
  const first = BigInt(from);
  const bytes = bytesOf(hex),
    old = before === null ? null : bytesOf(before),
    fresh = born === null ? null : bytesOf(born);
  const rows = [];
  for (let i = 0; i < bytes.length; i += ROW) {
    const spans = /** @type {Span[]} */ ([]),
      ascii = /** @type {Span[]} */ ([]);
    for (let j = 0; j < ROW && i + j < bytes.length; j++) {
      const byte = bytes[i + j];
      const at = first + BigInt(i + j);
      const kind = kindAt(at, byte, fresh?.[i + j], extents, fields, poison);
      const changed = old !== null && old[i + j] !== byte;
      const code = parseInt(byte, 16);
      append(spans, kind, changed, (j === 8 ? '  ' : j ? ' ' : '') + byte);
      append(ascii, kind, changed, code >= 32 && code < 127 ? String.fromCharCode(code) : '·');
    }
    rows.push({
      address: '0x' + (first + BigInt(i)).toString(16),
      spans,
      ascii,
      notes: notesFor(first + BigInt(i), fields, extents),
    });
  }
  return rows;
}

/** @param {Span[]} spans @param {string} kind @param {boolean} changed @param {string} text */
function append(spans, kind, changed, text) {
  const last = spans[spans.length - 1];
  if (last && last.kind === kind && last.changed === changed) last.text += text;
  else if (last && text[0] === ' ') {
    /* the space between two bytes belongs to the one before it, so that marks begin at a byte */
    const gap = text.length - text.trimStart().length;
    last.text += text.slice(0, gap);
    spans.push({ kind, changed, text: text.slice(gap) });
  } else spans.push({ kind, changed, text });
}

/** What starts or stands in a row. @param {bigint} row @param {Field[]} fields @param {Extent[]} extents */
function notesFor(row, fields, extents) {
  const inRow = (/** @type {bigint} */ at) => at >= row && at < row + 16n;
  return [
    ...fields.filter((f) => inRow(f.start)).map((f) => f.name),
    ...extents.filter((e) => inRow(e.start)).map((e) => `▸ ${e.name}`),
  ];
}

const POISON = new Set(['6b', 'a5', '5a', 'bb', 'cc']);

/** @param {bigint} at @param {string} byte @param {string | undefined} fresh @param {Extent[]} extents @param {Field[]} fields @param {boolean} poison */
function kindAt(at, byte, fresh, extents, fields, poison) {
  if (fields.some((f) => at >= f.start && at < f.end)) return 'meta';
  const owner = extents.find((e) => at >= e.start && at < e.start + BigInt(Math.max(e.requested, e.allocated)));
  if (
    poison &&
    POISON.has(byte) &&
    (!owner || !owner.mine || at >= owner.start + BigInt(owner.requested) || fresh === byte)
  )
    return 'poison';
  if (!owner) return 'out';
  if (!owner.mine) return 'other';
  if (at >= owner.start + BigInt(owner.requested)) return 'slack';
  if (fresh === byte && byte !== '00') return 'stale';
  return byte === '00' ? 'zero' : 'data';
}

const word = (/** @type {bigint} */ start, /** @type {number} */ size, /** @type {string} */ name) => ({
  start,
  end: start + BigInt(size),
  name,
});

/** The metadata that allocators keep beside an allocation: name and place of each word.
 * @param {{ profile: string, bits: number, allocation: { address: string, pid: number | null, op: string, cache: string | null } | null }} about @returns {Field[]} */
export function headerFields({ profile, bits, allocation }) {
  if (!allocation) return [];
  const at = BigInt(allocation.address);
  const size = bits / 8;
  if (allocation.pid && !/mmap/.test(allocation.op))
    return [
      word(at - BigInt(2 * size), size, 'prev_size: of the chunk before, when that is free'),
      word(at - BigInt(size), size, 'size of this chunk | flags (1 PREV_INUSE, 2 IS_MMAPPED)'),
    ];
  if (profile === 'classic' && allocation.cache && /^kmalloc/.test(allocation.cache)) {
    const page = at & ~4095n;
    const near = at - page <= 64n ? page : null;
    if (near === null) return [];
    return [
      'next: page descriptor of the bucket’s list',
      'first_free: block',
      'class: number of the block size',
      'nr_free: blocks left',
    ].map((name, i) => word(near + BigInt(4 * i), 4, name));
  }
  return [];
}

/** Bytes of metadata before an allocation that are worth showing. @param {Field[]} fields @param {string} address */
export function leadOf(fields, address) {
  const at = BigInt(address);
  const first = fields.reduce((low, f) => (f.start < low ? f.start : low), at);
  return Number(at - first);
}

/** Free pointers of a slab's free objects, where the allocator keeps them: SLUB in the middle of the object, the classic kernel
 * in its first word. @param {import('../types.js').SlabObject[]} objects @param {number} offset bytes into the object @param {number} size bytes of a pointer @returns {Field[]} */
export function freePointerFields(objects, offset, size) {
  return objects
    .filter((o) => !o.in_use)
    .map((o) =>
      word(
        BigInt(o.address) + BigInt(offset),
        size,
        `free pointer → ${BigInt(o.free_next ?? 0) ? o.free_next : 'end of the chain'}`,
      ),
    );
}

/** Live allocations that reach into a window, the selected one first. @param {import('../types.js').Allocation[]} live @param {string} from @param {number} length @param {number} pid @param {{ address: string } | null} mine @param {(a: any) => string} title @returns {Extent[]} */
export function extentsIn(live, from, length, pid, mine, title) {
  const start = BigInt(from),
    end = start + BigInt(length);
  return live
    .filter((a) => (a.pid ?? 0) === pid)
    .map((a) => ({
      start: BigInt(a.address),
      requested: a.requested,
      allocated: a.allocated,
      name: `${title(a)}, ${a.op} ${a.requested}`,
      mine: mine !== null && a.address === mine.address,
    }))
    .filter((e) => e.start < end && e.start + BigInt(Math.max(e.requested, e.allocated, 1)) > start)
    .sort((a, b) => Number(b.mine) - Number(a.mine));
}
