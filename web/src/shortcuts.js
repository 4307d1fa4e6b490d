/* shortcuts.js - whether single keys act anywhere on the page. Who speaks to the computer may want them off; those with Ctrl, and
 * those of a control that has the focus, stay. Remembered by the browser. */
import { signal } from '@preact/signals';

const KEY = 'pagoda.single-keys';

const remembered = () => {
  try {
    return localStorage.getItem(KEY) !== 'off';
  } catch {
    return true;
  }
};

export const singleKeys = signal(remembered());

/** @param {boolean} on */
export function setSingleKeys(on) {
  singleKeys.value = on;
  try {
    localStorage.setItem(KEY, on ? 'on' : 'off');
  } catch {
    /* not remembered, but set */
  }
}
