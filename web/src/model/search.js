/* search.js - what a few typed characters may mean in a lab: an address, a frame number, a cache, an allocation's name, an
 * operation's number; and commands by their words. */
import { count, hex } from '../format.js';
import { lastSeq } from '../lab-state.js';
import { titleOf } from './title.js';
import { PAGE_SIZE } from './page.js';

/** @typedef {import('../lab-actions.js').Action} Action */
/** @typedef {{ id: string, title: string, note: string, keys?: string, actions: Action[] } } Hit actions: for the store, in order */

/** @param {string} query @param {import('../lab-state.js').LabState} state @param {{ name: string, nr_in_use: number }[]} caches @param {import('../types.js').Allocation[]} [holders] of the address that was typed, as the daemon says @returns {Hit[]} */
export function searchHits(query, state, caches, holders = []) {
  const text = query.trim();
  const views = state.views;
  if (!text || !views) return [];
  return [
    ...operationHits(text, state),
    ...addressHits(text, state, holders),
    ...frameHits(text, state),
    ...nameHits(text, views.allocations),
    ...markHits(text, state.marks),
    ...cacheHits(text, caches),
    ...processHits(text, views.processes),
  ].slice(0, 12);
}

/** @param {number} pfn @returns {Action} */
const frame = (pfn) => ({ type: 'select', selection: { kind: 'frame', pfn } });
/** @param {import('../types.js').Allocation} a @returns {Action} */
const allocation = (a) => ({
  type: 'select',
  selection: { kind: 'allocation', address: a.address, pid: a.pid ?? 0 },
});
/** @param {import('../tabs.js').Tab} name @returns {Action} */
const tab = (name) => ({ type: 'tab', tab: name });

/** "#12", "op 12", or a bare number within the history @param {string} text @param {import('../lab-state.js').LabState} state @returns {Hit[]} */
function operationHits(text, state) {
  const match = /^(?:#|op\s*|seq\s*)?(\d+)$/i.exec(text);
  if (!match || Number(match[1]) > lastSeq(state)) return [];
  const seq = Number(match[1]);
  const row = state.ops.find((op) => op.seq === seq);
  return [
    {
      id: `op-${seq}`,
      title: `operation ${count(seq)}`,
      note: row ? `${row.op}, ${row.outcome}` : 'go to this moment',
      actions: [{ type: 'seek', seq }],
    },
  ];
}

const ADDRESS = /^0x[0-9a-f]{3,16}$/i;

/** The address that was typed, and whose it is: those of user space belong to the process shown. @param {string} query @param {import('../lab-state.js').LabState} state */
export function addressOf(query, { views, profile }) {
  const text = query.trim().toLowerCase();
  if (!ADDRESS.test(text) || !views) return null;
  return { address: text, pid: BigInt(text) < BigInt(profile?.page_offset ?? 0) ? views.pid : 0 };
}

/** @param {string} text @param {import('../lab-state.js').LabState} state @param {import('../types.js').Allocation[]} holders @returns {Hit[]} */
function addressHits(text, state, holders) {
  if (!ADDRESS.test(text) || !state.views) return [];
  const at = BigInt(text);
  const hits = /** @type {Hit[]} */ ([]);
  const listed = state.views.allocations;
  const further = holders.filter((b) => !listed.some((a) => a.address === b.address && a.pid === b.pid));
  for (const a of [...listed, ...further]) {
    const start = BigInt(a.address);
    if (at >= start && at < start + BigInt(Math.max(1, a.allocated))) {
      const offset = at - start;
      hits.push({
        id: `in-${a.address}-${a.pid}`,
        title: titleOf(a),
        note: `${a.op}, ${offset ? `${hex(offset)} bytes into it` : 'begins here'}${a.pid ? `, pid ${a.pid}` : ''}`,
        actions: [allocation(a)],
      });
    }
  }
  const direct = BigInt(state.profile?.page_offset ?? 0);
  const nr = BigInt(state.views.cells.nr * 2 ** state.views.cells.shift);
  const pfn = (at - direct) / BigInt(PAGE_SIZE);
  if (at >= direct && pfn < nr)
    hits.push({
      id: `direct-${pfn}`,
      title: `frame ${hex(pfn)}`,
      note: 'behind this address of the direct map',
      actions: [frame(Number(pfn)), tab('map')],
    });
  const pid = state.views.pid;
  const isUser = at < direct;
  hits.push({
    id: `bytes-${text}`,
    title: `bytes at ${text}`,
    note: isUser && pid ? `of pid ${pid}` : 'of the kernel',
    actions: [{ type: 'bytesAt', address: text, pid: isUser ? pid : 0 }, tab('bytes')],
  });
  return hits.slice(0, 5);
}

/** "pfn 420", "frame 0x1a4", or a number @param {string} text @param {import('../lab-state.js').LabState} state @returns {Hit[]} */
function frameHits(text, state) {
  const match = /^(?:pfn|frame|f)?\s*(0x[0-9a-f]+|\d+)$/i.exec(text);
  const views = state.views;
  if (!match || !views) return [];
  const pfn = Number(match[1]);
  if (pfn >= views.cells.nr * 2 ** views.cells.shift) return [];
  return [
    { id: `frame-${pfn}`, title: `frame ${hex(pfn)}`, note: `number ${count(pfn)}`, actions: [frame(pfn), tab('map')] },
  ];
}

/** @param {string} text @param {import('../types.js').Allocation[]} live @returns {Hit[]} */
function nameHits(text, live) {
  const wanted = text.toLowerCase();
  return live
    .map((a) => ({ a, title: titleOf(a) }))
    .filter(({ title }) => title.toLowerCase().includes(wanted) && !title.startsWith('0x'))
    .sort((x, y) => rank(x.title, wanted) - rank(y.title, wanted))
    .slice(0, 6)
    .map(({ a, title }) => ({
      id: `name-${a.address}-${a.pid}`,
      title,
      note: `${a.op} ${count(a.requested)} bytes at ${a.address}${a.pid ? `, pid ${a.pid}` : ''}`,
      actions: [allocation(a)],
    }));
}

/** @param {string} text @param {{ seq: number, text: string }[]} marks @returns {Hit[]} */
const markHits = (text, marks) =>
  marks
    .filter((mark) => mark.text.toLowerCase().includes(text.toLowerCase()))
    .slice(0, 4)
    .map((mark) => ({
      id: `mark-${mark.seq}`,
      title: mark.text,
      note: `mark, operation ${count(mark.seq)}`,
      actions: [{ type: 'seek', seq: mark.seq }],
    }));

/** @param {string} text @param {{ name: string, nr_in_use: number }[]} caches @returns {Hit[]} */
function cacheHits(text, caches) {
  const wanted = text.toLowerCase();
  return caches
    .filter((c) => c.name.toLowerCase().includes(wanted))
    .sort((x, y) => rank(x.name, wanted) - rank(y.name, wanted) || y.nr_in_use - x.nr_in_use)
    .slice(0, 5)
    .map((c) => ({
      id: `cache-${c.name}`,
      title: `cache ${c.name}`,
      note: `${count(c.nr_in_use)} objects in use`,
      actions: [{ type: 'cache', cache: c.name }, tab('slabs')],
    }));
}

/** @param {string} text @param {import('../types.js').Process[]} processes @returns {Hit[]} */
function processHits(text, processes) {
  const wanted = text.toLowerCase().replace(/^pid\s*/, '');
  return processes
    .filter((p) => String(p.pid) === wanted || p.name.toLowerCase().includes(wanted))
    .slice(0, 3)
    .map((p) => ({
      id: `pid-${p.pid}`,
      title: `process ${p.pid} ${p.name}`,
      note: `${count(p.rss_pages)} pages resident`,
      actions: [{ type: 'pid', pid: p.pid }, tab('heap')],
    }));
}

/** The rank of a hit, the best is 0: the whole name, its beginning, elsewhere. @param {string} name @param {string} wanted */
function rank(name, wanted) {
  const lower = name.toLowerCase();
  return lower === wanted ? 0 : lower.startsWith(wanted) ? 1 : 2;
}

/** Commands in which every typed word occurs. @template {{ title: string, note: string }} T @param {string} query @param {T[]} commands @returns {T[]} */
export function commandHits(query, commands) {
  const words = query.trim().toLowerCase().split(/\s+/).filter(Boolean);
  return commands.filter((c) => words.every((word) => `${c.title} ${c.note}`.toLowerCase().includes(word)));
}
