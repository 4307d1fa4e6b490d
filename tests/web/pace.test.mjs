/* How often the page asks: what a person can see, no more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { floodGauge } from '../../web/src/api.js';
import { createPace, PACE_MS } from '../../web/src/session/pace.js';
import { timeless } from '../../web/src/view/parts/use-view.js';

test('the first look is at once, the next a quarter of a second later', () => {
  let now = 1000;
  const pace = createPace(() => now);
  assert.equal(pace.rest(), 0);
  pace.begin();
  now += 40;
  pace.end();
  assert.equal(pace.rest(), PACE_MS - 40);
  now += PACE_MS;
  assert.equal(pace.rest(), 0);
});

test('in a rush a slow look is followed by a rest three times as long', () => {
  let now = 0;
  const pace = createPace(() => now);
  pace.begin();
  now += 500;
  pace.end();
  assert.deepEqual([pace.rest(), pace.rest(true)], [0, 1500]);
});

test('a flood is many operations in one window; as many over a longer time are none', () => {
  const fast = floodGauge(100, 500),
    slow = floodGauge(100, 500);
  let flooded = false,
    calm = false;
  for (let i = 0; i < 150; i++) {
    flooded = fast(i) || flooded;
    calm = slow(i * 10) || calm;
  }
  assert.deepEqual([flooded, calm], [true, false]);
});

test('an address without its moment', () => {
  assert.equal(timeless('/labs/x/caches?at=12'), timeless('/labs/x/caches?at=99'));
  assert.equal(timeless('/labs/x/heap?at=12&limit=5'), '/labs/x/heap?at=&limit=5');
  assert.notEqual(timeless('/labs/x/frames/1?at=12'), timeless('/labs/x/frames/2?at=12'));
  assert.equal(timeless('/x?flat=3'), '/x?flat=3');
});
