/* topbar.js - which lab, which machine, which moment; and what can be done with the whole. */
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { bytes, duration, plural } from '../../format.js';
import { differsAt, isPast, shownSeq } from '../../lab-state.js';
import { ImportLine } from './import.js';
import { Mark, SiteNav, ThemeButton } from './parts.js';

/** @param {{ session: import('../../lab-session.js').Session }} props */
export function TopBar({ session }) {
  const state = session.store.value;
  const [copied, setCopied] = useState(false);
  const share = async () => {
    await session.share();
    setCopied(true);
    setTimeout(() => setCopied(false), 1600);
  };
  const { lab, profile } = state;
  return html`<header class="top">
    <a class="brand" href="/" aria-label="Pagoda: all labs"><${Mark} /><b>Pagoda</b></a>
    <${SiteNav} here="Labs" hrefs=${{ Compare: compareLink(state) }} />
    <div class="which" title=${lab?.name || state.id}><b>${lab?.name || lab?.id || state.id}</b><span>${lab ? [lab.profile, profile ? `${profile.word_bits}-bit` : '', bytes(lab.memory), plural(lab.cpus, 'CPU')].filter(Boolean).join(' · ') : 'opening…'}</span></div>
    <${Moment} state=${state} />
    ${isPast(state) ? html`<button type="button" onClick=${() => session.store.send({ type: 'live' })}>${differsAt(state) === null ? 'Back to live' : 'To the last moment'}</button>` : null}
    <${ImportLine} session=${session} />
    <span class="grow"></span>
    <button type="button" class="icon lab-more" popovertarget="lab-menu" aria-label="What can be done with this lab" title="More">⋯</button>
    <div id="lab-menu" class="lab-menu" popover="auto" onClick=${closeMenu}>
    <button type="button" class="find" onClick=${() => session.store.send({ type: 'palette', palette: 'search' })} title="Find an address, frame, cache, name (/)">Find <kbd>/</kbd></button>
    <button type="button" onClick=${share} title="Copy a link to exactly this picture">${copied ? 'Link copied' : 'Share'}</button>
    <button type="button" onClick=${session.forkHere} title="A new lab with the history up to this moment">Fork here</button>
    <button type="button" onClick=${session.importer.show} title="A recorded trace into this lab; its history out, as operations, table, trace or store">Import, export</button>
    <${ThemeButton} />
    <button type="button" class="icon" aria-label="Keyboard shortcuts" title="Keys (?)" onClick=${() => session.store.send({ type: 'help', open: true })}>?</button>
    </div></header>`;
}

/** In a narrow window the buttons are a menu, which closes when one is chosen. @param {Event} event */
function closeMenu(event) {
  const menu = /** @type {HTMLElement} */ (event.currentTarget);
  if (menu.matches(':popover-open')) menu.hidePopover();
}

/** The address of the comparison for the form's request. @param {import('../../lab-state.js').LabState} state */
function compareLink({ lab, form }) {
  const query = new URLSearchParams({
    profile: lab?.profile ?? 'classic',
    machine: lab?.machine ?? 'used',
    size: form.values.size || '1000',
    gfp: form.preset,
    context: form.values.context || 'process',
  });
  return `/compare?${query}`;
}

/** @param {{ state: import('../../lab-state.js').LabState }} props */
function Moment({ state }) {
  const other = differsAt(state) !== null;
  const now = state.at === null && !other ? state.now_ns : (state.views?.op?.now_ns ?? 0);
  const [mood, word] =
    state.connection === 'lost'
      ? ['lost', 'connection lost, trying again']
      : isPast(state)
        ? ['past', state.playing ? 'playing' : 'past, read-only']
        : other
          ? ['past', 'other rules, read-only']
          : state.connection === 'live'
            ? ['live', 'live']
            : ['past', 'connecting'];
  return html`<span class=${`pill ${mood}`} role="status" data-test="moment"><i class="dot" aria-hidden="true"></i>${word} · op ${shownSeq(state)}<span class="clock"> · ${duration(now)}</span></span>`;
}
