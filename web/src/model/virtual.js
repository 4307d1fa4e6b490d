/* virtual.js - the virtual side of the map: regions as bands, in them what lives there, in address order. Not to scale (a
 * process's 3 GiB and a 32-byte block do not fit one ruler): a bar grows with the logarithm of its pages, a gap is a gap. */
import { bytes, hex } from '../format.js';
import { descriptorOf } from './descriptor.js';
import { kindOfOp } from './ops.js';
import { titleOf } from './title.js';
import { PAGE_SIZE } from './page.js';

/** @typedef {import('../types.js').Allocation} Allocation */
/** @typedef {import('../types.js').Run} Run */
/** @typedef {{ y: number, h: number, allocation: Allocation }} Part */
/** @typedef {{ id: string, y: number, h: number, kind: string, label: string, title: string, share: number, ghost: boolean, guard: number, parts: Part[], at?: string, descriptor?: string }} Bar descriptor: what stands at its head; at: the address that it stands for, where none of its allocations is listed */
/** @typedef {{ id: string, title: string, address: string, y: number, h: number, empty: string, bars: Bar[] }} Band */
/** @typedef {{ id: string, start: bigint, end: bigint, kind: string, label: string, title: string, share: number, ghost: boolean, guard: number, allocations: Allocation[], at?: string, descriptor?: string }} Item */

const PAGE = BigInt(PAGE_SIZE);
const HEAD = 24; /* a band's title, pixels */
const GUARD = 6;
const LARGE = 8n * PAGE; /* keeps a bar of its own while there are few such */
const BAR_SELECTED = 26; /* at least, for the selected one */
const BAR_MIN = 4,
  BAR_MAX = 84,
  BAR_GAP = 4;

/** @param {import('../lab-state.js').Views} views @param {import('../types.js').OpInfo[]} ops @param {import('../types.js').Profile | null} profile @param {number} height @param {Allocation | null} [selected] its bar is never merged away @returns {Band[]} */
export function virtualBands(views, ops, profile, height, selected = null) {
  const user = userItems(views);
  const direct = directItems(views, ops, profile);
  const vmalloc = vmallocItems(views);
  const process = views.processes.find((p) => p.pid === views.pid);
  const weights = [user.length ? 0.32 : 0.14, 0.34, 0.34];
  const gap = 12;
  const unit = (height - 2 * gap) / weights.reduce((a, b) => a + b, 0);
  const bands = [
    {
      id: 'user',
      title: process ? `user · pid ${process.pid}${process.name ? ' ' + process.name : ''}` : 'user',
      address: '0x0',
      items: user,
      empty: process ? 'nothing mapped' : 'no process yet',
    },
    {
      id: 'direct',
      title: 'direct map',
      address: profile?.page_offset ?? '',
      items: direct,
      empty: 'no kernel allocation',
    },
    { id: 'vmalloc', title: 'vmalloc', address: views.vmalloc.start ?? '', items: vmalloc, empty: 'no area' },
  ];
  let y = 0;
  return bands.map(({ items, ...band }, i) => {
    const h = Math.round(weights[i] * unit);
    const placed = { ...band, y, h, bars: placeBars(items, y + HEAD, h - HEAD - 8, selected) };
    y += h + gap;
    return placed;
  });
}

/** @param {Allocation} a @param {import('../lab-state.js').Views} views @returns {'user' | 'vmalloc' | 'direct'} */
export function regionOf(a, views) {
  if (a.pid) return 'user';
  const at = BigInt(a.address);
  const { start, end } = views.vmalloc;
  if (start && at >= BigInt(start) && at < BigInt(end)) return 'vmalloc';
  return 'direct';
}

/** @param {import('../lab-state.js').Views} views @returns {Item[]} */
function userItems(views) {
  const own = views.allocations.filter((a) => a.pid && a.pid === views.pid);
  return views.maps.map((map) => {
    const start = BigInt(map.start),
      end = BigInt(map.end);
    const pages = Number((end - start) / PAGE) || 1;
    const inside = own.filter((a) => BigInt(a.address) >= start && BigInt(a.address) < end);
    const only = inside.length === 1 ? (inside[0].name ?? '') : '';
    return {
      id: `map ${map.start}`,
      start,
      end,
      kind: 'anon',
      label: [map.name, only].filter(Boolean).join(' '),
      share: Math.min(1, map.rss_pages / pages),
      title: `${map.name || 'mapping'} ${map.start} – ${map.end} ${map.perms}, ${map.rss_pages} of ${pages} pages have frames`,
      ghost: false,
      guard: 0,
      allocations: inside,
    };
  });
}

/** Kernel allocations by the pages they lie in; objects that share a slab page share a bar. @param {import('../lab-state.js').Views} views @param {import('../types.js').OpInfo[]} ops @param {import('../types.js').Profile | null} profile @returns {Item[]} */
function directItems(views, ops, profile) {
  /** @type {Map<bigint, Item>} */
  const items = new Map();
  for (const a of views.allocations) {
    if (regionOf(a, views) !== 'direct') continue;
    const start = BigInt(a.address) & ~(PAGE - 1n);
    const end = start + BigInt(Math.max(1, a.nr_frames)) * PAGE;
    const item = items.get(start);
    if (item) {
      item.allocations.push(a);
      if (end > item.end) item.end = end;
    } else {
      items.set(start, {
        id: `page ${hex(start)}`,
        start,
        end,
        kind: kindOfOp(ops, a.op),
        label: '',
        title: '',
        share: 1,
        ghost: false,
        guard: 0,
        allocations: [a],
      });
    }
  }
  const sorted = [...items.values()].sort((a, b) => (a.start < b.start ? -1 : 1));
  for (const item of sorted) Object.assign(item, nameOf(item.allocations, item.start), headOf(item, profile));
  return sorted;
}

/** @param {Item} item @param {import('../types.js').Profile | null} profile */
function headOf(item, profile) {
  const descriptor = profile?.name === 'classic' ? descriptorOf(item.allocations[0]) : null;
  return descriptor === null
    ? {}
    : { descriptor: `16 bytes at ${hex(descriptor)}: the page descriptor that heads kmalloc’s blocks of pages` };
}

/** @param {Allocation[]} allocations @param {bigint} start */
function nameOf(allocations, start) {
  const first = allocations[0];
  const names = allocations.slice(0, 4).map(titleOf);
  const label =
    allocations.length === 1
      ? titleOf(first)
      : names.join(' ') + (allocations.length > 4 ? ` +${allocations.length - 4}` : '');
  return {
    label,
    title: `${first.cache ?? first.op} ${hex(start)}: ${allocations.length === 1 ? bytes(first.allocated) : allocations.length + ' objects'}`,
  };
}

/** Beyond 512 pages the array of page pointers is an area of its own. @param {import('../types.js').VmArea} area */
export const isPageArray = (area) => area.caller === 'vmalloc pages array';

/** @param {import('../lab-state.js').Views} views @returns {Item[]} */
function vmallocItems(views) {
  return views.vmalloc.areas
    .filter((area) => area.state !== 'free')
    .map((area) => {
      const start = BigInt(area.start);
      const ghost = area.state !== 'busy';
      const isArray = isPageArray(area);
      return {
        id: `area ${area.start}`,
        start,
        end: BigInt(area.end),
        kind: 'vmalloc',
        label: ghost ? 'freed, not yet purged' : isArray ? `page pointers of ${area.name}` : (area.name ?? ''),
        share: 1,
        ghost,
        title: `${isArray ? 'vmalloc’s page-pointer array' : 'vmalloc'} ${area.start} – ${area.end}, ${area.nr_pages} pages`,
        guard: area.guard_pages,
        at: ghost ? undefined : area.start,
        allocations: ghost ? [] : views.allocations.filter((a) => !a.pid && BigInt(a.address) === start),
      };
    })
    .sort((a, b) => (a.start < b.start ? -1 : 1));
}

/** @param {Item[]} items @param {number} top @param {number} room @param {Allocation | null} selected @returns {Bar[]} */
function placeBars(items, top, room, selected) {
  const holds = (/** @type {Item} */ item) => selected !== null && item.allocations.includes(selected);
  const guards = items.some((item) => item.guard) ? GUARD : 0;
  const spare = items.some(holds) ? BAR_SELECTED : 0;
  const merged = mergeToFit(items, Math.max(1, Math.floor((room - spare) / (BAR_MIN + BAR_GAP + guards))), holds);
  const weight = (/** @type {Item} */ item) => 1 + Math.log2(1 + Number((item.end - item.start) / PAGE));
  const fixed = merged.reduce((sum, item) => sum + BAR_GAP + (item.guard ? GUARD : 0), 0);
  const total = merged.reduce((sum, item) => sum + weight(item), 0) || 1;
  const unit = Math.min(11, (room - fixed - spare) / total);
  let y = top;
  return merged.map((item) => {
    const h = Math.max(holds(item) ? BAR_SELECTED : BAR_MIN, Math.min(BAR_MAX, weight(item) * unit));
    const { start, end, allocations, ...rest } = item;
    const bar = {
      ...rest,
      label: selected && holds(item) && item.kind !== 'anon' ? titleOf(selected) : item.label,
      y,
      h,
      parts: partsOf(item, y, h, selected),
    };
    y += h + BAR_GAP + (item.guard ? GUARD : 0);
    return bar;
  });
}

/** Joins neighbouring items into one bar where there is no room for each. @param {Item[]} items @param {number} most @param {(item: Item) => boolean} stays alone @returns {Item[]} */
function mergeToFit(items, most, stays) {
  if (items.length <= most) return items;
  const large = items.filter((item) => item.end - item.start >= LARGE);
  const alone = (/** @type {Item} */ item) =>
    stays(item) || (item.end - item.start >= LARGE && large.length * 3 <= most);
  const step = Math.ceil(items.length / Math.max(1, most - 2 * large.length - 2));
  const merged = [];
  for (let i = 0; i < items.length;) {
    let end = i + 1;
    while (!alone(items[i]) && end < items.length && end - i < step && !alone(items[end])) end++;
    merged.push(end - i === 1 ? items[i] : mergedItem(items.slice(i, end)));
    i = end;
  }
  return merged;
}

/** @param {Item[]} group @returns {Item} */
function mergedItem(group) {
  const [first] = group;
  const pages = (/** @type {string} */ kind) =>
    group.reduce((sum, item) => sum + (item.kind === kind ? Number(item.end - item.start) : 0), 0);
  const kind = [...new Set(group.map((item) => item.kind))].sort((a, b) => pages(b) - pages(a))[0];
  return {
    ...first,
    kind,
    end: group[group.length - 1].end,
    label: '',
    ghost: group.every((item) => item.ghost),
    guard: 0,
    share: 1,
    title: `${group.length} neighbours from ${hex(first.start)}`,
    allocations: group.flatMap((item) => item.allocations),
  };
}

/** Each allocation's part of its bar, with a least height. @param {Item} item @param {number} y @param {number} h @param {Allocation | null} selected @returns {Part[]} */
function partsOf(item, y, h, selected) {
  const span = Number(item.end - item.start) - (item.guard ? item.guard * Number(PAGE) : 0) || 1;
  return item.allocations.map((allocation) => {
    const from = Math.max(0, Number(BigInt(allocation.address) - item.start)) / span;
    const part = Math.max(allocation === selected ? 7 : 2, Math.min(h, (Math.max(1, allocation.allocated) / span) * h));
    const whole = item.allocations.length === 1 && item.kind !== 'anon';
    return whole ? { y, h, allocation } : { y: Math.min(y + from * h, y + h - part), h: part, allocation };
  });
}
