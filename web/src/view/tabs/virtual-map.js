/* virtual-map.js - the bands of virtual memory as SVG: drawn from virtualBands(), decides nothing. */
import { html } from 'htm/preact';
import { measure } from '../../draw/measure.js';
import { cut } from '../../model/timeline.js';

export const VIRTUAL_WIDTH = 226;
const INSET = 8;
const LABEL = 15; /* pixels of height that hold a bar's name */
const TITLE_CHAR = 7.3; /* pixels a character of 12 px */
const WITH_ADDRESS = 200; /* pixels of width from which the band's first address has room */

/** @typedef {import('../../types.js').Allocation} Allocation */
/** @typedef {{ address: string, pid: number | null }} Place */

/** @param {{ bands: import('../../model/virtual.js').Band[], width: number, height: number, top: number, selected: Allocation | null, onSelect: (a: Place) => void }} props */
export function VirtualMap({ bands, width, height, top, selected, onSelect }) {
  const widthOf = measure('12px', '--mono');
  const text = bands
    .map(
      (band) =>
        `${band.title} from ${band.address}: ${band.bars.length ? band.bars.map((bar) => bar.label || bar.title).join(', ') : band.empty}`,
    )
    .join('. ');
  return html`<svg class=${`virtual${selected ? ' faded' : ''}`} width=${width} height=${Math.ceil(height) + 1} style=${{ top: `${top}px` }} role="img" aria-label=${`Virtual memory, not to scale. ${text}`}>
    <defs>
      <pattern id="guard" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="3" height="6" class="guard-mark" /></pattern>
      <pattern id="ghost" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="1.5" height="6" class="guard-mark" /></pattern>
    </defs>
    ${bands.map(
      (band) => html`<g key=${band.id}>
      <rect class="band" x="0.5" y=${band.y + 0.5} width=${width - 1} height=${band.h - 1} />
      <text class="band-title" x=${INSET} y=${band.y + 16}>${cut(band.title, width - 2 * INSET - (width > WITH_ADDRESS ? TITLE_CHAR * band.address.length + INSET / 2 : 0), widthOf)}</text>
      <text class="band-address" x=${width - INSET} y=${band.y + 16} text-anchor="end">${width > WITH_ADDRESS ? band.address : ''}</text>
      ${band.bars.length ? null : html`<text class="band-empty" x=${INSET} y=${band.y + 38}>${cut(band.empty, width - 2 * INSET, widthOf)}</text>`}
      ${band.bars.map((bar) => html`<${Bar} key=${bar.id} bar=${bar} width=${width - 2 * INSET} selected=${selected} onSelect=${onSelect} />`)}
    </g>`,
    )}</svg>`;
}

/** @param {{ bar: import('../../model/virtual.js').Bar, width: number, selected: Allocation | null, onSelect: (a: Place) => void }} props */
function Bar({ bar, width, selected, onSelect }) {
  const widthOf = measure('600 12px', '--sans');
  const mine = bar.parts.find((part) => part.allocation === selected);
  const first = bar.parts[0]?.allocation ?? (bar.at ? { address: bar.at, pid: 0 } : undefined);
  const solid = bar.h * bar.share;
  return html`<g class=${`bar k-${bar.kind}${mine ? ' sel' : ''}${bar.ghost ? ' ghost' : ''}${first ? ' can' : ''}`} onClick=${first ? () => onSelect(first) : undefined}>
    <title>${bar.title}</title>
    <rect class="pale" x=${INSET} y=${bar.y} width=${width} height=${bar.h} />
    ${solid > 0.5 && !bar.ghost ? html`<rect class="solid" x=${INSET} y=${bar.y} width=${width} height=${Math.max(1, solid)} />` : null}
    ${bar.ghost ? html`<rect x=${INSET} y=${bar.y} width=${width} height=${bar.h} fill="url(#ghost)" />` : null}
    ${
      bar.parts.length > 1
        ? bar.parts.slice(0, 64).map(
            (
              part,
            ) => html`<rect key=${part.allocation.address} class="part" x=${INSET} y=${part.y} width=${width} height=${part.h}
      onClick=${(/** @type {Event} */ e) => (e.stopPropagation(), onSelect(part.allocation))}><title>${part.allocation.name ?? part.allocation.address}</title></rect>`,
          )
        : null
    }
    ${bar.label && bar.h >= LABEL ? html`<text class="bar-label" x=${INSET + 6} y=${bar.y + 12}>${cut(bar.label, width - 12, widthOf)}</text>` : null}
    ${bar.descriptor ? html`<rect class="descriptor" x=${INSET} y=${bar.y} width=${width} height="3"><title>${bar.descriptor}</title></rect>` : null}
    ${bar.guard ? html`<rect class="guard" x=${INSET} y=${bar.y + bar.h + 1.5} width=${width} height="4" fill="url(#guard)"><title>guard page: touching it is a fault</title></rect>` : null}
    ${mine ? html`<rect class="mine" x=${INSET} y=${mine.y} width=${width} height=${mine.h} />` : null}
  </g>`;
}
