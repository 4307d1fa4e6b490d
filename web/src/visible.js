/* visible.js - characters that cannot be seen, shown.
 *
 * Names come from anybody. A control character or a sign that turns the direction of writing can make a name look like another
 * one, or turn what stands beside it around. So such a character is shown by its number. It is done in one place, for all
 * text that the pages show; what stands in a field to be edited stays as it is. */
import { options } from 'preact';

// Controls but tab and line feed; line and paragraph separators; marks, embeddings, overrides and isolates of direction.
const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const SHOWN_PROPS = ['title', 'aria-label', 'data-text'];

/** "a\u202eb" -> "a⟨U+202E⟩b" @param {string} text */
export const visible = (text) =>
  text.replace(HIDDEN, (letter) => `⟨U+${letter.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);

/** @param {any} child @returns {any} */
const visibleChild = (child) =>
  typeof child === 'string' ? visible(child) : Array.isArray(child) ? child.map(visibleChild) : child;

/** Of one element, before it is drawn. @param {{ type: any, props: any }} node */
export function showHidden({ type, props }) {
  if (typeof type !== 'string' || type === 'textarea') return;
  if (props.children !== undefined) props.children = visibleChild(props.children);
  for (const name of SHOWN_PROPS) if (typeof props[name] === 'string') props[name] = visible(props[name]);
}

/** All elements from here on. */
export function showHiddenEverywhere() {
  const before = options.vnode;
  options.vnode = (node) => {
    showHidden(/** @type {any} */ (node));
    before?.(node);
  };
}
