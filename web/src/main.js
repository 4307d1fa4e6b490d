/* main.js - finds out which page this address is, and mounts it. Pages are loaded only when asked for. */
import { render } from 'preact';
import { html } from 'htm/preact';
import { showHiddenEverywhere } from './visible.js';

const root = /** @type {HTMLElement} */ (document.getElementById('app'));

async function mount() {
  const lab = /^\/lab\/([^/]+)\/?$/.exec(location.pathname);
  if (lab) {
    const { LabPage, openLab } = await import('./view/pages/lab.js');
    render(html`<${LabPage} session=${openLab(decodeURIComponent(lab[1]))} />`, root);
  } else if (/^\/docs\/fidelity\/?$/.test(location.pathname)) {
    const { FidelityPage } = await import('./view/pages/fidelity.js');
    render(html`<${FidelityPage} />`, root);
  } else if (/^\/docs\/?$/.test(location.pathname)) {
    const { DocsPage } = await import('./view/pages/docs.js');
    render(html`<${DocsPage} />`, root);
  } else if (/^\/compare\/?$/.test(location.pathname)) {
    const { ComparePage } = await import('./view/pages/compare.js');
    render(html`<${ComparePage} />`, root);
  } else {
    const { HomePage } = await import('./view/pages/home.js');
    render(html`<${HomePage} />`, root);
  }
}

/** A lab's address carries the moment shown, so that it is not changed to #content. @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

document.querySelector('.skip')?.addEventListener('click', skip);
showHiddenEverywhere();
root.replaceChildren();
mount();
