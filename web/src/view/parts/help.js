/* help.js - the sheet of keys. */
import { html } from 'htm/preact';
import { setSingleKeys, singleKeys } from '../../shortcuts.js';
import { useModal } from './parts.js';

/** @type {[string, [string, string][]][]} */
const KEYS = [
  [
    'Time',
    [
      ['← →', 'one operation back, forward'],
      ['Shift ← →', 'ten operations'],
      ['Home End', 'the beginning; live'],
      ['Space', 'play, pause'],
      ['[ ]', 'slower, faster'],
      ['Shift N', 'next failure'],
      ['M', 'next mark; with Shift the one before'],
      ['. ,', 'next, previous operation that names the selection; on Buddy: split or merge'],
    ],
  ],
  [
    'Map (when it has the focus)',
    [
      ['← ↑ ↓ →', 'from frame to frame; with Shift eight'],
      ['Enter', 'select what owns the frame'],
      ['B', 'the buddy of the block'],
      ['O', 'its owner'],
      ['V', 'its mapping: the virtual side'],
      ['W S', 'zoom in, out'],
      ['A D', 'pan; with Shift up, down'],
      ['F', 'fit; again: to the selection'],
    ],
  ],
  [
    'Everywhere',
    [
      ['/', 'find: address, frame, cache, name, #operation'],
      ['Ctrl K', 'commands'],
      ['1 – 9 0', 'the views above the map'],
      ['Esc', 'one step up: sheet, event, filter, selection'],
      ['?', 'this sheet'],
    ],
  ],
];

/** @param {{ onClose: () => void }} props */
export function HelpSheet({ onClose }) {
  const dialog = useModal();
  return html`<dialog class="sheet keys" ref=${dialog} onClose=${onClose} aria-labelledby="keys-title">
    <form method="dialog"><h2 id="keys-title">Keys</h2><div class="keygroups">${KEYS.map(
      ([title, keys]) =>
        html`<section key=${title}><h3>${title}</h3><dl>${keys.map(
          ([key, what]) =>
            html`<dt>${key.split(' ').map((one) => (one === '–' ? '–' : html`<kbd>${one}</kbd>`))}</dt><dd>${what}</dd>`,
        )}</dl></section>`,
    )}</div>
      <p><label class="cap"><input type="checkbox" checked=${singleKeys.value} onChange=${(/** @type {any} */ e) => setSingleKeys(e.currentTarget.checked)} /> single keys act anywhere on the page (off: only on the map and the timeline, and with Ctrl)</label></p>
      <p><button class="p">Close</button></p></form></dialog>`;
}
