/* frames-image.js - one pixel per cell. A million frames cost one pass over an array and one drawImage, whatever the zoom;
 * outlines, letters and patterns are drawn over it where cells are large enough to carry them. */
import { placeOf } from '../model/geometry.js';
import { CELL } from '../model/cells.js';
import { FREE, KERNEL, KINDS, NONE } from '../kinds.js';
import { fillsOf } from './palette.js';

/** @typedef {import('../types.js').Cells} Cells */
/** @typedef {import('../model/geometry.js').Layout} Layout */

/** The place of each cell in the image. It is computed once for a layout. */
export function createPlaces() {
  /** @type {Layout | null} */
  let of = null;
  let places = new Uint32Array(0);
  return (/** @type {Layout} */ layout) => {
    if (
      of &&
      of.kind === layout.kind &&
      of.nr === layout.nr &&
      of.cols === layout.cols &&
      of.bits === layout.bits &&
      of.squares === layout.squares
    )
      return places;
    of = layout;
    places = new Uint32Array(layout.nr);
    for (let i = 0; i < layout.nr; i++) {
      const [x, y] = placeOf(layout, i);
      places[i] = y * layout.cols + x;
    }
    return places;
  };
}

/** @typedef {{ palette: import('./palette.js').Palette, colours: import('../model/colours.js').Colouring, strong: import('../types.js').Run[], fade: boolean, focus: number | null }} Look focus: the legend's entry that is not faded */

/**
 * @param {HTMLCanvasElement} canvas is given the size of the layout
 * @param {Layout} layout @param {Uint32Array} places @param {Cells} cells @param {Look} look
 */
export function paintImage(canvas, layout, places, cells, look) {
  canvas.width = layout.cols;
  canvas.height = layout.rows;
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const image = ctx.createImageData(layout.cols, layout.rows);
  const pixels = new Uint32Array(image.data.buffer);
  const { by, entries, of } = look.colours;
  const { full, faded, tail } = fillsOf(look.palette, entries);
  const nr = Math.min(cells.nr, layout.nr);
  const fill = (/** @type {number} */ i) =>
    by === 'state' && of[i] === KERNEL && !(cells.bytes[i * CELL + 2] & 0x80) ? tail[KERNEL] : full[of[i]];
  const dim = look.fade || look.focus !== null;
  for (let i = 0; i < nr; i++) pixels[places[i]] = dim && of[i] !== look.focus ? faded[of[i]] : fill(i);
  if (cells.mixed && by === 'state') shade(pixels, places, cells.mixed, nr, full[FREE]);
  for (const run of look.strong) {
    const end = Math.min(nr, Math.ceil((run.pfn + run.count) / 2 ** cells.shift));
    for (let i = Math.floor(run.pfn / 2 ** cells.shift); i < end; i++) pixels[places[i]] = fill(i);
  }
  const [hole] = fillsOf(look.palette, [{ ...entries[0], colour: KINDS[NONE].token }]).full;
  for (let i = 0; i < nr; i++) if (cells.bytes[i * CELL] === NONE) pixels[places[i]] = hole;
  ctx.putImageData(image, 0, 0);
}

/** A tile of several kinds has the colour of its main kind, paler the smaller that share is. @param {Uint32Array} pixels @param {Uint32Array} places @param {Uint8Array} mixed @param {number} nr @param {number} paper */
function shade(pixels, places, mixed, nr, paper) {
  for (let i = 0; i < nr; i++) {
    const share = mixed[i];
    if (share === 255) continue;
    const from = pixels[places[i]];
    let out = 255 << 24;
    for (const bit of [0, 8, 16])
      out |= (((((from >>> bit) & 255) * share + ((paper >>> bit) & 255) * (255 - share)) / 255) & 255) << bit;
    pixels[places[i]] = out;
  }
}
