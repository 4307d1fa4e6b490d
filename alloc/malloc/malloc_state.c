/* What a call into malloc works with: glibc's variables, which the first call makes, and the way to the bytes of the
 * process.
 *
 * Host pointers are kept for the pages that were written to last. Any fault may reclaim other pages, so all pointers are
 * dropped when the address space has lost a page. While a page is known, its page-table entry is present, writable,
 * accessed and dirty (process_owns_page): looking it up again, to read or to write, would change nothing. So what is known
 * here may be forgotten at any time. */
#include "alloc/malloc/malloc_call.h"

/* --- glibc's variables --- */

/* What the library's file has in its data, and what its first call sets. All else is 0. */
static void vars_init(struct libc *c, uint64_t tcache_key)
{
    const struct libc_rules *r = c->rules;
    var_put(c, r->at_trim_threshold, r->trim_threshold);
    var_put(c, r->at_top_pad, r->top_pad);
    var_put(c, r->at_mmap_threshold, r->mmap_threshold);
    var_put(c, r->at_arena_test, r->arenas_per_cpu);
    var_put_int(c, r->at_n_mmaps_max, (uint32_t)r->n_mmaps_max);
    var_put(c, r->at_tcache_bins, r->nr_tcache_bins);
    var_put(c, r->at_tcache_max_bytes, libc_tcache_max(r));
    var_put(c, r->at_tcache_count, r->tcache_count);
    var_put(c, r->at_narenas, 1);
    var_put(c, r->at_max_fast, r->max_fast);
    var_put(c, r->at_tcache_key, tcache_key);
}

/* The pages that the variables are on. The loader has written to them. */
bool heap_load_vars(struct heaps *heaps, struct process_ref process)
{
    const struct process *p = process_at(heaps->processes, process);
    const struct libc_rules *r = libc_rules_of_profile(heaps->profile);
    const uint64_t pages[] = { p->libc_data + r->at_trim_threshold, p->libc_data + r->at_main_arena,
                               p->libc_data + r->at_main_arena + r->arena_bytes - 1, p->libc_data + r->at_max_fast,
                               p->thread_data + r->at_tcache };
    bool done = true;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0] && done; i++)
        done = process_load_page(heaps->processes, process, pages[i]);
    return done;
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
    heap->data = process_at(heaps->processes, process)->libc_data;
    heap->main_arena = heap->data + rules->at_main_arena;
    heap->nr_cpus = heaps->nr_cpus;
    heap->threads[0].arena = heap->main_arena;
    heap->threads[0].tcache_at = process_at(heaps->processes, process)->thread_data + rules->at_tcache;
    process_at(heaps->processes, process)->heap = index;
    (void)heap_load_vars(heaps, process); /* if not, the first access says so */
    struct libc *c = libc_start(heaps, process);
    vars_init(c, heap_make_key(process, rules));
    arena_init(c);
    arena_put(c, rules->at_next, c->arena);
    arena_put(c, rules->at_attached, 1);
    libc_put(c, process_at(heaps->processes, process)->thread_data + rules->at_thread_arena, c->arena); /* nobody asks */
    return c->dead ? NULL : heap;
}

void heap_reach(struct heaps *heaps, struct process_ref process, uint64_t address, uint64_t length)
{
    const struct process *p = process_at(heaps->processes, process);
    uint64_t start = p->libc_data, end = start + (uint64_t)LIBC_DATA_PAGES * PAGE_SIZE;
    bool is_reached = !p->heap && address < end && address + length > start;
    if (is_reached && process_allowed_until(heaps->processes, process, start, end, true) == end)
        (void)heap_create(heaps, process);
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

/* Forgets the places that were taken from known pages. */
static void libc_forget_places(struct libc *c)
{
    c->cache = c->tcache_place = NULL;
    c->arena_at[0] = c->arena_at[1] = 0;
    memset(c->data, 0, sizeof c->data);
}

void libc_forget_pages(struct libc *c)
{
    if (c->epoch >= LIBC_LAST_EPOCH) { /* the numbers begin again */
        memset(c->pages, 0, sizeof c->pages);
        c->epoch = 0;
    }
    c->epoch += UINT64_C(1) << LIBC_EPOCH_SHIFT;
    c->generation = c->space->generation;
    libc_forget_places(c);
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
    if (c->dead)
        return NULL;
    uint8_t *bytes = process_touch(c->heaps->processes, c->process, page, write);
    libc_look_again(c); /* the fault may have reclaimed some page, or made a copy of this one */
    if (!bytes) {
        libc_no_page(c, address);
        return NULL;
    }
    if (write || process_owns_page(c->heaps->processes, c->process, page))
        c->pages[(page >> PAGE_SHIFT) % LIBC_PAGES] =
            (struct libc_page){ .known = page + c->epoch, .host = (uintptr_t)bytes - (uintptr_t)page };
    return bytes + address % PAGE_SIZE;
}

uint8_t *libc_own_page(struct libc *c, uint64_t page)
{
    if (!libc_at_hand(c, page, 1))
        (void)libc_fault(c, page, false);
    return libc_at_hand(c, page, 1);
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

uint64_t libc_get_other(struct libc *c, uint64_t address)
{
    return c->word_shift == 3 ? libc_get_slow(c, address, 8) : libc_get32(c, address);
}

void libc_put_other(struct libc *c, uint64_t address, uint64_t value)
{
    if (c->word_shift == 3)
        libc_put_slow(c, address, 8, value);
    else
        libc_put32(c, address, (uint32_t)value);
}

/* --- variables and arenas --- */

static void var_find_place(struct libc *c, uint32_t at)
{
    uint32_t page = at & ~(PAGE_SIZE - 1);
    const uint8_t *bytes = libc_own_page(c, c->heap->data + page);
    c->data[at >> PAGE_SHIFT] = bytes ? (uintptr_t)bytes - page : 0;
}

uint64_t var_get_slow(struct libc *c, uint32_t at)
{
    var_find_place(c, at);
    return libc_get(c, c->heap->data + at);
}

uint32_t var_get_int_slow(struct libc *c, uint32_t at)
{
    var_find_place(c, at);
    return libc_get32(c, c->heap->data + at);
}

void var_put(struct libc *c, uint32_t at, uint64_t value)
{
    c->cache = NULL;
    libc_put(c, c->heap->data + at, value);
}

void var_put_int(struct libc *c, uint32_t at, uint32_t value)
{
    libc_put32(c, c->heap->data + at, value);
}

uint64_t tcache_of_thread_slow(struct libc *c)
{
    uint64_t at = c->thread->tcache_at, page = at & ~(uint64_t)(PAGE_SIZE - 1);
    uint8_t *bytes = at ? libc_own_page(c, page) : NULL;
    c->tcache_place = bytes ? bytes + at % PAGE_SIZE : at ? NULL : (uint8_t *)&c->thread->tcache;
    return at ? libc_get(c, at) : c->thread->tcache;
}

/* The place of an arena's field is remembered for all others on its page. */
static void arena_find_place(struct libc *c, uint64_t offset)
{
    uint64_t at = (c->arena + offset) & c->rules->address_mask, in_page = at % PAGE_SIZE;
    if (c->arena % c->rules->word || offset >= c->rules->arena_bytes)
        return; /* a field may lie in two pages; or it is none of the fields */
    const uint8_t *bytes = libc_own_page(c, at - in_page);
    if (bytes)
        c->arena_at[offset >= c->arena_split] = (uintptr_t)bytes + in_page - offset;
}

uint64_t arena_get_slow(struct libc *c, uint64_t offset)
{
    arena_find_place(c, offset);
    return libc_get(c, c->arena + offset);
}

uint32_t arena_get32_slow(struct libc *c, uint32_t offset)
{
    arena_find_place(c, offset);
    return libc_get32(c, c->arena + offset);
}

void arena_put_slow(struct libc *c, uint64_t offset, uint64_t value)
{
    libc_put(c, c->arena + offset, value);
}

void arena_put32_slow(struct libc *c, uint32_t offset, uint32_t value)
{
    libc_put32(c, c->arena + offset, value);
}

/* --- many bytes --- */

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
    libc_forget_places(c); /* in a broken heap they may have been there */
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
