/* tour-button.js - opens a lab in which one request has been made of all four allocators; and says what went wrong. */
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { problemOf } from '../../api.js';
import { openTour } from '../../tour.js';
import { ProblemBox } from './parts.js';

/** @param {{ wish: import('../../model/tour.js').Wish, label: string, isMain?: boolean, isOff?: boolean, children?: any }} props children: other ways, beside it */
export function TourButton({ wish, label, isMain = false, isOff = false, children }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {import('../../types.js').Problem | null} */ (null));
  const open = () => {
    setBusy(true);
    openTour(wish).catch((error) => (setProblem(problemOf(error)), setBusy(false)));
  };
  return html`<div class="ways"><button type="button" class=${isMain ? 'p' : undefined} disabled=${busy || isOff} onClick=${open} data-test="tour">${busy ? 'Calling all four…' : label}</button>${children}${problem ? html`<${ProblemBox} problem=${problem} />` : null}</div>`;
}
