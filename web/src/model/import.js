/* import.js - what an import says of itself, while it runs and when it is done; and the forms in which a history goes out. */
import { bytes, count, plural } from '../format.js';

export const IMPORT_FORMATS = [
  ['auto', 'find out from its first lines'],
  ['ndjson', 'operations, one JSON line each'],
  ['ftrace', 'kmem events: ftrace, perf script, trace-cmd report, LTTng, dmesg'],
  ['ltrace', 'malloc calls: ltrace, LD_PRELOAD tracers, valgrind, LTTng'],
  ['malloc-log', 'malloc calls with threads and pointers'],
  ['mtrace', 'glibc’s mtrace(3)'],
  ['rep', 'CS:APP malloc lab'],
  ['ops', 'malloc scripts'],
];

export const EXPORT_FORMATS = [
  { format: 'ndjson', ending: 'ndjson', label: 'Operations', doc: 'NDJSON: imported again, it makes the same machine' },
  { format: 'csv', ending: 'csv', label: 'Table', doc: 'CSV: operations and results, for a spreadsheet' },
  {
    format: 'ftrace',
    ending: 'ftrace.txt',
    label: 'ftrace',
    doc: 'kmem events as text: KernelShark, trace-cmd, Perfetto',
  },
  {
    format: 'perfetto',
    ending: 'perfetto.json',
    label: 'Perfetto',
    doc: 'Chrome JSON trace: counters and slices, for ui.perfetto.dev',
  },
  {
    format: 'sqlite',
    ending: 'db',
    label: 'SQLite',
    doc: 'a store of its own: pagodad serve --store opens it, sqlite3 queries its view trace',
  },
];

/** How far an import is. Bytes of packed input are counted packed, as the file's size is. @param {{ bytes: number, operations: number }} news @param {number} size of the file, 0: not known @param {number} seconds since it began */
export function progressFacts({ bytes: read, operations }, size, seconds) {
  const share = size ? Math.min(1, read / size) : null;
  const rate = seconds > 0.5 ? operations / seconds : 0;
  return {
    share,
    text: `${bytes(read)}${size ? ` of ${bytes(size)}` : ''} read · ${plural(operations, 'operation')} applied${rate >= 1 ? ` · ${count(rate)} a second` : ''}`,
  };
}

/** @typedef {{ reason: string, count: number, first_line: number, event: string }} Skip */

/** @param {any} summary as POST /import answers */
export function summaryFacts(summary) {
  const rate = summary.seconds > 0.05 ? summary.operations / summary.seconds : 0;
  const { ok = 0, null: none = 0, bug = 0 } = summary.outcomes ?? {};
  const rows = [
    ['read', `${plural(summary.lines, 'line')}, ${plural(summary.events_read, 'event')}`],
    ['applied', `${plural(summary.applied, 'event')}, as ${plural(summary.operations, 'operation')}`],
    ['outcomes', `${count(ok)} ok, ${count(none)} null, ${count(bug)} bug`],
    ['skipped', plural(summary.skipped, 'event')],
    ['not readable', plural(summary.failed, 'line')],
    ['time', `${Number(summary.seconds.toPrecision(3))} s${rate ? `, ${count(rate)} operations a second` : ''}`],
  ];
  if (summary.pid) rows.push(['process', `pid ${summary.pid}`]);
  if (summary.format_reason) rows.push(['taken for', `${summary.format}: ${summary.format_reason}`]);
  return {
    rows,
    agreements: agreements(summary),
    skips: skips(summary),
    problem: summary.problem ?? '',
    stopped: summary.problem === 'stopped on request',
  };
}

/** How much of what was recorded came out the same here. @param {any} summary */
function agreements(summary) {
  return [
    { what: 'sizes granted by kmalloc', same: summary.kmalloc_agree, of: summary.kmalloc_compared },
    { what: 'places of malloc’s blocks', same: summary.blocks_agree, of: summary.blocks_compared },
    { what: 'page events of slabs', same: summary.slab_pages_agree, of: summary.slab_pages_compared },
  ]
    .filter((one) => one.of)
    .map((one) => ({
      ...one,
      text: `${count(one.same)} of ${count(one.of)}, ${(Math.floor((1000 * one.same) / one.of) / 10).toFixed(1)} %`,
    }));
}

/** The most frequent first. @param {any} summary @returns {Skip[]} */
function skips(summary) {
  return (summary.by_event ?? [])
    .flatMap((/** @type {any} */ event) =>
      event.reasons.map((/** @type {any} */ reason) => ({ ...reason, event: event.event })),
    )
    .sort((/** @type {Skip} */ a, /** @type {Skip} */ b) => b.count - a.count);
}
