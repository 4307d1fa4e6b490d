/* home-figure.js - one request of three allocators, as the engine answers it: a solid run, a fan of threads, a promise. Same picture
 * language as the lab page: virtual on the left, frames on the right. */
import { html } from 'htm/preact';
import { KIND_OF_ALLOCATOR } from '../../kinds.js';
import { captionOf, figureCases, framesDrawn } from '../../model/figure.js';
import { layoutFor, rectsOf } from '../../model/geometry.js';
import { useView } from '../parts/use-view.js';

/** @typedef {import('../../model/figure.js').Case} FigureCase */

const HEIGHT = 128,
  BAR = 58,
  GAP = 74,
  INSET = 16;
const ORDERS = 5; /* of the classic machine's largest block */
const X0 = BAR,
  X1 = BAR + GAP;
const ASKED = '/compare?profile=classic&size=32000&gfp=GFP_KERNEL&context=process';

export function Figure() {
  const { data, problem } = useView(ASKED);
  if (problem) return null;
  if (!data)
    return html`<figure class="threefold" aria-busy="true"><p class="empty" role="status">Asking the engine…</p></figure>`;
  const cases = figureCases(data);
  const nr = framesDrawn(cases);
  return html`<figure class="threefold" data-test="figure"><div>${cases.map((item) => html`<${Case} key=${item.op} item=${item} nr=${nr} />`)}</div>
    <figcaption>${captionOf(data, nr)}</figcaption></figure>`;
}

/** The threads from the addresses to their frames, as paths. @param {FigureCase} item @param {import('../../model/geometry.js').Layout} layout */
function threadsOf({ runs, touched }, layout) {
  const total = runs.reduce((sum, run) => sum + run.count, 0);
  const y = (/** @type {number} */ done) => INSET + (HEIGHT - 2 * INSET) * touched * (done / total);
  const px = layout.px;
  let done = 0;
  return runs.flatMap((run) =>
    rectsOf(layout, run.pfn, run.count).map((r) => {
      const top = y(done),
        bottom = y((done += r.w * r.h));
      const x = X1 + r.x * px,
        y0 = r.y * px,
        y1 = (r.y + r.h) * px;
      return `M${X0} ${top}C${X0 + 40} ${top} ${x - 40} ${y0} ${x} ${y0}L${x} ${y1}C${x - 40} ${y1} ${X0 + 40} ${bottom} ${X0} ${bottom}Z`;
    }),
  );
}

/** @param {{ item: FigureCase, nr: number }} props */
function Case({ item, nr }) {
  const kind = KIND_OF_ALLOCATOR[item.op];
  const layout = layoutFor(nr, 'buddy', HEIGHT, HEIGHT, ORDERS);
  const { px, cols, rows } = layout;
  const length = HEIGHT - 2 * INSET;
  const own = item.runs.flatMap((run) => rectsOf(layout, run.pfn, run.count));
  return html`<div class="case"><h2 class="plain">${item.title}</h2><svg viewBox=${`0 0 ${X1 + cols * px + 1} ${HEIGHT + 1}`} role="img" aria-label=${`${item.line} ${item.note}`}>
    <defs><pattern id=${`cells-${item.op}`} x=${X1 + 0.5} y="0.5" width=${px} height=${px} patternUnits="userSpaceOnUse"><rect class="cell k-free" width=${px} height=${px} /></pattern></defs>
    <rect x=${X1 + 0.5} y="0.5" width=${cols * px} height=${rows * px} fill=${`url(#cells-${item.op})`} />
    ${own.map((r, i) => html`<rect key=${i} class=${`cell k-${kind} mine`} x=${X1 + r.x * px + 0.5} y=${r.y * px + 0.5} width=${r.w * px} height=${r.h * px} />`)}
    <g class=${`r-${kind}`}>${threadsOf(item, layout).map((d, i) => html`<path key=${i} class="thread" d=${d} />`)}</g>
    <g class=${`bar k-${kind}`}><rect class="pale" x="0.5" y=${INSET} width=${BAR - 0.5} height=${length} /><rect class="solid" x="0.5" y=${INSET} width=${BAR - 0.5} height=${length * item.touched} /></g>
  </svg><code>${item.line}</code><p>${item.note}</p></div>`;
}
