/* process-choice.js - which process a tab shows. */
import { html } from 'htm/preact';

/** @param {{ session: import('../../lab-session.js').Session }} props */
export function ProcessChoice({ session }) {
  const { views } = session.store.value;
  const processes = views?.processes ?? [];
  if (!processes.length) return null;
  return html`<label>process <select value=${String(views?.pid)} data-test="process-choice" onChange=${(/** @type {any} */ e) => session.store.send({ type: 'pid', pid: Number(e.target.value) })}>${processes.map((p) => html`<option key=${p.pid} value=${String(p.pid)} selected=${p.pid === views?.pid}>${p.pid} ${p.name}</option>`)}</select></label>`;
}
