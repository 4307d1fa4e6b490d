/* calls.js - sending operations: the form's, a release, a touch; and the rehearsal of what the form's call would do. */
import { effect } from '@preact/signals';
import { post } from '../api.js';
import { hex } from '../format.js';
import { isReadOnly, selectedAllocation } from '../lab-state.js';
import { requestOf, suggestedName } from '../model/form.js';
import { makesMemory, opInfo } from '../model/ops.js';

/** @typedef {import('../lab-session.js').Context} Context */

const PREVIEW_DELAY_MS = 250;
export const TOUCH_MAX = 1 << 20;
const WRITE_MAX = 1 << 16;

/** @param {Context} context */
export function createCalls({ store, base, complain, select }) {
  /** The request that the form makes now. @returns {Record<string, any> | null} */
  function currentRequest() {
    const state = store.peek();
    const info = state.table && opInfo(state.table.ops, state.form.op);
    if (!info || !state.table) return null;
    return requestOf(state.form, info, state.table.params, {
      pid: state.views?.pid ?? state.pid,
      name: suggestedName(state.form, state.views?.allocations ?? []),
      address: state.selection?.kind === 'allocation' ? state.selection.address : undefined,
      size: selectedAllocation(state)?.requested,
    });
  }

  /** @param {Record<string, any>} request @returns {Promise<import('../types.js').Result | null>} */
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
        nextName: request.name && info.makes ? form.nextName + 1 : form.nextName,
        values: { ...form.values, name: '' },
      },
    });
    if (result.outcome === 'ok' && result.address && info.makes) select(result.address, request.pid ?? 0);
    if (result.pid && request.op === 'spawn') store.send({ type: 'pid', pid: result.pid });
    if (store.peek().column === 'call')
      store.send({ type: 'column', column: result.outcome === 'ok' ? 'map' : 'facts' });
  }

  /** Makes a call, and selects what it made. @param {Record<string, any>} request */
  async function doThat(request) {
    const result = await send(request);
    const made = makesMemory(store.peek().table?.ops ?? [], request.op);
    if (result?.outcome === 'ok' && result.address && made) select(result.address, request.pid ?? 0);
  }

  /** Gives an allocation back by its own function. @param {import('../types.js').Allocation} a */
  function release(a) {
    /** @type {Record<string, any>} */
    const request = { op: a.release, address: a.address };
    if (a.pid) request.pid = a.pid;
    if (a.release === 'free_pages') request.order = a.order;
    if (a.release === 'munmap') request.length = a.allocated || a.requested;
    return send(request);
  }

  /** Writes 0xaa over an allocation, which touches each of its pages; at most 64 KiB an operation, 1 MiB in all.
   * @param {import('../types.js').Allocation} a */
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

  /** Whether the daemon could answer: all that the operation needs is filled in. @param {Record<string, any>} request */
  function canAsk(request) {
    const info = opInfo(store.peek().table?.ops ?? [], request.op);
    return Boolean(
      info?.needed.every(
        (name) =>
          name in request && !Number.isNaN(request[name]) && (name !== 'size' || typeof request[name] === 'number'),
      ),
    );
  }

  /** The call without a name for the new block: in the meantime somebody else may take that name. @param {Record<string, any>} request */
  function withoutNewName(request) {
    const info = opInfo(store.peek().table?.ops ?? [], request.op);
    const { name, ...rest } = request;
    return info?.needed.some((param) => param === 'address' || param === 'name') ? request : rest;
  }

  /** What the form's call would do, asked a moment after the last keystroke. */
  function watchPreview() {
    let asked = '',
      timer = 0;
    let abort = new AbortController();
    return effect(() => {
      const state = store.value;
      const isThere = state.views?.seq === state.head; /* the names in use are known */
      const request = state.table && isThere && !isReadOnly(state) ? currentRequest() : null;
      const wish =
        request && makesMemory(state.table?.ops ?? [], request.op) && canAsk(request)
          ? `${state.head} ${JSON.stringify(request)}`
          : '';
      if (wish === asked) return;
      asked = wish;
      clearTimeout(timer);
      abort.abort();
      abort = new AbortController();
      const { signal } = abort;
      if (state.preview) queueMicrotask(() => store.send({ type: 'preview', result: null }));
      if (!wish || !request) return;
      timer = window.setTimeout(() => {
        post(`${base}/ops?dry_run=true&explain=true`, withoutNewName(request), signal).then(
          (result) => wish === asked && store.send({ type: 'preview', result }),
          () => {} /* a request that is refused is explained when it is sent */,
        );
      }, PREVIEW_DELAY_MS);
    });
  }

  /** Brings the form of an operation up, with the caret in its first field. @param {string} op */
  function showCall(op) {
    store.send({ type: 'form', form: { ...store.peek().form, op } });
    store.send({ type: 'column', column: 'call' });
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector('.call .in'))?.focus());
  }
  const writeMark = () => showCall('mark');

  return { currentRequest, send, submit, doThat, release, touch, watchPreview, showCall, writeMark };
}
