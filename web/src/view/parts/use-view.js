/* use-view.js - a view of the lab for the moment shown: loads when its address changes, keeps the last answer meanwhile. One request
 * at a time: what only moved on in time waits until the last one has answered, so that a fast lab is seen at all. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { get, problemOf } from '../../api.js';

/** An address without its moment. @param {string | null} path */
export const timeless = (path) => (path ?? '').replace(/([?&])at=\d+/, '$1at=');

/** The address of a view of the lab at a moment. @param {import('../../lab-session.js').Session} session @param {string} path below the lab @param {number} [seq] the one that is shown */
export const viewPath = (session, path, seq = session.store.value.views?.seq ?? 0) =>
  `${session.base}/${path}${path.includes('?') ? '&' : '?'}at=${seq}`;

/** A view of the lab at the moment shown. @param {import('../../lab-session.js').Session} session @param {string | null} path below the lab; null: nothing to ask */
export const useMoment = (session, path) => useView(path === null ? null : viewPath(session, path));

/** @param {string | null} path null: nothing to ask
 * @returns {{ data: any, problem: import('../../types.js').Problem | null, loading: boolean }} */
export function useView(path) {
  const [state, setState] = useState({
    data: /** @type {any} */ (null),
    problem: /** @type {import('../../types.js').Problem | null} */ (null),
    loading: path !== null,
  });
  const wish = useRef(path);
  const running = useRef(/** @type {{ path: string, abort: AbortController } | null} */ (null));
  useEffect(() => {
    wish.current = path;
    const now = running.current;
    if (now && timeless(now.path) === timeless(path)) return;
    now?.abort.abort();
    running.current = null;
    if (path) load(path);
    else setState({ data: null, problem: null, loading: false });
  }, [path]);
  useEffect(() => () => ((wish.current = null), running.current?.abort.abort()), []);

  /** @param {string} asked */
  async function load(asked) {
    const abort = new AbortController();
    running.current = { path: asked, abort };
    setState((old) => ({ ...old, loading: true }));
    try {
      const data = await get(asked, abort.signal);
      if (!abort.signal.aborted) setState({ data, problem: null, loading: wish.current !== asked });
    } catch (error) {
      if (!abort.signal.aborted) setState({ data: null, problem: problemOf(error), loading: wish.current !== asked });
    }
    if (abort.signal.aborted) return;
    running.current = null;
    if (wish.current && wish.current !== asked) load(wish.current);
  }
  return state;
}
