/* parts.js - small pieces that several panels share. */
import { html } from 'htm/preact';
import { KIND_BY_NAME } from '../../kinds.js';
import { toggleTheme } from '../../theme.js';

export const Mark =
  () => html`<svg class="mark" viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linejoin="round" stroke-linecap="round">
  <path d="M12 1.5V5M5 9.5 12 5l7 4.5M7.5 9.5V13M16.5 9.5V13M3.5 16.5 7 13h10l3.5 3.5M6.5 16.5V22M17.5 16.5V22M2.5 22h19M10 22v-3.5h4V22" /></svg>`;

/** @param {{ kind: string }} props */
export const Chip = ({ kind }) =>
  html`<i class=${`chip k-${kind}`} aria-hidden="true">${KIND_BY_NAME[kind]?.letter ?? ''}</i>`;

export const ThemeButton = () =>
  html`<button type="button" class="icon" onClick=${toggleTheme} aria-label="Switch between light and dark" title="Light or dark">◐</button>`;

/** What was wrong with a request is said in the daemon’s own sentence; other failures have a name, too.
 * @param {{ problem: import('../../types.js').Problem, onDismiss?: () => void }} props */
export const ProblemBox = ({ problem, onDismiss }) => html`<div class="problem" role="alert">
  ${problem.detail && problem.status >= 400 && problem.status < 500 ? html`<span>${problem.detail}</span>` : html`<b>${problem.title}</b>${problem.detail && problem.detail !== problem.title ? html`<span> ${problem.detail}</span>` : null}`}
  ${onDismiss ? html`<button type="button" class="icon quiet" onClick=${onDismiss} aria-label="Dismiss this message">×</button>` : null}</div>`;

/** @param {{ children?: any }} props */
export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;
