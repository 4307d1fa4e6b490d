/* keys.js - keys that hold on the whole page; single letters stay with the map, which has the focus when they act. */
import { tinykeys } from 'tinykeys';
import { shownSeq } from '../lab-state.js';

/** @param {import('../lab-session.js').Session} session */
export function bindKeys(session) {
  const { store } = session;
  const typing = (/** @type {Event} */ event) =>
    event.target instanceof HTMLElement && event.target.closest('input, select, textarea, [role=tab], [role=application]') !== null;
  const onPage = (/** @type {(event: KeyboardEvent) => void} */ act) => (/** @type {KeyboardEvent} */ event) => {
    if (typing(event)) return;
    event.preventDefault();
    act(event);
  };
  const step = (/** @type {number} */ n) => onPage(() => store.send({ type: 'seek', seq: shownSeq(store.peek()) + n }));
  return tinykeys(window, {
    ArrowLeft: step(-1),
    ArrowRight: step(1),
    'Shift+ArrowLeft': step(-10),
    'Shift+ArrowRight': step(10),
    Home: onPage(() => store.send({ type: 'seek', seq: 0 })),
    End: onPage(() => store.send({ type: 'live' })),
    'Shift+?': onPage(() => store.send({ type: 'help', open: true })),
    '?': onPage(() => store.send({ type: 'help', open: true })),
    Escape: () => {
      if (store.peek().help) store.send({ type: 'help', open: false });
      else if (store.peek().selection) store.send({ type: 'select', selection: null });
    },
  });
}
