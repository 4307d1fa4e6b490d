/* lab.js - the lab page: five regions round one state. */
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import '@preact/signals';
import { openLab } from '../lab-session.js';
import { shownSeq } from '../lab-state.js';
import { Allocations } from './allocations.js';
import { BuddyTab } from './buddy.js';
import { BytesTab } from './bytes.js';
import { CallPanel } from './call-panel.js';
import { HeapTab } from './heap.js';
import { HelpSheet } from './help.js';
import { Inspector } from './inspector.js';
import { bindKeys } from './keys.js';
import { Legend } from './legend.js';
import { MapTab } from './map.js';
import { PageTablesTab } from './page-tables.js';
import { Mark, ProblemBox } from './parts.js';
import { SlabsTab } from './slabs.js';
import { Timeline } from './timeline.js';
import { TopBar } from './topbar.js';

export { openLab };

/** @typedef {import('../lab-session.js').Session} Session */

const TABS = /** @type {[import('../lab-state.js').Tab, string, any][]} */ ([
  ['map', 'Map', MapTab],
  ['buddy', 'Buddy', BuddyTab],
  ['slabs', 'Slabs', SlabsTab],
  ['pagetables', 'Page tables', PageTablesTab],
  ['heap', 'Heap', HeapTab],
  ['bytes', 'Bytes', BytesTab],
]);

/** @param {{ session: Session }} props */
export function LabPage({ session }) {
  const state = session.store.value;
  const [column, setColumn] = useState('map');
  useEffect(() => bindKeys(session), [session]);
  if (state.failure) return html`<${Failure} problem=${state.failure} />`;
  return html`<div class="lab" data-seq=${state.views?.seq ?? ''} data-head=${state.head} data-column=${column} data-ready=${state.views ? 'yes' : 'no'}>
    <${TopBar} session=${session} />
    <nav class="columns" aria-label="Part of the page">${[
      ['call', 'Call'],
      ['map', 'Memory'],
      ['facts', 'Inspector'],
    ].map(
      ([id, label]) => html`
      <button type="button" aria-pressed=${column === id} onClick=${() => setColumn(id)}>${label}</button>`,
    )}</nav>
    <aside class="left" aria-label="Call and live allocations">
      <${CallPanel} session=${session} />
      <${Allocations} session=${session} />
    </aside>
    <main><h1 class="sr">${state.lab?.name ?? 'Lab'}: memory at operation ${shownSeq(state)}</h1>
      <${Tabs} session=${session} />
      ${state.problem ? html`<${ProblemBox} problem=${state.problem} onDismiss=${() => session.store.send({ type: 'dismiss' })} />` : null}
      ${state.views ? html`<${Current} session=${session} />` : html`<div class="wait" role="status"><span class="spinner" aria-hidden="true"></span>Reading the machine’s memory…</div>`}
    </main>
    <aside class="right" aria-label="Inspector"><${Inspector} session=${session} /></aside>
    <${Timeline} session=${session} />
    ${state.help ? html`<${HelpSheet} onClose=${() => session.store.send({ type: 'help', open: false })} />` : null}
  </div>`;
}

/** @param {{ session: Session }} props */
function Current({ session }) {
  const { tab } = session.store.value;
  const Tab = (TABS.find(([id]) => id === tab) ?? TABS[0])[2];
  return html`<div class="tabpanel" id="tabpanel" role="tabpanel" aria-labelledby=${`tab-${tab}`}><${Tab} session=${session} /></div>
    ${tab === 'map' ? html`<${Legend} session=${session} />` : null}`;
}

/** @param {{ session: Session }} props */
function Tabs({ session }) {
  const state = session.store.value;
  const move = (/** @type {KeyboardEvent} */ event) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    const i = TABS.findIndex(([id]) => id === state.tab);
    const next = TABS[(i + step + TABS.length) % TABS.length][0];
    session.store.send({ type: 'tab', tab: next });
    event.preventDefault();
    event.stopPropagation();
    document.getElementById(`tab-${next}`)?.focus();
  };
  return html`<div class="tabrow">
    <div class="tabs" role="tablist" aria-label="Views of memory" onKeyDown=${move}>${TABS.map(
      ([id, label]) => html`
      <button type="button" role="tab" id=${`tab-${id}`} key=${id} aria-selected=${state.tab === id} aria-controls="tabpanel" tabindex=${state.tab === id ? 0 : -1}
        onClick=${() => session.store.send({ type: 'tab', tab: id })}>${label}</button>`,
    )}</div>
    ${
      state.tab === 'map'
        ? html`<div class="layout" role="group" aria-label="Layout of the physical map">
      <button type="button" aria-pressed=${state.layout === 'linear'} onClick=${() => session.store.send({ type: 'layout', layout: 'linear' })} title="Rows of 64 frames">linear</button>
      <button type="button" aria-pressed=${state.layout === 'buddy'} onClick=${() => session.store.send({ type: 'layout', layout: 'buddy' })} title="Z-order: every block is a square or a 2:1 rectangle beside its buddy">buddy (Z-order)</button>
    </div>`
        : null
    }
  </div>`;
}

/** @param {{ problem: import('../types.js').Problem }} props */
function Failure({ problem }) {
  const missing = problem.status === 404;
  return html`<main class="failure"><${Mark} /><h1>${missing ? 'There is no such lab' : 'This lab cannot be shown'}</h1>
    <p>${missing ? 'It may have been deleted, or the link belongs to another Pagoda.' : problem.detail || problem.title}</p>
    <p><a class="button p" href="/">Open another lab</a> ${missing ? null : html`<button type="button" onClick=${() => location.reload()}>Try again</button>`}</p></main>`;
}
