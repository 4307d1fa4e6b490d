/* tour-bar.js - one sentence about the step shown, and a large button to the next. */
import { html } from 'htm/preact';
import { shownSeq } from '../../lab-state.js';
import { tourStepAt, tourSteps } from '../../model/tour.js';

/** @param {{ session: import('../../lab-session.js').Session }} props */
export function TourBar({ session }) {
  const state = session.store.value;
  const steps = tourSteps(state.marks);
  const at = tourStepAt(steps, shownSeq(state));
  const isLast = at === steps.length - 1;
  return html`<section class="tour" aria-label="Tour" data-test="tour-bar" data-step=${at + 1}><p role="status"><small>${steps.length ? `step ${at + 1} of ${steps.length}` : ''}</small>${steps[at]?.text ?? ''}</p>
    <button type="button" disabled=${at <= 0} onClick=${() => session.stepTour(-1)}>Back</button>
    <button type="button" class="p next" disabled=${!steps.length} onClick=${() => session.stepTour(1)}>${isLast ? 'Try it yourself' : 'Next'}</button>
    ${isLast ? null : html`<button type="button" class="quiet" onClick=${session.endTour}>Leave the tour</button>`}</section>`;
}

/** @type {Record<string, string>} */
const STATES = {
  used: 'This machine has run for a busy day: what is free lies between what others have.',
  fragmented:
    'A third of this machine is free, but nearly all of it in single pages, between others’ pages that cannot move.',
};

/** What the map of a machine is in which nothing was called yet. @param {{ machine: string | undefined }} props */
export const FreshLine = ({ machine = '' }) =>
  html`<p class="fresh" data-test="fresh"><b>Each cell is one page frame of 4 KiB.</b> ${STATES[machine] ?? 'This machine has just booted: reserved frames hold the kernel itself, nearly all others are free.'} Call an allocator, and see which frames it takes.</p>`;
