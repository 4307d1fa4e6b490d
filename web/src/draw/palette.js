/* palette.js - the colour tokens of style.css, as the canvas needs them. Read again when the theme changes. */
import { KINDS } from '../kinds.js';

/** @typedef {{ token: (name: string) => string, kinds: string[], ink: string, mute: string, panel: string, line: string, freeLine: string, edge: string, accent: string, error: string, errorInk: string, mono: string, sans: string, dark: boolean }} Palette */

/** @param {Element} root @returns {Palette} */
export function readPalette(root) {
  const style = getComputedStyle(root);
  const token = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const kinds = KINDS.map((kind) => token(kind.token));
  return {
    token,
    kinds,
    ink: token('--ink'),
    mute: token('--mute'),
    panel: token('--panel'),
    line: token('--line'),
    freeLine: token('--free-line'),
    edge: token('--edge'),
    accent: token('--accent'),
    error: token('--error'),
    errorInk: token('--error-ink'),
    mono: token('--mono'),
    sans: token('--sans'),
    dark: token('--scheme') === 'dark',
  };
}

/** The fills of a legend's entries: tokens are looked up, other colours stand as they are. An entry that is paper (free memory)
 * does not fade. @param {Palette} palette @param {import('../model/colours.js').Entry[]} entries */
export function fillsOf(palette, entries) {
  const panel = rgb(palette.panel);
  const css = entries.map((entry) => (entry.colour.startsWith('--') ? palette.token(entry.colour) : entry.colour));
  return {
    css,
    full: Uint32Array.from(css, (colour) => pack(rgb(colour))),
    faded: Uint32Array.from(css, (colour, i) =>
      pack(/^--(free|pcp)$/.test(entries[i].colour) ? rgb(colour) : mix(rgb(colour), panel, 0.34)),
    ),
    tail: Uint32Array.from(css, (colour) => pack(mix(rgb(colour), panel, 0.72))),
  };
}

/** @param {string} hex @returns {[number, number, number]} */
export function rgb(hex) {
  const long = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, '$&$&') : hex;
  const n = parseInt(long.slice(1), 16);
  return [(n >> 16) & 255, (n >> 8) & 255, n & 255];
}

/** @param {[number, number, number]} a @param {[number, number, number]} b @param {number} share of a @returns {[number, number, number]} */
export function mix(a, b, share) {
  const part = (/** @type {number} */ i) => Math.round(a[i] * share + b[i] * (1 - share));
  return [part(0), part(1), part(2)];
}

/** As ImageData's 32-bit words on a little-endian host, which every browser's is. @param {[number, number, number]} c */
const pack = ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r;
