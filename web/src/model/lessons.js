/* lessons.js - what can be learnt from a call that failed, one row for each way to fail: how it is known, its name, why it happened,
 * what would have been right, the rule, and where the kernel or glibc has it. */
import { bytes, count, plural } from '../format.js';
import { isKmalloc } from './ops.js';
import { PAGE_SIZE } from './page.js';

/** @typedef {import('./failure.js').Case} Case */
/** @typedef {{ note: string, request: Record<string, any> }} Advice */
/** @typedef {{ asked: number, limit: number, head: number }} Ruler head: bytes that the allocator keeps at the head of its largest block */
/** @typedef {{ ruler?: (it: Case) => Ruler, fits: (it: Case) => boolean, title: (it: Case) => string, why: (it: Case) => string, notReason?: (it: Case) => string, instead?: (it: Case) => Advice[], rule: (it: Case) => string, source: (it: Case) => string }} Lesson */

const RELEASED = /this is (\S+) memory; it is released by (\w+)/;
const DESCRIPTOR = 16; /* bytes */
const isUser = (/** @type {Case} */ it) => Boolean(it.request.pid);
const framesFor = (/** @type {number} */ size) => Math.max(1, Math.ceil(size / PAGE_SIZE));
const gfpOf = (/** @type {Case} */ it) => String(it.request.gfp ?? 'GFP_KERNEL');

/** The same call, changed; a name that is taken by nobody yet stays. @param {Case} it @param {Record<string, any>} change */
function again(it, change) {
  const request = { ...it.request, ...change };
  for (const [name, value] of Object.entries(request))
    if (value === undefined || value === 'process') delete request[name];
  return request;
}

/** @param {Case} it @param {number} size @returns {Advice} */
const byVmalloc = (it, size) => ({
  note: `${plural(framesFor(size), 'single frame')}; released by vfree`,
  request: { op: 'vmalloc', size, ...(it.request.name ? { name: it.request.name } : {}) },
});

/** @param {Case} it @param {number} order @returns {Advice} */
const byPages = (it, order) => ({
  note: `${plural(2 ** order, 'frame')} side by side; released by free_pages`,
  request: { op: 'alloc_pages', order, gfp: gfpOf(it), ...(it.request.name ? { name: it.request.name } : {}) },
});

/** Free memory in words. @param {Case} it @param {number} order */
function freeText(it, order) {
  const nr = it.blocks(order);
  const blocks = order
    ? `, and ${nr ? plural(nr, 'free block') : 'no free block'} of ${plural(2 ** order, 'frame')} (order ${order})`
    : '';
  return `${plural(it.free, 'frame')} are free${blocks}`;
}

/** @type {Lesson} */
const wrongRelease = {
  fits: (it) => RELEASED.test(it.message),
  title: (it) => `${it.op} was given ${RELEASED.exec(it.message)?.[1]} memory`,
  why: (it) =>
    it.op === 'kfree' && it.isClassic
      ? `kfree rounds the address down to its page and reads the 16-byte page descriptor that kmalloc keeps there. ${RELEASED.exec(it.message)?.[1]} keeps none: the bytes there are its owner’s.`
      : it.op === 'kfree'
        ? `kfree computes the struct page of the address as for the direct map, and takes what stands there for a slab or a large block. ${RELEASED.exec(it.message)?.[1]} memory has neither.`
        : `${it.op} looks for this address among what it handed out itself. It is not there: ${RELEASED.exec(it.message)?.[1]} handed it out.`,
  instead: (it) => {
    const release = RELEASED.exec(it.message)?.[2] ?? '';
    const order = release === 'free_pages' ? { order: it.holder?.order ?? 0 } : {};
    const { name, address, pid } = it.request;
    const which = name ? { name } : { address };
    return [
      {
        note: it.holder ? `gives back its ${plural(it.holder.nr_frames, 'frame')}` : 'its own release function',
        request: { op: release, ...which, ...order, ...(pid ? { pid } : {}) },
      },
    ];
  },
  rule: () =>
    'The allocator decides the release function: kmalloc → kfree, vmalloc → vfree, alloc_pages → free_pages, malloc → free.',
  source: (it) =>
    it.isClassic ? `mm/kmalloc.c, mm/vmalloc.c, ${it.kernel}` : `mm/slab_common.c, mm/vmalloc.c, ${it.kernel}`,
};

const SLEPT = /nonatomically|sleeping function called|BUG_ON\(in_interrupt/;
/** @type {Lesson} */
const sleeps = {
  fits: (it) => it.context !== 'process' && SLEPT.test(it.message),
  title: (it) => `${it.op} may sleep, a ${it.context} must not`,
  why: (it) =>
    `${/^v/.test(it.op) ? `${it.op} takes no flags: it may always sleep, for frames and for page tables` : `${gfpOf(it)} lets the allocator sleep while it reclaims memory`}. In ${it.context} context there is no process that could be put to sleep and woken again; what was interrupted waits until the handler returns.`,
  instead: (it) => {
    const inProcess = {
      note: 'in process context, where sleeping is allowed',
      request: again(it, { context: 'process' }),
    };
    if (!/^v/.test(it.op))
      return [
        { note: 'never sleeps; may return NULL, which the caller checks', request: again(it, { gfp: 'GFP_ATOMIC' }) },
        inProcess,
      ];
    if (it.size > it.profile.kmalloc_max) return [inProcess];
    const { size, name, context } = it.request;
    return [
      {
        note: 'never sleeps; one run of frames',
        request: { op: 'kmalloc', size, gfp: 'GFP_ATOMIC', context, ...(name ? { name } : {}) },
      },
      inProcess,
    ];
  },
  rule: () => 'Only a process may sleep. In an interrupt: GFP_ATOMIC, and no vmalloc.',
  source: (it) =>
    it.isClassic
      ? `mm/kmalloc.c, mm/page_alloc.c, ${it.kernel}`
      : /^v/.test(it.op)
        ? `mm/vmalloc.c: __get_vm_area_node(), ${it.kernel}`
        : `include/linux/sched/mm.h: might_alloc(), ${it.kernel}`,
};

/** @type {Lesson} */
const tooLarge = {
  fits: (it) => it.result.outcome === 'null' && isKmalloc(it.op) && it.size > it.profile.kmalloc_max,
  title: (it) =>
    it.size - it.profile.kmalloc_max === 1 ? 'One byte over kmalloc’s limit' : 'More than kmalloc’s largest block',
  why: (it) => {
    const max = it.profile.kmalloc_max;
    const whole = it.isClassic ? max + DESCRIPTOR : max;
    const frames = whole / PAGE_SIZE;
    return it.isClassic
      ? `The largest kmalloc block is ${plural(frames, 'frame')}, ${count(whole)} bytes, and its first 16 hold the page descriptor. ${count(max)} are left for the caller: ${bytes(max)}.`
      : `kmalloc gives one run of frames, and the page allocator’s largest block has ${count(frames)} of them: ${count(max)} bytes, ${bytes(max)}.`;
  },
  ruler: (it) => ({ asked: it.size, limit: it.profile.kmalloc_max, head: it.isClassic ? DESCRIPTOR : 0 }),
  notReason: (it) => `Memory was not short: ${freeText(it, it.profile.nr_orders - 1)}.`,
  instead: (it) => {
    const max = it.profile.kmalloc_max;
    const order = Math.ceil(Math.log2(it.size / PAGE_SIZE));
    const less = it.size - max;
    return [
      byVmalloc(it, it.size),
      ...(order < it.profile.nr_orders ? [byPages(it, order)] : []),
      ...(less <= 65536 && !it.request.n
        ? [{ note: `if ${plural(less, 'byte')} less will do`, request: again(it, { size: max }) }]
        : []),
    ];
  },
  rule: (it) =>
    it.isClassic
      ? 'kmalloc serves 13 sizes, 32 to 131 056 bytes. A caller checks for NULL before it uses what it got.'
      : 'kmalloc serves up to 4 MiB. A caller checks for NULL before it uses what it got.',
  source: (it) =>
    it.isClassic ? `mm/kmalloc.c: sizes[], ${it.kernel}` : `include/linux/slab.h: KMALLOC_MAX_SIZE, ${it.kernel}`,
};

/** @type {Lesson} */
const tooHighOrder = {
  fits: (it) => it.op === 'alloc_pages' && it.order >= it.profile.nr_orders,
  title: (it) => `Order ${it.order} is beyond the largest, ${it.profile.nr_orders - 1}`,
  why: (it) =>
    `The page allocator keeps free blocks of ${it.profile.nr_orders} sizes, up to order ${it.profile.nr_orders - 1}: ${plural(2 ** (it.profile.nr_orders - 1), 'frame')} side by side. There is no list for a larger one.`,
  notReason: (it) => `Memory was not short: ${freeText(it, it.profile.nr_orders - 1)}.`,
  instead: (it) => [byPages(it, it.profile.nr_orders - 1), byVmalloc(it, 2 ** it.order * PAGE_SIZE)],
  rule: (it) => `A block of order k has 2^k frames; k is ${it.profile.nr_orders - 1} at most.`,
  source: (it) =>
    it.isClassic ? `mm/page_alloc.c: NR_MEM_LISTS, ${it.kernel}` : `include/linux/mmzone.h: MAX_ORDER, ${it.kernel}`,
};

/** @type {Lesson} */
const overflows = {
  fits: (it) => it.result.outcome === 'null' && Boolean(it.request.n) && it.size > 2 ** it.profile.word_bits - 1,
  title: () => 'n × size does not fit a size_t',
  why: (it) =>
    `${count(it.request.n)} × ${count(it.request.size)} bytes is more than ${it.profile.word_bits} bits can say. Had ${it.op} multiplied without looking, it would have handed out a small block for a large table.`,
  notReason: (it) => `Memory was not asked for at all: ${freeText(it, 0)}.`,
  rule: () => 'Tables are allocated by kcalloc or calloc, which check the product; never by kmalloc(n * size).',
  source: (it) => (isUser(it) ? 'malloc/malloc.c: __libc_calloc(), glibc' : 'include/linux/slab.h: kmalloc_array()'),
};

const FREED = /double free|free already|page frame is free/;
/** @type {Lesson} */
const freedBefore = {
  fits: (it) =>
    it.result.outcome === 'bug' &&
    (Boolean(it.result.name_is_freed) || FREED.test(it.message)) &&
    !/SIGSEGV|segfault/.test(it.message),
  title: (it) =>
    it.result.name_is_freed
      ? /free|release|destroy/.test(it.op)
        ? `${it.target} was freed before`
        : `${it.target} is used after it was freed`
      : /SIGABRT/.test(it.message)
        ? 'Freed twice, or the heap is damaged'
        : 'Freed before, or never allocated',
  why: (it) =>
    it.result.name_is_freed
      ? `An earlier call gave ${it.target} back. The name still leads to its old address, as a pointer in C does; the allocator has that memory again, and may have given it to somebody else.`
      : 'Nothing that is allocated begins at this address. The allocator looks at what it keeps of it, and finds it free.',
  rule: () =>
    'Memory is given back once. A pointer that is set to NULL after the release does no harm: kfree(NULL), vfree(NULL) and free(NULL) do nothing.',
  source: (it) =>
    isUser(it)
      ? 'malloc/malloc.c: _int_free(), glibc'
      : it.isClassic
        ? `mm/kmalloc.c, ${it.kernel}`
        : `mm/slub.c, ${it.kernel}`,
};

const FAULT = /NULL pointer dereference|nable to handle|segfault|Segmentation fault/;
/** @type {Lesson} */
const faults = {
  fits: (it) => FAULT.test(it.message),
  title: (it) => {
    if (isNull(it)) return `${it.op} follows a NULL pointer`;
    if (it.result.name_is_freed) return `${it.target} is used after it was freed`;
    return `${it.op} touches an address behind which nothing is`;
  },
  why: (it) =>
    isNull(it)
      ? 'The first page of every address space is left unmapped, so that a pointer that was never set, or a NULL that was not checked, faults at once instead of reading something.'
      : /^(free|realloc)$/.test(it.op)
        ? 'The size of a block stands in the words before it. What was given is no block of malloc’s: before it there is nothing to read.'
        : `No page-table entry leads from ${it.request.address ?? it.target} to a frame${/^v|0xc1|0xffffc9/.test(String(it.request.address ?? '')) ? '. Behind each vmalloc area one page is left unmapped for this: its guard page' : ''}.`,
  rule: (it) =>
    isNull(it)
      ? 'What an allocator returns is checked for NULL before it is used.'
      : 'Only what was allocated, and not yet given back, may be touched.',
  source: (it) =>
    isUser(it)
      ? 'arch/x86/mm/fault.c: show_signal_msg()'
      : it.isClassic
        ? `arch/i386/mm/fault.c, ${it.kernel}`
        : `arch/x86/mm/fault.c, ${it.kernel}`,
};
/** @param {Case} it */
const isNull = (it) =>
  /NULL pointer/.test(it.message) || (isUser(it) && Number(it.request.address ?? PAGE_SIZE) < PAGE_SIZE);

/** @type {Lesson} */
const heapDamaged = {
  fits: (it) => isUser(it) && /SIGABRT|corrupt|invalid/.test(it.message),
  title: () => 'glibc finds its heap damaged',
  why: (it) =>
    `malloc keeps sizes and links in the words beside the blocks, and ${it.op} compares some of them. They do not fit together: somebody wrote past the end of a block, or into one that was freed. The call that finds it is seldom the one that did it.`,
  rule: () => 'A program writes only into what it asked for: its size, not the size that was granted.',
  source: () => 'malloc/malloc.c: malloc_printerr(), glibc',
};

/** @type {Lesson} */
const slabDamaged = {
  fits: (it) => /Redzone|[Pp]oison|overwritten|Freechain|free list/.test(it.message),
  title: () => 'Somebody wrote where he should not',
  why: () =>
    'slub_debug fills the bytes around and inside free objects with known patterns, and looks at them at the next alloc or free. They are not what it wrote: a block was written past its end, or after it was freed.',
  rule: () => 'slub_debug tells of an overflow when the object is next touched by the allocator, not when it happens.',
  source: (it) => `mm/slub.c: check_bytes_and_report(), ${it.kernel}`,
};

/** @param {Case} it */
const maySleep = (it) => !/GFP_(ATOMIC|NOWAIT)/.test(gfpOf(it));
/** @type {Lesson} */
const noSleepNoMemory = {
  fits: (it) => it.result.outcome === 'null' && !isUser(it) && !maySleep(it),
  title: (it) =>
    it.blocks(it.order) || !it.order
      ? 'Too little memory for a call that may not sleep'
      : `No free block of order ${it.order}, and no sleep to make one`,
  why: (it) => {
    const mark = it.decided('watermark');
    const level = mark
      ? ` The last zone tried had ${plural(Number(mark.free), 'free frame')}; this call must leave ${count(Number(mark.mark))}.`
      : '';
    return `${gfpOf(it)} may not sleep, so nothing can be reclaimed or moved for it: it gets what is free now, or NULL.${level} ${freeText(it, it.order)}.`;
  },
  instead: (it) => [
    {
      note: 'in process context: may sleep while memory is reclaimed',
      request: again(it, { gfp: 'GFP_KERNEL', context: 'process' }),
    },
    ...(it.order && it.size && !it.request.n ? [byVmalloc(it, it.size)] : []),
  ],
  rule: () =>
    'GFP_ATOMIC may dip into the reserve, but never waits. Its caller must be able to go on without the memory.',
  source: (it) =>
    it.isClassic
      ? `mm/page_alloc.c: __get_free_pages(), ${it.kernel}`
      : `mm/page_alloc.c: __alloc_pages_slowpath(), ${it.kernel}`,
};

/** @type {Lesson} */
const fragmented = {
  fits: (it) =>
    it.result.outcome === 'null' &&
    !isUser(it) &&
    !/^v/.test(it.op) &&
    it.order > 0 &&
    it.free >= 2 ** it.order &&
    !it.blocks(it.order),
  title: (it) => `Memory enough, but no ${plural(2 ** it.order, 'frame')} side by side`,
  why: (it) =>
    `${freeText(it, it.order)}. What is free lies in smaller pieces, and what lies between them could not be moved away.`,
  instead: (it) => (it.size && !it.request.n ? [byVmalloc(it, it.size)] : [byVmalloc(it, 2 ** it.order * PAGE_SIZE)]),
  rule: () => 'A large physically contiguous block is had early, or not at all. vmalloc needs single frames only.',
  source: (it) =>
    it.isClassic ? `mm/page_alloc.c, ${it.kernel}` : `mm/page_alloc.c: should_compact_retry(), ${it.kernel}`,
};

/** @type {Lesson} */
const noAreaOrFrames = {
  fits: (it) => it.result.outcome === 'null' && /^(v|kv)/.test(it.op),
  title: (it) => (framesFor(it.size) > it.free ? 'More frames than are free' : 'No room in the vmalloc range'),
  why: (it) =>
    framesFor(it.size) > it.free
      ? `${count(it.size)} bytes need ${plural(framesFor(it.size), 'frame')}, and vmalloc takes all of them at the call; ${plural(it.free, 'frame')} are free.`
      : `${freeText(it, 0)}, but vmalloc also needs a hole of ${bytes(it.size)} in its range of addresses, and a guard page.`,
  rule: () => 'vmalloc promises one range of addresses; its frames are there when it returns, or it returns NULL.',
  source: (it) => (it.isClassic ? `mm/vmalloc.c, ${it.kernel}` : `mm/vmalloc.c: __vmalloc_node_range(), ${it.kernel}`),
};

/** @type {Lesson} */
const noUserMemory = {
  fits: (it) => it.result.outcome === 'null' && isUser(it),
  title: (it) => `${it.op} has no addresses, or may not promise more`,
  why: (it) =>
    `malloc asks the kernel for addresses by brk and mmap. It refuses when the address space has no such hole, when the process is at its limit (setrlimit), or when more would be promised than overcommit allows. ${count(it.size)} bytes were asked for.`,
  notReason: (it) => `Frames are no question at this point: they come when pages are touched. ${freeText(it, 0)}.`,
  rule: () =>
    'malloc returns NULL and sets errno to ENOMEM. A process that is promised memory which is not there is ended later, when it touches it.',
  source: () => 'mm/mmap.c, mm/util.c: __vm_enough_memory(); malloc/malloc.c: sysmalloc()',
};

/** @type {Lesson} */
const usedUp = {
  fits: (it) => it.result.outcome === 'null',
  title: () => 'Memory is used up',
  why: (it) =>
    `${freeText(it, it.order)}, and reclaim found nothing that it could give back: kernel memory stays until its owner frees it, and user pages go only where swap has room.`,
  instead: (it) => (isKmalloc(it.op) && it.order ? [byVmalloc(it, it.size)] : []),
  rule: () => 'Kernel memory is never swapped. NULL is an answer that every caller has to expect.',
  source: (it) =>
    it.isClassic
      ? `mm/page_alloc.c, mm/vmscan.c, ${it.kernel}`
      : `mm/page_alloc.c: __alloc_pages_slowpath(), ${it.kernel}`,
};

/** @type {Lesson} */
const misuse = {
  fits: () => true,
  title: (it) => `${it.op} was misused`,
  why: (it) =>
    it.holder
      ? `${it.request.address ?? it.target} lies in ${it.holder.name ?? it.holder.address}, which ${it.holder.op} handed out.`
      : 'The message says what the kernel or glibc found.',
  rule: () => 'What is given to an allocator must be what it handed out: the same address, and not yet given back.',
  source: (it) => (isUser(it) ? 'malloc/malloc.c, glibc' : it.isClassic ? `mm/, ${it.kernel}` : `mm/, ${it.kernel}`),
};

/** The first that fits tells; the last fits always. */
export const LESSONS = [
  sleeps,
  wrongRelease,
  overflows,
  tooLarge,
  tooHighOrder,
  freedBefore,
  faults,
  heapDamaged,
  slabDamaged,
  noSleepNoMemory,
  fragmented,
  noAreaOrFrames,
  noUserMemory,
  usedUp,
  misuse,
];
