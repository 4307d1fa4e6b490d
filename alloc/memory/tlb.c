/* A look-up compares the ways of one set. To flush a few pages is to look into their sets. To flush more is to walk over
 * all entries. Linux flushes up to 33 pages one by one (tlb_single_page_flush_ceiling), and everything when there are more.
 *
 *      key  | page number | page shift, 8 bits | 4 bits unused | identifier, 3 bits | 1 |
 *      set  the lowest bits of the page number */
#include "alloc/memory/tlb.h"
#include "alloc/base/invariant.h"

#include <string.h>

#define KERNEL_ASID 7u

static uint64_t tlb_make_key(uint64_t address, uint32_t page_shift, uint32_t asid)
{
    uint64_t page = (address & UINT64_C(0xffffffffffff)) >> page_shift; /* 48 bits tell canonical addresses apart */
    return page << 16 | (uint64_t)page_shift << 8 | asid << 1 | 1;
}
static uint32_t tlb_key_asid(uint64_t key)
{
    return (uint32_t)key >> 1 & 7;
}
static uint32_t tlb_key_shift(uint64_t key)
{
    return (uint32_t)key >> 8 & 0xff;
}
static uint64_t tlb_key_address(uint64_t key)
{
    return (key >> 16) << tlb_key_shift(key);
}

bool tlb_key_is_valid(uint64_t key)
{
    return tlb_key_shift(key) >= PAGE_SHIFT && tlb_key_shift(key) < 48 &&
           (tlb_key_asid(key) == KERNEL_ASID || tlb_key_asid(key) < TLB_ASIDS_MAX);
}

static struct tlb_cpu *tlb_cpu_at(const struct tlb *tlb, uint32_t cpu)
{
    return pool_at(&tlb->cpus, cpu + 1);
}
static struct tlb_entry *tlb_entries_of(const struct tlb *tlb, uint32_t cpu)
{
    return pool_at(&tlb->entries, cpu * tlb->nr_entries + 1);
}
static struct tlb_entry *tlb_set_of(const struct tlb *tlb, uint32_t cpu, uint64_t key)
{
    uint32_t set = (uint32_t)(key >> 16) & (tlb->nr_entries / tlb->nr_ways - 1);
    return tlb_entries_of(tlb, cpu) + (size_t)set * tlb->nr_ways;
}
static bool tlb_has_identifiers(const struct tlb *tlb)
{
    return tlb->profile->tlb_asids > 1;
}

void tlb_shape(struct tlb *tlb, const struct machine_config *config)
{
    memset(tlb, 0, sizeof *tlb);
    tlb->nr_cpus = config->cpus;
    tlb->nr_entries = config->tlb_entries;
    tlb->nr_ways = config->tlb_ways;
    pool_shape(&tlb->entries, sizeof(struct tlb_entry), config->cpus * config->tlb_entries + 1);
    pool_shape(&tlb->cpus, sizeof(struct tlb_cpu), config->cpus + 1);
}

uint32_t tlb_pools(struct tlb *tlb, struct pool **pools)
{
    pools[0] = &tlb->entries;
    pools[1] = &tlb->cpus;
    return 2;
}

/* --- forgetting --- */

static void tlb_count_flush(struct tlb *tlb)
{
    tlb->nr_flushes++;
    tlb->trace->nr_tlb_flushes++;
}

static void tlb_drop_asid(struct tlb *tlb, uint32_t cpu, uint32_t asid)
{
    struct tlb_entry *entries = tlb_entries_of(tlb, cpu);
    for (uint32_t i = 0; i < tlb->nr_entries; i++)
        if (entries[i].key && tlb_key_asid(entries[i].key) == asid)
            memset(&entries[i], 0, sizeof entries[i]);
}

static void tlb_drop_all(struct tlb *tlb, uint32_t cpu)
{
    memset(tlb_entries_of(tlb, cpu), 0, tlb->nr_entries * sizeof(struct tlb_entry));
}

/* A CPU without identifiers reloads CR3, which forgets everything. */
static void tlb_drop_space(struct tlb *tlb, uint32_t cpu, uint32_t asid)
{
    if (tlb_has_identifiers(tlb))
        tlb_drop_asid(tlb, cpu, asid);
    else
        tlb_drop_all(tlb, cpu);
}

static void tlb_drop_key(struct tlb *tlb, uint32_t cpu, uint64_t key)
{
    struct tlb_entry *set = tlb_set_of(tlb, cpu, key);
    for (uint32_t i = 0; i < tlb->nr_ways; i++)
        if (set[i].key == key)
            memset(&set[i], 0, sizeof set[i]);
}

/* INVLPG forgets the page that holds the address, whatever its size. */
static void tlb_drop_page(struct tlb *tlb, uint32_t cpu, uint64_t address, uint32_t asid)
{
    tlb_drop_key(tlb, cpu, tlb_make_key(address, PAGE_SHIFT, asid));
    tlb_drop_key(tlb, cpu, tlb_make_key(address, PAGE_SHIFT + tlb->profile->pgtable_bits, asid));
}

static bool tlb_is_page_wise(const struct tlb *tlb, uint64_t nr_pages)
{
    return nr_pages <= tlb->profile->tlb_flush_ceiling;
}

/* The cost of this CPU's work. What the others do at the same time is in the cost of the interrupt. */
static void tlb_charge(struct tlb *tlb, bool page_wise, uint64_t nr_pages)
{
    trace_cost(tlb->trace, page_wise ? COST_INVLPG : COST_TLB_FLUSH, page_wise ? (uint32_t)nr_pages : 1);
}

static void tlb_note_flush(struct tlb *tlb, uint64_t address, uint64_t nr_pages)
{
    uint32_t count = nr_pages > UINT32_MAX ? UINT32_MAX : (uint32_t)nr_pages;
    TRACE_EVENT(tlb->trace, .kind = EV_TLB_FLUSH, .address = address, .count = count);
}

static void tlb_drop_range(struct tlb *tlb, uint32_t cpu, uint32_t asid, uint64_t address, uint64_t nr_pages)
{
    for (uint64_t i = 0; i < nr_pages; i++)
        tlb_drop_page(tlb, cpu, address + (i << PAGE_SHIFT), asid);
}

static void tlb_flush_user_on(struct tlb *tlb, uint32_t cpu, uint32_t generation, uint64_t address, uint64_t nr_pages)
{
    struct tlb_cpu *c = tlb_cpu_at(tlb, cpu);
    bool is_next = c->asids[c->asid].generation + 1 == generation; /* else it has missed earlier changes, too */
    if (is_next && tlb_is_page_wise(tlb, nr_pages))
        tlb_drop_range(tlb, cpu, c->asid, address, nr_pages);
    else
        tlb_drop_space(tlb, cpu, c->asid);
    c->asids[c->asid].generation = generation;
    tlb_count_flush(tlb);
}

void tlb_flush_user(struct tlb *tlb, uint32_t root, uint32_t generation, uint64_t address, uint64_t nr_pages)
{
    uint32_t nr_others = 0;
    for (uint32_t cpu = 0; cpu < tlb->nr_cpus; cpu++) {
        if (tlb_cpu_at(tlb, cpu)->root != root)
            continue;
        nr_others += cpu != tlb->trace->cpu;
        tlb_flush_user_on(tlb, cpu, generation, address, nr_pages);
    }
    tlb_note_flush(tlb, address, nr_pages);
    tlb_charge(tlb, tlb_is_page_wise(tlb, nr_pages), nr_pages);
    trace_cost(tlb->trace, COST_IPI, nr_others);
}

void tlb_flush_kernel(struct tlb *tlb, uint64_t address, uint64_t nr_pages)
{
    bool page_wise = tlb_has_identifiers(tlb) && tlb_is_page_wise(tlb, nr_pages); /* Linux 2.0: always flush_tlb_all() */
    for (uint32_t cpu = 0; cpu < tlb->nr_cpus; cpu++) {
        if (page_wise)
            tlb_drop_range(tlb, cpu, KERNEL_ASID, address, nr_pages);
        else
            tlb_drop_all(tlb, cpu);
        tlb_count_flush(tlb);
    }
    tlb_note_flush(tlb, address, nr_pages);
    tlb_charge(tlb, page_wise, nr_pages);
    trace_cost(tlb->trace, COST_IPI, tlb->nr_cpus - 1);
}

void tlb_forget(struct tlb *tlb, uint32_t root)
{
    for (uint32_t cpu = 0; cpu < tlb->nr_cpus; cpu++) {
        struct tlb_cpu *c = tlb_cpu_at(tlb, cpu);
        for (uint32_t asid = 0; asid < TLB_ASIDS_MAX; asid++) {
            if (c->asids[asid].root != root)
                continue;
            tlb_drop_space(tlb, cpu, asid);
            c->asids[asid].root = c->asids[asid].generation = 0;
        }
        c->root = c->root == root ? 0 : c->root;
    }
}

/* --- loading and looking up --- */

/* choose_new_asid(): the identifier that the space still has; else the next in turn, whose translations are forgotten. */
static uint32_t tlb_choose_asid(struct tlb *tlb, struct tlb_cpu *c, uint32_t root, uint32_t generation)
{
    INVARIANT(&tlb->entries, tlb->profile->tlb_asids > 0);
    for (uint32_t asid = 0; asid < tlb->profile->tlb_asids; asid++)
        if (c->asids[asid].root == root)
            return asid;
    uint32_t asid = c->next_asid;
    c->next_asid = (asid + 1) % tlb->profile->tlb_asids;
    if (c->asids[asid].root || !tlb_has_identifiers(tlb)) {
        tlb_drop_space(tlb, tlb->trace->cpu, asid);
        tlb_count_flush(tlb);
    }
    c->asids[asid].root = root;
    c->asids[asid].generation = generation;
    return asid;
}

void tlb_load(struct tlb *tlb, uint32_t root, uint32_t generation)
{
    struct tlb_cpu *c = tlb_cpu_at(tlb, tlb->trace->cpu);
    if (c->root != root) {
        if (c->root)
            trace_cost(tlb->trace, COST_SWITCH, 1);
        c->asid = tlb_choose_asid(tlb, c, root, generation);
        c->root = root;
    }
    if (c->asids[c->asid].generation == generation)
        return;
    tlb_drop_space(tlb, tlb->trace->cpu, c->asid);
    c->asids[c->asid].generation = generation;
    tlb_count_flush(tlb);
}

static struct tlb_entry *tlb_find_way(const struct tlb *tlb, struct tlb_entry *set, uint64_t key, uint32_t clock)
{
    struct tlb_entry *oldest = set;
    for (uint32_t i = 0; i < tlb->nr_ways; i++) {
        if (set[i].key == key)
            return &set[i];
        bool is_older = !set[i].key || clock - set[i].stamp > clock - oldest->stamp;
        if (oldest->key && is_older)
            oldest = &set[i];
    }
    return oldest;
}

void tlb_access(struct tlb *tlb, uint64_t address, bool is_user, struct tlb_page page)
{
    uint32_t cpu = tlb->trace->cpu;
    struct tlb_cpu *c = tlb_cpu_at(tlb, cpu);
    uint64_t key = tlb_make_key(address, page.shift, is_user ? c->asid : KERNEL_ASID);
    struct tlb_entry *entry = tlb_find_way(tlb, tlb_set_of(tlb, cpu, key), key, ++c->clock);
    if (entry->key == key) {
        tlb->nr_hits++;
        tlb->trace->nr_tlb_hits++;
    } else {
        tlb->nr_misses++;
        tlb->trace->nr_tlb_misses++;
        trace_cost(tlb->trace, COST_WALK_LEVEL, page.nr_levels);
    }
    *entry = (struct tlb_entry){ .key = key, .pfn = page.pfn, .stamp = c->clock };
}

bool tlb_next(const struct tlb *tlb, uint32_t cpu, uint64_t *cursor, struct tlb_translation *out)
{
    const struct tlb_entry *entries = tlb_entries_of(tlb, cpu);
    const struct tlb_cpu *c = tlb_cpu_at(tlb, cpu);
    while (*cursor < tlb->nr_entries && !entries[*cursor].key)
        ++*cursor;
    if (*cursor >= tlb->nr_entries)
        return false;
    const struct tlb_entry *entry = &entries[*cursor];
    uint32_t asid = tlb_key_asid(entry->key);
    *out = (struct tlb_translation){ .address = tlb_key_address(entry->key),
                                     .page_shift = tlb_key_shift(entry->key),
                                     .pfn = entry->pfn,
                                     .set = (uint32_t)(*cursor / tlb->nr_ways),
                                     .age = c->clock - entry->stamp };
    if (asid == KERNEL_ASID) {
        out->address |= tlb->profile->word_bits == 64 ? UINT64_C(0xffff) << 48 : 0;
    } else {
        out->root = c->asids[asid].root;
        out->generation = c->asids[asid].generation;
    }
    ++*cursor;
    return true;
}
