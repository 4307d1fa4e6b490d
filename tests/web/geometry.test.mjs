/* Layouts of the physical map: exact inverses, and aligned blocks beside their buddies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockRect, evenBits, indexAt, layoutFor, placeOf, rectsOf, spreadBits } from '../../web/src/model/geometry.js';

const SIZES = [1, 10, 64, 100, 4096, 6144, 65536, 70000, 1 << 20];

for (const kind of /** @type {const} */ (['linear', 'buddy'])) {
  for (const nr of SIZES) {
    test(`${kind} layout of ${nr} frames: every frame has its own place, and the place leads back`, () => {
      const layout = layoutFor(nr, kind, 512, 500, 5);
      const step = nr > 100000 ? 997 : 1;
      const seen = new Set();
      for (let pfn = 0; pfn < nr; pfn += step) {
        const [x, y] = placeOf(layout, pfn);
        assert.ok(
          x >= 0 && y >= 0 && x < layout.cols && y < layout.rows,
          `frame ${pfn} lies at ${x}, ${y} of ${layout.cols} × ${layout.rows}`,
        );
        assert.equal(indexAt(layout, x, y), pfn);
        seen.add(y * layout.cols + x);
      }
      assert.equal(seen.size, Math.ceil(nr / step));
      assert.ok(layout.cols * layout.px <= 512.01 && layout.rows * layout.px <= 500.01, 'it fits');
    });
  }
}

test('bits interleave and come apart', () => {
  for (let n = 0; n < 65536; n += 7) assert.equal(evenBits(spreadBits(n)), n);
});

test('4096 frames in 512 × 512 pixels: a square of 64 × 64 cells of 8 pixels', () => {
  assert.deepEqual([layoutFor(4096, 'buddy', 512, 512, 5)].map((l) => [l.cols, l.rows, l.px])[0], [64, 64, 8]);
});

test('a block is a square or a 2:1 rectangle, and touches its buddy', () => {
  const layout = layoutFor(4096, 'buddy', 512, 512, 5);
  for (let order = 0; order <= 5; order++) {
    for (let start = 0; start < 4096; start += 2 ** order) {
      const a = blockRect(layout, start, order),
        b = blockRect(layout, start ^ (2 ** order), order);
      assert.equal(a.w * a.h, 2 ** order);
      assert.ok(a.w === a.h || a.w === 2 * a.h);
      const [inner, outer] = [
        Math.min(start, start ^ (2 ** order)),
        blockRect(layout, Math.min(start, start ^ (2 ** order)), order + 1),
      ];
      assert.deepEqual([outer.x, outer.y], placeOf(layout, inner));
      assert.equal(outer.w * outer.h, a.w * a.h + b.w * b.h);
    }
  }
});

test('rectangles of a run cover exactly its frames', () => {
  for (const kind of /** @type {const} */ (['linear', 'buddy'])) {
    const layout = layoutFor(4096, kind, 512, 512, 5);
    for (const [start, count] of [
      [0, 1],
      [5, 300],
      [63, 2],
      [100, 64],
      [4090, 6],
      [4090, 50],
    ]) {
      const covered = new Set(
        rectsOf(layout, start, count).flatMap((r) =>
          Array.from({ length: r.w * r.h }, (_, i) => indexAt(layout, r.x + (i % r.w), r.y + Math.floor(i / r.w))),
        ),
      );
      assert.deepEqual(
        [...covered].sort((a, b) => a - b),
        Array.from({ length: Math.min(count, 4096 - start) }, (_, i) => start + i),
        `${kind} ${start}+${count}`,
      );
    }
  }
});
