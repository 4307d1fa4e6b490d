/* timeline.js - frames in use over the lab's history, with a slider that shows any moment of it. */
import { html } from 'htm/preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { drawTimeline } from '../draw/timeline-canvas.js';
import { readPalette } from '../draw/palette.js';
import { count } from '../format.js';
import { shownSeq } from '../lab-state.js';
import { callLine } from '../model/form.js';
import { scaleFor, usedOf } from '../model/timeline.js';
import { themeVersion } from '../theme.js';

const HEIGHT = 112;
const SPEEDS = [1, 2, 4, 8, 16, 32];

/** @param {{ session: import('../lab-session.js').Session }} props */
export function Timeline({ session }) {
  const state = session.store.value;
  const { store } = session;
  const seq = shownSeq(state);
  const go = (/** @type {number} */ to) => store.send({ type: 'seek', seq: to });
  const play = () => store.send({ type: 'play', playing: !state.playing });
  const row = state.ops.find((op) => op.seq === seq);
  const keys = (/** @type {KeyboardEvent} */ event) => {
    const speed = SPEEDS.indexOf(state.speed);
    if (event.key === ' ') play();
    else if (event.key === ']' || event.key === '[')
      store.send({ type: 'speed', speed: SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, speed + (event.key === ']' ? 1 : -1)))] });
    else if (event.shiftKey && (event.key === 'ArrowLeft' || event.key === 'ArrowRight')) go(seq + (event.key === 'ArrowRight' ? 10 : -10));
    else return;
    if (event.target instanceof HTMLButtonElement && event.key === ' ') return;
    event.preventDefault();
  };
  return html`<footer class="timeline" aria-label="History">
    <div class="row">
      <div class="steps" role="group" aria-label="Move in time">
        <button type="button" class="icon" aria-label="To the beginning" title="Home" onClick=${() => go(0)} disabled=${seq === 0}>⇤</button>
        <button type="button" class="icon" aria-label="One operation back" title="←" onClick=${() => go(seq - 1)} disabled=${seq === 0}>←</button>
        <button type="button" class="icon" aria-label=${state.playing ? 'Pause' : 'Play'} title="Space" onClick=${play} disabled=${!state.head}>${state.playing ? '❚❚' : '▶'}</button>
        <button type="button" class="icon" aria-label="One operation forward" title="→" onClick=${() => go(seq + 1)} disabled=${seq >= state.head}>→</button>
        <button type="button" class="icon" aria-label="To the present" title="End" onClick=${() => store.send({ type: 'live' })} disabled=${state.at === null}>⇥</button>
      </div>
      <b>op ${count(seq)} of ${count(state.head)}</b>
      ${row ? html`<code class="opline">${callText(row)}${row.outcome === 'ok' ? '' : html` <em>${row.outcome === 'null' ? 'NULL' : row.outcome}</em>`}</code>` : null}
      <label class="speed">speed <select value=${String(state.speed)} onChange=${(/** @type {any} */ e) => store.send({ type: 'speed', speed: Number(e.target.value) })}>
        ${SPEEDS.map((s) => html`<option key=${s} value=${String(s)} selected=${s === state.speed}>${s}/s</option>`)}</select></label>
      <span class="grow"></span><span class="cap">${freeText(state)}</span>
    </div>
    <div class="chart"><${Chart} state=${state} />
      <input type="range" min="0" max=${Math.max(state.head, 1)} step="1" value=${state.head ? seq : 1} disabled=${!state.head} aria-label="Moment shown, as the number of the last operation"
        aria-valuetext=${`operation ${seq} of ${state.head}${row ? `, ${row.op}` : ''}`} data-test="slider" onInput=${(/** @type {any} */ e) => go(Number(e.target.value))} onKeyDown=${keys} />
    </div>
  </footer>`;
}

/** An operation of the log as the call that it was. @param {import('../types.js').OpRow} row */
function callText(row) {
  const { target, call, args } = callLine(row);
  return `${target}${call}(${args})`;
}

/** @param {import('../lab-state.js').LabState} state */
function freeText(state) {
  const zones = state.views?.zones ?? [];
  if (!zones.length) return '';
  return (
    zones
      .filter((z) => z.managed)
      .map(
        (z) =>
          `${zones.length > 1 ? z.name + ': ' : ''}free ${count(z.free + z.pcp)}${z.low ? ` · low ${count(z.low)}` : ''}${z.min ? ` · min ${count(z.min)}` : ''}`,
      )
      .join('  |  ') + (zones.length === 1 ? ' frames' : '')
  );
}

/** @param {{ state: import('../lab-state.js').LabState }} props */
function Chart({ state }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [width, setWidth] = useState(0);
  const all = state.views ? state.views.cells.nr * 2 ** state.views.cells.shift : (state.lab?.memory ?? 4096) / 4096;
  const total = Math.max(1, all - (state.points[0]?.frames.reserved ?? 0));
  const most = state.points.reduce((top, point) => Math.max(top, usedOf(point)), 0);
  const scale = scaleFor(most, total);
  useLayoutEffect(() => {
    const parent = /** @type {HTMLElement} */ (canvas.current?.parentElement);
    const observer = new ResizeObserver(() => setWidth(parent.clientWidth));
    observer.observe(parent);
    setWidth(parent.clientWidth);
    return () => observer.disconnect();
  }, []);
  const version = themeVersion.value;
  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element || !width) return;
    const frame = requestAnimationFrame(() => {
      const ratio = devicePixelRatio || 1;
      element.width = Math.round(width * ratio);
      element.height = HEIGHT * ratio;
      const ctx = /** @type {CanvasRenderingContext2D} */ (element.getContext('2d'));
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      const low = (state.views?.zones ?? []).reduce((sum, z) => sum + z.low, 0);
      drawTimeline(ctx, {
        points: state.points,
        ops: state.ops,
        head: state.head,
        seq: shownSeq(state),
        scale,
        total,
        marks: low ? [{ name: 'low watermark', frames: low }] : [],
        width,
        height: HEIGHT,
        palette: readPalette(document.documentElement),
      });
    });
    return () => cancelAnimationFrame(frame);
  }, [width, state.points, state.ops, state.head, state.at, scale, version, state.views?.zones]);
  return html`<canvas ref=${canvas} aria-hidden="true"></canvas><span class="scale" aria-hidden="true">frames in use, up to ${count(scale)}${scale < total ? ` of ${count(total)}` : ''}</span>`;
}
