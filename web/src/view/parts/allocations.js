/* allocations.js - the live allocations, each with the function that gives it back. */
import { html } from 'htm/preact';
import { bytes, count, plural } from '../../format.js';
import { kindOfFrames, kindOfOp } from '../../model/ops.js';
import { isReadOnly } from '../../lab-state.js';
import { titleOf } from '../../model/title.js';
import { Chip, Empty } from './parts.js';
import { nrPages } from '../../model/page.js';

const SHOWN = 200;
const LISTED = 1000; /* by the daemon at once */

/** @typedef {import('../../types.js').Allocation} Allocation */

/** @param {{ session: import('../../lab-session.js').Session }} props */
export function Allocations({ session }) {
  const state = session.store.value;
  const live = state.views?.allocations ?? [];
  const newest = [...live]
    .sort((a, b) => b.seq - a.seq || Number(b.name !== null) - Number(a.name !== null))
    .slice(0, SHOWN);
  return html`<section class="allocations" aria-labelledby="allocations-title">
    <h2 id="allocations-title">Live allocations <span data-test="nr-live">${state.views ? count(state.views.nr_live) : ''}</span></h2>
    ${state.views && !live.length ? html`<${Empty}>${isReadOnly(state) ? 'Nothing was allocated at this moment.' : 'Nothing is allocated. Press Allocate: the new block appears here and on the map.'}<//>` : null}
    <ul>${newest.map((a) => html`<${Row} key=${`${a.address} ${a.pid}`} a=${a} session=${session} />`)}</ul>
    ${state.views && state.views.nr_live > SHOWN ? html`<p class="empty" data-test="not-listed">${state.views.more ? `the newest of the first ${count(LISTED)} by address; ${count(state.views.nr_live)} are live: Find (/) knows each by its address` : `and ${count(live.length - SHOWN)} older ones`}</p>` : null}
  </section>`;
}

/** @param {{ a: Allocation, session: import('../../lab-session.js').Session }} props */
function Row({ a, session }) {
  const { selection, views, table } = session.store.value;
  const selected =
    selection?.kind === 'allocation' && selection.address === a.address && selection.pid === (a.pid ?? 0);
  return html`<li class=${selected ? 'sel' : ''}>
    <button type="button" class="pick" aria-pressed=${selected} onClick=${() => session.select(a.address, a.pid ?? 0)}>
      <${Chip} kind=${kindOfOp(table?.ops ?? [], a.op)} frames=${kindOfFrames(table?.ops ?? [], a)} /><b>${titleOf(a)}</b><small>${sizes(a, (views?.processes.length ?? 0) > 1)}</small></button>
    <button type="button" class=${`release${a.release.length > 10 ? ' long' : ''}`} disabled=${isReadOnly(session.store.value)} onClick=${() => session.release(a)} aria-label=${`${a.release}(${titleOf(a)})`} title=${`${a.release}(${titleOf(a)})`}>${a.release}</button>
  </li>`;
}

/** @param {Allocation} a @param {boolean} many processes there are, so that it must be said whose it is */
function sizes(a, many) {
  const size = (/** @type {number} */ n) => (n >= 65536 && n % 1024 === 0 ? bytes(n) : count(n));
  const granted =
    a.cache && a.op !== 'kmem_cache_alloc' && a.allocated !== a.requested ? ` → ${size(a.allocated)}` : '';
  const frames = a.pid
    ? `${count(a.nr_frames)} of ${plural(nrPages(a.allocated), 'page')}`
    : a.nr_frames > 1
      ? plural(a.nr_frames, 'frame')
      : '';
  return [
    `${a.op === 'kmem_cache_alloc' && a.cache ? a.cache : a.op} ${size(a.requested)}${granted}`,
    frames,
    a.pid && many ? `pid ${a.pid}` : '',
  ]
    .filter(Boolean)
    .join(' · ');
}
