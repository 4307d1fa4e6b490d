/* timeline-canvas.js - draws the history it is given, from the top: frames in use, free memory of the zones with their marks, lanes
 * of what happened, one tick per operation; and the remarks as flags. */
import { KIND_BY_NAME } from '../kinds.js';
import { kindOfOp } from '../model/ops.js';
import { freeLines, lanes, MARGIN, placeFlags, stack, xOf } from '../model/timeline.js';

/** @typedef {import('../types.js').Point} Point */
/** @typedef {import('./palette.js').Palette} Palette */
/** @typedef {{ points: Point[], ops: import('../types.js').OpRow[], table: import('../types.js').OpInfo[], marks: { seq: number, text: string }[], head: number, last: number, seq: number, scale: number, title: string, zone: string, width: number, height: number, palette: Palette }} Scene */

const TICKS = 15;
const LANE = 13;
const NAME = 12;
const LANES_FROM = 90; /* pixels of height: a lower chart shows use and operations only */
const DASHES = [[], [6, 3], [2, 2], [8, 2, 2, 2]];

/** Where each part stands. @param {number} height @param {number} nrLanes @param {boolean} hasFree */
export function partsOf(height, nrLanes, hasFree) {
  const rest = height - TICKS - nrLanes * LANE;
  const use = hasFree && rest >= 84 ? Math.round(rest * 0.56) : rest;
  return { use, free: rest - use > 8 ? [use + 6, rest - 2] : null, lanes: rest, ticks: height - TICKS + 4 };
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} scene */
export function drawTimeline(ctx, scene) {
  const { width, height, palette, points, head, last } = scene;
  const happened = height >= LANES_FROM ? lanes(points) : [];
  const parts = partsOf(height, happened.length, (points[0]?.zones?.length ?? 0) > 0);
  ctx.clearRect(0, 0, width, height);
  for (const layer of stack(points, head, scene.scale, width, parts.use, last)) {
    ctx.fillStyle = palette.kinds[KIND_BY_NAME[layer.kind].id];
    ctx.beginPath();
    for (const [x, y] of layer.points) ctx.lineTo(x, y);
    ctx.fill();
  }
  rule(ctx, scene, parts.use);
  if (parts.free) drawFree(ctx, scene, parts.free[0], parts.free[1]);
  happened.forEach((lane, i) => drawLane(ctx, scene, lane, parts.lanes + i * LANE));
  drawTicks(ctx, scene, parts.ticks);
  if (last < head) drawUnshown(ctx, scene);
  drawFlags(ctx, scene);
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {number} y */
function rule(ctx, { width, palette }, y) {
  ctx.fillStyle = palette.line;
  ctx.fillRect(MARGIN, y, width - 2 * MARGIN, 1);
}

/** Text on a piece of paper, so that lines do not run through it. @param {CanvasRenderingContext2D} ctx @param {Palette} palette @param {string} text @param {number} x @param {number} y @param {string} ink */
function note(ctx, palette, text, x, y, ink) {
  ctx.font = `${NAME}px ${palette.sans}`;
  const width = ctx.measureText(text).width;
  ctx.globalAlpha = 0.85;
  ctx.fillStyle = palette.panel;
  ctx.fillRect(x - 2, y - NAME + 1, width + 4, NAME + 2);
  ctx.globalAlpha = 1;
  ctx.fillStyle = ink;
  ctx.fillText(text, x, y);
  return width;
}

/** @param {CanvasRenderingContext2D} ctx @param {import('../model/timeline.js').Line} line @param {number} top */
function stroke(ctx, line, top) {
  ctx.beginPath();
  for (const [x, y] of line) ctx.lineTo(x, Math.round(top + y) + 0.5);
  ctx.stroke();
}

/** The marks as a band from min to high, with low as a line in it. The three are too close for three lines. @param {CanvasRenderingContext2D} ctx @param {Palette} palette @param {{ name: string, points: import('../model/timeline.js').Line }[]} marks @param {number} top */
function drawReserve(ctx, palette, marks, top) {
  const of = (/** @type {string} */ name) => marks.find((mark) => mark.name === name)?.points ?? [];
  ctx.fillStyle = ctx.strokeStyle = palette.error;
  ctx.globalAlpha = 0.22;
  ctx.beginPath();
  for (const [x, y] of [...of('high'), ...[...of('min')].reverse()]) ctx.lineTo(x, top + y);
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.lineWidth = 1;
  stroke(ctx, of('min'), top);
  ctx.setLineDash([4, 3]);
  stroke(ctx, of('low'), top);
  ctx.setLineDash([1, 3]);
  stroke(ctx, of('high'), top);
  ctx.setLineDash([]);
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {number} top @param {number} bottom */
function drawFree(ctx, scene, top, bottom) {
  const { width, palette, points, head, last } = scene;
  const { lines, marks, marked } = freeLines(points, head, width, bottom - top, scene.zone, last);
  drawReserve(ctx, palette, marks, top);
  ctx.strokeStyle = palette.ink;
  lines.forEach((line, i) => {
    ctx.lineWidth = line.name === marked ? 1.5 : 1;
    ctx.setLineDash(DASHES[i % DASHES.length]);
    stroke(ctx, line.points, top);
  });
  ctx.setLineDash([]);
  let x = MARGIN + 4;
  for (const line of lines) {
    const y = Math.max(top + NAME, Math.min(bottom - 1, top + line.points[0][1] + NAME + 2));
    x += note(ctx, palette, `${line.name} free`, x, y, palette.ink) + 10;
  }
  const low = marks.find((mark) => mark.name === 'high') ?? marks[0];
  if (low) {
    const text = `${marks.map((mark) => mark.name).join(', ')} of ${marked}`;
    ctx.font = `${NAME}px ${palette.sans}`;
    note(
      ctx,
      palette,
      text,
      Math.max(MARGIN, xOf(last, head, width) - 6 - ctx.measureText(text).width),
      Math.min(bottom - 1, top + low.points[0][1] - 3),
      palette.errorInk,
    );
  }
  rule(ctx, scene, bottom + 1);
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {{ id: string, label: string, spans: { from: number, to: number, n: number }[], most: number }} lane @param {number} y */
function drawLane(ctx, { head, width, palette }, lane, y) {
  const bad = lane.id === 'oom' || lane.id === 'failures';
  const colour = bad
    ? palette.error
    : palette.kinds[KIND_BY_NAME[lane.id === 'swap' ? 'swapcache' : lane.id === 'faults' ? 'anon' : 'kernel'].id];
  ctx.fillStyle = colour;
  for (const span of lane.spans) {
    const x0 = xOf(span.to - 1 > span.from ? span.from : span.to - 1, head, width),
      x1 = xOf(span.to, head, width);
    const h = Math.max(2, Math.round((LANE - 2) * Math.sqrt(Math.abs(span.n) / lane.most)));
    ctx.fillRect(x0, y + LANE - 1 - h, Math.max(1.5, x1 - x0 - (x1 - x0 > 6 ? 1 : 0)), h);
  }
  note(ctx, palette, lane.label, MARGIN + 4, y + LANE - 2, palette.mute);
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {number} y */
function drawTicks(ctx, { ops, table, head, seq, width, palette }, y) {
  const slot = (width - 2 * MARGIN) / Math.max(1, head);
  for (const op of ops) {
    const x1 = xOf(op.seq, head, width),
      x0 = xOf(op.seq - 1, head, width);
    const bad = op.outcome !== 'ok';
    const kind = kindOfOp(table, op.op);
    ctx.globalAlpha = op.seq > seq ? 0.35 : 1;
    ctx.fillStyle = bad ? palette.error : kind === 'none' ? palette.mute : palette.kinds[KIND_BY_NAME[kind].id];
    const gap = slot > 6 ? 1.5 : slot > 3 ? 0.5 : 0;
    const isFree = /free|exit|munmap|destroy/.test(op.op);
    ctx.fillRect(x0 + gap, isFree ? y + 3.5 : y, Math.max(1, x1 - x0 - 2 * gap), bad ? 9 : isFree ? 2.5 : 6);
  }
  ctx.globalAlpha = 1;
}

const HATCH = 7;

/** Where results differ under today's rules: a line, and behind it a hatched field, for operations are recorded there that have no
 * picture. @param {CanvasRenderingContext2D} ctx @param {Scene} scene */
function drawUnshown(ctx, { head, last, width, height, palette }) {
  const from = Math.round(xOf(last, head, width)) + 0.5;
  const end = width - MARGIN;
  const bottom = height - TICKS;
  ctx.save();
  ctx.beginPath();
  ctx.rect(from, 0, end - from, bottom);
  ctx.clip();
  ctx.strokeStyle = palette.line;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let x = from - bottom; x < end; x += HATCH) {
    ctx.moveTo(x, bottom);
    ctx.lineTo(x + bottom, 0);
  }
  ctx.stroke();
  ctx.restore();
  ctx.strokeStyle = palette.error;
  ctx.lineWidth = 2;
  ctx.setLineDash([5, 3]);
  stroke(
    ctx,
    [
      [from, 0],
      [from, height],
    ],
    0,
  );
  ctx.setLineDash([]);
  const text = `differs from op ${last + 1}`;
  ctx.font = `${NAME}px ${palette.sans}`;
  const wide = ctx.measureText(text).width;
  note(
    ctx,
    palette,
    text,
    from + 6 + wide > end ? from - 6 - wide : from + 6,
    Math.round(bottom / 2),
    palette.errorInk,
  );
}

/** Remarks: a pole each, the words in the first of two rows that has room, as far as the next pole or a few words further.
 * @param {CanvasRenderingContext2D} ctx @param {Scene} scene */
function drawFlags(ctx, { marks, head, width, height, palette, title }) {
  ctx.font = `${NAME}px ${palette.sans}`;
  const textWidth = (/** @type {string} */ text) => ctx.measureText(text).width;
  ctx.strokeStyle = palette.mute;
  ctx.lineWidth = 1;
  const xs = marks.map((mark) => Math.round(xOf(mark.seq, head, width)) - 0.5);
  for (const x of xs) {
    ctx.beginPath();
    ctx.moveTo(x, 2);
    ctx.lineTo(x, height - TICKS);
    ctx.stroke();
  }
  note(ctx, palette, title, MARGIN, NAME + 1, palette.mute);
  const places = placeFlags(marks, xs, { start: MARGIN + textWidth(title) + 8, end: width - MARGIN, textWidth });
  for (const { text, x, row } of places) note(ctx, palette, text, x, NAME + 1 + row * (NAME + 3), palette.ink);
}
