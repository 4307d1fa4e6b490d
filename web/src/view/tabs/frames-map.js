/* frames-map.js - the physical map: a canvas, and beside it what makes it usable without sight or mouse: a focusable
 * surface with a cursor, a polite live region, and a table of ranges. */
import { html } from 'htm/preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { drawFrames } from '../../draw/frames-canvas.js';
import { createPlaces, paintImage } from '../../draw/frames-image.js';
import { drawMinimap, minimapScale } from '../../draw/minimap.js';
import { fillsOf, readPalette } from '../../draw/palette.js';
import { count, hex } from '../../format.js';
import { cellAt, holesOf, nrFrames, ranges } from '../../model/cells.js';
import { indexAt, placeOf } from '../../model/geometry.js';
import { selectedAllocation } from '../../lab-state.js';
import { frameSentence, ownerOfFrame } from '../../model/inspector.js';
import { themeVersion } from '../../theme.js';
import { stepOfKey } from '../../model/keys.js';
import { FIT, scaledBy } from './camera.js';
import { Head, scrollBox } from '../parts/parts.js';
import { Minimap } from './minimap.js';

/** @typedef {import('../../types.js').Run} Run */
/** @typedef {{ session: import('../../lab-session.js').Session, left: number, top: number, width: number, height: number, layout: import('../../model/geometry.js').Layout, camera: import('../../draw/frames-canvas.js').Camera, zoom: import('./camera.js').Zoom, setZoom: (zoom: any) => void, target: (() => import('./camera.js').Zoom) | null, colours: import('../../model/colours.js').Colouring, runs: Run[], changed: Run[], preview: Run[] }} Props */

/** @param {Props} props */
export function FramesMap(props) {
  const { session, layout, camera, runs, width, height } = props;
  const state = session.store.value;
  const views = /** @type {import('../../lab-state.js').Views} */ (state.views);
  const { cells } = views;
  const [canvas, small] = usePainted(props);
  const [said, setSaid] = useState('');
  const indexUnder = (/** @type {PointerEvent | MouseEvent} */ e) =>
    indexAt(layout, Math.floor((e.offsetX - camera.x) / camera.px), Math.floor((e.offsetY - camera.y) / camera.px));
  const pick = (/** @type {number} */ index) => {
    if (index < 0) return;
    session.pickFrame(index * 2 ** cells.shift);
  };
  const point = (/** @type {number} */ index) => {
    session.hover.value = index;
    setSaid(frameSentence(index * 2 ** cells.shift, cells, ownerOfFrame(index * 2 ** cells.shift, views.allocations)));
  };
  const onKeyDown = mapKeys({ ...props, cells, pick, point });
  const all = nrFrames(cells, views.counts);
  const used = all - (views.counts.free ?? 0) - (views.counts.pcp ?? 0);
  const wheel = (/** @type {WheelEvent} */ e) => {
    if (!e.ctrlKey) return;
    e.preventDefault();
    props.setZoom((/** @type {any} */ old) => ({
      ...old,
      scale: Math.max(1, Math.min(64, old.scale * (e.deltaY < 0 ? 1.25 : 0.8))),
    }));
  };
  return html`<div class="frames" style=${{ left: `${props.left}px`, top: `${props.top}px`, width: `${width}px`, height: `${height}px` }}>
    <div class="surface" tabindex="0" role="application" aria-roledescription="memory map" aria-label=${`Physical memory, ${count(all)} frames, ${count(used)} in use. Arrow keys move, Enter selects, B goes to the buddy.`}
      onKeyDown=${onKeyDown} onPointerMove=${(/** @type {PointerEvent} */ e) => (session.hover.value = ((i) => (i < 0 ? null : i))(indexUnder(e)))} onPointerLeave=${() => (session.hover.value = null)}
      onClick=${(/** @type {MouseEvent} */ e) => pick(indexUnder(e))} onWheel=${wheel}>
      <canvas ref=${canvas} aria-hidden="true" data-test="frames" data-seq=${views.seq} data-selected=${runs.map((r) => `${r.pfn}+${r.count}`).join(' ')} data-changed=${props.changed.length} data-px=${camera.px}></canvas>
      <${Cursor} session=${session} layout=${layout} camera=${camera} />
    </div>
    ${props.zoom.scale > 1 ? html`<${Minimap} canvas=${small} layout=${layout} setZoom=${props.setZoom} />` : null}
    <p class="sr" aria-live="polite">${said}</p>
    <${RangeTable} cells=${cells} />
  </div>`;
}

/** Paints the cells' image when cells or looks change, and the scene in the next animation frame. @param {Props} props */
function usePainted({ session, layout, camera, runs, changed, preview, colours }) {
  const state = session.store.value;
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const small = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const tools = useRef({
    places: createPlaces(),
    image: document.createElement('canvas'),
    painted: '',
    holes: /** @type {Run[]} */ ([]),
  });
  const views = /** @type {import('../../lab-state.js').Views} */ (state.views);
  const version = themeVersion.value;
  useLayoutEffect(() => {
    const frame = requestAnimationFrame(() => {
      const element = canvas.current;
      if (!element) return;
      const palette = readPalette(document.documentElement);
      const { places, image } = tools.current;
      const place = state.focus ? colours.entries.findIndex((entry) => entry.key === state.focus) : -1;
      const focus = place < 0 ? null : place;
      const fade = runs.length > 0 && focus === null;
      const key = JSON.stringify([views.seq, layout.kind, layout.cols, layout.rows, version, focus, runs, state.id]);
      if (key !== tools.current.painted || colours !== lastColours.get(image)) {
        paintImage(image, layout, places(layout), views.cells, { palette, colours, strong: runs, fade, focus });
        tools.current.painted = key;
        tools.current.holes = holesOf(views.cells);
        lastColours.set(image, colours);
      }
      const ratio = devicePixelRatio || 1;
      element.width = Math.round(camera.width * ratio);
      element.height = Math.round(camera.height * ratio);
      const ctx = /** @type {CanvasRenderingContext2D} */ (element.getContext('2d'));
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      drawFrames(ctx, {
        layout,
        cells: views.cells,
        camera,
        image,
        palette,
        selected: runs,
        changed,
        preview,
        holes: tools.current.holes,
        faded: fade || focus !== null,
        focus,
        colours,
        fills: fillsOf(palette, colours.entries).css,
      });
      if (small.current) drawMinimap(small.current, image, camera, minimapScale(layout), palette);
      element.dataset.drawn = String(views.seq);
    });
    return () => cancelAnimationFrame(frame);
  });
  return /** @type {const} */ ([canvas, small]);
}

/** What an image shows. @type {WeakMap<HTMLCanvasElement, import('../../model/colours.js').Colouring>} */
const lastColours = new WeakMap();

/** @param {{ session: import('../../lab-session.js').Session, layout: import('../../model/geometry.js').Layout, camera: import('../../draw/frames-canvas.js').Camera }} props */
function Cursor({ session, layout, camera }) {
  const index = session.hover.value;
  if (index === null || index >= layout.nr) return null;
  const [x, y] = placeOf(layout, index);
  const side = Math.max(camera.px, 4);
  return html`<i class="cursor" aria-hidden="true" style=${{ left: `${camera.x + x * camera.px}px`, top: `${camera.y + y * camera.px}px`, width: `${side}px`, height: `${side}px` }}></i>`;
}

/** Keys that move the picture: share of it to the right, down. @type {Record<string, [number, number]>} */
const PANS = { a: [-0.15, 0], d: [0.15, 0], A: [0, -0.15], D: [0, 0.15] };

/** @param {Props & { cells: import('../../types.js').Cells, pick: (index: number) => void, point: (index: number) => void }} map */
function mapKeys({ session, layout, zoom, setZoom, target, cells, pick, point }) {
  const clamp = (/** @type {number} */ n) => Math.max(-0.5, Math.min(0.5, n));
  return (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = session.hover.peek() ?? selectedIndex(session, cells.shift);
    const key = event.key;
    const small = key.length === 1 && !PANS[key] ? key.toLowerCase() : key;
    const reach = event.shiftKey ? 8 : 1;
    const right = stepOfKey(key, 0, reach),
      down = stepOfKey(key, reach, 0);
    if (right || down) {
      const [x, y] = placeOf(layout, here);
      const next = indexAt(layout, x + right, y + down);
      if (next >= 0) point(next);
    } else if (key === 'Home') point(0);
    else if (key === 'End') point(cells.nr - 1);
    else if (key === 'Enter') pick(here);
    else if (small === 'b') goBuddy(cells, here, point);
    else if (small === 'o') session.toOwner(here * 2 ** cells.shift);
    else if (small === 'v') session.toMapping(here * 2 ** cells.shift);
    else if (small === 'w' || small === 's')
      setZoom((/** @type {any} */ old) => scaledBy(old, small === 'w' ? 1.5 : 1 / 1.5));
    else if (PANS[key])
      setZoom((/** @type {any} */ old) => ({
        ...old,
        x: clamp(old.x + PANS[key][0] / old.scale),
        y: clamp(old.y + PANS[key][1] / old.scale),
      }));
    else if (small === 'f') setZoom(zoom.scale === 1 && target ? target() : FIT);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}

/** Where the cursor starts: at the selection. @param {import('../../lab-session.js').Session} session @param {number} shift */
function selectedIndex(session, shift) {
  const state = session.store.peek();
  const pfn =
    state.selection?.kind === 'frame' ? state.selection.pfn : (selectedAllocation(state)?.frames[0]?.pfn ?? 0);
  return Math.floor(pfn / 2 ** shift);
}

/** @param {import('../../types.js').Cells} cells @param {number} here @param {(index: number) => void} point */
function goBuddy(cells, here, point) {
  const { order } = cellAt(cells, here);
  const head = here - (here % 2 ** order);
  const buddy = Math.floor(head / 2 ** order) % 2 ? head - 2 ** order : head + 2 ** order;
  if (buddy < cells.nr) point(buddy);
}

const PAGE_ROWS = 200;

/** The map in words, a page at a time. @param {{ cells: import('../../types.js').Cells }} props */
function RangeTable({ cells }) {
  const [open, setOpen] = useState(false);
  const [from, setFrom] = useState(0);
  const page = open ? ranges(cells, Math.min(from, cells.nr), PAGE_ROWS) : { rows: [], next: null };
  return html`<details class="ranges" onToggle=${(/** @type {any} */ e) => setOpen(e.currentTarget.open)}><summary>as a table</summary>
    ${
      open
        ? html`<div ...${scrollBox('Ranges of frames')}><table><caption class="sr">Ranges of frames of one kind and owner</caption>
      <${Head} columns=${['from', 'frames', 'kind']} />
      <tbody>${page.rows.map((r) => html`<tr key=${r.pfn}><td>${hex(r.pfn)}</td><td class="n">${count(r.count)}</td><td>${r.kind.letter} ${r.kind.label}</td></tr>`)}</tbody></table>
      <p>${from > 0 ? html`<button type="button" onClick=${() => setFrom(0)}>from the start</button>` : null}
        ${page.next !== null ? html`<button type="button" onClick=${() => setFrom(/** @type {number} */ (page.next))}>next ${PAGE_ROWS}</button>` : null}</p></div>`
        : null
    }</details>`;
}
