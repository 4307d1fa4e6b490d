/* home-figure.js - a schematic of the three allocators: one solid run, a fan of threads, a promise. Same picture language as
 * the lab page: virtual on the left, frames on the right. */
import { html } from 'htm/preact';
import { KIND_OF_ALLOCATOR } from '../../kinds.js';
import { layoutFor, rectsOf } from '../../model/geometry.js';

const PX = 15,
  SIDE = 8,
  BAR = 58,
  GAP = 74;
const HEIGHT = SIDE * PX;

/** Frames that others hold, the same in each picture. */
const OTHERS = {
  reserved: [0, 1, 2, 3, 4, 5, 6, 7],
  slab: [8, 9, 17, 22, 26, 40, 41],
  anon: [12, 19, 29, 30, 43, 50, 58],
  pgtable: [10, 56],
};

/** @type {{ op: string, title?: string, kind: string, line: string, note: string, runs: [number, number][], touched: number }[]} */
const CASES = [
  {
    op: 'kmalloc',
    title: 'kmalloc, kzalloc',
    kind: KIND_OF_ALLOCATOR.kmalloc,
    line: 'p = kmalloc(32000, GFP_KERNEL);',
    note: 'one solid run of frames',
    runs: [[32, 8]],
    touched: 1,
  },
  {
    op: 'vmalloc',
    kind: KIND_OF_ALLOCATOR.vmalloc,
    line: 'p = vmalloc(32768);',
    note: 'one range, scattered frames',
    runs: [
      [13, 1],
      [20, 2],
      [27, 1],
      [36, 1],
      [45, 1],
      [59, 2],
    ],
    touched: 1,
  },
  {
    op: 'malloc',
    kind: KIND_OF_ALLOCATOR.malloc,
    line: 'p = malloc(32768); … p[9000] = 1;',
    note: 'frames only for the 3 pages touched',
    runs: [
      [37, 1],
      [54, 1],
      [24, 1],
    ],
    touched: 3 / 8,
  },
];

export function Figure() {
  return html`<figure class="threefold"><div>${CASES.map((item) => html`<${Case} key=${item.op} item=${item} />`)}</div>
    <figcaption>A schematic: virtual addresses on the left, page frames on the right. In a lab you see the real placement.</figcaption></figure>`;
}

/** @param {{ item: typeof CASES[0] }} props */
function Case({ item }) {
  const layout = layoutFor(SIDE * SIDE, 'buddy', HEIGHT, HEIGHT, 5);
  const x0 = BAR,
    x1 = BAR + GAP;
  const own = new Set(item.runs.flatMap(([start, n]) => Array.from({ length: n }, (_, i) => start + i)));
  const cells = Array.from({ length: SIDE * SIDE }, (_, pfn) => ({
    pfn,
    kind: own.has(pfn) ? item.kind : (Object.entries(OTHERS).find(([, list]) => list.includes(pfn))?.[0] ?? 'free'),
    own: own.has(pfn),
  }));
  let done = 0;
  const total = item.runs.reduce((sum, [, n]) => sum + n, 0);
  const threads = item.runs.flatMap(([start, n]) =>
    rectsOf(layout, start, n).map((r) => {
      const share = r.w * r.h;
      const top = 16 + (HEIGHT - 32) * item.touched * (done / total),
        bottom = 16 + (HEIGHT - 32) * item.touched * ((done += share) / total);
      return `M${x0} ${top}C${x0 + 40} ${top} ${x1 - 40 + r.x * PX} ${r.y * PX} ${x1 + r.x * PX} ${r.y * PX}L${x1 + r.x * PX} ${(r.y + r.h) * PX}C${x1 - 40 + r.x * PX} ${(r.y + r.h) * PX} ${x0 + 40} ${bottom} ${x0} ${bottom}Z`;
    }),
  );
  return html`<div class="case"><h2 class="plain">${item.title ?? item.op}</h2><svg viewBox=${`0 0 ${x1 + HEIGHT + 1} ${HEIGHT + 1}`} role="img" aria-label=${`${item.op}: ${item.note}`}>
    ${cells.map(({ pfn, kind, own: mine }) => {
      const [r] = rectsOf(layout, pfn, 1);
      return html`<rect key=${pfn} class=${`cell k-${kind}${mine ? ' mine' : ''}`} x=${x1 + r.x * PX + 0.5} y=${r.y * PX + 0.5} width=${PX} height=${PX} />`;
    })}
    <g class=${`r-${item.kind}`}>${threads.map((d, i) => html`<path key=${i} class="thread" d=${d} />`)}</g>
    <g class=${`bar k-${item.kind}`}><rect class="pale" x="0.5" y="16" width=${BAR - 0.5} height=${HEIGHT - 32} /><rect class="solid" x="0.5" y="16" width=${BAR - 0.5} height=${(HEIGHT - 32) * item.touched} /></g>
  </svg><code>${item.line}</code><p>${item.note}</p></div>`;
}
