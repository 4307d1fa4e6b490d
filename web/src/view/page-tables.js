/* page-tables.js - the walk from the selected virtual address to its frame, level by level. */
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { hex } from '../format.js';
import { selectedAllocation } from '../lab-state.js';
import { titleOf } from '../model/title.js';
import { Empty, ProblemBox } from './parts.js';
import { useView } from './use-view.js';

/** @param {{ session: import('../lab-session.js').Session }} props */
export function PageTablesTab({ session }) {
  const state = session.store.value;
  const a = selectedAllocation(state);
  const [typed, setTyped] = useState('');
  const [offset, setOffset] = useState(0);
  const address = /^0x[0-9a-f]+$/i.test(typed) ? typed : a ? hex(BigInt(a.address) + BigInt(offset * 4096)) : '';
  const pid = a ? a.pid : state.views?.pid;
  const { data, problem } = useView(
    address ? `${session.base}/translate?address=${address}&at=${state.views?.seq ?? 0}${pid ? `&pid=${pid}` : ''}` : null,
  );
  const pages = a ? Math.max(1, Math.ceil(a.allocated / 4096)) : 1;
  return html`<div class="pane"><div class="cap walkbar"><label>Address <input class="in" value=${typed} placeholder=${address || '0x…'} spellcheck=${false} onInput=${(/** @type {any} */ e) => setTyped(e.target.value.trim())} /></label>
      ${a && !typed ? html`<b>${titleOf(a)}</b> page ${offset + 1} of ${pages} <button type="button" disabled=${offset === 0} onClick=${() => setOffset(offset - 1)}>←</button><button type="button" disabled=${offset + 1 >= pages} onClick=${() => setOffset(offset + 1)}>→</button>` : null}</div>
    ${problem ? html`<${ProblemBox} problem=${problem} />` : null}
    ${!address ? html`<${Empty}>Select an allocation, or type an address.<//>` : null}
    ${data ? html`<${Walk} walk=${data} session=${session} />` : null}</div>`;
}

/** @param {{ walk: any, session: import('../lab-session.js').Session }} props */
function Walk({ walk, session }) {
  const toFrame = (/** @type {number} */ pfn) => session.store.send({ type: 'select', selection: { kind: 'frame', pfn } });
  return html`<ol class="walk"><li class="start"><b>${walk.address}</b><small>${walk.region}</small></li>
    ${walk.levels.map(
      (/** @type {any} */ level) => html`<li key=${level.name}><b>${level.name}</b><span class="cell">entry ${level.index}</span>
      <small>table in <button type="button" class="link" onClick=${() => toFrame(level.table_pfn)}>frame ${hex(level.table_pfn)}</button></small><code>${String(level.entry)}</code></li>`,
    )}
    ${!walk.levels.length && walk.present ? html`<li><b>direct map</b><small>address − offset = physical: no entry of its own is needed for this page</small></li>` : null}
    <li class=${walk.present ? 'end' : 'end no'}>${walk.present ? html`<b>frame <button type="button" class="link" onClick=${() => toFrame(walk.pfn)}>${hex(walk.pfn)}</button></b><small>physical ${walk.physical}, offset ${hex(walk.offset)}</small>` : html`<b>not present</b><small>touching it is a page fault</small>`}</li></ol>`;
}
