/* inspector.js - what is known about the selection, as facts: a label, words, and where a click on them leads. */
import { bytes, count, duration, hex, plural } from '../format.js';
import { KINDS } from '../kinds.js';
import { cellAt, headOf } from './cells.js';
import { descriptorOf } from './descriptor.js';
import { titleOf } from './title.js';
import { regionOf } from './virtual.js';
import { nrPages, physicalOf } from './page.js';

/** @typedef {{ frame?: number, pid?: number, seq?: number, tab?: import('../tabs.js').Tab, cache?: string, op?: string, bytes?: string, allocation?: { address: string, pid: number } }} Link */
/** @typedef {{ text: string, note?: string, link?: Link }} Words */
/** @typedef {{ label: string, words: Words[] }} Fact */
/** @typedef {import('../types.js').Allocation} Allocation */

/** @param {Allocation} a @param {import('../lab-state.js').Views} views @param {import('../types.js').Result | null} made @param {string} [profile] @returns {Fact[]} */
export function allocationFacts(a, views, made, profile = '') {
  const region = regionOf(a, views);
  const area = views.vmalloc.areas.find((v) => v.start === a.address);
  /** @type {Words[]} */
  const cache = a.cache ? [{ text: a.cache, link: { cache: a.cache, tab: 'slabs' } }] : [];
  const facts = [
    fact('allocator', { text: a.op, link: { op: a.op } }, ...cache),
    fact('asked for', { text: bytes(a.requested), note: a.requested >= 1024 ? `${count(a.requested)} B` : undefined }),
  ];
  facts.push(
    fact('usable', {
      text: bytes(a.allocated),
      note: a.allocated > a.requested ? `${count(a.allocated - a.requested)} B lost to rounding` : undefined,
    }),
  );
  facts.push(
    fact(
      'virtual',
      { text: a.address, link: { tab: 'bytes' } },
      { text: `– ${hex(BigInt(a.address) + BigInt(Math.max(a.allocated, 1)))}` },
    ),
  );
  const descriptor = profile === 'classic' ? descriptorOf(a) : null;
  if (descriptor)
    facts.push(
      fact('descriptor', {
        text: `16 B at ${hex(descriptor)}`,
        link: { bytes: a.address, tab: 'bytes' },
        note: `heads the block of pages, so the address of its first object ends in ${hex(descriptor + 16n).slice(-3)}`,
      }),
    );
  if (area && area.guard_pages)
    facts.push(
      fact('guard page', {
        text: hex(BigInt(area.end) - physicalOf(area.guard_pages)),
        note: 'touching it is a fault',
      }),
    );
  facts.push(fact('frames', ...framesWords(a)));
  facts.push(fact('contiguous', { text: contiguity(a, region) }));
  if (a.pid) facts.push(fact('process', { text: `pid ${a.pid}`, link: { tab: 'heap', pid: a.pid } }));
  facts.push(fact('released by', { text: a.release, link: { op: a.release } }));
  if (made)
    facts.push(
      fact('cost', {
        text: duration(made.cost_ns),
        note: made.slept_ns ? `slept ${duration(made.slept_ns)}` : costNote(made),
      }),
    );
  if (a.call_site) facts.push(fact('called from', { text: a.call_site }));
  facts.push(fact('since', a.seq ? { text: `op ${a.seq}`, link: { seq: a.seq } } : { text: BEFORE }));
  return facts;
}

/** Since when a machine with a past has it. */
export const BEFORE = 'before operation 1';

const fact = (/** @type {string} */ label, /** @type {Words[]} */ ...words) => ({ label, words });

/** @param {Allocation} a @returns {Words[]} */
function framesWords(a) {
  if (!a.nr_frames) return [{ text: 'none yet', note: 'they come when it is touched' }];
  const pages = nrPages(a.allocated);
  const words = [
    {
      text: plural(a.nr_frames, 'frame'),
      note:
        a.frames.length > 1
          ? `in ${a.frames_cut ? 'more than ' : ''}${count(a.frames.length)} runs`
          : a.pid && a.nr_frames < pages
            ? `of ${pages} touched`
            : undefined,
    },
  ];
  const links = a.frames
    .slice(0, 6)
    .map((run) => ({ text: run.count > 1 ? `${hex(run.pfn)}+${run.count}` : hex(run.pfn), link: { frame: run.pfn } }));
  if (a.frames.length > 6)
    links.push({
      text: a.frames_cut ? 'and more' : `+${count(a.frames.length - 6)} more`,
      link: { frame: a.frames[6].pfn },
    });
  return [...words, ...links];
}

/** @param {Allocation} a @param {string} region */
function contiguity(a, region) {
  if (!a.nr_frames) return 'virtually only';
  if (region === 'direct') return 'physically and virtually';
  return a.frames.length > 1
    ? 'virtually only'
    : a.nr_frames > 1
      ? 'virtually; physically only by chance'
      : 'one frame';
}

/** The cost of an operation as parts of one bar, the largest first; what is too thin to be seen is summed.
 * @param {{ step: string, count: number, ns: number }[]} cost @param {number} [slept] ns */
export function costParts(cost, slept = 0) {
  const all = [...cost, ...(slept ? [{ step: 'asleep', count: 1, ns: slept }] : [])]
    .filter((c) => c.ns > 0)
    .sort((x, y) => y.ns - x.ns);
  const total = all.reduce((sum, c) => sum + c.ns, 0);
  return all.map((c, i) => ({ ...c, share: c.ns / total, shade: i }));
}

/** @param {import('../types.js').Result} made */
function costNote(made) {
  const most = [...(made.cost ?? [])].sort((x, y) => y.ns - x.ns)[0];
  return most && most.ns < made.cost_ns ? `mostly ${most.step}` : undefined;
}

/** @param {number} pfn @param {import('../types.js').Cells} cells @param {any} detail the daemon's answer on this frame, once it is there @param {Allocation | null} [owner] @param {boolean} [hasTypes] whether this kernel knows migratetypes @returns {Fact[]} */
export function frameFacts(pfn, cells, detail, owner = null, hasTypes = true) {
  const cell = cellAt(cells, Math.floor(pfn / 2 ** cells.shift));
  const facts = [fact('frame', { text: hex(pfn), note: `phys ${hex(physicalOf(pfn))}` })];
  if (cells.shift) return [...facts, fact('tile', { text: `${2 ** cells.shift} frames, mostly ${cell.kind.label}` })];
  facts.push(
    fact(
      'state',
      { text: `${cell.kind.letter} ${cell.kind.label}` },
      ...ownerWords(detail?.block?.owner, cell.kind.name),
    ),
  );
  const head = detail?.block?.pfn ?? headOf(cells, pfn);
  const buddy = headOf(cells, pfn) ^ (2 ** cell.order);
  if (owner)
    facts.push(
      fact('allocation', {
        text: titleOf(owner),
        note: owner.op,
        link: { allocation: { address: owner.address, pid: owner.pid ?? 0 } },
      }),
    );
  else if (detail?.page_array_of)
    facts.push(
      fact(
        'allocation',
        { text: 'vmalloc’s page-pointer array, of' },
        { text: detail.page_array_of, link: { allocation: { address: detail.page_array_of, pid: 0 } } },
      ),
    );
  else if (detail) facts.push(fact('allocation', { text: 'nobody’s' }));
  facts.push(
    fact(
      'block',
      {
        text: `order ${cell.order}`,
        link: { tab: 'buddy' },
        note: cell.order ? `from ${hex(headOf(cells, pfn))}` : undefined,
      },
      ...(buddy < cells.nr
        ? [{ text: `buddy ${hex(buddy)}`, link: { frame: buddy }, note: cellAt(cells, buddy).kind.label }]
        : []),
    ),
  );
  if (detail?.block?.count > 1 && head !== headOf(cells, pfn))
    facts.push(fact('run', { text: `${hex(head)}+${detail.block.count}`, link: { frame: head } }));
  if (detail?.address)
    facts.push(fact('direct map', { text: String(detail.address), link: { frame: pfn, tab: 'bytes' } }));
  if (hasTypes && detail?.block?.migratetype)
    facts.push(fact('migratetype', { text: String(detail.block.migratetype) }));
  if (detail?.born) facts.push(fact('since', { text: `op ${detail.born}`, link: { seq: detail.born } }));
  return facts;
}

/** The link from the name of a frame's owner to the owner. @param {string | undefined} owner @param {string} kind @returns {Words[]} */
function ownerWords(owner, kind) {
  if (!owner) return [];
  const pid = /^pid (\d+)/.exec(owner);
  if (pid) return [{ text: owner, link: { pid: Number(pid[1]), tab: 'heap' } }];
  if (kind === 'slab') return [{ text: owner, link: { cache: owner, tab: 'slabs' } }];
  return [{ text: owner }];
}

/** @param {import('../types.js').Selection & { kind: 'object' }} object @returns {Fact[]} */
export function objectFacts(object) {
  return [
    fact('free object', { text: object.address, link: { bytes: object.address, tab: 'bytes' } }),
    fact('cache', { text: object.cache, link: { cache: object.cache, tab: 'slabs' } }),
    fact('in frame', { text: hex(object.pfn), link: { frame: object.pfn, tab: 'map' } }),
  ];
}

/** @param {Record<string, any>} request */
const wroteText = ({ hex: digits, fill, length }) =>
  digits ? plural(digits.length / 2, 'byte') : `${plural(Number(length), 'byte')} of ${hex(Number(fill ?? 0))}`;

/** The operation shown, when nothing is selected. @param {import('../types.js').Result} result @returns {Fact[]} */
export function operationFacts(result) {
  const facts = [fact('call', { text: result.op, note: result.request?.text, link: { op: result.op } })];
  if (result.address)
    facts.push(
      fact('address', {
        text: result.address,
        note: result.name_is_freed ? `the old address of ${result.request?.name}, which was freed` : undefined,
        link: { bytes: result.address, pid: result.request?.pid ?? 0, tab: 'bytes' },
      }),
    );
  if (result.frames?.length)
    facts.push(
      fact(
        'frames',
        ...result.frames.slice(0, 4).map((run) => ({
          text: run.count > 1 ? `${hex(run.pfn)}+${run.count}` : hex(run.pfn),
          link: { frame: run.pfn },
        })),
        ...(result.nr_frame_runs > 4 ? [{ text: `and ${plural(result.nr_frame_runs - 4, 'more run')}` }] : []),
      ),
    );
  if (result.op === 'write') facts.push(fact('wrote', { text: wroteText(result.request ?? {}) }));
  if (result.nr_reclaimed) facts.push(fact('reclaimed', { text: plural(result.nr_reclaimed, 'page') }));
  return facts;
}

/** What the live region says. @param {number} pfn @param {import('../types.js').Cells} cells @param {Allocation | null} owner */
export function frameSentence(pfn, cells, owner) {
  const cell = cellAt(cells, Math.floor(pfn / 2 ** cells.shift));
  const where = cells.shift ? `tile from frame ${hex(pfn)}` : `frame ${hex(pfn)}`;
  return `${where}, ${cell.kind.label}, order ${cell.order}${owner ? `, ${titleOf(owner)}` : ''}`;
}

/** The live allocation that a frame backs: the largest when several share it. @param {number} pfn @param {Allocation[]} live */
export function ownerOfFrame(pfn, live) {
  let best = null;
  for (const a of live) {
    if (a.frames.some((run) => pfn >= run.pfn && pfn < run.pfn + run.count) && (!best || a.allocated > best.allocated))
      best = a;
  }
  return best;
}

export const kindLabel = (/** @type {number} */ id) => (KINDS[id] ?? KINDS[0]).label;
