/* call-panel.js - the form for one operation, made from the table that the daemon publishes. */
import { html } from 'htm/preact';
import { duration, hex, parseSize } from '../../format.js';
import { differsAt } from '../../lab-state.js';
import { callLine, fieldErrors, fieldsOf, FIRST_OPS, remark, suggestedName } from '../../model/form.js';
import { opInfo } from '../../model/ops.js';
import { whyReadOnly } from '../../model/rules.js';
import { Field } from './fields.js';
import { GfpComposer } from './gfp-composer.js';
import { Empty } from './parts.js';

/** @param {{ session: import('../../lab-session.js').Session }} props */
export function CallPanel({ session }) {
  const state = session.store.value;
  const { table, form } = state;
  const info = table && opInfo(table.ops, form.op);
  if (!table || !info)
    return html`<section aria-busy="true"><h2>Call</h2><${Empty}>Reading the list of operations…<//></section>`;
  const change = (/** @type {Partial<import('../../model/form.js').Form>} */ patch) =>
    session.store.send({ type: 'form', form: { ...state.form, ...patch } });
  const set = (/** @type {string} */ name, /** @type {string} */ value) =>
    change({ values: { ...state.form.values, [name]: value } });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    session.submit();
  };
  const fields = fieldsOf(info, table.params);
  const main = fields.filter(
    ({ param, needed }) =>
      needed ||
      param.name === 'name' ||
      param.name === 'context' ||
      (info.op === 'write' && (param.name === 'fill' || param.name === 'length')),
  );
  const rest = fields.filter(
    (field) =>
      !main.includes(field) &&
      field.param.type !== 'gfp' &&
      !(field.param.name === 'cpu' && (state.lab?.cpus ?? 1) < 2),
  );
  const errors = fieldErrors(
    state.problem,
    fields.map((one) => one.param.name),
  );
  const field = (/** @type {any} */ { param, needed }) =>
    html`<${Field} key=${param.name} param=${param} needed=${needed} session=${session} error=${errors.get(param.name)} onSet=${set} />`;
  const hasGfp = fields.some(({ param }) => param.type === 'gfp');
  const why = whyReadOnly(state);
  const isOff = differsAt(state) !== null;
  return html`<section class="call" aria-labelledby="call-title"><h2 id="call-title">Call <${MoreOps} session=${session} change=${change} isOff=${isOff} /></h2>
    <form onSubmit=${submit} noValidate autocomplete="off"><fieldset class="bare" disabled=${isOff} aria-label="One operation" data-test="call-fields">
      ${isOff ? html`<p class="cap bad" data-test="why-off">Nothing can be called here: the lab was recorded under other rules.</p>` : null}
      <${Choice} session=${session} change=${change} />
      ${FIRST_OPS.includes(info.op) ? null : html`<p class="doc">${info.doc}</p>`}
      ${main.map((f) => html`${field(f)}${f.param.type === 'size' && f.param.name === 'size' ? html`<${SizeRemark} state=${state} />` : null}`)}
      ${hasGfp ? html`<${GfpComposer} table=${table.gfp} form=${form} context=${form.values.context ?? 'process'} change=${change} error=${errors.get('gfp')} />` : html`<${Manners} op=${info.op} />`}
      ${rest.length ? html`<details class="rest" open=${rest.some((one) => errors.has(one.param.name)) || undefined}><summary>more arguments</summary>${rest.map(field)}</details>` : null}
      <${CallCode} session=${session} />
      <${DryRun} session=${session} />
      <button class="p wide" disabled=${why !== null || state.sending} data-test="submit">${why ?? verb(info)}</button>
    </fieldset></form></section>`;
}

/** @param {import('../../types.js').OpInfo} info */
function verb({ op, makes }) {
  if (makes) return 'Allocate';
  if (/free|munmap|destroy/.test(op)) return 'Free';
  return 'Run';
}

/** @param {{ session: import('../../lab-session.js').Session, change: (patch: any) => void }} props */
function Choice({ session, change }) {
  const { table, form } = session.store.value;
  const doc = (/** @type {string} */ op) => opInfo(table?.ops ?? [], op)?.doc;
  return html`<div class="seg" role="radiogroup" aria-label="Operation">${FIRST_OPS.map(
    (op) => html`
    <label key=${op} class=${form.op === op ? 'on' : ''} title=${doc(op)}><input type="radio" name="op" value=${op} checked=${form.op === op} onChange=${() => change({ op })} />${op}</label>`,
  )}</div>`;
}

/** All other operations, by group. @param {{ session: import('../../lab-session.js').Session, change: (patch: any) => void, isOff: boolean }} props */
function MoreOps({ session, change, isOff }) {
  const { table, form } = session.store.value;
  const groups = new Map();
  for (const entry of table?.ops ?? []) groups.set(entry.group, [...(groups.get(entry.group) ?? []), entry.op]);
  const other = !FIRST_OPS.includes(form.op);
  return html`<select class=${`more${other ? ' on' : ''}`} aria-label="All operations" disabled=${isOff} value=${other ? form.op : ''} onChange=${(/** @type {any} */ e) => e.target.value && change({ op: e.target.value })}>
    <option value="" selected=${!other}>more…</option>
    ${[...groups].map(([group, ops]) => html`<optgroup key=${group} label=${group}>${ops.map((/** @type {string} */ op) => html`<option key=${op} value=${op} selected=${other && op === form.op}>${op}</option>`)}</optgroup>`)}</select>`;
}

/** @param {{ state: import('../../lab-state.js').LabState }} props */
function SizeRemark({ state }) {
  const said = remark(
    opInfo(state.table?.ops ?? [], state.form.op),
    parseSize(state.form.values.size ?? ''),
    state.profile,
    state.preview,
  );
  return html`<p class=${`remark${said.bad ? ' bad' : ''}`} id="remark" aria-live="polite" data-test="remark">${said.text}${said.text && said.strong ? ' · ' : ''}${said.strong ? html`<b>${said.strong}</b>` : null}</p>`;
}

/** What a call without flags does. @param {{ op: string }} props */
function Manners({ op }) {
  if (op === 'vmalloc' || op === 'vzalloc')
    return html`<p class="flags"><span>takes no GFP flags</span><span>may sleep</span></p>`;
  if (op === 'malloc' || op === 'calloc' || op === 'mmap')
    return html`<p class="flags"><span>user space</span><span>frames come when touched</span></p>`;
  return null;
}

const RUNS_SHOWN = 3;

/** Where the call would land, from a rehearsal on a copy of the machine; the map outlines the same frames.
 * @param {{ session: import('../../lab-session.js').Session }} props */
function DryRun({ session }) {
  const { preview } = session.store.value;
  if (!preview || preview.outcome !== 'ok') return null;
  const runs = preview.frames.slice(0, RUNS_SHOWN);
  const toFrame = (/** @type {number} */ pfn) => {
    session.store.send({ type: 'select', selection: { kind: 'frame', pfn } });
    session.store.send({ type: 'tab', tab: 'map' });
  };
  return html`<p class="remark dry" data-test="dry-run">dry run: ${runs.length ? html`frame${preview.nr_frame_runs > 1 || preview.frames[0].count > 1 ? 's' : ''} ${runs.map((run, i) => html`${i ? ', ' : ''}<button type="button" class="link" onClick=${() => toFrame(run.pfn)}>${hex(run.pfn)}${run.count > 1 ? `+${run.count}` : ''}</button>`)}${preview.nr_frame_runs > RUNS_SHOWN ? ` and ${preview.nr_frame_runs - RUNS_SHOWN} more runs` : ''}` : 'no frame'} · ${duration(preview.cost_ns)}${preview.slept_ns ? `, asleep ${duration(preview.slept_ns)}` : ''}</p>`;
}

/** @param {{ session: import('../../lab-session.js').Session }} props */
function CallCode({ session }) {
  const state = session.store.value;
  const request = session.currentRequest();
  if (!request) return null;
  const info = opInfo(state.table?.ops ?? [], request.op);
  const makes = info?.makes ?? false;
  const line = callLine(
    makes ? { name: suggestedName(state.form, state.views?.allocations ?? []), ...request } : request,
    makes,
  );
  const spawns = info?.needed.includes('pid') && !request.pid;
  return html`<code class="line" data-test="call">${line.target}<span class="k">${line.call}</span>(${line.args});${line.note ? html`<span class="c"> /* ${line.note} */</span>` : null}</code>
    ${spawns ? html`<p class="remark">There is no process yet: one is spawned first.</p>` : null}`;
}
