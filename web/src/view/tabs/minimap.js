/* minimap.js - the whole map in a corner while only a part of it is seen: which part, and a way to another one. */
import { html } from 'htm/preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { readPalette } from '../../draw/palette.js';

const SIDE = 132; /* pixels at most */

/** @typedef {import('../../draw/frames-canvas.js').Camera} Camera */
/** @typedef {import('../../model/geometry.js').Layout} Layout */

/** @param {{ layout: Layout, camera: Camera, image: HTMLCanvasElement, drawn: string, setZoom: (zoom: any) => void }} props drawn: changes with the image */
export function Minimap({ layout, camera, image, drawn, setZoom }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const scale = SIDE / Math.max(layout.cols, layout.rows);
  const [width, height] = [layout.cols * scale, layout.rows * scale];
  useLayoutEffect(() => {
    const frame = requestAnimationFrame(() => canvas.current && draw(canvas.current, image, camera, scale));
    return () => cancelAnimationFrame(frame);
  }, [camera.x, camera.y, camera.px, camera.width, camera.height, image, drawn, scale]);
  const go = (/** @type {PointerEvent} */ e) => {
    if (!e.buttons) return;
    e.preventDefault();
    setZoom((/** @type {any} */ old) => ({ ...old, x: e.offsetX / width - 0.5, y: e.offsetY / height - 0.5 }));
  };
  return html`<canvas class="minimap" ref=${canvas} width=${Math.round(width)} height=${Math.round(height)} aria-hidden="true" data-test="minimap" onPointerDown=${go} onPointerMove=${go}></canvas>`;
}

/** @param {HTMLCanvasElement} canvas @param {HTMLCanvasElement} image @param {Camera} camera @param {number} scale pixels of the small map a cell */
function draw(canvas, image, camera, scale) {
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const palette = readPalette(document.documentElement);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(image, 0, 0, canvas.width, canvas.height);
  const part = scale / camera.px;
  ctx.strokeStyle = palette.accent;
  ctx.lineWidth = 2;
  ctx.strokeRect(-camera.x * part, -camera.y * part, camera.width * part, camera.height * part);
}
