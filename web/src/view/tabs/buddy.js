/* buddy.js - the page allocator's lists, zone by zone: free blocks by order and migratetype, the level against the watermarks,
 * fragmentation; and the splits and merges of the operation shown, one at a time, with the arithmetic behind them. */
import { html } from 'htm/preact';
import { useMemo } from 'preact/hooks';
import { bytes, count, hex, plural } from '../../format.js';
import {
  buddyEvents,
  buddyOperation,
  cpuText,
  freeAreaCells,
  ladder,
  levelScale,
  levelText,
  stepText,
  xorExample,
} from '../../model/buddy.js';
import { headOf, cellAt } from '../../model/cells.js';
import { selectedAllocation } from '../../lab-state.js';
import { Empty, scrollBox } from '../parts/parts.js';
import { PAGE_SIZE } from '../../model/page.js';

/** @typedef {import('../../lab-session.js').Session} Session */
/** @typedef {import('../../types.js').Zone} Zone */

/** @param {{ session: Session }} props */
export function BuddyTab({ session }) {
  const zones = (session.store.value.views?.zones ?? [])
    .filter((z) => z.managed || z.present)
    .reverse(); /* as an allocation tries them */
  return html`<div class="pane buddy"><div ...${scrollBox('Free areas', 'zones')}>${zones.map((zone) => html`<${ZonePanel} key=${zone.name} zone=${zone} />`)}</div>
    <div ...${scrollBox('Splits and merges', 'steps-pane')}><${Steps} session=${session} /></div></div>`;
}

/** @param {{ zone: Zone }} props */
function ZonePanel({ zone }) {
  const { types, rows, hasIndices } = freeAreaCells(zone);
  const most = Math.max(...rows.map((row) => row.pages), 1);
  return html`<section class="zone" aria-labelledby=${`zone-${zone.name}`}><h2 class="plain" id=${`zone-${zone.name}`}>${zone.name} <small>${count(zone.managed)} frames managed · ${count(zone.free)} free in blocks${zone.pcp ? ` · ${count(zone.pcp)} on CPUs’ lists` : ''}</small></h2>
    <${Level} zone=${zone} />
    <table class="areas"><caption class="sr">Free blocks of zone ${zone.name} by order${types.length > 1 ? ' and migratetype' : ''}</caption>
      <thead><tr><th scope="col">order</th>${hasIndices ? null : html`<th scope="col" class="n">block</th>`}${types.length > 1 ? types.map((t) => html`<th scope="col" class="n" key=${t}>${t}</th>`) : null}<th scope="col" class="n">blocks</th><th scope="col">memory</th>${hasIndices ? html`<th scope="col" class="n" title="share of the free memory that is in too small blocks for this order">unusable</th><th scope="col" class="n" title="towards 1: a failure would be for fragmentation; towards 0: for lack of memory; −1: there is a block">frag.</th>` : null}</tr></thead>
      <tbody>${rows.map(
        (
          row,
        ) => html`<tr key=${row.order}><th scope="row" title=${`blocks of ${bytes(PAGE_SIZE * 2 ** row.order)}`}>${row.order}</th>${hasIndices ? null : html`<td class="n">${bytes(PAGE_SIZE * 2 ** row.order)}</td>`}
        ${types.length > 1 ? row.cells.map((cell) => html`<td class="n heat" key=${cell.type} style=${{ '--heat': `${heat(cell.share)}%` }}>${cell.blocks ? count(cell.blocks) : html`<span class="zero">0</span>`}</td>`) : null}
        <td class="n">${row.nr_free ? count(row.nr_free) : html`<span class="zero">0</span>`}</td>
        <td title=${bytes(row.pages * PAGE_SIZE)}><span class=${`use ${hasIndices ? 'short' : 'long'}`}><i style=${{ width: `${(100 * row.pages) / most}%` }}></i></span>${hasIndices ? null : html` <small>${row.pages ? bytes(row.pages * PAGE_SIZE) : ''}</small>`}</td>
        ${hasIndices ? html`<td class="n">${row.unusable === null ? '' : row.unusable.toFixed(3)}</td><td class="n">${row.fragmentation === null ? '' : row.fragmentation.toFixed(3)}</td>` : null}</tr>`,
      )}</tbody></table>
    <${PerCpu} zone=${zone} /></section>`;
}

/** The heat of a cell, in percent. The square root keeps small shares visible. @param {number} share */
const heat = (share) => (share ? Math.round(8 + 52 * Math.sqrt(share)) : 0);

/** Free memory against the watermarks. The bar ends a little above the high mark, so that the marks stay apart. @param {{ zone: Zone }} props */
function Level({ zone }) {
  if (!zone.managed) return null;
  const level = levelScale(zone);
  return html`<div class="level"><div class="marks" role="img" aria-label=${`${zone.name}: ${levelText(zone)}; ${level.marks.map((m) => `${m.name} ${m.n}`).join(', ')}`}>
      <i class=${`free${level.beyond ? ' beyond' : ''}`} style=${{ width: `${100 * level.free}%` }}></i>${level.boost ? html`<i class="boost" style=${{ width: `${100 * level.boost}%` }}></i>` : null}
      ${level.marks.map((m) => html`<i key=${m.name} class=${`tick ${m.name}`} style=${{ left: `${100 * m.share}%` }}></i>`)}</div>
    <div class=${`ticks${level.apart ? '' : ' close'}`} aria-hidden="true">${level.marks.map((m) => html`<span key=${m.name} class=${m.name} style=${{ left: `${100 * m.share}%` }}>${m.name} ${count(m.n)}</span>`)}</div>
    <p class="cap">${levelText(zone)}${zone.boost ? ` · boosted by ${count(zone.boost)}` : ''}${zone.highatomic ? ` · ${count(zone.highatomic)} kept for high-order atomic calls` : ''}</p></div>`;
}

/** @param {{ zone: Zone }} props */
function PerCpu({ zone }) {
  const cpus = zone.cpus ?? [];
  const blocks = Object.entries(zone.pageblocks ?? {}).filter(([, n]) => n);
  const reserve = (zone.lowmem_reserve ?? []).filter(Boolean);
  return html`<div class="cap percpu">${zone.pcp_batch ? html`<p>${cpus.length ? '' : `on CPUs’ lists ${plural(zone.pcp, 'frame')}; `}a CPU’s lists hold up to ${count(zone.pcp_high)}, moved ${count(zone.pcp_batch)} at a time</p>` : null}
    ${cpus.filter((cpu) => cpu.count || cpus.length < 5).map((cpu) => html`<p key=${cpu.cpu}>${cpuText(cpu)}</p>`)}
    ${blocks.length ? html`<p>pageblocks: ${blocks.map(([type, n]) => `${count(n)} ${type}`).join(', ')}</p>` : null}
    ${zone.active || zone.inactive ? html`<p>reclaimable: ${count(zone.inactive ?? 0)} inactive, ${count(zone.active ?? 0)} active${zone.kswapd_awake ? '; kswapd is awake' : ''}</p>` : null}
    ${reserve.length ? html`<p>kept from calls that could use a higher zone: ${reserve.map(count).join(' · ')} frames</p>` : null}</div>`;
}

const LISTED = 120;

/** @param {{ session: Session }} props */
function Steps({ session }) {
  const state = session.store.value;
  const op = buddyOperation(state);
  const steps = useMemo(() => buddyEvents(op), [op]);
  const at = state.step ?? steps.length - 1;
  const go = (/** @type {number} */ step) => session.store.send({ type: 'step', step });
  const step = steps[at];
  const example = exampleFor(state, step);
  return html`<section class="stepper" data-test="stepper" data-step=${state.step ?? ''}><h2>Splits and merges <span>${op ? `op ${op.seq}, ${op.op}` : ''}</span></h2>
    ${
      steps.length
        ? html`<p class="controls"><button type="button" class="icon" aria-label="Previous split or merge" title="," disabled=${at <= 0} onClick=${() => go(at - 1)}>←</button>
      <b>${at + 1} of ${steps.length}</b><button type="button" class="icon" aria-label="Next split or merge" title="." disabled=${at >= steps.length - 1} onClick=${() => go(at + 1)}>→</button></p>
      <p aria-live="polite" class="says" data-test="step-text">${stepText(step)}</p>
      <${Ladder} rungs=${ladder(steps, at, op)} kind=${step.kind} session=${session} at=${at} />`
        : html`<${Empty}>${op ? (op.events_dropped ? `The first ${count(op.events?.length ?? 0)} events of this operation, which are all that were kept, neither split nor merge a block.` : 'This operation took or gave back memory without splitting or merging a block.') : 'Nothing has been split yet.'} Ask for more pages than a list has, and you will see it here.<//>`
    }
    ${example ? html`<${Xor} example=${example} session=${session} />` : null}
    ${
      steps.length > 1
        ? html`<details class="rest"><summary>all ${steps.length}</summary><ol class="steplist">${steps.slice(0, LISTED).map((s, i) => html`<li key=${i}><button type="button" class="link" aria-current=${i === at ? 'step' : undefined} onClick=${() => go(i)}>${s.kind} ${hex(s.pfn)} order ${s.order}</button></li>`)}${steps.length > LISTED ? html`<li>and ${count(steps.length - LISTED)} more</li>` : null}</ol></details>`
        : null
    }</section>`;
}

/** The arithmetic of the step shown, else of the selected frame's block. @param {import('../../lab-state.js').LabState} state @param {import('../../model/buddy.js').Step | undefined} step */
function exampleFor(state, step) {
  if (step) return xorExample(step.pfn, step.order);
  const views = state.views;
  if (!views || views.cells.shift) return null;
  const pfn =
    state.selection?.kind === 'frame' ? state.selection.pfn : (selectedAllocation(state)?.frames[0]?.pfn ?? null);
  if (pfn === null || pfn >= views.cells.nr) return null;
  return xorExample(headOf(views.cells, pfn), cellAt(views.cells, pfn).order);
}

/** @param {{ session: Session, pfn: number }} props */
const FrameLink = ({ session, pfn }) =>
  html`<button type="button" class="link" title="show on the map" onClick=${() => toFrame(session, pfn)}>${hex(pfn)}</button>`;

/** @param {Session} session @param {number} pfn */
function toFrame({ store }, pfn) {
  store.send({ type: 'select', selection: { kind: 'frame', pfn } });
  store.send({ type: 'tab', tab: 'map' });
}

/** One rung for each split. The half that is split further is drawn full; the other goes to a free list. @param {{ rungs: import('../../model/buddy.js').Rung[], kind: string, session: Session, at: number }} props */
function Ladder({ rungs, kind, session, at }) {
  const side = (/** @type {import('../../model/buddy.js').Rung} */ rung, /** @type {'left' | 'right'} */ which) => {
    const mine = rung.stays === which;
    const pfn = which === 'left' ? rung.left : rung.right;
    const says = mine ? rung.word : kind === 'split' ? 'to the free list' : 'its buddy, free';
    return html`<span class=${`half${mine ? ' goes' : ''}`}><${FrameLink} session=${session} pfn=${pfn} /><small>${says}</small></span>`;
  };
  return html`<ol class=${`ladder ${kind}`} aria-label=${kind === 'split' ? 'Halvings, from large to small' : 'Joinings, from small to large'}>${rungs.map(
    (rung, i) =>
      html`<li key=${`${at}-${i}`} class=${i === rungs.length - 1 ? 'now' : ''}><b>order ${rung.order}</b><span class="pair">${side(rung, 'left')}${side(rung, 'right')}</span></li>`,
  )}</ol>`;
}

/** @param {{ example: ReturnType<typeof xorExample>, session: Session }} props */
function Xor({ example, session }) {
  const names = ['block', `2^${example.order}`, 'buddy'];
  const numbers = [example.pfn, example.mask, example.buddy];
  return html`<div class="xor" data-test="xor"><h3>Why these two: pfn XOR 2<sup>order</sup></h3>
    <table><caption class="sr">${hex(example.pfn)} XOR ${hex(example.mask)} is ${hex(example.buddy)}: bit ${example.order} differs</caption><tbody>${example.rows.map(
      (
        row,
        r,
      ) => html`<tr key=${r} class=${r === 2 ? 'sum' : ''}><th scope="row">${names[r]}</th><td class="n">${r === 1 ? hex(numbers[r]) : html`<${FrameLink} session=${session} pfn=${numbers[r]} />`}</td>
      <td class="binary" aria-label=${`binary ${example.cut ? '…' : ''}${row.join('')}`}>${example.cut ? '…' : ''}${row.map((digit, i) => html`<i key=${i} class=${`${i === example.marked ? 'marked' : i > example.marked ? 'low' : ''}${i % 4 === 0 && i ? ' group' : ''}`}>${digit}</i>`)}</td></tr>`,
    )}</tbody></table>
    <p class="cap">${example.order ? `Blocks of order ${example.order} begin at multiples of ${count(example.mask)}: ${example.order === 1 ? 'the lowest bit is' : `the ${example.order} lowest bits are`} 0. ` : ''}Bit ${example.order} says which of the two it is; all bits above are the same. Both free, they merge into one of order ${example.order + 1}.</p></div>`;
}
