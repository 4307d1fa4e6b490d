/* lab-form.js - what a new lab can be told: the fields that everybody sees, and the daemon's own list of further options. */
import { parseSize } from '../format.js';

/** @typedef {import('../types.js').OptionInfo} OptionInfo */
/** @typedef {Record<string, string>} LabForm */

/** @returns {LabForm} */
export const emptyLabForm = () => ({
  name: '',
  profile: 'classic',
  memory: '',
  cpus: '1',
  min_block: '',
  swap: '',
  machine: 'fresh',
});

const FIRST = ['memory', 'swap', 'cpus', 'min_block', 'machine'];

/** What need not be said. @type {Record<string, string>} */
const DEFAULTS = { swap: '0', machine: 'fresh' };

/** What a machine’s past means. @type {Record<string, string>} */
export const PASTS = {
  fresh: 'nothing',
  used: 'a busy day',
  fragmented: 'what left it in pieces',
};

/** @param {OptionInfo[]} options @param {string} profile */
export const furtherOptions = (options, profile) =>
  options.filter((one) => !FIRST.includes(one.name) && one.profiles.includes(profile));

/** What an option is, in the few words of its description that fit beside its name. @param {OptionInfo} option */
export function optionHint({ doc }) {
  const first = doc.split(/; default| \(/)[0];
  return first.length > 62 ? first.slice(0, 60) + '…' : first;
}

/** What was filled in, as the API wants it; the daemon explains what it cannot take. @param {LabForm} form @param {OptionInfo[]} [options] */
export function labRequest(form, options = []) {
  /** @type {Record<string, unknown>} */
  const request = { name: form.name.trim() || 'my first lab', profile: form.profile };
  for (const name of [...FIRST, ...furtherOptions(options, form.profile).map((one) => one.name)]) {
    const text = (form[name] ?? '').trim();
    if (!text || text === DEFAULTS[name]) continue;
    const n = parseSize(text);
    request[name] = Number.isNaN(n) ? text : n;
  }
  return request;
}
