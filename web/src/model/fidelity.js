/* fidelity.js - what the engine follows, and how that is known: the table of docs/FIDELITY.md, and which of its rows an
 * operation rests on. */

/** @typedef {{ id: string, profile: string, feature: string, evidence: string, rule: string, source: string }} Feature */

/** The name of a row in an address. @param {string} profile @param {string} feature */
const idOf = (profile, feature) => `${profile}-${feature}`.toLowerCase().replace(/[^a-z0-9.]+/g, '-');

/** @param {string} markdown @returns {Feature[]} */
export const featuresOf = (markdown) =>
  markdown
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim().replace(/\\\*/g, '*')))
    .filter(([, profile]) => profile !== 'Profile')
    .map(([, profile, feature, evidence, rule, source]) => ({
      id: idOf(profile, feature),
      profile,
      feature,
      evidence,
      rule,
      source,
    }));

/** Operations, by the first words of the feature that they rest on. @type {Record<string, [RegExp, string][]>} */
const RESTS_ON = {
  'linux-6.1': [
    [/^k(m|z|c|re)?alloc|^kfree|^kmem_cache|^ksize/, 'SLUB'],
    [/pages?$/, 'page allocator'],
    [/^v[mz]?alloc|^vfree|^vmap|^vunmap/, 'vmalloc'],
    [/^mallopt/, 'GLIBC_TUNABLES'],
    [/alloc|^free$|memalign|^malloc_/, 'malloc of glibc'],
    [/^sysctl/, 'vm sysctls'],
    [/./, 'page tables'],
  ],
  classic: [
    [/^k/, 'kmalloc'],
    [/pages?$/, 'page allocator'],
    [/^v/, 'vmalloc'],
    [/./, 'messages'],
  ],
};

/** The row that says how the answer to an operation is known. @param {Feature[]} features @param {string} profile @param {string} op */
export function featureOf(features, profile, op) {
  const [, words] = (RESTS_ON[profile] ?? []).find(([pattern]) => pattern.test(op)) ?? [];
  return features.find((one) => one.profile === profile && words !== undefined && one.feature.startsWith(words));
}
