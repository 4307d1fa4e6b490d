/* bytes.js - the bytes behind the selection or at any address, kernel or user: what they are, whose they are, and which of them
 * the last operation changed. */
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { count, hex, plural } from '../../format.js';
import { selectedAllocation } from '../../lab-state.js';
import {
  extentsIn,
  freePointerFields,
  headerFields,
  hexRows,
  leadOf,
  PAGE_BYTES,
  windowFor,
} from '../../model/hexdump.js';
import { titleOf } from '../../model/title.js';
import { Empty, ProblemBox, scrollBox } from '../parts/parts.js';
import { useMoment, useView, viewPath } from '../parts/use-view.js';
import { PAGE_SIZE, directOf } from '../../model/page.js';

/** @typedef {import('../../lab-session.js').Session} Session */
/** @typedef {import('../../lab-state.js').LabState} LabState */
/** @typedef {{ address: string, pid: number, size: number, title: string, allocation: import('../../types.js').Allocation | null }} Subject */

/** What the tab shows: an address that was asked for, else the selection, else what the operation shown made. @param {LabState} state @returns {Subject | null} */
function subjectOf(state) {
  const { bytesAt, selection, profile, views } = state;
  if (bytesAt) {
    const at = BigInt(bytesAt.address);
    const there = views?.allocations.find(
      (a) =>
        (a.pid ?? 0) === bytesAt.pid &&
        at >= BigInt(a.address) &&
        at < BigInt(a.address) + BigInt(Math.max(1, a.allocated)),
    );
    return {
      address: bytesAt.address,
      pid: bytesAt.pid,
      size: PAGE_BYTES,
      title: `address ${bytesAt.address}`,
      allocation: there ?? null,
    };
  }
  const a = selectedAllocation(state);
  if (a)
    return { address: a.address, pid: a.pid ?? 0, size: Math.max(a.requested, 1), title: titleOf(a), allocation: a };
  if (selection?.kind === 'object')
    return {
      address: selection.address,
      pid: 0,
      size: PAGE_BYTES,
      title: `free object of ${selection.cache}`,
      allocation: null,
    };
  if (selection?.kind === 'frame' && profile?.page_offset) {
    const address = hex(directOf(profile.page_offset, selection.pfn));
    return { address, pid: 0, size: PAGE_SIZE, title: `frame ${hex(selection.pfn)}`, allocation: null };
  }
  const op = views?.op;
  const address = op?.address ?? op?.request?.address;
  if (!op || !address || BigInt(address) === 0n) return null;
  const pid = op.request?.pid ?? 0;
  const made = views?.allocations.find((b) => b.address === address && (b.pid ?? 0) === pid);
  if (made)
    return {
      address,
      pid,
      size: Math.max(made.requested, 1),
      title: `${titleOf(made)}, of op ${op.seq}`,
      allocation: made,
    };
  return { address, pid, size: PAGE_BYTES, title: `where op ${op.seq}, ${op.op}, was`, allocation: null };
}

/** @param {{ session: Session }} props */
export function BytesTab({ session }) {
  const state = session.store.value;
  const subject = subjectOf(state);
  const [page, setPage] = useState(0);
  const key = subject ? `${subject.address} ${subject.pid}` : '';
  useEffect(() => setPage(0), [key]);
  return html`<div class="pane bytes"><${GoTo} session=${session} />
    ${subject ? html`<${Dump} key=${key} session=${session} subject=${subject} page=${page} setPage=${setPage} />` : html`<${Empty}>Select an allocation, an object or a frame, or type an address, to read its bytes.<//>`}</div>`;
}

/** @param {{ session: Session }} props */
function GoTo({ session }) {
  const { store } = session;
  const state = store.value;
  const [typed, setTyped] = useState('');
  const [pid, setPid] = useState('0');
  const address = /^(0x)?[0-9a-f]{1,16}$/i.test(typed.trim()) ? `0x${typed.trim().replace(/^0x/i, '')}` : null;
  const go = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (address) store.send({ type: 'bytesAt', address, pid: Number(pid) });
  };
  return html`<form class="cap goto" onSubmit=${go}><label>Address <input class="in" name="goto" value=${typed} placeholder="0x…" spellcheck=${false} autocomplete="off" aria-invalid=${typed && !address ? 'true' : undefined} onInput=${(/** @type {any} */ e) => setTyped(e.target.value)} /></label>
    <label>of <select value=${pid} onChange=${(/** @type {any} */ e) => setPid(e.target.value)}><option value="0">the kernel</option>${(state.views?.processes ?? []).map((p) => html`<option key=${p.pid} value=${String(p.pid)}>pid ${p.pid} ${p.name}</option>`)}</select></label>
    <button type="submit" disabled=${!address}>Go</button>
    ${state.bytesAt ? html`<button type="button" class="quiet" onClick=${() => store.send({ type: 'bytesAt', address: null })}>back to the selection</button>` : null}</form>`;
}

const KEY = [
  ['data', 'aa', 'written'],
  ['zero', '00', 'zero'],
  ['stale', 'aa', 'stale: there before the allocation'],
  ['slack', 'aa', 'granted, not asked for'],
  ['meta', 'aa', 'the allocator’s own'],
  ['other', 'aa', 'another allocation'],
  ['out', 'aa', 'nobody’s'],
  ['poison', '6b', 'poison'],
];

/** @param {{ session: Session, subject: Subject, page: number, setPage: (page: number) => void }} props */
function Dump({ session, subject, page, setPage }) {
  const state = session.store.value;
  const views = /** @type {import('../../lab-state.js').Views} */ (state.views);
  const { allocation, pid } = subject;
  const profile = state.lab?.profile ?? 'classic';
  const bits = state.profile?.word_bits ?? 32;
  const header = headerFields({ profile, bits, allocation: state.bytesAt ? null : allocation });
  const window_ = windowFor(subject.address, subject.size, state.bytesAt ? 0 : leadOf(header, subject.address), page);
  const ask = (/** @type {number} */ at) =>
    viewPath(session, `memory?address=${window_.address}&length=${window_.length}${pid ? `&pid=${pid}` : ''}`, at);
  const { data, problem, loading } = useView(ask(views.seq));
  const before = useView(views.seq > 0 && !problem ? ask(views.seq - 1) : null);
  const born = useView(allocation && allocation.seq < views.seq && !problem ? ask(allocation.seq) : null);
  const chain = useFreePointers(session, subject);
  const cut = (/** @type {any} */ view) =>
    view.data?.address === window_.address && !view.loading ? view.data.hex : null;
  const mine = allocation ?? { address: '' };
  const extents = extentsIn(views.allocations, window_.address, window_.length, pid, mine, titleOf).map((e) =>
    allocation ? e : { ...e, mine: true },
  );
  const isNew = allocation?.seq === views.seq;
  const rows =
    data && data.address === window_.address
      ? hexRows({
          hex: data.hex,
          from: window_.address,
          born: isNew ? data.hex : cut(born),
          before: cut(before),
          extents,
          fields: [...header, ...chain],
          poison: poisons(state.lab),
        })
      : [];
  const used = new Set(rows.flatMap((row) => row.spans.map((span) => span.kind)));
  const nrChanged = rows.reduce(
    (n, row) => n + row.spans.reduce((m, span) => m + (span.changed ? span.text.trim().split(/\s+/).length : 0), 0),
    0,
  );
  const missing = data && data.hex.length < window_.length * 2;
  const isLast = subject.size <= (page + 1) * PAGE_BYTES && !state.bytesAt && allocation !== null;
  return html`<div class="cap"><b>${subject.title}</b> ${window_.address}, ${plural(window_.length, 'byte')}${pid ? ` of pid ${pid}` : ''}<span class="grow"></span>
      ${KEY.filter(([kind]) => used.has(kind))
        .map(([kind, text, told]) => [
          kind,
          text,
          kind === 'out' && views.more ? 'nobody’s, or of one that is not listed' : told,
        ])
        .map(
          ([kind, text, what]) =>
            html`<span class="key" key=${kind}><i class=${`b-${kind}`}>${text}</i> ${what}</span>`,
        )}
      <span class="key" data-test="changed"><i class="b-data changed">aa</i> ${nrChanged ? `${plural(nrChanged, 'byte')} changed by op ${count(views.seq)}` : `nothing here changed by op ${count(views.seq)}`}</span></div>
    ${problem ? html`<${ProblemBox} problem=${problem} />` : null}
    <div ...${scrollBox(`Bytes from ${window_.address}`, 'hex')} aria-busy=${loading}>${rows.map(
      (
        row,
      ) => html`<div class="hexrow" key=${row.address}>${row.notes.length ? html`<span class="note">${row.notes.join(' · ')}</span>` : null}<span class="at">${row.address}</span>
      ${row.spans.map((span, i) => html`<span key=${i} class=${`b-${span.kind}${span.changed ? ' changed' : ''}`}>${span.text}</span>`)}<span class="ascii">${row.ascii.map((span, i) => html`<span key=${i} class=${span.changed ? 'changed' : ''}>${span.text}</span>`)}</span></div>`,
    )}
      ${missing ? html`<p class="empty">${rows.length ? 'The next page has no frame: nothing was ever written there.' : pid ? 'No frame is behind this address yet. Touch it, and a frame of zeroes will be.' : 'Nothing is mapped at this address.'}</p>` : null}</div>
    <p class="pager"><button type="button" onClick=${() => setPage(page - 1)} disabled=${BigInt(window_.address) < 1024n}>← before</button><button type="button" disabled=${isLast} onClick=${() => setPage(page + 1)}>after →</button>
      ${page ? html`<button type="button" class="quiet" onClick=${() => setPage(0)}>to its start</button>` : null}
      <span class="cap">${page < 0 ? `${hex(-page * PAGE_BYTES)} before it` : `from ${hex(page * PAGE_BYTES)}${allocation && !state.bytesAt ? ` of ${hex(subject.size)}` : ''}`}</span></p>`;
}

/** Free pointers among the bytes, when they belong to a slab. @param {Session} session @param {Subject} subject */
function useFreePointers(session, { allocation }) {
  const state = session.store.value;
  const { selection } = state;
  const pfn = selection?.kind === 'object' ? selection.pfn : allocation?.cache ? allocation.frames[0]?.pfn : undefined;
  const { data } = useMoment(session, pfn !== undefined && !state.bytesAt ? `slabs/${pfn}` : null);
  if (!data?.objects) return [];
  return freePointerFields(data.objects, data.cache?.layout?.free_pointer ?? 0, (state.profile?.word_bits ?? 32) / 8);
}

/** Whether this machine fills freed memory with patterns. @param {any} lab */
const poisons = (lab) => /[PZ]/.test(lab?.slub_debug ?? '');
