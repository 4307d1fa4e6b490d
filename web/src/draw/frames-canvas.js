/* frames-canvas.js - draws the physical map it is given: the image of cells, then what their size allows:
 * from 6 px block outlines, from 8 px patterns, from 14 px letters; and the marks of selection, change and preview. */
import { KINDS, NONE, PCP, PGTABLE, SWAPCACHE, VMALLOC } from '../kinds.js';
import { CELL } from '../model/cells.js';
import { blockRect, indexAt, placeOf, rectsOf } from '../model/geometry.js';
import { rgb } from './palette.js';

const LABEL = 12; /* pixels of its letters: a block that has no room for them has none */

/** @typedef {import('../types.js').Run} Run */
/** @typedef {import('../types.js').Cells} Cells */
/** @typedef {import('../model/geometry.js').Layout} Layout */
/** @typedef {{ x: number, y: number, px: number, width: number, height: number }} Camera origin of the map and size of a cell, in pixels */

/** From this size of a cell on, pixels, blocks have outlines and their order. */
export const BLOCKS_FROM = 6;

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {{ layout: Layout, cells: Cells, camera: Camera, image: HTMLCanvasElement, palette: import('./palette.js').Palette, selected: Run[], changed: Run[], preview: Run[], holes: Run[], faded: boolean, focus: number | null, colours: import('../model/colours.js').Colouring, fills: string[] }} scene holes: in cells; all others in frames
 */
export function drawFrames(ctx, scene) {
  const { camera, layout, palette } = scene;
  ctx.clearRect(0, 0, camera.width, camera.height);
  ctx.imageSmoothingEnabled = camera.px < 1;
  ctx.drawImage(scene.image, camera.x, camera.y, layout.cols * camera.px, layout.rows * camera.px);
  if (camera.px >= BLOCKS_FROM && scene.cells.shift === 0) drawBlocks(ctx, scene);
  else drawGrid(ctx, scene);
  drawHoles(ctx, scene);
  if (scene.cells.shares && camera.px >= 5 && scene.colours.by === 'state') drawShares(ctx, scene);
  strokeRuns(ctx, scene, scene.changed, palette.ink, [3, 2], 1.2);
  strokeRuns(ctx, scene, scene.preview, palette.accent, [2, 2], 1.4);
  strokeRuns(ctx, scene, scene.selected, palette.accent, [], camera.px >= 6 ? 1.8 : 1.4);
}

/** Cells that can be seen, one after the other. @param {{ layout: Layout, camera: Camera }} scene @param {(index: number, x: number, y: number) => void} each */
function eachVisible({ layout, camera }, each) {
  const x0 = Math.max(0, Math.floor(-camera.x / camera.px)),
    x1 = Math.min(layout.cols, Math.ceil((camera.width - camera.x) / camera.px));
  const y0 = Math.max(0, Math.floor(-camera.y / camera.px)),
    y1 = Math.min(layout.rows, Math.ceil((camera.height - camera.y) / camera.px));
  for (let y = y0; y < y1; y++)
    for (let x = x0; x < x1; x++) {
      const index = indexAt(layout, x, y);
      if (index >= 0) each(index, x, y);
    }
}

/** A tile of several kinds as a stack of their shares, the largest at the bottom. @param {CanvasRenderingContext2D} ctx @param {{ layout: Layout, cells: Cells, camera: Camera, palette: import('./palette.js').Palette, focus: number | null, fills: string[] }} scene */
function drawShares(ctx, scene) {
  const { camera, cells, focus, fills, palette } = scene;
  const { px } = camera;
  eachVisible(scene, (index, x, y) => {
    const shares = cells.shares?.[index];
    if (!shares) return;
    let bottom = camera.y + (y + 1) * px;
    for (const [kind, share] of shares) {
      const h = share * px;
      ctx.globalAlpha = focus !== null && focus !== kind ? 0.3 : 1;
      ctx.fillStyle = fills[kind] ?? palette.mute;
      ctx.fillRect(camera.x + x * px, bottom - h, px - (px > 8 ? 1 : 0), h);
      bottom -= h;
    }
  });
  ctx.globalAlpha = 1;
}

/** Outlines of blocks in small cells: one frame round the whole block. @param {CanvasRenderingContext2D} ctx @param {{ layout: Layout, camera: Camera, palette: import('./palette.js').Palette }} scene */
function drawGrid(ctx, { layout, camera, palette }) {
  ctx.strokeStyle = palette.freeLine;
  ctx.lineWidth = 1;
  ctx.strokeRect(
    camera.x + 0.5,
    camera.y + 0.5,
    Math.round(layout.cols * camera.px) - 1,
    Math.round(layout.rows * camera.px) - 1,
  );
}

/** A hole looks like the paper round the map, and the memory beside it has an edge. @param {CanvasRenderingContext2D} ctx @param {{ layout: Layout, camera: Camera, palette: import('./palette.js').Palette, holes: Run[] }} scene */
function drawHoles(ctx, { layout, camera, palette, holes }) {
  const rects = holes.flatMap((hole) => rectsOf(layout, hole.pfn, hole.count));
  const at = (/** @type {number} */ x, /** @type {number} */ origin) => Math.round(origin + x * camera.px);
  for (const inset of [0, 1]) {
    ctx.fillStyle = inset ? palette.token(KINDS[NONE].token) : palette.freeLine;
    for (const r of rects) {
      const [x, y] = [at(r.x, camera.x), at(r.y, camera.y)];
      const [w, h] = [at(r.x + r.w, camera.x) - x, at(r.y + r.h, camera.y) - y];
      if (inset) ctx.fillRect(x, y, w, h);
      else ctx.fillRect(x - 1, y - 1, w + 2, h + 2);
    }
  }
}

/** @param {CanvasRenderingContext2D} ctx @param {{ layout: Layout, cells: Cells, camera: Camera, palette: import('./palette.js').Palette, selected: Run[], faded: boolean, focus: number | null, colours: import('../model/colours.js').Colouring, fills: string[] }} scene */
function drawBlocks(ctx, scene) {
  const { cells } = scene;
  ctx.lineWidth = 1;
  ctx.textBaseline = 'alphabetic';
  const heads = new Set();
  eachVisible(scene, (index) => heads.add(index - (index % 2 ** cells.bytes[index * CELL + 1])));
  for (const head of heads) if (cells.bytes[head * CELL] !== NONE) drawBlock(ctx, scene, head);
}

/** @param {CanvasRenderingContext2D} ctx @param {{ layout: Layout, cells: Cells, camera: Camera, palette: import('./palette.js').Palette, selected: Run[], faded: boolean, focus: number | null, colours: import('../model/colours.js').Colouring, fills: string[] }} scene @param {number} head */
function drawBlock(ctx, { layout, cells, camera, palette, selected, faded, focus, colours, fills }, head) {
  const kind = cells.bytes[head * CELL],
    order = cells.bytes[head * CELL + 1],
    entry = colours.of[head];
  const rects = layout.kind === 'buddy' ? [blockRect(layout, head, order)] : rectsOf(layout, head, 2 ** order);
  const dim =
    faded && entry !== focus && !selected.some((run) => head < run.pfn + run.count && head + 2 ** order > run.pfn);
  const isPaper = colours.entries[entry].colour === '--free' || colours.entries[entry].colour === '--pcp';
  ctx.strokeStyle = isPaper ? palette.freeLine : palette.edge;
  for (const r of rects) {
    const x = camera.x + r.x * camera.px,
      y = camera.y + r.y * camera.px,
      w = r.w * camera.px,
      h = r.h * camera.px;
    if (camera.px >= 8 && !dim) pattern(ctx, kind, x, y, w, h, palette);
    ctx.strokeRect(
      Math.round(x) + 0.5,
      Math.round(y) + 0.5,
      Math.round(x + w) - Math.round(x),
      Math.round(y + h) - Math.round(y),
    );
  }
  const letter = camera.px >= 14 ? colours.entries[entry].letter : '';
  const text =
    colours.by === 'order' ? String(order) : letter + (order > 0 && rects[0].w * camera.px >= 18 ? order : '');
  label(ctx, rects[0], camera, palette, text, isPaper || dim ? palette.mute : inkOn(fills[entry]));
}

/** @param {CanvasRenderingContext2D} ctx @param {import('../model/geometry.js').Rect} r @param {Camera} camera @param {import('./palette.js').Palette} palette @param {string} text @param {string} ink */
function label(ctx, r, camera, palette, text, ink) {
  const w = r.w * camera.px,
    h = r.h * camera.px;
  if (!text || h < LABEL + 2 || w < LABEL) return;
  ctx.font = `${LABEL}px ${palette.mono}`;
  ctx.fillStyle = ink;
  ctx.fillText(text, camera.x + r.x * camera.px + 3.5, camera.y + r.y * camera.px + LABEL + 0.5);
}

/** Ink that can be read on a fill. @param {string} colour */
function inkOn(colour) {
  const [r, g, b] = rgb(colour);
  return 0.3 * r + 0.59 * g + 0.11 * b > 120 ? '#1d2329' : '#fffefb';
}

/** @param {CanvasRenderingContext2D} ctx @param {number} kind @param {number} x @param {number} y @param {number} w @param {number} h @param {import('./palette.js').Palette} palette */
function pattern(ctx, kind, x, y, w, h, palette) {
  if (kind !== PCP && kind !== VMALLOC && kind !== PGTABLE && kind !== SWAPCACHE) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, w, h);
  ctx.clip();
  ctx.beginPath();
  ctx.strokeStyle = ctx.fillStyle = kind === PCP ? palette.mute : kind === SWAPCACHE ? palette.panel : palette.edge;
  const step = Math.max(4, Math.min(8, h / 2));
  if (kind === PCP)
    for (let j = y + step / 2; j < y + h; j += step)
      for (let i = x + step / 2; i < x + w; i += step) ctx.rect(i - 0.5, j - 0.5, 1, 1);
  if (kind === VMALLOC || kind === SWAPCACHE)
    for (let i = -h; i < w; i += step) (ctx.moveTo(x + i, y + h), ctx.lineTo(x + i + h, y));
  if (kind === SWAPCACHE) for (let i = 0; i < w + h; i += step) (ctx.moveTo(x + i, y + h), ctx.lineTo(x + i - h, y));
  if (kind === PGTABLE) {
    for (let i = x + step; i < x + w - 1; i += step) (ctx.moveTo(i, y), ctx.lineTo(i, y + h));
    for (let j = y + step; j < y + h - 1; j += step) (ctx.moveTo(x, j), ctx.lineTo(x + w, j));
  }
  if (kind === PCP) ctx.fill();
  else ctx.stroke();
  ctx.restore();
}

const CELL_MIN = 3; /* pixels: smaller cells are outlined by the group */
const GROUP = 8; /* pixels of such a group */
const EDGES_MAX = 1000; /* of groups: more would fill the map, and the colours tell it, for all else is faded */

/** The outline of a set of frames: edges between a place that is in it and one that is not. Where cells are too small for edges of their
 * own, places are groups of cells.
 * @param {CanvasRenderingContext2D} ctx @param {{ layout: Layout, cells: Cells, camera: Camera }} scene @param {Run[]} runs @param {string} colour @param {number[]} dash @param {number} width */
function strokeRuns(ctx, { layout, cells, camera }, runs, colour, dash, width) {
  if (!runs.length) return;
  const side = camera.px < CELL_MIN ? Math.ceil(GROUP / camera.px) : 1;
  const lines = edgesOf(placesOf(layout, cells, runs, side), camera, side);
  if (side > 1 && lines.length > EDGES_MAX) return;
  ctx.strokeStyle = colour;
  ctx.lineWidth = side > 1 ? 1 : width;
  ctx.setLineDash(side > 1 ? [] : dash);
  ctx.beginPath();
  for (const [x0, y0, x1, y1] of lines) (ctx.moveTo(x0, y0), ctx.lineTo(x1, y1));
  ctx.stroke();
  ctx.setLineDash([]);
}

const OUTLINED = 65536; /* cells */
const ROW = 2 ** 16; /* more than places across */

/** The places, as y * ROW + x, in which a set of frames has cells. @param {Layout} layout @param {Cells} cells @param {Run[]} runs @param {number} side cells */
function placesOf(layout, cells, runs, side) {
  const places = new Set();
  let left = OUTLINED;
  for (const run of runs) {
    const end = Math.min(layout.nr, Math.ceil((run.pfn + run.count) / 2 ** cells.shift));
    for (let i = Math.floor(run.pfn / 2 ** cells.shift); i < end && left > 0; i++, left--) {
      const [x, y] = placeOf(layout, i);
      places.add(Math.floor(y / side) * ROW + Math.floor(x / side));
    }
  }
  return places;
}

/** Edges between a place that is in the set and one that is not, as far as they are seen. @param {Set<number>} places @param {Camera} camera @param {number} side cells @returns {[number, number, number, number][]} */
function edgesOf(places, camera, side) {
  const px = camera.px * side;
  /** @type {[number, number, number, number][]} */
  const lines = [];
  for (const place of places) {
    const cx = place % ROW;
    const x = camera.x + cx * px,
      y = camera.y + Math.floor(place / ROW) * px;
    if (x + px < 0 || y + px < 0 || x > camera.width || y > camera.height) continue;
    if (!places.has(place - ROW)) lines.push([x, y, x + px, y]);
    if (!places.has(place + ROW)) lines.push([x, y + px, x + px, y + px]);
    if (cx === 0 || !places.has(place - 1)) lines.push([x, y, x, y + px]);
    if (!places.has(place + 1)) lines.push([x + px, y, x + px, y + px]);
  }
  return lines;
}
