/* fields.js - one parameter of an operation as a form field: by its type in the published table. */
import { html } from 'htm/preact';
import { hex } from '../../format.js';
import { selectedAllocation } from '../../lab-state.js';
import { candidates, FILL, lengthToWrite, suggestedName } from '../../model/form.js';
import { makesMemory } from '../../model/ops.js';
import { titleOf } from '../../model/title.js';
import { useMoment } from './use-view.js';

/** @typedef {{ param: import('../../types.js').ParamInfo, needed: boolean, session: import('../../lab-session.js').Session, error?: string, onSet: (name: string, value: string) => void }} FieldProps */

/** @param {FieldProps} props */
export function Field(props) {
  const { param, error } = props;
  const id = `f-${param.name}`;
  const kind =
    param.type === 'context'
      ? Context
      : param.name === 'pid'
        ? Pid
        : param.type === 'address'
          ? Address
          : param.type === 'flags'
            ? Flags
            : param.choices
              ? Choice
              : Text;
  return html`<div class=${`field${error ? ' wrong' : ''}`}>
    ${kind === Context ? html`<span class="sr" id=${id}>Context of the call</span>` : kind === Flags ? html`<span class="name" id=${id}>${nameOf(param.name)}</span>` : html`<label class="name" for=${id}>${nameOf(param.name)}${param.unit && param.unit !== 'bytes' ? html` <small>${param.unit}</small>` : null}</label>`}
    <${kind} ...${props} id=${id} />
    ${error ? html`<p class="error" id=${`${id}-error`} role="alert">${error}</p>` : null}</div>`;
}

const nameOf = (/** @type {string} */ name) =>
  ({
    pid: 'Process',
    cpu: 'CPU',
    n: 'Elements',
    duration_ns: 'Duration',
    call_site: 'Call site',
    align: 'Alignment',
    prot: 'Protection',
    hex: 'Bytes',
    fill: 'Fill with',
    tid: 'Thread',
    pad: 'Keep at top',
    new_length: 'New length',
  })[name] ?? name[0].toUpperCase() + name.slice(1);

/** @param {FieldProps & { id: string }} props */
function Text({ param, session, error, onSet, id }) {
  const { form, views, table } = session.store.value;
  const own = param.name === 'name' && makesMemory(table?.ops ?? [], form.op);
  const known = param.name === 'cache' && form.op !== 'kmem_cache_create';
  const ofWrite =
    form.op === 'write'
      ? { fill: hex(FILL), length: String(lengthToWrite(selectedAllocation(session.store.value)?.requested)) }[
          param.name
        ]
      : undefined;
  const placeholder =
    ofWrite ??
    (own
      ? suggestedName(form, views?.allocations ?? [])
      : param.default !== null && param.default !== undefined && param.type !== 'text'
        ? String(param.default)
        : '');
  return html`<input id=${id} name=${param.name} class="in" value=${form.values[param.name] ?? ''} placeholder=${placeholder} title=${param.doc} spellcheck=${false}
    aria-invalid=${error ? 'true' : undefined} aria-describedby=${error ? `${id}-error` : param.name === 'size' ? 'remark' : undefined}
    inputmode=${param.type === 'number' ? 'numeric' : undefined} list=${known ? `${id}-list` : undefined} onInput=${(/** @type {any} */ e) => onSet(param.name, e.target.value)} />${known ? html`<${CacheNames} session=${session} id=${`${id}-list`} />` : null}`;
}

/** The caches there are. @param {{ session: import('../../lab-session.js').Session, id: string }} props */
function CacheNames({ session, id }) {
  const { data } = useMoment(session, 'caches');
  return html`<datalist id=${id}>${(data?.caches ?? []).map((/** @type {any} */ cache) => html`<option key=${cache.name} value=${cache.name}>${cache.object_size} bytes</option>`)}</datalist>`;
}

/** @param {FieldProps & { id: string }} props */
function Context({ session, onSet, id }) {
  const { form, table } = session.store.value;
  const now = form.values.context ?? 'process';
  return html`<span class="pills" role="radiogroup" aria-labelledby=${id}>${(table?.contexts ?? []).map(
    (context) => html`
    <label key=${context} class=${now === context ? 'on' : ''}><input type="radio" name="context" value=${context} checked=${now === context} onChange=${() => onSet('context', context)} />${context}</label>`,
  )}</span>`;
}

/** @param {FieldProps & { id: string }} props */
function Pid({ session, onSet, id }) {
  const { form, views } = session.store.value;
  const list = views?.processes ?? [];
  const chosen = form.values.pid || String(views?.pid ?? '');
  const pick = (/** @type {any} */ event) => {
    onSet('pid', event.target.value);
    if (event.target.value) session.store.send({ type: 'pid', pid: Number(event.target.value) });
  };
  return html`<select id=${id} name="pid" value=${chosen} onChange=${pick}>
    ${list.length ? null : html`<option value="">a new one</option>`}
    ${list.map((p) => html`<option key=${p.pid} value=${String(p.pid)} selected=${String(p.pid) === chosen}>${p.pid} ${p.name}</option>`)}</select>`;
}

/** @param {FieldProps & { id: string }} props */
function Address({ session, onSet, id, error }) {
  const { form, views, selection } = session.store.value;
  const live = candidates(form.op, views?.allocations ?? []);
  const value = form.values.address ?? '';
  return html`<input id=${id} name="address" class="in" list=${`${id}-list`} value=${value} placeholder=${selection?.kind === 'allocation' ? selection.address : 'name or 0x…'} spellcheck=${false}
      title="a live allocation’s name, or any address (a wrong one is worth trying)" aria-invalid=${error ? 'true' : undefined} aria-describedby=${error ? `${id}-error` : undefined}
      onInput=${(/** @type {any} */ e) => onSet('address', e.target.value)} />
    <datalist id=${`${id}-list`}>${live.slice(0, 200).map((a) => html`<option key=${a.address} value=${a.name ?? a.address}>${titleOf(a)} ${a.address}</option>`)}</datalist>`;
}

/** @param {FieldProps & { id: string }} props */
function Choice({ param, session, error, onSet, id }) {
  const now = session.store.value.form.values[param.name] || String(param.default ?? param.choices?.[0] ?? '');
  return html`<select id=${id} name=${param.name} title=${param.doc} value=${now} aria-invalid=${error ? 'true' : undefined} aria-describedby=${error ? `${id}-error` : undefined} onChange=${(/** @type {any} */ e) => onSet(param.name, e.target.value)}>
    ${param.choices?.map((word) => html`<option key=${word} value=${word} selected=${word === now}>${word}</option>`)}</select>`;
}

/** A choice of several words, which are joined by a bar. @param {FieldProps & { id: string }} props */
function Flags({ param, session, onSet, id }) {
  const on = (session.store.value.form.values[param.name] ?? '').split('|').filter(Boolean);
  const toggle = (/** @type {string} */ word) =>
    onSet(param.name, (param.choices ?? []).filter((one) => on.includes(one) !== (one === word)).join('|'));
  return html`<span class="pills many" role="group" aria-labelledby=${id} title=${param.doc}>${(param.choices ?? []).map((word) => html`<label key=${word} class=${on.includes(word) ? 'on' : ''}><input type="checkbox" name=${param.name} value=${word} checked=${on.includes(word)} onChange=${() => toggle(word)} />${word.replace(/^SLAB_/, '')}</label>`)}</span>`;
}
