/* The tour: four calls, a sentence behind each that is true of what came of it, and the walk over them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initialState, reduce } from '../../web/src/lab-state.js';
import { madeBy } from '../../web/src/model/made.js';
import { isTour, sentenceFor, tourCalls, tourName, tourStepAt, tourSteps } from '../../web/src/model/tour.js';
import { stateFromUrl, urlFromState } from '../../web/src/model/url.js';

const WISH = { profile: 'classic', size: 100000, gfp: 'GFP_KERNEL', context: 'process' };
const ok = (/** @type {any} */ fields) =>
  /** @type {any} */ ({ outcome: 'ok', nr_frame_runs: 1, frames: [], ...fields });
const runs = (/** @type {number} */ nr) => Array.from({ length: nr }, (_, i) => ({ pfn: 2 * i, count: 1 }));

test('all four are asked for the same', () => {
  const calls = tourCalls(WISH).map(({ op }) => op);
  assert.deepEqual(
    calls.filter((op) => op.size === 100000).map((op) => op.op),
    ['kmalloc', 'kzalloc', 'vmalloc', 'malloc'],
  );
  assert.equal(calls.find((op) => op.op === 'vmalloc')?.gfp, undefined, 'vmalloc takes no flags');
  assert.equal(
    tourCalls({ ...WISH, size: 0 }).some(({ op }) => op.op === 'write'),
    false,
  );
  assert.equal(tourCalls({ ...WISH, context: 'hardirq' })[2].op.context, 'hardirq');
  assert.ok(isTour({ name: tourName(100000) }) && !isTour({ name: 'mine' }));
});

test('a sentence is about what came of the call, not what was meant', () => {
  const say = (/** @type {any} */ op, /** @type {any} */ result) => sentenceFor({ size: 100000, ...op }, result);
  assert.match(say({ op: 'kmalloc' }, ok({ frames: [{ pfn: 1, count: 32 }] })), /one run: 32 frames side by side/);
  assert.match(say({ op: 'kmalloc' }, ok({ frames: [{ pfn: 1, count: 1 }] })), /an object from a slab/);
  assert.match(say({ op: 'kmalloc', size: 131057 }, { outcome: 'null' }), /returns NULL: 128 KiB − 15 B is more/);
  assert.match(say({ op: 'kmalloc' }, { outcome: 'bug' }), /a bug here/);
  assert.match(say({ op: 'vmalloc' }, ok({ frames: runs(25), nr_frame_runs: 25 })), /25 single frames in 25 places/);
  assert.match(say({ op: 'vmalloc' }, ok({ frames: [{ pfn: 1, count: 25 }] })), /adjoin is chance/);
  assert.match(say({ op: 'malloc' }, ok({})), /a promise: 97.7 KiB of addresses, no frame yet/);
  assert.match(say({ op: 'write', length: 12288 }, ok({})), /12.288 bytes were written/);
});

test('each mark is a step that shows the operation before it', () => {
  const steps = tourSteps([
    { seq: 2, text: 'one' },
    { seq: 4, text: 'two' },
  ]);
  assert.deepEqual(steps, [
    { seq: 1, text: 'one' },
    { seq: 3, text: 'two' },
  ]);
  assert.deepEqual(
    [0, 1, 2, 3, 99].map((seq) => tourStepAt(steps, seq)),
    [-1, 0, 0, 1, 1],
  );
});

test('a step points at what it made, or wrote to; a link carries the tour', () => {
  const ops = /** @type {any} */ ([
    { op: 'malloc', makes: true },
    { op: 'free', makes: false },
  ]);
  const live = /** @type {any} */ ([{ address: '0x1000', pid: 7, allocated: 64 }]);
  const point = (/** @type {any} */ op) => madeBy({ outcome: 'ok', request: { pid: 7 }, ...op }, ops, live);
  const it = { kind: 'allocation', address: '0x1000', pid: 7 };
  assert.deepEqual(point({ op: 'malloc', address: '0x1000' }), it);
  assert.deepEqual(point({ op: 'write', address: '0x1010' }), it);
  for (const none of [
    { op: 'free', address: '0x1000' },
    { op: 'write', address: '0x2000' },
    { op: 'malloc', address: null },
    { op: 'malloc', address: '0x1000', outcome: 'null' },
  ])
    assert.equal(point(none), null);
  const on = reduce(initialState('x'), { type: 'tour', on: true });
  assert.equal(stateFromUrl(urlFromState(on)).tour, true);
  assert.equal(urlFromState(reduce(on, { type: 'tour', on: false })), '');
});
