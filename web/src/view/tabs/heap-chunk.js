/* heap-chunk.js - the words of one chunk's header, named, with what they lead to. */
import { html } from 'htm/preact';
import { count, hex } from '../../format.js';
import { chunkText, fieldMeaning, userAddress } from '../../model/heap.js';
import { ProblemBox } from '../parts/parts.js';
import { useMoment } from '../parts/use-view.js';

/** @param {{ session: import('../../lab-session.js').Session, pid: number, chunk: import('../../model/heap.js').Chunk | null, kind: import('../../model/heap.js').ChunkKind, state: any, numbers: Map<string, number>, onPick: (nr: number) => void }} props */
export function ChunkFields({ session, pid, chunk, kind, state, numbers, onPick }) {
  const { data, problem } = useMoment(session, chunk ? `processes/${pid}/heap?chunk=${chunk.address}` : null);
  if (!chunk)
    return html`<p class="chunkbox empty">Select a chunk, above or in a list: the words of its header are shown here. ← → move from chunk to chunk.</p>`;
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  const fields = /** @type {import('../../model/heap.js').Field[]} */ (
    data?.chunk?.address === chunk.address ? data.chunk.fields : []
  );
  const toBytes = (/** @type {string} */ address) => {
    session.store.send({ type: 'bytesAt', address, pid });
    session.store.send({ type: 'tab', tab: 'bytes' });
  };
  return html`<section class="chunkbox" data-test="chunk" data-address=${chunk.address} aria-label="Selected chunk">
    <p class="cap"><i class=${`ck c-${kind.key}`} aria-hidden="true">${kind.letter}</i> <b>${chunk.name || `chunk ${chunk.address}`}</b> ${chunkText({ ...chunk, name: null }, kind, state.word)} <span class="grow"></span>
      <button type="button" class="link" onClick=${() => toBytes(chunk.address)}>bytes from the header</button> <button type="button" class="link" onClick=${() => toBytes(userAddress(chunk, state.header))}>bytes of the block</button></p>
    <ol class="words">${fields.map((field) => html`<${Word} key=${field.offset} field=${field} chunk=${chunk} state=${state} numbers=${numbers} onPick=${onPick} />`)}
      ${data && !fields.length ? html`<li><small>The page of the header is not in memory.</small></li>` : null}</ol></section>`;
}

/** A thread cache links the blocks that malloc hands out, the bins link chunks. @param {import('../../model/heap.js').Field} field @param {number} header @param {Map<string, number>} numbers */
function targetChunk({ name, target }, header, numbers) {
  if (target === null) return undefined;
  return numbers.get(name === 'next' ? hex(BigInt(target) > 0n ? BigInt(target) - BigInt(header) : 0n) : target);
}

/** @param {{ field: import('../../model/heap.js').Field, chunk: import('../../model/heap.js').Chunk, state: any, numbers: Map<string, number>, onPick: (nr: number) => void }} props */
function Word({ field, chunk, state, numbers, onPick }) {
  const target = targetChunk(field, state.header, numbers);
  return html`<li class=${field.previous_block ? 'others' : ''}><b>${field.name}</b><small>+${count(field.offset)}, ${count(field.length)} B</small><code>${field.value}</code>
    <small class="says">${fieldMeaning(field, chunk, state)}</small>${target !== undefined ? html`<button type="button" class="link" onClick=${() => onPick(target)}>go there</button>` : null}</li>`;
}
