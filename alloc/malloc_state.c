/* What a call into malloc works with: glibc's static state of a process, made at the first call, and the way to the bytes
 * of the process. Host pointers are kept for the few pages that a call touches; a fault may reclaim others, so they are
 * dropped when the address space lost a page. */
#include "alloc/malloc_internal.h"

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
                                              .min_chunk = 32,
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
    heap->nr_arenas = heap->nr_cpus = 1;
    heap->threads[0].arena = heap->main_arena;
    par_init(&heap->par, s);
    process_at(heaps->processes, process)->heap = index;
    struct libc c;
    libc_start(&c, heaps, index);
    libc_forget_pages(&c);
    arena_init(&c);
    put(&c, c.arena + s->at_next, c.arena);
    return heap;
}

/* --- calls --- */

void libc_forget_pages(struct libc *c)
{
    if (c->heap->epoch >= LAST_EPOCH) { /* the numbers begin again */
        memset(c->heap->pages, 0, sizeof c->heap->pages);
        c->heap->epoch = 0;
    }
    c->epoch = c->heap->epoch += UINT64_C(1) << EPOCH_SHIFT;
    c->heap->seen_generation = libc_generation(c);
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
    uint64_t vpn = address >> PAGE_SHIFT;
    bool is_static = vpn == c->heap->main_arena >> PAGE_SHIFT;
    if (c->dead)
        return NULL;
    uint8_t *bytes = c->heap->libc;
    if (!is_static)
        bytes = process_touch(c->heaps->processes, c->process, vpn << PAGE_SHIFT, write);
    if (libc_generation(c) != c->heap->seen_generation)
        libc_forget_pages(c); /* the fault reclaimed some page, or made a copy of this one */
    if (!bytes) {
        no_page(c, address);
        return NULL;
    }
    uint64_t page = vpn << PAGE_SHIFT;
    c->pages[vpn % HEAP_PAGES] = (struct heap_page){ .read = page + c->epoch,
                                                     .write = write || is_static ? page + c->epoch : 0,
                                                     .host = (uintptr_t)bytes - c->host - (uintptr_t)page };
    return bytes + address % PAGE_SIZE;
}

/* The bytes of address at hand, faulted in if need be. */
static uint8_t *bytes_at(struct libc *c, uint64_t address, bool write)
{
    uint8_t *bytes = at_hand(c, address, 1, write);
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
    uint32_t pfn = process_fault(ps, c->process, address, true);
    if (pfn)
        frame_zero(ps->frames, pfn, 1);
    else
        no_page(c, address);
    libc_forget_pages(c);
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

/* One piece, inside one page on either side. */
static void copy_piece(struct libc *c, uint64_t to, uint64_t from, uint64_t length)
{
    struct processes *ps = c->heaps->processes;
    uint8_t piece[PAGE_SIZE];
    uint32_t pfn = process_fault(ps, c->process, from, false);
    if (libc_generation(c) != c->heap->seen_generation)
        libc_forget_pages(c);
    if (!pfn) {
        no_page(c, from);
        return;
    }
    const uint8_t *source = frame_peek(ps->frames, pfn);
    if (!source) {
        libc_fill(c, to, 0, length);
        return;
    }
    memcpy(piece, source + from % PAGE_SIZE, length); /* the fault below may reclaim the source */
    uint8_t *bytes = bytes_at(c, to, true);
    if (bytes)
        memcpy(bytes, piece, length);
}

void libc_copy(struct libc *c, uint64_t to, uint64_t from, uint64_t length)
{
    for (uint64_t n; length && !c->dead; to += n, from += n, length -= n) {
        n = in_page(to, in_page(from, length));
        copy_piece(c, to, from, n);
    }
}
