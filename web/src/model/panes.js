/* panes.js - how large the parts of the lab page are, as a person has set them. */

/** @typedef {'left' | 'right' | 'timeline'} Pane */
/** @typedef {{ min: number, max: number, share: number }} Bounds pixels, and of the window at most */

/** @type {Record<Pane, Bounds>} */
export const PANES = {
  left: { min: 240, max: 520, share: 0.35 },
  right: { min: 240, max: 640, share: 0.4 },
  timeline: { min: 112, max: 520, share: 0.6 },
};

/** A size that leaves room for the others. @param {Pane} pane @param {number} size @param {number} window pixels in that direction */
export function paneSize(pane, size, window) {
  const { min, max, share } = PANES[pane];
  return Math.round(Math.max(min, Math.min(max, window * share, size)));
}

/** What was kept, as far as it can be read. @param {string | null} text @returns {Partial<Record<Pane, number>>} */
export function panesFromText(text) {
  const sizes = String(text ?? '')
    .split(' ')
    .map(Number);
  const names = /** @type {Pane[]} */ (Object.keys(PANES));
  return Object.fromEntries(names.flatMap((name, i) => (sizes[i] > 0 ? [[name, sizes[i]]] : [])));
}

/** 0: as the page has it. @param {Partial<Record<Pane, number>>} sizes */
export const textOfPanes = (sizes) =>
  /** @type {Pane[]} */ (Object.keys(PANES)).map((name) => sizes[name] ?? 0).join(' ');
