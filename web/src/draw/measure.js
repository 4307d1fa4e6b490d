/* measure.js - how wide a text is when it is drawn. */

/** @type {CanvasRenderingContext2D | null} */
let ctx = null;

/** @param {string} size and weight, as in `font` @param {string} family a token: "--mono" @returns {(text: string) => number} pixels */
export function measure(size, family) {
  const font = `${size} ${getComputedStyle(document.documentElement).getPropertyValue(family)}`;
  return (text) => {
    ctx ??= /** @type {CanvasRenderingContext2D} */ (document.createElement('canvas').getContext('2d'));
    ctx.font = font;
    return ctx.measureText(text).width;
  };
}
