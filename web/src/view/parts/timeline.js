/* timeline.js - the lab's history, with a slider that shows any moment of it, and what stands at that moment in words. */
import { html } from 'htm/preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import { drawTimeline } from '../../draw/timeline-canvas.js';
import { readPalette } from '../../draw/palette.js';
import { count } from '../../format.js';
import { differsAt, isReadOnly, lastSeq, shownSeq } from '../../lab-state.js';
import { nrFrames } from '../../model/cells.js';
import { callText } from '../../model/form.js';
import { shownShare } from '../../model/rules.js';
import { MARGIN, markBeside, pointAt, scaleFor, SPEEDS, usedOf } from '../../model/timeline.js';
import { themeVersion } from '../../theme.js';
import { PAGE_SIZE } from '../../model/page.js';
import { useSize } from './use-size.js';

/** @param {{ session: import('../../lab-session.js').Session }} props */
export function Timeline({ session }) {
  const state = session.store.value;
  const { store } = session;
  const seq = shownSeq(state);
  const last = lastSeq(state);
  const [zone, setZone] = useState('');
  const go = (/** @type {number} */ to) => store.send({ type: 'seek', seq: to });
  const play = () => store.send({ type: 'play', playing: !state.playing });
  const op = state.views?.op?.seq === seq ? state.views.op : null;
  const row =
    state.ops.find((one) => one.seq === seq) ??
    (op?.request ? /** @type {any} */ ({ ...op.request, outcome: op.outcome }) : null);
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (!event.shiftKey || (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight')) return;
    go(seq + (event.key === 'ArrowRight' ? 10 : -10));
    event.preventDefault();
  };
  return html`<footer class="timeline" aria-label="History">
    <div class="row">
      <div class="steps" role="group" aria-label="Move in time">
        <button type="button" class="icon" aria-label="To the beginning" title="Home" onClick=${() => go(0)} disabled=${seq === 0}>⇤</button>
        <button type="button" class="icon" aria-label="One operation back" title="←" onClick=${() => go(seq - 1)} disabled=${seq === 0}>←</button>
        <button type="button" class="icon" aria-label=${state.playing ? 'Pause' : 'Play'} title="Space" onClick=${play} disabled=${!last}>${state.playing ? '❚❚' : '▶'}</button>
        <button type="button" class="icon" aria-label="One operation forward" title="→" onClick=${() => go(seq + 1)} disabled=${seq >= last}>→</button>
        <button type="button" class="icon" aria-label=${differsAt(state) === null ? 'To the present' : 'To the last moment that can be shown'} title="End" onClick=${() => store.send({ type: 'live' })} disabled=${state.at === null}>⇥</button>
        <button type="button" class="icon" aria-label="To the next failure" title="Next failure (Shift+N)" onClick=${() => session.nextFailure()} disabled=${seq >= state.head}>!→</button>
        ${state.marks.length ? html`<button type="button" class="icon" aria-label="To the next mark" title="Next mark (M; Shift+M: the one before)" onClick=${() => session.nextMark(1)} disabled=${!markBeside(state.marks, seq, 1)}>⚑→</button>` : null}
        <button type="button" class="mark-here" title="Put words on the timeline at the newest operation" onClick=${session.writeMark} disabled=${isReadOnly(state)}>Mark</button>
      </div>
      <b>op ${count(seq)} of ${count(state.head)}</b>
      ${row ? html`<code class="opline" title=${callText(row, state.table?.ops ?? [])}>${callText(row, state.table?.ops ?? [])}${row.outcome === 'ok' ? '' : html` <em>${row.outcome === 'null' ? 'NULL' : row.outcome}</em>`}</code>` : null}
      <label class="speed">speed <select value=${String(state.speed)} onChange=${(/** @type {any} */ e) => store.send({ type: 'speed', speed: Number(e.target.value) })}>
        ${SPEEDS.map((s) => html`<option key=${s} value=${String(s)} selected=${s === state.speed}>${s}/s</option>`)}</select></label>
      ${state.progress ? html`<span class="reading" role="status"><progress aria-label="Reading the history" max=${state.progress.total} value=${state.progress.done}></progress> reading the history</span>` : null}
      <span class="grow"></span><${Levels} state=${state} zone=${zone} setZone=${setZone} />
    </div>
    <div class="chart"><${Chart} state=${state} zone=${zone} />
      <input type="range" min="0" max=${state.head ? last : 1} step="1" value=${state.head ? seq : 1} disabled=${!last} style=${{ width: sliderWidth(shownShare(state)) }} aria-label="Moment shown, as the number of the last operation"
        aria-valuetext=${spoken(state, seq, row)} data-test="slider" onInput=${(/** @type {any} */ e) => go(Number(e.target.value))} onKeyDown=${keys} />
    </div>
  </footer>`;
}

/** The slider reaches as far as there are moments to show, with half a thumb at either end. @param {number} share */
const sliderWidth = (share) => (share < 1 ? `calc(${2 * MARGIN}px + (100% - ${2 * MARGIN}px) * ${share})` : '');

/** What the chart tells of a moment, for those who do not see it. @param {import('../../lab-state.js').LabState} state @param {number} seq @param {import('../../types.js').OpRow | null} row */
function spoken(state, seq, row) {
  const point = pointAt(state.points, seq);
  const free = (point?.zones ?? []).map((z) => `${z.name} ${z.free} free`).join(', ');
  return `operation ${seq} of ${state.head}${row ? `, ${row.op}${row.outcome === 'ok' ? '' : ` ${row.outcome}`}` : ''}${point ? `, ${usedOf(point)} frames in use` : ''}${free ? `, ${free}` : ''}`;
}

/** Each zone's free frames and marks; pressing one draws its marks. @param {{ state: import('../../lab-state.js').LabState, zone: string, setZone: (zone: string) => void }} props */
function Levels({ state, zone, setZone }) {
  const zones = (state.views?.zones ?? []).filter((z) => z.managed);
  return html`<span class="cap levels">${zones.map((z) => {
    const text = html`${zones.length > 1 ? z.name + ' ' : ''}free ${count(z.free + z.pcp)}<span class="marks-of">${z.low ? ` · low ${count(z.low)}` : ''}${z.min ? ` · min ${count(z.min)}` : ''}</span>`;
    if (zones.length === 1) return html`<span key=${z.name}>${text} frames</span>`;
    return html`<button type="button" class="quiet" key=${z.name} aria-pressed=${zone === z.name} title="draw this zone’s marks" onClick=${() => setZone(zone === z.name ? '' : z.name)}>${text}</button>`;
  })}</span>`;
}

/** @param {HTMLElement} element */
const parentOf = (element) => /** @type {HTMLElement} */ (element.parentElement);

/** @param {{ state: import('../../lab-state.js').LabState, zone: string }} props */
function Chart({ state, zone }) {
  const [canvas, size] = useSize(parentOf);
  const all = state.views
    ? nrFrames(state.views.cells, state.views.counts)
    : (state.lab?.memory ?? PAGE_SIZE) / PAGE_SIZE;
  const total = Math.max(1, all - (state.points[0]?.frames.reserved ?? 0));
  const most = state.points.reduce((top, point) => Math.max(top, usedOf(point)), 0);
  const scale = scaleFor(most, total);
  const version = themeVersion.value;
  useLayoutEffect(() => {
    const element = /** @type {HTMLCanvasElement | null} */ (canvas.current);
    if (!element || !size.width) return;
    const frame = requestAnimationFrame(() => {
      const ratio = devicePixelRatio || 1;
      element.width = Math.round(size.width * ratio);
      element.height = Math.round(size.height * ratio);
      const ctx = /** @type {CanvasRenderingContext2D} */ (element.getContext('2d'));
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      drawTimeline(ctx, {
        points: state.points,
        ops: state.ops,
        table: state.table?.ops ?? [],
        marks: state.marks,
        head: state.head,
        last: lastSeq(state),
        seq: shownSeq(state),
        scale,
        title: `frames in use, up to ${count(scale)}${scale < total ? ` of ${count(total)}` : ''}`,
        zone,
        ...size,
        palette: readPalette(document.documentElement),
      });
      element.dataset.marks = String(state.marks.length);
      element.dataset.points = String(state.points.length);
      element.dataset.end = String(state.points[state.points.length - 1]?.seq ?? '');
      element.dataset.differs = String(differsAt(state) ?? '');
    });
    return () => cancelAnimationFrame(frame);
  }, [size, state.points, state.ops, state.marks, state.head, lastSeq(state), state.at, scale, version, zone]);
  return html`<canvas ref=${canvas} aria-hidden="true" data-test="timeline"></canvas>`;
}
