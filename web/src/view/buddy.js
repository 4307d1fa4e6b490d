/* buddy.js - the free areas of each zone: how many blocks of each order lie free, and what that makes. */
import { html } from 'htm/preact';
import { bytes, count } from '../format.js';

/** @param {{ session: import('../lab-session.js').Session }} props */
export function BuddyTab({ session }) {
  const zones = (session.store.value.views?.zones ?? []).filter((z) => z.managed || z.present);
  return html`<div class="pane scroll" tabindex="0" role="region" aria-label="Free areas">${zones.map((zone) => html`<${Zone} key=${zone.name} zone=${zone} />`)}</div>`;
}

/** @param {{ zone: import('../types.js').Zone }} props */
function Zone({ zone }) {
  const most = Math.max(1, ...zone.free_area.map((area) => area.nr_free * 2 ** area.order));
  const types = [
    ...new Set(
      zone.free_area.flatMap((area) =>
        Object.entries(area.migratetypes ?? {})
          .filter(([, n]) => n)
          .map(([name]) => name),
      ),
    ),
  ];
  return html`<section class="zone"><h2 class="plain">${zone.name} <small>${count(zone.managed)} frames managed · ${count(zone.free)} free in blocks${zone.pcp ? ` · ${count(zone.pcp)} on CPUs` : ''}</small></h2>
    <${Marks} zone=${zone} />
    <table><caption class="sr">Free blocks of zone ${zone.name} by order</caption><thead><tr><th scope="col">order</th><th scope="col" class="n">block</th><th scope="col" class="n">free blocks</th><th scope="col">free memory in blocks of this order</th>${types.length > 1 ? types.map((t) => html`<th scope="col" class="n" key=${t}>${t}</th>`) : null}</tr></thead>
      <tbody>${zone.free_area.map(
        (
          area,
        ) => html`<tr key=${area.order}><th scope="row">${area.order}</th><td class="n">${bytes(4096 * 2 ** area.order)}</td><td class="n">${count(area.nr_free)}</td>
        <td><span class="use long"><i style=${{ width: `${(100 * area.nr_free * 2 ** area.order) / most}%` }}></i></span> <small>${area.nr_free ? bytes(area.nr_free * 4096 * 2 ** area.order) : ''}</small></td>
        ${types.length > 1 ? types.map((t) => html`<td class="n" key=${t}>${count(area.migratetypes?.[t] ?? 0)}</td>`) : null}</tr>`,
      )}</tbody></table></section>`;
}

/** Free memory against the watermarks, to scale. @param {{ zone: import('../types.js').Zone }} props */
function Marks({ zone }) {
  if (!zone.managed) return null;
  const share = (/** @type {number} */ n) => `${Math.min(100, (100 * n) / zone.managed)}%`;
  const marks = [
    ['min', zone.min],
    ['low', zone.low],
    ['high', zone.high],
  ].filter(([, n]) => n);
  return html`<div class="marks" role="img" aria-label=${`free ${zone.free} of ${zone.managed}; ${marks.map(([name, n]) => `${name} ${n}`).join(', ')}`}>
    <i class="free" style=${{ width: share(zone.free + zone.pcp) }}></i>${marks.map(([name, n]) => html`<i key=${name} class="tick" style=${{ left: share(Number(n)) }}></i>`)}</div>
    ${marks.length ? html`<p class="cap">${marks.map(([name, n]) => `${name} ${count(Number(n))}`).join(' · ')}</p>` : null}`;
}
