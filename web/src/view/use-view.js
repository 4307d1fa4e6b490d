/* use-view.js - a view of the lab for the moment shown: loads when its address changes, keeps the last answer meanwhile. */
import { useEffect, useState } from 'preact/hooks';
import { get, problemOf } from '../api.js';

/** @param {string | null} path null: nothing to ask
 * @returns {{ data: any, problem: import('../types.js').Problem | null, loading: boolean }} */
export function useView(path) {
  const [state, setState] = useState({
    data: /** @type {any} */ (null),
    problem: /** @type {import('../types.js').Problem | null} */ (null),
    loading: path !== null,
  });
  useEffect(() => {
    if (!path) {
      setState({ data: null, problem: null, loading: false });
      return;
    }
    const abort = new AbortController();
    setState((old) => ({ ...old, loading: true }));
    get(path, abort.signal).then(
      (data) => setState({ data, problem: null, loading: false }),
      (error) => abort.signal.aborted || setState({ data: null, problem: problemOf(error), loading: false }),
    );
    return () => abort.abort();
  }, [path]);
  return state;
}
