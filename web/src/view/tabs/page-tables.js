/* page-tables.js - the walk from a virtual address to its frame: every table on the way as a grid of its entries, the walked
 * ones joined by a line; each step's bits by name; and what the TLBs know of it. */
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { bytes, count, hex, plural } from '../../format.js';
import { selectedAllocation } from '../../lab-state.js';
import {
  ENTRY_KINDS,
  entryText,
  FLAG_DOCS,
  hitShare,
  tableGrids,
  tlbHits,
  walkRows,
  withIndex,
} from '../../model/pagetables.js';
import { titleOf } from '../../model/title.js';
import { Empty, Head, ProblemBox, scrollBox } from '../parts/parts.js';
import { useMoment } from '../parts/use-view.js';
import { useWidth } from '../parts/use-size.js';
import { PAGE_SIZE, directOf } from '../../model/page.js';
import { stepOfKey } from '../../model/keys.js';

/** @typedef {import('../../lab-session.js').Session} Session */
const CAPTION_WIDTH = 116; /* pixels for “512 of 512 × 512 GiB” */
const ADDRESS = /^(0x)?[0-9a-f]{1,16}$/i;

/** Where the tab looks: an address that was typed or stepped to, else the selection. @param {Session} session */
function useAddress(session) {
  const state = session.store.value;
  const a = selectedAllocation(state);
  const pageOffset = state.profile?.page_offset;
  const frame = state.selection?.kind === 'frame' && pageOffset ? hex(directOf(pageOffset, state.selection.pfn)) : null;
  const heap = state.views?.processes.find((p) => p.pid === state.views?.pid)?.heap_start;
  const natural = a?.address ?? frame ?? state.bytesAt?.address ?? heap ?? state.views?.vmalloc.start ?? '';
  const own = state.walk;
  const setOwn = (/** @type {string | null} */ address) => session.store.send({ type: 'walk', address });
  const pid = a && !own ? (a.pid ?? 0) || state.views?.pid || 0 : (state.views?.pid ?? 0);
  return {
    address: own ?? natural,
    pid,
    setOwn,
    title: own ? '' : a ? titleOf(a) : frame ? 'the frame in the direct map' : heap ? 'the heap’s start' : '',
    isOwn: own !== null,
  };
}

/** @param {{ session: Session }} props */
export function PageTablesTab({ session }) {
  const state = session.store.value;
  const bits = state.profile?.word_bits ?? 64;
  const { address, pid, setOwn, title, isOwn } = useAddress(session);
  const [typed, setTyped] = useState('');
  const where = `?address=${address}${pid ? `&pid=${pid}` : ''}`;
  const walk = useMoment(session, address ? `translate${where}` : null);
  const tables = useMoment(session, address ? `pgtable${where}` : null);
  const tlb = useMoment(session, 'tlb');
  const good = ADDRESS.test(typed.trim());
  const go = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (good) setOwn(`0x${typed.trim().replace(/^0x/i, '')}`);
  };
  const list = walk.data && !walk.data.levels.length ? [] : (tables.data?.tables ?? []);
  const byPage = (/** @type {bigint} */ n) =>
    setOwn(hex(BigInt.asUintN(bits, BigInt(address) + n * BigInt(PAGE_SIZE))));
  return html`<div class="pane pagetables"><h2 class="sr">Page tables</h2>
    <form class="cap walkbar" onSubmit=${go}><label>Address <input class="in" name="walk" value=${typed} placeholder=${address || '0x…'} spellcheck=${false} autocomplete="off" aria-invalid=${typed && !good ? 'true' : undefined} onInput=${(/** @type {any} */ e) => setTyped(e.target.value)} /></label>
      <button type="submit" disabled=${!good}>Walk</button>
      <label>tables of <select value=${String(state.views?.pid ?? 0)} onChange=${(/** @type {any} */ e) => session.store.send({ type: 'pid', pid: Number(e.target.value) })}>${state.views?.processes.length ? state.views.processes.map((p) => html`<option key=${p.pid} value=${String(p.pid)}>pid ${p.pid} ${p.name}</option>`) : html`<option value="0">the kernel</option>`}</select></label>
      ${address ? html`<span role="group" aria-label="By page"><button type="button" aria-label="The page before" onClick=${() => byPage(-1n)}>←</button><button type="button" aria-label="The next page" onClick=${() => byPage(1n)}>→</button></span>` : null}
      ${title ? html`<span><b>${title}</b></span>` : isOwn ? html`<button type="button" class="quiet" onClick=${() => setOwn(null)}>back to the selection</button>` : null}</form>
    ${walk.problem ? html`<${ProblemBox} problem=${walk.problem} />` : null}
    ${!address ? html`<${Empty}>Select an allocation, or type an address: the tables that translate it are shown here.<//>` : null}
    ${walk.data ? html`<${Outcome} session=${session} walk=${walk.data} />` : null}
    <div ...${scrollBox('The walk')}>
      ${list.length ? html`<${Tables} tables=${list} address=${address} bits=${bits} onGo=${setOwn} />` : null}
      ${walk.data ? html`<div class="walkfacts"><${Steps} session=${session} walk=${walk.data} tables=${list} />${tlb.data ? html`<${Tlb} tlb=${tlb.data} address=${address} pid=${pid} />` : null}</div>` : null}</div></div>`;
}

/** @param {{ session: Session, pfn: number }} props */
const FrameLink = ({ session, pfn }) =>
  html`<button type="button" class="link" onClick=${() => session.store.send({ type: 'select', selection: { kind: 'frame', pfn } })}>frame ${hex(pfn)}</button>`;

/** @param {{ session: Session, walk: any }} props */
function Outcome({ session, walk }) {
  return html`<p class="outcome" data-test="outcome" data-present=${walk.present ? 'yes' : 'no'}><code>${walk.address}</code> <span class="pill">${walk.region}</span>${' '}
    ${walk.present ? html`→ <${FrameLink} session=${session} pfn=${walk.pfn} />, physical <code>${walk.physical}</code>, offset ${count(walk.offset)} B in a page of ${bytes(walk.page_size)}` : html`→ <b class="bad">not present</b>: touching it is a page fault`}
    ${walk.region === 'direct map' ? html`<br /><small>The direct map is address − offset = physical; boot made its tables, of large pages where it could.</small>` : null}</p>`;
}

/** @param {{ tables: import('../../model/pagetables.js').Table[], address: string, bits: number, onGo: (address: string) => void }} props */
function Tables({ tables, address, bits, onGo }) {
  const [box, width] = useWidth();
  const { grids, height, links } = tableGrids(tables, Math.max(260, width), bits);
  const used = ENTRY_KINDS.filter((kind) => tables.some((t) => t.entries.some((run) => run.kind === kind.key)));
  return html`<figure class="tables" ref=${box}><figcaption class="cap heapkey"><span>One cell is one entry, row by row.</span>${used.map((kind) => html`<span key=${kind.key}><i class=${`ptkey e-${kind.key}`} aria-hidden="true">${kind.letter}</i> ${kind.label}</span>`)}<span><i class="ptkey e-none" aria-hidden="true"></i> not present</span><span><i class="ptkey e-walked" aria-hidden="true"></i> walked: ← → ↑ ↓ take another entry</span></figcaption>
    <svg width=${Math.max(260, width)} height=${height}><defs>
      <pattern id="pt-cells" width=${grids[0]?.cell} height=${grids[0]?.cell} patternUnits="userSpaceOnUse"><path class="ptline" d=${`M0 .5H${grids[0]?.cell}M.5 0V${grids[0]?.cell}`} /></pattern>
      <pattern id="pt-swap" width="4" height="4" patternUnits="userSpaceOnUse"><path class="ptswap" d="M0 0L4 4M4 0L0 4" /></pattern>
      <marker id="pt-tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto"><path class="pttip" d="M0 0L6 3L0 6Z" /></marker></defs>
      ${grids.map((grid) => html`<${TableGrid} key=${grid.table.name} grid=${grid} address=${address} bits=${bits} onGo=${onGo} />`)}
      ${links.map((d, i) => html`<path key=${`link ${i}`} class="ptlink" d=${d} marker-end="url(#pt-tip)" />`)}</svg></figure>`;
}

/** @param {{ grid: import('../../model/pagetables.js').Grid, address: string, bits: number, onGo: (address: string) => void }} props */
function TableGrid({ grid, address, bits, onGo }) {
  const { table, columns, cell } = grid;
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const step = stepOfKey(event.key, columns);
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    onGo(withIndex(address, table, table.index + step, bits));
  };
  const onClick = (/** @type {any} */ event) => {
    const rect = event.currentTarget.querySelector('.ptback').getBoundingClientRect();
    const x = Math.floor((event.clientX - rect.left) / cell),
      y = Math.floor((event.clientY - rect.top) / cell);
    if (x >= 0 && x < columns && y >= 0 && y < grid.rows) onGo(withIndex(address, table, y * columns + x, bits));
  };
  return html`<g transform=${`translate(${grid.x} 0)`} class="pttable" role="slider" tabindex="0" aria-label=${`${table.name} in frame ${hex(table.pfn)}, ${plural(table.nr_used, 'entry', 'entries')} of ${table.nr_entries} present`} aria-valuemin="0" aria-valuemax=${table.nr_entries - 1} aria-valuenow=${table.index} aria-valuetext=${entryText(table, table.index, bits)} onKeyDown=${onKey} onClick=${onClick} data-test=${`table-${table.name}`} data-index=${table.index}>
    <text class="ptname" x="0" y="12">${table.name} <tspan class="ptsub">${hex(table.pfn)}</tspan></text><text class="ptsub" x="0" y="27">${count(table.nr_used)} of ${count(table.nr_entries)}${grid.width >= CAPTION_WIDTH ? ` × ${bytes(table.entry_bytes)}` : ''}<title>${count(table.nr_used)} of ${count(table.nr_entries)} entries of ${bytes(table.entry_bytes)} each</title></text>
    <rect class="ptback" x="0" y=${grid.y} width=${grid.width} height=${grid.height} /><rect x="0" y=${grid.y} width=${grid.width} height=${grid.height} fill="url(#pt-cells)" />
    ${grid.cells.map((c) => html`<rect key=${c.index} class=${`e-${c.kind}`} x=${c.x + 1} y=${c.y + 1} width=${cell - 1} height=${cell - 1}><title>${c.title}</title></rect>`)}
    <rect class="ptwalked" x=${grid.walked.x} y=${grid.walked.y} width=${cell + 1} height=${cell + 1} /></g>`;
}

/** @param {{ session: Session, walk: any, tables: import('../../model/pagetables.js').Table[] }} props */
function Steps({ session, walk, tables }) {
  if (!walk.levels.length) return null;
  return html`<table data-test="steps"><caption><b>Entries on the way</b></caption><${Head} columns=${['level', '#index', 'entry', 'bits', 'leads to']} />
    <tbody>${walkRows(walk, tables).map(
      (
        row,
      ) => html`<tr key=${row.name}><th scope="row">${row.name}</th><td class="n">${row.index}</td><td>${row.entry}</td><td class="bits">${row.flags.length ? row.flags.map((/** @type {string} */ flag) => html`<span key=${flag} title=${FLAG_DOCS[flag] ?? ''}>${flag}</span>`) : html`<small>empty</small>`}</td>
      <td>${row.frame !== null ? html`<${FrameLink} session=${session} pfn=${row.frame} />` : row.slot !== null ? `swap slot ${row.slot}` : 'nothing'}</td></tr>`,
    )}</tbody></table>`;
}

/** @param {{ tlb: any, address: string, pid: number }} props */
function Tlb({ tlb, address, pid }) {
  const known = address ? tlbHits(tlb, address, pid) : [];
  const share = hitShare(tlb);
  return html`<section class="tlb" data-test="tlb"><h3>TLB <small>${tlb.entries ? `${count(tlb.entries)} entries, ${count(tlb.ways)} ways, per CPU` : 'none in this machine'}</small></h3>
    <dl class="hfacts"><div><dt>hits</dt><dd>${count(tlb.hits)}</dd></div><div><dt>misses</dt><dd>${count(tlb.misses)}, each a walk</dd></div><div><dt>flushes</dt><dd>${count(tlb.flushes)}</dd></div><div><dt>hit rate</dt><dd>${tlb.hits + tlb.misses ? html`<span class="use" role="img" aria-label="hit rate"><i style=${{ width: `${100 * share}%` }}></i></span> ${(100 * share).toFixed(1)} %` : 'no access yet'}</dd></div>
      ${tlb.cpus.map((/** @type {any} */ cpu) => html`<div key=${cpu.cpu}><dt>CPU ${cpu.cpu}</dt><dd>${plural(cpu.translations.length, 'translation')} held</dd></div>`)}</dl>
    <p class="cap">${known.length ? known.map((/** @type {any} */ t) => `CPU ${t.cpu} holds this page in set ${t.set}: frame ${hex(t.pfn)}${t.stale ? ', stale' : ''}. `) : 'No CPU holds this page: the next access walks the tables.'}</p></section>`;
}
