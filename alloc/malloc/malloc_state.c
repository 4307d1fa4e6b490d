/* What a call into malloc works with: glibc's static state of a process, made at the first call, and the way to the bytes
 * of the process. Host pointers are kept for the pages that were written to last; any fault may reclaim others, so they are
 * dropped when the address space lost a page. While a page is known, its entry is present, writable, accessed and dirty, so
 * that looking it up again would change nothing: what is known here can be forgotten at any time. */
#include "alloc/malloc/malloc_internal.h"

#define KIB UINT64_C(1024)
#define MAIN_ARENA_OFFSET 0x640u /* in its page, so that struct malloc_state ends in the same one */
#define NR_FAST(word) ((word) == 8 ? 10u : 11u)
#define AT_FAST(word) (8u + (word))
#define AT_BINS(word) (AT_FAST(word) + (NR_FAST(word) + 2) * (word))
#define AT_BINMAP(word) (AT_BINS(word) + (NR_BINS - 1) * 2 * (word))
/* Offsets in the order of struct malloc_state: mutex, flags, have_fastchunks, fastbins, top, last_remainder, bins, binmap,
 * next, next_free, attached_threads, system_mem, max_system_mem. */
#define LAYOUT(w)                                                                                                          \
    .word = (w), .header = 2 * (w), .nr_fast = NR_FAST(w), .max_mxfast = 20 * (w), .at_fast = AT_FAST(w),                  \
    .at_top = AT_BINS(w) - 2 * (w), .at_last_remainder = AT_BINS(w) - (w), .at_bins = AT_BINS(w),                          \
    .at_binmap = AT_BINMAP(w), .at_next = AT_BINMAP(w) + 16, .at_next_free = AT_BINMAP(w) + 16 + (w),                      \
    .at_system_mem = AT_BINMAP(w) + 16 + 3 * (w), .at_max_system_mem = AT_BINMAP(w) + 16 + 4 * (w),                        \
    .arena_bytes = AT_BINMAP(w) + 16 + 5 * (w), .tcache_bytes = TCACHE_BINS_MAX * (2 + (w))

const struct malloc_sizes MALLOC_SIZES_32 = { LAYOUT(4),
                                              .word_shift = 2,
                                              .min_chunk = 16,
                                              .min_large = 1008,
                                              .fast_shift = 3,
                                              .heap_info_bytes = 24,
                                              .address_mask = UINT32_MAX,
                                              .ptrdiff_max = INT32_MAX,
                                              .mmap_threshold_max = 512 * KIB,
                                              .heap_max = 1024 * KIB,
                                              .arenas_per_cpu = 2 };
const struct malloc_sizes MALLOC_SIZES_64 = { LAYOUT(8),
                                              .word_shift = 3,
                                              .min_chunk = MALLOC_MIN_64,
                                              .min_large = 1024,
                                              .fast_shift = 4,
                                              .heap_info_bytes = 48,
                                              .address_mask = UINT64_MAX,
                                              .ptrdiff_max = INT64_MAX,
                                              .mmap_threshold_max = 32 * KIB * KIB,
                                              .heap_max = 64 * KIB * KIB,
                                              .arenas_per_cpu = 8 };
_Static_assert(AT_BINMAP(8) + 16 + 5 * 8 == 0x898, "size of struct malloc_state");
_Static_assert(MAIN_ARENA_OFFSET + 0x898 <= PAGE_SIZE, "main_arena lies in one page");

/* --- the static state --- */

static void par_init(struct malloc_par *par, const struct malloc_sizes *s)
{
    *par = (struct malloc_par){ .trim_threshold = 128 * KIB,
                                .top_pad = 128 * KIB,
                                .mmap_threshold = 128 * KIB,
                                .max_fast = 16 * s->word,
                                .n_mmaps_max = 65536,
                                .tcache_bins = TCACHE_BINS_MAX,
                                .tcache_count = 7,
                                .arena_test = s->arenas_per_cpu };
}

/* glibc draws the key at random; here every process has its own, the same in every run. */
static uint64_t make_key(uint32_t process, const struct malloc_sizes *s)
{
    uint64_t key = (process + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (key ^ key >> 31) & s->address_mask;
}

struct heap *heap_create(struct heaps *heaps, uint32_t process)
{
    const struct malloc_sizes *s = malloc_sizes_get(heaps->profile->word_bits);
    uint32_t index = pool_take(&heaps->heaps);
    if (!index)
        return NULL;
    struct heap *heap = heap_at(heaps, index);
    heap->process = process;
    heap->main_arena = heaps->profile->user_mmap_top + MAIN_ARENA_OFFSET;
    heap->tcache_key = make_key(process, s);
    heap->nr_arenas = 1;
    heap->nr_cpus = heaps->nr_cpus;
    heap->threads[0].arena = heap->main_arena;
    par_init(&heap->par, s);
    process_at(heaps->processes, process)->heap = index;
    struct libc *c = libc_start(heaps, process);
    arena_init(c);
    arena_put(c, s->at_next, c->arena);
    return heap;
}

/* --- calls --- */

void libc_turn_to(struct libc *c, struct heaps *heaps, uint32_t process)
{
    const struct process *p = process_at(heaps->processes, process);
    c->process = process;
    c->heaps = heaps;
    c->heap = heap_at(heaps, p->heap);
    c->space = reclaim_space_at(heaps->processes->reclaim, p->space);
    c->sizes = malloc_sizes_get(heaps->profile->word_bits);
    c->word_shift = c->sizes->word_shift;
    c->thread = NULL;
    libc_forget_pages(c);
}

void libc_forget_pages(struct libc *c)
{
    if (c->epoch >= LAST_EPOCH) { /* the numbers begin again */
        memset(c->pages, 0, sizeof c->pages);
        c->epoch = 0;
    }
    c->epoch += UINT64_C(1) << EPOCH_SHIFT;
    c->generation = c->space->generation;
    c->cache = NULL;
    if (!is_main_arena(c) || c->dead)
        c->arena_at = NULL;
}

void libc_die(struct libc *c, const char *text)
{
    if (!c->dead) {
        trace_step(c->heaps->trace, PATH_malloc_printerr);
        trace_bug(c->heaps->trace, text);
        trace_say(c->heaps->trace, ": SIGABRT");
    }
    c->dead = true;
    libc_forget_pages(c);
}

/* --- bytes --- */

/* An access that glibc itself makes, and that cannot be made. */
static void no_page(struct libc *c, uint64_t address)
{
    struct trace *trace = c->heaps->trace;
    bool is_mapped = process_is_mapped(c->heaps->processes, c->process, address);
    if (!c->dead) {
        trace_bug(trace, is_mapped ? "Out of memory: no frame for the page at " : "Segmentation fault at ");
        trace_say_hex(trace, address);
        trace_say(trace, is_mapped ? ": SIGKILL" : ": SIGSEGV");
    }
    c->dead = true;
    libc_forget_pages(c);
}

uint8_t *libc_fault(struct libc *c, uint64_t address, bool write)
{
    uint64_t page = address & ~(uint64_t)(PAGE_SIZE - 1);
    bool is_static = page == (c->heap->main_arena & ~(uint64_t)(PAGE_SIZE - 1));
    if (c->dead)
        return NULL;
    uint8_t *bytes = is_static ? c->heap->libc : process_touch(c->heaps->processes, c->process, page, write);
    libc_look_again(c); /* the fault may have reclaimed some page, or made a copy of this one */
    if (!bytes) {
        no_page(c, address);
        return NULL;
    }
    if (write || is_static)
        c->pages[(page >> PAGE_SHIFT) % LIBC_PAGES] =
            (struct libc_page){ .known = page + c->epoch, .host = (uintptr_t)bytes - (uintptr_t)page };
    return bytes + address % PAGE_SIZE;
}

/* The bytes of address at hand, faulted in if need be. */
static uint8_t *bytes_at(struct libc *c, uint64_t address, bool write)
{
    uint8_t *bytes = at_hand(c, address, 1);
    return bytes ? bytes : libc_fault(c, address, write);
}

static bool is_in_page(uint64_t address, uint32_t nr_bytes)
{
    return address % PAGE_SIZE + nr_bytes <= PAGE_SIZE;
}

static void copy_word(void *to, const void *from, uint32_t nr_bytes)
{
    if (nr_bytes == 8)
        memcpy(to, from, 8);
    else if (nr_bytes == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, nr_bytes);
}

/* Little-endian. A corrupted link may lead across the end of a page: then byte by byte. */
uint64_t libc_get_slow(struct libc *c, uint64_t address, uint32_t nr_bytes)
{
    uint64_t value = 0;
    for (uint32_t i = 0, step = is_in_page(address, nr_bytes) ? nr_bytes : 1; i < nr_bytes; i += step) {
        const uint8_t *bytes = bytes_at(c, (address + i) & c->sizes->address_mask, false);
        if (!bytes)
            return 0;
        copy_word((uint8_t *)&value + i, bytes, step);
    }
    return value;
}

void libc_put_slow(struct libc *c, uint64_t address, uint32_t nr_bytes, uint64_t value)
{
    for (uint32_t i = 0, step = is_in_page(address, nr_bytes) ? nr_bytes : 1; i < nr_bytes; i += step) {
        uint8_t *bytes = bytes_at(c, (address + i) & c->sizes->address_mask, true);
        if (!bytes)
            return;
        copy_word(bytes, (const uint8_t *)&value + i, step);
    }
}

static uint64_t in_page(uint64_t address, uint64_t length)
{
    uint64_t room = PAGE_SIZE - address % PAGE_SIZE;
    return length < room ? length : room;
}

/* A whole page is cleared by forgetting its contents: no host memory is spent on zeroes. */
static void clear_page(struct libc *c, uint64_t address)
{
    struct processes *ps = c->heaps->processes;
    uint32_t pfn = process_resolve(ps, c->process, address, true);
    libc_look_again(c);
    if (!pfn) {
        no_page(c, address);
        return;
    }
    frame_zero(ps->frames, pfn, 1);
    c->pages[(address >> PAGE_SHIFT) % LIBC_PAGES].known = 0;
    c->cache = NULL; /* in a broken heap it may have been there, or the arena */
    if (!is_main_arena(c))
        c->arena_at = NULL;
}

void libc_fill(struct libc *c, uint64_t address, uint8_t byte, uint64_t length)
{
    for (uint64_t n; length && !c->dead; address += n, length -= n) {
        n = in_page(address, length);
        if (n == PAGE_SIZE && !byte) {
            clear_page(c, address);
            continue;
        }
        uint8_t *bytes = bytes_at(c, address, true);
        if (bytes)
            memset(bytes, byte, n);
    }
}

/* One piece, inside one page on either side. The fault at its target may reclaim its source. */
static void copy_piece(struct libc *c, uint64_t to, uint64_t from, uint64_t length)
{
    uint8_t piece[PAGE_SIZE], *source = at_hand(c, from, 1), *target = source ? at_hand(c, to, 1) : NULL;
    if (target) {
        memmove(target, source, length);
        return;
    }
    uint32_t pfn = process_resolve(c->heaps->processes, c->process, from, false);
    libc_look_again(c);
    if (!pfn) {
        no_page(c, from);
        return;
    }
    const uint8_t *bytes = frame_peek(c->heaps->processes->frames, pfn);
    if (!bytes) {
        libc_fill(c, to, 0, length);
        return;
    }
    memcpy(piece, bytes + from % PAGE_SIZE, length);
    target = bytes_at(c, to, true);
    if (target)
        memcpy(target, piece, length);
}

void libc_copy(struct libc *c, uint64_t to, uint64_t from, uint64_t length)
{
    for (uint64_t n; length && !c->dead; to += n, from += n, length -= n) {
        n = in_page(to, in_page(from, length));
        copy_piece(c, to, from, n);
    }
}
