/* store.js - the only mutable state of a page: a reducer behind a signal, so that components re-render when they read it. */
import { signal } from '@preact/signals';

/** @template S, A @param {(state: S, action: A) => S} reduce @param {S} initial */
export function createStore(reduce, initial) {
  const state = signal(initial);
  return {
    /** The state; reading it while rendering subscribes. */
    get value() {
      return state.value;
    },
    /** The state without subscribing. */
    peek: () => state.peek(),
    /** @param {A} action */
    send(action) {
      state.value = reduce(state.peek(), action);
    },
    /** @param {(state: S) => void} listener */
    onChange: (listener) => state.subscribe(listener),
  };
}
