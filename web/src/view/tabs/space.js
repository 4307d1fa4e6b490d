/* space.js - the Virtual tab: from the whole address space down to one page. Each level is a strip true to scale, opened from the
 * one above it; the last level is a list too. */
import { html } from 'htm/preact';
import { useMemo } from 'preact/hooks';
import { count, hex } from '../../format.js';
import { selectedAllocation } from '../../lab-state.js';
import { bytesOf, childrenOf, isOpen, openingPath, pathTo, resolvePath, stripOf } from '../../model/space.js';
import { titleOf } from '../../model/title.js';
import { ProblemBox, scrollBox } from '../parts/parts.js';
import { ProcessChoice } from './process-choice.js';
import { useMoment } from '../parts/use-view.js';
import { useWidth } from '../parts/use-size.js';
import { stepOfKey } from '../../model/keys.js';

/** @typedef {import('../../lab-session.js').Session} Session */
/** @typedef {import('../../model/space.js').Node} Node */

const BAR = 24,
  FUNNEL = 18;
const LISTED = 300;

/** @param {{ session: Session }} props */
export function VirtualTab({ session }) {
  const state = session.store.value;
  const views = /** @type {import('../../lab-state.js').Views} */ (state.views);
  const setPath = (/** @type {string[]} */ to) => session.store.send({ type: 'path', path: to });
  const a = selectedAllocation(state);
  const space = {
    views,
    bits: state.profile?.word_bits ?? 64,
    pageOffset: state.profile?.page_offset ?? '0x0',
    memory: state.lab?.memory ?? 0,
    runs: null,
  };
  const path = useMemo(
    () => state.path ?? openingPath(space, a && BigInt(a.address)),
    [state.path, a, views, state.profile, state.lab],
  );
  const map = path.map((id) => /^map (0x[0-9a-f]+)-(0x[0-9a-f]+)$/.exec(id)).find(Boolean);
  const length = map ? BigInt(map[2]) - BigInt(map[1]) : 0n;
  const pages = useMoment(
    session,
    map && views.pid ? `processes/${views.pid}/pages?address=${map[1]}&length=${length}` : null,
  );
  const world = { ...space, runs: pages.data?.pages ?? null };
  const nodes = useMemo(() => resolvePath(world, path), [views, path, pages.data, state.profile, state.lab]);
  const levels = nodes.filter(isOpen).map((node) => ({ node, children: childrenOf(node, world) }));
  const last = nodes[nodes.length - 1];
  const here = levels[levels.length - 1];
  const up = () => setPath(path.slice(0, Math.max(0, nodes.length - 2)));
  const enter = (/** @type {Node} */ child) => setPath([...nodes.slice(1, levels.length).map((n) => n.id), child.id]);
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Backspace' && path.length) {
      event.preventDefault();
      up();
    }
    const step = stepOfKey(event.key, 1, 0);
    const rows = [.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll('button.spacerow')];
    const at = rows.indexOf(/** @type {Element} */ (event.target));
    if (!step || at < 0 || !rows[at + step]) return;
    event.preventDefault();
    /** @type {HTMLElement} */ (rows[at + step]).focus();
  };
  return html`<div class="pane space" onKeyDown=${onKey}><h2 class="sr">Virtual address space</h2>
    <nav class="crumbs cap" aria-label="Where in the address space"><ol>${nodes.map((n, i) => html`<li key=${n.id}>${i === nodes.length - 1 ? html`<b aria-current="location">${n.label || hex(n.start)}</b>` : html`<button type="button" class="link" onClick=${() => setPath(path.slice(0, i))}>${n.label || hex(n.start)}</button>`}</li>`)}</ol>
      <span class="grow"></span><button type="button" disabled=${nodes.length < 2} onClick=${up} title="Backspace">↑ out</button>
      ${a ? html`<button type="button" onClick=${() => setPath(pathTo(world, BigInt(a.address)))}>to ${titleOf(a)}</button>` : null}<${ProcessChoice} session=${session} /></nav>
    <${Cascade} levels=${levels} chosen=${nodes.slice(1)} onEnter=${(/** @type {number} */ depth, /** @type {Node} */ child) => setPath([...nodes.slice(1, depth + 1).map((n) => n.id), child.id])} />
    ${pages.problem ? html`<${ProblemBox} problem=${pages.problem} />` : null}
    ${last.what === 'page' ? html`<${Page} session=${session} page=${last} pid=${last.start < 1n << 47n && map ? views.pid : 0} />` : null}
    <div ...${scrollBox(`In ${here.node.label || hex(here.node.start)}`)} data-test="space-list">
      <p class="cap"><b>${here.node.label || hex(here.node.start)}</b> <code>${hex(here.node.start)}</code> – <code>${hex(here.node.end - 1n)}</code>, ${bytesOf(here.node.end - here.node.start)}${here.node.detail && here.node.what !== 'space' ? ` · ${here.node.detail}` : ''}</p>
      <ol class="spacelist">${here.children.slice(0, LISTED).map((child) => html`<${Row} key=${child.id} child=${child} selected=${child.id === last.id} onEnter=${() => enter(child)} />`)}</ol>
      ${here.children.length > LISTED ? html`<p class="empty">and ${count(here.children.length - LISTED)} more; choose a part in the strip above</p>` : null}
      ${!here.children.length ? html`<p class="empty">${pages.loading ? 'Reading its pages…' : 'There is nothing in it.'}</p>` : null}</div></div>`;
}

/** @param {{ child: Node, selected: boolean, onEnter: () => void }} props */
function Row({ child, selected, onEnter }) {
  const canGo = isOpen(child) || child.what === 'page';
  const inside = html`<i class=${`sk s-${child.look}`} aria-hidden="true">${child.letter}</i><code>${hex(child.start)}</code><b>${child.label}</b><small>${bytesOf(child.end - child.start)}${child.detail ? ` · ${child.detail}` : ''}</small>`;
  return html`<li>${canGo ? html`<button type="button" class=${`spacerow${selected ? ' sel' : ''}`} aria-pressed=${selected} onClick=${onEnter}>${inside}</button>` : html`<div class="spacerow">${inside}</div>`}</li>`;
}

/** @param {{ levels: { node: Node, children: Node[] }[], chosen: Node[], onEnter: (depth: number, child: Node) => void }} props */
function Cascade({ levels, chosen, onEnter }) {
  const [box, width] = useWidth();
  const height = levels.length * BAR + (levels.length - 1) * FUNNEL + 2;
  return html`<figure class="cascade" ref=${box}><figcaption class="cap">Each strip is one level, true to scale, opened from the one above; the thinnest lines are narrower than a pixel.</figcaption>
    <svg width=${width} height=${height} role="img" aria-label=${`Strips of ${levels.map((level) => level.node.label || hex(level.node.start)).join(', then ')}`} data-test="cascade" data-levels=${levels.length}><defs>
      <pattern id="space-guard" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="3" height="6" class="guard-mark" /></pattern>
      <pattern id="space-lazy" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="1.5" height="6" class="guard-mark" /></pattern>
      <pattern id="space-hole" width="5" height="5" patternUnits="userSpaceOnUse"><path class="ptline" d="M0 0L5 5M5 0L0 5" /></pattern></defs>
      ${width ? levels.map((level, depth) => html`<${Strip} key=${level.node.id} level=${level} y=${depth * (BAR + FUNNEL)} width=${width - 2} chosen=${chosen[depth]} isLast=${depth === levels.length - 1} onEnter=${(/** @type {Node} */ child) => onEnter(depth, child)} />`) : null}</svg></figure>`;
}

/** @param {{ level: { node: Node, children: Node[] }, y: number, width: number, chosen: Node | undefined, isLast: boolean, onEnter: (child: Node) => void }} props */
function Strip({ level, y, width, chosen, isLast, onEnter }) {
  const parts = stripOf(level.node, level.children, width);
  const open = parts.find((part) => part.child.id === chosen?.id);
  const funnel =
    open && !isLast
      ? `M${open.x + 1} ${y + BAR}L1 ${y + BAR + FUNNEL}H${width + 1}L${open.x + open.w + 1} ${y + BAR}Z`
      : '';
  return html`<g>${funnel ? html`<path class="funnel" d=${funnel} />` : null}<rect class="ptback" x="1" y=${y + 1} width=${width} height=${BAR - 2} />
    ${parts.map(({ child, x, w }) => html`<rect key=${child.id} class=${`seg s-${child.look}${isOpen(child) || child.what === 'page' ? ' can' : ''}`} x=${x + 1} y=${y + 1} width=${w} height=${BAR - 2} onClick=${isOpen(child) || child.what === 'page' ? () => onEnter(child) : undefined}><title>${`${child.label}, ${hex(child.start)}, ${bytesOf(child.end - child.start)}${child.detail ? `: ${child.detail}` : ''}`}</title></rect>`)}
    ${parts.filter(({ w, child }) => w > 8 * (child.label.length + 2)).map(({ child, x, w }) => html`<text key=${child.id} class="seglabel" x=${x + 1 + w / 2} y=${y + BAR / 2 + 4} text-anchor="middle">${child.letter} ${child.label}</text>`)}
    ${open ? html`<rect class="mine" x=${Math.max(1, open.x + 1)} y=${y + 1} width=${Math.max(2, open.w)} height=${BAR - 2} />` : null}</g>`;
}

/** @param {{ session: Session, page: Node, pid: number }} props */
function Page({ session, page, pid }) {
  const { store } = session;
  const { pfn } = page;
  const go = (/** @type {import('../../tabs.js').Tab} */ tab) => {
    store.send({ type: 'select', selection: null });
    store.send({ type: 'bytesAt', address: hex(page.start), pid });
    store.send({ type: 'tab', tab });
  };
  return html`<section class="chunkbox" data-test="page" aria-label="One page"><p class="cap"><i class=${`sk s-${page.look}`} aria-hidden="true">${page.letter}</i> <b>page ${hex(page.start)}</b> ${page.label} · ${pfn !== undefined ? html`<button type="button" class="link" onClick=${() => store.send({ type: 'select', selection: { kind: 'frame', pfn } })}>frame ${hex(pfn)}</button>` : page.slot !== undefined ? `swap slot ${page.slot}` : 'no frame'}
    <span class="grow"></span><button type="button" class="link" onClick=${() => go('bytes')}>its bytes</button> <button type="button" class="link" onClick=${() => go('pagetables')}>walk to it</button></p></section>`;
}
