/* keys.js - keys that hold on the whole page; letters of the map stay with the map, which has the focus when they act. */
import { tinykeys } from 'tinykeys';
import { shownSeq, stagedFailure } from '../../lab-state.js';
import { SPEEDS } from '../../model/timeline.js';
import { singleKeys } from '../../shortcuts.js';
import { TABS } from '../../tabs.js';

const TYPED = 'input:not([type=range]), select, textarea, dialog';
const OWN_KEYS = `${TYPED}, input, [role=tab], [role=application], [role=listbox]`;

/** @param {import('../../lab-session.js').Session} session */
export function bindKeys(session) {
  const { store } = session;
  const inside = (/** @type {Event} */ event, /** @type {string} */ where) =>
    event.target instanceof Element && event.target.closest(where) !== null;
  /** Keys that a control under the focus may need itself. @param {(event: KeyboardEvent) => void} act */
  const onPage =
    (act, where = OWN_KEYS) =>
    (/** @type {KeyboardEvent} */ event) => {
      if (inside(event, where)) return;
      event.preventDefault();
      act(event);
    };
  const anywhere = (/** @type {() => void} */ act) => (/** @type {KeyboardEvent} */ event) =>
    singleKeys.value && onPage(act, TYPED)(event);
  const step = (/** @type {number} */ n) => onPage(() => store.send({ type: 'seek', seq: shownSeq(store.peek()) + n }));
  const help = anywhere(() => store.send({ type: 'help', open: true }));
  const faster = (/** @type {number} */ by) =>
    anywhere(() => {
      const i = SPEEDS.indexOf(store.peek().speed) + by;
      const speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, i))];
      store.send({ type: 'speed', speed });
      store.send({ type: 'notice', text: `${speed} operations a second` });
    });
  return tinykeys(window, {
    ArrowLeft: step(-1),
    ArrowRight: step(1),
    'Shift+ArrowLeft': step(-10),
    'Shift+ArrowRight': step(10),
    Home: onPage(() => store.send({ type: 'seek', seq: 0 })),
    End: onPage(() => store.send({ type: 'live' })),
    Space: onPage(
      () => store.send({ type: 'play', playing: !store.peek().playing }),
      `${TYPED}, button, a, summary, [role=tab]`,
    ),
    '[': faster(-1),
    ']': faster(1),
    '.': anywhere(() => session.nextEvent(1)),
    ',': anywhere(() => session.nextEvent(-1)),
    'Shift+N': anywhere(() => session.nextFailure()),
    m: anywhere(() => session.nextMark(1)),
    'Shift+M': anywhere(() => session.nextMark(-1)),
    '/': anywhere(() => store.send({ type: 'palette', palette: 'search' })),
    '$mod+k': (event) => {
      event.preventDefault();
      if (!store.peek().help) store.send({ type: 'palette', palette: store.peek().palette ? null : 'commands' });
    },
    ...Object.fromEntries(
      TABS.map(([id], i) => [String((i + 1) % 10), anywhere(() => store.send({ type: 'tab', tab: id }))]),
    ),
    'Shift+?': help,
    '?': help,
    Escape: (event) => !inside(event, 'dialog') && goUp(store),
  });
}

/** Escape: closes or lets go of one thing, in this order. @param {import('../../lab-session.js').Session['store']} store */
function goUp(store) {
  const state = store.peek();
  if (state.help) store.send({ type: 'help', open: false });
  else if (stagedFailure(state)) store.send({ type: 'passed' });
  else if (state.step !== null) store.send({ type: 'step', step: null });
  else if (state.focus) store.send({ type: 'focus', key: state.focus });
  else if (state.bytesAt) store.send({ type: 'bytesAt', address: null });
  else if (state.selection) store.send({ type: 'select', selection: null });
}
