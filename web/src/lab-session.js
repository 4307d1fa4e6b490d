/* lab-session.js - everything a lab page does with the world: opening a lab, following it live, and keeping the address in
 * step; the parts in session/ load moments and history, send operations, and move in time. It draws nothing. */
import { effect, signal } from '@preact/signals';
import { learnRules, follow, get, post, problemOf } from './api.js';
import { initialState, reduce, shownSeq } from './lab-state.js';
import { stateFromUrl, urlFromState } from './model/url.js';
import { createCalls } from './session/calls.js';
import { watchHistory } from './session/history.js';
import { createImporter } from './session/importer.js';
import { watchMoment } from './session/moment.js';
import { createMoves, watchMade, watchPlay, watchSelection } from './session/moves.js';
import { createOwners, watchSought } from './session/owners.js';
import { createStore } from './store.js';
import { visible } from './visible.js';

/** @typedef {ReturnType<typeof openLab>} Session */
/** @typedef {{ store: ReturnType<typeof createStore<import('./lab-state.js').LabState, import('./lab-state.js').Action>>, base: string, complain: (error: unknown) => void, select: (address: string, pid: number) => void }} Context what the parts of a session share */

const ADDRESS_MS = 200;

/** @param {string} id */
export function openLab(id) {
  const store = createStore(reduce, initialState(id, stateFromUrl(location.search)));
  const base = `/labs/${encodeURIComponent(id)}`;
  /** The frame under the pointer or the map's cursor; its own signal, since it changes with every movement. */
  const hover = signal(/** @type {number | null} */ (null));
  const stops = /** @type {(() => void)[]} */ ([]);
  /** How often the connection opened or broke. */
  let turns = 0;
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
  const owners = createOwners(context);
  const importer = createImporter(context);

  async function start() {
    try {
      const [lab, profiles, table] = await Promise.all([get(base), get('/profiles'), get('/ops')]);
      learnRules(lab.engine.now);
      store.send({
        type: 'opened',
        lab,
        table,
        profile: profiles.profiles.find((/** @type {any} */ p) => p.name === lab.profile) ?? null,
      });
      document.title = visible(`${lab.name || lab.id} · Pagoda`);
    } catch (error) {
      store.send({ type: 'failed', problem: problemOf(error) });
      return;
    }
    stops.push(follow(id, { onOp: moved, onState: connected, onImport: importer.heard }));
    stops.push(
      watchMoment(context),
      watchHistory(context),
      watchUrl(),
      calls.watchPreview(),
      watchSelection(context),
      watchSought(context),
      watchMade(context),
      watchPlay(context),
    );
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

  /** After a lost connection the daemon may be another one. @param {boolean} open */
  async function connected(open) {
    const turn = ++turns;
    if (open && store.peek().connection === 'lost') {
      try {
        const lab = await get(base);
        if (isOfOtherRules(lab)) return location.reload();
        moved(lab);
      } catch (error) {
        complain(error);
      }
      if (turn !== turns) return; /* lost once more meanwhile */
    }
    store.send({ type: 'connection', connection: open ? 'live' : 'lost' });
  }

  /** Whether other rules than before are those of today. Then nothing that the page knows need hold. @param {import('./types.js').LabInfo} lab */
  function isOfOtherRules({ engine }) {
    const known = store.peek().lab?.engine;
    return known?.now !== engine.now || known.differs_at !== engine.differs_at;
  }

  /** Browsers refuse more than some hundred changes of the address in half a minute. */
  function watchUrl() {
    let timer = 0,
      wrote = -Infinity;
    const write = () => {
      timer = 0;
      const search = urlFromState(store.peek());
      if (search === location.search) return;
      wrote = performance.now();
      history.replaceState(null, '', location.pathname + search);
    };
    const stop = effect(() => {
      if (urlFromState(store.value) === location.search || timer) return;
      const rest = wrote + ADDRESS_MS - performance.now();
      if (rest <= 0) write();
      else timer = window.setTimeout(write, rest);
    });
    return () => (clearTimeout(timer), stop());
  }

  async function forkHere() {
    try {
      const state = store.peek();
      const lab = await post(`${base}/fork`, { at: shownSeq(state) });
      location.assign(`/lab/${lab.id}${urlFromState({ ...state, at: null, since: null, against: '' })}`);
    } catch (error) {
      complain(error);
    }
  }

  /** A lab of the same operations under today's rules, which are opened at once. */
  async function rerun() {
    store.send({ type: 'sending' });
    try {
      const lab = await post(`${base}/rerun`, {});
      location.assign(`/lab/${lab.id}`);
    } catch (error) {
      complain(error);
    }
  }

  /** A link to exactly this picture. */
  async function share() {
    const url = new URL(location.pathname + urlFromState(store.peek()), location.href);
    url.searchParams.set('seq', String(shownSeq(store.peek())));
    await navigator.clipboard?.writeText(url.href).catch(() => {});
    store.send({ type: 'notice', text: 'Link copied' });
  }

  start();
  return {
    id,
    base,
    store,
    hover,
    importer,
    select,
    forkHere,
    rerun,
    share,
    ...calls,
    ...moves,
    ...owners,
    close: () => stops.forEach((stop) => stop()),
  };
}
