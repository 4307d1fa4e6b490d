/* The first page's figure says what /compare answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captionOf, figureCases, framesDrawn } from '../../web/src/model/figure.js';

const answer = (op, fields) => ({
  op,
  outcome: 'ok',
  allocated: 12288,
  frames: [{ pfn: 7, count: 3 }],
  nr_frame_runs: 1,
  physically_contiguous: true,
  contiguity: 'promised',
  first_touch: null,
  context: 'process',
  ...fields,
});
const scattered = {
  frames: [7, 3, 300].map((pfn) => ({ pfn, count: 1 })),
  nr_frame_runs: 3,
  physically_contiguous: false,
};
const promise = { frames: [{ pfn: 9, count: 1 }], physically_contiguous: false, first_touch: {} };
const reply = /** @type {any} */ ({
  profile: 'classic',
  memory: 16 << 20,
  size: 10000,
  gfp: 'GFP_KERNEL',
  allocators: [answer('kmalloc'), answer('kzalloc'), answer('vmalloc', scattered), answer('malloc', promise)],
});

test('the line is the call that was asked, the note what came of it', () => {
  assert.deepEqual(
    figureCases(reply).map((one) => [one.title, one.line, one.note]),
    [
      ['kmalloc, kzalloc', 'p = kmalloc(10000, GFP_KERNEL);', 'one solid run of 3 frames'],
      ['vmalloc', 'p = vmalloc(10000);', 'one range of addresses, 3 frames in 3 runs'],
      ['malloc', 'p = malloc(10000);', '1 frame now, 2 more when they are touched'],
    ],
  );
  assert.ok(Math.abs(figureCases(reply)[2].touched - 1 / 3) < 1e-9);
  const chance = { ...reply, allocators: [answer('vmalloc', { contiguity: 'by chance: …' })] };
  assert.match(figureCases(chance)[0].note, /3 frames, by chance$/);
});

test('the picture holds every frame that it is about', () => {
  assert.equal(framesDrawn(figureCases(reply)), 512);
  assert.equal(framesDrawn([]), 256);
  assert.match(captionOf(reply, 512), /fresh classic machine of 16 MiB.*first 512 page frames/);
});
