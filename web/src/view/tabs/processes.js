/* processes.js - all processes with what they promised, hold and have in swap; of one of them every mapping, page by page. */
import { html } from 'htm/preact';
import { bytes, count, plural } from '../../format.js';
import {
  commitFacts,
  limitRows,
  PAGE_STATES,
  pagesOf,
  pageStrip,
  processBar,
  processTree,
  stateSums,
  stripText,
} from '../../model/processes.js';
import { Empty, Head, ProblemBox, scrollBox } from '../parts/parts.js';
import { useMoment } from '../parts/use-view.js';
import { PAGE_SIZE } from '../../model/page.js';

/** @typedef {import('../../lab-session.js').Session} Session */

/** @param {{ session: Session }} props */
export function ProcessesTab({ session }) {
  const { views } = session.store.value;
  const { data, problem } = useMoment(session, 'processes');
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  if (!data)
    return html`<p class="wait" role="status"><span class="spinner" aria-hidden="true"></span>Reading the processes…</p>`;
  const processes = /** @type {any[]} */ (data.processes);
  const commit = commitFacts(data.commit);
  const chosen = processes.find((p) => p.pid === views?.pid);
  const most = Math.max(1, ...processes.map((p) => p.virtual_bytes / PAGE_SIZE));
  return html`<div class="pane processes"><h2 class="sr">Processes</h2>
    <p class="cap commit" data-test="commit"><b>Committed</b> ${commit.text} <span class="use" role="img" aria-label=${`${Math.round(100 * commit.share)} percent of the commit limit`}><i style=${{ width: `${Math.min(100, 100 * commit.share)}%` }}></i></span> ${Math.round(100 * commit.share)} % · ${commit.mode}</p>
    ${
      processes.length
        ? html`<div ...${scrollBox('Processes', 'proclist')}><table><caption class="cap"><b>Processes</b> ${plural(processes.length, 'process', 'processes')} <${Key} /></caption><${Head} columns=${['pid', 'name', 'address space, to one scale', '#virtual', '#resident', '#swap', ['#minor faults', 'minor: no disk was read'], ['#major', 'major: read back from swap']]} />
      <tbody>${processTree(processes).map(({ pid, depth }) => html`<${Row} key=${pid} process=${processes.find((p) => p.pid === pid)} depth=${depth} most=${most} selected=${pid === views?.pid} onPick=${() => session.store.send({ type: 'pid', pid })} />`)}</tbody></table></div>`
        : html`<${Empty}>There is no process yet. malloc, mmap and fork need one: spawn makes it.<//>`
    }
    ${chosen ? html`<${Maps} key=${chosen.pid} session=${session} process=${chosen} />` : null}</div>`;
}

const Key = () =>
  html`<span class="barkey"><i class="pg p-present" aria-hidden="true"></i> has frames <i class="pg p-swapped" aria-hidden="true"></i> in swap <i class="pg p-untouched" aria-hidden="true"></i> only promised</span>`;

/** @param {{ process: any, depth: number, most: number, selected: boolean, onPick: () => void }} props */
function Row({ process: p, depth, most, selected, onPick }) {
  const bar = processBar(p, most);
  const percent = (/** @type {number} */ share) => `${100 * share}%`;
  return html`<tr class=${selected ? 'sel' : ''}><th scope="row"><button type="button" class="link" aria-pressed=${selected} onClick=${onPick}>${p.pid}</button></th><td>${depth ? html`<span class="child" style=${{ paddingLeft: `${(depth - 1) * 12}px` }} title=${`child of ${p.parent_pid}`}>└ </span>` : null}${p.name}</td>
    <td><span class="procbar" role="img" aria-label=${`${p.rss_pages} pages resident, ${p.swap_pages} in swap, ${Math.round(p.virtual_bytes / PAGE_SIZE)} promised`}><i class="pg p-present" style=${{ width: percent(bar.rss) }}></i><i class="pg p-swapped" style=${{ width: percent(bar.swap) }}></i><i class="pg p-untouched" style=${{ width: percent(bar.promised) }}></i></span></td>
    <td class="n">${bytes(p.virtual_bytes)}</td><td class="n">${bytes(p.rss_pages * PAGE_SIZE)}</td><td class="n">${bytes(p.swap_pages * PAGE_SIZE)}</td><td class="n">${count(p.minor_faults)}</td><td class="n">${count(p.major_faults)}</td></tr>`;
}

/** @param {{ session: Session, process: any }} props */
function Maps({ session, process }) {
  const { data, problem } = useMoment(session, `processes/${process.pid}/maps`);
  const pages = useMoment(session, `processes/${process.pid}/pages`);
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  const maps = /** @type {import('../../model/processes.js').FullMap[]} */ (data?.maps ?? []);
  const runs = /** @type {import('../../model/processes.js').PageRun[]} */ (pages.data?.pages ?? []);
  return html`<div class="cap procfacts"><b>pid ${process.pid} ${process.name}</b>
      <span>peak ${bytes(process.peak_rss_pages * PAGE_SIZE)} resident, ${bytes(process.peak_virtual_bytes)} virtual</span><span>data ${bytes(process.data_pages * PAGE_SIZE)}</span><span>stack ${bytes(process.stack_pages * PAGE_SIZE)}</span>${process.locked_pages ? html`<span>locked ${bytes(process.locked_pages * PAGE_SIZE)}</span>` : null}<span>committed ${bytes(process.committed_pages * PAGE_SIZE)}</span>
      ${limitRows(process.limits).map((limit) => html`<span key=${limit.name}>${limit.name} ${limit.value}</span>`)}</div>
    <p class="cap heapkey" data-test="page-states">${stateSums(runs).map((state) => html`<span key=${state.key} title=${state.doc}><i class=${`pg p-${state.key}`} aria-hidden="true">${state.letter}</i> ${state.label} <b>${count(state.count)}</b> pages</span>`)}</p>
    <div ...${scrollBox(`Mappings of process ${process.pid}`)}><table class="maps" data-test="maps"><caption class="sr">Mappings of process ${process.pid}, in address order; each strip is one mapping from its start to its end</caption>
      <${Head} columns=${['from', 'rights', 'what', '#size', 'pages, from start to end', '#resident', '#swap']} />
      <tbody>${maps.map((map) => html`<${MapRow} key=${map.start} session=${session} pid=${process.pid} map=${map} runs=${runs} />`)}</tbody></table>
      ${pages.data?.next_address ? html`<p class="empty">Pages are shown up to ${pages.data.next_address}; this process has more runs than fit one answer.</p>` : null}</div>`;
}

/** @param {{ session: Session, pid: number, map: import('../../model/processes.js').FullMap, runs: import('../../model/processes.js').PageRun[] }} props */
function MapRow({ session, pid, map, runs }) {
  const strip = pageStrip(map, runs);
  const toBytes = () => {
    session.store.send({ type: 'bytesAt', address: map.start, pid });
    session.store.send({ type: 'tab', tab: 'bytes' });
  };
  return html`<tr><th scope="row"><button type="button" class="link" title="Its bytes" onClick=${toBytes}>${map.start}</button></th><td>${map.perms}</td><td>${map.name || html`<small>anonymous</small>`}</td><td class="n">${bytes(pagesOf(map) * PAGE_SIZE)}</td>
    <td><span class="pagestrip" role="img" aria-label=${stripText(strip) || 'not read'}>${strip.map((part) => html`<i key=${part.from} class=${`pg p-${part.state}`} style=${{ left: `${100 * part.from}%`, width: `max(1px, ${100 * part.share}%)` }} title=${`${part.run.address}: ${plural(part.count, 'page')} ${stateLabel(part.state)}`}></i>`)}</span></td>
    <td class="n">${count(map.rss_pages)}</td><td class="n">${count(map.swap_pages)}</td></tr>`;
}

const stateLabel = (/** @type {string} */ key) => PAGE_STATES.find((state) => state.key === key)?.label ?? key;
