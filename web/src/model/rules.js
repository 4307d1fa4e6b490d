/* rules.js - what is said of a lab whose recorded results are not those of today's rules. */
import { count } from '../format.js';
import { differsAt, isPast, lastSeq } from '../lab-state.js';

/** @typedef {import('../lab-state.js').LabState} LabState */

/** The notice above the lab. Null: today's rules give what was recorded. @param {LabState} state @returns {string | null} */
export function rulesNotice(state) {
  const at = differsAt(state);
  if (!state.lab || at === null) return null;
  const { made, now } = state.lab.engine;
  return [
    `This lab was recorded under rules revision ${made}.`,
    `Operation ${count(at)} gives another result under today’s revision ${now}.`,
    `What you see stops before it, at operation ${count(lastSeq(state))} of ${count(state.head)}.`,
    'The lab is read-only; its log and exports keep every result as recorded.',
  ].join(' ');
}

/** Why no operation can be sent, for a button. Null: it can be sent. @param {LabState} state @returns {string | null} */
export function whyReadOnly(state) {
  if (differsAt(state) !== null) return 'Read-only: other rules';
  return isPast(state) ? 'Read-only: the past' : null;
}

/** The share of the history that has moments to show, from its beginning. @param {LabState} state */
export const shownShare = (state) => (state.head ? lastSeq(state) / state.head : 1);
