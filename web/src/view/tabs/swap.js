/* swap.js - the swap area, slot by slot: whose page is in each. */
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { bytes, count, plural } from '../../format.js';
import { pidColour, pidLetter, rowParts, slotsPerCell, swapCells, swapOwners } from '../../model/swap.js';
import { Empty, Head, ProblemBox, scrollBox } from '../parts/parts.js';
import { useMoment } from '../parts/use-view.js';
import { useWidth } from '../parts/use-size.js';
import { PAGE_SIZE } from '../../model/page.js';

/** @typedef {import('../../lab-session.js').Session} Session */
/** @typedef {import('../../model/swap.js').SlotRun} SlotRun */

/** @param {{ session: Session }} props */
export function SwapTab({ session }) {
  const { views, lab } = session.store.value;
  const { data, problem } = useMoment(session, 'swap');
  const [only, setOnly] = useState(/** @type {number | null} */ (null));
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  if (!data)
    return html`<p class="wait" role="status"><span class="spinner" aria-hidden="true"></span>Reading the swap area…</p>`;
  if (!data.total_pages)
    return html`<${Empty}>${lab?.swap ? 'The swap area is empty.' : 'This machine has no swap: what nobody can give up stays in memory.'}<//>`;
  const slots = /** @type {SlotRun[]} */ (data.slots);
  const name = (/** @type {number} */ pid) => views?.processes.find((p) => p.pid === pid)?.name ?? '';
  const toProcess = (/** @type {number} */ pid) => {
    session.store.send({ type: 'pid', pid });
    session.store.send({ type: 'tab', tab: 'processes' });
  };
  return html`<div class="pane swap"><h2 class="sr">Swap</h2><p class="cap" data-test="swap-use"><b>Swap</b> ${count(data.used_pages)} of ${count(data.total_pages)} slots of 4 KiB in use, ${bytes(data.used_pages * PAGE_SIZE)} of ${bytes(data.total_pages * PAGE_SIZE)} <span class="use" role="img" aria-label="share in use"><i style=${{ width: `${(100 * data.used_pages) / data.total_pages}%` }}></i></span></p>
    <div class="legend owners" role="group" aria-label="Owners">${swapOwners(slots).map((owner) => html`<button type="button" key=${owner.pid} aria-pressed=${only === owner.pid} onClick=${() => setOnly(only === owner.pid ? null : owner.pid)}><${Owner} pid=${owner.pid} /> pid ${owner.pid} ${name(owner.pid)} <b>${count(owner.pages)}</b> pages</button>`)}<span class="cap"><i class="owner free" aria-hidden="true"></i> free <b>${count(data.total_pages - data.used_pages)}</b></span></div>
    <${Slots} slots=${only === null ? slots : slots.filter((run) => run.pid === only)} total=${data.total_pages} />
    <div ...${scrollBox('Slots in use')}>${
      slots.length
        ? html`<table><caption><b>Slots in use</b> ${data.next ? 'the first 1000 runs' : plural(slots.length, 'run')}</caption><${Head} columns=${['slots', '#pages', 'process', 'address there', 'held by']} /><tbody>${slots
            .filter((run) => only === null || run.pid === only)
            .map(
              (run) =>
                html`<tr key=${`${run.slot} ${run.pid} ${run.address}`}><th scope="row">${run.count > 1 ? `${run.slot}–${run.slot + run.count - 1}` : run.slot}</th><td class="n">${count(run.count)}</td><td><${Owner} pid=${run.pid} /> <button type="button" class="link" onClick=${() => toProcess(run.pid)}>pid ${run.pid}</button> ${name(run.pid)}</td><td>${run.address}</td><td>${plural(run.nr_users, 'page table')}</td></tr>`,
            )}</tbody></table>`
        : html`<${Empty}>Nothing is in swap. Pages go there when memory is short, or when a process says MADV_PAGEOUT.<//>`
    }</div></div>`;
}

/** @param {{ pid: number }} props */
const Owner = ({ pid }) =>
  html`<i class="owner" style=${{ borderColor: pidColour(pid), background: `color-mix(in srgb, ${pidColour(pid)} 30%, var(--panel))` }} aria-hidden="true">${pidLetter(pid)}</i>`;

const ACROSS = 64;

/** @param {{ slots: SlotRun[], total: number }} props */
function Slots({ slots, total }) {
  const [box, width] = useWidth();
  const per = slotsPerCell(total);
  const nr = Math.ceil(total / per);
  const across = ACROSS;
  const cell = Math.max(5, Math.min(14, Math.floor((width - 2) / across)));
  const runs = swapCells(slots, total);
  return html`<figure class="slots" ref=${box}><figcaption class="cap">Slots in order, ${across} cells a row, one cell is ${plural(per, 'slot')} of 4 KiB. A letter names the owner; × marks slots of several processes.</figcaption>
    <svg width=${across * cell + 1} height=${Math.ceil(nr / across) * cell + 1} role="img" aria-label=${`${plural(runs.length, 'run')} of slots in use`} data-test="slots" data-runs=${runs.length}><defs><pattern id="swap-cells" width=${cell} height=${cell} patternUnits="userSpaceOnUse"><path class="ptline" d=${`M0 .5H${cell}M.5 0V${cell}`} /></pattern></defs>
      <rect class="ptback" x="0" y="0" width=${across * cell} height=${Math.ceil(nr / across) * cell} /><rect x="0" y="0" width=${across * cell} height=${Math.ceil(nr / across) * cell} fill="url(#swap-cells)" />
      ${width ? runs.map((run) => html`<g key=${run.cell}><title>${`slots ${run.cell * per}–${(run.cell + run.count) * per - 1}: pid ${run.owners.join(', ')}`}</title>${rowParts(run, across).map((part) => html`<rect key=${part.y} x=${part.x * cell + 1} y=${part.y * cell + 1} width=${part.w * cell - 1} height=${cell - 1} fill=${pidColour(run.pid)} fill-opacity=".45" stroke=${pidColour(run.pid)} />`)}<text x=${(run.cell % across) * cell + 3} y=${Math.floor(run.cell / across) * cell + Math.min(cell - 1, 10)}>${run.owners.map(pidLetter).join('×')}</text></g>`) : null}</svg></figure>`;
}
