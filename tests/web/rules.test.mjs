/* A lab whose recorded results are not those of today's rules: what can be shown of it, what is said of it, and what is off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differsAt, initialState, isPast, isReadOnly, lastSeq, reduce, shownSeq } from '../../web/src/lab-state.js';
import { question } from '../../web/src/model/changes.js';
import { rulesNotice, shownShare, whyReadOnly } from '../../web/src/model/rules.js';
import { searchHits } from '../../web/src/model/search.js';
import { freeLines, stack, xOf } from '../../web/src/model/timeline.js';

const AT = 25,
  OPS = 40;
const lab = (/** @type {number | null} */ differs_at, seq = OPS) =>
  /** @type {any} */ ({ seq, now_ns: 5, engine: { made: 3, now: 7, differs_at, compared: true } });
const opened = (/** @type {number | null} */ differs_at, /** @type {any} */ from = {}, seq = OPS) =>
  reduce(initialState('x', from), { type: 'opened', lab: lab(differs_at, seq), profile: null, table: null });

test('the last moment is the one before results differ; without a difference it is the head', () => {
  assert.deepEqual([lastSeq(opened(AT)), shownSeq(opened(AT)), differsAt(opened(AT))], [AT - 1, AT - 1, AT]);
  assert.deepEqual([lastSeq(opened(null)), shownSeq(opened(null)), differsAt(opened(null))], [OPS, OPS, null]);
  assert.deepEqual([lastSeq(opened(1)), shownSeq(opened(1))], [0, 0], 'the first operation differs');
  assert.equal(shownSeq(initialState('x')), 0, 'nothing is known yet');
});

test('no way leads behind it: link, seek, play, the head that moves on', () => {
  for (const at of [AT - 1, AT, OPS, 999]) assert.equal(opened(AT, { at }).at, null);
  assert.equal(opened(AT, { at: AT - 2 }).at, AT - 2);
  for (const seq of [AT - 1, AT, OPS, 999]) {
    assert.equal(shownSeq(reduce(opened(AT), { type: 'seek', seq })), AT - 1);
    assert.equal(shownSeq(reduce(opened(AT), { type: 'seek', seq, playing: true })), AT - 1);
  }
  assert.equal(shownSeq(reduce(opened(AT, { at: 3 }), { type: 'live' })), AT - 1);
  assert.equal(shownSeq(reduce(opened(AT), { type: 'head', seq: 60 })), AT - 1);
});

test('it is read-only at every moment, and no part of it is the past for that alone', () => {
  assert.deepEqual([isReadOnly(opened(AT)), isPast(opened(AT))], [true, false]);
  assert.deepEqual([isReadOnly(opened(AT, { at: 3 })), isPast(opened(AT, { at: 3 }))], [true, true]);
  assert.deepEqual([isReadOnly(opened(null)), isReadOnly(opened(null, { at: 3 }))], [false, true]);
});

test('what is said: both revisions, where, how far it is shown', () => {
  const said = rulesNotice(opened(AT)) ?? '';
  for (const part of [
    /revision 3\./,
    /Operation 25 gives another result/,
    /revision 7\./,
    /at operation 24 of 40/,
    /read-only/,
  ])
    assert.match(said, part);
  assert.equal(rulesNotice(opened(null)), null);
  assert.equal(rulesNotice(initialState('x')), null);
  assert.equal(whyReadOnly(opened(AT, { at: 3 })), 'Read-only: other rules');
  assert.equal(whyReadOnly(opened(null, { at: 3 })), 'Read-only: the past');
  assert.equal(whyReadOnly(opened(null)), null);
});

test('the playhead’s part of the timeline, and curves that end where the picture does', () => {
  assert.equal(shownShare(opened(AT)), 24 / 40);
  assert.equal(shownShare(opened(null)), 1);
  assert.equal(shownShare(opened(null, {}, 0)), 1);
  const level = { name: 'Normal', free: 100, min: 4, low: 5, high: 6 };
  const points = /** @type {any} */ ([0, 10, 24].map((seq) => ({ seq, frames: { slab: seq }, zones: [level] })));
  const xs = (/** @type {[number, number][]} */ line) => Math.max(...line.map(([x]) => x));
  const end = xOf(AT - 1, OPS, 416);
  for (const layer of stack(points, OPS, 64, 416, 80, AT - 1)) assert.equal(xs(layer.points), end);
  const { lines, marks } = freeLines(points, OPS, 416, 40, '', AT - 1);
  for (const line of [...lines, ...marks]) assert.equal(xs(line.points), end);
  assert.equal(xs(stack(points, OPS, 64, 416, 80)[0].points), xOf(OPS, OPS, 416), 'otherwise to the head');
  const [only] = stack(points.slice(0, 1), OPS, 64, 416, 80, 0);
  assert.equal(xs(only.points), xOf(0, OPS, 416), 'nothing is shown behind a first operation that differs');
});

test('search and comparison stay before it', () => {
  const views = /** @type {any} */ ({ cells: { nr: 0, shift: 0 }, allocations: [], processes: [] });
  const hits = (/** @type {string} */ text) =>
    searchHits(text, { ...opened(AT), views }, []).filter((hit) => hit.id.startsWith('op-'));
  assert.deepEqual([hits('24').length, hits('25').length, hits('40').length], [1, 0, 0]);
  assert.equal(question({ seq: 24, since: 30, against: '', last: 24 }).query, 'a=24&b=24');
  assert.equal(question({ seq: 20, since: 30, against: '', last: 24 }).query, 'a=20&b=24');
  assert.equal(question({ seq: 20, since: 30, against: 'sibling', last: 24 }).query, 'a=20&b=30&with=sibling');
});
