/* checks.js - runs in the page: what of its picture overlaps, is cut off, is covered, is too small or cannot be reached.
 * `visualFaults()` answers one line a fault. Words on canvases are written down while they are drawn (`watchCanvases()`). */
(() => {
  const TYPE_MIN = 12;
  const TARGET_MIN = 24;
  const TOUCH = 2; /* pixels by which the boxes of letters may meet: they are taller than what is seen of them */
  const SHOWN = 6; /* faults of one kind that are told */

  /** Their size is what they show, or what lies under them is drawn by the page. */
  const SIZED_BY_DATA = '[data-test=heap-strip] *, [data-test=objects] *, .surface, svg *';
  const NO_TEXT = '.sr, noscript, script, style, option, title, desc, defs';
  const CONTROLS = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';

  const isSeen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const nameOf = (element) => {
    const own = (e) => e.localName + (e.id ? `#${e.id}` : [...e.classList].map((c) => `.${c}`).join(''));
    const parent = element.parentElement;
    return `${parent ? `${own(parent)} > ` : ''}${own(element)}`;
  };
  const short = (text) => {
    const plain = text.trim().replace(/\s+/g, ' ');
    return plain.length > 40 ? `${plain.slice(0, 40)}…` : plain;
  };
  const sizeOf = (box) => `${Math.round(box.right - box.left)}×${Math.round(box.bottom - box.top)}`;
  const boxOf = ({ left, top, right, bottom }) => ({ left, top, right, bottom });
  const common = (a, b) => ({
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  });
  /** A box of which next to nothing is seen, as at the edge of a list that rolls. */
  const isEmpty = (box) => box.right - box.left < 4 || box.bottom - box.top < 4;

  /** The open dialog, or the page: what lies under a dialog is not looked at. */
  const stage = () => document.querySelector('dialog[open]') ?? document.body;

  /** The ancestors that clip an element: those between a positioned element and what it is placed in do not. */
  function clippers(element, first = element.parentElement) {
    const found = [];
    let place = first === element ? 'static' : getComputedStyle(element).position;
    for (let e = first; e && e !== document.body && place !== 'fixed'; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (place === 'absolute' && style.position === 'static') continue;
      if (style.display !== 'inline' && `${style.overflowX}${style.overflowY}` !== 'visiblevisible') found.push([e, style]);
      if (e.localName === 'dialog') break;
      place = style.position;
    }
    return found;
  }

  const isRolled = (value) => value === 'auto' || value === 'scroll';

  /** What of a box is seen, and the ancestor beyond which the rest can never be seen. */
  function clip(box, around) {
    let seen = box;
    let cutBy = null;
    for (const [element, style] of around) {
      const frame = element.getBoundingClientRect();
      const wide = box.right > frame.right + 1.5 || box.left < frame.left - 1.5;
      const high = box.bottom > frame.bottom + TOUCH + 1 || box.top < frame.top - TOUCH - 1;
      if (wide && style.overflowX !== 'visible') {
        if (isRolled(style.overflowX)) around = [];
        else cutBy ??= { element, style, wide };
      }
      if (high && style.overflowY !== 'visible' && !isRolled(style.overflowY)) cutBy ??= { element, style, wide: false };
      seen = common(seen, frame);
    }
    return { seen, cutBy };
  }

  /** Every run of letters that can be seen: its node, its lines, what is seen of them. */
  function texts() {
    const walker = document.createTreeWalker(stage(), NodeFilter.SHOW_TEXT);
    const found = [];
    const range = document.createRange();
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.data.trim() || element.closest(NO_TEXT) || !isSeen(element)) continue;
      range.selectNodeContents(node);
      const lines = [...range.getClientRects()].filter((rect) => rect.width > 0.5 && rect.height > 0.5).map(boxOf);
      const around = lines.length ? clippers(element, element) : [];
      if (lines.length) found.push({ node, element, lines, clipped: lines.map((line) => clip(line, around)) });
    }
    return found;
  }

  /** Letters that end where their box ends. Three dots are fair when the whole is told by a title. */
  function cutOff(all) {
    const faults = [];
    for (const { node, element, clipped } of all)
      for (const { cutBy } of clipped) {
        if (!cutBy) continue;
        const isDotted = cutBy.wide && cutBy.style.textOverflow === 'ellipsis';
        if (isDotted && element.closest('[title]')) continue;
        faults.push(`cut off${isDotted ? ' with dots, the whole is nowhere' : ''}: “${short(node.data)}” by ${nameOf(cutBy.element)}`);
        break;
      }
    return faults;
  }

  const outOfReach = (all) =>
    all
      .filter(({ lines }) => lines.some((line) => line.left < -1 || line.top + scrollY < -1))
      .map(({ node, element }) => `out of reach: “${short(node.data)}” in ${nameOf(element)}`);

  /** As it is seen: a drawing may be scaled. */
  const typeOf = (element) => {
    const drawing = element.closest('svg')?.getScreenCTM();
    return parseFloat(getComputedStyle(element).fontSize) * (drawing ? Math.hypot(drawing.a, drawing.b) : 1);
  };
  const tooSmall = (all) =>
    all
      .filter(({ element }) => typeOf(element) < TYPE_MIN - 0.01)
      .map(
        ({ node, element }) => `type of ${+typeOf(element).toFixed(2)}px: “${short(node.data)}” in ${nameOf(element)}`,
      );

  /** A column so narrow that words are set letter by letter. */
  const slivers = (all) =>
    all
      .filter(({ node, lines }) => lines.length > 2 && node.data.trim().length / lines.length < 4)
      .map(({ node, element }) => `a column of a few letters: “${short(node.data)}” in ${nameOf(element)}`);

  /** Two runs of letters in one place. */
  function overprinted(all) {
    const lines = all
      .flatMap(({ node, element, clipped }) => clipped.map(({ seen }) => ({ node, element, box: seen })))
      .filter(({ box }) => !isEmpty(box))
      .sort((a, b) => a.box.top - b.box.top);
    const faults = [];
    lines.forEach((one, i) => {
      for (let j = i + 1; j < lines.length && lines[j].box.top < one.box.bottom - TOUCH; j++) {
        const other = lines[j];
        const both = common(one.box, other.box);
        const low = Math.min(one.box.bottom - one.box.top, other.box.bottom - other.box.top);
        if (one.node === other.node || both.right - both.left <= TOUCH || both.bottom - both.top <= Math.max(TOUCH, low / 4)) continue;
        if (one.element.closest('thead') !== other.element.closest('thead')) continue; /* heads stay while rows roll under them */
        faults.push(`overprinted: “${short(one.node.data)}” in ${nameOf(one.element)} and “${short(other.node.data)}” in ${nameOf(other.element)}`);
      }
    });
    return faults;
  }

  const isOpaque = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return !/^(transparent|rgba\(.*, 0\))$/.test(colour);
  };

  /** What lies over the middle of a box and is neither in the element nor around it. */
  function coverOf(element, box) {
    const x = (box.left + box.right) / 2;
    const y = (box.top + box.bottom) / 2;
    if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) return null;
    for (const over of document.elementsFromPoint(x, y)) {
      if (over === element || element.contains(over) || over.contains(element)) return null;
      if (over.closest('thead')) return null;
      if (isOpaque(over)) return over;
    }
    return null;
  }

  function covered(all) {
    const faults = [];
    for (const { node, element, clipped } of all) {
      const box = clipped.find(({ seen }) => !isEmpty(seen))?.seen;
      const over = box && coverOf(element, box);
      if (over) faults.push(`covered: “${short(node.data)}” in ${nameOf(element)} by ${nameOf(over)}`);
    }
    return faults;
  }

  /** The box that a press must hit: a switch has its label's. */
  const targetOf = (control) =>
    (/^(checkbox|radio)$/.test(control.type) && control.closest('label')) || control;
  const isInSentence = (control) =>
    control.matches('a, .link') && control.parentElement.textContent.trim() !== control.textContent.trim();

  function targets() {
    const small = [];
    const hidden = [];
    for (const control of stage().querySelectorAll(CONTROLS)) {
      const target = targetOf(control);
      if (!isSeen(target) || control.closest('.sr') || target.matches(SIZED_BY_DATA)) continue;
      const rect = boxOf(target.getBoundingClientRect());
      const { seen, cutBy } = clip(rect, clippers(target));
      if (rect.right - rect.left < 0.5) continue;
      if (Math.min(rect.right - rect.left, rect.bottom - rect.top) < TARGET_MIN - 0.5 && !isInSentence(control))
        small.push(`target of ${sizeOf(rect)}: ${nameOf(control)} “${short(control.textContent || control.ariaLabel || '')}”`);
      if (cutBy) hidden.push(`cut off: ${nameOf(control)} by ${nameOf(cutBy.element)}`);
      const over = !isEmpty(seen) && coverOf(target, seen);
      if (over) hidden.push(`covered: ${nameOf(control)} by ${nameOf(over)}`);
    }
    return [small, hidden];
  }

  function sideways() {
    const faults = [];
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) faults.push(`the document scrolls sideways: ${scrollWidth} in ${clientWidth} pixels`);
    const main = document.querySelector('main');
    if (main && main.scrollWidth > main.clientWidth + 1)
      faults.push(`the page's middle scrolls sideways: ${main.scrollWidth} in ${main.clientWidth} pixels`);
    if (document.querySelector('.lab') && document.documentElement.scrollHeight > innerHeight + 1)
      faults.push(`the lab is higher than the window: ${document.documentElement.scrollHeight} in ${innerHeight} pixels`);
    return faults;
  }

  /** Words of each canvas since it was wiped. @type {Map<HTMLCanvasElement, { text: string, px: number, box: any }[]>} */
  const drawn = new Map();

  globalThis.watchCanvases = () => {
    const { fillText, clearRect } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.clearRect = function (...args) {
      drawn.delete(this.canvas);
      clearRect.apply(this, args);
    };
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
      fillText.call(this, text, x, y, ...more);
      if (text) drawn.set(this.canvas, [...(drawn.get(this.canvas) ?? []), wordOf(this, String(text), x, y)]);
    };
  };

  function wordOf(ctx, text, x, y) {
    const at = ctx.getTransform();
    const size = ctx.measureText(text);
    const ratio = devicePixelRatio || 1;
    const corners = [
      [x - size.actualBoundingBoxLeft, y - size.actualBoundingBoxAscent],
      [x + size.actualBoundingBoxRight, y + size.actualBoundingBoxDescent],
    ].map(([cx, cy]) => [(at.a * cx + at.c * cy + at.e) / ratio, (at.b * cx + at.d * cy + at.f) / ratio]);
    const px = (parseFloat(/([\d.]+)px/.exec(ctx.font)?.[1] ?? '0') * Math.hypot(at.a, at.b)) / ratio;
    const [[x0, y0], [x1, y1]] = corners;
    return {
      text,
      px,
      box: { left: Math.min(x0, x1), right: Math.max(x0, x1), top: Math.min(y0, y1), bottom: Math.max(y0, y1) },
    };
  }

  function canvases() {
    const faults = [];
    for (const [canvas, words] of drawn) {
      if (!canvas.isConnected || !isSeen(canvas) || !stage().contains(canvas)) continue;
      const { width, height } = canvas.getBoundingClientRect();
      words.forEach(({ text, px, box }, i) => {
        const where = `“${short(text)}” on ${nameOf(canvas)}`;
        if (px < TYPE_MIN) faults.push(`type of ${px.toFixed(1)}px: ${where}`);
        if (box.left < -1 || box.top < -1 || box.right > width + 1 || box.bottom > height + 1) faults.push(`cut off: ${where}`);
        for (const other of words.slice(i + 1)) {
          const both = common(box, other.box);
          if (both.right - both.left > TOUCH && both.bottom - both.top > TOUCH)
            faults.push(`overprinted: ${where} and “${short(other.text)}”`);
        }
      });
    }
    return faults;
  }

  const told = (faults) => {
    const kinds = [...new Set(faults)];
    return kinds.length > SHOWN ? [...kinds.slice(0, SHOWN), `… and ${kinds.length - SHOWN} more like that`] : kinds;
  };

  globalThis.visualFaults = () => {
    const all = texts();
    const [small, hidden] = targets();
    return [sideways(), cutOff(all), outOfReach(all), tooSmall(all), slivers(all), overprinted(all), covered(all), small, hidden, canvases()].flatMap(told);
  };
})();
