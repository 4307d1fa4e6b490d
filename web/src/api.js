/* api.js - the only file that talks to the daemon: JSON, frame bytes and the event stream. Errors are RFC 9457 problems. */

/** @typedef {import('./types.js').Problem} Problem */

const BASE = '/api/v1';

export class ApiError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

/** @param {unknown} error @returns {Problem} */
export function problemOf(error) {
  if (error instanceof ApiError) return error.problem;
  return { status: 0, title: 'Pagoda does not answer', detail: String(error instanceof Error ? error.message : error), errors: [] };
}

/** @param {Response} response @returns {Promise<ApiError>} */
async function refused(response) {
  const body = await response.json().catch(() => ({}));
  return new ApiError({
    status: response.status,
    title: body.title ?? `HTTP ${response.status}`,
    detail: body.detail ?? '',
    errors: Array.isArray(body.errors) ? body.errors : [],
  });
}

/** @param {string} path @param {RequestInit} [init] */
async function ask(path, init) {
  const response = await fetch(BASE + path, init);
  if (!response.ok) throw await refused(response);
  return response;
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function get(path, signal) {
  return (await ask(path, { signal, headers: { accept: 'application/json' } })).json();
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<Uint8Array>} */
export async function getBytes(path, signal) {
  const response = await ask(path, { signal, headers: { accept: 'application/octet-stream' } });
  return new Uint8Array(await response.arrayBuffer());
}

/** @param {string} path @param {unknown} body @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function post(path, body, signal) {
  const response = await ask(path, {
    method: 'POST',
    signal,
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

/** Sends a file as it is. @param {string} path @param {Blob} body @returns {Promise<any>} */
export async function upload(path, body) {
  return (await ask(path, { method: 'POST', headers: { 'content-type': 'application/octet-stream', accept: 'application/json' }, body })).json();
}

/** @param {string} path */
export async function remove(path) {
  await ask(path, { method: 'DELETE' });
}

/** The name of the field that a problem speaks of: "/size" -> "size". @param {import('./types.js').FieldProblem} error */
export function fieldOf(error) {
  return (error.field ?? error.pointer ?? '').replace(/^#?\//, '').split('/')[0];
}

const REOPEN_MS = 2000;

/** Follows a lab's operations. The browser reconnects by itself with Last-Event-ID after a broken connection, but gives up
 * on a refused one; then a new stream is opened, and onState(true) is the moment to ask what was missed.
 * @param {string} lab @param {{ onOp: (result: import('./types.js').Result) => void, onState: (open: boolean) => void, onImport?: (news: import('./session/importer.js').News) => void }} to */
export function follow(lab, to) {
  let timer = 0;
  /** @type {EventSource} */
  let source;
  const open = () => {
    source = new EventSource(`${BASE}/labs/${lab}/events`);
    source.addEventListener('open', () => to.onState(true));
    source.addEventListener('error', () => {
      to.onState(false);
      if (source.readyState === EventSource.CLOSED) timer = window.setTimeout(open, REOPEN_MS);
    });
    source.addEventListener('import', (event) => to.onImport?.(JSON.parse(/** @type {MessageEvent} */ (event).data)));
    source.addEventListener('op', (event) => to.onOp(JSON.parse(/** @type {MessageEvent} */ (event).data)));
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
