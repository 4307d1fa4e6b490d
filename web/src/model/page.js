/* page.js - pages and page frames: their size, and where the direct map has them. */

/** Bytes; the same on every machine that there is a profile of. */
export const PAGE_SIZE = 4096;

/** How many pages so many bytes take, one at least. @param {number} bytes */
export const nrPages = (bytes) => Math.max(1, Math.ceil(bytes / PAGE_SIZE));

/** A frame's physical address. @param {number} pfn */
export const physicalOf = (pfn) => BigInt(pfn) * BigInt(PAGE_SIZE);

/** A frame's address in the direct map. @param {string} pageOffset of the profile @param {number} pfn */
export const directOf = (pageOffset, pfn) => BigInt(pageOffset) + physicalOf(pfn);
