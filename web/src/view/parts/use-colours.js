/* use-colours.js - the colouring of the moment shown: computed once for map and legend, owners' names asked for when needed. */
import { useMemo } from 'preact/hooks';
import { COLOURS } from '../../tabs.js';
import { colouring } from '../../model/colours.js';
import { useMoment } from './use-view.js';

const NAMES_MAX = 1 << 18; /* frames; beyond, the list of runs is too long to ask for */

/** Whether this machine's frames can be told apart that way. @param {(typeof COLOURS)[0]} colour @param {import('../../lab-state.js').LabState} state */
export const canColour = (colour, state) =>
  (!colour.zoned || state.lab?.profile !== 'classic') && !(colour.frames && (state.views?.cells.shift ?? 0) > 0);

/** @param {import('../../lab-session.js').Session} session */
export function useColours(session) {
  const state = session.store.value;
  const views = /** @type {import('../../lab-state.js').Views} */ (state.views);
  const wanted = COLOURS.find((colour) => colour.id === state.colour && canColour(colour, state))?.id ?? 'state';
  const asks = wanted === 'owner' && views.cells.nr <= NAMES_MAX;
  const { data } = useMoment(session, asks ? 'frames' : null);
  const runs = data?.seq === views.seq ? data.frames : null;
  return useMemo(() => colouring(wanted, views, runs), [wanted, views, runs]);
}
