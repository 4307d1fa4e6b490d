/* commands.js - everything that can be done on a lab page, by name: what Ctrl+K offers and the sheet of keys explains. */
import { differsAt, isReadOnly, shownSeq } from '../../lab-state.js';
import { COLOURS, TABS } from '../../tabs.js';
import { toggleTheme } from '../../theme.js';
import { canColour } from './use-colours.js';

/** @typedef {{ id: string, title: string, note: string, run: () => void }} Command */

/** @param {import('../../lab-session.js').Session} session @returns {Command[]} */
export function commandsOf(session) {
  const { store } = session;
  const state = store.peek();
  const seq = shownSeq(state);
  const command = (/** @type {string} */ title, /** @type {string} */ note, /** @type {() => void} */ run) => ({
    id: title,
    title,
    note,
    run,
  });
  const sends = (
    /** @type {string} */ title,
    /** @type {string} */ note,
    /** @type {import('../../lab-actions.js').Action[]} */ ...actions
  ) => command(title, note, () => actions.forEach((action) => store.send(action)));
  return [
    ...TABS.map(([id, label]) => sends(`Show ${label}`, 'view', { type: 'tab', tab: id })),
    command('Next failure', 'Shift+N', () => session.nextFailure()),
    command('Next mark', 'M', () => session.nextMark(1)),
    command('Previous mark', 'Shift+M', () => session.nextMark(-1)),
    command('Next event of the selection', '.', () => session.nextEvent(1)),
    command('Previous event of the selection', ',', () => session.nextEvent(-1)),
    sends(state.playing ? 'Pause' : 'Play', 'Space', { type: 'play', playing: !state.playing }),
    sends('To the beginning', 'Home', { type: 'seek', seq: 0 }),
    sends(differsAt(state) === null ? 'Back to live' : 'To the last moment that can be shown', 'End', { type: 'live' }),
    sends('One operation back', '←', { type: 'seek', seq: seq - 1 }),
    sends('One operation forward', '→', { type: 'seek', seq: seq + 1 }),
    ...COLOURS.filter((c) => canColour(c, state)).map((c) =>
      sends(`Colour by ${c.label}`, 'map', { type: 'colour', colour: c.id }, { type: 'tab', tab: 'map' }),
    ),
    sends('Layout: buddy (Z-order)', 'map', { type: 'layout', layout: 'buddy' }, { type: 'tab', tab: 'map' }),
    sends('Layout: linear', 'map', { type: 'layout', layout: 'linear' }, { type: 'tab', tab: 'map' }),
    sends('Clear the selection', 'Esc', { type: 'select', selection: null }),
    ...(isReadOnly(state) ? [] : (state.table?.ops ?? []).map((op) => callCommand(session, op))),
    command('Copy a link to this picture', 'share', () => session.share()),
    ...(differsAt(state) === null
      ? []
      : [command('Run it again under today’s rules', 'a new lab of the same operations', () => session.rerun())]),
    command('Fork here', 'a new lab with the history up to this moment', () => session.forkHere()),
    command('Import a trace', 'ftrace, malloc logs, operations', session.importer.show),
    command('Export the history', 'ndjson, csv, ftrace, Perfetto', session.importer.show),
    command('Light or dark', 'theme', toggleTheme),
    sends('Keys', '?', { type: 'help', open: true }),
  ];
}

/** @param {import('../../lab-session.js').Session} session @param {import('../../types.js').OpInfo} op @returns {Command} */
const callCommand = (session, op) => ({
  id: `call-${op.op}`,
  title: `Call ${op.op}`,
  note: op.doc,
  run: () => session.showCall(op.op),
});
