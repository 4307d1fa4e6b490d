/* changes.js - two moments side by side: of this lab, or of this lab and one that shares its beginning. */
import { html } from 'htm/preact';
import { bytes, count, hex, plural } from '../../format.js';
import { KIND_BY_NAME } from '../../kinds.js';
import { kindOfOp } from '../../model/ops.js';
import { differsAt, lastSeq, shownSeq } from '../../lab-state.js';
import { changedCells, counterRows, question, reversed, stateText, transitions } from '../../model/changes.js';
import { rowParts } from '../../model/swap.js';
import { markBeside } from '../../model/timeline.js';
import { Chip, Empty, Head, ProblemBox, scrollBox } from '../parts/parts.js';
import { useView } from '../parts/use-view.js';

/** @typedef {import('../../lab-session.js').Session} Session */
/** @typedef {import('../../model/changes.js').Diff} Diff */

const LISTED = 200;

/** @param {{ session: Session }} props */
export function ChangesTab({ session }) {
  const state = session.store.value;
  const seq = state.views?.seq ?? 0;
  const { query, isReversed, since } = question({
    ...state,
    seq,
    last: differsAt(state) === null ? undefined : lastSeq(state),
  });
  const { data, problem, loading } = useView(`${session.base}/diff?${query}`);
  const diff = data && (isReversed ? reversed(data) : data);
  return html`<div class="pane changes" aria-busy=${loading}><${Between} session=${session} since=${since} />
    ${problem ? html`<${ProblemBox} problem=${problem} />` : null}
    ${diff ? html`<${Differences} session=${session} diff=${diff} />` : problem ? null : html`<p class="wait" role="status"><span class="spinner" aria-hidden="true"></span>Comparing…</p>`}</div>`;
}

/** Labs that may share this one's beginning: those of the same machine. @param {Session} session */
function useKin(session) {
  const { lab } = session.store.value;
  const { data } = useView('/labs');
  const labs = /** @type {import('../../types.js').LabInfo[]} */ (data?.labs ?? []);
  return labs.filter(
    (l) => lab && l.id !== lab.id && l.profile === lab.profile && l.memory === lab.memory && l.cpus === lab.cpus,
  );
}

/** @param {{ session: Session, since: number }} props */
function Between({ session, since }) {
  const { store } = session;
  const state = store.value;
  const seq = shownSeq(state);
  const kin = useKin(session);
  const from = (/** @type {number | null} */ to, against = state.against) =>
    store.send({ type: 'since', seq: to, against });
  const mark = markBeside(state.marks, seq, -1);
  const typed = (/** @type {any} */ e) => /^\d+$/.test(e.target.value) && from(Number(e.target.value));
  return html`<div class="cap between"><h2 class="plain">What changed</h2><label>from op <input class="in" type="number" name="since" min="0" value=${since} onInput=${typed} /></label>
    <label>of <select name="against" value=${state.against} onChange=${(/** @type {any} */ e) => from(since, e.target.value)}><option value="" selected=${!state.against}>this lab</option>${kin.map((l) => html`<option key=${l.id} value=${l.id} selected=${l.id === state.against}>${l.name || l.id}, op ${Math.min(l.seq, (l.engine.differs_at ?? Infinity) - 1)}</option>`)}</select></label>
    <b>to op ${count(seq)}, shown</b><span class="grow"></span>
    <span class="bases" role="group" aria-label="Compare with"><button type="button" aria-pressed=${state.since === null && !state.against} onClick=${() => from(null, '')}>op before</button>
      ${mark ? html`<button type="button" aria-pressed=${since === mark.seq && !state.against} title=${mark.text} onClick=${() => from(mark.seq, '')}>last mark</button>` : null}
      <button type="button" aria-pressed=${since === 0 && state.since === 0 && !state.against} onClick=${() => from(0, '')}>boot</button>
      <button type="button" title="Compare with this moment from now on; then move the playhead" onClick=${() => from(seq, '')}>compare from op ${count(seq)}</button></span></div>`;
}

/** @param {{ session: Session, diff: Diff }} props */
function Differences({ session, diff }) {
  const rows = counterRows(diff.counters);
  const steps = transitions(diff.frames);
  if (!rows.length && !diff.nr_frames && !diff.nr_added && !diff.nr_removed)
    return html`<${Empty}>Nothing differs between the two.<//>`;
  return html`<div ...${scrollBox('What changed', 'diffbody')} data-test="diff" data-frames=${diff.nr_frames}>
    <section><h3>Counters</h3><table data-test="diff-counters"><${Head} columns=${['what', '#before', '#after', '#change']} />
      <tbody>${rows.map((row) => html`<tr key=${row.name}><th scope="row">${row.kind ? html`<${Chip} kind=${row.kind} /> ` : null}${row.label}${row.unit ? html` <small>${row.unit}</small>` : null}</th><td class="n">${row.a}</td><td class="n">${row.b}</td><td class="n"><b>${row.by}</b></td></tr>`)}</tbody></table></section>
    <section><h3>Frames <small>${plural(diff.nr_frames, 'frame')} in ${plural(diff.nr_frame_runs, 'run')}</small></h3>${diff.nr_frames ? html`<${ChangedMap} session=${session} diff=${diff} />` : html`<p class="empty">Every frame is what it was.</p>`}
      <ul class="steps-of">${steps.map((step) => html`<li key=${step.key}><${Chip} kind=${step.from} /> ${KIND_BY_NAME[step.from]?.label ?? step.from}${step.from === step.to ? html` <small>${step.what}</small>` : html` → <${Chip} kind=${step.to} /> ${KIND_BY_NAME[step.to]?.label ?? step.to}`} <b>${count(step.count)}</b></li>`)}</ul></section>
    <${Blocks} session=${session} title="Allocated since" list=${diff.added} nr=${diff.nr_added} canSelect=${true} />
    <${Blocks} session=${session} title="Given back since" list=${diff.removed} nr=${diff.nr_removed} canSelect=${false} />
    ${diff.frames.length ? html`<${Ranges} session=${session} diff=${diff} />` : null}</div>`;
}

const ACROSS = 128;

/** @param {{ session: Session, diff: Diff }} props */
function ChangedMap({ session, diff }) {
  const { views } = session.store.value;
  const all = (views?.cells.nr ?? 0) * 2 ** (views?.cells.shift ?? 0);
  const { per, nr, runs } = changedCells(diff.frames, all);
  const rows = Math.ceil(nr / ACROSS);
  return html`<figure><svg class="changedmap" viewBox=${`0 0 ${ACROSS} ${rows}`} role="img" aria-label=${`${plural(diff.nr_frames, 'changed frame')}, by what they are now`} data-test="changed-map"><rect class="ptback" width=${ACROSS} height=${rows} />
    ${runs.map((run) => rowParts(run, ACROSS).map((part) => html`<rect key=${`${run.pfn} ${part.y}`} class=${`is k-${run.kind}`} x=${part.x} y=${part.y} width=${part.w} height="1"><title>from frame ${hex(run.pfn)}: ${KIND_BY_NAME[run.was]?.label} → ${KIND_BY_NAME[run.kind]?.label}</title></rect>`))}</svg>
    <figcaption class="cap">Memory from left to right, ${ACROSS} cells a row, a cell is ${plural(per, 'frame')}; what changed is drawn in the colour of what it is now${diff.nr_frame_runs > diff.frames.length ? `, the first ${count(diff.frames.length)} runs` : ''}.</figcaption></figure>`;
}

/** @param {{ session: Session, title: string, list: import('../../model/changes.js').Brief[], nr: number, canSelect: boolean }} props */
function Blocks({ session, title, list, nr, canSelect }) {
  if (!nr) return null;
  const ops = session.store.value.table?.ops ?? [];
  return html`<section data-test=${canSelect ? 'diff-added' : 'diff-removed'}><h3>${title} <small>${count(nr)}</small></h3><ul class="blocks">${list
    .slice(0, LISTED)
    .map(
      (a) =>
        html`<li key=${`${a.address} ${a.pid} ${a.seq}`}><${Chip} kind=${kindOfOp(ops, a.op)} />${canSelect ? html`<button type="button" class="link" onClick=${() => session.select(a.address, a.pid)}>${a.name || a.address}</button>` : html`<b>${a.name || a.address}</b>`} <small>${a.op} ${bytes(a.requested)}${a.pid ? `, pid ${a.pid}` : ''}, op ${count(a.seq)}</small></li>`,
    )}${nr > LISTED ? html`<li><small>and ${count(nr - Math.min(nr, LISTED))} more</small></li>` : null}</ul></section>`;
}

/** @param {{ session: Session, diff: Diff }} props */
function Ranges({ session, diff }) {
  const toFrame = (/** @type {number} */ pfn) =>
    session.store.send({ type: 'select', selection: { kind: 'frame', pfn } });
  return html`<section class="wide"><table><caption><b>Ranges of frames</b>${diff.nr_frame_runs > LISTED ? ` the first ${LISTED} of ${count(diff.nr_frame_runs)}` : ''}</caption><${Head} columns=${['from', '#frames', 'before', 'after']} />
    <tbody>${diff.frames.slice(0, LISTED).map((run) => html`<tr key=${run.pfn}><th scope="row"><button type="button" class="link" onClick=${() => toFrame(run.pfn)}>${hex(run.pfn)}</button></th><td class="n">${count(run.count)}</td><td><${Chip} kind=${run.a.kind} /> ${stateText(run.a)}</td><td><${Chip} kind=${run.b.kind} /> ${stateText(run.b)}</td></tr>`)}</tbody></table></section>`;
}
