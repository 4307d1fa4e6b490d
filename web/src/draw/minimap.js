/* minimap.js - the whole map, small, and on it the part that is seen. */

/** @typedef {import('./frames-canvas.js').Camera} Camera */
/** @typedef {import('../model/geometry.js').Layout} Layout */

const SIDE = 132; /* pixels at most */

/** Pixels of the small map a cell. @param {Layout} layout */
export const minimapScale = (layout) => SIDE / Math.max(layout.cols, layout.rows);

/** @param {HTMLCanvasElement} canvas @param {HTMLCanvasElement} image a pixel a cell @param {Camera} camera @param {number} scale @param {import('./palette.js').Palette} palette */
export function drawMinimap(canvas, image, camera, scale, palette) {
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(image, 0, 0, canvas.width, canvas.height);
  const part = scale / camera.px;
  ctx.strokeStyle = palette.accent;
  ctx.lineWidth = 2;
  ctx.strokeRect(-camera.x * part, -camera.y * part, camera.width * part, camera.height * part);
}
