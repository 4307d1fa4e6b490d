/* gfp-composer.js - GFP flags as a preset and switches, with the expression that they make and what it means. */
import { html } from 'htm/preact';
import { COMMON_FLAGS, gfpBits, gfpMeaning, PRESETS } from '../../model/gfp.js';
import { hex } from '../../format.js';

/** @param {{ table: import('../../types.js').GfpInfo[], form: import('../../model/form.js').Form, context: string, change: (patch: any) => void, error?: string }} props */
export function GfpComposer({ table, form, context, change, error }) {
  const names = new Set(table.map((entry) => entry.name));
  const masks = [
    ...PRESETS.filter((name) => names.has(name)),
    ...table.filter((e) => e.mask && !PRESETS.includes(e.name)).map((e) => e.name),
  ];
  const all = table.filter((e) => !e.mask).map((e) => e.name);
  const rare = all.filter((name) => !COMMON_FLAGS.includes(name));
  const meaning = gfpMeaning(table, form.preset, form.flags, context);
  const toggle = (/** @type {string} */ name) =>
    change({ flags: form.flags.includes(name) ? form.flags.filter((f) => f !== name) : [...form.flags, name] });
  const flag = (/** @type {string} */ name) => html`<label key=${name} class=${form.flags.includes(name) ? 'on' : ''}>
    <input type="checkbox" checked=${form.flags.includes(name)} onChange=${() => toggle(name)} />${name.replace('__GFP_', '')}</label>`;
  return html`<fieldset class=${`gfp${error ? ' wrong' : ''}`}><legend class="sr">GFP flags</legend>
    <div class="gfp-row"><span aria-hidden="true">GFP</span><select aria-label="GFP preset" value=${form.preset} onChange=${(/** @type {any} */ e) => change({ preset: e.target.value })}>
      ${masks.map((name) => html`<option key=${name} value=${name} selected=${name === form.preset}>${name}</option>`)}</select>
      <output class="bits" title="the mask">${hex(gfpBits(table, form.preset, form.flags))}</output></div>
    <div class="pills">${COMMON_FLAGS.filter((name) => names.has(name))
      .slice(0, 4)
      .map(flag)}</div>
    <details class="rest"><summary>all flags <span class=${`says${meaning.conflict ? ' bad' : ''}`}>${meaning.conflict || (meaning.maySleep ? 'may sleep' : 'never sleeps')}</span></summary>
      <div class="pills">${[...COMMON_FLAGS.slice(4).filter((name) => names.has(name)), ...rare].map(flag)}</div></details>
    ${error ? html`<p class="error" role="alert">${error}</p>` : null}</fieldset>`;
}
