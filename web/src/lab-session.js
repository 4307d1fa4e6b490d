/* lab-session.js - everything a lab page does with the world: opening, loading the moment shown, following the lab live,
 * sending operations, playing, and keeping the address in step. It reads the state and sends actions; it draws nothing. */
import { effect, signal } from '@preact/signals';
import { hex } from './format.js';
import { follow, get, getBytes, post, problemOf } from './api.js';
import { initialState, isPast, reduce, selectedAllocation, shownSeq } from './lab-state.js';
import { cellsFromBytes, cellsFromRuns, cellsFromTiles, countKinds, shiftFor } from './model/cells.js';
import { makesMemory, opInfo, requestOf, suggestedName } from './model/form.js';
import { stateFromUrl, urlFromState } from './model/url.js';
import { createStore } from './store.js';

/** @typedef {ReturnType<typeof openLab>} Session */

const PREVIEW_DELAY_MS = 250;
const POINTS = 512;
const OPS_SHOWN = 1000;
export const TOUCH_MAX = 1 << 20;
const WRITE_MAX = 1 << 16;

/** A long history is sampled once; after that, only what was added is asked for. @param {import('./types.js').Point[]} known @param {number} head */
const continues = (known, head) =>
  known.length > 0 && known.length < 2 * POINTS && head > known[known.length - 1].seq && head - known[known.length - 1].seq <= POINTS;

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

  async function start() {
    try {
      const [lab, profiles, table] = await Promise.all([get(base), get('/profiles'), get('/ops')]);
      store.send({ type: 'opened', lab, table, profile: profiles.profiles.find((/** @type {any} */ p) => p.name === lab.profile) ?? null });
      document.title = `${lab.name || lab.id} · Pagoda`;
    } catch (error) {
      store.send({ type: 'failed', problem: problemOf(error) });
      return;
    }
    stops.push(follow(id, { onOp: moved, onState: connected }));
    stops.push(watchMoment(), watchHistory(), watchUrl(), watchPreview(), watchSelection(), watchPlay());
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

  /** Loads the views whenever the moment or the process changes; one load at a time, the newest wish wins. */
  function watchMoment() {
    let wanted = '',
      loaded = '',
      busy = false;
    const run = async () => {
      busy = true;
      while (wanted !== loaded) {
        const doing = wanted;
        try {
          const views = await loadViews(store.peek());
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

  /** @param {import('./lab-state.js').LabState} state @returns {Promise<import('./lab-state.js').Views>} */
  async function loadViews(state) {
    const seq = shownSeq(state);
    const at = `at=${seq}`;
    const pages = (state.lab?.memory ?? 0) / 4096;
    const [cells, allocations, vmalloc, zones, processes, op] = await Promise.all([
      loadCells(pages, at),
      get(`${base}/allocations?${at}&limit=1000`),
      get(`${base}/vmalloc?${at}`),
      get(`${base}/zones?${at}`),
      get(`${base}/processes?${at}`),
      seq > 0 ? get(`${base}/ops/${seq}?explain=true`).catch(() => null) : null,
    ]);
    const list = /** @type {import('./types.js').Process[]} */ (processes.processes);
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

  /** @param {number} pages @param {string} at */
  async function loadCells(pages, at) {
    const seq = Number(at.slice(3));
    const shift = shiftFor(pages);
    if (shift) return cellsFromTiles(await get(`${base}/frames?${at}&lod=${shift}`));
    const raw = await getBytes(`${base}/frames?${at}`);
    return raw[0] === 0x7b ? cellsFromRuns(JSON.parse(new TextDecoder().decode(raw))) : cellsFromBytes(raw, seq);
  }

  /** The timeline's series follows the head, at leisure. */
  function watchHistory() {
    let seen = -1,
      timer = 0;
    const load = async () => {
      timer = 0;
      const head = (seen = store.peek().head);
      try {
        const known = store.peek().points;
        const from = continues(known, head) ? known[known.length - 1].seq + 1 : 0;
        const [stats, ops] = await Promise.all([
          get(`${base}/stats?from=${from}&to=${head}&points=${POINTS}`),
          head ? get(`${base}/ops?from=${Math.max(1, head - OPS_SHOWN + 1)}&limit=${OPS_SHOWN}`) : { ops: [] },
        ]);
        store.send({ type: 'series', points: from ? [...known, ...stats.points] : stats.points, ops: ops.ops });
      } catch (error) {
        complain(error);
      }
    };
    return effect(() => {
      if (store.value.head !== seen && !timer) timer = window.setTimeout(load, seen < 0 ? 0 : 60);
    });
  }

  function watchUrl() {
    return effect(() => {
      const search = urlFromState(store.value);
      if (search !== location.search) history.replaceState(null, '', location.pathname + search);
    });
  }

  /** What the form's call would do, asked a moment after the last keystroke. */
  function watchPreview() {
    let asked = '',
      timer = 0;
    let abort = new AbortController();
    return effect(() => {
      const state = store.value;
      const request = state.table && state.views && !isPast(state) ? currentRequest() : null;
      const wish = request && makesMemory(request.op) && canAsk(request) ? `${state.head} ${JSON.stringify(request)}` : '';
      if (wish === asked) return;
      asked = wish;
      clearTimeout(timer);
      abort.abort();
      abort = new AbortController();
      const { signal } = abort;
      if (state.preview) queueMicrotask(() => store.send({ type: 'preview', result: null }));
      if (!wish) return;
      timer = window.setTimeout(() => {
        post(`${base}/ops?dry_run=true`, request, signal).then(
          (result) => wish === asked && store.send({ type: 'preview', result }),
          () => {} /* a request that is refused is explained when it is sent */,
        );
      }, PREVIEW_DELAY_MS);
    });
  }

  /** Not worth asking: the daemon would answer with a problem. @param {Record<string, any>} request */
  function canAsk(request) {
    const info = opInfo(store.peek().table?.ops ?? [], request.op);
    return Boolean(
      info?.needed.every(
        (name) => name in request && !Number.isNaN(request[name]) && (name !== 'size' || typeof request[name] === 'number'),
      ),
    );
  }

  /** The operation that made the selected allocation, for cost and decisions. */
  function watchSelection() {
    let asked = 0;
    return effect(() => {
      const a = selectedAllocation(store.value);
      if ((a?.seq ?? 0) === asked) return;
      asked = a?.seq ?? 0;
      if (!asked) return;
      const seq = asked;
      get(`${base}/ops/${seq}?explain=true`).then(
        (result) => seq === asked && store.send({ type: 'explained', result }),
        () => {},
      );
    });
  }

  function watchPlay() {
    let timer = 0;
    const stop = effect(() => {
      const { playing, speed } = store.value;
      clearInterval(timer);
      if (!playing) return;
      timer = window.setInterval(() => {
        const state = store.peek();
        if (state.views && state.views.seq !== shownSeq(state)) return; /* the picture has not caught up */
        if (shownSeq(state) >= state.head) store.send({ type: 'live' });
        else store.send({ type: 'seek', seq: shownSeq(state) + 1, playing: true });
      }, 1000 / speed);
    });
    return () => (clearInterval(timer), stop());
  }

  /** The request that the form makes now. @returns {Record<string, any> | null} */
  function currentRequest() {
    const state = store.peek();
    const info = state.table && opInfo(state.table.ops, state.form.op);
    if (!info || !state.table) return null;
    return requestOf(state.form, info, state.table.params, {
      pid: state.views?.pid ?? state.pid,
      name: suggestedName(state.form, state.views?.allocations ?? []),
      address: state.selection?.kind === 'allocation' ? state.selection.address : undefined,
    });
  }

  /** @param {Record<string, any>} request @returns {Promise<import('./types.js').Result | null>} */
  async function send(request) {
    store.send({ type: 'sending' });
    try {
      const result = await post(`${base}/ops?explain=true`, request);
      store.send({ type: 'sent' });
      store.send({ type: 'head', seq: result.seq, now_ns: result.now_ns });
      store.send({ type: 'live' });
      return result;
    } catch (error) {
      complain(error);
      return null;
    }
  }

  /** Sends the form's call; a user-space call without a process spawns one first. */
  async function submit() {
    let request = currentRequest();
    const state = store.peek();
    const info = state.table && opInfo(state.table.ops, state.form.op);
    if (!request || !info) return;
    if (info.needed.includes('pid') && !request.pid) {
      const spawned = await send({ op: 'spawn', name: 'demo' });
      if (!spawned?.pid) return;
      store.send({ type: 'pid', pid: spawned.pid });
      request = { ...request, pid: spawned.pid };
    }
    const result = await send(request);
    if (!result) return;
    const { form } = store.peek();
    store.send({
      type: 'form',
      form: {
        ...form,
        nextName: request.name && makesMemory(request.op) ? form.nextName + 1 : form.nextName,
        values: { ...form.values, name: '' },
      },
    });
    if (result.outcome === 'ok' && result.address && makesMemory(request.op)) select(result.address, request.pid ?? 0);
    if (result.pid && request.op === 'spawn') store.send({ type: 'pid', pid: result.pid });
  }

  /** Gives an allocation back by its own function. @param {import('./types.js').Allocation} a */
  function release(a) {
    /** @type {Record<string, any>} */
    const request = { op: a.release, address: a.address };
    if (a.pid) request.pid = a.pid;
    if (a.release === 'free_pages') request.order = a.order;
    if (a.release === 'munmap') request.length = a.allocated || a.requested;
    return send(request);
  }

  /** Writes 0xaa over an allocation, which touches each of its pages; at most 64 KiB an operation, 1 MiB in all.
   * @param {import('./types.js').Allocation} a */
  async function touch(a) {
    const end = Math.min(a.requested, TOUCH_MAX);
    for (let done = 0; done < end; done += WRITE_MAX) {
      const address = hex(BigInt(a.address) + BigInt(done));
      const result = await send({
        op: 'write',
        address,
        fill: 0xaa,
        length: Math.min(WRITE_MAX, end - done),
        ...(a.pid ? { pid: a.pid } : {}),
      });
      if (!result || result.outcome !== 'ok') return;
    }
  }

  /** @param {string} address @param {number} pid */
  function select(address, pid) {
    store.send({ type: 'select', selection: { kind: 'allocation', address, pid } });
  }

  async function forkHere() {
    try {
      const lab = await post(`${base}/fork`, { at: shownSeq(store.peek()) });
      location.assign(`/lab/${lab.id}`);
    } catch (error) {
      complain(error);
    }
  }

  start();
  return {
    id,
    base,
    store,
    hover,
    send,
    submit,
    release,
    touch,
    select,
    forkHere,
    currentRequest,
    close: () => stops.forEach((stop) => stop()),
  };
}
