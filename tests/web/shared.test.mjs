/* What several tabs share: arrow keys, pages and frames. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KIND_BY_NAME, KIND_OF_ALLOCATOR } from '../../web/src/kinds.js';
import { stepOfKey } from '../../web/src/model/keys.js';
import { directOf, nrPages, PAGE_SIZE, physicalOf } from '../../web/src/model/page.js';

const ARROWS = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'];

test('arrow keys: in a grid of 16 columns, in a row, in a column, down the image', () => {
  const steps = (/** @type {number[]} */ ...how) => ARROWS.map((key) => stepOfKey(key, how[0], how[1]));
  assert.deepEqual(steps(16), [-1, 1, -16, 16]);
  assert.deepEqual(steps(0), [-1, 1, 0, 0]);
  assert.deepEqual(steps(1, 0), [0, 0, -1, 1]);
  assert.deepEqual(steps(0, 8), [-8, 8, 0, 0]);
  for (const key of ['Enter', 'a', 'Home']) assert.equal(stepOfKey(key, 16), 0, key);
});

test('pages: bytes that begin one take one; frames in the direct map', () => {
  assert.deepEqual([0, 1, PAGE_SIZE, PAGE_SIZE + 1].map(nrPages), [1, 1, 1, 2]);
  assert.equal(physicalOf(3), 0x3000n);
  assert.equal(directOf('0xffff888000000000', 0x100000), 0xffff888100000000n, 'beyond 32 bits');
});

test('each allocator has the colour of a kind of frames', () => {
  for (const kind of Object.values(KIND_OF_ALLOCATOR)) assert.ok(KIND_BY_NAME[kind].token);
  assert.equal(KIND_OF_ALLOCATOR.kzalloc, KIND_OF_ALLOCATOR.kmalloc);
});
