// The fidelity table: its rows, and the row that each operation rests on.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { featureOf, featuresOf } from '../../web/src/model/fidelity.js';

const FEATURES = featuresOf(readFileSync(new URL('../../docs/FIDELITY.md', import.meta.url), 'utf8'));

test('every row of the table is read, with a name of its own', () => {
  assert.ok(FEATURES.length > 20);
  assert.equal(new Set(FEATURES.map(({ id }) => id)).size, FEATURES.length);
  for (const one of FEATURES) assert.ok(one.profile && one.feature && one.evidence && one.rule && one.source, one.id);
});

test('an operation finds the row that says how its answer is known', () => {
  const feature = (profile, op) => featureOf(FEATURES, profile, op)?.feature;
  assert.match(feature('linux-6.1', 'kzalloc'), /^SLUB/);
  assert.match(feature('linux-6.1', 'kmem_cache_free'), /^SLUB/);
  assert.match(feature('linux-6.1', 'alloc_pages'), /^page allocator/);
  assert.match(feature('linux-6.1', 'vmalloc'), /^vmalloc/);
  assert.match(feature('linux-6.1', 'posix_memalign'), /^malloc of glibc/);
  assert.match(feature('linux-6.1', 'malloc'), /^malloc of glibc/);
  assert.match(feature('linux-6.1', 'fork'), /^page tables/);
  assert.match(feature('classic', 'kfree'), /^kmalloc/);
  assert.match(feature('classic', 'vfree'), /^vmalloc/);
  assert.match(feature('classic', 'malloc'), /^messages/);
  assert.equal(feature('other', 'kmalloc'), undefined);
});
