/* The lab page's state, its links, its timeline, its story, its bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  initialState,
  isPast,
  reduce,
  selectedAllocation,
  shownSeq,
  soughtSelection,
} from '../../web/src/lab-state.js';
import { layoutFor } from '../../web/src/model/geometry.js';
import { ribbons } from '../../web/src/model/ribbons.js';
import { isTold, story } from '../../web/src/model/story.js';
import { stateFromUrl, urlFromState } from '../../web/src/model/url.js';
import { virtualBands } from '../../web/src/model/virtual.js';

const opened = () =>
  reduce(initialState('x'), { type: 'opened', lab: { seq: 10, now_ns: 5 }, profile: null, table: null });

test('seeking to the head is living in the present', () => {
  let state = reduce(opened(), { type: 'seek', seq: 4 });
  assert.deepEqual([shownSeq(state), isPast(state)], [4, true]);
  state = reduce(state, { type: 'head', seq: 12 });
  assert.equal(shownSeq(state), 4, 'what happens meanwhile does not move the picture');
  assert.deepEqual(
    [
      reduce(state, { type: 'seek', seq: 99 }).at,
      reduce(state, { type: 'seek', seq: -3 }).at,
      reduce(state, { type: 'live' }).at,
    ],
    [null, 0, null],
  );
});

test('an action that is none is refused, not passed over', () =>
  assert.throws(() => reduce(opened(), { type: 'sek', seq: 3 }), /not an action: .*sek/));
test('an older head never comes back', () => assert.equal(reduce(opened(), { type: 'head', seq: 3 }).head, 10));
test('playing starts at the beginning when nothing was chosen', () =>
  assert.equal(reduce(opened(), { type: 'play', playing: true }).at, 0));
test('a legend entry is pressed and released', () => {
  const on = reduce(opened(), { type: 'focus', key: 'slab' });
  assert.deepEqual([on.focus, reduce(on, { type: 'focus', key: 'slab' }).focus], ['slab', null]);
  assert.equal(reduce(on, { type: 'colour', colour: 'owner' }).focus, null, 'another legend, no entry of the old one');
});
test('selecting the same thing again keeps its story; another loses it, and where the bytes were looked at', () => {
  const selection = { kind: 'allocation', address: '0x10', pid: 0 };
  const on = { ...reduce(opened(), { type: 'select', selection }), explained: /** @type {any} */ ({ seq: 1 }) };
  assert.equal(reduce(on, { type: 'select', selection: { ...selection } }).explained, on.explained);
  const other = reduce(
    { ...on, bytesAt: { address: '0x99', pid: 0 } },
    { type: 'select', selection: { kind: 'frame', pfn: 3 } },
  );
  assert.deepEqual([other.explained, other.bytesAt], [null, null]);
});

test('a block of a process is shown with its process, however it was selected', () => {
  const selection = /** @type {any} */ ({ kind: 'allocation', address: '0x10', pid: 101 });
  const on = { ...opened(), pid: 100 };
  assert.equal(reduce(on, { type: 'select', selection }).pid, 101);
  assert.equal(reduce(on, { type: 'select', selection: { ...selection, pid: 0 } }).pid, 100, 'the kernel’s stays');
  assert.equal(stateFromUrl('?sel=0x10-101').pid, 101);
});

test('what a cut list lacks is asked for, and only the answer says whether it is there', () => {
  const views = /** @type {any} */ ({ seq: 10, allocations: [{ address: '0x1', pid: 0 }], more: true, sought: null });
  const selection = /** @type {any} */ ({ kind: 'allocation', address: '0x9', pid: 0 });
  const on = { ...opened(), views, selection };
  assert.deepEqual([selectedAllocation(on), soughtSelection(on)], [null, null], 'not known yet');
  const holder = /** @type {any} */ ({ address: '0x9', pid: 0, frames: [] });
  const found = reduce(on, { type: 'sought', sought: { seq: 10, address: '0x9', pid: 0, holder } });
  assert.equal(selectedAllocation(found), holder);
  const none = reduce(on, { type: 'sought', sought: { seq: 10, address: '0x9', pid: 0, holder: null } });
  assert.deepEqual([selectedAllocation(none), soughtSelection(none)?.holder], [null, null]);
  const late = reduce(on, { type: 'sought', sought: { seq: 9, address: '0x9', pid: 0, holder } });
  assert.equal(late, on, 'an answer about another moment says nothing');
});

test('a block is called as the log has the call that made it, whichever of the two is known first', () => {
  const table = /** @type {any} */ ({
    ops: [
      { op: 'kzalloc', makes: true },
      { op: 'kfree', makes: false },
    ],
  });
  const views = /** @type {any} */ ({ seq: 10, allocations: [{ seq: 3, op: 'kmalloc', address: '0x1', pid: 0 }] });
  const ops = /** @type {any} */ ([
    { seq: 2, op: 'kfree' },
    { seq: 3, op: 'kzalloc' },
  ]);
  const named = (/** @type {any} */ state) => state.views.allocations[0].op;
  const on = { ...opened(), table };
  const later = reduce(reduce(on, { type: 'views', views }), { type: 'series', points: [], ops });
  const sooner = reduce(reduce(on, { type: 'series', points: [], ops }), { type: 'views', views });
  assert.deepEqual(
    [named(reduce(on, { type: 'views', views })), named(later), named(sooner)],
    ['kmalloc', 'kzalloc', 'kzalloc'],
  );
  const told = reduce(reduce(on, { type: 'views', views }), {
    type: 'explained',
    result: /** @type {any} */ ({ seq: 3, op: 'kzalloc' }),
  });
  assert.equal(named(told), 'kzalloc', 'of a long log only the story of the selection is known');
});

test('a link restores where a tab looks: chunk, walked address, place in the address space, event, cache, what is compared, a free object', () => {
  const trip = (/** @type {any} */ part) => stateFromUrl(urlFromState({ ...opened(), ...part }));
  assert.equal(trip({ tab: 'heap', chunk: '0x555555561010' }).chunk, '0x555555561010');
  assert.equal(trip({ tab: 'pagetables', walk: '0xffffc90000001000' }).walk, '0xffffc90000001000');
  const path = ['region 0x0-0x800000000000', 'map 0x7ffff7d33000-0x7ffff7d73000', 'page 0x7ffff7d33000-0x7ffff7d34000'];
  assert.deepEqual(trip({ tab: 'virtual', path }).path, path);
  assert.equal(trip({ tab: 'buddy', step: 3 }).step, 3);
  assert.equal(trip({ tab: 'map', focus: 'slab' }).focus, 'slab');
  const { since, against } = trip({ tab: 'changes', since: 4, against: 'j63yvf0t' });
  assert.deepEqual([since, against], [4, 'j63yvf0t']);
  const object = { kind: 'object', address: '0xffff888001442008', pfn: 5186, cache: 'kmalloc-rcl-8' };
  assert.deepEqual(trip({ selection: object }).selection, object);
  assert.equal(
    urlFromState({ ...opened(), tab: 'map', chunk: '0x10', walk: '0x20', since: 3 }),
    '',
    'what another tab looks at stays out',
  );
  assert.deepEqual(stateFromUrl('?chunk=x&walk=-1&path=a,b&step=-2&since=1e9&with=../x&only=%3Cb%3E'), {});
});

test('looking elsewhere: another selection or process lets go of the chunk and the walk; the same process does not', () => {
  const on = { ...opened(), pid: 7, chunk: '0x10', walk: '0x20' };
  assert.deepEqual([reduce(on, { type: 'pid', pid: 8 }).chunk, reduce(on, { type: 'pid', pid: 8 }).walk], [null, null]);
  assert.equal(reduce(on, { type: 'pid', pid: 7 }), on);
  assert.deepEqual(
    [reduce(on, { type: 'select', selection: null }).chunk, reduce(on, { type: 'select', selection: null }).walk],
    [null, null],
  );
});

test('views that were asked for before a process was chosen do not undo the choice', () => {
  const chosen = reduce(opened(), { type: 'pid', pid: 8 });
  assert.equal(reduce(chosen, { type: 'views', views: { pid: 7, allocations: [] }, asked: 0 }).pid, 8);
  assert.equal(reduce(opened(), { type: 'views', views: { pid: 7, allocations: [] }, asked: 0 }).pid, 7);
});

test('an event of a link is kept by the first views, and let go by the next', () => {
  const linked = { ...opened(), step: 2 };
  const first = reduce(linked, { type: 'views', views: { pid: 0, allocations: [] } });
  assert.deepEqual([first.step, reduce(first, { type: 'views', views: { pid: 0, allocations: [] } }).step], [2, null]);
});

test('every event and decision of the engine is told in words of its own', async () => {
  const { readFile } = await import('node:fs/promises');
  const map = await readFile(new URL('../../include/pagoda/event.h', import.meta.url), 'utf8');
  const names = [...map.matchAll(/X\(EV_\w+, "(\w+)"/g)].map((match) => match[1]);
  assert.ok(names.length > 60);
  assert.deepEqual(
    names.filter((name) => !isTold(name)),
    [],
  );
});

test('a link restores what its sender saw', () => {
  const state = {
    ...opened(),
    at: 7,
    tab: /** @type {const} */ ('bytes'),
    layout: /** @type {const} */ ('linear'),
    colour: 'order',
    bytesAt: { address: '0xc0001000', pid: 3 },
    pid: 12,
    selection: { kind: /** @type {const} */ ('allocation'), address: '0xffff888004c81000', pid: 12 },
  };
  const { at, tab, layout, colour, bytesAt, pid, selection } = {
    ...initialState('x'),
    ...stateFromUrl(urlFromState(state)),
  };
  assert.deepEqual(
    { at, tab, layout, colour, bytesAt, pid, selection },
    {
      at: 7,
      tab: 'bytes',
      layout: 'linear',
      colour: 'order',
      bytesAt: state.bytesAt,
      pid: 12,
      selection: state.selection,
    },
  );
  assert.equal(stateFromUrl(urlFromState({ ...opened(), tab: 'slabs', cache: 'kmalloc-64' })).cache, 'kmalloc-64');
  assert.deepEqual(stateFromUrl('?sel=frame-99').selection, { kind: 'frame', pfn: 99 });
  assert.deepEqual(stateFromUrl('?seq=-1&tab=nonsense&colour=pink&bytes=12&sel=%3Cscript%3E&pid=x'), {});
});

test('events become a story: groups counted, cycles folded', () => {
  const cycle = [
    { event: 'watermark', free: 9, mark: 3, ok: true, zone: 0 },
    { event: 'try_buddy', order: 0, ok: true, zone: 0 },
  ];
  const lines = story(
    [...cycle, ...cycle, ...cycle, ...cycle, { event: 'tlb_flush', address: '0x1', count: 1 }],
    ['DMA'],
  );
  assert.deepEqual(
    lines.map((l) => l.name),
    ['watermark', 'try_buddy', '', 'tlb_flush'],
  );
  assert.equal(lines[0].text, 'zone DMA: 9 free ≥ mark 3');
  assert.match(lines[2].text, /these 2 steps 3 times more/);
  assert.deepEqual(
    story(Array.from({ length: 5 }, (_, i) => ({ event: 'mm_page_alloc', pfn: i, order: 0 }))).map((l) => l.times),
    [5],
  );
  assert.equal(story([{ event: 'something_new', pfn: 255, x: 1 }])[0].text, 'pfn 0xff, x 1');
});

const allocation = (/** @type {any} */ a) => ({
  seq: 1,
  op: 'kmalloc',
  requested: 1000,
  allocated: 1020,
  release: 'kfree',
  name: null,
  call_site: null,
  cache: 'c',
  pid: 0,
  nr_frames: 1,
  order: 0,
  frames: [],
  ...a,
});
const views = /** @type {any} */ ({
  seq: 1,
  pid: 12,
  processes: [{ pid: 12, name: 'demo' }],
  maps: [{ start: '0x1000', end: '0x5000', perms: 'rw-p', name: '[heap]', rss_pages: 1, swap_pages: 0 }],
  vmalloc: {
    start: '0xd0000000',
    end: '0xe0000000',
    areas: [
      { start: '0xd0000000', end: '0xd0003000', nr_pages: 2, guard_pages: 1, state: 'busy', name: 'v', frames: [] },
    ],
  },
  allocations: [
    allocation({ address: '0xc0002010', name: 'b' }),
    allocation({ address: '0xc0001010', name: 'a' }),
    allocation({ address: '0xd0000000', op: 'vmalloc', name: 'v', allocated: 8192, cache: null }),
    allocation({ address: '0x1010', pid: 12, op: 'malloc', name: 'm', allocated: 4096 }),
  ],
});

test('virtual bands: each thing in its region, in address order, inside its band', () => {
  const bands = virtualBands(views, [], null, 500);
  assert.deepEqual(
    bands.map((b) => b.bars.flatMap((bar) => bar.parts.map((p) => p.allocation.name))),
    [['m'], ['a', 'b'], ['v']],
  );
  for (const band of bands)
    for (const bar of band.bars) assert.ok(bar.y >= band.y && bar.y + bar.h <= band.y + band.h, band.id);
  assert.equal(bands[2].bars[0].guard, 1);
  assert.equal(bands[0].bars[0].share, 0.25);
});

test('a thousand allocations still fit their band, and the selected one keeps a bar of its own', () => {
  const many = Array.from({ length: 1000 }, (_, i) =>
    allocation({ address: '0x' + (0xc0000000 + i * 8192).toString(16), name: 'k' + i }),
  );
  const bands = virtualBands({ ...views, allocations: many }, [], null, 500, many[500]);
  const direct = bands[1];
  const last = direct.bars[direct.bars.length - 1];
  assert.ok(last.y + last.h <= direct.y + direct.h, 'inside');
  assert.ok(direct.bars.some((bar) => bar.parts.length === 1 && bar.parts[0].allocation === many[500] && bar.h >= 20));
});

test('ribbons: one for a solid run, many for scattered frames', () => {
  const layout = layoutFor(4096, 'buddy', 512, 512, 5);
  const to = { x: 0, y: 0, px: 8, left: 0, top: 0, right: 512, bottom: 512, shift: 0 };
  assert.equal(ribbons({ x: 0, y: 0, h: 10 }, [{ pfn: 32, count: 32 }], layout, to).length, 1);
  assert.equal(
    ribbons(
      { x: 0, y: 0, h: 10 },
      [
        { pfn: 3, count: 1 },
        { pfn: 9, count: 1 },
        { pfn: 77, count: 1 },
      ],
      layout,
      to,
    ).length,
    3,
  );
});
