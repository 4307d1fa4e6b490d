/* splitter.js - the borders between the parts of the lab page, to be moved by pointer or arrow keys. Sizes are remembered; a double
 * click or Home gives a part its own size back. */
import { html } from 'htm/preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { PANES, panesFromText, paneSize, textOfPanes } from '../../model/panes.js';

/** @typedef {import('../../model/panes.js').Pane} Pane */

const KEY = 'pagoda.panes';
const STEP = 16;

/** Where each border is, and what grows when it is moved to the right or down. @type {[Pane, string, 1 | -1][]} */
const BORDERS = [
  ['left', 'Width of the call panel', 1],
  ['right', 'Width of the inspector', -1],
  ['timeline', 'Height of the timeline', -1],
];

function kept() {
  try {
    return panesFromText(localStorage.getItem(KEY));
  } catch {
    return {}; /* storage may be forbidden */
  }
}

/** @param {Partial<Record<Pane, number>>} sizes */
function keep(sizes) {
  try {
    localStorage.setItem(KEY, textOfPanes(sizes));
  } catch {
    /* not remembered, but set */
  }
}

const isAcross = (/** @type {Pane} */ pane) => pane !== 'timeline';

export function Splitters() {
  const [sizes, setSizes] = useState(kept);
  const borders = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    const lab = /** @type {HTMLElement} */ (borders.current?.parentElement);
    for (const [pane] of BORDERS)
      if (sizes[pane])
        lab.style.setProperty(
          `--${pane}`,
          `${paneSize(pane, sizes[pane], isAcross(pane) ? innerWidth : innerHeight)}px`,
        );
      else lab.style.removeProperty(`--${pane}`);
  }, [sizes]);
  const set = (/** @type {Pane} */ pane, /** @type {number | undefined} */ size) => {
    const next = { ...sizes, [pane]: size && paneSize(pane, size, isAcross(pane) ? innerWidth : innerHeight) };
    setSizes(next);
    keep(next);
  };
  return html`<nav class="splitters" aria-label="Sizes of the parts" ref=${borders}>${BORDERS.map(([pane, label, way]) => html`<${Splitter} key=${pane} pane=${pane} label=${label} way=${way} size=${sizes[pane]} set=${set} />`)}</nav>`;
}

/** The part of the page on that side. @param {Pane} pane @param {HTMLElement} border */
const partOf = (pane, border) =>
  /** @type {HTMLElement} */ (border.closest('.lab')?.querySelector(`:scope > .${pane}`));

/** @param {{ pane: Pane, label: string, way: 1 | -1, size: number | undefined, set: (pane: Pane, size: number | undefined) => void }} props */
function Splitter({ pane, label, way, size, set }) {
  const across = isAcross(pane);
  const from = useRef({ at: 0, size: 0 });
  const now = (/** @type {HTMLElement} */ border) => partOf(pane, border)[across ? 'offsetWidth' : 'offsetHeight'];
  const down = (/** @type {any} */ e) => {
    e.currentTarget.setPointerCapture(e.pointerId);
    from.current = { at: across ? e.clientX : e.clientY, size: now(e.currentTarget) };
  };
  const move = (/** @type {any} */ e) => {
    if (!e.currentTarget.hasPointerCapture(e.pointerId)) return;
    set(pane, from.current.size + way * ((across ? e.clientX : e.clientY) - from.current.at));
  };
  const key = (/** @type {any} */ e) => {
    const by = { [across ? 'ArrowLeft' : 'ArrowUp']: -STEP, [across ? 'ArrowRight' : 'ArrowDown']: STEP }[e.key];
    if (!by && e.key !== 'Home') return;
    e.preventDefault();
    e.stopPropagation();
    set(pane, by ? now(e.currentTarget) + way * by : undefined);
  };
  const { min, max } = PANES[pane];
  return html`<div class=${`splitter s-${pane}`} role="separator" tabindex="0" aria-orientation=${across ? 'vertical' : 'horizontal'} aria-label=${label} aria-valuemin=${min} aria-valuemax=${max} aria-valuenow=${size ?? min} aria-valuetext=${size ? `${size} pixels` : 'as the page has it'} title="Drag, or arrow keys; double click: as it was" data-test=${`splitter-${pane}`}
    onPointerDown=${down} onPointerMove=${move} onDblClick=${() => set(pane, undefined)} onKeyDown=${key}></div>`;
}
