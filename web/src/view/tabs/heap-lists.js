/* heap-lists.js - malloc's lists of free chunks: each from its head, in the order of its links. */
import { html } from 'htm/preact';
import { count } from '../../format.js';
import { listGroups } from '../../model/heap.js';

/** @param {import('./heap-strip.js').Shared & { arenas: any[] }} props */
export function HeapLists({ arenas, ...shared }) {
  const groups = listGroups(shared.lists, arenas);
  if (!groups.length)
    return html`<h3>Lists of free chunks</h3><p class="empty">All are empty: the next block is cut from top.</p>`;
  return html`${groups.map(
    (
      group,
    ) => html`<section key=${group.kind} class="hlists" data-test=${`lists-${group.kind}`}><h3>${group.title} <small>${group.doc}</small></h3>
    ${group.lists.map(
      ({
        list,
        nr,
        label,
        whose,
      }) => html`<div class="hlist" key=${nr}><div class="hlabel"><b>${label}</b><small>${whose ? `${whose} · ` : ''}bin ${list.index} · ${list.count !== null ? `counter ${count(list.count)}` : `${count(list.chunks.length)}${list.truncated ? '+' : ''}`}</small></div>
      <ol>${list.chunks.map((chunk) => html`<${Link} key=${chunk.address} chunk=${chunk} ranged=${list.min_size !== list.max_size} ...${shared} />`)}${list.truncated ? html`<li>…</li>` : null}</ol></div>`,
    )}</section>`,
  )}`;
}

/** @param {import('./heap-strip.js').Shared & { chunk: import('../../model/heap.js').Listed, ranged: boolean }} props */
function Link({ chunk, ranged, numbers, chosen, hover, onHover, onPick, kinds }) {
  const nr = numbers.get(chunk.address) ?? -1;
  const kind = kinds[nr]?.key ?? 'free';
  return html`<li><button type="button" class=${`hlink ck c-${kind}${nr >= 0 && nr === chosen ? ' sel' : ''}${nr >= 0 && nr === hover ? ' hov' : ''}`} disabled=${nr < 0} title=${`chunk ${chunk.address}, ${count(chunk.size)} B; its link: ${chunk.link}`} onClick=${() => onPick(nr)}
    onMouseEnter=${() => onHover(nr)} onMouseLeave=${() => onHover(-1)} onFocus=${() => onHover(nr)} onBlur=${() => onHover(-1)}>…${chunk.address.slice(-5)}${ranged ? html` <small>${count(chunk.size)} B</small>` : null}</button></li>`;
}
