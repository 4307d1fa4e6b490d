/* The ruler beside a size that is too large. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOfBlock, sizesServed, ticksOf } from '../../web/src/model/ruler.js';

const caches = (sizes) => sizes.map((object_size) => ({ name: `kmalloc-${object_size}`, object_size }));
const CLASSIC = [32, 64, 128, 252, 508, 1020, 2040, 4080, 8176, 16368, 32752, 65520, 131056];

test('the sizes are those of the machine’s caches, above them whole pages, and the limit', () => {
  assert.deepEqual(sizesServed([...caches(CLASSIC), { name: 'dentry', object_size: 192 }], 131056), CLASSIC);
  const linux = sizesServed([...caches([8, 96, 8192]), { name: 'dma-kmalloc-7', object_size: 7 }], 65536);
  assert.deepEqual(linux, [8, 96, 8192, 16384, 32768, 65536]);
  assert.deepEqual(sizesServed([], 131056), [131056], 'while the caches are asked for');
});

test('one step a size; what was asked for is a step beyond the last', () => {
  const ticks = ticksOf(CLASSIC, 131057);
  assert.equal(ticks.length, 14);
  assert.deepEqual([ticks[0].at, ticks[13].at, ticks[13].isAsked], [0, 1, true]);
  assert.match(ticks[13].label, /131.057/);
  assert.match(ticks[12].label, /131.056/);
  assert.ok(ticks.filter((tick) => tick.label).length <= 7);
});

test('the largest block: descriptor, what is left for the caller, what is too much', () => {
  const parts = partsOfBlock({ asked: 131057, limit: 131056, head: 16 });
  assert.match(
    parts.map((part) => part.text).join('; '),
    /16 B page descriptor; 131.056 B for the caller: 128 KiB − 16 B; byte 131.057/,
  );
  assert.equal(partsOfBlock({ asked: 5 << 20, limit: 4 << 20, head: 0 })[1].text, '1 MiB too many');
});
