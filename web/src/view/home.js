/* home.js - what this is in one screen; open a lab; the labs there are; how the three allocators differ. */
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { fieldOf, get, post, problemOf, remove } from '../api.js';
import { bytes, count, moment, parseSize, plural } from '../format.js';
import { Figure } from './home-figure.js';
import { Mark, ProblemBox, ThemeButton } from './parts.js';

/** @typedef {import('../types.js').Profile} Profile */
/** @typedef {import('../types.js').LabInfo} LabInfo */
/** @typedef {import('../types.js').Problem} Problem */

export function HomePage() {
  const [labs, setLabs] = useState(/** @type {LabInfo[] | null} */ (null));
  const [profiles, setProfiles] = useState(/** @type {Profile[]} */ ([]));
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const load = () =>
    Promise.all([get('/labs'), get('/profiles')]).then(
      ([l, p]) => (setLabs(l.labs), setProfiles(p.profiles), setProblem(null)),
      (error) => setProblem(problemOf(error)),
    );
  useEffect(() => void load(), []);
  return html`<div class="home">
    <header class="top"><a class="brand" href="/"><${Mark} /><b>Pagoda</b></a><span class="grow"></span><a class="button" href="/compare">Compare</a><a class="button" href="/docs">API</a><${ThemeButton} /></header>
    <main>
      <section class="hero"><div><h1>See where Linux puts your memory, and why.</h1>
        <p>Pagoda runs a Linux machine’s memory in slow motion. Call <code>kmalloc</code>, <code>vmalloc</code> or <code>malloc</code>; watch every page frame, every mapping and every decision; go back to any moment.</p></div>
        <${Figure} /></section>
      ${problem ? html`<${ProblemBox} problem=${problem} />` : null}
      <div class="cards"><${OpenLab} profiles=${profiles} /><${Labs} labs=${labs} reload=${load} /></div>
      <${Comparison} />
    </main>
    <footer class="foot">Page frames and mappings are simulated; the rules are those of Linux 6.1, of the classic 2.0 kmalloc, and of glibc 2.36.</footer>
  </div>`;
}

/** @param {{ profiles: Profile[] }} props */
function OpenLab({ profiles }) {
  const [form, setForm] = useState({ name: '', profile: 'classic', memory: '', cpus: '1', min_block: '', swap: '' });
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [busy, setBusy] = useState(false);
  const profile = profiles.find((p) => p.name === form.profile);
  const set = (/** @type {string} */ name) => (/** @type {any} */ e) => setForm({ ...form, [name]: e.target.value });
  const errors = new Map((problem?.errors ?? []).map((e) => [fieldOf(e), e.detail ?? 'not accepted']));
  const open = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const lab = await post('/labs', labRequest(form));
      location.assign(`/lab/${lab.id}`);
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(false);
    }
  };
  const input = (
    /** @type {keyof typeof form} */ name,
    /** @type {string} */ label,
    /** @type {string} */ hint,
    /** @type {string} */ placeholder,
  ) => html`<div class=${`field${errors.has(name) ? ' wrong' : ''}`}>
    <label class="name" for=${`lab-${name}`}>${label} <small>${hint}</small></label><input class="in" id=${`lab-${name}`} name=${name} value=${form[name]} placeholder=${placeholder} onInput=${set(name)} spellcheck=${false}
      aria-invalid=${errors.has(name) ? 'true' : undefined} aria-describedby=${errors.has(name) ? `lab-${name}-error` : undefined} />
    ${errors.has(name) ? html`<p class="error" id=${`lab-${name}-error`} role="alert">${errors.get(name)}</p>` : null}</div>`;
  const blocks = profile?.min_blocks ?? [];
  return html`<section class="card" aria-labelledby="open-title"><h2 id="open-title">Open a lab</h2><form onSubmit=${open} noValidate autocomplete="off">
    ${input('name', 'Name', '', 'my first lab')}
    <div class="profiles" role="radiogroup" aria-label="Machine">${profiles.map(
      (
        p,
      ) => html`<label key=${p.name} class=${form.profile === p.name ? 'on' : ''}><input type="radio" name="profile" value=${p.name} checked=${form.profile === p.name} onChange=${set('profile')} />
      <b>${p.name}</b><span>${p.title}</span></label>`,
    )}</div>
    ${input('memory', 'Memory', profile ? `${bytes(profile.memory_min)} – ${bytes(profile.memory_max)}` : '', profile ? bytes(profile.memory_default) : '')}
    <details class="rest"><summary>CPUs, swap, smallest block</summary>
      ${input('cpus', 'CPUs', profile ? `1 – ${profile.cpus_max}` : '', '1')}${input('swap', 'Swap', 'none unless given', '0')}
      ${blocks.length > 1 ? html`<div class="field"><label class="name" for="lab-min_block">Smallest block</label><select id="lab-min_block" value=${form.min_block} onChange=${set('min_block')}>${blocks.map((b) => html`<option key=${b} value=${String(b)}>${b} bytes</option>`)}</select></div>` : null}</details>
    ${problem && !problem.errors.length ? html`<${ProblemBox} problem=${problem} />` : null}
    <button class="p wide" disabled=${busy} data-test="open-lab">${busy ? 'Booting…' : 'Open'}</button></form></section>`;
}

/** What was filled in, as the API wants it; the daemon explains what it cannot take. @param {Record<string, string>} form */
export function labRequest(form) {
  /** @type {Record<string, unknown>} */
  const request = { name: form.name.trim() || 'my first lab', profile: form.profile };
  for (const name of ['memory', 'swap', 'cpus', 'min_block']) {
    const text = form[name].trim();
    if (!text || (name === 'swap' && text === '0')) continue;
    const n = parseSize(text);
    request[name] = Number.isNaN(n) ? text : n;
  }
  return request;
}

/** @param {{ labs: LabInfo[] | null, reload: () => Promise<void> }} props */
function Labs({ labs, reload }) {
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
        ) => html`<li key=${lab.id}><a href=${`/lab/${lab.id}`}><b>${lab.name || lab.id}</b><span>${lab.profile} · ${bytes(lab.memory)} · ${plural(lab.seq, 'op')}</span><small>${moment(lab.created)}</small></a>
      <button type="button" class="quiet" aria-label=${`Delete ${lab.name || lab.id}`} onClick=${() => drop(lab)}>${sure === lab.id ? 'really?' : 'delete'}</button></li>`,
      )}</ul></section>`;
}

const ROWS = [
  ['memory is contiguous', 'physically and virtually', 'virtually; frames anywhere', 'virtually, in the process'],
  ['frames arrive', 'at once', 'at once', 'when a page is first touched'],
  ['largest request', '128 KiB − 16 (classic), 4 MiB (6.1)', 'the vmalloc range', 'the address space'],
  ['may sleep', 'as its GFP flags say; never with GFP_ATOMIC', 'always', 'a fault may'],
  ['in an interrupt', 'with GFP_ATOMIC', 'never', 'never'],
  ['contents', 'old bytes; kzalloc clears', 'old bytes; vzalloc clears', 'zeroes from the kernel, old bytes from the heap'],
  ['may be swapped out', 'no', 'no', 'yes'],
  ['cost of a call', 'tens of ns', 'page tables and a TLB flush', 'tens of ns, then a fault per page'],
  ['released by', 'kfree', 'vfree', 'free'],
];

const Comparison =
  () => html`<section class="compare" aria-labelledby="compare-title"><h2 id="compare-title">Three ways to ask for memory</h2><div class="scroll" tabindex="0" role="region" aria-label="Comparison table"><table>
  <thead><tr><td></td><th scope="col"><i class="chip k-slab" aria-hidden="true"></i>kmalloc</th><th scope="col"><i class="chip k-vmalloc" aria-hidden="true"></i>vmalloc</th><th scope="col"><i class="chip k-anon" aria-hidden="true"></i>malloc</th></tr></thead>
  <tbody>${ROWS.map(([what, ...cells]) => html`<tr key=${what}><th scope="row">${what}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div></section>`;
