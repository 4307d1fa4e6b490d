/* The address space of a new process: what execve and the dynamic loader leave behind of a small program, as
 * /proc/self/maps shows it: the program's segments, the C library below the loader, [vdso], the stack. Linux v6.1
 * fs/binfmt_elf.c, arch/x86/mm/mmap.c (mmap_base), arch/x86/entry/vdso/vma.c; sizes of Debian 12's libraries.
 *
 * Without a seed everything is where setarch -R puts it. With one, each process draws its own places: the program's base
 * and the top of the mappings (28 bits of pages each), the top of the stack (22 bits of pages), the start of the heap
 * (within 32 MiB). [vdso] is above the stack then. classic has the same program on i386, always at its fixed place.
 *
 * Nothing here has a frame yet, and the process counts no faults for having come up. The pages that malloc's variables are
 * on get theirs when malloc is called first, as if the loader had written to them. */
#include "alloc/process/process_internal.h"

#define MIN_MMAP_GAP (UINT64_C(128) << 20) /* room for the stack below its top (mmap_base) */
#define STACK_PAGES 33u                    /* 128 KiB and the page with the arguments: what execve maps */
#define HUGE_TABLE (UINT64_C(2) << 20)     /* what one page table spans: [vdso] stays in the stack's */

#define R VMA_READ
#define RX (VMA_READ | VMA_EXEC)
#define RW (VMA_READ | VMA_WRITE)

/* One mapping; they follow one another upwards. is_relro: was writable while the loader worked. */
struct part {
    enum vma_file file;
    uint32_t nr_pages, pgoff, flags;
    bool is_relro;
};
static const struct part PROGRAM[] = {
    { VMA_FILE_PROGRAM, 1, 0, R, false }, { VMA_FILE_PROGRAM, 8, 1, RX, false },  { VMA_FILE_PROGRAM, 2, 9, R, false },
    { VMA_FILE_PROGRAM, 1, 10, R, true }, { VMA_FILE_PROGRAM, 1, 11, RW, false },
};
static const struct part LOADER[] = {
    { VMA_FILE_LD, 0x1, 0, R, false },   { VMA_FILE_LD, 0x26, 0x1, RX, false }, { VMA_FILE_LD, 0xa, 0x27, R, false },
    { VMA_FILE_LD, 0x2, 0x31, R, true }, { VMA_FILE_LD, 0x2, 0x33, RW, false },
};
static const struct part VDSO[] = { { VMA_FILE_VVAR, 4, 0, R, false }, { VMA_FILE_VDSO, 2, 0, RX, false } };
static const struct part LIBC[] = {
    { VMA_FILE_LIBC, 0x26, 0, R, false },     { VMA_FILE_LIBC, 0x156, 0x26, RX, false },
    { VMA_FILE_LIBC, 0x53, 0x17c, R, false }, { VMA_FILE_LIBC, 0x4, 0x1cf, R, true },
    { VMA_FILE_LIBC, 0x2, 0x1d3, RW, false }, { VMA_FILE_NONE, 0xd, 0, RW, false }, /* .bss */
};
#define LIBC_READ_ONLY_PARTS 4u /* before its writable data, where malloc's variables are (alloc/malloc/malloc_rules.c) */
static const struct part LOADER_HEAP[] = { { VMA_FILE_NONE, 2, 0, RW, false } }; /* what the loader allocated for itself */
static const struct part THREAD[] = { { VMA_FILE_NONE, 3, 0, RW, false } }; /* thread-local storage of the main thread */
static const struct part STACK[] = { { VMA_FILE_NONE, STACK_PAGES, 0, RW, false } };
#define LOADER_CACHE_PAGES 8u /* /etc/ld.so.cache was mapped here while the loader worked */

static const char *const FILES[NR_VMA_FILES][2] = {
#define X(id, name, name32) { name, name32 },
    VMA_FILE_MAP(X)
#undef X
};

const char *vma_file_name(const struct profile *profile, uint32_t file)
{
    return FILES[file][profile->word_bits == 32];
}

#define COUNT(parts) (sizeof(parts) / sizeof(parts)[0])

static uint64_t layout_span(const struct part *parts, size_t nr)
{
    uint64_t nr_pages = 0;
    for (size_t i = 0; i < nr; i++)
        nr_pages += parts[i].nr_pages;
    return nr_pages << PAGE_SHIFT;
}

/* Maps the parts from start on. False: refused. */
static bool layout_map_parts(struct processes *ps, struct process *p, const struct part *parts, size_t nr, uint64_t start,
                             uint32_t flags)
{
    for (size_t i = 0; i < nr; i++) {
        uint64_t length = (uint64_t)parts[i].nr_pages << PAGE_SHIFT;
        uint32_t account = parts[i].is_relro ? VMA_ACCOUNT : limits_account_flag(parts[i].flags);
        struct vma kind = { .start = start,
                            .end = start + length,
                            .pgoff = parts[i].file ? parts[i].pgoff : start >> PAGE_SHIFT,
                            .flags = parts[i].flags | account | flags,
                            .file = parts[i].file };
        if (account && !limits_may_commit(ps, p, parts[i].nr_pages))
            return false;
        ps->refusal = REFUSAL_MAP_COUNT;
        if (!vma_add(ps, p, &kind).index)
            return false;
        start += length;
    }
    return true;
}

/* --- where --- */

enum draw { DRAW_BASE, DRAW_MMAP, DRAW_STACK, DRAW_BRK, DRAW_VDSO };

/* A number below bound, made from the seed, the process and what it is for (splitmix64). */
static uint64_t layout_draw(const struct processes *ps, const struct process *p, enum draw what, uint64_t bound)
{
    if (!ps->aslr_seed)
        return 0;
    uint64_t z = ((uint64_t)ps->aslr_seed << 32 | p->pid) * 8 + what;
    z = (z + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % bound;
}

static uint64_t layout_draw_pages(const struct processes *ps, const struct process *p, enum draw what, uint32_t bits)
{
    return layout_draw(ps, p, what, UINT64_C(1) << bits) << PAGE_SHIFT;
}

/* mmap_base(): below the stack, its limit, its guard gap, and the widest that its top may be moved. */
static uint64_t layout_mmap_top(const struct processes *ps, const struct process *p)
{
    uint64_t moved = ps->aslr_seed ? ((UINT64_C(1) << 22) - 1) << PAGE_SHIFT : 0;
    uint64_t gap = p->limits[RESOURCE_STACK] + STACK_GUARD_GAP + moved;
    gap = gap > MIN_MMAP_GAP ? gap : MIN_MMAP_GAP;
    uint64_t top = ps->profile->user_stack_top - gap - layout_draw_pages(ps, p, DRAW_MMAP, 28);
    return ps->profile->word_bits == 64 ? page_align(top) : ps->profile->user_mmap_top;
}

static bool layout_map_program(struct processes *ps, struct process *p)
{
    uint64_t base = (ps->profile->user_text & ~(uint64_t)(PAGE_SIZE - 1)) + layout_draw_pages(ps, p, DRAW_BASE, 28);
    p->data_end = base + layout_span(PROGRAM, COUNT(PROGRAM));
    p->data_start = p->data_end - PAGE_SIZE;
    p->heap_start = p->brk = p->data_end + layout_draw_pages(ps, p, DRAW_BRK, 13);
    return layout_map_parts(ps, p, PROGRAM, COUNT(PROGRAM), base, VMA_TEXT);
}

/* Maps parts below everything mapped so far, as mmap() places them.
 * top   in: the lowest mapping; out: the new one.
 * skip  pages left free above. */
static bool layout_map_below(struct processes *ps, struct process *p, const struct part *parts, size_t nr, uint64_t *top,
                             uint32_t skip)
{
    *top -= layout_span(parts, nr) + (uint64_t)skip * PAGE_SIZE;
    return layout_map_parts(ps, p, parts, nr, *top, VMA_TEXT);
}

static bool layout_map_vdso(struct processes *ps, struct process *p, uint64_t *top)
{
    if (ps->profile->word_bits == 32)
        return true; /* Linux 2.0 has none */
    if (!ps->aslr_seed)
        return layout_map_below(ps, p, VDSO, COUNT(VDSO), top, 0);
    uint64_t start = p->stack_top, length = layout_span(VDSO, COUNT(VDSO));
    uint64_t end = ((start + length + HUGE_TABLE - 1) & ~(HUGE_TABLE - 1));
    end = (end < ps->profile->user_end ? end : ps->profile->user_end) - length;
    if (end < start)
        return layout_map_below(ps, p, VDSO, COUNT(VDSO), top, 0);
    start += layout_draw(ps, p, DRAW_VDSO, ((end - start) >> PAGE_SHIFT) + 1) << PAGE_SHIFT;
    return layout_map_parts(ps, p, VDSO, COUNT(VDSO), start, VMA_TEXT);
}

bool layout_map(struct processes *ps, struct process *p)
{
    p->stack_top = ps->profile->user_stack_top - layout_draw_pages(ps, p, DRAW_STACK, 22);
    p->mmap_top = layout_mmap_top(ps, p);
    uint64_t top = p->mmap_top;
    bool done = layout_map_program(ps, p) &&
                layout_map_parts(ps, p, STACK, COUNT(STACK), p->stack_top - layout_span(STACK, COUNT(STACK)), VMA_STACK) &&
                layout_map_below(ps, p, LOADER, COUNT(LOADER), &top, 0) && layout_map_vdso(ps, p, &top) &&
                layout_map_below(ps, p, LOADER_HEAP, COUNT(LOADER_HEAP), &top, 0) &&
                layout_map_below(ps, p, LIBC, COUNT(LIBC), &top, LOADER_CACHE_PAGES) &&
                layout_map_below(ps, p, THREAD, COUNT(THREAD), &top, 0);
    p->thread_data = top;
    p->libc_data = top + layout_span(THREAD, COUNT(THREAD)) + layout_span(LIBC, LIBC_READ_ONLY_PARTS);
    return done;
}
