/* camera.js - which part of the physical map is seen, and how large. Pure. */
import { rectsOf } from '../../model/geometry.js';

/** @typedef {{ scale: number, x: number, y: number }} Zoom scale over the fitting size; centre as a share of the map, from its middle */

/** The whole map. @type {Zoom} */
export const FIT = { scale: 1, x: 0, y: 0 };
const SCALE_MAX = 64;
const bounded = (/** @type {number} */ scale) => Math.max(1, Math.min(SCALE_MAX, scale));

/** @param {Zoom} zoom @param {number} factor @returns {Zoom} */
export const scaledBy = (zoom, factor) => ({ ...zoom, scale: bounded(zoom.scale * factor) });

/** @param {import('../../model/geometry.js').Layout} layout @param {number} width @param {number} height @param {Zoom} zoom @returns {import('../../draw/frames-canvas.js').Camera} */
export function fitCamera(layout, width, height, zoom) {
  const px = layout.px * zoom.scale;
  if (zoom.scale === 1) return { x: 0, y: 0, px, width, height };
  const mapWidth = layout.cols * px,
    mapHeight = layout.rows * px;
  return { x: width / 2 - mapWidth * (0.5 + zoom.x), y: height / 2 - mapHeight * (0.5 + zoom.y), px, width, height };
}

/** Keeps the map in the picture. @param {import('../../draw/frames-canvas.js').Camera} camera @param {import('../../model/geometry.js').Layout} layout */
export function clampCamera(camera, layout) {
  const clamp = (/** @type {number} */ at, /** @type {number} */ map, /** @type {number} */ view) =>
    map <= view ? 0 : Math.max(view - map, Math.min(0, at));
  return {
    ...camera,
    x: Math.round(clamp(camera.x, layout.cols * camera.px, camera.width)),
    y: Math.round(clamp(camera.y, layout.rows * camera.px, camera.height)),
  };
}

/** The zoom that shows a set of frames with some room round it.
 * @param {import('../../model/geometry.js').Layout} layout @param {import('../../types.js').Run[]} runs @param {number} shift @param {number} width @param {number} height @returns {Zoom} */
export function zoomTo(layout, runs, shift, width, height) {
  let x0 = Infinity,
    y0 = Infinity,
    x1 = 0,
    y1 = 0;
  for (const run of runs) {
    for (const r of rectsOf(layout, Math.floor(run.pfn / 2 ** shift), Math.max(1, Math.ceil(run.count / 2 ** shift)))) {
      [x0, y0, x1, y1] = [Math.min(x0, r.x), Math.min(y0, r.y), Math.max(x1, r.x + r.w), Math.max(y1, r.y + r.h)];
    }
  }
  const px = Math.min(28, (0.7 * width) / (x1 - x0), (0.7 * height) / (y1 - y0));
  return {
    scale: bounded(px / layout.px),
    x: (x0 + x1) / 2 / layout.cols - 0.5,
    y: (y0 + y1) / 2 / layout.rows - 0.5,
  };
}
