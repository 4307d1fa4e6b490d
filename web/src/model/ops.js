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

/** The kind of frames that an operation is about: its colour on ticks and chips. Blocks of the kmalloc family that no cache
 * holds are whole pages. @param {OpInfo[]} ops @param {string} name @param {{ cache?: string | null } | null} [allocation] */
export function kindOfOp(ops, name, allocation) {
  const kind = opInfo(ops, name)?.frame_kind ?? 'none';
  return kind === 'slab' && allocation && !allocation.cache ? 'kernel' : kind;
}
