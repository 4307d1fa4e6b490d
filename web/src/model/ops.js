/* ops.js - what the engine's table of operations (GET /ops) says about one of them. */

/** @typedef {import('../types.js').OpInfo} OpInfo */

/** Tables by name, made once for each table. @type {WeakMap<OpInfo[], Map<string, OpInfo>>} */
const indexes = new WeakMap();

/** @param {OpInfo[]} ops */
function indexOf(ops) {
  const index = indexes.get(ops) ?? new Map(ops.map((entry) => [entry.op, entry]));
  indexes.set(ops, index);
  return index;
}

/** @param {OpInfo[]} ops @param {string} name */
export const opInfo = (ops, name) => indexOf(ops).get(name) ?? null;

/** Whether the operation makes an allocation, to which the caller may give a name. @param {OpInfo[]} ops @param {string} name */
export const makesMemory = (ops, name) => opInfo(ops, name)?.makes ?? false;

/** The kind of frames that an operation is about: its colour on ticks, chips, bars and ribbons. @param {OpInfo[]} ops @param {string} name */
export const kindOfOp = (ops, name) => opInfo(ops, name)?.frame_kind ?? 'none';

/** The kind of frames behind an allocation: blocks of the kmalloc family that no cache holds are whole pages.
 * @param {OpInfo[]} ops @param {{ op: string, cache: string | null }} a */
export function kindOfFrames(ops, a) {
  const kind = kindOfOp(ops, a.op);
  return kind === 'slab' && !a.cache ? 'kernel' : kind;
}

/** Allocations with the names of the calls that made them: a block knows its family only (kzalloc's is one of kmalloc), the log knows
 * the call. @param {import('../types.js').Allocation[]} allocations @param {{ seq: number, op: string }[]} rows of the log @param {OpInfo[]} ops @returns {import('../types.js').Allocation[]} */
export function withCalls(allocations, rows, ops) {
  const calls = new Map(rows.filter((row) => makesMemory(ops, row.op)).map((row) => [row.seq, row.op]));
  return allocations.map((a) => {
    const op = calls.get(a.seq);
    return op && op !== a.op ? { ...a, op } : a;
  });
}

/** Does kmalloc's limit hold for the operation? @param {string} op */
export const isKmalloc = (op) => ['kmalloc', 'kzalloc', 'kcalloc', 'krealloc'].includes(op);
