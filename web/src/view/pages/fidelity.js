/* fidelity.js - what the engine follows, and how that is known. The address may name a row, which is then marked, or an
 * operation: #profile/op. */
import { html } from 'htm/preact';
import { useEffect } from 'preact/hooks';
import table from '../../../../docs/FIDELITY.md';
import { featureOf, featuresOf } from '../../model/fidelity.js';
import { Head, scrollBox, SiteBar } from '../parts/parts.js';

const FEATURES = featuresOf(table);
const COLUMNS = ['feature', 'evidence', 'rule, or what is left out', 'source'];

/** The row that the address asks for. */
function marked() {
  const [profile, op] = decodeURIComponent(location.hash.slice(1)).split('/');
  return op ? featureOf(FEATURES, profile, op)?.id : profile;
}

export function FidelityPage() {
  const mark = marked();
  useEffect(() => {
    document.title = 'Fidelity · Pagoda';
    if (mark) document.getElementById(mark)?.scrollIntoView({ block: 'center' });
  }, []);
  return html`<div class="home docs"><${SiteBar} here="API" /><main id="content" tabindex="-1">
    <div><h1>Fidelity</h1><p class="cap">What the engine follows, and how that is known. <b>Identical</b>: every answer was compared with recordings of the real kernel or C library. <b>Rules only</b>: written after the source, and tested by rules. <b>Simplified</b>: here Pagoda is simpler than Linux, as the row says.</p></div>
    ${[...new Set(FEATURES.map((one) => one.profile))].map((profile) => html`<section key=${profile} class="subject"><h2>${profile}</h2><div ...${scrollBox(profile)}><table class="fidelity"><${Head} columns=${COLUMNS} /><tbody>${FEATURES.filter((one) => one.profile === profile).map((one) => html`<tr key=${one.id} id=${one.id} class=${one.id === mark ? 'marked' : undefined} aria-current=${one.id === mark ? 'true' : undefined}><th scope="row">${one.feature}</th><td>${one.evidence}</td><td>${one.rule}</td><td>${one.source === '-' ? '' : html`<small>${one.source}</small>`}</td></tr>`)}</tbody></table></div></section>`)}
  </main></div>`;
}
