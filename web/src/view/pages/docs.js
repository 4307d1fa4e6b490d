/* docs.js - the API reference, from the daemon's own description of itself. */
import { html } from 'htm/preact';
import { useEffect } from 'preact/hooks';
import { subjectsOf } from '../../model/reference.js';
import { Head, ProblemBox, scrollBox, SiteBar } from '../parts/parts.js';
import { useView } from '../parts/use-view.js';

/** @typedef {import('../../model/reference.js').Request} Request */

export function DocsPage() {
  const { data: api, problem } = useView('/openapi.json');
  const table = /** @type {import('../../types.js').OpTable | null} */ (useView('/ops').data);
  useEffect(() => void (document.title = 'API · Pagoda'), []);
  return html`<div class="home docs"><${SiteBar} here="API" /><main id="content" tabindex="-1">
    <div><h1>The API</h1><p class="cap">JSON over HTTP under <code>/api/v1</code>. Sizes are bytes, addresses are hex strings. What a simulated allocator refuses is a result, not an error; errors are RFC 9457 problems that name the field. All of it is in <a href="/api/v1/openapi.json">openapi.json</a>; <a href="/docs/fidelity">how true the answers are</a> has a page of its own. Every view takes <code>at=</code>, the moment it shows.</p></div>
    <pre class="line">${`curl -s ${location.origin}/api/v1/labs -H 'content-type: application/json' \\\n  -d '{"name":"a","profile":"classic","memory":"16M"}'`}</pre>
    ${problem ? html`<${ProblemBox} problem=${problem} />` : null}
    ${api ? subjectsOf(api).map((group) => html`<section key=${group.title} class="subject"><h2>${group.title}</h2>${group.requests.map((request) => html`<${Entry} key=${request.id} request=${request} />`)}</section>`) : problem ? null : html`<p class="empty" role="status">Reading openapi.json…</p>`}
    <section class="subject"><h2>Operations</h2><div ...${scrollBox('Operations')}><table><${Head} columns=${['op', 'needs', 'takes', 'what it does']} /><tbody>${(table?.ops ?? []).map((op) => html`<tr key=${op.op}><th scope="row"><code>${op.op}</code></th><td><code>${op.needed.join(', ')}</code></td><td><code>${op.further.join(', ')}</code></td><td>${op.doc}</td></tr>`)}</tbody></table></div></section>
    <section class="subject"><h2>Parameters of operations</h2><div ...${scrollBox('Parameters')}><table><${Head} columns=${['name', 'type', 'default', 'what it is']} /><tbody>${(table?.params ?? []).map((p) => html`<tr key=${p.name}><th scope="row"><code>${p.name}</code></th><td>${p.choices ? p.choices.join(', ') : p.type}${p.unit ? `, ${p.unit}` : ''}</td><td>${p.default ?? ''}</td><td>${p.doc}</td></tr>`)}</tbody></table></div></section>
  </main></div>`;
}

/** @param {{ request: Request }} props */
function Entry({ request }) {
  return html`<details class="request" id=${request.id}><summary><b>${request.method}</b> <code>${request.path.replace('/api/v1', '')}</code> <span>${request.summary}</span></summary>
    ${request.parameters.length ? html`<table><caption>Parameters</caption><tbody>${request.parameters.map((p) => html`<tr key=${p.place + p.name}><th scope="row"><code>${p.name}</code>${p.isNeeded ? '' : html` <small>optional</small>`}</th><td>${p.place}</td><td>${p.type}</td><td>${p.doc}</td></tr>`)}</tbody></table>` : null}
    ${request.sends.map((one) => html`<p key=${one.type} class="cap">sends <code>${one.type}</code></p>${one.shape ? html`<pre class="line" tabindex="0" role="region" aria-label="What is sent">${one.shape}</pre>` : null}`)}
    ${request.answers.map((one) => html`<p key=${one.status} class="cap"><b>${one.status}</b> ${one.doc} ${one.contents.map((c) => html`<code key=${c.type}>${c.type}</code> `)}</p>${one.status === 'else' ? null : one.contents.filter((c) => c.shape).map((c) => html`<pre key=${c.type} class="line" tabindex="0" role="region" aria-label=${`Answer ${one.status}`}>${c.shape}</pre>`)}`)}</details>`;
}
