/* bytes.js - the bytes behind the selection, and the block that they lie in: descriptor, zeroes, and what somebody wrote. */
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { hex, plural } from '../format.js';
import { selectedAllocation } from '../lab-state.js';
import { hexRows, windowFor } from '../model/hexdump.js';
import { titleOf } from '../model/title.js';
import { Empty, ProblemBox } from './parts.js';
import { useView } from './use-view.js';

/** A selected frame's bytes, through the direct map. @param {import('../lab-state.js').LabState} state */
function frameAsBlock({ selection, profile }) {
  if (selection?.kind !== 'frame' || !profile?.page_offset) return null;
  const address = hex(BigInt(profile.page_offset) + BigInt(selection.pfn) * 4096n);
  return { address, requested: 4096, allocated: 4096, pid: 0, name: `frame ${hex(selection.pfn)}`, call_site: null };
}

/** @param {{ session: import('../lab-session.js').Session }} props */
export function BytesTab({ session }) {
  const state = session.store.value;
  const a = selectedAllocation(state) ?? frameAsBlock(state);
  const [page, setPage] = useState(0);
  const window_ = a ? windowFor(a.address, a.requested, state.lab?.profile === 'classic' && !a.pid, page) : null;
  const path =
    a && window_
      ? `${session.base}/memory?address=${window_.address}&length=${window_.length}&at=${state.views?.seq ?? 0}${a.pid ? `&pid=${a.pid}` : ''}`
      : null;
  const { data, problem, loading } = useView(path);
  if (!a || !window_) return html`<${Empty}>Select an allocation or a frame to read its bytes.<//>`;
  const rows = data ? hexRows(data.hex, window_.address, a.address, a.requested, a.allocated) : [];
  const missing = data && data.hex.length < window_.length * 2;
  return html`<div class="pane"><div class="cap"><b>${titleOf(a)}</b> ${window_.address}, ${plural(window_.length, 'byte')} <span class="grow"></span>
      <span class="key"><i class="b-data">aa</i> written</span><span class="key"><i class="b-zero">00</i> zero</span><span class="key"><i class="b-slack">aa</i> slack</span><span class="key"><i class="b-out">aa</i> outside: descriptor, neighbours</span></div>
    ${problem ? html`<${ProblemBox} problem=${problem} />` : null}
    <div class="scroll hex" tabindex="0" role="region" aria-label="Bytes" aria-busy=${loading}>${rows.map(
      (row) => html`<div class="hexrow" key=${row.address}><span class="at">${row.address}</span>
      ${row.spans.map((span, i) => html`<span key=${i} class=${`b-${span.kind}`}>${span.text}</span>`)}<span class="ascii">${row.ascii}</span></div>`,
    )}
      ${missing ? html`<p class="empty">${rows.length ? 'The next page has no frame: nothing was ever written there.' : 'No frame is behind this address yet. Touch it, and a frame of zeroes will be.'}</p>` : null}</div>
    <p class="pager"><button type="button" disabled=${page === 0} onClick=${() => setPage(page - 1)}>← before</button><button type="button" disabled=${(page + 1) * 512 >= a.requested} onClick=${() => setPage(page + 1)}>after →</button>
      <span class="cap">from ${hex(page * 512)} of ${hex(a.requested)}</span></p></div>`;
}
