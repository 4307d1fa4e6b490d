/* kinds.js - what a page frame can be: number and name as the API has them, the letter, the words, and the colour token.
 * The numbers are those of the octet-stream view (4 bytes a frame, the first is the kind). */

/** @typedef {{ id: number, name: string, letter: string, label: string, token: string, doc: string }} Kind */

/** @type {Kind[]} */
export const KINDS = [
  { id: 0, name: 'none', letter: '-', label: 'hole', token: '--hole', doc: 'no memory here' },
  { id: 1, name: 'free', letter: 'B', label: 'free', token: '--free', doc: 'in the buddy lists' },
  { id: 2, name: 'pcp', letter: 'b', label: 'free on a CPU', token: '--pcp', doc: 'on a per-CPU page list' },
  {
    id: 3,
    name: 'kernel',
    letter: 'K',
    label: 'kernel pages',
    token: '--kernel',
    doc: 'alloc_pages, kmalloc too large for a slab',
  },
  { id: 4, name: 'slab', letter: 'S', label: 'slab or bucket', token: '--slab', doc: 'a slab cut into objects' },
  { id: 5, name: 'vmalloc', letter: 'v', label: 'vmalloc', token: '--vmalloc', doc: 'mapped into the vmalloc range' },
  { id: 6, name: 'pgtable', letter: 'g', label: 'page table', token: '--pgtable', doc: 'a level of a page table' },
  { id: 7, name: 'anon', letter: 'a', label: 'user page', token: '--anon', doc: 'anonymous memory of a process' },
  { id: 8, name: 'swapcache', letter: 'w', label: 'swap cache', token: '--swap', doc: 'on its way to or from swap' },
  {
    id: 9,
    name: 'reserved',
    letter: 'r',
    label: 'reserved',
    token: '--reserved',
    doc: 'the kernel itself, firmware',
  },
];

/** The kind whose colour stands for an allocator, on all pages; kzalloc is kmalloc that clears, and lines tell them apart by
 * their dashes. @type {Record<string, string>} */
export const KIND_OF_ALLOCATOR = { kmalloc: 'slab', kzalloc: 'slab', vmalloc: 'vmalloc', malloc: 'anon' };

/** @type {Record<string, Kind>} */
export const KIND_BY_NAME = Object.fromEntries(KINDS.map((kind) => [kind.name, kind]));

export const NONE = 0;
export const FREE = 1;
export const PCP = 2;
export const KERNEL = 3;
export const VMALLOC = 5;
export const PGTABLE = 6;
export const SWAPCACHE = 8;

/** Kinds of the legend, and of the stacked timeline from the bottom up: what is reserved never changes, so it is left out. */
export const LEGEND = ['free', 'pcp', 'kernel', 'slab', 'vmalloc', 'pgtable', 'anon', 'swapcache', 'reserved'];
export const STACK = ['pgtable', 'kernel', 'slab', 'vmalloc', 'anon', 'swapcache'];
