/* lab.js - the lab page: five regions round one state. */
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import '@preact/signals';
import { fieldOf } from '../../api.js';
import { openLab } from '../../lab-session.js';
import { shownSeq, stagedFailure } from '../../lab-state.js';
import { fieldErrors, fieldsOf } from '../../model/form.js';
import { stepOfKey } from '../../model/keys.js';
import { opInfo } from '../../model/ops.js';
import { TABS } from '../../tabs.js';
import { Allocations } from '../parts/allocations.js';
import { BuddyTab } from '../tabs/buddy.js';
import { BytesTab } from '../tabs/bytes.js';
import { CallPanel } from '../parts/call-panel.js';
import { ChangesTab } from '../tabs/changes.js';
import { FailureLine } from '../parts/failure.js';
import { Finder } from '../parts/finder.js';
import { HeapTab } from '../tabs/heap.js';
import { HelpSheet } from '../parts/help.js';
import { ImportSheet } from '../parts/import.js';
import { Inspector } from '../parts/inspector.js';
import { bindKeys } from '../parts/keys.js';
import { MapTab } from '../tabs/map.js';
import { PageTablesTab } from '../tabs/page-tables.js';
import { Mark, ProblemBox } from '../parts/parts.js';
import { RulesLine } from '../parts/rules-line.js';
import { ProcessesTab } from '../tabs/processes.js';
import { Splitters } from '../parts/splitter.js';
import { SlabsTab } from '../tabs/slabs.js';
import { VirtualTab } from '../tabs/space.js';
import { SwapTab } from '../tabs/swap.js';
import { Timeline } from '../parts/timeline.js';
import { TopBar } from '../parts/topbar.js';
import { FreshLine, TourBar } from '../parts/tour-bar.js';

export { openLab };

/** @typedef {import('../../lab-session.js').Session} Session */

/** What stands on each tab of tabs.js. @type {Record<string, any>} */
const PANES = {
  map: MapTab,
  buddy: BuddyTab,
  slabs: SlabsTab,
  pagetables: PageTablesTab,
  heap: HeapTab,
  bytes: BytesTab,
  virtual: VirtualTab,
  processes: ProcessesTab,
  swap: SwapTab,
  changes: ChangesTab,
};

/** What a narrow window shows one at a time. @type {[import('../../lab-state.js').Column, string][]} */
const COLUMNS = [
  ['call', 'Call'],
  ['map', 'Memory'],
  ['facts', 'Inspector'],
];

/** @param {{ session: Session }} props */
export function LabPage({ session }) {
  const state = session.store.value;
  useEffect(() => bindKeys(session), [session]);
  if (state.failure) return html`<${Failure} problem=${state.failure} />`;
  const failure = stagedFailure(state);
  return html`<div class="lab" data-seq=${state.views?.seq ?? ''} data-head=${state.head} data-column=${state.column} data-ready=${state.views ? 'yes' : 'no'}>
    <${TopBar} session=${session} />
    <nav class="columns" aria-label="Part of the page">${COLUMNS.map(
      ([id, label]) => html`
      <button type="button" aria-pressed=${state.column === id} onClick=${() => session.store.send({ type: 'column', column: id })}>${label}</button>`,
    )}</nav>
    <aside class="left" aria-label="Call and live allocations">
      <${CallPanel} session=${session} />
      <${Allocations} session=${session} />
    </aside>
    <main id="content" tabindex="-1"><h1 class="sr">${state.lab?.name ?? 'Lab'}: memory at operation ${shownSeq(state)}</h1>
      <${RulesLine} session=${session} />
      ${state.tour ? html`<${TourBar} session=${session} />` : null}
      ${state.views?.seq === 0 && state.tab === 'map' && !state.tour ? html`<${FreshLine} machine=${state.lab?.machine} />` : null}
      ${failure ? html`<${FailureLine} session=${session} failure=${failure} />` : null}
      <${Tabs} session=${session} />
      ${state.problem && !isToldAtFields(state) ? html`<${ProblemBox} problem=${state.problem} onDismiss=${() => session.store.send({ type: 'dismiss' })} />` : null}
      <${Current} session=${session} />
    </main>
    <aside class="right" aria-label="Inspector"><${Inspector} session=${session} /></aside>
    <${Timeline} session=${session} />
    <${Splitters} />
    ${state.palette ? html`<${Finder} session=${session} mode=${state.palette} />` : null}
    ${session.importer.open.value ? html`<${ImportSheet} session=${session} />` : null}
    <${Notice} text=${state.notice} nr=${state.notices} />
    ${state.help ? html`<${HelpSheet} onClose=${() => session.store.send({ type: 'help', open: false })} />` : null}
  </div>`;
}

const NOTICE_MS = 5000;

/** What was just done, for as long as it takes to read; then for the ear only. @param {{ text: string, nr: number }} props */
function Notice({ text, nr }) {
  const [seen, setSeen] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => setSeen(nr), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [nr]);
  return html`<p class=${text && nr > seen ? 'notice' : 'sr'} role="status" data-test="notice">${text}</p>`;
}

/** Whether every part of the problem is shown at a field of the form. @param {import('../../lab-state.js').LabState} state */
function isToldAtFields({ problem, table, form }) {
  const info = table && opInfo(table.ops, form.op);
  if (!problem?.errors.length || !info) return false;
  const names = fieldsOf(info, table.params).map((one) => one.param.name);
  const told = fieldErrors(problem, names);
  return problem.errors.every(
    (error) => names.includes(fieldOf(error)) || (fieldOf(error) === 'name' && told.has('address')),
  );
}

/** @param {{ session: Session }} props */
function Current({ session }) {
  const { tab, views } = session.store.value;
  const Tab = PANES[tab] ?? MapTab;
  return html`<div class="tabpanel" id="tabpanel" role="tabpanel" aria-labelledby=${`tab-${tab}`}>${views ? html`<${Tab} session=${session} />` : html`<div class="wait" role="status"><span class="spinner" aria-hidden="true"></span>Reading the machine’s memory…</div>`}</div>`;
}

/** @param {{ session: Session }} props */
function Tabs({ session }) {
  const state = session.store.value;
  useEffect(() => {
    document.getElementById(`tab-${state.tab}`)?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [state.tab]); /* in a narrow window the row rolls */
  const move = (/** @type {KeyboardEvent} */ event) => {
    const step = stepOfKey(event.key, 0);
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
  </div>`;
}

/** @param {{ problem: import('../../types.js').Problem }} props */
function Failure({ problem }) {
  const missing = problem.status === 404;
  return html`<main id="content" tabindex="-1" class="failure"><${Mark} /><h1>${missing ? 'There is no such lab' : 'This lab cannot be shown'}</h1>
    <p>${missing ? 'It may have been deleted, or the link belongs to another Pagoda.' : problem.detail || problem.title}</p>
    <p><a class="button p" href="/">Open another lab</a> ${missing ? null : html`<button type="button" onClick=${() => location.reload()}>Try again</button>`}</p></main>`;
}
