/* url.js - what a link carries: moment, selection, tab, and where that tab looks. A link restores what its sender saw. */
import { isColour, isTab } from '../tabs.js';

const PLACE = /^(0x[0-9a-f]+)(?:-(\d+))?$/i; /* an address, and whose */
const ADDRESS = /^0x[0-9a-f]{1,16}$/i;
const NODE = /^[a-z]+ 0x[0-9a-f]+-0x[0-9a-f]+$/;
const DEPTH_MAX = 12;
const WHOLE = 'whole'; /* address space, in a link */

/** @param {string} search @returns {Partial<import('../lab-state.js').LabState>} */
export function stateFromUrl(search) {
  const query = new URLSearchParams(search);
  const text = (/** @type {string} */ name) => query.get(name) ?? '';
  /** @type {Partial<import('../lab-state.js').LabState>} */
  const from = {};
  const at = number(text('seq'));
  if (at !== null) from.at = at;
  const tab = text('tab');
  if (isTab(tab)) from.tab = tab;
  if (text('layout') === 'linear') from.layout = 'linear';
  if (isColour(text('colour'))) from.colour = text('colour');
  if (/^[\w-]{1,20}$/.test(text('only'))) from.focus = text('only');
  if (text('cache') && text('cache').length < 64) from.cache = text('cache');
  const bytes = PLACE.exec(text('bytes'));
  if (bytes) from.bytesAt = { address: bytes[1], pid: Number(bytes[2] ?? 0) };
  if (ADDRESS.test(text('chunk'))) from.chunk = text('chunk');
  if (ADDRESS.test(text('walk'))) from.walk = text('walk');
  const path = text('path') === WHOLE ? [] : text('path').split(',');
  if (path.length <= DEPTH_MAX && path.every((id) => NODE.test(id))) from.path = path;
  if (text('tour') === '1') from.tour = true;
  const step = number(text('step'));
  if (step !== null) from.step = step;
  const since = number(text('since'));
  if (since !== null) from.since = since;
  if (/^\w{1,32}$/.test(text('with'))) from.against = text('with');
  const pid = Number(query.get('pid'));
  if (Number.isInteger(pid) && pid > 0) from.pid = pid;
  const selection = selectionOf(text('sel'));
  if (selection) from.selection = selection;
  if (selection?.kind === 'allocation' && selection.pid) from.pid = selection.pid;
  return from;
}

/** @param {string} text */
const number = (text) => (/^\d{1,15}$/.test(text) ? Number(text) : null);

/** @param {string} text @returns {import('../types.js').Selection | null} */
function selectionOf(text) {
  const place = PLACE.exec(text);
  if (place) return { kind: 'allocation', address: place[1], pid: Number(place[2] ?? 0) };
  const frame = /^frame-(\d{1,12})$/.exec(text);
  if (frame) return { kind: 'frame', pfn: Number(frame[1]) };
  const object = /^object-(0x[0-9a-f]+)-(\d{1,12})-(.{1,63})$/i.exec(text);
  return object ? { kind: 'object', address: object[1], pfn: Number(object[2]), cache: object[3] } : null;
}

/** @param {import('../types.js').Selection} selection */
function textOfSelection(selection) {
  if (selection.kind === 'frame') return `frame-${selection.pfn}`;
  if (selection.kind === 'object') return `object-${selection.address}-${selection.pfn}-${selection.cache}`;
  return selection.address + (selection.pid ? `-${selection.pid}` : '');
}

/** What belongs to one tab stands in the link while that tab is shown. @type {Record<string, (state: import('../lab-state.js').LabState) => Record<string, unknown>>} */
const OF_TAB = {
  map: (state) => ({ only: state.focus }),
  buddy: (state) => ({ step: state.step }),
  slabs: (state) => ({ cache: state.cache }),
  heap: (state) => ({ chunk: state.chunk }),
  pagetables: (state) => ({ walk: state.walk }),
  virtual: (state) => ({ path: state.path && (state.path.join(',') || WHOLE) }),
  bytes: ({ bytesAt }) => ({ bytes: bytesAt && bytesAt.address + (bytesAt.pid ? `-${bytesAt.pid}` : '') }),
  changes: (state) => ({ since: state.since, with: state.against }),
};

/** @param {import('../lab-state.js').LabState} state */
export function urlFromState(state) {
  const query = new URLSearchParams();
  const put = (/** @type {string} */ name, /** @type {unknown} */ value) =>
    value !== null && value !== '' && value !== undefined && query.set(name, String(value));
  put('seq', state.at);
  put('tour', state.tour ? 1 : null);
  put('sel', state.selection && textOfSelection(state.selection));
  if (state.tab !== 'map') put('tab', state.tab);
  if (state.layout !== 'buddy') put('layout', state.layout);
  if (state.colour !== 'state') put('colour', state.colour);
  for (const [name, value] of Object.entries(OF_TAB[state.tab]?.(state) ?? {})) put(name, value);
  if (state.pid) put('pid', state.pid);
  const text = query.toString();
  return text ? '?' + text : '';
}
