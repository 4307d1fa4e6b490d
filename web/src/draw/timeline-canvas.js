/* timeline-canvas.js - draws the stacked history, the free-memory marks and one tick per operation. */
import { KIND_BY_NAME, kindOfOp } from '../kinds.js';
import { MARGIN, stack, xOf } from '../model/timeline.js';

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {{ points: import('../types.js').Point[], ops: import('../types.js').OpRow[], head: number, seq: number, scale: number, total: number, marks: { name: string, frames: number }[], width: number, height: number, palette: import('./palette.js').Palette }} scene
 */
export function drawTimeline(ctx, scene) {
  const { width, height, palette } = scene;
  const chart = height - 16;
  ctx.clearRect(0, 0, width, height);
  for (const layer of stack(scene.points, scene.head, scene.scale, width, chart)) {
    ctx.fillStyle = palette.kinds[KIND_BY_NAME[layer.kind].id];
    ctx.beginPath();
    for (const [x, y] of layer.points) ctx.lineTo(x, y);
    ctx.fill();
  }
  ctx.fillStyle = palette.line;
  ctx.fillRect(MARGIN, chart, width - 2 * MARGIN, 1);
  for (const mark of scene.marks) drawMark(ctx, scene, mark, chart);
  drawTicks(ctx, scene, chart + 5);
}

/** A watermark, as the use at which so few frames are left. @param {CanvasRenderingContext2D} ctx @param {{ scale: number, total: number, width: number, palette: import('./palette.js').Palette }} scene @param {{ name: string, frames: number }} mark @param {number} chart */
function drawMark(ctx, { scale, total, width, palette }, mark, chart) {
  const used = total - mark.frames; /* total: what the allocator manages */
  if (used > scale) return;
  const y = Math.round(chart - (used / scale) * chart) + 0.5;
  ctx.strokeStyle = ctx.fillStyle = palette.error;
  ctx.lineWidth = 1;
  ctx.setLineDash([4, 4]);
  ctx.beginPath();
  ctx.moveTo(MARGIN, y);
  ctx.lineTo(width - MARGIN, y);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.font = `10.5px ${palette.sans}`;
  ctx.fillText(mark.name, MARGIN + 4, y + 12);
}

/** @param {CanvasRenderingContext2D} ctx @param {{ ops: import('../types.js').OpRow[], head: number, seq: number, width: number, palette: import('./palette.js').Palette }} scene @param {number} y */
function drawTicks(ctx, { ops, head, seq, width, palette }, y) {
  const slot = (width - 2 * MARGIN) / Math.max(1, head);
  for (const op of ops) {
    const x1 = xOf(op.seq, head, width),
      x0 = xOf(op.seq - 1, head, width);
    const bad = op.outcome !== 'ok';
    const kind = kindOfOp(op.op);
    ctx.globalAlpha = op.seq > seq ? 0.35 : 1;
    ctx.fillStyle = bad ? palette.error : kind === 'none' ? palette.mute : palette.kinds[KIND_BY_NAME[kind].id];
    const gap = slot > 6 ? 1.5 : slot > 3 ? 0.5 : 0;
    const isFree = /free|exit|munmap|destroy/.test(op.op);
    ctx.fillRect(x0 + gap, isFree ? y + 3.5 : y, Math.max(1, x1 - x0 - 2 * gap), bad ? 9 : isFree ? 2.5 : 6);
  }
  ctx.globalAlpha = 1;
}
