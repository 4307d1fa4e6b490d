/* open-lab.js - the form that opens a lab: a machine of a profile, and whatever that profile can be told. */
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { fieldOf, post, problemOf } from '../../api.js';
import { bytes } from '../../format.js';
import { emptyLabForm, furtherOptions, labRequest, optionHint, PASTS } from '../../model/lab-form.js';
import { ProblemBox } from '../parts/parts.js';

/** @param {{ profiles: import('../../types.js').Profile[], options: import('../../types.js').OptionInfo[] }} props */
export function OpenLab({ profiles, options }) {
  const [form, setForm] = useState(emptyLabForm());
  const [problem, setProblem] = useState(/** @type {import('../../types.js').Problem | null} */ (null));
  const [busy, setBusy] = useState(false);
  const profile = profiles.find((p) => p.name === form.profile);
  const set = (/** @type {string} */ name) => (/** @type {any} */ e) => setForm({ ...form, [name]: e.target.value });
  const errors = new Map((problem?.errors ?? []).map((e) => [fieldOf(e), e.detail ?? 'not accepted']));
  const open = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const lab = await post('/labs', labRequest(form, options));
      location.assign(`/lab/${lab.id}`);
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(false);
    }
  };
  const input = (
    /** @type {string} */ name,
    /** @type {string} */ label,
    /** @type {string} */ hint,
    /** @type {string} */ placeholder,
    doc = '',
  ) => html`<div key=${name} class=${`field${errors.has(name) ? ' wrong' : ''}`} title=${doc}>
    <label class="name" for=${`lab-${name}`}>${label} <small>${hint}</small></label><input class="in" id=${`lab-${name}`} name=${name} value=${form[name] ?? ''} placeholder=${placeholder} onInput=${set(name)} spellcheck=${false}
      aria-invalid=${errors.has(name) ? 'true' : undefined} aria-describedby=${errors.has(name) ? `lab-${name}-error` : undefined} />
    ${errors.has(name) ? html`<p class="error" id=${`lab-${name}-error`} role="alert">${errors.get(name)}</p>` : null}</div>`;
  const choice = (/** @type {string} */ name, /** @type {string} */ label, /** @type {[string, string][]} */ values) =>
    html`<div key=${name} class=${`field${errors.has(name) ? ' wrong' : ''}`}><label class="name" for=${`lab-${name}`}>${label}</label><select id=${`lab-${name}`} value=${form[name]} onChange=${set(name)} aria-describedby=${errors.has(name) ? `lab-${name}-error` : undefined}>${values.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}</select>
    ${errors.has(name) ? html`<p class="error" id=${`lab-${name}-error`} role="alert">${errors.get(name)}</p>` : null}</div>`;
  const blocks = profile?.min_blocks ?? [];
  const pasts = options.find((one) => one.name === 'machine')?.words ?? [];
  const further = furtherOptions(options, form.profile);
  const wrong = (/** @type {string[]} */ names) => names.some((name) => errors.has(name));
  return html`<section class="card" aria-labelledby="open-title"><h2 id="open-title">Open a lab</h2><form onSubmit=${open} noValidate autocomplete="off">
    ${input('name', 'Name', '', 'my first lab')}
    <div class="profiles" role="radiogroup" aria-label="Machine">${profiles.map(
      (
        p,
      ) => html`<label key=${p.name} class=${form.profile === p.name ? 'on' : ''}><input type="radio" name="profile" value=${p.name} checked=${form.profile === p.name} onChange=${set('profile')} />
      <b>${p.name}</b><span>${p.title}</span></label>`,
    )}</div>
    ${input('memory', 'Memory', profile ? `${bytes(profile.memory_min)} – ${bytes(profile.memory_max)}` : '', profile ? bytes(profile.memory_default) : '')}
    ${
      pasts.length
        ? choice(
            'machine',
            'What has run before',
            pasts.map((past) => [past, PASTS[past] ?? past]),
          )
        : null
    }
    <details class="rest" open=${wrong(['cpus', 'swap', 'min_block']) || undefined}><summary>CPUs, swap${blocks.length > 1 ? ', smallest block' : ''}</summary>
      ${input('cpus', 'CPUs', profile ? (profile.cpus_max > 1 ? `1 – ${profile.cpus_max}` : 'this machine has one') : '', '1')}${input('swap', 'Swap', 'none unless given', '0')}
      ${
        blocks.length > 1
          ? choice(
              'min_block',
              'Smallest block',
              blocks.map((b) => [String(b), `${b} bytes`]),
            )
          : null
      }</details>
    ${further.length ? html`<details class="rest options" open=${wrong(further.map((one) => one.name)) || undefined} data-test="options"><summary>watermarks, ${form.profile === 'classic' ? 'TLB, seed' : 'slab debugging, overcommit, TLB, seeds'}</summary>${further.map((one) => input(one.name, one.name, optionHint(one), '', one.doc))}</details>` : null}
    ${problem && !problem.errors.length ? html`<${ProblemBox} problem=${problem} />` : null}
    <button class="p wide" disabled=${busy} data-test="open-lab">${busy ? 'Booting…' : 'Open'}</button></form></section>`;
}
