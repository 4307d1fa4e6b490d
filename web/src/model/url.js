/* url.js - what a link carries: moment, selection, tab, layout, colours, process. A link restores what its sender saw. */
import { isColour, isTab } from '../tabs.js';

/** @param {string} search @returns {Partial<import('../lab-state.js').LabState>} */
export function stateFromUrl(search) {
  const query = new URLSearchParams(search);
  /** @type {Partial<import('../lab-state.js').LabState>} */
  const from = {};
  const at = query.get('seq');
  if (at && /^\d+$/.test(at)) from.at = Number(at);
  const tab = query.get('tab');
  if (tab && isTab(tab)) from.tab = tab;
  if (query.get('layout') === 'linear') from.layout = 'linear';
  const colour = query.get('colour');
  if (colour && isColour(colour)) from.colour = colour;
  const cache = query.get('cache');
  if (cache && cache.length < 64) from.cache = cache;
  const bytes = /^(0x[0-9a-f]+)(?:-(\d+))?$/i.exec(query.get('bytes') ?? '');
  if (bytes) from.bytesAt = { address: bytes[1], pid: Number(bytes[2] ?? 0) };
  const pid = Number(query.get('pid'));
  if (Number.isInteger(pid) && pid > 0) from.pid = pid;
  const address = /^(0x[0-9a-f]+)(?:-(\d+))?$/i.exec(query.get('sel') ?? '');
  if (address) from.selection = { kind: 'allocation', address: address[1], pid: Number(address[2] ?? 0) };
  const pfn = /^frame-(\d+)$/.exec(query.get('sel') ?? '');
  if (pfn) from.selection = { kind: 'frame', pfn: Number(pfn[1]) };
  return from;
}

/** @param {import('../lab-state.js').LabState} state */
export function urlFromState(state) {
  const query = new URLSearchParams();
  if (state.at !== null) query.set('seq', String(state.at));
  if (state.selection?.kind === 'allocation')
    query.set('sel', state.selection.address + (state.selection.pid ? `-${state.selection.pid}` : ''));
  if (state.selection?.kind === 'frame') query.set('sel', `frame-${state.selection.pfn}`);
  if (state.tab !== 'map') query.set('tab', state.tab);
  if (state.layout !== 'buddy') query.set('layout', state.layout);
  if (state.colour !== 'state') query.set('colour', state.colour);
  if (state.cache && state.tab === 'slabs') query.set('cache', state.cache);
  if (state.bytesAt && state.tab === 'bytes') query.set('bytes', state.bytesAt.address + (state.bytesAt.pid ? `-${state.bytesAt.pid}` : ''));
  if (state.pid) query.set('pid', String(state.pid));
  const text = query.toString();
  return text ? '?' + text : '';
}
