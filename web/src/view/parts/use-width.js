/* use-width.js - how wide an element is, in pixels, as it changes; 0 before it is there. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

/** The ref to give to the element, and its width. */
export function useWidth() {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  return /** @type {const} */ ([box, width]);
}
