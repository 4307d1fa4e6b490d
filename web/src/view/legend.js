/* legend.js - what the colours mean, how many frames there are of each; a click fades all others. */
import { html } from 'htm/preact';
import { count } from '../format.js';
import { KIND_BY_NAME, LEGEND } from '../kinds.js';
import { Chip } from './parts.js';

/** @param {{ session: import('../lab-session.js').Session }} props */
export function Legend({ session }) {
  const state = session.store.value;
  const counts = state.views?.counts ?? {};
  return html`<div class="legend" role="group" aria-label="Frames by kind; press one to fade the others" data-test="legend">${LEGEND.map(
    (name) => {
      const kind = KIND_BY_NAME[name];
      return html`<button type="button" key=${name} title=${kind.doc} aria-pressed=${state.focusKind === name} data-kind=${name} data-count=${counts[name] ?? 0}
      class=${counts[name] ? '' : 'none'} onClick=${() => session.store.send({ type: 'focusKind', kind: name })}><${Chip} kind=${name} />${kind.label} <b>${count(counts[name] ?? 0)}</b></button>`;
    },
  )}</div>`;
}
