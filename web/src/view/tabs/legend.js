/* legend.js - what the colours mean, how many frames there are of each; a click fades all others. */
import { html } from 'htm/preact';
import { count, plural } from '../../format.js';
import { legendEntries } from '../../model/colours.js';
import { COLOURS } from '../../tabs.js';
import { Chip } from '../parts/parts.js';
import { canColour } from '../parts/use-colours.js';

/** @param {{ session: import('../../lab-session.js').Session, colours: import('../../model/colours.js').Colouring, hasBlocks: boolean }} props hasBlocks: the map shows blocks as outlines with their order */
export function Legend({ session, colours, hasBlocks }) {
  const state = session.store.value;
  const { entries, rest } = legendEntries(colours, state.lab?.profile !== 'classic');
  return html`<div class="legendbox"><div class="looks"><${ColourSwitch} session=${session} /><${LayoutSwitch} session=${session} /></div>
    <div class="legend" role="group" aria-label=${`Frames by ${colours.by}; press one to fade the others`} data-test="legend" data-by=${colours.by}>${entries.map(
      (
        e,
      ) => html`<button type="button" key=${e.key} title=${e.doc} aria-pressed=${state.focus === e.key} data-kind=${e.key} data-count=${e.count}
      class=${e.count ? '' : 'none'} onClick=${() => session.store.send({ type: 'focus', key: e.key })}>${e.kind ? html`<${Chip} kind=${e.kind} />` : html`<${Swatch} colour=${e.colour} />`}${e.label} <b>${count(e.count)}</b></button>`,
    )}${rest ? html`<span class="cap">and ${plural(rest, 'other')}</span>` : null}${colours.note ? html`<span class="cap">${colours.note}</span>` : null}${colours.by === 'state' && !state.views?.cells.shift ? html`<${OrderKey} orders=${state.profile?.nr_orders ?? 11} isHidden=${!hasBlocks} />` : null}</div></div>`;
}

/** What the numbers in the outlines say. Its room is kept where there are none: the map's size decides whether there are, and must not
 * depend on the answer. @param {{ orders: number, isHidden: boolean }} props */
const OrderKey = ({ orders, isHidden }) =>
  html`<span class="cap" style=${{ visibility: isHidden ? 'hidden' : 'visible' }} data-test="order-key"><b class="orderkey" aria-hidden="true">${orders - 1}</b> outlined: a free block of order ${orders - 1}, ${count(2 ** (orders - 1))} frames side by side</span>`;

/** @param {{ colour: string }} props */
const Swatch = ({ colour }) =>
  html`<i class="chip own" aria-hidden="true" style=${{ background: colour.startsWith('--') ? `var(${colour})` : colour }}></i>`;

/** @param {{ session: import('../../lab-session.js').Session }} props */
function ColourSwitch({ session }) {
  const state = session.store.value;
  return html`<label>colour by <select data-test="colour-by" value=${state.colour} onChange=${(/** @type {any} */ e) => session.store.send({ type: 'colour', colour: e.target.value })}>
    ${COLOURS.filter((c) => !c.zoned || state.lab?.profile !== 'classic').map((c) => html`<option key=${c.id} value=${c.id} selected=${c.id === state.colour} disabled=${!canColour(c, state)}>${c.label}</option>`)}</select></label>`;
}

/** @param {{ session: import('../../lab-session.js').Session }} props */
function LayoutSwitch({ session }) {
  const { layout } = session.store.value;
  const choose = (/** @type {import('../../lab-state.js').Layout} */ name) =>
    session.store.send({ type: 'layout', layout: name });
  return html`<span class="layout" role="group" aria-label="Layout of the physical map">
    <button type="button" aria-pressed=${layout === 'linear'} onClick=${() => choose('linear')} title="Rows of 64 frames">linear</button>
    <button type="button" aria-pressed=${layout === 'buddy'} onClick=${() => choose('buddy')} title="Z-order: every block is a square or a 2:1 rectangle beside its buddy">buddy (Z-order)</button></span>`;
}
