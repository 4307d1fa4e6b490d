/* importer.js - sends a recorded trace into the lab, follows how far it is (whoever sent it), and stops it. */
import { signal } from '@preact/signals';
import { get, problemOf, remove, upload } from '../api.js';

/** @typedef {{ running: boolean, bytes: number, operations: number }} News */
/** @typedef {ReturnType<typeof createImporter>} Importer */

/** @param {import('../lab-session.js').Context} context */
export function createImporter({ store, base }) {
  const open = signal(false);
  const file = signal(/** @type {File | null} */ (null));
  const news = signal(/** @type {News | null} */ (null));
  const sending = signal(false);
  const started = signal(0);
  const summary = signal(/** @type {any} */ (null));
  const problem = signal(/** @type {import('../types.js').Problem | null} */ (null));

  /** From the event stream. @param {News} told */
  function heard(told) {
    if (told.running && !news.value) started.value = started.value || performance.now();
    if (!told.running && news.value) store.send({ type: 'imported' });
    news.value = told.running ? told : null;
    if (!told.running && !sending.value) started.value = 0;
  }

  /** A window opened while an import of somebody else runs. */
  async function look() {
    try {
      const told = await get(`${base}/import`);
      if (told.running) {
        started.value = performance.now() - told.seconds * 1000;
        news.value = told;
      }
    } catch {
      /* the event stream will tell */
    }
  }

  /** @param {string} format @param {boolean} atomic */
  async function send(format, atomic) {
    if (!file.value || sending.value) return;
    sending.value = true;
    summary.value = null;
    problem.value = null;
    started.value = performance.now();
    news.value = { running: true, bytes: 0, operations: 0 };
    try {
      summary.value = await upload(`${base}/import?format=${format}&atomic=${atomic}`, file.value);
      const { seq, now_ns } = await get(base);
      store.send({ type: 'head', seq, now_ns });
      store.send({ type: 'live' });
    } catch (error) {
      problem.value = problemOf(error);
    }
    sending.value = false;
    news.value = null;
    started.value = 0;
    store.send({ type: 'imported' });
  }

  async function stop() {
    try {
      await remove(`${base}/import`);
    } catch (error) {
      const why = problemOf(error);
      if (why.status !== 404) problem.value = why; /* 404: it had ended by itself */
    }
  }

  const show = () => {
    open.value = true;
    look();
  };
  /** @param {File | null} chosen */
  const choose = (chosen) => {
    file.value = chosen;
    summary.value = null;
    problem.value = null;
  };
  return {
    open,
    file,
    news,
    sending,
    started,
    summary,
    problem,
    heard,
    send,
    stop,
    show,
    choose,
    hide: () => (open.value = false),
  };
}
