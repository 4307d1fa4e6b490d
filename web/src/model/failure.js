/* failure.js - a call that returned NULL or was a bug, as a lesson: what it was, the kernel's or glibc's own words, why, what is not
 * the reason, what would have been right, what changed, and the rule with its source. The first row of LESSONS that fits tells. */
import { bytes, plural } from '../format.js';
import { callLine } from './form.js';
import { makesMemory, opInfo } from './ops.js';
import { PAGE_SIZE } from './page.js';
import { LESSONS } from './lessons.js';

/** @typedef {import('../types.js').Result} Result */
/** @typedef {import('../types.js').Allocation} Allocation */
/** @typedef {{ call: string, note: string, request: Record<string, any> }} Remedy a call that would have been right */
/** @typedef {{ word: 'NULL' | 'BUG', seq: number, context: string, title: string, call: string, message: string, why: string, notReason: string, instead: Remedy[], changed: string, rule: string, source: string, ruler: import('./lessons.js').Ruler | null, address: string | null, holder: Allocation | null }} Failure */
/** @typedef {{ result: Result, op: string, request: Record<string, any>, message: string, size: number, order: number, context: string, isClassic: boolean, kernel: string, profile: import('../types.js').Profile, target: string, holder: Allocation | null, free: number, blocks: (order: number) => number, decided: (event: string) => import('../types.js').TraceEvent | undefined, mayAsk: (op: string) => boolean }} Case */
/** @typedef {{ profile: import('../types.js').Profile | null, views: import('../lab-state.js').Views, ops: import('../types.js').OpInfo[] }} About */

/** The failure of the operation shown; null: it went well, or its story is not known. @param {Result | null} result @param {About} about @returns {Failure | null} */
export function failureOf(result, about) {
  if (!result || result.outcome === 'ok' || !result.request || !about.profile) return null;
  const it = caseOf(result, about);
  const lesson = LESSONS.find((one) => one.fits(it)) ?? LESSONS[LESSONS.length - 1];
  const line = lineOf(result.request, about.ops);
  return {
    word: result.outcome === 'null' ? 'NULL' : 'BUG',
    seq: result.seq,
    context: it.context,
    title: lesson.title(it),
    call: line,
    message: it.message,
    why: lesson.why(it),
    notReason: lesson.notReason?.(it) ?? '',
    instead: (lesson.instead?.(it) ?? []).map((one) => ({ ...one, call: lineOf(one.request, about.ops) })),
    changed: changedBy(it, makesMemory(about.ops, it.op)),
    rule: lesson.rule(it),
    source: lesson.source(it),
    ruler: lesson.ruler?.(it) ?? null,
    address: it.request.address ?? result.address,
    holder: it.holder,
  };
}

/** @param {Record<string, any>} request @param {import('../types.js').OpInfo[]} ops */
function lineOf(request, ops) {
  const { target, call, args, note } = callLine(request, makesMemory(ops, request.op));
  return `${target}${call}(${args});${note ? ` /* ${note} */` : ''}`;
}

/** @param {Result} result @param {About} about @returns {Case} */
function caseOf(result, { profile, views, ops }) {
  const request = result.request ?? {};
  const isClassic = profile?.name === 'classic';
  const steps = [...(result.decisions ?? []), ...(result.events ?? [])];
  return {
    result,
    op: result.op,
    request,
    message: (result.message ?? '').trim(),
    size: Number(request.size ?? request.length ?? 0) * Number(request.n ?? 1),
    order: Number(request.order ?? orderFor(Number(request.size ?? 0))),
    context: request.context ?? 'process',
    isClassic,
    kernel: isClassic ? 'Linux 2.0' : (profile?.name ?? '').replace('linux-', 'Linux '),
    profile: /** @type {import('../types.js').Profile} */ (profile),
    target: request.name ?? request.address ?? result.address ?? '?',
    holder: holderOf(request.address ?? result.address, request.pid ?? 0, views.allocations),
    free: views.zones.reduce((sum, zone) => sum + zone.free + zone.pcp, 0),
    blocks: (order) => views.zones.reduce((sum, zone) => sum + blocksFrom(zone, order), 0),
    decided: (event) => steps.filter((step) => step.event === event).pop(),
    mayAsk: (op) => opInfo(ops, op) !== null,
  };
}

/** The order of a block that holds so many bytes. @param {number} size */
export const orderFor = (size) => Math.max(0, Math.ceil(Math.log2(Math.max(1, size) / PAGE_SIZE)));

/** Free blocks that hold one of an order. @param {import('../types.js').Zone} zone @param {number} order */
const blocksFrom = (zone, order) =>
  zone.free_area.reduce((sum, area) => sum + (area.order >= order ? area.nr_free * 2 ** (area.order - order) : 0), 0);

/** @param {string | null | undefined} address @param {number} pid @param {Allocation[]} live */
function holderOf(address, pid, live) {
  if (!address) return null;
  const at = BigInt(address);
  return (
    live.find(
      (a) =>
        (a.pid ?? 0) === pid && at >= BigInt(a.address) && at < BigInt(a.address) + BigInt(Math.max(1, a.allocated)),
    ) ?? null
  );
}

/** @param {Case} it @param {boolean} makes */
function changedBy({ result, message }, makes) {
  const ended = /ends process (\d+)|\[(\d+)\]: segfault/.exec(message);
  const reclaimed = result.nr_reclaimed ? ` ${plural(result.nr_reclaimed, 'page')} were reclaimed on the way.` : '';
  if (ended) return `Process ${ended[1] ?? ended[2]} has ended, and its memory was given back.`;
  if (result.outcome === 'null') return `Nothing was allocated.${reclaimed}`;
  if (makes && result.address)
    return `This kernel complains and goes on: it gave ${bytes(result.allocated)} at ${result.address} all the same.`;
  if ((result.events ?? []).length) return 'The kernel went on; what it did stands below.';
  return 'Nothing changed.';
}

/** The line above the map. @param {Failure} failure */
export const failureLine = ({ call, word }) => `${call.replace(';', '')} → ${word}`;
