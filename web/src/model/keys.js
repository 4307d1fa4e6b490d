/* keys.js - what an arrow key means in a row, a column or a grid. */

/** How far a key moves: by one to the sides, by `down` up and down; 0: it is no such key.
 * @param {string} key @param {number} down cells a row; 0: there is but one row @param {number} [aside] 0: there is but one column */
export const stepOfKey = (key, down, aside = 1) =>
  ({ ArrowRight: aside, ArrowLeft: -aside, ArrowDown: down, ArrowUp: -down })[key] || 0;
