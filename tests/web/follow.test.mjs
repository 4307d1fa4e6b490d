/* Following a lab: a flood of operations closes the stream, and what comes while there is none is not missed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { follow } from '../../web/src/api.js';

test('an operation between the last sample and the new stream is asked for when that opens', async () => {
  const streams = [];
  class Source extends EventTarget {
    static CLOSED = 2;
    readyState = 1;
    constructor() {
      super();
      streams.push(this);
    }
    close() {
      this.readyState = 2;
    }
  }
  let seq = 500;
  const world = /** @type {any} */ (globalThis);
  Object.assign(world, { window: globalThis, EventSource: Source });
  world.fetch = async (path) =>
    new Response(JSON.stringify(path.endsWith('/import') ? { running: false } : { seq, now_ns: seq }));
  const heard = [];
  const stop = follow('x', { onOp: (op) => heard.push(op.seq), onState: () => {} });
  const [first] = streams;
  first.dispatchEvent(new Event('open'));
  for (let i = 1; i <= 401; i++)
    first.dispatchEvent(new MessageEvent('op', { data: JSON.stringify({ seq: i, now_ns: i }) }));
  assert.equal(first.readyState, 2, 'a flood closes it');
  while (streams.length < 2) await new Promise((done) => setTimeout(done, 20));
  seq = 501;
  streams[1].dispatchEvent(new Event('open'));
  while (heard.at(-1) !== 501) await new Promise((done) => setTimeout(done, 5));
  stop();
});
