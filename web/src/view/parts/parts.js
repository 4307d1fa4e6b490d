/* parts.js - small pieces that several panels share. */
import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';
import { KIND_BY_NAME } from '../../kinds.js';
import { toggleTheme } from '../../theme.js';

export const Mark =
  () => html`<svg class="mark" viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linejoin="round" stroke-linecap="round">
  <path d="M12 1.5V5M5 9.5 12 5l7 4.5M7.5 9.5V13M16.5 9.5V13M3.5 16.5 7 13h10l3.5 3.5M6.5 16.5V22M17.5 16.5V22M2.5 22h19M10 22v-3.5h4V22" /></svg>`;

/** An allocator's colour, with the letter of the frames that it got. @param {{ kind: string, frames?: string }} props */
export const Chip = ({ kind, frames = kind }) =>
  html`<i class=${`chip k-${kind}`} aria-hidden="true">${KIND_BY_NAME[frames]?.letter ?? ''}</i>`;

export const ThemeButton = () =>
  html`<button type="button" class="icon" onClick=${toggleTheme} aria-label="Switch between light and dark" title="Light or dark">◐</button>`;

/** What was wrong with a request is said in the daemon’s own sentence; other failures have a name, too.
 * @param {{ problem: import('../../types.js').Problem, onDismiss?: () => void }} props */
export const ProblemBox = ({ problem, onDismiss }) => html`<div class="problem" role="alert">
  ${problem.detail && problem.status >= 400 && problem.status < 500 ? html`<span>${problem.detail}</span>` : html`<b>${problem.title}</b>${problem.detail && problem.detail !== problem.title ? html`<span> ${problem.detail}</span>` : null}`}
  ${onDismiss ? html`<button type="button" class="icon quiet" onClick=${onDismiss} aria-label="Dismiss this message">×</button>` : null}</div>`;

/** @param {{ children?: any }} props */
export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

/** Attributes of a box that scrolls by itself: keys reach it, and it has a name. @param {string} label @param {string} [further] classes */
export const scrollBox = (label, further = '') => ({
  class: `scroll ${further}`.trim(),
  tabindex: 0,
  role: 'region',
  'aria-label': label,
});

/** The head of a table. A column is its name, or name and explanation; one of numbers begins with "#".
 * @param {{ columns: (string | [string, string])[] }} props */
export const Head = ({ columns }) =>
  html`<thead><tr>${columns.map((column) => {
    const [name, title] = typeof column === 'string' ? [column, undefined] : column;
    return html`<th key=${name} scope="col" class=${name.startsWith('#') ? 'n' : undefined} title=${title}>${name.replace(/^#/, '')}</th>`;
  })}</tr></thead>`;

/** A dialog over the page, open as long as it is there: the ref to give to it. */
export function useModal() {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => dialog.current?.showModal(), []);
  return dialog;
}

/** @type {[string, string][]} */
const PAGES = [
  ['/', 'Labs'],
  ['/compare', 'Compare'],
  ['/docs', 'API'],
];

/** The way to every page, the same on all of them. @param {{ here: string, hrefs?: Record<string, string> }} props here: the name of this one; hrefs: where a name leads with what is known here */
export const SiteNav = ({ here, hrefs = {} }) =>
  html`<nav class="sitenav" aria-label="Pages">${PAGES.map(([href, name]) => html`<a key=${name} href=${hrefs[name] ?? href} aria-current=${name === here ? 'page' : undefined}>${name}</a>`)}</nav>`;

/** The bar of the pages that are no lab. @param {{ here: string }} props */
export const SiteBar = ({ here }) =>
  html`<header class="top"><a class="brand" href="/"><${Mark} /><b>Pagoda</b></a><${SiteNav} here=${here} /><span class="grow"></span><${ThemeButton} /></header>`;
