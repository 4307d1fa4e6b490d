/* help.js - the sheet of keys. */
import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';

const KEYS = [
  ['← →', 'one operation back, forward'],
  ['Shift ← →', 'ten operations'],
  ['Home, End', 'the beginning; live'],
  ['Space', 'play, pause (timeline)'],
  ['[ ]', 'slower, faster (timeline)'],
  ['arrows', 'move from frame to frame (map)'],
  ['Enter', 'select what owns the frame (map)'],
  ['b', 'go to the buddy (map)'],
  ['W S A D F', 'zoom in, out, pan, fit (map)'],
  ['Esc', 'let go of the selection'],
  ['?', 'this sheet'],
];

/** @param {{ onClose: () => void }} props */
export function HelpSheet({ onClose }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => dialog.current?.showModal(), []);
  return html`<dialog class="sheet" ref=${dialog} onClose=${onClose} aria-labelledby="keys-title">
    <form method="dialog"><h2 id="keys-title">Keys</h2><dl>${KEYS.map(([key, what]) => html`<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>
      <p><button class="p">Close</button></p></form></dialog>`;
}
