/* space.js - the virtual address space as a tree: the whole of it, its regions, what lies in each with the gaps between, the pages
 * of one by their state, one page. A path of ranges says where one stands; each level is a strip, true to scale. */
import { isPageArray } from './virtual.js';
import { bytes, count, hex, plural } from '../format.js';
import { KINDS } from '../kinds.js';
import { CELL } from './cells.js';
import { PAGE_STATES } from './processes.js';
import { PAGE_SIZE } from './page.js';

/** @typedef {'space' | 'region' | 'part' | 'map' | 'area' | 'run' | 'page' | 'guard' | 'lazy' | 'gap' | 'hole'} What */
/** @typedef {{ what: What, id: string, start: bigint, end: bigint, look: string, letter: string, label: string, detail: string, used: number, pfn?: number, state?: string, slot?: number, area?: any }} Node look: how it is drawn; used: share in use */
/** @typedef {{ views: import('../lab-state.js').Views, bits: number, pageOffset: string, memory: number, runs: import('./processes.js').PageRun[] | null }} World runs: pages of the mapping on the path, when they are known */

const PAGE = BigInt(PAGE_SIZE);
const MANY = 64; /* parts of a level that has no names of its own */
const PAGES_LISTED = 256;

/** @param {What} what @param {bigint} start @param {bigint} end @param {Partial<Node>} more @returns {Node} */
const node = (what, start, end, more) => ({
  what,
  id: `${what} ${hex(start)}-${hex(end)}`,
  start,
  end,
  look: what,
  letter: '',
  label: '',
  detail: '',
  used: 0,
  ...more,
});

/** Whether one can look into it. @param {Node} n */
export const isOpen = (n) => !['page', 'guard', 'gap', 'hole'].includes(n.what) && n.look !== 'unmodelled';

/** @param {World} world */
export const wholeSpace = (world) =>
  node('space', 0n, 1n << BigInt(world.bits), {
    label: `${world.bits}-bit address space`,
    detail: bytesOf(1n << BigInt(world.bits)),
  });

/** The size of a node as text. It is a bigint: a number is not exact beyond 2^53. @param {bigint} n */
export function bytesOf(n) {
  if (n < 1n << 50n) return bytes(Number(n));
  return n < 1n << 60n ? `${Number((n * 10n) >> 50n) / 10} PiB` : `${Number((n * 10n) >> 60n) / 10} EiB`;
}

/** @param {Node} parent @param {World} world @returns {Node[]} null: not read yet */
export function childrenOf(parent, world) {
  switch (parent.what) {
    case 'space':
      return regions(world);
    case 'region':
      return parent.look === 'user'
        ? maps(parent, world)
        : parent.look === 'vmalloc'
          ? areas(parent, world)
          : frames(parent, world);
    case 'part':
      return frames(parent, world);
    case 'map':
      return pageRuns(parent, world);
    case 'area':
      return areaPages(parent);
    case 'run':
      return pages(parent);
    default:
      return [];
  }
}

/** The nodes, with a gap wherever nothing lies between two of them. @param {Node[]} nodes in order @param {bigint} start @param {bigint} end @param {(start: bigint, end: bigint) => Node} gap */
function withGaps(nodes, start, end, gap) {
  const all = /** @type {Node[]} */ ([]);
  let at = start;
  for (const one of nodes) {
    if (one.start > at) all.push(gap(at, one.start));
    all.push(one);
    at = one.end;
  }
  if (at < end) all.push(gap(at, end));
  return all;
}

/** @param {World} world */
function regions({ views, bits, pageOffset, memory }) {
  const process = views.processes.find((p) => p.pid === views.pid);
  const offset = BigInt(pageOffset);
  const top = 1n << BigInt(bits);
  const userEnd = bits === 64 ? 1n << 47n : offset;
  const list = [
    node('region', 0n, userEnd, {
      look: 'user',
      letter: 'u',
      label: process ? `user space of pid ${process.pid} ${process.name}` : 'user space',
      detail: process
        ? `${plural(views.maps.length, 'mapping')}, ${bytes(process.virtual_bytes)} mapped`
        : 'no process yet',
    }),
  ];
  if (bits === 64)
    list.push(
      node('hole', userEnd, top - userEnd, {
        look: 'hole',
        letter: '×',
        label: 'non-canonical hole',
        detail: 'no address here is valid: the CPU refuses it',
      }),
    );
  list.push(
    node('region', offset, offset + BigInt(memory), {
      look: 'direct',
      letter: 'D',
      label: 'direct map',
      detail: `all ${bytes(memory)} of memory in order; kmalloc’s addresses`,
    }),
  );
  if (views.vmalloc.start) {
    const busy = views.vmalloc.areas.filter((area) => area.state === 'busy');
    list.push(
      node('region', BigInt(views.vmalloc.start), BigInt(views.vmalloc.end), {
        look: 'vmalloc',
        letter: 'v',
        label: 'vmalloc',
        detail: `${plural(busy.length, 'area')} in use`,
      }),
    );
  }
  return withGaps(list, 0n, top, (start, end) =>
    node('gap', start, end, { look: 'unmodelled', label: 'not modelled', detail: 'other parts of the kernel’s space' }),
  );
}

/** @param {Node} parent @param {World} world */
function maps(parent, { views }) {
  const list = views.maps.map((map) => {
    const nr = Number((BigInt(map.end) - BigInt(map.start)) / PAGE) || 1;
    return node('map', BigInt(map.start), BigInt(map.end), {
      look: 'map',
      letter: 'a',
      label: map.name || 'anonymous',
      detail: `${map.perms}, ${count(map.rss_pages)} of ${count(nr)} pages have frames${map.swap_pages ? `, ${count(map.swap_pages)} in swap` : ''}`,
      used: map.rss_pages / nr,
    });
  });
  return withGaps(list, parent.start, parent.end, (start, end) =>
    node('gap', start, end, { label: 'nothing mapped', detail: 'touching it is a segmentation fault' }),
  );
}

/** @param {Node} parent @param {World} world */
function areas(parent, { views }) {
  const list = views.vmalloc.areas
    .filter((area) => area.state !== 'free')
    .map((area) => {
      const lazy = area.state !== 'busy';
      return node(lazy ? 'lazy' : 'area', BigInt(area.start), BigInt(area.end), {
        letter: lazy ? 'z' : 'v',
        label: lazy
          ? 'freed, not yet purged'
          : isPageArray(area)
            ? `page-pointer array of ${area.name}`
            : area.name || area.caller,
        detail: lazy
          ? 'kept until the TLBs are flushed for many at once'
          : `${plural(area.nr_pages, 'page')}${area.guard_pages ? `, ${plural(area.guard_pages, 'guard page')}` : ''}, since op ${area.seq}`,
        used: lazy ? 0 : 1,
        area,
      });
    })
    .sort((a, b) => (a.start < b.start ? -1 : 1));
  return withGaps(list, parent.start, parent.end, (start, end) =>
    node('gap', start, end, { label: 'free', detail: 'the next vmalloc that fits goes to the lowest such' }),
  );
}

/** The parts of the direct map: aligned parts first, then runs of frames of one kind. @param {Node} parent @param {World} world */
function frames(parent, { views, pageOffset }) {
  const { cells } = views;
  const offset = BigInt(pageOffset);
  const first = Number((parent.start - offset) / PAGE),
    nr = Number((parent.end - parent.start) / PAGE);
  const usedIn = (/** @type {number} */ from, /** @type {number} */ to) => {
    let used = 0;
    for (let i = from >> cells.shift; i < to >> cells.shift; i++) if (cells.bytes[i * CELL] > 2) used++;
    return used / Math.max(1, (to - from) >> cells.shift);
  };
  const at = (/** @type {number} */ pfn) => offset + BigInt(pfn) * PAGE;
  if (nr > 2048) {
    const step = 2 ** Math.ceil(Math.log2(nr / MANY));
    return Array.from({ length: Math.ceil(nr / step) }, (_, i) => {
      const from = first + i * step,
        to = Math.min(first + nr, from + step);
      const used = usedIn(from, to);
      return node('part', at(from), at(to), {
        look: 'part',
        letter: '▪',
        label: `frames ${hex(from)}–${hex(to - 1)}`,
        detail: `${Math.round(100 * used)} % in use`,
        used,
      });
    });
  }
  const runs = /** @type {Node[]} */ ([]);
  for (let pfn = first; pfn < first + nr;) {
    const kind = cells.bytes[(pfn >> cells.shift) * CELL];
    let end = pfn + 1;
    while (end < first + nr && cells.bytes[(end >> cells.shift) * CELL] === kind) end++;
    const { letter, label, name } = KINDS[Math.min(kind, KINDS.length - 1)];
    runs.push(
      node(end - pfn === 1 ? 'page' : 'run', at(pfn), at(end), {
        look: `k-${name}`,
        letter,
        label,
        detail: `${plural(end - pfn, 'frame')} from ${hex(pfn)}`,
        pfn,
        used: kind > 2 ? 1 : 0,
        state: label,
      }),
    );
    pfn = end;
  }
  return runs;
}

/** @param {Node} parent @param {World} world */
function pageRuns(parent, { runs }) {
  return (runs ?? []).flatMap((run) => {
    const start = BigInt(run.address) > parent.start ? BigInt(run.address) : parent.start;
    const stop = BigInt(run.address) + BigInt(run.count) * PAGE;
    const end = stop < parent.end ? stop : parent.end;
    if (start >= end) return [];
    const nr = Number((end - start) / PAGE);
    const skipped = Number((start - BigInt(run.address)) / PAGE);
    const state = PAGE_STATES.find((s) => s.key === run.state);
    const pfn = run.pfn === undefined || run.state === 'zero' ? run.pfn : run.pfn + skipped;
    const where =
      pfn !== undefined
        ? `frame ${hex(pfn)}${nr > 1 && run.state !== 'zero' ? `–${hex(pfn + nr - 1)}` : ''}`
        : run.slot !== undefined
          ? `swap slot ${run.slot}${nr > 1 ? `–${run.slot + nr - 1}` : ''}`
          : 'no frame';
    return [
      node(nr === 1 ? 'page' : 'run', start, end, {
        look: `p-${run.state}`,
        letter: state?.letter ?? '?',
        label: state?.label ?? run.state,
        detail: `${plural(nr, 'page')}, ${where}${(run.nr_users ?? 1) > 1 ? `, ${run.nr_users} users` : ''}`,
        pfn,
        slot: run.slot,
        state: run.state,
        used: pfn !== undefined ? 1 : 0,
      }),
    ];
  });
}

/** @param {Node} parent */
function areaPages(parent) {
  const { area } = parent;
  let at = parent.start;
  const list = area.frames.map((/** @type {import('../types.js').Run} */ run) => {
    const start = at;
    at += BigInt(run.count) * PAGE;
    return node(run.count === 1 ? 'page' : 'run', start, at, {
      look: 'k-vmalloc',
      letter: 'v',
      label: 'mapped',
      detail: `${plural(run.count, 'page')}, frame ${hex(run.pfn)}${run.count > 1 ? `–${hex(run.pfn + run.count - 1)}` : ''}`,
      pfn: run.pfn,
      state: 'mapped',
      used: 1,
    });
  });
  if (at < parent.end)
    list.push(
      node('guard', at, parent.end, {
        letter: 'G',
        label: 'guard page',
        detail: 'never mapped: running over the end is a fault at once',
      }),
    );
  return list;
}

/** @param {Node} parent */
function pages(parent) {
  const nr = Number((parent.end - parent.start) / PAGE);
  const step = nr > PAGES_LISTED ? 2 ** Math.ceil(Math.log2(nr / MANY)) : 1;
  return Array.from({ length: Math.ceil(nr / step) }, (_, i) => {
    const start = parent.start + BigInt(i * step) * PAGE;
    const end = start + BigInt(step) * PAGE < parent.end ? start + BigInt(step) * PAGE : parent.end;
    const by = parent.state === 'zero' ? 0 : i * step;
    const pfn = parent.pfn === undefined ? undefined : parent.pfn + by;
    const slot = parent.slot === undefined ? undefined : parent.slot + by;
    const where = pfn !== undefined ? `frame ${hex(pfn)}` : slot !== undefined ? `swap slot ${slot}` : 'no frame';
    return node(step === 1 ? 'page' : 'run', start, end, {
      look: parent.look,
      letter: parent.letter,
      label: step === 1 ? parent.label : `${plural(step, 'page')}, ${parent.label}`,
      detail: where,
      pfn,
      slot,
      state: parent.state,
      used: parent.used,
    });
  });
}

/** The nodes of a path. It ends early where a node is not there any more. @param {World} world @param {string[]} path ids @returns {Node[]} from the whole space on */
export function resolvePath(world, path) {
  const nodes = [wholeSpace(world)];
  for (const id of path) {
    const next = childrenOf(nodes[nodes.length - 1], world).find((n) => n.id === id);
    if (!next) break;
    nodes.push(next);
  }
  return nodes;
}

/** The path from the whole space down to the page of an address. @param {World} world @param {bigint} address @returns {string[]} */
export function pathTo(world, address) {
  const path = [];
  let here = wholeSpace(world);
  for (;;) {
    const next = childrenOf(here, world).find((n) => address >= n.start && address < n.end);
    if (!next || next.what === 'gap' || next.what === 'hole') return path;
    path.push(next.id);
    here = next;
  }
}

/** Where the tab opens: at the address that is selected, else in the first region that something lies in.
 * @param {World} world @param {bigint | null} address @returns {string[]} */
export function openingPath(world, address) {
  if (address !== null) return pathTo(world, address);
  const { views } = world;
  const isKernel = views.allocations.some((a) => !a.pid);
  const look = views.maps.length
    ? 'user'
    : views.vmalloc.areas.some((area) => area.state !== 'free')
      ? 'vmalloc'
      : isKernel
        ? 'direct'
        : '';
  return regions(world).flatMap((region) => (region.look === look ? [region.id] : []));
}

/** A level as a strip that is true to scale, but for a least width of each part. @param {Node} parent @param {Node[]} children @param {number} width */
export function stripOf(parent, children, width) {
  const span = Number(parent.end - parent.start) || 1;
  return children.map((child) => {
    const x = (Number(child.start - parent.start) / span) * width;
    return { child, x, w: Math.max(1, (Number(child.end - child.start) / span) * width) };
  });
}
