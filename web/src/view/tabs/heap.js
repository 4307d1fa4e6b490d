/* heap.js - the heap of a process: its chunks in address order, true to scale; malloc's lists of free chunks beside them; and the
 * words of the chunk that is selected. The same chunk is marked in all three. */
import { html } from 'htm/preact';
import { useMemo, useState } from 'preact/hooks';
import { bytes, count, plural } from '../../format.js';
import {
  chunkAt,
  heapRegions,
  heapSums,
  kindOfChunk,
  listOfChunk,
  regionRows,
  ROW_BYTES,
  rowBytesFor,
  swappedNote,
  thresholds,
  userAddress,
} from '../../model/heap.js';
import { ChunkFields } from './heap-chunk.js';
import { HeapLists } from './heap-lists.js';
import { HeapStrip } from './heap-strip.js';
import { Empty, ProblemBox, scrollBox } from '../parts/parts.js';
import { ProcessChoice } from './process-choice.js';
import { useMoment } from '../parts/use-view.js';

/** @typedef {import('../../lab-session.js').Session} Session */
const LIMITS = [1000, 10000];

/** @param {{ session: Session }} props */
export function HeapTab({ session }) {
  const { views } = session.store.value;
  const pid = views?.pid ?? 0;
  const [limit, setLimit] = useState(LIMITS[0]);
  const { data, problem, loading } = useMoment(session, pid ? `processes/${pid}/heap?limit=${limit}` : null);
  if (!pid) return html`<${Empty}>There is no process. Call malloc: it spawns one, and its heap is shown here.<//>`;
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  if (!data || data.pid !== pid)
    return html`<p class="wait" role="status"><span class="spinner" aria-hidden="true"></span>Reading the heap…</p>`;
  return html`<div class="pane heap" aria-busy=${loading}>
    ${
      data.state && data.chunks.length
        ? html`<${Heap} key=${pid} session=${session} data=${data} limit=${limit} onMore=${data.next && limit < LIMITS[1] ? () => setLimit(LIMITS[1]) : null} />`
        : html`<div class="cap"><b>Heap of pid ${pid}</b><${ProcessChoice} session=${session} /></div><${Empty}>This process has not called malloc yet: it has no heap.<//>`
    }</div>`;
}

/** @param {{ session: Session, data: any, limit: number, onMore: (() => void) | null }} props */
function Heap({ session, data, limit, onMore }) {
  const { views, selection, chunk: picked } = session.store.value;
  const pid = views?.pid ?? 0;
  const { state, arenas, lists } = data;
  const chunks = /** @type {import('../../model/heap.js').Chunk[]} */ (data.chunks);
  const [hover, setHover] = useState(-1);
  const [scale, setScale] = useState(0);
  const drawn = useMemo(() => {
    const regions = heapRegions(chunks, arenas);
    const rowBytes = scale || rowBytesFor(chunks, regions);
    return {
      rowBytes,
      regions: regions.map((region) => ({ ...region, rows: regionRows(chunks, region, rowBytes, state.header) })),
      sums: heapSums(chunks, state),
      numbers: new Map(chunks.map((c, nr) => [c.address, nr])),
      listOf: listOfChunk(lists),
    };
  }, [data, scale]);
  const kinds = useMemo(() => chunks.map((chunk) => kindOfChunk(chunk, state.min_chunk)), [data]);
  const wished = picked ?? (selection?.kind === 'allocation' && selection.pid === pid ? selection.address : null);
  const chosen = wished ? chunkAt(chunks, wished) : -1;
  const pick = (/** @type {number} */ nr) => {
    const chunk = chunks[nr];
    if (kinds[nr].key === 'used' || kinds[nr].key === 'mmap') session.select(userAddress(chunk, state.header), pid);
    session.store.send({ type: 'chunk', address: chunk.address });
  };
  const shared = {
    chunks,
    kinds,
    chosen,
    hover,
    onHover: setHover,
    onPick: pick,
    numbers: drawn.numbers,
    lists,
    listOf: drawn.listOf,
    word: state.word,
  };
  const { sums } = drawn;
  const outOfMemory = swappedNote(views?.maps ?? [], data.arenas);
  return html`<h2 class="sr">Heap of process ${pid}</h2><div class="cap"><b>Heap of pid ${pid}</b> ${plural(chunks.length, 'chunk')}${data.next ? ' of more' : ''}, ${bytes(sums.total)} · asked for ${bytes(sums.asked)} · rounding ${bytes(sums.lost)}${arenas.length > 1 ? ` · ${plural(arenas.length, 'arena')}, ${plural(data.threads.length, 'thread')}` : ''}
      <label class="to-end">one row is <select value=${String(scale)} onChange=${(/** @type {any} */ e) => setScale(Number(e.target.value))}><option value="0">${bytes(drawn.rowBytes)}${scale ? '' : ' (fits)'}</option>${ROW_BYTES.map((size) => html`<option key=${size} value=${String(size)}>${bytes(size)}</option>`)}</select></label>
      <${ProcessChoice} session=${session} /></div>
    ${outOfMemory ? html`<p class="cap" data-test="heap-swapped">${outOfMemory}</p>` : null}
    <p class="cap heapkey" data-test="heap-legend">${sums.kinds.map((kind) => html`<span key=${kind.key} title=${kind.doc}><i class=${`ck c-${kind.key}`} aria-hidden="true">${kind.letter}</i> ${kind.label} <b>${count(kind.nr)}</b> ${bytes(kind.bytes)}</span>`)}<span><i class="ck c-lost" aria-hidden="true"></i> rounding, headers</span></p>
    <div class="heapbody"><div ...${scrollBox('Chunks in address order')} data-test="heap-strip">
      ${drawn.regions.map((region) => html`<${HeapStrip} key=${region.key} region=${region} rowBytes=${drawn.rowBytes} ...${shared} />`)}
      ${onMore ? html`<p><button type="button" onClick=${onMore}>Read more than ${count(limit)} chunks</button></p>` : data.next ? html`<p class="empty">The first ${count(limit)} chunks are shown.</p>` : null}</div>
    <div ...${scrollBox('Lists of free chunks, arenas, thresholds')}>
      <${HeapLists} arenas=${arenas} ...${shared} />
      <${Arenas} data=${data} />
      <h3>Thresholds</h3><dl class="hfacts">${thresholds(state).map((one) => html`<div key=${one.name} title=${one.doc}><dt>${one.name}</dt><dd>${one.value}</dd></div>`)}</dl></div></div>
    <${ChunkFields} session=${session} pid=${pid} chunk=${chosen >= 0 ? chunks[chosen] : null} kind=${kinds[chosen]} state=${state} numbers=${drawn.numbers} onPick=${pick} />`;
}

/** @param {{ data: any }} props */
function Arenas({ data }) {
  const { arenas, threads, regions } = data;
  return html`<h3>Arenas <small>${plural(arenas.length, 'arena')}, ${plural(threads.length, 'thread')}</small></h3>
    <dl class="hfacts">${arenas.map((/** @type {any} */ arena, /** @type {number} */ nr) => {
      const users = threads
        .filter((/** @type {any} */ t) => t.arena === arena.address)
        .map((/** @type {any} */ t) => t.tid);
      const parts = regions.filter((/** @type {any} */ r) => r.arena === arena.address).length;
      return html`<div key=${arena.address}><dt>${arena.main ? 'main' : `arena ${nr}`}</dt><dd>${bytes(arena.system_mem)} from the kernel${parts ? ` in ${plural(parts, 'part')}` : ''}, top ${bytes(arena.top_size)}${arena.free ? ', free' : ''}${users.length ? ` · thread ${users.join(', ')}` : ''}</dd></div>`;
    })}</dl>`;
}
