// What the pages ask the daemon for.
import test from 'node:test';
import assert from 'node:assert/strict';
import { withRules } from '../../web/src/api.js';

test('a question about a moment names the rules, others do not', () => {
  assert.equal(withRules('/labs/a/frames?at=7', 2), '/labs/a/frames?at=7&rules=2');
  assert.equal(
    withRules('/labs/a/memory?address=0x10&at=0&pid=3', 1),
    '/labs/a/memory?address=0x10&at=0&pid=3&rules=1',
  );
  assert.equal(withRules('/labs/a/frames', 2), '/labs/a/frames');
  assert.equal(withRules('/labs/a/stats?what=at', 2), '/labs/a/stats?what=at');
  assert.equal(withRules('/labs/a/frames?at=7', 0), '/labs/a/frames?at=7');
});
