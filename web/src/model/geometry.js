/* geometry.js - where a frame stands in the picture. Two layouts, both exact inverses of themselves:
 *
 *   linear  rows of 64 (or a larger power of two, for large memories), as hex addresses line up
 *   buddy   Z-order: even bits of the frame number go right, odd bits down, so that every aligned block of 2^k frames is a
 *           square or a 2:1 rectangle and its buddy is the twin that touches it. Memory is cut into squares of 4^m frames,
 *           which stand in rows: a memory whose size is no power of four wastes no paper.
 */

/** @typedef {{ kind: 'buddy' | 'linear', nr: number, cols: number, rows: number, bits: number, squares: number, px: number }} Layout */
/** @typedef {{ x: number, y: number, w: number, h: number }} Rect in cells */

const PX_MAX = 40;

/** @param {number} cols @param {number} rows @param {number} width @param {number} height */
function cellPx(cols, rows, width, height) {
  const px = Math.min(width / cols, height / rows, PX_MAX);
  return px >= 1 ? Math.floor(px * 8) / 8 : px; /* edges are drawn on whole pixels, so that fractions do no harm */
}

/** @param {number} nr cells @param {'buddy' | 'linear'} kind @param {number} width pixels @param {number} height pixels @param {number} maxOrder @returns {Layout} */
export function layoutFor(nr, kind, width, height, maxOrder) {
  const cells = Math.max(1, nr);
  return kind === 'linear' ? linear(cells, width, height) : buddy(cells, width, height, maxOrder);
}

/** @param {number} nr @param {number} width @param {number} height @returns {Layout} */
function linear(nr, width, height) {
  let best = /** @type {Layout | null} */ (null);
  for (let cols = nr < 256 ? 16 : 64; cols <= 65536; cols *= 2) {
    const rows = Math.ceil(nr / cols);
    const px = cellPx(cols, rows, width, height);
    if (!best || px > best.px) best = { kind: 'linear', nr, cols, rows, bits: 0, squares: 1, px };
    if (cols >= nr) break;
  }
  return /** @type {Layout} */ (best);
}

/** @param {number} nr @param {number} width @param {number} height @param {number} maxOrder @returns {Layout} */
function buddy(nr, width, height, maxOrder) {
  let best = /** @type {Layout | null} */ (null);
  for (let bits = Math.ceil(maxOrder / 2); bits <= 12; bits++) {
    const side = 2 ** bits;
    const squares = Math.ceil(nr / (side * side));
    for (let across = 1; across <= Math.min(squares, 64); across++) {
      const rows = squares === 1 ? rowsOfOne(nr, side) : Math.ceil(squares / across) * side;
      const px = cellPx(across * side, rows, width, height);
      if (!best || px > best.px || (px === best.px && squares === 1))
        best = { kind: 'buddy', nr, cols: across * side, rows, bits, squares: across, px };
    }
    if (squares === 1) break;
  }
  return /** @type {Layout} */ (best);
}

/** @param {number} nr @param {number} side */
const rowsOfOne = (nr, side) => (nr <= (side * side) / 2 ? side / 2 : side);

/** Every second bit of n, from the lowest. @param {number} n */
export function evenBits(n) {
  let x = n & 0x55555555;
  x = (x | (x >>> 1)) & 0x33333333;
  x = (x | (x >>> 2)) & 0x0f0f0f0f;
  x = (x | (x >>> 4)) & 0x00ff00ff;
  return (x | (x >>> 8)) & 0xffff;
}

/** The inverse of that: moves the bits of x to the even places. @param {number} n */
export function spreadBits(n) {
  let x = n & 0xffff;
  x = (x | (x << 8)) & 0x00ff00ff;
  x = (x | (x << 4)) & 0x0f0f0f0f;
  x = (x | (x << 2)) & 0x33333333;
  return (x | (x << 1)) & 0x55555555;
}

/** @param {Layout} layout @param {number} index @returns {[number, number]} */
export function placeOf(layout, index) {
  if (layout.kind === 'linear') return [index % layout.cols, Math.floor(index / layout.cols)];
  const square = index >>> (2 * layout.bits);
  const inner = index & (4 ** layout.bits - 1);
  return [
    ((square % layout.squares) << layout.bits) + evenBits(inner),
    (Math.floor(square / layout.squares) << layout.bits) + evenBits(inner >>> 1),
  ];
}

/** The cell at a place; -1 outside. @param {Layout} layout @param {number} x @param {number} y */
export function indexAt(layout, x, y) {
  if (x < 0 || y < 0 || x >= layout.cols || y >= layout.rows) return -1;
  let index;
  if (layout.kind === 'linear') {
    index = y * layout.cols + x;
  } else {
    const mask = 2 ** layout.bits - 1;
    const square = (y >> layout.bits) * layout.squares + (x >> layout.bits);
    index = square * 4 ** layout.bits + (spreadBits(x & mask) | (spreadBits(y & mask) << 1));
  }
  return index < layout.nr ? index : -1;
}

/** A run as few rectangles: aligned blocks in the buddy layout, parts of rows in the linear one.
 * @param {Layout} layout @param {number} start @param {number} count @returns {Rect[]} */
export function rectsOf(layout, start, count) {
  return layout.kind === 'linear' ? linearRects(layout, start, count) : buddyRects(layout, start, count);
}

/** @param {Layout} layout @param {number} start @param {number} count @returns {Rect[]} */
function linearRects(layout, start, count) {
  const rects = [];
  const end = Math.min(start + count, layout.nr);
  while (start < end) {
    const [x, y] = placeOf(layout, start);
    const fullRows = x === 0 ? Math.floor((end - start) / layout.cols) : 0;
    const w = fullRows ? layout.cols : Math.min(layout.cols - x, end - start);
    rects.push({ x, y, w, h: fullRows || 1 });
    start += w * (fullRows || 1);
  }
  return rects;
}

/** @param {Layout} layout @param {number} start @param {number} count @returns {Rect[]} */
function buddyRects(layout, start, count) {
  const rects = [];
  const end = Math.min(start + count, layout.nr);
  while (start < end) {
    let order = 0;
    while (order < 2 * layout.bits && start % 2 ** (order + 1) === 0 && start + 2 ** (order + 1) <= end) order++;
    rects.push(blockRect(layout, start, order));
    start += 2 ** order;
  }
  return rects;
}

/** An aligned block of 2^order cells in the buddy layout. @param {Layout} layout @param {number} start @param {number} order @returns {Rect} */
export function blockRect(layout, start, order) {
  const [x, y] = placeOf(layout, start);
  return { x, y, w: 2 ** Math.ceil(order / 2), h: 2 ** Math.floor(order / 2) };
}
