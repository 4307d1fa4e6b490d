/* What a call into malloc works with: glibc's static state of a process, which the first call makes, and the way to the
 * bytes of the process.
 *
 * Host pointers are kept for the pages that were written to last. Any fault may reclaim other pages, so all pointers are
 * dropped when the address space has lost a page. While a page is known, its page-table entry is present, writable,
 * accessed and dirty: looking it up again would change nothing. So what is known here may be forgotten at any time. */
#include "alloc/malloc/malloc_call.h"

#define MAIN_ARENA_OFFSET 0x640u /* in its page, so that struct malloc_state ends in the same one */
_Static_assert(MAIN_ARENA_OFFSET + 0x898 <= PAGE_SIZE, "main_arena lies in one page");

/* --- the static state --- */

static void malloc_par_init(struct malloc_par *par, const struct libc_rules *rules)
{
    *par = (struct malloc_par){ .trim_threshold = rules->trim_threshold,
                                .top_pad = rules->top_pad,
                                .mmap_threshold = rules->mmap_threshold,
                                .max_fast = rules->max_fast,
                                .n_mmaps_max = rules->n_mmaps_max,
                                .tcache_bins = rules->nr_tcache_bins,
                                .tcache_count = rules->tcache_count,
                                .arena_test = rules->arenas_per_cpu };
}

/* glibc draws the key at random. Here every process has its own, which is the same in every run. */
static uint64_t heap_make_key(struct process_ref process, const struct libc_rules *rules)
{
    uint64_t key = (process.index + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (key ^ key >> 31) & rules->address_mask;
}

struct heap *heap_create(struct heaps *heaps, struct process_ref process)
{
    enum libc_row row = libc_row_of_profile(heaps->profile);
    const struct libc_rules *rules = &LIBC_RULES[row];
    uint32_t index = pool_take(&heaps->heaps);
    if (!index)
        return NULL;
    struct heap *heap = heap_at(heaps, index);
    heap->process = process;
    heap->libc = (uint8_t)row;
    heap->main_arena = heaps->profile->user_mmap_top + MAIN_ARENA_OFFSET;
    heap->tcache_key = heap_make_key(process, rules);
    heap->nr_arenas = 1;
    heap->nr_cpus = heaps->nr_cpus;
    heap->threads[0].arena = heap->main_arena;
    malloc_par_init(&heap->par, rules);
    process_at(heaps->processes, process)->heap = index;
    struct libc *c = libc_start(heaps, process);
    arena_init(c);
    arena_put(c, rules->at_next, c->arena);
    return heap;
}

/* --- calls --- */

void libc_turn_to(struct libc *c, struct heaps *heaps, struct process_ref process)
{
    const struct process *p = process_at(heaps->processes, process);
    c->process = process;
    c->heaps = heaps;
    c->heap = heap_at(heaps, p->heap);
    c->space = reclaim_space_at(heaps->processes->reclaim, p->space);
    c->rules = heap_rules(c->heap);
    c->word_shift = c->rules->word_shift;
    c->thread = NULL;
    libc_forget_pages(c);
}

void libc_forget_pages(struct libc *c)
{
    if (c->epoch >= LIBC_LAST_EPOCH) { /* the numbers begin again */
        memset(c->pages, 0, sizeof c->pages);
        c->epoch = 0;
    }
    c->epoch += UINT64_C(1) << LIBC_EPOCH_SHIFT;
    c->generation = c->space->generation;
    c->cache = NULL;
    if (!arena_is_main(c) || c->dead)
        c->arena_at = NULL;
}

void libc_die(struct libc *c, const char *text)
{
    if (!c->dead) {
        trace_step(c->heaps->trace, PATH_malloc_printerr);
        trace_bug(c->heaps->trace, "%s: SIGABRT", text);
    }
    c->dead = true;
    libc_forget_pages(c);
}

/* --- bytes --- */

/* glibc's own access to a page failed: the process gets a signal. */
static void libc_no_page(struct libc *c, uint64_t address)
{
    struct trace *trace = c->heaps->trace;
    bool is_mapped = process_is_mapped(c->heaps->processes, c->process, address);
    if (!c->dead && is_mapped)
        trace_bug(trace, "Out of memory: no frame for the page at %jx: SIGKILL", address);
    else if (!c->dead)
        trace_bug(trace, "Segmentation fault at %jx: SIGSEGV", address);
    c->dead = true;
    libc_forget_pages(c);
}

uint8_t *libc_fault(struct libc *c, uint64_t address, bool write)
{
    uint64_t page = address & ~(uint64_t)(PAGE_SIZE - 1);
    bool is_static = page == (c->heap->main_arena & ~(uint64_t)(PAGE_SIZE - 1));
    if (c->dead)
        return NULL;
    uint8_t *bytes = is_static ? c->heap->static_page : process_touch(c->heaps->processes, c->process, page, write);
    libc_look_again(c); /* the fault may have reclaimed some page, or made a copy of this one */
    if (!bytes) {
        libc_no_page(c, address);
        return NULL;
    }
    if (write || is_static)
        c->pages[(page >> PAGE_SHIFT) % LIBC_PAGES] =
            (struct libc_page){ .known = page + c->epoch, .host = (uintptr_t)bytes - (uintptr_t)page };
    return bytes + address % PAGE_SIZE;
}

/* The host's place of a byte, which is faulted in if need be; NULL: the call is dead. */
static uint8_t *libc_bytes_at(struct libc *c, uint64_t address, bool write)
{
    uint8_t *bytes = libc_at_hand(c, address, 1);
    return bytes ? bytes : libc_fault(c, address, write);
}

static bool libc_is_in_page(uint64_t address, uint32_t nr_bytes)
{
    return address % PAGE_SIZE + nr_bytes <= PAGE_SIZE;
}

static void libc_copy_word(void *to, const void *from, uint32_t nr_bytes)
{
    if (nr_bytes == 8)
        memcpy(to, from, 8);
    else if (nr_bytes == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, nr_bytes);
}

/* Little-endian. A corrupted link may lead across the end of a page; such a word is read byte by byte. */
uint64_t libc_get_slow(struct libc *c, uint64_t address, uint32_t nr_bytes)
{
    uint64_t value = 0;
    for (uint32_t i = 0, step = libc_is_in_page(address, nr_bytes) ? nr_bytes : 1; i < nr_bytes; i += step) {
        const uint8_t *bytes = libc_bytes_at(c, (address + i) & c->rules->address_mask, false);
        if (!bytes)
            return 0;
        libc_copy_word((uint8_t *)&value + i, bytes, step);
    }
    return value;
}

void libc_put_slow(struct libc *c, uint64_t address, uint32_t nr_bytes, uint64_t value)
{
    for (uint32_t i = 0, step = libc_is_in_page(address, nr_bytes) ? nr_bytes : 1; i < nr_bytes; i += step) {
        uint8_t *bytes = libc_bytes_at(c, (address + i) & c->rules->address_mask, true);
        if (!bytes)
            return;
        libc_copy_word(bytes, (const uint8_t *)&value + i, step);
    }
}

static uint64_t libc_in_page(uint64_t address, uint64_t length)
{
    uint64_t room = PAGE_SIZE - address % PAGE_SIZE;
    return length < room ? length : room;
}

/* Fills a whole page. Its bytes may come to lie elsewhere in the host, where no memory is spent on them. */
static void libc_fill_page(struct libc *c, uint64_t address, uint8_t byte)
{
    struct processes *ps = c->heaps->processes;
    uint32_t pfn = process_resolve(ps, c->process, address, true);
    libc_look_again(c);
    if (!pfn) {
        libc_no_page(c, address);
        return;
    }
    frame_fill(ps->frames, (uint64_t)pfn << PAGE_SHIFT, byte, PAGE_SIZE);
    c->pages[(address >> PAGE_SHIFT) % LIBC_PAGES].known = 0;
    c->cache = NULL; /* in a broken heap it may have been there, or the arena */
    if (!arena_is_main(c))
        c->arena_at = NULL;
}

void libc_fill(struct libc *c, uint64_t address, uint8_t byte, uint64_t length)
{
    for (uint64_t n; length && !c->dead; address += n, length -= n) {
        n = libc_in_page(address, length);
        if (n == PAGE_SIZE) {
            libc_fill_page(c, address, byte);
            continue;
        }
        uint8_t *bytes = libc_bytes_at(c, address, true);
        if (bytes)
            memset(bytes, byte, n);
    }
}

/* Copies one piece, which lies in one page on either side. The fault at its target may reclaim its source. */
static void libc_copy_piece(struct libc *c, uint64_t to, uint64_t from, uint64_t length)
{
    uint8_t piece[PAGE_SIZE], *source = libc_at_hand(c, from, 1), *target = source ? libc_at_hand(c, to, 1) : NULL;
    if (target) {
        memmove(target, source, length);
        return;
    }
    uint32_t pfn = process_resolve(c->heaps->processes, c->process, from, false);
    libc_look_again(c);
    if (!pfn) {
        libc_no_page(c, from);
        return;
    }
    const uint8_t *bytes = frame_peek(c->heaps->processes->frames, pfn);
    if (!bytes) {
        libc_fill(c, to, 0, length);
        return;
    }
    memcpy(piece, bytes + from % PAGE_SIZE, length);
    target = libc_bytes_at(c, to, true);
    if (target)
        memcpy(target, piece, length);
}

void libc_copy(struct libc *c, uint64_t to, uint64_t from, uint64_t length)
{
    for (uint64_t n; length && !c->dead; to += n, from += n, length -= n) {
        n = libc_in_page(to, libc_in_page(from, length));
        libc_copy_piece(c, to, from, n);
    }
}
