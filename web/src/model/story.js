/* story.js - an operation's events and decisions as lines that a person reads: "zone Normal: 512 free ≥ 300". */
import { bytes, count, duration, hex, plural } from '../format.js';

/** @typedef {import('../types.js').TraceEvent} TraceEvent */
/** @typedef {{ name: string, text: string, ok: boolean | null, times: number }} Line */

const zone = (/** @type {TraceEvent} */ e) => (e.zone_name ? `zone ${e.zone_name}` : '');
const block = (/** @type {TraceEvent} */ e) => (e.order ? `order ${e.order}` : 'order 0');
const frame = (/** @type {TraceEvent} */ e) => (e.pfn === undefined ? '' : `frame ${hex(e.pfn)}`);
const join = (/** @type {(string | false | undefined | 0)[]} */ ...parts) => parts.filter(Boolean).join(', ');
const mt = (/** @type {TraceEvent} */ e) => (typeof e.migratetype === 'string' ? e.migratetype : '');

/** @type {Record<string, (e: TraceEvent) => string>} */
const TELL = {
  mm_page_alloc: (e) => join(frame(e), block(e), mt(e)),
  mm_page_free: (e) => join(frame(e), block(e)),
  split: (e) => join(frame(e), `into two of order ${e.order}`),
  merge: (e) => join(frame(e), e.buddy !== undefined && `with buddy ${hex(Number(e.buddy))}`, `now order ${e.order}`),
  pcp_refill: (e) => join(plural(e.count, 'block'), zone(e)),
  mm_page_pcpu_drain: (e) => join(frame(e), block(e)),
  new_slab: (e) => join(frame(e), block(e), plural(e.count, 'object')),
  discard_slab: (e) => join(frame(e), block(e)),
  kmalloc: (e) => `${count(e.bytes_req)} → ${count(e.bytes_alloc)} bytes`,
  kmem_cache_alloc: (e) => `${count(e.bytes_req)} → ${count(e.bytes_alloc)} bytes`,
  kfree: (e) => String(e.address),
  kmem_cache_free: (e) => String(e.address),
  alloc_vmap_area: (e) => join(String(e.address), plural(e.count, 'page') + ', guard included'),
  free_vmap_area_noflush: (e) => join(String(e.address), plural(e.count, 'page'), 'unmapped lazily'),
  purge_vmap_area_lazy: (e) => plural(e.count, 'page'),
  pte_set: (e) => join(String(e.address), frame(e), e.count > 1 && plural(e.count, 'entry', 'entries')),
  pte_clear: (e) => join(String(e.address), e.count > 1 && plural(e.count, 'entry', 'entries')),
  pgtable_alloc: (e) => join(frame(e), `level ${e.level}`),
  pgtable_free: (e) => join(frame(e), `level ${e.level}`),
  tlb_flush: (e) => join(String(e.address), plural(e.count, 'page')),
  page_fault: (e) => join(String(e.address), Number(e.write) ? 'write' : 'read', e.pid && `pid ${e.pid}`),
  brk: (e) => `heap ends at ${e.address}`,
  mmap: (e) => join(String(e.address), plural(e.count, 'page')),
  munmap: (e) => join(String(e.address), plural(e.count, 'page')),
  zero: (e) => `${bytes(e.count)} at ${e.address}`,
  slab_cpu: (e) =>
    join(frame(e), ['the CPU’s own list', 'the CPU’s partial list', 'the node’s list', 'a new slab'][Number(e.source)]),
  watermark: (e) => `${zone(e) || 'all memory'}: ${count(e.free)} free ${e.ok ? '≥' : '<'} mark ${count(e.mark)}`,
  try_pcp: (e) => join(zone(e), `CPU’s list ${e.ok ? `has ${plural(e.count, 'page')}` : 'is empty'}`),
  try_buddy: (e) => join(zone(e), `free list of ${block(e)}`, mt(e), e.ok ? 'has one' : 'is empty'),
  slowpath: (e) => block(e),
  mm_page_alloc_extfrag: (e) =>
    join(
      frame(e),
      `${block(e)} ${mt(e)} taken from a block of order ${e.fallback_order}`,
      typeof e.fallback_migratetype === 'string' && `of ${e.fallback_migratetype}`,
    ),
  steal: (e) => join(frame(e), `${plural(e.count, 'page')} of the pageblock become ${mt(e)}`),
  reserve_highatomic: (e) => join(frame(e), zone(e), 'this pageblock is kept for high-order atomic calls'),
  unreserve_highatomic: (e) => join(frame(e), zone(e), 'the pageblock kept for atomic calls is given up'),
  wakeup_kswapd: (e) => join(zone(e) && `for ${zone(e)} and below`, block(e)),
  mm_vmscan_kswapd_wake: (e) => join(zone(e) && `for ${zone(e)} and below`, block(e)),
  mm_vmscan_kswapd_sleep: (e) =>
    join(`${plural(e.count, 'page')} reclaimed`, e.ok ? 'the zones are balanced' : 'not balanced yet'),
  mm_vmscan_lru_shrink_inactive: (e) =>
    join(`${plural(e.count, 'page')} reclaimed of ${count(e.nr_scanned)} looked at`, `priority ${e.priority}`),
  mm_vmscan_lru_shrink_active: (e) =>
    join(`${plural(e.count, 'page')} moved to the inactive list`, `priority ${e.priority}`),
  reclaimed_from: (e) => `${plural(e.count, 'page')} of pid ${e.pid}`,
  workingset_refault: (e) =>
    join(
      frame(e),
      `came back after ${plural(e.distance, 'eviction')}`,
      e.ok ? 'to the active list' : 'to the inactive list',
    ),
  copy_on_write: (e) => join(`${frame(e)} is a copy of ${hex(Number(e.from_pfn))}`, String(e.address), `pid ${e.pid}`),
  mm_compaction_begin: (e) =>
    join(zone(e), block(e), `moves pages from ${hex(e.pfn)} up to free frames from ${hex(Number(e.free_pfn))} down`),
  mm_compaction_end: (e) =>
    join(zone(e), `${plural(e.count, 'page')} moved`, e.ok ? 'a block is there' : 'no block came of it'),
  mm_migrate_page: (e) =>
    join(`from ${hex(Number(e.from_pfn))} to ${hex(e.pfn)}`, e.pid && `pid ${e.pid}`, String(e.address)),
  drain_all_pages: (e) => `${plural(e.count, 'page')} given back from the CPUs’ lists`,
  alloc_no_watermarks: (e) => join(block(e), 'may use what the marks keep back'),
  folio_check_references: (e) =>
    join(frame(e), e.pid && `pid ${e.pid}`, e.ok ? 'not used lately: it may go' : 'used lately: it stays'),
  get_scan_count: (e) =>
    join(
      plural(e.count, 'anonymous page'),
      `${count(e.free_swap)} swap slots free`,
      e.ok ? 'these can go' : 'they cannot go anywhere',
    ),
  mm_compaction_suitable: (e) =>
    join(zone(e), block(e), `${count(e.free)} free ${e.ok ? '≥' : '<'} ${count(e.needed)} needed to compact`),
  fragmentation_index: (e) =>
    join(
      zone(e),
      block(e),
      `${(Number(e.index) / 1000).toFixed(3)}: ${e.ok ? 'it is fragmentation' : 'it is want of memory'}`,
    ),
  mm_compaction_deferred: (e) => join(zone(e), block(e), `it failed lately: not tried for 2^${e.defer_shift} calls`),
  reclaim_retry_zone: (e) =>
    join(
      `${zone(e) || 'all memory'}: ${count(e.available)} could be had ${e.ok ? '≥' : '<'} min ${count(e.min_wmark)}`,
      e.count > 0 && `${plural(e.count, 'try', 'tries')} without progress`,
    ),
  compact_retry: (e) => join(block(e), `try ${count(e.count)}`, e.ok ? 'once more' : 'no more'),
  oom_badness: (e) => join(`pid ${e.pid}: ${plural(e.points, 'page')}`, e.ok && 'the one that is killed'),
  oom_refused: (e) => join(block(e), 'nobody may be killed for this call'),
  nopage_no_direct_reclaim: (e) => join(block(e), 'the call may not sleep: nothing more can be done'),
  nopage_noretry: (e) => join(block(e), '__GFP_NORETRY: one try was all'),
  nopage_costly_order: (e) => join(block(e), 'orders above 3 are not tried again'),
  nopage: (e) => join(block(e), 'everything was tried'),
  mremap: (e) => join(`${e.from_address} moved to ${e.address}`, plural(e.count, 'page')),
  mprotect: (e) =>
    join(
      String(e.address),
      plural(e.count, 'page'),
      ['r', 'w', 'x'].map((c, i) => (Number(e.access) & (1 << i) ? c : '-')).join(''),
    ),
  madvise: (e) => join(String(e.address), plural(e.count, 'page')),
  find_vmap_lowest_match: (e) =>
    join(
      `hole at ${e.address}`,
      e.count >= 0xffffffff ? 'as good as endless' : plural(e.count, 'page'),
      e.ok === false && 'too small',
    ),
  oom_kill: (e) => `pid ${e.pid}, ${plural(e.count, 'page')} freed`,
  direct_reclaim: (e) => `${plural(e.count, 'page')} reclaimed`,
  kswapd: (e) => `${plural(e.count, 'page')} reclaimed`,
  swap_out: (e) => join(frame(e), `slot ${e.slot}`),
  swap_in: (e) => join(frame(e), `slot ${e.slot}`),
};

/** Whether an event has words of its own. @param {string} name */
export const isTold = (name) => name in TELL;

/** @param {TraceEvent} e */
function plain(e) {
  return Object.entries(e)
    .filter(([key]) => !['event', 'ok', 'zone_name'].includes(key))
    .map(([key, value]) => `${key} ${key === 'pfn' ? hex(value) : value}`)
    .join(', ');
}

/** @param {TraceEvent} e @returns {Line} */
export function lineOf(e) {
  return { name: e.event, text: (TELL[e.event] ?? plain)(e), ok: typeof e.ok === 'boolean' ? e.ok : null, times: 1 };
}

/** Neighbouring events of one kind become one line once there are more than two.
 * @param {TraceEvent[]} given @param {string[]} [zones] names by number; none where a machine has but one @returns {Line[]} */
export function story(given, zones = []) {
  const events = given.map((e) => (e.zone === undefined ? e : { ...e, zone_name: zones[e.zone] ?? '' }));
  /** @type {Line[]} */
  const lines = [];
  for (let i = 0; i < events.length;) {
    let end = i + 1;
    while (end < events.length && events[end].event === events[i].event) end++;
    const group = events.slice(i, end).map(lineOf);
    if (group.length === 1 || (group.length === 2 && group[0].ok === null)) lines.push(...group);
    else lines.push({ ...group[group.length - 1], times: group.length, text: summary(events.slice(i, end), group) });
    i = end;
  }
  return foldCycles(lines);
}

const CYCLE_MAX = 8;

/** Repeated steps as one with a count: a call that takes 48 frames repeats the same few steps 48 times. @param {Line[]} lines @returns {Line[]} */
function foldCycles(lines) {
  const out = [];
  for (let i = 0; i < lines.length;) {
    let best = { period: 1, times: 1 };
    for (let period = 1; period <= CYCLE_MAX; period++) {
      const times = repeats(lines, i, period);
      if (times > 2 && times * period > best.times * best.period) best = { period, times };
    }
    out.push(...lines.slice(i, i + best.period));
    if (best.times > 2)
      out.push({
        name: '',
        text: `${best.period > 1 ? `these ${best.period} steps` : 'the same'} ${plural(best.times - 1, 'time')} more`,
        ok: null,
        times: 1,
      });
    i += best.period * best.times;
  }
  return out;
}

/** How often the next `period` lines follow one another. @param {Line[]} lines @param {number} start @param {number} period */
function repeats(lines, start, period) {
  let times = 1;
  while (true) {
    for (let k = 0; k < period; k++) {
      if (lines[start + times * period + k]?.name !== lines[start + k].name) return times;
    }
    times++;
  }
}

/** @param {TraceEvent[]} events @param {Line[]} lines */
function summary(events, lines) {
  if (events[0].event === 'split' || events[0].event === 'merge')
    return (
      'order ' +
      events
        .map((e) => e.order)
        .slice(0, 8)
        .join(' → ') +
      (events.length > 8 ? ' …' : '')
    );
  if (lines[0].ok !== null) return lines[lines.length - 1].text;
  return `${lines[0].text} … ${lines[lines.length - 1].text}`;
}

/** One sentence for the outcome of an operation. @param {import('../types.js').Result} result */
export function outcomeText(result) {
  if (result.outcome === 'ok')
    return `ok, ${duration(result.cost_ns)}${result.slept_ns ? `, slept ${duration(result.slept_ns)}` : ''}`;
  return result.outcome === 'null' ? 'NULL' : 'bug';
}
