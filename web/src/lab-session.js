/* lab-session.js - everything a lab page does with the world: opening a lab, following it live, and keeping the address in
 * step; the parts in session/ load moments and history, send operations, and move in time. It draws nothing. */
import { effect, signal } from '@preact/signals';
import { follow, get, post, problemOf } from './api.js';
import { initialState, reduce, shownSeq } from './lab-state.js';
import { stateFromUrl, urlFromState } from './model/url.js';
import { createCalls } from './session/calls.js';
import { watchHistory } from './session/history.js';
import { createImporter } from './session/importer.js';
import { watchMoment } from './session/moment.js';
import { createMoves, watchPlay, watchSelection } from './session/moves.js';
import { createStore } from './store.js';

/** @typedef {ReturnType<typeof openLab>} Session */
/** @typedef {{ store: ReturnType<typeof createStore<import('./lab-state.js').LabState, import('./lab-state.js').Action>>, base: string, complain: (error: unknown) => void, select: (address: string, pid: number) => void }} Context what the parts of a session share */

/** @param {string} id */
export function openLab(id) {
  const store = createStore(reduce, initialState(id, stateFromUrl(location.search)));
  const base = `/labs/${encodeURIComponent(id)}`;
  /** The frame under the pointer or the map's cursor; its own signal, since it changes with every movement. */
  const hover = signal(/** @type {number | null} */ (null));
  const stops = /** @type {(() => void)[]} */ ([]);
  /** The newest operation heard of, until the next animation frame. */
  let latest = /** @type {{ seq: number, now_ns: number } | null} */ (null);

  /** @param {unknown} error */
  const complain = (error) => {
    if (error instanceof DOMException && error.name === 'AbortError') return;
    store.send({ type: 'refused', problem: problemOf(error) });
  };
  /** @param {string} address @param {number} pid */
  const select = (address, pid) => store.send({ type: 'select', selection: { kind: 'allocation', address, pid } });
  /** @type {Context} */
  const context = { store, base, complain, select };
  const calls = createCalls(context);
  const moves = createMoves(context);
  const importer = createImporter(context);

  async function start() {
    try {
      const [lab, profiles, table] = await Promise.all([get(base), get('/profiles'), get('/ops')]);
      store.send({ type: 'opened', lab, table, profile: profiles.profiles.find((/** @type {any} */ p) => p.name === lab.profile) ?? null });
      document.title = `${lab.name || lab.id} · Pagoda`;
    } catch (error) {
      store.send({ type: 'failed', problem: problemOf(error) });
      return;
    }
    stops.push(follow(id, { onOp: moved, onState: connected, onImport: importer.heard }));
    stops.push(watchMoment(context), watchHistory(context), watchUrl(), calls.watchPreview(), watchSelection(context), watchPlay(context));
  }

  /** Operations may come by the thousand: the page moves once a frame. @param {{ seq: number, now_ns: number }} result */
  function moved(result) {
    if (!latest)
      requestAnimationFrame(() => {
        if (latest) store.send({ type: 'head', ...latest });
        latest = null;
      });
    latest = { seq: result.seq, now_ns: result.now_ns };
  }

  /** @param {boolean} open */
  function connected(open) {
    const was = store.peek().connection;
    store.send({ type: 'connection', connection: open ? 'live' : 'lost' });
    if (open && was === 'lost') get(base).then(moved, complain);
  }

  function watchUrl() {
    return effect(() => {
      const search = urlFromState(store.value);
      if (search !== location.search) history.replaceState(null, '', location.pathname + search);
    });
  }

  async function forkHere() {
    try {
      const lab = await post(`${base}/fork`, { at: shownSeq(store.peek()) });
      location.assign(`/lab/${lab.id}`);
    } catch (error) {
      complain(error);
    }
  }

  /** A link to exactly this picture. */
  async function share() {
    const url = new URL(location.href);
    url.searchParams.set('seq', String(shownSeq(store.peek())));
    await navigator.clipboard?.writeText(url.href).catch(() => {});
    store.send({ type: 'notice', text: 'Link copied' });
  }

  start();
  return { id, base, store, hover, importer, select, forkHere, share, ...calls, ...moves, close: () => stops.forEach((stop) => stop()) };
}
