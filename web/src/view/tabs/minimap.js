/* minimap.js - the whole map in a corner while only a part of it is seen: which part, and a way to another one. It is painted together with
 * the large one. */
import { html } from 'htm/preact';
import { minimapScale } from '../../draw/minimap.js';

/** @param {{ canvas: import('preact').RefObject<HTMLCanvasElement>, layout: import('../../model/geometry.js').Layout, setZoom: (zoom: any) => void }} props */
export function Minimap({ canvas, layout, setZoom }) {
  const scale = minimapScale(layout);
  const [width, height] = [layout.cols * scale, layout.rows * scale];
  const go = (/** @type {PointerEvent} */ e) => {
    if (!e.buttons) return;
    e.preventDefault();
    setZoom((/** @type {any} */ old) => ({ ...old, x: e.offsetX / width - 0.5, y: e.offsetY / height - 0.5 }));
  };
  return html`<canvas class="minimap" ref=${canvas} width=${Math.round(width)} height=${Math.round(height)} aria-hidden="true" data-test="minimap" onPointerDown=${go} onPointerMove=${go}></canvas>`;
}
