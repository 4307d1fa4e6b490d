/* inspector.js - all about the selection, each fact a link; then why it is where it is; then the frame under the pointer. */
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { TOUCH_MAX } from '../../session/calls.js';
import { count, duration, hex, plural } from '../../format.js';
import { isReadOnly, selectedAllocation, soughtSelection, stagedFailure } from '../../lab-state.js';
import {
  allocationFacts,
  BEFORE,
  costParts,
  frameFacts,
  objectFacts,
  operationFacts,
  ownerOfFrame,
} from '../../model/inspector.js';
import { titleOf } from '../../model/title.js';
import { outcomeText, story } from '../../model/story.js';
import { FailureCard } from './failure.js';
import { Empty } from './parts.js';
import { useMoment } from './use-view.js';
import { nrPages } from '../../model/page.js';

/** @typedef {import('../../model/inspector.js').Link} Link */
/** @typedef {import('../../lab-session.js').Session} Session */
/** @typedef {import('../../types.js').TraceEvent} TraceEvent */

/** @param {{ session: Session }} props */
export function Inspector({ session }) {
  const state = session.store.value;
  const { views, selection } = state;
  if (!views) return html`<${Empty}>The facts about what you select will stand here.<//>`;
  const a = selectedAllocation(state);
  const profile = state.lab?.profile ?? 'classic';
  const made = a && state.explained?.seq === a.seq ? state.explained : null;
  const follow = (/** @type {import('../../model/inspector.js').Link} */ link) => follows(session, link);
  const failure = stagedFailure(state);
  if (failure && views.op)
    return html`<${FailureCard} session=${session} failure=${failure} back=${selectionName(state)} />
      <${Why} result=${{ ...views.op, message: null }} title="What happened" profile=${profile} />
      <${Hovered} session=${session} follow=${follow} />`;
  return html`
    ${
      a
        ? html`<section data-test="selected"><h2>Selected <span>${titleOf(a)} · ${a.seq ? `op ${a.seq}` : BEFORE}</span></h2><${Facts} facts=${allocationFacts(a, views, made, state.lab?.profile)} follow=${follow} />
      <${Actions} session=${session} a=${a} /></section>`
        : null
    }
    ${selection?.kind === 'allocation' && !a ? html`<${Unlisted} session=${session} selection=${selection} />` : null}
    ${selection?.kind === 'object' ? html`<section data-test="object"><h2>Selected object</h2><${Facts} facts=${objectFacts(selection)} follow=${follow} /></section>` : null}
    ${selection?.kind === 'frame' ? html`<${Frame} session=${session} pfn=${selection.pfn} title="Selected frame" follow=${follow} />` : null}
    ${made ? html`<${Why} result=${made} title="Why here" profile=${profile} />` : null}
    ${!a && views.op ? html`<${LastOperation} result=${views.op} profile=${profile} follow=${follow} />` : null}
    ${!views.op && !a ? html`<section><h2>${views.seq ? `Op ${views.seq}` : 'Selected'}</h2><${Empty}>${views.seq ? 'Operations come faster than they can be told one by one. The last of them will be.' : 'Nothing was called yet.'}<//></section>` : null}
    <${Hovered} session=${session} follow=${follow} />`;
}

/** What is at the selected address, where no allocation begins. @param {{ session: Session, selection: import('../../types.js').Selection & { kind: 'allocation' } }} props */
function Unlisted({ session, selection }) {
  const state = session.store.value;
  const sought = soughtSelection(state);
  const { holder, pages_of } = sought ?? { holder: null, pages_of: null };
  const told = !sought
    ? html`Looking for ${selection.address} among ${count(state.views?.nr_live ?? 0)} live allocations…`
    : holder
      ? html`${selection.address} lies ${count(Number(BigInt(selection.address) - BigInt(holder.address)))} bytes into <button type="button" class="link" onClick=${() => session.select(holder.address, holder.pid ?? 0)}>${titleOf(holder)}</button>, ${holder.op} ${count(holder.requested)}.`
      : pages_of
        ? html`${selection.address} is vmalloc’s own: the page-pointer array of <button type="button" class="link" onClick=${() => session.select(pages_of, 0)}>${pages_of}</button>, one pointer for each of its pages.`
        : html`${selection.address} is not allocated at op ${sought.seq}.`;
  return html`<section data-test="unlisted" data-known=${sought ? 'yes' : 'no'}><h2>Selected</h2><${Empty}>${told}<//></section>`;
}

/** What Escape brings back. @param {import('../../lab-state.js').LabState} state */
function selectionName(state) {
  const a = selectedAllocation(state);
  if (a) return titleOf(a);
  return state.selection?.kind === 'frame' ? `frame ${hex(state.selection.pfn)}` : '';
}

/** @param {Session} session @param {Link} link */
function follows(session, link) {
  const { store } = session;
  if (link.pid !== undefined) store.send({ type: 'pid', pid: link.pid });
  if (link.frame !== undefined) store.send({ type: 'select', selection: { kind: 'frame', pfn: link.frame } });
  if (link.allocation) session.select(link.allocation.address, link.allocation.pid);
  if (link.cache) store.send({ type: 'cache', cache: link.cache });
  if (link.bytes) store.send({ type: 'bytesAt', address: link.bytes, pid: link.pid ?? 0 });
  if (link.op) store.send({ type: 'form', form: { ...store.peek().form, op: link.op } });
  if (link.seq !== undefined) store.send({ type: 'seek', seq: link.seq });
  if (link.tab) store.send({ type: 'tab', tab: link.tab });
}

/** @param {{ facts: import('../../model/inspector.js').Fact[], follow: (link: Link) => void }} props */
const Facts = ({ facts, follow }) =>
  html`<dl>${facts.map(
    (fact) =>
      html`<dt key=${fact.label}>${fact.label}</dt><dd data-fact=${fact.label}>${fact.words.map(
        ({ text, note, link }, i) =>
          html`${i ? ' ' : ''}${
            link
              ? html`<button type="button" class="link" onClick=${() => follow(link)}>${text}</button>`
              : html`<span>${text}</span>`
          }${note ? html` <small>${note}</small>` : null}`,
      )}</dd>`,
  )}</dl>`;

/** @param {{ session: Session, a: import('../../types.js').Allocation }} props */
function Actions({ session, a }) {
  if (isReadOnly(session.store.value)) return null;
  const untouched = a.pid && a.nr_frames < nrPages(a.allocated);
  return html`<p class="actions"><button type="button" onClick=${() => session.touch(a)} title="memset(p, 0xaa, n): each page that is written gets its frame">${!untouched ? 'Write 0xaa' : a.requested > TOUCH_MAX ? 'Touch its first MiB' : 'Touch all its pages'}</button>
    <button type="button" onClick=${() => session.store.send({ type: 'tab', tab: 'bytes' })}>Bytes</button>
    <button type="button" onClick=${() => session.store.send({ type: 'tab', tab: 'pagetables' })}>Walk</button></p>`;
}

const LINES_SHOWN = 60;
const ZONES = ['DMA', 'DMA32', 'Normal'];

/** Linux 2.0 had no migratetypes. @param {TraceEvent} event @returns {TraceEvent} */
const withoutTypes = ({ migratetype, fallback_migratetype, ...event }) => event;

/** A long story is cut by the engine. @param {import('../../types.js').Result} result */
function eventsText({ events, events_dropped }) {
  const nr = (events ?? []).length;
  return events_dropped ? `the first ${count(nr)} of ${count(nr + events_dropped)} events` : plural(nr, 'event');
}

/** @param {{ result: import('../../types.js').Result, title: string, profile: string }} props */
function Why({ result, title, profile }) {
  const zoned = profile !== 'classic';
  const typed = zoned ? (/** @type {TraceEvent} */ e) => e : withoutTypes;
  const decided = (result.decisions ?? []).map(typed);
  const told = new Set(decided.map((step) => step.event)); /* what decisions led to stands among them, in its order */
  const lines = story(
    [...decided, ...(result.events ?? []).filter((event) => !told.has(event.event)).map(typed)],
    zoned ? ZONES : [],
  );
  return html`<section data-test="why"><h2>${title} <span title=${eventsText(result)}>${eventsText(result)}</span></h2>
    <${Path} path=${result.path} />
    ${result.message ? html`<p class="message">${result.message}</p>` : null}
    ${lines.length ? html`<ol class="story">${lines.slice(0, LINES_SHOWN).map((line, i) => html`<li key=${i} class=${!line.name ? 'folded' : line.ok === false ? 'no' : line.ok ? 'yes' : ''}><b>${line.name}</b>${line.times > 1 ? html` <b>×${line.times}</b>` : null} <span>${line.text}</span></li>`)}${lines.length > LINES_SHOWN ? html`<li class="folded">and ${lines.length - LINES_SHOWN} more</li>` : null}</ol>` : null}
    <${Cost} result=${result} />
    <p class="known"><a href=${`/docs/fidelity#${profile}/${result.op}`}>How this is known</a></p>
  </section>`;
}

/** Where the estimated time went: one bar, its parts named. @param {{ result: import('../../types.js').Result }} props */
function Cost({ result }) {
  const parts = costParts(result.cost ?? [], result.slept_ns);
  if (!parts.length) return null;
  return html`<div class="costs" data-test="cost"><h3>${duration(result.cost_ns)} of estimated time${result.slept_ns ? `, and ${duration(result.slept_ns)} asleep` : ''}</h3>
    <div class="costbar" aria-hidden="true">${parts.map((c) => html`<i key=${c.step} class=${`shade-${Math.min(c.shade, 5)}`} style=${{ flexGrow: String(c.share) }} title=${`${c.step}: ${duration(c.ns)}`}></i>`)}</div>
    <table class="cost"><tbody>${parts.map((c) => html`<tr key=${c.step}><th scope="row"><i class=${`shade-${Math.min(c.shade, 5)}`} aria-hidden="true"></i>${c.step}</th><td class="n">${c.count > 1 ? `${c.count}×` : ''}</td><td class="n">${duration(c.ns)}</td></tr>`)}</tbody></table></div>`;
}

/** @param {{ path: string[] }} props */
const Path = ({ path }) =>
  path?.length
    ? html`<p class="path" aria-label="Call path">${path.map((step, i) => html`${i ? html`<i aria-hidden="true"> → </i>` : null}<code>${step}</code>`)}</p>`
    : null;

/** @param {{ result: import('../../types.js').Result, profile: string, follow: (link: Link) => void }} props */
function LastOperation({ result, profile, follow }) {
  return html`<section data-test="last-op" data-outcome=${result.outcome}><h2>Op ${result.seq} <span class=${result.outcome === 'ok' ? '' : 'bad'}>${outcomeText(result)}</span></h2>
    <${Facts} facts=${operationFacts(result)} follow=${follow} /></section><${Why} result=${result} title="What happened" profile=${profile} />`;
}

/** @param {{ session: Session, pfn: number, title: string, follow: (link: Link) => void }} props */
function Frame({ session, pfn, title, follow }) {
  const state = session.store.value;
  const views = /** @type {import('../../lab-state.js').Views} */ (state.views);
  const { data } = useMoment(session, `frames/${pfn}`);
  if (pfn >= views.cells.nr * 2 ** views.cells.shift) return null;
  return html`<section data-test="frame"><h2>${title}</h2><${Facts} facts=${frameFacts(pfn, views.cells, data, data ? data.allocation : ownerOfFrame(pfn, views.allocations), state.lab?.profile !== 'classic')} follow=${follow} /></section>`;
}

const SETTLE_MS = 90;

/** The frame under the pointer, once it rests there. @param {{ session: Session, follow: (link: Link) => void }} props */
function Hovered({ session, follow }) {
  const index = session.hover.value;
  const { selection, views } = session.store.value;
  const [settled, setSettled] = useState(/** @type {number | null} */ (null));
  useEffect(() => {
    if (index === null) return;
    const timer = setTimeout(() => setSettled(index), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [index]);
  if (settled === null || !views || settled >= views.cells.nr) return null;
  const pfn = settled * 2 ** views.cells.shift;
  if (selection?.kind === 'frame' && selection.pfn === pfn) return null;
  return html`<div class="hovered" data-test="hovered"><${Frame} session=${session} pfn=${pfn} title="Hovered frame" follow=${follow} /></div>`;
}
