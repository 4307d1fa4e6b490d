/* A process without the floors below. One stretch of host memory stands for the address space; the break and the mappings
 * are numbers. Above the floor of the mappings lies the C library's data. Mappings go where the kernel that made the
 * recordings put them (6.18, not 6.1): at the upper end of the gap nearest below the floor. With 64 bits, a length of whole
 * huge pages starts on a huge page. The functions have the names of alloc/process/process.h, so they are linked with malloc
 * alone, into one relocatable object that hides them. */
#include "tests/truth/truth_world.h"

#include <string.h>
#include <sys/mman.h>

#define GIB (UINT64_C(1) << 30)
#define HUGE_PAGE (UINT64_C(2) << 20)
#define MAPS_MAX 200000
#define LIBRARY_BYTES (UINT64_C(16) * PAGE_SIZE) /* its data and the main thread's */
#define RESIDENT_PAGES (UINT64_C(1) << 30)       /* all of it may be */

static struct processes processes;
static struct process process_items[2];
static struct reclaim reclaim;
static struct reclaim_space space_items[2];
static struct frames frames;
static struct trace trace;
static struct names names;
static struct profile profile;

static uint8_t *host; /* of address base */
static uint64_t base, span, heap_limit;
static struct map {
    uint64_t start, end;
} maps[MAPS_MAX]; /* highest first */
static uint32_t nr_maps;

static bool reserve(uint64_t bytes)
{
    if (host && bytes != span) {
        munmap(host, span);
        host = NULL;
    }
    void *at = mmap(host, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (host ? MAP_FIXED : 0), -1, 0);
    if (at == MAP_FAILED)
        return false;
    host = at;
    span = bytes;
    return true;
}

bool truth_world_start(struct truth_world *world, uint32_t word_bits)
{
    base = word_bits == 32 ? 0x08000000 : UINT64_C(256) * GIB;
    heap_limit = base + (word_bits == 32 ? GIB : 32 * GIB);
    uint64_t floor = word_bits == 32 ? 3 * GIB : base + 128 * GIB;
    if (!reserve(floor - base + LIBRARY_BYTES))
        return false;
    profile = (struct profile){ .word_bits = word_bits, .user_mmap_top = floor };
    process_items[1] = (struct process){ .pid = 1, .space = { 1 }, .heap_start = base, .brk = base, .mmap_top = floor };
    process_items[1].libc_data = floor;
    process_items[1].thread_data = floor + LIBRARY_BYTES - PAGE_SIZE;
    process_items[1].vm.total = space_items[1].rss_pages = RESIDENT_PAGES;
    reclaim.spaces = (struct pool){ .items = (uint8_t *)space_items, .item_size = sizeof space_items[0], .nr_used = 2 };
    processes = (struct processes){ .reclaim = &reclaim, .frames = &frames, .trace = &trace, .profile = &profile };
    processes.pool = (struct pool){ .items = (uint8_t *)process_items, .item_size = sizeof process_items[0], .nr_used = 2 };
    nr_maps = 0;
    trace_start(&trace, 1, 0);
    *world = (struct truth_world){ &processes, { 1 }, &trace, &profile, &names, base, floor };
    return true;
}

/* --- the address space --- */

/* The first mapping, from above, that starts at or below address. */
static uint32_t map_below(uint64_t address)
{
    uint32_t low = 0, high = nr_maps;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (maps[middle].start <= address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool process_is_mapped(const struct processes *ps, struct process_ref process, uint64_t address)
{
    uint64_t brk = process_at(ps, process)->brk, floor = process_at(ps, process)->mmap_top;
    if (address >= floor && address < floor + LIBRARY_BYTES)
        return true;
    if (address >= base && address < ((brk + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1)))
        return true;
    uint32_t i = map_below(address);
    return i < nr_maps && address < maps[i].end;
}

uint64_t process_sbrk(struct processes *ps, struct process_ref process, int64_t increment)
{
    struct process *p = process_at(ps, process);
    uint64_t old = p->brk, brk = old + (uint64_t)increment;
    if (brk < base || brk > heap_limit || (increment > 0 && brk < old))
        return UINT64_MAX;
    space_items[1].generation += increment < 0;
    p->brk = brk;
    return old;
}

static void insert_map(uint64_t start, uint64_t end)
{
    uint32_t at = map_below(start);
    memmove(&maps[at + 1], &maps[at], (nr_maps - at) * sizeof maps[0]);
    maps[at] = (struct map){ start, end };
    nr_maps++;
}

static uint64_t find_gap(uint64_t floor, uint64_t length)
{
    bool is_huge = profile.word_bits == 64 && length % HUGE_PAGE == 0;
    uint64_t need = is_huge ? length + HUGE_PAGE : length, end = floor;
    for (uint32_t i = 0; i <= nr_maps; i++) {
        uint64_t start = i < nr_maps ? maps[i].end : heap_limit;
        if (end - start >= need)
            return is_huge ? (end - length) & ~(HUGE_PAGE - 1) : end - length;
        if (i < nr_maps)
            end = maps[i].start;
    }
    return 0;
}

uint64_t process_mmap(struct processes *ps, struct process_ref process, uint64_t length, uint32_t flags,
                      struct name_ref name)
{
    (void)flags;
    (void)name;
    uint64_t start = length > span || nr_maps == MAPS_MAX ? 0 : find_gap(process_at(ps, process)->mmap_top, length);
    if (start)
        insert_map(start, start + length);
    return start;
}

uint64_t process_mmap_near(struct processes *ps, struct process_ref process, uint64_t address, uint64_t length,
                           uint32_t flags)
{
    uint32_t at = map_below(address + length - 1);
    bool is_taken = at < nr_maps && maps[at].end > address;
    if (is_taken || address + length > process_at(ps, process)->mmap_top)
        return process_mmap(ps, process, length, flags, NAME_NONE);
    insert_map(address, address + length);
    return address;
}

bool process_munmap(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length)
{
    (void)ps;
    (void)process;
    uint32_t at = map_below(start);
    if (at == nr_maps || maps[at].end < start + length)
        return false;
    struct map map = maps[at];
    memmove(&maps[at], &maps[at + 1], (nr_maps - at - 1) * sizeof maps[0]);
    nr_maps--;
    if (map.start < start)
        insert_map(map.start, start);
    if (map.end > start + length)
        insert_map(start + length, map.end);
    space_items[1].generation++;
    return madvise(host + (start - base), length, MADV_DONTNEED) == 0;
}

uint64_t process_mremap(struct processes *ps, struct process_ref process, uint64_t start, uint64_t old_length,
                        uint64_t new_length)
{
    uint32_t at = map_below(start);
    if (at == nr_maps || maps[at].start != start || maps[at].end != start + old_length)
        return 0;
    uint64_t above = at ? maps[at - 1].start : process_at(ps, process)->mmap_top;
    space_items[1].generation++;
    if (start + new_length <= above) {
        maps[at].end = start + new_length;
        return start;
    }
    uint64_t to = process_mmap(ps, process, new_length, 0, NAME_NONE);
    if (!to)
        return 0;
    uint8_t *from_host = host + (start - base);
    (void)mremap(from_host, old_length, old_length, MREMAP_MAYMOVE | MREMAP_FIXED, host + (to - base));
    (void)mmap(from_host, old_length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
               0);
    process_munmap(ps, process, start, old_length);
    return to;
}

bool process_mprotect(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length, uint32_t access)
{
    (void)length;
    (void)access; /* all of it may be accessed always */
    return process_is_mapped(ps, process, start);
}

bool process_advise(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length, enum advice advice)
{
    (void)ps;
    (void)process;
    (void)advice;
    return madvise(host + (start - base), length, MADV_DONTNEED) == 0;
}

/* --- bytes --- */

uint8_t *process_touch(struct processes *ps, struct process_ref process, uint64_t address, bool write)
{
    (void)write;
    return process_is_mapped(ps, process, address) ? host + (address - base) : NULL;
}

uint32_t process_resolve(struct processes *ps, struct process_ref process, uint64_t address, bool write)
{
    (void)write;
    return process_is_mapped(ps, process, address) ? (uint32_t)((address - base) >> PAGE_SHIFT) + 1 : 0;
}

uint64_t process_allowed_until(struct processes *ps, struct process_ref process, uint64_t address, uint64_t end, bool write)
{
    (void)write;
    return process_is_mapped(ps, process, address) ? end : address;
}

bool process_load_page(struct processes *ps, struct process_ref process, uint64_t address)
{
    return process_is_mapped(ps, process, address);
}

bool process_owns_page(const struct processes *ps, struct process_ref process, uint64_t address)
{
    return process_is_mapped(ps, process, address);
}

size_t process_peek(const struct processes *ps, struct process_ref process, uint64_t address, void *out, size_t length)
{
    if (!process_is_mapped(ps, process, address) || !process_is_mapped(ps, process, address + length - 1))
        return 0;
    memcpy(out, host + (address - base), length);
    return length;
}

bool process_peek_in_swap(const struct processes *ps, struct process_ref process, uint64_t address, void *out,
                          size_t length)
{
    return process_peek(ps, process, address, out, length) == length;
}

const uint8_t *frame_peek(const struct frames *f, uint32_t pfn)
{
    (void)f;
    return host + ((uint64_t)(pfn - 1) << PAGE_SHIFT);
}

void frame_fill(struct frames *f, uint64_t physical, uint8_t byte, size_t length)
{
    (void)f;
    memset(host + physical - PAGE_SIZE, byte, length);
}
