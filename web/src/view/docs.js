/* docs.js - the API reference, from the daemon's own description of itself. */
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { get } from '../api.js';
import { Mark, ThemeButton } from './parts.js';

export function DocsPage() {
  const [api, setApi] = useState(/** @type {any} */ (null));
  const [table, setTable] = useState(/** @type {import('../types.js').OpTable | null} */ (null));
  useEffect(() => {
    document.title = 'API · Pagoda';
    get('/openapi.json').then(setApi, () => setApi({ paths: {} }));
    get('/ops').then(setTable, () => {});
  }, []);
  return html`<div class="home docs"><header class="top"><a class="brand" href="/"><${Mark} /><b>Pagoda</b></a><span class="grow"></span><${ThemeButton} /></header><main>
    <h1>The API</h1><p>JSON over HTTP under <code>/api/v1</code>. Sizes are bytes, addresses are hex strings. What a simulated allocator refuses is a result, not an error.</p>
    <pre class="line">curl -s localhost:8080/api/v1/labs -H 'content-type: application/json' \
  -d '${'{"name":"a","profile":"classic","memory":"16M"}'}'</pre>
    ${
      Object.keys(api?.paths ?? {}).length
        ? html`<h2>Requests</h2><table><tbody>${Object.entries(api.paths).flatMap(([path, methods]) =>
            Object.entries(/** @type {any} */ (methods))
              .filter(([m]) => /^(get|post|put|patch|delete)$/.test(m))
              .map(
                ([method, info]) =>
                  html`<tr key=${method + path}><th scope="row"><code>${method.toUpperCase()} ${path}</code></th><td>${/** @type {any} */ (info).summary ?? ''}</td></tr>`,
              ),
          )}</tbody></table>`
        : null
    }
    <h2>Operations</h2><table><thead><tr><th scope="col">op</th><th scope="col">needs</th><th scope="col">takes</th><th scope="col">what it does</th></tr></thead><tbody>${(table?.ops ?? []).map((op) => html`<tr key=${op.op}><th scope="row"><code>${op.op}</code></th><td><code>${op.needed.join(', ')}</code></td><td><code>${op.further.join(', ')}</code></td><td>${op.doc}</td></tr>`)}</tbody></table>
    <h2>Parameters</h2><table><tbody>${(table?.params ?? []).map((p) => html`<tr key=${p.name}><th scope="row"><code>${p.name}</code></th><td>${p.type}${p.unit ? `, ${p.unit}` : ''}</td><td>${p.doc}</td></tr>`)}</tbody></table>
  </main></div>`;
}
