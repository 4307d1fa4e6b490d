/* frames-canvas.js - draws the physical map it is given: the image of cells, then what their size allows:
 * from 6 px block outlines, from 8 px patterns, from 14 px letters; and the marks of selection, change and preview. */
import { PCP, PGTABLE, SWAPCACHE, VMALLOC } from '../kinds.js';
import { CELL } from '../model/cells.js';
import { blockRect, indexAt, placeOf, rectsOf } from '../model/geometry.js';
import { rgb } from './palette.js';

/** @typedef {import('../types.js').Run} Run */
/** @typedef {import('../types.js').Cells} Cells */
/** @typedef {import('../model/geometry.js').Layout} Layout */
/** @typedef {{ x: number, y: number, px: number, width: number, height: number }} Camera origin of the map and size of a cell, in pixels */

/** From this size of a cell on, pixels, blocks have outlines and their order. */
export const BLOCKS_FROM = 6;

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {{ layout: Layout, cells: Cells, camera: Camera, image: HTMLCanvasElement, palette: import('./palette.js').Palette, selected: Run[], changed: Run[], preview: Run[], faded: boolean, focus: number | null, colours: import('../model/colours.js').Colouring, fills: string[] }} scene
 */
export function drawFrames(ctx, scene) {
  const { camera, layout, palette } = scene;
  ctx.clearRect(0, 0, camera.width, camera.height);
  ctx.imageSmoothingEnabled = camera.px < 1;
  ctx.drawImage(scene.image, camera.x, camera.y, layout.cols * camera.px, layout.rows * camera.px);
  if (camera.px >= BLOCKS_FROM && scene.cells.shift === 0) drawBlocks(ctx, scene);
  else drawGrid(ctx, scene);
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
  ctx.strokeRect(camera.x + 0.5, camera.y + 0.5, layout.cols * camera.px - 1, layout.rows * camera.px - 1);
}

/** @param {CanvasRenderingContext2D} ctx @param {{ layout: Layout, cells: Cells, camera: Camera, palette: import('./palette.js').Palette, selected: Run[], faded: boolean, focus: number | null, colours: import('../model/colours.js').Colouring, fills: string[] }} scene */
function drawBlocks(ctx, scene) {
  const { cells } = scene;
  ctx.lineWidth = 1;
  ctx.textBaseline = 'alphabetic';
  const heads = new Set();
  eachVisible(scene, (index) => heads.add(index - (index % 2 ** cells.bytes[index * CELL + 1])));
  for (const head of heads) drawBlock(ctx, scene, head);
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
  if (!text || h < 12 || w < 9) return;
  const size = Math.min(11, h - 2);
  ctx.font = `${size}px ${palette.mono}`;
  ctx.fillStyle = ink;
  ctx.fillText(text, camera.x + r.x * camera.px + 3.5, camera.y + r.y * camera.px + size + 1);
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

/** The outline of a set of frames: edges between a frame that is in it and one that is not.
 * @param {CanvasRenderingContext2D} ctx @param {{ layout: Layout, cells: Cells, camera: Camera }} scene @param {Run[]} runs @param {string} colour @param {number[]} dash @param {number} width */
function strokeRuns(ctx, { layout, cells, camera }, runs, colour, dash, width) {
  if (!runs.length) return;
  const inside = new Set();
  for (const run of runs) {
    const end = Math.min(layout.nr, Math.ceil((run.pfn + run.count) / 2 ** cells.shift));
    for (let i = Math.floor(run.pfn / 2 ** cells.shift); i < end && inside.size < 65536; i++) inside.add(i);
  }
  const { px } = camera;
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.beginPath();
  for (const index of inside) {
    const [cx, cy] = placeOf(layout, index);
    const x = camera.x + cx * px,
      y = camera.y + cy * px;
    if (x + px < 0 || y + px < 0 || x > camera.width || y > camera.height) continue;
    if (px < 2) {
      ctx.rect(x, y, Math.max(px, 1.5), Math.max(px, 1.5));
      continue;
    }
    if (!inside.has(indexAt(layout, cx, cy - 1))) (ctx.moveTo(x, y), ctx.lineTo(x + px, y));
    if (!inside.has(indexAt(layout, cx, cy + 1))) (ctx.moveTo(x, y + px), ctx.lineTo(x + px, y + px));
    if (!inside.has(indexAt(layout, cx - 1, cy))) (ctx.moveTo(x, y), ctx.lineTo(x, y + px));
    if (!inside.has(indexAt(layout, cx + 1, cy))) (ctx.moveTo(x + px, y), ctx.lineTo(x + px, y + px));
  }
  ctx.stroke();
  ctx.setLineDash([]);
}
