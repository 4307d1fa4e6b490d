/* moves.js - moving in time: playing, the next failure, the next event of what is selected; and the story of the selection. */
import { effect } from '@preact/signals';
import { get } from '../api.js';
import { count } from '../format.js';
import { differsAt, lastSeq, selectedAllocation, shownSeq } from '../lab-state.js';
import { eventsOf } from '../model/touched.js';
import { madeBy } from '../model/made.js';
import { tourSteps, tourStepAt } from '../model/tour.js';
import { buddyEvents, buddyOperation } from '../model/buddy.js';
import { markBeside } from '../model/timeline.js';
import { findNextFailure } from './history.js';

/** @typedef {import('../lab-session.js').Context} Context */

/** @param {Context} context */
export function watchPlay({ store }) {
  let timer = 0;
  const stop = effect(() => {
    const { playing, speed } = store.value;
    clearInterval(timer);
    if (!playing) return;
    timer = window.setInterval(() => {
      const state = store.peek();
      if (state.views && state.views.seq !== shownSeq(state)) return; /* the picture has not caught up */
      if (shownSeq(state) >= lastSeq(state)) store.send({ type: 'live' });
      else store.send({ type: 'seek', seq: shownSeq(state) + 1, playing: true });
    }, 1000 / speed);
  });
  return () => (clearInterval(timer), stop());
}

/** While a history is played or a tour is walked, each step points at what it made. @param {Context} context */
export function watchMade({ store }) {
  let told = -1;
  return effect(() => {
    const { views, playing, tour, table } = store.value;
    if (!views || views.seq === told || !(playing || tour)) return;
    told = views.seq;
    const selection = madeBy(views.op, table?.ops ?? [], views.allocations);
    if (selection) queueMicrotask(() => store.send({ type: 'select', selection }));
  });
}

/** The operation that made the selected allocation, for cost and decisions. @param {Context} context */
export function watchSelection({ store, base }) {
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

/** The page has the last operations of the log, not all of it. @param {import('../types.js').OpRow[]} ops @param {1 | -1} by */
const noEvent = (ops, by) =>
  `No ${by > 0 ? 'later' : 'earlier'} operation ${(ops[0]?.seq ?? 1) > 1 ? `among the last ${count(ops.length)} ` : ''}names the selection`;

/** @param {Context} context */
export function createMoves(context) {
  const { store, complain } = context;
  const say = (/** @type {string} */ text) => store.send({ type: 'notice', text });
  /** Shows an operation and says why; one whose moment cannot be shown is only told of. @param {number} seq @param {string} why */
  const show = (seq, why) => {
    if (seq > lastSeq(store.peek()))
      return say(`${why}; it is recorded, but not shown: results differ from operation ${differsAt(store.peek())} on`);
    store.send({ type: 'seek', seq });
    say(why);
  };

  async function nextFailure() {
    const seq = shownSeq(store.peek());
    try {
      const found = await findNextFailure(context, seq);
      if (found === null) say(`No failure after operation ${seq}`);
      else show(found, `Operation ${found} failed`);
    } catch (error) {
      complain(error);
    }
  }

  /** @param {1 | -1} by */
  function nextMark(by) {
    const mark = markBeside(store.peek().marks, shownSeq(store.peek()), by);
    if (!mark) return say(`No ${by > 0 ? 'later' : 'earlier'} mark`);
    show(mark.seq, `Operation ${mark.seq}: ${mark.text}`);
  }

  /** On the Buddy tab one split or merge of the operation shown; elsewhere the next operation that touched the selection.
   * @param {1 | -1} by */
  function nextEvent(by) {
    const state = store.peek();
    if (state.tab === 'buddy') stepEvent(by);
    else stepObject(by);
  }

  /** @param {1 | -1} by */
  function stepEvent(by) {
    const { step } = store.peek();
    const nr = buddyEvents(buddyOperation(store.peek())).length;
    if (!nr) return say('The operation split and merged nothing');
    const next = step === null ? (by > 0 ? 0 : nr - 1) : step + by;
    store.send({ type: 'step', step: next < 0 || next >= nr ? null : next });
  }

  /** @param {1 | -1} by */
  function stepObject(by) {
    const state = store.peek();
    if (!state.selection) return say('Nothing is selected');
    const seqs = eventsOf(state.selection, state.ops, state.profile?.page_offset ?? null, selectedAllocation(state));
    const here = shownSeq(state);
    const next = by > 0 ? seqs.find((seq) => seq > here) : seqs.filter((seq) => seq < here).pop();
    if (next === undefined) return say(noEvent(state.ops, by));
    show(next, `Operation ${next}, which names the selection`);
  }

  /** The step of the tour beside the one shown; beyond the last the tour ends. @param {1 | -1} by */
  function stepTour(by) {
    const state = store.peek();
    const steps = tourSteps(state.marks);
    const next = tourStepAt(steps, shownSeq(state)) + by;
    if (next < steps.length) store.send({ type: 'seek', seq: steps[Math.max(0, next)].seq });
    else endTour();
  }
  const endTour = () => {
    store.send({ type: 'tour', on: false });
    store.send({ type: 'live' });
  };

  return { nextFailure, nextMark, nextEvent, stepTour, endTour };
}
