/* Numbers in words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, duration, parseSize } from '../../web/src/format.js';

test('a round figure is only said of what is one', () => {
  for (const [n, text] of [
    [0, '0 B'],
    [1000, '1000 B'],
    [1536, '1.50 KiB'],
    [4080, '4 KiB − 16 B'],
    [20000, '19.5 KiB'],
    [100000, '97.7 KiB'],
    [131056, '128 KiB − 16 B'],
    [131057, '128 KiB − 15 B'],
    [131072, '128 KiB'],
    [200688, '196 KiB − 16 B'],
    [1048575, '1 MiB − 1 B'],
    [4194304, '4 MiB'],
    [4200000, '4.01 MiB'],
    [212 * 2 ** 20 + 20000, '212 MiB + 19.5 KiB'],
    [5 * 2 ** 30 + 1, '5 GiB + 1 B'],
  ])
    assert.equal(bytes(n), text);
  for (let n = 1000; n < 300000; n += 7) {
    const whole = /^(\d+(?:\.0+)?) KiB$/.exec(bytes(n));
    assert.ok(!whole || Number(whole[1]) * 1024 === n, `${n} is not ${bytes(n)}`);
  }
});

test('sizes as they are typed; durations with three digits', () => {
  assert.deepEqual(['64K', '1MiB', '0x100', '12 kb', 'lots'].map(parseSize), [65536, 1048576, 256, 12288, NaN]);
  assert.deepEqual([12, 31400, 2.5e6].map(duration), ['12 ns', '31.4 µs', '2.5 ms']);
});
