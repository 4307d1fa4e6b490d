/* slabs.js - a cache's slabs as they are looked at: by state, each with its objects, the order in which the free ones will be
 * handed out, and the bytes that rounding costs. */
import { bytes, count } from '../format.js';
import { PAGE_SIZE } from './page.js';

/** @typedef {import('../types.js').Slab} Slab */
/** @typedef {import('../types.js').SlabObject} SlabObject */
/** @typedef {import('../types.js').Cache} Cache */
/** @typedef {SlabObject & { nth: number, next: number, share: number, lost: number, title: string }} Drawn nth: place in the free chain from 1, 0: not on it; next: index of the following free object, -1: none */

/** The states of a SLUB slab: a CPU allocates from it, a CPU keeps it in reserve, it is on the node's list, or it is full. */
const SLUB_STATES = [
  ['cpu', 'the CPU’s slab', 'allocation takes from here, without a lock'],
  ['cpu_partial', 'the CPU’s partial list', 'kept by the CPU, taken next'],
  ['partial', 'the node’s partial list', 'shared by all CPUs, under a lock'],
  ['full', 'full', 'on no list until an object comes back'],
  ['empty', 'empty', 'given back, or kept for the next burst'],
];

/** The classic kernel's buckets know two states only. */
const CLASSIC_STATES = [
  ['partial', 'on the bucket’s list', 'a block is free here: the next request takes the first'],
  ['full', 'full', 'off the list until a block comes back'],
  ['empty', 'empty', 'its pages go back'],
];

/** @param {Slab[]} slabs @param {string} [profile] */
export function slabsByState(slabs, profile = '') {
  const STATES = profile === 'classic' ? CLASSIC_STATES : SLUB_STATES;
  const known = STATES.map(([state, label, doc]) => ({
    state,
    label,
    doc,
    slabs: slabs.filter((s) => s.state === state),
  }));
  const others = slabs.filter((s) => !STATES.some(([state]) => state === s.state));
  if (others.length) known.push({ state: 'other', label: 'others', doc: '', slabs: others });
  return known.filter((group) => group.slabs.length);
}

const DESCRIPTOR = 16; /* bytes at the head of a classic block of pages */

/** @param {Cache} cache @param {string} [profile] */
export function cacheFacts(cache, profile = '') {
  const left = Math.max(0, PAGE_SIZE * 2 ** cache.order - cache.objects_per_slab * cache.size);
  const head = profile === 'classic' ? Math.min(left, DESCRIPTOR) : 0;
  const rest = [
    head ? `a page descriptor of ${bytes(head)} at its head` : '',
    left - head ? `${bytes(left - head)} left over at its end` : '',
  ];
  const lost = cache.rounding_bytes ?? Math.max(0, cache.nr_in_use * cache.size - cache.requested_bytes);
  const slabBytes = cache.nr_slabs * PAGE_SIZE * 2 ** cache.order;
  return {
    lost,
    slabBytes,
    fill: cache.nr_objects ? cache.nr_in_use / cache.nr_objects : 0,
    lostShare: cache.nr_in_use ? lost / (cache.nr_in_use * cache.size) : 0,
    text: [
      `${count(cache.objects_per_slab)} objects of ${bytes(cache.size)} in ${bytes(PAGE_SIZE * 2 ** cache.order)}`,
      ...rest,
    ]
      .filter(Boolean)
      .join(', '),
  };
}

/** Objects with their place in the free chain, from the free pointers that stand in the bytes. A chain that leaves the slab or
 * runs in a circle is broken, and is told. A slab that a CPU allocates from has two chains, the CPU's own and that of objects which others gave back: the CPU's is first.
 * @param {SlabObject[]} objects @param {number} size bytes of one object @param {(string | undefined)[]} [first] heads known to the daemon, in order @param {string} [stray] where a chain leads that leaves the slab @returns {{ objects: Drawn[], chain: number[], broken: string }} */
export function objectChain(objects, size, first = [], stray = '') {
  const at = new Map(objects.map((o, i) => [o.address, i]));
  const pointed = new Set(objects.filter((o) => !o.in_use && o.free_next).map((o) => o.free_next));
  const drawn = objects.map((o) => ({
    ...o,
    nth: 0,
    next: -1,
    share: share(o, size),
    lost: o.in_use ? Math.max(0, size - o.requested) : 0,
    title: titleOf(o, size),
  }));
  const chain = /** @type {number[]} */ ([]);
  const free = objects.filter((o) => !o.in_use);
  let broken = stray ? `a free pointer leads to ${stray}, which is no free object of this slab` : '';
  const known = first.filter((address) => address && at.has(address));
  const others = free.filter((o) => !pointed.has(o.address)).map((o) => o.address);
  for (const head of [...known, ...others]) {
    let i = /** @type {number} */ (at.get(/** @type {string} */ (head)));
    while (!drawn[i].nth) {
      chain.push(i);
      drawn[i].nth = chain.length;
      const next = drawn[i].free_next;
      if (!next || BigInt(next) === 0n) break;
      const to = at.get(next);
      if (to === undefined || drawn[to].in_use) {
        broken = `the free pointer of ${drawn[i].address} leads to ${next}, which is no free object of this slab`;
        break;
      }
      drawn[i].next = to;
      i = to;
    }
  }
  if (!broken && free.length && !chain.length) broken = 'the free pointers run in a circle';
  return { objects: drawn, chain, broken };
}

/** @param {SlabObject} o @param {number} size */
const share = (o, size) => (o.in_use ? Math.min(1, o.requested / (size || o.requested || 1)) : 0);

/** @param {SlabObject} o @param {number} size */
function titleOf(o, size) {
  if (!o.in_use) return `free, ${o.address}`;
  const lost = size - o.requested;
  return `${o.page_array_of ? `vmalloc’s page-pointer array, of ${o.page_array_of}` : (o.name ?? o.call_site ?? 'object')}, ${o.address}, ${count(o.requested)} of ${count(size)} bytes${lost > 0 ? `, ${count(lost)} lost to rounding` : ''}, since op ${o.seq}`;
}

const JUMPS_MAX = 12; /* arrows that cross others; beyond that the numbers tell the order */

/** Where objects stand when `across` boxes of a width fit a row; the arrows of the free chain run from middle to middle. Of a chain that
 * jumps about, only the steps to a neighbour and those at the chosen object have an arrow.
 * @param {Drawn[]} objects @param {number} width pixels @param {number} [chosen] index of an object */
export function objectGrid(objects, width, chosen = -1) {
  const nr = objects.length;
  const w = nr <= 8 ? 104 : nr <= 32 ? 62 : nr <= 128 ? 30 : 16;
  const h = nr <= 32 ? 38 : nr <= 128 ? 26 : 16;
  const gap = nr <= 128 ? 6 : 2;
  const across = Math.max(1, Math.floor((width + gap) / (w + gap)));
  const place = (/** @type {number} */ i) => ({ x: (i % across) * (w + gap), y: Math.floor(i / across) * (h + gap) });
  const links = objects.flatMap((o, from) => (o.nth && o.next >= 0 ? [{ from, to: o.next }] : []));
  const isStep = (/** @type {{ from: number, to: number }} */ link) => link.to === link.from + 1;
  const isDrawn = (/** @type {{ from: number, to: number }} */ link) =>
    isStep(link) || link.from === chosen || link.to === chosen;
  const jumps = links.filter((link) => !isStep(link)).length;
  const arrows = (jumps > JUMPS_MAX ? links.filter(isDrawn) : links).map(({ from, to }) =>
    arrow(place(from), place(to), w, h),
  );
  return {
    w,
    h,
    gap,
    across,
    width: Math.min(nr, across) * (w + gap) - gap,
    height: Math.ceil(nr / across) * (h + gap) - gap,
    place,
    arrows,
  };
}

/** An arrow of the free chain: straight between neighbours, else an arc outside their row. @param {{ x: number, y: number }} a @param {{ x: number, y: number }} b @param {number} w @param {number} h */
function arrow(a, b, w, h) {
  const y0 = a.y + h / 2,
    y1 = b.y + h / 2;
  if (a.y === b.y && b.x > a.x && b.x - a.x < 2 * w) return `M${a.x + w - 2} ${y0}L${b.x + 1} ${y1}`;
  const x0 = a.x + w / 2,
    x1 = b.x + w / 2;
  if (a.y === b.y) return `M${x0} ${a.y + 3}Q${(x0 + x1) / 2} ${a.y - 8} ${x1} ${b.y + 2}`;
  return `M${x0} ${a.y + h - 3}C${x0} ${a.y + h + 10} ${x1} ${b.y - 10} ${x1} ${b.y + 2}`;
}
