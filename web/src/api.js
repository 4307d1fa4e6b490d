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
  return {
    status: 0,
    title: 'Pagoda does not answer',
    detail: String(error instanceof Error ? error.message : error),
    errors: [],
  };
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

/* The rules revision by which the daemon answers; 0: not known. Under its name an answer about a moment is kept for good. */
let rules = 0;
/** @param {number} revision `engine.now` of any lab */
export function learnRules(revision) {
  rules = revision;
}
/** The path with the revision, where it asks about a moment. @param {string} path @param {number} revision */
export const withRules = (path, revision) => (revision && /[?&]at=\d/.test(path) ? `${path}&rules=${revision}` : path);

/** A view. A daemon that was replaced while the page is open may refuse the revision: then it is forgotten.
 * @param {string} path @param {RequestInit} init */
async function look(path, init) {
  const kept = withRules(path, rules);
  try {
    return await ask(kept, init);
  } catch (error) {
    if (kept === path || problemOf(error).status !== 422) throw error;
    rules = 0;
    return ask(path, init);
  }
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function get(path, signal) {
  return (await look(path, { signal, headers: { accept: 'application/json' } })).json();
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<Uint8Array>} */
export async function getBytes(path, signal) {
  const response = await look(path, { signal, headers: { accept: 'application/octet-stream' } });
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
  return (
    await ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', accept: 'application/json' },
      body,
    })
  ).json();
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
const SAMPLE_MS = 250; /* what a person can follow */
const QUIET_SAMPLES = 3;
const FLOOD = 400; /* operations in half a second */

/** Tells a flood of events from a stream of them. @param {number} [most] @param {number} [window] ms @returns {(now: number) => boolean} */
export function floodGauge(most = FLOOD, window = 500) {
  let since = -Infinity,
    nr = 0;
  return (now) => {
    if (now - since > window) [since, nr] = [now, 0];
    return ++nr > most;
  };
}

/** Follows a lab's operations. The browser reconnects by itself with Last-Event-ID after a broken connection, but gives up
 * on a refused one; then a new stream is opened, and onState(true) is the moment to ask what was missed. When operations come by
 * the thousand (an import), the stream is closed and the lab's counters are asked for instead, a few times a second, until they
 * stand still.
 * @param {string} lab @param {{ onOp: (result: { seq: number, now_ns: number }) => void, onState: (open: boolean) => void, onImport?: (news: import('./session/importer.js').News) => void }} to */
export function follow(lab, to) {
  let timer = 0,
    isOver = false;
  /** @type {EventSource} */
  let source;
  /** @param {boolean} [missed] whether operations may have come while there was no stream */
  const open = (missed = false) => {
    const isFlood = floodGauge();
    source = new EventSource(`${BASE}/labs/${lab}/events`);
    source.addEventListener('open', () => {
      to.onState(true);
      if (missed) get(`/labs/${lab}/stats`).then(to.onOp, () => {}); /* a lost connection is told by the stream */
      missed = false;
    });
    source.addEventListener('error', () => {
      to.onState(false);
      if (source.readyState === EventSource.CLOSED) timer = window.setTimeout(open, REOPEN_MS, true);
    });
    source.addEventListener('import', (event) => to.onImport?.(JSON.parse(/** @type {MessageEvent} */ (event).data)));
    source.addEventListener('op', (event) => {
      if (isFlood(performance.now())) sample(0, 0);
      else to.onOp(JSON.parse(/** @type {MessageEvent} */ (event).data));
    });
  };
  /** @param {number} quiet samples that told nothing new @param {number} last seq */
  const sample = async (quiet, last) => {
    source.close();
    if (isOver) return;
    try {
      const [stats, news] = await Promise.all([get(`/labs/${lab}/stats`), get(`/labs/${lab}/import`)]);
      to.onImport?.(news);
      to.onOp(stats);
      quiet = news.running || stats.seq !== last ? 0 : quiet + 1;
      last = stats.seq;
    } catch {
      quiet = QUIET_SAMPLES; /* the stream will tell that the connection is lost */
    }
    if (isOver) return;
    if (quiet < QUIET_SAMPLES) timer = window.setTimeout(sample, SAMPLE_MS, quiet, last);
    else open(true);
  };
  open();
  return () => {
    isOver = true;
    clearTimeout(timer);
    source.close();
  };
}
