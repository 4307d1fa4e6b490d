/* heap.js - the chunks of a process's heap, in address order. */
import { html } from 'htm/preact';
import { bytes, count, plural } from '../format.js';
import { Empty, ProblemBox } from './parts.js';
import { useView } from './use-view.js';

const SHOWN = 400;

/** @param {{ session: import('../lab-session.js').Session }} props */
export function HeapTab({ session }) {
  const { views, selection } = session.store.value;
  const pid = views?.pid ?? 0;
  const { data, problem } = useView(pid ? `${session.base}/processes/${pid}/heap?at=${views?.seq ?? 0}` : null);
  if (!pid) return html`<${Empty}>There is no process. malloc spawns one.<//>`;
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  const chunks = /** @type {any[]} */ (data?.chunks ?? []);
  const process = views?.processes.find((p) => p.pid === pid);
  const total = chunks.reduce((sum, chunk) => sum + chunk.size, 0) || 1;
  return html`<div class="pane"><div class="cap"><b>Heap of pid ${pid}</b> ${plural(chunks.length, 'chunk')}, ${bytes(total)}${process ? ` · heap ${process.heap_start} – ${process.brk} · ${plural(process.rss_pages, 'page')} resident · ${plural(process.minor_faults, 'fault')}` : ''}
      <label class="to-end">process <select value=${String(pid)} onChange=${(/** @type {any} */ e) => session.store.send({ type: 'pid', pid: Number(e.target.value) })}>${(views?.processes ?? []).map((p) => html`<option key=${p.pid} value=${String(p.pid)} selected=${p.pid === pid}>${p.pid} ${p.name}</option>`)}</select></label></div>
    ${chunks.length ? html`<div class="chunks" role="img" aria-label="Chunks in address order">${chunks.slice(0, SHOWN).map((c) => html`<i key=${c.address} class=${`c-${c.state}`} style=${{ flexGrow: String(1 + Math.log2(1 + c.size / 16)) }} title=${`${c.address} ${c.state} ${c.size} bytes ${c.name ?? ''}`}></i>`)}</div>` : null}
    <div class="scroll" tabindex="0" role="region" aria-label="Chunks"><table><caption class="sr">Chunks of the heap</caption><thead><tr><th scope="col">chunk</th><th scope="col">state</th><th scope="col" class="n">size</th><th scope="col" class="n">asked for</th><th scope="col">name</th></tr></thead>
      <tbody>${chunks.slice(0, SHOWN).map((c) => html`<tr key=${c.address} class=${selection?.kind === 'allocation' && selection.pid === pid && sameChunk(c, selection.address) ? 'sel' : ''}><td><code>${c.address}</code></td><td><i class=${`dotc c-${c.state}`} aria-hidden="true"></i>${c.state}</td><td class="n">${count(c.size)}</td><td class="n">${c.requested ? count(c.requested) : ''}</td><td>${c.name ?? ''}</td></tr>`)}</tbody></table>
      ${data && !chunks.length ? html`<${Empty}>This process has not called malloc yet.<//>` : null}</div></div>`;
}

/** A user pointer lies inside its chunk, after the header. @param {any} chunk @param {string} address */
function sameChunk(chunk, address) {
  const at = BigInt(address),
    start = BigInt(chunk.address);
  return at > start && at < start + BigInt(chunk.size);
}
