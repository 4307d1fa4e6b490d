/* heap-strip.js - chunks that touch, drawn in rows of addresses; arrows show the order of the list that the selected one is on. */
import { html } from 'htm/preact';
import { bytes, count, plural } from '../../format.js';
import { chunkPlaces, chunkText, listArrows } from '../../model/heap.js';
import { stepOfKey } from '../../model/keys.js';
import { useWidth } from '../parts/use-size.js';

const ROW = 26; /* pixels, as in heap.css */

/** @typedef {import('../../model/heap.js').Chunk} Chunk */
/** @typedef {{ chunks: Chunk[], kinds: import('../../model/heap.js').ChunkKind[], chosen: number, hover: number, onHover: (nr: number) => void, onPick: (nr: number) => void, numbers: Map<string, number>, lists: import('../../model/heap.js').List[], listOf: Map<string, number>, word: number }} Shared */

/** @param {Shared & { region: import('../../model/heap.js').Region & { rows: import('../../model/heap.js').Row[] }, rowBytes: number }} props */
export function HeapStrip({ region, rowBytes, ...shared }) {
  const { chunks, chosen, onPick, lists, listOf, numbers } = shared;
  const [box, width] = useWidth();
  const { rows } = region;
  const list = lists[listOf.get(chunks[chosen]?.address ?? '') ?? -1];
  const arrows = list && width ? listArrows(list.chunks, numbers, chunkPlaces(rows), width, ROW) : [];
  const move = (/** @type {KeyboardEvent} */ event) => {
    const step = stepOfKey(event.key, 1);
    if (!step) return;
    const from = /** @type {HTMLElement} */ (event.target).dataset.nr;
    const next = Number(from) + step;
    if (from === undefined || !chunks[next]) return;
    event.preventDefault();
    event.stopPropagation();
    onPick(next);
    const strips = box.current?.closest('.scroll');
    queueMicrotask(() =>
      /** @type {HTMLElement | null} */ (strips?.querySelector(`button[data-nr="${next}"]`))?.focus(),
    );
  };
  const stop = region.chunks.includes(chosen) ? chosen : region.chunks[0];
  return html`<section class="hstrip" aria-label=${`${region.title}, from ${region.start}`}><h3>${region.title} <small>${region.start}, ${bytes(region.length)}, ${plural(region.chunks.length, 'chunk')}</small></h3>
    <div class="hrows" onKeyDown=${move}><div class="hats" aria-hidden="true">${rows.map((row) => html`<code key=${row.address}>${row.folded ? '' : row.address}</code>`)}</div>
    <div class="htracks" ref=${box}>${rows.map((row) => (row.folded ? html`<${Fold} key=${row.address} row=${row} rowBytes=${rowBytes} ...${shared} />` : html`<div class="htrack" key=${row.address}>${row.pieces.map((piece) => html`<${PieceBox} key=${piece.nr} piece=${piece} stop=${stop} width=${width} ...${shared} />`)}</div>`))}
      <svg class="chain" width=${width} height=${rows.length * ROW} aria-hidden="true"><defs><marker id="heap-tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0L6 3L0 6Z" /></marker></defs>
        ${arrows.map((d, i) => html`<path key=${i} d=${d} marker-end="url(#heap-tip)" />`)}</svg></div></div></section>`;
}

/** @param {Shared & { piece: import('../../model/heap.js').Piece, stop: number, width: number }} props */
function PieceBox({ piece, stop, width, chunks, kinds, chosen, hover, onHover, onPick, word }) {
  const { nr } = piece;
  const chunk = chunks[nr],
    kind = kinds[nr];
  const room = (piece.to - piece.from) * width;
  const text = chunkText(chunk, kind, word);
  const marks = `${nr === chosen ? ' sel' : ''}${nr === hover ? ' hov' : ''}${piece.first ? ' first' : ''}${piece.last ? ' last' : ''}`;
  const props = {
    class: `ck c-${kind.key}${marks}`,
    style: { left: `${100 * piece.from}%`, width: `${100 * (piece.to - piece.from)}%` },
    title: text,
    onClick: () => onPick(nr),
    onMouseEnter: () => onHover(nr),
    onMouseLeave: () => onHover(-1),
  };
  const inside = html`${piece.asked ? html`<i class="asked" style=${{ width: `${100 * piece.asked}%` }}></i>` : null}${piece.first && room >= 12 ? html`<span data-text=${room >= 64 ? `${kind.letter} ${chunk.name || count(chunk.size)}` : kind.letter}></span>` : null}`;
  if (!piece.first) return html`<div ...${props} aria-hidden="true">${inside}</div>`;
  return html`<button type="button" ...${props} data-nr=${nr} tabindex=${nr === stop ? 0 : -1} aria-label=${text} aria-pressed=${nr === chosen} onFocus=${() => onHover(nr)} onBlur=${() => onHover(-1)}>${inside}</button>`;
}

/** @param {Shared & { row: import('../../model/heap.js').Row, rowBytes: number }} props */
function Fold({ row, rowBytes, chunks, kinds, chosen, onPick }) {
  const kind = kinds[row.nr];
  const text = `… ${count(row.folded)} rows, ${bytes(row.folded * rowBytes)}, of ${kind.label} ${chunks[row.nr].name ?? ''} …`;
  return html`<div class=${`htrack fold ck c-${kind.key}${row.nr === chosen ? ' sel' : ''}`} title=${text} onClick=${() => onPick(row.nr)}><span>${text}</span></div>`;
}
