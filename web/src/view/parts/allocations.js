/* allocations.js - the live allocations, each with the function that gives it back: as many rows as are seen of a long list. */
import { html } from 'htm/preact';
import { useRef, useState } from 'preact/hooks';
import { bytes, count, plural } from '../../format.js';
import { liveRows, rowsSeen } from '../../model/live.js';
import { kindOfFrames, kindOfOp } from '../../model/ops.js';
import { isReadOnly } from '../../lab-state.js';
import { titleOf } from '../../model/title.js';
import { Chip, Empty } from './parts.js';
import { nrPages } from '../../model/page.js';
import { useSize } from './use-size.js';

const ROW = 44; /* pixels, as in panels.css */
const FILTERED = 8; /* so many rows are looked through by eye */
const LISTED = 1000; /* by the daemon at once */

/** @typedef {import('../../types.js').Allocation} Allocation */

/** @param {{ session: import('../../lab-session.js').Session }} props */
export function Allocations({ session }) {
  const state = session.store.value;
  const [filter, setFilter] = useState('');
  const live = state.views?.allocations ?? [];
  const rows = liveRows(live, filter);
  return html`<section class="allocations" aria-labelledby="allocations-title">
    <h2 id="allocations-title">Live allocations <span data-test="nr-live">${state.views ? count(state.views.nr_live) : ''}</span></h2>
    ${live.length > FILTERED || filter ? html`<input class="in filter" type="search" aria-label="Filter the live allocations" placeholder="name, function, cache, address" value=${filter} onInput=${(/** @type {any} */ e) => setFilter(e.target.value)} />` : null}
    ${state.views && !live.length ? html`<${Empty}>${isReadOnly(state) ? 'Nothing was allocated at this moment.' : 'Nothing is allocated. Press Allocate: the new block appears here and on the map.'}<//>` : null}
    ${live.length && !rows.length ? html`<${Empty}>None of them has “${filter}”.<//>` : null}
    ${rows.length ? html`<${Rows} rows=${rows} session=${session} />` : null}
    ${state.views?.more ? html`<p class="empty" data-test="not-listed">the first ${count(LISTED)} by address; ${count(state.views.nr_live)} are live: Find (/) knows each by its address</p>` : null}
  </section>`;
}

/** The box shows whole rows only. @param {{ rows: Allocation[], session: import('../../lab-session.js').Session }} props */
function Rows({ rows, session }) {
  const [box, size] = useSize();
  const [top, setTop] = useState(0);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const height = Math.max(1, Math.floor(size.height / ROW)) * ROW;
  const [first, end] = rowsSeen(rows.length, top, height, ROW);
  return html`<div class="rows" ref=${box}><div class="roll" ref=${list} style=${{ height: `${height}px` }} onScroll=${() => setTop(list.current?.scrollTop ?? 0)}>
    <ul style=${{ height: `${rows.length * ROW}px`, paddingTop: `${first * ROW}px` }} data-test="live">${rows.slice(first, end).map((a, i) => html`<${Row} key=${`${a.address} ${a.pid}`} a=${a} nr=${first + i + 1} of=${rows.length} session=${session} />`)}</ul></div></div>`;
}

/** @param {{ a: Allocation, nr: number, of: number, session: import('../../lab-session.js').Session }} props */
function Row({ a, nr, of, session }) {
  const { selection, views, table } = session.store.value;
  const selected =
    selection?.kind === 'allocation' && selection.address === a.address && selection.pid === (a.pid ?? 0);
  const facts = sizes(a, (views?.processes.length ?? 0) > 1);
  return html`<li class=${selected ? 'sel' : ''} aria-posinset=${nr} aria-setsize=${of}>
    <button type="button" class="pick" aria-pressed=${selected} title=${`${titleOf(a)}: ${facts}`} onClick=${() => session.select(a.address, a.pid ?? 0)}>
      <${Chip} kind=${kindOfOp(table?.ops ?? [], a.op)} frames=${kindOfFrames(table?.ops ?? [], a)} /><b>${titleOf(a)}</b><small>${facts}</small></button>
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
