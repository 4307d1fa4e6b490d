/* use-size.js - how large an element is, in pixels, as it changes; 0 before it is there. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

/**
 * The ref to give to the element, and its size.
 * @param {(element: HTMLElement) => HTMLElement} [measured] what is measured instead: its parent, say
 */
export function useSize(measured) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const given = /** @type {HTMLElement} */ (box.current);
    const element = measured ? measured(given) : given;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  return /** @type {const} */ ([box, size]);
}

/** The ref to give to the element, and its width. */
export function useWidth() {
  const [box, { width }] = useSize();
  return /** @type {const} */ ([box, width]);
}
