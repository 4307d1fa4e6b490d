/* finder.js - one field for everything: `/` finds an address, frame, cache, allocation, operation; Ctrl+K runs a command. */
import { html } from 'htm/preact';
import { useMemo, useState } from 'preact/hooks';
import { count } from '../../format.js';
import { stepOfKey } from '../../model/keys.js';
import { addressOf, commandHits, searchHits } from '../../model/search.js';
import { commandsOf } from './commands.js';
import { useModal } from './parts.js';
import { useMoment } from './use-view.js';

const SHOWN = 12;

/** @param {import('../../lab-state.js').Views | null} views */
const nothing = (views) =>
  views?.more
    ? `Nothing among the first 1,000 allocations is called that; ${count(views.nr_live)} are live, and an address (0x…) finds any.`
    : 'Nothing in this moment is called that.';

/** @param {{ session: import('../../lab-session.js').Session, mode: 'search' | 'commands' }} props */
export function Finder({ session, mode }) {
  const { store } = session;
  const state = store.value;
  const dialog = useModal();
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const { data } = useMoment(session, 'caches');
  const place = addressOf(query, state);
  const asked = useMoment(session, place && `allocations?address=${place.address}&pid=${place.pid}`);
  const commands = useMemo(() => commandsOf(session), []);
  const found = searchHits(query, state, data?.caches ?? [], place ? (asked.data?.allocations ?? []) : []).map(
    (hit) => ({
      ...hit,
      run: () => hit.actions.forEach((action) => store.send(action)),
    }),
  );
  const told = mode === 'commands' || query.trim() ? commandHits(query, commands) : [];
  const hits = (mode === 'commands' ? [...told, ...found] : [...found, ...told]).slice(0, SHOWN);
  const here = Math.min(at, Math.max(0, hits.length - 1));
  const close = () => store.send({ type: 'palette', palette: null });
  const run = (/** @type {number} */ i) => {
    if (!hits[i]) return;
    dialog.current?.close(); /* gives the focus back to where it was */
    hits[i].run();
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    const step = stepOfKey(event.key, 1, 0);
    if (step && hits.length) setAt((here + step + hits.length) % hits.length);
    else if (event.key === 'Enter') run(here);
    else return;
    event.preventDefault();
  };
  return html`<dialog class="sheet finder" ref=${dialog} onClose=${close} aria-label=${mode === 'commands' ? 'Commands' : 'Search'}>
    <input class="in" type="text" role="combobox" aria-expanded="true" aria-controls="hits" aria-autocomplete="list" aria-activedescendant=${hits.length ? `hit-${here}` : undefined}
      aria-label=${mode === 'commands' ? 'Command, or what to find' : 'Find an address, frame, cache, name or operation'} placeholder=${mode === 'commands' ? 'what to do' : '0x address, frame 420, #12, a cache, a name'}
      value=${query} spellcheck=${false} autocomplete="off" onInput=${(/** @type {any} */ e) => (setQuery(e.target.value), setAt(0))} onKeyDown=${keys} />
    <ul id="hits" role="listbox" aria-label="What was found">${hits.map(
      (hit, i) =>
        html`<li key=${hit.id} id=${`hit-${i}`} role="option" aria-selected=${i === here} onPointerMove=${() => setAt(i)} onClick=${() => run(i)}><b>${hit.title}</b> <small>${hit.note}</small></li>`,
    )}</ul>
    <p class="cap" role="status">${hits.length ? '↑ ↓ choose, Enter goes there, Esc closes' : asked.loading ? 'Looking…' : query ? nothing(state.views) : 'Type an address, a frame number, #operation, a cache or a name.'}</p></dialog>`;
}
