/* title.js - what an allocation is called: its handle, else the function that asked for it, else its address. */

/** @param {Pick<import('../types.js').Allocation, 'name' | 'call_site' | 'address'>} a */
export const titleOf = (a) => a.name ?? a.call_site?.replace(/\+0x[0-9a-f]+(\/0x[0-9a-f]+)?$/, '') ?? a.address;
