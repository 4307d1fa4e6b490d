/* moment.js - the views of the moment shown: loaded whenever the moment or the process changes, one load at a time, the newest
 * wish wins. While the lab runs ahead of the page, it is looked at now and then only, and without the story of each operation. */
import { effect } from '@preact/signals';
import { get, getBytes } from '../api.js';
import { shownSeq, withSought } from '../lab-state.js';
import { cellsFromBytes, cellsFromRuns, cellsFromTiles, countKinds, shiftFor } from '../model/cells.js';
import { seek } from './owners.js';
import { createPace } from './pace.js';
import { PAGE_SIZE } from '../model/page.js';

/** @typedef {import('../lab-session.js').Context} Context */

const RUSH = 100; /* operations between two looks: more than anybody can read */

/** @param {Context} context */
export function watchMoment({ store, base, complain }) {
  let wanted = '',
    loaded = '',
    busy = false,
    last = 0;
  let wake = () => {};
  const pace = createPace();
  const keyOf = (/** @type {import('../lab-state.js').LabState} */ state, pid = state.pid) =>
    `${shownSeq(state)} ${pid} ${state.reconnects}`;

  /** Waits until the next picture is due. A moment of the past is loaded at once. @param {boolean} isRush */
  const turn = async (isRush) => {
    const ms = store.peek().at === null ? pace.rest(isRush) : 0;
    if (!ms) return;
    await new Promise((done) => {
      const timer = window.setTimeout(done, ms);
      wake = () => (clearTimeout(timer), done(null));
    });
    wake = () => {};
  };
  const isRush = () => {
    const { at, head } = store.peek();
    return at === null && last > 0 && head - last > RUSH;
  };
  const run = async () => {
    busy = true;
    let untold = false;
    while (wanted !== loaded || untold) {
      await turn(isRush());
      const state = store.peek();
      untold = isRush();
      pace.begin();
      loaded = keyOf(state);
      last = shownSeq(state);
      try {
        const views = await loadViews(base, state, !untold);
        loaded = keyOf(state, views.pid);
        if (wanted === keyOf(state)) wanted = loaded;
        store.send({ type: 'views', views, asked: state.pid });
      } catch (error) {
        complain(error);
      }
      pace.end();
    }
    busy = false;
  };
  const stop = effect(() => {
    const state = store.value;
    if (!state.lab) return;
    wanted = keyOf(state);
    if (state.at !== null) wake();
    if (!busy && wanted !== loaded) queueMicrotask(() => !busy && run());
  });
  return () => (wake(), stop());
}

/** @param {string} base @param {import('../lab-state.js').LabState} state @param {boolean} withStory what the operation did, too @returns {Promise<import('../lab-state.js').Views>} */
async function loadViews(base, state, withStory) {
  const seq = shownSeq(state);
  const at = `at=${seq}`;
  const pages = (state.lab?.memory ?? 0) / PAGE_SIZE;
  const isCut = mayBeCut(state.views);
  const [cells, allocations, vmalloc, zones, processes, op, sought, stats] = await Promise.all([
    loadCells(base, pages, at),
    get(`${base}/allocations?${at}&limit=1000`),
    get(`${base}/vmalloc?${at}`),
    get(`${base}/zones?${at}`),
    get(`${base}/processes?${at}`),
    seq > 0 && withStory ? get(`${base}/ops/${seq}?explain=true`).catch(() => null) : null,
    isCut ? seek(base, state.selection, seq) : null,
    isCut ? get(`${base}/stats?${at}`) : null,
  ]);
  const nrListed = allocations.allocations.length;
  const nrLive = allocations.next ? (stats ?? (await get(`${base}/stats?${at}`))).nr_allocations : nrListed;
  const list = /** @type {import('../types.js').Process[]} */ (processes.processes);
  const pid = list.some((p) => p.pid === state.pid) ? state.pid : (list[list.length - 1]?.pid ?? 0);
  const maps = pid ? (await get(`${base}/processes/${pid}/maps?${at}`)).maps : [];
  const views = {
    seq,
    cells,
    allocations: allocations.allocations,
    more: Boolean(allocations.next),
    nr_live: nrLive,
    sought: null,
    vmalloc,
    zones: zones.zones,
    processes: list,
    pid,
    maps,
    op,
    counts: countKinds(cells),
  };
  return withSought(views, sought);
}

/** Whether the list of allocations may lack the selected one, or some of its frames: as it did at the moment before.
 * @param {import('../lab-state.js').Views | null} views of that moment */
const mayBeCut = (views) => views === null || views.more || views.sought !== null;

/** @param {string} base @param {number} pages @param {string} at */
async function loadCells(base, pages, at) {
  const seq = Number(at.slice(3));
  const shift = shiftFor(pages);
  if (shift) return cellsFromTiles(await get(`${base}/frames?${at}&lod=${shift}`));
  const raw = await getBytes(`${base}/frames?${at}`);
  return raw[0] === 0x7b ? cellsFromRuns(JSON.parse(new TextDecoder().decode(raw))) : cellsFromBytes(raw, seq);
}
