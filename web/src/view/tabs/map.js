/* map.js - virtual beside physical, joined by ribbons for the selection. */
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { count } from '../../format.js';
import { isReadOnly, selectedAllocation, stagedFailure } from '../../lab-state.js';
import { layoutFor } from '../../model/geometry.js';
import { changedRuns, nrFrames } from '../../model/cells.js';
import { ribbons } from '../../model/ribbons.js';
import { virtualBands } from '../../model/virtual.js';
import { kindOfOp } from '../../model/ops.js';
import { clampCamera, fitCamera, zoomTo, FIT, scaledBy } from './camera.js';
import { FramesMap } from './frames-map.js';
import { Legend } from './legend.js';
import { useColours } from '../parts/use-colours.js';
import { BLOCKS_FROM } from '../../draw/frames-canvas.js';
import { useSize } from '../parts/use-size.js';
import { VIRTUAL_WIDTH, VirtualMap } from './virtual-map.js';

const GAP = 72;
const LISTED = 1000; /* allocations that the daemon lists at once */
const CAPTION = 24;
const FOOT = 26; /* for the table's switch below the map */

/** @param {{ session: import('../../lab-session.js').Session }} props */
export function MapTab({ session }) {
  const state = session.store.value;
  const views = /** @type {import('../../lab-state.js').Views} */ (state.views);
  const [box, size] = useSize();
  const colours = useColours(session);
  const [zoom, setZoom] = useState(FIT);
  useEffect(() => setZoom(FIT), [state.layout, views.cells.nr]);

  const narrow = size.width < 560;
  const gap = narrow ? 36 : GAP;
  const left = narrow ? Math.round(size.width * 0.32) : VIRTUAL_WIDTH;
  const width = Math.max(0, size.width - left - gap),
    height = Math.max(0, size.height - CAPTION - FOOT);
  const ready = width > 20 && height > 20;
  const layout = layoutFor(
    views.cells.nr,
    state.layout,
    width,
    height,
    (state.profile?.nr_orders ?? 11) - 1 - views.cells.shift,
  );
  const camera = clampCamera(fitCamera(layout, width, height, zoom), layout);
  const mapHeight = Math.min(height, Math.max(layout.rows * layout.px, Math.min(height, 340)));
  const failure = stagedFailure(state);
  const selected = failure ? failure.holder : selectedAllocation(state);
  const ops = state.table?.ops ?? [];
  const bands = ready ? virtualBands(views, ops, state.profile, mapHeight, selected) : [];
  const runs =
    !failure && (state.selection?.kind === 'frame' || state.selection?.kind === 'object')
      ? [{ pfn: state.selection.pfn, count: 1 }]
      : (selected?.frames ?? []);
  const part =
    selected &&
    bands
      .flatMap((band) => band.bars)
      .flatMap((bar) => bar.parts)
      .find((p) => p.allocation === selected);
  const to = {
    x: left + gap + camera.x,
    y: CAPTION + camera.y,
    px: camera.px,
    shift: views.cells.shift,
    left: left + gap,
    top: CAPTION,
    right: left + gap + width,
    bottom: CAPTION + height,
  };
  const target = runs.length ? () => zoomTo(layout, runs, views.cells.shift, width, height) : null;
  const threads =
    ready && part && runs.length ? ribbons({ x: left - 8, y: CAPTION + part.y, h: part.h }, runs, layout, to) : [];

  const extent = `${count(nrFrames(views.cells, views.counts))} frames of 4 KiB${views.cells.shift ? `, one cell = ${2 ** views.cells.shift} frames` : ''}`;

  return html`<div class="mapbox"><div class="map" ref=${box} data-test="map" data-seq=${views.seq}>
    <div class="cap" style=${{ left: '0px' }}><b>Virtual</b> ${narrow ? '' : views.more ? html`<span title=${`${count(views.nr_live)} allocations are live; the first ${count(LISTED)} are drawn, and the selected one`}>first ${count(LISTED)} of ${count(views.nr_live)}</span>` : views.pid ? `kernel and pid ${views.pid}` : 'kernel'}</div>
    <div class="cap" style=${{ left: `${left + gap}px`, width: `${width}px` }}><b>Physical</b> <span class="what" title=${extent}>${extent}</span>
      <span class="grow"></span><${Zoom} zoom=${zoom} setZoom=${setZoom} target=${narrow && zoom.scale > 1 ? null : target} /></div>
    ${
      ready
        ? html`
      <${VirtualMap} bands=${bands} width=${left} height=${mapHeight} top=${CAPTION} selected=${selected} onSelect=${(/** @type {any} */ a) => session.select(a.address, a.pid ?? 0)} />
      <${FramesMap} session=${session} left=${left + gap} top=${CAPTION} width=${width} height=${height} layout=${layout} camera=${camera} zoom=${zoom} setZoom=${setZoom} target=${target} colours=${colours}
        runs=${runs} changed=${changedRuns(views.op)} preview=${state.preview && !isReadOnly(state) ? state.preview.frames : []} />
      <svg class=${`ribbons r-${selected ? kindOfOp(ops, selected.op) : 'none'}`} width=${size.width} height=${size.height} aria-hidden="true" data-test="ribbons" data-count=${threads.length}>
        ${threads.map((d, i) => html`<path key=${i} d=${d} />`)}</svg>`
        : null
    }
  </div><${Legend} session=${session} colours=${colours} hasBlocks=${ready && camera.px >= BLOCKS_FROM && !views.cells.shift} /></div>`;
}

/** @param {{ zoom: import('./camera.js').Zoom, setZoom: (zoom: any) => void, target: (() => import('./camera.js').Zoom) | null }} props */
function Zoom({ zoom, setZoom, target }) {
  const by = (/** @type {number} */ factor) => setZoom((/** @type {any} */ old) => scaledBy(old, factor));
  return html`<span class="zoom" role="group" aria-label="Zoom">
    ${target ? html`<button type="button" class="quiet" title="Zoom to the selected frames" onClick=${() => setZoom(target())}>to selection</button>` : null}
    <button type="button" class="icon quiet" aria-label="Zoom out" disabled=${zoom.scale <= 1} onClick=${() => by(1 / 2)}>−</button>
    <button type="button" class="icon quiet" aria-label="Zoom in" onClick=${() => by(2)}>+</button>
    ${zoom.scale > 1 ? html`<button type="button" class="quiet" onClick=${() => setZoom(FIT)}>fit</button>` : null}</span>`;
}
