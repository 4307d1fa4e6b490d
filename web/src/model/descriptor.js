/* descriptor.js - the 16 bytes that the classic kernel's kmalloc keeps at the head of each block of pages: why its largest block is
 * 128 KiB − 16 B, and why addresses end in 010. */

/** Where the classic kernel's page descriptor stands, when it is just before this block. @param {Pick<import('../types.js').Allocation, 'address' | 'cache' | 'pid'>} a @returns {bigint | null} */
export function descriptorOf({ address, cache, pid }) {
  const at = BigInt(address);
  return !pid && cache?.startsWith('kmalloc-') && at % 4096n === 16n ? at - 16n : null;
}
