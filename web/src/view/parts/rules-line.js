/* rules-line.js - the line above a lab that was recorded under other rules: what that means here, the way on, and the results
 * that are recorded but cannot be shown. */
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { count, plural } from '../../format.js';
import { differsAt } from '../../lab-state.js';
import { callText } from '../../model/form.js';
import { rulesNotice } from '../../model/rules.js';
import { Head, ProblemBox, scrollBox } from './parts.js';
import { useView } from './use-view.js';

/** @typedef {import('../../lab-session.js').Session} Session */

const LISTED = 50;

/** @param {{ session: Session }} props */
export function RulesLine({ session }) {
  const state = session.store.value;
  const [open, setOpen] = useState(false);
  const text = rulesNotice(state);
  if (!text) return null;
  return html`<section class="rules" aria-label="Other rules" data-test="rules">
    <p role="status">${text}</p>
    <div class="ways-on"><button type="button" class="p" disabled=${state.sending} onClick=${session.rerun} data-test="rerun">${state.sending ? 'Running it again…' : 'Run it again under today’s rules'}</button>
      <button type="button" aria-expanded=${open} onClick=${() => setOpen(!open)} data-test="show-recorded">Recorded from operation ${count(differsAt(state) ?? 0)} on</button></div>
    ${open ? html`<${Recorded} session=${session} />` : null}
  </section>`;
}

/** @param {{ session: Session }} props */
function Recorded({ session }) {
  const { table, head } = session.store.value;
  const first = differsAt(session.store.value) ?? 1;
  const { data, problem } = useView(`${session.base}/ops?from=${first}&limit=${LISTED}`);
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  const rows = /** @type {import('../../types.js').OpRow[]} */ (data?.ops ?? []);
  const rest = head - first + 1 - rows.length;
  return html`<div ...${scrollBox('Recorded results', 'recorded')} data-test="recorded"><table>
    <${Head} columns=${['#op', 'call', 'outcome', 'address', '#granted']} />
    <tbody>${rows.map((row) => html`<tr key=${row.seq}><th scope="row" class="n">${count(row.seq)}</th><td><code>${callText(row, table?.ops ?? [])}</code></td><td>${row.outcome === 'null' ? 'NULL' : row.outcome}</td><td><code>${row.result?.address ?? '–'}</code></td><td class="n">${row.result?.allocated ? count(row.result.allocated) : '–'}</td></tr>`)}</tbody></table>
    ${data && rest > 0 ? html`<p class="cap">${plural(rest, 'further operation')} in the exports.</p>` : null}</div>`;
}
