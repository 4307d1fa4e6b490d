/* made.js - what an operation is about, so that a step of a replay can point at it. */
import { makesMemory } from './ops.js';

/** The allocation that an operation made or wrote to, as a selection; null: it is about none that is live.
 * @param {import('../types.js').Result | null} op @param {import('../types.js').OpInfo[]} ops @param {import('../types.js').Allocation[]} live @returns {import('../types.js').Selection | null} */
export function madeBy(op, ops, live) {
  if (!op || op.outcome !== 'ok' || !op.address) return null;
  const pid = op.request?.pid ?? 0;
  if (makesMemory(ops, op.op)) return { kind: 'allocation', address: op.address, pid };
  if (op.op !== 'write' && op.op !== 'read') return null;
  const at = BigInt(op.address);
  const holder = live.find(
    (a) => (a.pid ?? 0) === pid && at >= BigInt(a.address) && at < BigInt(a.address) + BigInt(Math.max(1, a.allocated)),
  );
  return holder ? { kind: 'allocation', address: holder.address, pid } : null;
}
