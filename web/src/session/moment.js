/* moment.js - the views of the moment shown: loaded whenever the moment or the process changes, one load at a time, the newest
 * wish wins. */
import { effect } from '@preact/signals';
import { get, getBytes } from '../api.js';
import { shownSeq } from '../lab-state.js';
import { cellsFromBytes, cellsFromRuns, cellsFromTiles, countKinds, shiftFor } from '../model/cells.js';

/** @typedef {import('../lab-session.js').Context} Context */

/** @param {Context} context */
export function watchMoment({ store, base, complain }) {
  let wanted = '',
    loaded = '',
    busy = false;
  const run = async () => {
    busy = true;
    while (wanted !== loaded) {
      const doing = wanted;
      try {
        const views = await loadViews(base, store.peek());
        store.send({ type: 'views', views });
      } catch (error) {
        complain(error);
      }
      loaded = doing;
    }
    busy = false;
  };
  return effect(() => {
    const state = store.value;
    if (!state.lab) return;
    wanted = `${shownSeq(state)} ${state.pid} ${state.reconnects}`;
    if (!busy && wanted !== loaded) queueMicrotask(() => !busy && run());
  });
}

/** @param {string} base @param {import('../lab-state.js').LabState} state @returns {Promise<import('../lab-state.js').Views>} */
async function loadViews(base, state) {
  const seq = shownSeq(state);
  const at = `at=${seq}`;
  const pages = (state.lab?.memory ?? 0) / 4096;
  const [cells, allocations, vmalloc, zones, processes, op] = await Promise.all([
    loadCells(base, pages, at),
    get(`${base}/allocations?${at}&limit=1000`),
    get(`${base}/vmalloc?${at}`),
    get(`${base}/zones?${at}`),
    get(`${base}/processes?${at}`),
    seq > 0 ? get(`${base}/ops/${seq}?explain=true`).catch(() => null) : null,
  ]);
  const list = /** @type {import('../types.js').Process[]} */ (processes.processes);
  const pid = list.some((p) => p.pid === state.pid) ? state.pid : (list[list.length - 1]?.pid ?? 0);
  const maps = pid ? (await get(`${base}/processes/${pid}/maps?${at}`)).maps : [];
  return {
    seq,
    cells,
    allocations: allocations.allocations,
    more: Boolean(allocations.next),
    vmalloc,
    zones: zones.zones,
    processes: list,
    pid,
    maps,
    op,
    counts: countKinds(cells),
  };
}

/** @param {string} base @param {number} pages @param {string} at */
async function loadCells(base, pages, at) {
  const seq = Number(at.slice(3));
  const shift = shiftFor(pages);
  if (shift) return cellsFromTiles(await get(`${base}/frames?${at}&lod=${shift}`));
  const raw = await getBytes(`${base}/frames?${at}`);
  return raw[0] === 0x7b ? cellsFromRuns(JSON.parse(new TextDecoder().decode(raw))) : cellsFromBytes(raw, seq);
}
