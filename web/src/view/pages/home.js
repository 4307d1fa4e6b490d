/* home.js - what this is in one screen; open a lab; the labs there are; how the three allocators differ. */
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { get, problemOf, remove } from '../../api.js';
import { bytes, count, moment, plural } from '../../format.js';
import { KIND_OF_ALLOCATOR } from '../../kinds.js';
import { isTour } from '../../model/tour.js';
import { Figure } from './home-figure.js';
import { OpenLab } from './open-lab.js';
import { Chip, ProblemBox, scrollBox, SiteBar } from '../parts/parts.js';
import { TourButton } from '../parts/tour-button.js';

/** @typedef {import('../../types.js').Profile} Profile */
/** @typedef {import('../../types.js').LabInfo} LabInfo */
/** @typedef {import('../../types.js').Problem} Problem */

export function HomePage() {
  const [labs, setLabs] = useState(/** @type {LabInfo[] | null} */ (null));
  const [machines, setMachines] = useState(
    /** @type {{ profiles: Profile[], options: import('../../types.js').OptionInfo[] }} */ ({
      profiles: [],
      options: [],
    }),
  );
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const load = () =>
    Promise.all([get('/labs'), get('/profiles')]).then(
      ([l, p]) => (setLabs(l.labs), setMachines({ options: [], ...p }), setProblem(null)),
      (error) => setProblem(problemOf(error)),
    );
  useEffect(() => void load(), []);
  return html`<div class="home">
    <${SiteBar} here="Labs" />
    <main id="content" tabindex="-1">
      <section class="hero"><div><h1>See where Linux puts your memory, and why.</h1>
        <p>Pagoda runs a Linux machine’s memory in slow motion. Call <code>kmalloc</code>, <code>kzalloc</code>, <code>vmalloc</code> or <code>malloc</code>; watch every page frame, every mapping and every decision; go back to any moment.</p>
        <${Ways} /></div>
        <${Figure} /></section>
      <${Comparison} />
      ${problem ? html`<${ProblemBox} problem=${problem} />` : null}
      <div class="cards" id="labs"><${OpenLab} ...${machines} /><${Labs} labs=${labs} reload=${load} /></div>
    </main>
    <footer class="foot">Page frames and mappings are simulated; the rules are those of Linux 6.1, of the classic 2.0 kmalloc, and of glibc 2.36.</footer>
  </div>`;
}

const FIRST = { profile: 'classic', machine: 'used', size: 100000, gfp: 'GFP_KERNEL', context: 'process' };

/** What a visitor can do at once. */
const Ways = () =>
  html`<${TourButton} wish=${FIRST} label="Watch all four in a lab" isMain=${true}><a class="button" href="/compare?profile=classic&size=100000">Compare them for any size</a><a class="button" href="#open-title">Open an empty lab</a><//>`;

/** @param {{ labs: LabInfo[] | null, reload: () => Promise<void> }} props */
function Labs({ labs: all, reload }) {
  const labs = all && all.filter((lab) => !isTour(lab));
  const [sure, setSure] = useState('');
  const drop = async (/** @type {LabInfo} */ lab) => {
    if (sure !== lab.id) return setSure(lab.id);
    await remove(`/labs/${lab.id}`).catch(() => {});
    return reload();
  };
  return html`<section class="card" aria-labelledby="labs-title"><h2 id="labs-title">Labs <span>${labs ? count(labs.length) : ''}</span></h2>
    ${labs && !labs.length ? html`<p class="empty">None yet. A lab keeps every operation ever made in it; come back to it at any time.</p>` : null}
    <ul class="labs">${[...(labs ?? [])]
      .sort((a, b) => (a.created < b.created ? 1 : -1))
      .map(
        (
          lab,
        ) => html`<li key=${lab.id}><a href=${`/lab/${lab.id}`}><b>${lab.name || lab.id}</b><span>${lab.profile} · ${bytes(lab.memory)} · ${plural(lab.seq, 'op')}${lab.engine.differs_at ? ' · other rules' : ''}</span><small>${moment(lab.created)}</small></a>
      <button type="button" class="quiet" aria-label=${`Delete ${lab.name || lab.id}`} onClick=${() => drop(lab)}>${sure === lab.id ? 'really?' : 'delete'}</button></li>`,
      )}</ul></section>`;
}

/** kmalloc, kzalloc, vmalloc, malloc. @type {[string, string, string, string, string][]} */
const ROWS = [
  ['whose memory', 'the kernel’s', 'the kernel’s', 'the kernel’s', 'a process’s'],
  ['contiguous', 'physically and virtually', 'as kmalloc', 'virtually; frames anywhere', 'virtually; frames anywhere'],
  ['frames arrive', 'at the call', 'at the call', 'at the call', 'when a page is first touched'],
  ['contents', 'whatever was there', 'zeroes', 'whatever was there', 'zeroes from the kernel, old bytes from the heap'],
  [
    'largest request',
    '128 KiB − 16 B (classic), 4 MiB (6.1)',
    'as kmalloc',
    'what free frames and the range allow',
    'the address space',
  ],
  ['may sleep', 'with GFP_KERNEL; never with GFP_ATOMIC', 'as kmalloc', 'always', 'at a page fault'],
  ['in an interrupt', 'with GFP_ATOMIC only', 'with GFP_ATOMIC only', 'never', 'never'],
  ['may go to swap', 'no', 'no', 'no', 'yes'],
  [
    'a call costs',
    'tens of ns',
    'the same, and clearing',
    'page tables, a TLB flush',
    'tens of ns, then a fault per page',
  ],
  ['released by', 'kfree', 'kfree', 'vfree', 'free'],
];
const COLUMNS = Object.entries(KIND_OF_ALLOCATOR);

const Comparison =
  () => html`<section class="compare" aria-labelledby="compare-title"><h2 id="compare-title">How they differ</h2><div ...${scrollBox('Comparison table')}><table>
  <thead><tr><td></td>${COLUMNS.map(([op, kind]) => html`<th key=${op} scope="col"><${Chip} kind=${kind} />${op}</th>`)}</tr></thead>
  <tbody>${ROWS.map(([what, ...cells]) => html`<tr key=${what}><th scope="row">${what}</th>${cells.map((cell, i) => html`<td key=${i}>${cell}</td>`)}</tr>`)}</tbody></table></div></section>`;
