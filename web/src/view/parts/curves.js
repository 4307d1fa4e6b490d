/* curves.js - uPlot around the comparison's series: both axes logarithmic, a click chooses the size. */
import uPlot from 'uplot';
import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';
import { bytes, duration } from '../../format.js';
import { KIND_BY_NAME, KIND_OF_ALLOCATOR } from '../../kinds.js';
import { MEASURES, tellValue } from '../../model/compare.js';
import { themeVersion } from '../../theme.js';

const HEIGHT = 320;
/** Lines differ by their dashes, too, not by colour alone. */
const DASHES = /** @type {Record<string, number[]>} */ ({
  kmalloc: [],
  kzalloc: [8, 4],
  vmalloc: [2, 3],
  malloc: [10, 3, 2, 3],
});

/** The same in the legend, as CSS has it. */
const BORDERS = /** @type {Record<string, string>} */ ({
  kmalloc: 'solid',
  kzalloc: 'dashed',
  vmalloc: 'dotted',
  malloc: 'dashed',
});

/** @param {string} token */
const css = (token) => getComputedStyle(document.documentElement).getPropertyValue(token).trim();

/** @param {ReturnType<typeof import('../../model/compare.js').seriesOf>} data @param {string} measure @param {number} width @param {(size: number) => void} choose */
function optionsFor(data, measure, width, choose) {
  const tell = MEASURES[measure].unit === 'ns' ? duration : bytes;
  const axis = {
    stroke: css('--mute'),
    grid: { stroke: css('--line2'), width: 1 },
    ticks: { stroke: css('--line'), width: 1 },
    font: '12px system-ui, sans-serif',
  };
  return /** @type {any} */ ({
    width,
    height: HEIGHT,
    scales: { x: { time: false, distr: 3, log: 2 }, y: { distr: 3, log: 10 } },
    axes: [
      {
        ...axis,
        values: (/** @type {any} */ _, /** @type {(number | null)[]} */ at) =>
          at.map((v) => (v && Number.isInteger(Math.log2(v) / 2) ? bytes(v) : '')),
      },
      {
        ...axis,
        size: 70,
        values: (/** @type {any} */ _, /** @type {(number | null)[]} */ at) =>
          at.map((v) => (v && Number.isInteger(Math.log10(v)) ? tell(v) : '')),
      },
    ],
    series: [
      { label: 'size', value: (/** @type {any} */ _, /** @type {number} */ v) => (v ? bytes(v) : '–') },
      ...data.series.map(({ op }) => ({
        label: op,
        stroke: css(KIND_BY_NAME[KIND_OF_ALLOCATOR[op]].token),
        width: 2,
        dash: DASHES[op],
        points: { show: false },
        value: (
          /** @type {any} */ _,
          /** @type {number | null} */ v,
          /** @type {number} */ __,
          /** @type {number | null} */ i,
        ) => (i === null ? '–' : tellValue(measure, v)),
      })),
    ],
    cursor: { drag: { x: false, y: false } },
    legend: {
      markers: { width: 3, dash: (/** @type {any} */ _, /** @type {number} */ i) => BORDERS[data.series[i - 1]?.op] },
    },
    hooks: {
      ready: [
        (/** @type {any} */ plot) =>
          plot.over.addEventListener('click', () => plot.cursor.idx !== null && choose(data.sizes[plot.cursor.idx])),
      ],
    },
  });
}

/** A logarithmic axis has no 0, so 0 is drawn at the bottom. @param {(number | null)[]} values */
const lifted = (values) => values.map((v) => (v === null ? null : Math.max(v, 1)));

/** @param {{ data: ReturnType<typeof import('../../model/compare.js').seriesOf>, measure: string, size: number, limits: string[], choose: (size: number) => void }} props limits: above which sizes each fails */
export function Curves({ data, measure, size, limits, choose }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const theme = themeVersion.value;
  useEffect(() => {
    const host = /** @type {HTMLDivElement} */ (box.current);
    const series = /** @type {any} */ ([data.sizes, ...data.series.map((s) => lifted(s.values))]);
    const plot = new uPlot(optionsFor(data, measure, host.clientWidth, choose), series, host);
    const watch = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: HEIGHT }));
    watch.observe(host);
    return () => (watch.disconnect(), plot.destroy());
  }, [data, measure, theme]);
  return html`<figure><div class="curves" ref=${box} aria-hidden="true"></div><figcaption class="cap">${MEASURES[measure].title}, both axes logarithmic. A curve ends at the last size tried that succeeded. ${limits.length ? `Each fails: ${limits.join(', ')}. ` : ''}Click a place to ask for that size${Number.isNaN(size) ? '' : ` (now ${bytes(size)})`}.</figcaption></figure>`;
}
