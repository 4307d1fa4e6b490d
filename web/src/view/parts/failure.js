/* failure.js - a call that returned NULL or was a bug takes the stage: a card at the head of the inspector, and a line above the map. */
import { html } from 'htm/preact';
import { isReadOnly } from '../../lab-state.js';
import { failureLine } from '../../model/failure.js';
import { partsOfBlock, sizesServed, ticksOf } from '../../model/ruler.js';
import { useMoment } from './use-view.js';

/** @typedef {import('../../lab-session.js').Session} Session */
/** @typedef {import('../../model/failure.js').Failure} Failure */

/** @param {Session} session */
const pass = (session) => session.store.send({ type: 'passed' });

/** @param {{ session: Session, failure: Failure }} props */
export function FailureLine({ session, failure }) {
  return html`<p class="failline" role="status" data-test="failure-line"><code>${failureLine(failure)}</code><span>${failure.title}.<span class="more-words"> ${failure.changed}</span></span>
    <button type="button" class="quiet" title="Go on, back to the selection" onClick=${() => pass(session)}><kbd>Esc</kbd></button></p>`;
}

const LINES_SHOWN = 5; /* of a kernel's report, at first */

/** @param {{ text: string }} props */
function Message({ text }) {
  const lines = text.split('\n');
  const whole = html`<pre class="words" tabindex="0" role="region" aria-label="Message">${lines.slice(0, LINES_SHOWN).join('\n')}</pre>`;
  if (lines.length <= LINES_SHOWN) return whole;
  return html`${whole}<details class="rest"><summary>${lines.length - LINES_SHOWN} more lines</summary><pre class="words" tabindex="0" role="region" aria-label="Rest of the message">${lines.slice(LINES_SHOWN).join('\n')}</pre></details>`;
}

/** Where the size stands among those that are served. @param {{ session: Session, ruler: import('../../model/lessons.js').Ruler }} props */
function Ruler({ session, ruler }) {
  const { data } = useMoment(session, 'caches');
  const ticks = ticksOf(sizesServed(data?.caches ?? [], ruler.limit), ruler.asked);
  const parts = partsOfBlock(ruler);
  return html`<figure class="ruler" data-test="ruler"><div class="scale" aria-hidden="true">${ticks.map((tick) => html`<i key=${tick.at} class=${tick.isAsked ? 'asked' : ''} style=${{ left: `${100 * tick.at}%` }}></i>${tick.label ? html`<span class=${tick.isAsked ? 'asked' : ''} style=${{ left: `${100 * tick.at}%` }}>${tick.label}</span>` : null}`)}</div>
    <div class="block" aria-hidden="true">${parts.map((part) => html`<i key=${part.name} class=${part.name}></i>`)}</div>
    <figcaption>${parts.map((part) => html`<span key=${part.name} class=${part.name}>${part.text}</span>`)}</figcaption></figure>`;
}

/** @param {{ title: string, children?: any }} props */
const Part = ({ title, children }) => html`<h3>${title}</h3>${children}`;

/** @param {{ session: Session, failure: Failure, back: string }} props back: what Escape brings back */
export function FailureCard({ session, failure, back }) {
  const { word, seq, context, title, call, message, why, notReason, instead, changed, rule, source, ruler } = failure;
  return html`<section class="failed" data-test="last-op" data-outcome=${word === 'NULL' ? 'null' : 'bug'}>
    <header><p><b class="word">${word}</b> <span>op ${seq} · ${context}</span><button type="button" class="quiet" onClick=${() => pass(session)}>${back ? `back to ${back} ` : 'go on '}<kbd>Esc</kbd></button></p>
      <h2 class="plain">${title}</h2><code class="line" data-test="failed-call">${call}</code></header>
    ${message ? html`<${Part} title=${/SIG|glibc/.test(message + source) ? 'Message' : 'Kernel message'}><${Message} text=${message} /><//>` : null}
    <${Part} title="Why"><p data-test="failed-why">${why}</p>${ruler ? html`<${Ruler} session=${session} ruler=${ruler} />` : null}<//>
    ${notReason ? html`<${Part} title="Not the reason"><p>${notReason}</p><//>` : null}
    ${instead.length ? html`<${Part} title="Call instead">${instead.map((one, i) => html`<${Instead} key=${one.call} session=${session} remedy=${one} isMain=${i === 0} />`)}<//>` : null}
    <${Part} title="What changed"><p>${changed}</p><//>
    <${Part} title="Rule"><p>${rule} <small>${source}</small></p><//></section>`;
}

/** @param {{ session: Session, remedy: import('../../model/failure.js').Remedy, isMain: boolean }} props */
function Instead({ session, remedy, isMain }) {
  const state = session.store.value;
  return html`<div class="instead"><span><code>${remedy.call}</code><small>${remedy.note}</small></span>
    <button type="button" class=${isMain ? 'p' : undefined} disabled=${isReadOnly(state) || state.sending} title=${isReadOnly(state) ? 'Back to live first: the past is read-only' : remedy.call} data-test="do-that" onClick=${() => session.doThat(remedy.request)}>Do that</button></div>`;
}
