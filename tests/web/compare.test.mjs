// The comparison's view-model: what is asked, what is told, what is drawn.
import test from 'node:test';
import assert from 'node:assert/strict';
import * as model from '../../web/src/model/compare.js';

const answer = (fields = {}) => ({
  op: 'vmalloc',
  outcome: 'ok',
  message: null,
  address: '0xffffc90000000000',
  requested: 9000,
  allocated: 12288,
  cache: null,
  frames: [
    { pfn: 7, count: 2 },
    { pfn: 3, count: 1 },
  ],
  nr_frame_runs: 2,
  physically_contiguous: false,
  waste: { slack: 3288, page_array: 24, page_tables: 4096, total: 7408, guard_addresses: 4096 },
  context: 'process',
  may_sleep: true,
  limit: 1 << 24,
  release: 'vfree',
  cost_ns: 900,
  slept_ns: 0,
  cost: [],
  first_touch: null,
  access: { length: 9000, cost_ns: 60, slept_ns: 0, cost: [], tlb: { hits: 1, misses: 3, flushes: 0 } },
  ...fields,
});
const cell = (a, name) => model.factRows([a]).find((row) => row.name === name).cells[0];

test('a link restores the question', () => {
  const question = { profile: 'linux-6.1', machine: 'fresh', size: '64K', gfp: 'GFP_ATOMIC', context: 'softirq' };
  assert.deepEqual(model.questionFromUrl(model.urlFromQuestion(question)), question);
  assert.deepEqual([model.questionFromUrl('').profile, model.questionFromUrl('').machine], ['classic', 'used']);
});

test('the slider spans 1 byte to 16 MiB', () => {
  assert.equal(model.sizeFromSlider(0), '1');
  assert.equal(model.sizeFromSlider(24), '16384K');
  assert.equal(model.sizeFromSlider(10.5), '1448');
  for (const size of [1, 4096, 1 << 24]) assert.equal(2 ** model.sliderFromSize(size), size);
  assert.equal(model.sliderFromSize(2 ** 40), 24);
});

test('shares name every wasted byte and make a whole', () => {
  const shares = model.sharesOf(answer());
  assert.deepEqual(
    shares.map((s) => [s.name, s.bytes]),
    [
      ['asked for', 9000],
      ['rounding', 3288],
      ['page-pointer array', 24],
      ['page tables', 4096],
    ],
  );
  assert.ok(Math.abs(shares.reduce((sum, s) => sum + s.share, 0) - 1) < 1e-9);
});

test('a promise is drawn as one', () => {
  const promise = answer({
    op: 'malloc',
    frames: [{ pfn: 9, count: 1 }],
    nr_frame_runs: 1,
    first_touch: { cost_ns: 5000 },
  });
  assert.deepEqual([model.piecesOf(promise).untouched, model.piecesOf(answer()).untouched], [2, 0]);
  assert.match(cell(promise, 'frames'), /1 frame in 1 run now, the rest when touched/);
  const adjoining = { physically_contiguous: true, nr_frame_runs: 1, frames: [{ pfn: 7, count: 3 }] };
  const chance = answer({ ...adjoining, contiguity: 'by chance: it promises nothing' });
  assert.equal(cell(chance, 'frames'), '3 frames in one run, by chance: it promises nothing');
  assert.equal(cell(answer({ ...adjoining, contiguity: 'promised' }), 'frames'), '3 frames in one run');
  assert.match(cell(promise, 'cost of first touch'), /5 µs more/);
  assert.match(cell(answer(), 'frames'), /3 frames in 2 runs$/);
});

test('an answer that failed tells no place', () => {
  const failed = answer({ outcome: 'null', address: null, frames: [], allocated: 0 });
  assert.equal(cell(failed, 'address'), 'NULL');
  assert.equal(cell(failed, 'frames'), '–');
  assert.equal(cell(failed, 'reading it once more'), '–');
  assert.equal(cell(failed, 'cost of first touch'), '–', 'it has no frames');
  assert.equal(cell(failed, 'may sleep'), '–', 'nothing was waited for');
});

test('a call that failed is written as it was asked, in its context, and says why', () => {
  const bug = answer({ op: 'kmalloc', outcome: 'bug', requested: 0, context: 'hardirq', message: 'BUG: sleeping' });
  assert.deepEqual(model.requestOf(bug, { size: 196608, gfp: 'GFP_KERNEL' }), {
    op: 'kmalloc',
    size: 196608,
    gfp: 'GFP_KERNEL',
    context: 'hardirq',
  });
  assert.equal('gfp' in model.requestOf(answer(), { size: 1, gfp: 'GFP_KERNEL' }), false);
  assert.match(cell({ ...bug, outcome: 'ok' }, 'may sleep'), /yes: a bug in hardirq/);
  assert.equal(model.failureText(bug, 196608), 'BUG: sleeping');
  const large = answer({ outcome: 'null', limit: 131056 });
  assert.match(model.failureText(large, 131057), /at most 131.056 bytes, 128 KiB − 16 B/);
  assert.match(model.failureText(large, 100), /Not enough free memory/);
  assert.match(model.limitTexts([{ op: 'kmalloc', limit: 131056 }])[0], /^kmalloc above 131.056 \(128 KiB − 16 B\)$/);
});

test('a bug that was given memory all the same says how much', () => {
  const given = answer({ outcome: 'bug', frames: [] });
  assert.deepEqual([cell(given, 'allocated'), cell({ ...given, address: null }, 'allocated')], ['12 KiB', '–']);
});

test('curves end where requests fail', () => {
  const point = (outcome, cost_ns) => ({ outcome, cost_ns, first_touch_ns: 10, access_ns: 5, allocated: 8, waste: 0 });
  const curves = { sizes: [1, 2], allocators: [{ op: 'kmalloc', points: [point('ok', 40), point('null', 2)] }] };
  assert.deepEqual(model.seriesOf(curves, 'call').series[0].values, [40, null]);
  assert.deepEqual(model.seriesOf(curves, 'use').series[0].values, [50, null]);
  assert.equal(model.tellValue('call', null), 'fails');
  assert.equal(model.tellValue('waste', 0), '0 B');
});
