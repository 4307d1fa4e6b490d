/* The form of a new lab: the daemon's options by profile, and the request that they make. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldErrors } from '../../web/src/model/form.js';
import { emptyLabForm, furtherOptions, labRequest, optionHint } from '../../web/src/model/lab-form.js';

const OPTIONS = [
  { name: 'memory', type: 'size', min: 1, max: 9, profiles: ['classic', 'linux-6.1'], doc: 'bytes' },
  {
    name: 'slub_debug',
    type: 'letters',
    min: 0,
    max: 15,
    profiles: ['linux-6.1'],
    doc: 'slub_debug=: F checks, Z red zones, P poison, U users',
  },
  {
    name: 'tlb_entries',
    type: 'number',
    min: 1,
    max: 4096,
    profiles: ['classic', 'linux-6.1'],
    doc: "entries of each CPU's TLB, a power of two; default 64, classic 32",
  },
];

test('an empty form is a machine of defaults', () =>
  assert.deepEqual(labRequest(emptyLabForm(), OPTIONS), { name: 'my first lab', profile: 'classic', cpus: 1 }));

test('sizes become numbers, words stay words, and options of another profile stay out', () => {
  const form = { ...emptyLabForm(), memory: '64M', swap: '0', slub_debug: 'FZ', tlb_entries: '16' };
  assert.deepEqual(labRequest(form, OPTIONS), {
    name: 'my first lab',
    profile: 'classic',
    cpus: 1,
    memory: 2 ** 26,
    tlb_entries: 16,
  });
  assert.equal(labRequest({ ...form, profile: 'linux-6.1' }, OPTIONS).slub_debug, 'FZ');
  assert.equal(labRequest({ ...form, memory: 'lots' }, OPTIONS).memory, 'lots', 'the daemon explains');
});

test('what everybody sees is not listed again; hints are short', () => {
  assert.deepEqual(
    furtherOptions(OPTIONS, 'classic').map((o) => o.name),
    ['tlb_entries'],
  );
  assert.deepEqual(
    furtherOptions(OPTIONS, 'linux-6.1').map((o) => o.name),
    ['slub_debug', 'tlb_entries'],
  );
  assert.equal(optionHint(OPTIONS[2]), "entries of each CPU's TLB, a power of two");
});

test('a wrong name of an allocation is told at the field in which it was given', () => {
  const problem = { status: 422, title: '', detail: '', errors: [{ pointer: '/name', detail: 'names no allocation' }] };
  assert.equal(fieldErrors(problem, ['address', 'cpu']).get('address'), 'names no allocation');
  assert.equal(fieldErrors(problem, ['size', 'name']).get('address'), undefined);
  assert.equal(fieldErrors(null, []).size, 0);
});

test('a past is said only where there is one', () => {
  assert.equal(labRequest({ ...emptyLabForm(), machine: 'used' }).machine, 'used');
  assert.equal('machine' in labRequest(emptyLabForm()), false);
});
