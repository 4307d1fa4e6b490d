/* slabs.js - the caches, their slabs, and in each slab the objects. */
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { bytes, count, hex, plural } from '../format.js';
import { selectedAllocation } from '../lab-state.js';
import { Empty, ProblemBox } from './parts.js';
import { useView } from './use-view.js';

/** @param {{ session: import('../lab-session.js').Session }} props */
export function SlabsTab({ session }) {
  const state = session.store.value;
  const at = state.views?.seq ?? 0;
  const { data, problem } = useView(`${session.base}/caches?at=${at}`);
  const [chosen, setChosen] = useState(/** @type {string | null} */ (null));
  const [all, setAll] = useState(false);
  const caches = /** @type {import('../types.js').Cache[]} */ (data?.caches ?? []);
  const name = chosen ?? selectedAllocation(state)?.cache ?? caches.find((c) => c.nr_in_use)?.name ?? null;
  const shown = all ? caches : caches.filter((c) => c.nr_slabs || c.name === name);
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  return html`<div class="pane two"><div class="scroll" tabindex="0" role="region" aria-label="Caches"><table><caption><b>Caches</b> ${count(shown.length)} of ${count(caches.length)}
      ${caches.length > shown.length || all ? html`<button type="button" class="quiet" onClick=${() => setAll(!all)}>${all ? 'only those with slabs' : 'show all'}</button>` : null}</caption>
    <thead><tr><th scope="col">cache</th><th scope="col" class="n">object</th><th scope="col" class="n">slabs</th><th scope="col" class="n">in use</th><th scope="col">of all objects</th><th scope="col" class="n">lost</th></tr></thead>
    <tbody>${shown.map(
      (
        c,
      ) => html`<tr key=${c.name} class=${c.name === name ? 'sel' : ''}><th scope="row"><button type="button" class="link" aria-pressed=${c.name === name} onClick=${() => setChosen(c.name)}>${c.name}</button></th>
      <td class="n">${count(c.object_size)}</td><td class="n">${count(c.nr_slabs)}</td><td class="n">${count(c.nr_in_use)}</td><td><${Use} used=${c.nr_in_use} all=${c.nr_objects} /></td>
      <td class="n">${c.nr_in_use ? bytes(Math.max(0, c.nr_in_use * c.object_size - c.requested_bytes)) : '–'}</td></tr>`,
    )}</tbody></table>
      ${data && !shown.length ? html`<${Empty}>No cache has a slab yet. The first small kmalloc makes one.<//>` : null}</div>
    ${name ? html`<${Slabs} session=${session} name=${name} at=${at} />` : null}</div>`;
}

/** @param {{ used: number, all: number }} props */
const Use = ({ used, all }) =>
  html`<span class="use" role="img" aria-label=${`${used} of ${all}`}><i style=${{ width: `${all ? (100 * used) / all : 0}%` }}></i></span><small> ${count(all)}</small>`;

/** @param {{ session: import('../lab-session.js').Session, name: string, at: number }} props */
function Slabs({ session, name, at }) {
  const { data, problem } = useView(`${session.base}/caches/${encodeURIComponent(name)}?objects=true&at=${at}`);
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  const slabs = (data?.slabs ?? []).slice(0, 60);
  const { selection } = session.store.value;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Slabs of ${name}`}><h2 class="plain">${name} <small>${bytes(data?.object_size ?? 0)} an object, filled as far as asked for · ${plural((data?.slabs ?? []).length, 'slab')}</small></h2>
    ${slabs.map(
      (
        /** @type {any} */ slab,
      ) => html`<figure class="slab" key=${slab.pfn}><figcaption><button type="button" class="link" onClick=${() => session.store.send({ type: 'select', selection: { kind: 'frame', pfn: slab.pfn } })}>frame ${hex(slab.pfn)}</button> ${slab.state}, ${slab.in_use} of ${slab.nr_objects}</figcaption>
      <div class="objects">${(slab.objects ?? [])
        .slice(0, 512)
        .map((/** @type {any} */ o) =>
          o.in_use
            ? html`<button type="button" key=${o.address} class=${selection?.kind === 'allocation' && selection.address === o.address ? 'on sel' : 'on'} aria-label=${`${o.label || 'object'} ${o.address}, ${o.requested} bytes`} title=${`${o.label ?? ''} ${o.address} ${o.requested} B, op ${o.seq}`} onClick=${() => session.select(o.address, 0)}><i style=${{ height: `${Math.min(100, (100 * o.requested) / (data.object_size || o.requested || 1))}%` }}></i></button>`
            : html`<i key=${o.address} title=${`free ${o.address}`}></i>`,
        )}</div></figure>`,
    )}</div>`;
}
