/* owners.js - who holds an address or a frame, asked of the daemon: the list of allocations that the page has is cut after the
 * first thousand, so that nothing follows from what is not in it. */
import { effect } from '@preact/signals';
import { get } from '../api.js';
import { selectedAllocation, soughtSelection } from '../lab-state.js';
import { FREE, KIND_BY_NAME, PCP } from '../kinds.js';
import { cellAt } from '../model/cells.js';
import { ownerOfFrame } from '../model/inspector.js';

/** @typedef {import('../lab-session.js').Context} Context */

/** @param {string} base @param {import('../types.js').Selection | null} selection @param {number} seq @returns {Promise<import('../types.js').Sought | null>} */
export async function seek(base, selection, seq) {
  if (selection?.kind !== 'allocation') return null;
  const { address, pid } = selection;
  const answer = await get(`${base}/allocations?address=${address}&pid=${pid}&at=${seq}`);
  return { seq, address, pid, holder: answer.allocations[0] ?? null, pages_of: answer.page_array_of };
}

/** Asks for what is selected, when the list does not have all of it. @param {Context} context */
export function watchSought({ store, base, complain }) {
  let asked = '';
  return effect(() => {
    const state = store.value;
    const { selection, views } = state;
    if (selection?.kind !== 'allocation' || !views || soughtSelection(state)) return;
    const a = selectedAllocation(state);
    const key = `${views.seq} ${selection.address} ${selection.pid}`;
    if ((a && !a.frames_cut) || key === asked) return;
    asked = key;
    seek(base, selection, views.seq).then((sought) => sought && store.send({ type: 'sought', sought }), complain);
  });
}

/** Kinds of frames that no caller can own. */
const UNOWNED = [FREE, PCP, KIND_BY_NAME.none.id, KIND_BY_NAME.reserved.id];

/** @param {Context} context */
export function createOwners({ store, base, complain, select }) {
  /** The live allocation that has bytes in a frame. @param {number} pfn @returns {Promise<import('../types.js').Allocation | null>} */
  async function ownerOf(pfn) {
    const { views } = store.peek();
    if (!views) return null;
    const known = ownerOfFrame(pfn, views.allocations);
    const isFree = !views.cells.shift && UNOWNED.includes(cellAt(views.cells, pfn).kind.id);
    if (known || isFree) return known;
    return (await get(`${base}/frames/${pfn}?at=${views.seq}`)).allocation;
  }

  /** Selects what owns a frame; when it is selected already, or nobody is, the frame itself. @param {number} pfn */
  function pickFrame(pfn) {
    ownerOf(pfn).then((owner) => {
      const { selection } = store.peek();
      const isSelected = selection?.kind === 'allocation' && selection.address === owner?.address;
      if (owner && !isSelected) select(owner.address, owner.pid ?? 0);
      else store.send({ type: 'select', selection: { kind: 'frame', pfn } });
    }, complain);
  }

  /** @param {number} pfn */
  function toOwner(pfn) {
    ownerOf(pfn).then((owner) => {
      if (owner) select(owner.address, owner.pid ?? 0);
      else store.send({ type: 'notice', text: 'No live allocation owns this frame' });
    }, complain);
  }

  /** The virtual side of a frame: the walk to the allocation that it backs, else the frame itself. @param {number} pfn */
  function toMapping(pfn) {
    ownerOf(pfn).then((owner) => {
      if (!owner) return store.send({ type: 'select', selection: { kind: 'frame', pfn } });
      select(owner.address, owner.pid ?? 0);
      store.send({ type: 'tab', tab: 'pagetables' });
    }, complain);
  }
  return { ownerOf, pickFrame, toOwner, toMapping };
}
