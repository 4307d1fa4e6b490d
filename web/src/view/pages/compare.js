/* compare.js - the three allocators (and kzalloc) side by side for one request, and their curves over all sizes; every number
 * comes from a run of the engine. */
import { html } from 'htm/preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { fieldOf } from '../../api.js';
import { bytes, count, duration, parseSize, plural } from '../../format.js';
import { KIND_OF_ALLOCATOR } from '../../kinds.js';
import * as model from '../../model/compare.js';
import { callLine } from '../../model/form.js';
import { Curves } from '../parts/curves.js';
import { Chip, ProblemBox, scrollBox, SiteBar } from '../parts/parts.js';
import { TourButton } from '../parts/tour-button.js';
import { useView } from '../parts/use-view.js';

/** @typedef {import('../../types.js').CompareAnswer} Answer */

/** The last answer stays while the next one is on its way, or none came. @param {string} path */
function useAnswer(path) {
  const { data, problem } = useView(path);
  const last = useRef(data);
  if (data) last.current = data;
  return { answer: last.current, problem };
}

export function ComparePage() {
  const [question, setQuestion] = useState(() => model.questionFromUrl(location.search));
  const change = (/** @type {Partial<model.Question>} */ patch) => setQuestion({ ...question, ...patch });
  useEffect(() => {
    document.title = 'Compare · Pagoda';
    history.replaceState(null, '', model.urlFromQuestion(question));
  }, [question]);
  const { answer, problem } = useAnswer(`/compare${model.urlFromQuestion(question)}`);
  const wrong = new Set((problem?.errors ?? []).map(fieldOf));
  return html`<div class="home"><${SiteBar} here="Compare" />
    <main id="content" tabindex="-1" class="versus"><div><h1>One request, four allocators</h1>
      <p class="cap">Each runs on a machine of its own, of the chosen profile, on which nothing has run before (fresh), a busy day (used), or what left it in pieces (fragmented). What you see is where the engine put it, what it cost, and what it wasted.</p><${InLab} question=${question} /></div>
      <${Ask} question=${question} change=${change} wrong=${wrong} />
      ${problem ? html`<${ProblemBox} problem=${problem} />` : null}
      ${answer ? html`<${Answers} reply=${answer} />` : html`<p class="empty" role="status">Running…</p>`}
      ${answer || problem ? html`<${AllSizes} limits=${answer?.profile === question.profile ? model.limitTexts(answer.allocators) : []} profile=${question.profile} machine=${question.machine} size=${parseSize(question.size)} choose=${(/** @type {number} */ size) => change({ size: String(size) })} />` : null}
    </main></div>`;
}

/** The same four calls, one after the other in one machine, to be walked through. @param {{ question: model.Question }} props */
function InLab({ question }) {
  const size = parseSize(question.size);
  return html`<${TourButton} wish=${{ ...question, size }} label="Watch these calls in a lab" isOff=${Number.isNaN(size)} />`;
}

/** @param {{ question: model.Question, change: (patch: Partial<model.Question>) => void, wrong: Set<string> }} props */
function Ask({ question, change, wrong }) {
  const set = (/** @type {keyof model.Question} */ name) => (/** @type {any} */ e) =>
    change({ [name]: e.target.value });
  const size = parseSize(question.size);
  const choice = (
    /** @type {keyof model.Question} */ name,
    /** @type {string} */ label,
    /** @type {string[]} */ words,
  ) => html`<label><span>${label}</span>
    <select value=${question[name]} onChange=${set(name)} aria-invalid=${wrong.has(name) ? 'true' : undefined}>${words.map((w) => html`<option key=${w} value=${w} selected=${w === question[name]}>${w}</option>`)}</select></label>`;
  return html`<form class="card ask" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()} autocomplete="off">
    ${choice('profile', 'Profile', ['classic', 'linux-6.1'])}${choice('machine', 'Machine', model.MACHINES)}
    <label class="size"><span>Size</span><input class="in" data-test="size" value=${question.size} onInput=${set('size')} spellcheck=${false} aria-invalid=${wrong.has('size') ? 'true' : undefined} />
      <input type="range" min="0" max="24" step="0.125" aria-label="Size, 1 byte to 16 MiB" aria-valuetext=${bytes(size || 0)} value=${Number.isNaN(size) ? 0 : model.sliderFromSize(size)} onInput=${(/** @type {any} */ e) => change({ size: model.sizeFromSlider(Number(e.target.value)) })} /></label>
    ${choice('gfp', 'GFP flags', model.GFPS)}${choice('context', 'Context', model.CONTEXTS)}</form>`;
}

/** @param {{ reply: import('../../types.js').CompareReply }} props */
function Answers({ reply }) {
  const answers = reply.allocators;
  return html`<div class="answers" data-test="answers">${answers.map((a) => html`<${AnswerCard} key=${a.op} answer=${a} asked=${reply} />`)}</div>
    <div ...${scrollBox('The four side by side')}><table class="beside"><thead><tr><td></td>${answers.map((a) => html`<th key=${a.op} scope="col"><${Chip} kind=${KIND_OF_ALLOCATOR[a.op]} />${a.op}</th>`)}</tr></thead>
      <tbody>${model.factRows(answers).map((row) => html`<tr key=${row.name}><th scope="row">${row.name}</th>${row.cells.map((cell, i) => html`<td key=${i}>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** @param {{ answer: Answer, asked: import('../../types.js').CompareReply }} props */
function AnswerCard({ answer, asked }) {
  const { call, args, note } = callLine(model.requestOf(answer, asked), true);
  return html`<section class=${`card answer ${answer.outcome}`} aria-label=${answer.op}><h2 class="plain"><${Chip} kind=${KIND_OF_ALLOCATOR[answer.op]} />${answer.op} <small>${answer.outcome === 'ok' ? answer.cache || '' : answer.outcome === 'null' ? 'returns NULL' : 'bug'}</small></h2>
    <code class="line">p = ${call}(${args});${note ? html`<span class="c"> /* ${note} */</span>` : null}</code>
    ${answer.outcome === 'ok' ? html`<${Strip} answer=${answer} /><${Shares} answer=${answer} />` : html`<p class="says">${model.failureText(answer, asked.size)}</p>`}
    <${Cost} answer=${answer} /></section>`;
}

/** Its frames in the order of their addresses. @param {{ answer: Answer }} props */
function Strip({ answer }) {
  const { runs, untouched, share } = model.piecesOf(answer);
  const text = `${plural(answer.nr_frame_runs, 'run')} of frames${untouched ? `, ${plural(untouched, 'page')} without a frame until touched` : ''}`;
  return html`<div class=${`strip k-${KIND_OF_ALLOCATOR[answer.op]}`} role="img" aria-label=${text} title=${text}>${runs.map((p) => html`<i key=${p.pfn} style=${{ flexGrow: p.share }}></i>`)}
    ${untouched ? html`<span style=${{ flexGrow: share }}>${plural(untouched, 'page')} when touched</span>` : null}</div>`;
}

/** @param {{ answer: Answer }} props */
function Shares({ answer }) {
  const shares = model.sharesOf(answer);
  return html`<div class="shares"><div class="bar" aria-hidden="true">${shares.map((s) => html`<i key=${s.name} class=${s.name.replace(' ', '-')} style=${{ flexGrow: s.share }}></i>`)}</div>
    <p class="cap">${shares.map((s) => `${bytes(s.bytes)} ${s.name}`).join(' · ')}${answer.waste.guard_addresses ? ` · ${bytes(answer.waste.guard_addresses)} of addresses as guard` : ''}</p></div>`;
}

/** @param {{ answer: Answer }} props */
function Cost({ answer }) {
  const steps = [
    ...answer.cost,
    ...(answer.first_touch?.cost ?? []).map((s) => ({ ...s, step: `touch: ${s.step}` })),
  ].sort((a, b) => b.ns - a.ns);
  const most = Math.max(1, ...steps.map((s) => s.ns));
  return html`<ul class="steps" aria-label="cost, step by step">${steps.slice(0, 5).map((s) => html`<li key=${s.step}><span>${s.step}${s.count > 1 ? ` × ${count(s.count)}` : ''}</span><i style=${{ width: `${Math.max(2, (100 * s.ns) / most)}%` }} aria-hidden="true"></i><b>${duration(s.ns)}</b></li>`)}</ul>`;
}

/** @param {{ profile: string, machine: string, size: number, limits: string[], choose: (size: number) => void }} props */
function AllSizes({ profile, machine, size, limits, choose }) {
  const [measure, setMeasure] = useState('call');
  const { answer, problem } = useAnswer(`/compare/curves?${new URLSearchParams({ profile, machine, points: '97' })}`);
  const data = useMemo(() => answer && model.seriesOf(answer, measure), [answer, measure]);
  return html`<section class="card" aria-labelledby="curves-title"><h2 id="curves-title">Every size from 1 byte to 16 MiB</h2>
    <div class="pills" role="radiogroup" aria-label="What is drawn">${Object.entries(model.MEASURES).map(([name, m]) => html`<label key=${name} class=${name === measure ? 'on' : ''}><input type="radio" name="measure" checked=${name === measure} onChange=${() => setMeasure(name)} />${m.title}</label>`)}</div>
    ${problem ? html`<${ProblemBox} problem=${problem} />` : null}
    ${data ? html`<${Curves} data=${data} measure=${measure} size=${size} limits=${limits} choose=${choose} /><${Numbers} data=${data} measure=${measure} />` : html`<p class="empty" role="status">Running ${profile} at 97 sizes…</p>`}</section>`;
}

/** The same curves as a table. @param {{ data: ReturnType<typeof model.seriesOf>, measure: string }} props */
function Numbers({ data, measure }) {
  return html`<details class="rest"><summary>as numbers</summary><div ...${scrollBox('The curves as numbers', 'numbers')}><table><thead><tr><th scope="col">size</th>${data.series.map((s) => html`<th key=${s.op} scope="col">${s.op}</th>`)}</tr></thead>
    <tbody>${data.sizes.map((size, i) => html`<tr key=${size}><th scope="row">${bytes(size)}</th>${data.series.map((s) => html`<td key=${s.op}>${model.tellValue(measure, s.values[i])}</td>`)}</tr>`)}</tbody></table></div></details>`;
}
