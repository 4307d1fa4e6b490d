/* slabs.js - the caches; of one of them the slabs by state; of each slab the objects, with the order in which the free ones will
 * be handed out and the bytes that rounding costs painted inside each. */
import { html } from 'htm/preact';
import { useMemo, useState } from 'preact/hooks';
import { bytes, count, hex, plural } from '../../format.js';
import { selectedAllocation } from '../../lab-state.js';
import { cacheFacts, objectChain, objectGrid, slabsByState } from '../../model/slabs.js';
import { Empty, Head, ProblemBox, scrollBox } from '../parts/parts.js';
import { useMoment } from '../parts/use-view.js';
import { useWidth } from '../parts/use-size.js';
import { stepOfKey } from '../../model/keys.js';

/** @typedef {import('../../lab-session.js').Session} Session */
/** @typedef {import('../../types.js').Cache} Cache */
/** @typedef {import('../../types.js').Slab} Slab */

const OPEN_MAX = 24; /* slabs of one cache whose objects are shown at once */
const OBJECTS_MAX = 2048;

/** @param {{ session: Session }} props */
export function SlabsTab({ session }) {
  const state = session.store.value;
  const { data, problem } = useMoment(session, 'caches');
  const [all, setAll] = useState(false);
  const caches = /** @type {Cache[]} */ (data?.caches ?? []);
  const selected =
    selectedAllocation(state)?.cache ?? (state.selection?.kind === 'object' ? state.selection.cache : null);
  const name = state.cache ?? selected ?? caches.find((c) => c.nr_in_use)?.name ?? null;
  const shown = all ? caches : caches.filter((c) => c.nr_slabs || c.name === name);
  const cache = caches.find((c) => c.name === name) ?? null;
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  return html`<div class="pane two slabs"><div ...${scrollBox('Caches')}><table><caption><b>Caches</b> ${count(shown.length)} of ${count(caches.length)}
      ${caches.length > shown.length || all ? html`<button type="button" class="quiet" onClick=${() => setAll(!all)}>${all ? 'only those with slabs' : 'show all'}</button>` : null}</caption>
    <${Head} columns=${['cache', ['#object', 'bytes of one object'], '#slabs', 'in use, of all', ['#lost', 'granted, but not asked for']]} />
    <tbody>${shown.map((c) => html`<${CacheRow} key=${c.name} cache=${c} selected=${c.name === name} onPick=${() => session.store.send({ type: 'cache', cache: c.name })} />`)}</tbody></table>
      ${data && !shown.length ? html`<${Empty}>No cache has a slab yet. The first small kmalloc makes one.<//>` : null}</div>
    ${cache ? html`<${Slabs} key=${cache.name} session=${session} cache=${cache} />` : html`<div></div>`}</div>`;
}

/** @param {{ cache: Cache, selected: boolean, onPick: () => void }} props */
function CacheRow({ cache, selected, onPick }) {
  const { lost, lostShare } = cacheFacts(cache);
  return html`<tr class=${selected ? 'sel' : ''}><th scope="row"><button type="button" class="link" aria-pressed=${selected} onClick=${onPick}>${cache.name}</button></th>
    <td class="n">${count(cache.size)}</td><td class="n">${count(cache.nr_slabs)}</td><td><${Use} used=${cache.nr_in_use} all=${cache.nr_objects} /></td>
    <td class="n" title=${`${Math.round(100 * lostShare)} % of what was granted`}>${cache.nr_in_use ? bytes(lost) : '–'}</td></tr>`;
}

/** @param {{ used: number, all: number }} props */
const Use = ({ used, all }) =>
  html`<span class="use" role="img" aria-label=${`${used} of ${all}`}><i style=${{ width: `${all ? (100 * used) / all : 0}%` }}></i></span><small> ${count(used)}/${count(all)}</small>`;

/** @param {{ session: Session, cache: Cache }} props */
function Slabs({ session, cache }) {
  const isSmall = cache.nr_slabs <= OPEN_MAX && cache.nr_objects <= OBJECTS_MAX;
  const { data, problem } = useMoment(
    session,
    `caches/${encodeURIComponent(cache.name)}${isSmall ? '?objects=true' : ''}`,
  );
  const [open, setOpen] = useState(/** @type {number | null} */ (null));
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  const profile = session.store.value.lab?.profile;
  const facts = cacheFacts(cache, profile);
  const groups = slabsByState(data?.slabs ?? [], profile);
  return html`<div ...${scrollBox(`Slabs of ${cache.name}`)}>
    <h2 class="plain">${cache.name} <small>${facts.text}</small></h2>
    <dl class="line-facts"><div><dt>slabs</dt><dd>${count(cache.nr_slabs)}, ${bytes(facts.slabBytes)}</dd></div><div><dt>in use</dt><dd>${count(cache.nr_in_use)} of ${count(cache.nr_objects)}</dd></div><div><dt>asked for</dt><dd>${bytes(cache.requested_bytes)}</dd></div><div><dt>lost to rounding</dt><dd data-test="lost">${bytes(facts.lost)}</dd></div>${cache.overhead_bytes ? html`<div><dt>slab’s own</dt><dd>${bytes(cache.overhead_bytes)}</dd></div>` : null}<div><dt>align</dt><dd>${count(cache.align)}</dd></div></dl>
    ${isSmall ? html`<p class="cap slabkey"><span><i class="key-used"></i> asked for</span><span><i class="key-lost"></i> lost to rounding</span><span><i class="key-free">1</i> free: the number is its turn to be handed out</span></p>` : null}
    ${groups.map(
      (
        group,
      ) => html`<section class="slabgroup" key=${group.state}><h3>${group.state === 'cpu' && group.slabs.length > 1 ? 'the CPUs’ slabs' : group.label} <small>${plural(group.slabs.length, 'slab')}${group.doc ? ` · ${group.doc}` : ''}</small></h3>
      ${group.slabs.slice(0, isSmall ? OPEN_MAX : 200).map((slab) => html`<${SlabFigure} key=${slab.pfn} session=${session} cache=${cache} slab=${slab} isOpen=${isSmall || open === slab.pfn} onOpen=${isSmall ? null : () => setOpen(open === slab.pfn ? null : slab.pfn)} />`)}
      ${group.slabs.length > 200 && !isSmall ? html`<p class="empty">and ${count(group.slabs.length - 200)} more</p>` : null}</section>`,
    )}
    ${data && !groups.length ? html`<${Empty}>This cache has no slab at this moment.<//>` : null}</div>`;
}

/** @param {{ session: Session, cache: Cache, slab: Slab, isOpen: boolean, onOpen: (() => void) | null }} props */
function SlabFigure({ session, cache, slab, isOpen, onOpen }) {
  const toFrame = () =>
    session.store.send({ type: 'select', selection: { kind: 'frame', pfn: slab.pfn }, cache: cache.name });
  return html`<figure class="slab"><figcaption><button type="button" class="link" onClick=${toFrame}>frame ${hex(slab.pfn)}</button>${slab.order ? `, ${plural(2 ** slab.order, 'frame')}` : ''}${slab.cpu !== undefined ? ` · CPU ${slab.cpu}` : ''} <${Use} used=${slab.in_use} all=${slab.nr_objects} />
      ${onOpen ? html`<button type="button" class="quiet" aria-expanded=${isOpen} onClick=${onOpen}>${isOpen ? 'close' : 'objects'}</button>` : null}</figcaption>
    ${isOpen ? (slab.objects ? html`<${Objects} session=${session} cache=${cache} slab=${slab} />` : html`<${LoadedObjects} session=${session} cache=${cache} slab=${slab} />`) : null}</figure>`;
}

/** @param {{ session: Session, cache: Cache, slab: Slab }} props */
function LoadedObjects({ session, cache, slab }) {
  const { data, problem } = useMoment(session, `slabs/${slab.pfn}`);
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  return data
    ? html`<${Objects} session=${session} cache=${cache} slab=${{ ...slab, objects: data.objects ?? [], free_chain: data.free_chain }} />`
    : html`<p class="empty">Reading the objects…</p>`;
}

/** @param {{ session: Session, cache: Cache, slab: Slab }} props */
function Objects({ session, cache, slab }) {
  const [box, width] = useWidth();
  const { objects, chain, broken } = useMemo(
    () =>
      objectChain(
        slab.objects ?? [],
        cache.object_size,
        [slab.free_chain?.cpu_first, slab.free_chain?.first],
        slab.free_chain?.stray,
      ),
    [slab.objects],
  );
  const { selection } = session.store.value;
  const chosen = selection?.kind === 'allocation' || selection?.kind === 'object' ? selection.address : '';
  const at = objects.findIndex((o) => o.address === chosen);
  const here = Math.max(0, at);
  const grid = objectGrid(objects, Math.max(width, 60), at);
  const keys = (/** @type {KeyboardEvent} */ event) => {
    const from = Number(/** @type {HTMLElement} */ (event.target).dataset.nr);
    const to = { Home: 0, End: objects.length - 1 }[event.key] ?? from + stepOfKey(event.key, grid.across);
    if (to === from || !objects[to]) return;
    event.preventDefault();
    /** @type {HTMLElement | null | undefined} */ (box.current?.querySelector(`[data-nr="${to}"]`))?.focus();
  };
  return html`<div class="objects" ref=${box} role="listbox" aria-label=${`Objects of the slab in frame ${hex(slab.pfn)}`} onKeyDown=${keys} style=${{ height: `${grid.height + 2}px` }} data-test="objects" data-chain=${chain.join(' ')}>
      ${width ? objects.map((o, i) => html`<${ObjectBox} key=${o.address} nr=${i} isStop=${i === here} object=${o} grid=${grid} place=${grid.place(i)} selected=${o.address === chosen} session=${session} cache=${cache} slab=${slab} />`) : null}
      <svg class="chain" width=${grid.width} height=${grid.height + 12} aria-hidden="true"><defs><marker id="tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="5" markerHeight="5" orient="auto"><path d="M0 0L6 3L0 6Z" /></marker></defs>
        ${grid.w >= 30 && width ? grid.arrows.map((d, i) => html`<path key=${i} d=${d} marker-end="url(#tip)" />`) : null}</svg></div>
    ${broken ? html`<p class="message" role="note">${broken}</p>` : null}`;
}

/** @param {{ nr: number, isStop: boolean, object: import('../../model/slabs.js').Drawn, grid: ReturnType<typeof objectGrid>, place: { x: number, y: number }, selected: boolean, session: Session, cache: Cache, slab: Slab }} props */
function ObjectBox({ nr, isStop, object: o, grid, place, selected, session, cache, slab }) {
  const style = { left: `${place.x}px`, top: `${place.y}px`, width: `${grid.w}px`, height: `${grid.h}px` };
  const pick = () =>
    o.in_use
      ? session.store.send({
          type: 'select',
          selection: { kind: 'allocation', address: o.address, pid: 0 },
          cache: cache.name,
        })
      : session.store.send({
          type: 'select',
          selection: { kind: 'object', address: o.address, pfn: slab.pfn, cache: cache.name },
          cache: cache.name,
        });
  return html`<button type="button" role="option" data-nr=${nr} tabindex=${isStop ? 0 : -1} aria-selected=${selected} class=${`object${o.in_use ? ' on' : ''}${selected ? ' sel' : ''}`} style=${style} title=${o.title} aria-label=${o.title + (o.nth ? `, ${o.nth}. to be handed out` : '')} onClick=${pick}>
    ${o.in_use ? html`<i class="fill" style=${{ width: `${100 * o.share}%` }}></i>` : null}
    ${o.in_use && grid.w >= 60 ? html`<span>${o.page_array_of ? 'page pointers' : (o.name ?? o.call_site ?? hex(BigInt(o.address) & 0xfffn))}</span>` : null}${!o.in_use && o.nth && grid.w >= 26 ? html`<span class="nth">${o.nth}</span>` : null}</button>`;
}
