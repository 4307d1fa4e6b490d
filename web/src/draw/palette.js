/* palette.js - the colour tokens of style.css, as the canvas needs them. Read again when the theme changes. */
import { KINDS } from '../kinds.js';

/** @typedef {{ kinds: string[], full: Uint32Array, faded: Uint32Array, tail: Uint32Array, ink: string, mute: string, panel: string, line: string, freeLine: string, edge: string, accent: string, error: string, mono: string, sans: string, dark: boolean, fadedInk: string }} Palette */

/** @param {Element} root @returns {Palette} */
export function readPalette(root) {
  const style = getComputedStyle(root);
  const token = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const kinds = KINDS.map((kind) => token(kind.token));
  const panel = rgb(token('--panel'));
  return {
    kinds,
    full: Uint32Array.from(kinds, (colour) => pack(rgb(colour))),
    faded: Uint32Array.from(kinds, (colour, i) => pack(i === 1 || i === 2 ? rgb(colour) : mix(rgb(colour), panel, 0.34))),
    tail: Uint32Array.from(kinds, (colour) => pack(mix(rgb(colour), panel, 0.72))),
    ink: token('--ink'),
    mute: token('--mute'),
    panel: token('--panel'),
    line: token('--line'),
    freeLine: token('--free-line'),
    edge: token('--edge'),
    accent: token('--accent'),
    error: token('--error'),
    mono: token('--mono'),
    sans: token('--sans'),
    dark: token('--scheme') === 'dark',
    fadedInk: token('--mute'),
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
