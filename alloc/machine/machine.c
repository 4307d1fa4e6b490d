/* A machine's life: its shape, its creation, its end. All of its memory is one range, which the host reserves:
 *
 *      | struct machine | frames | contents | pageblocks | ... | names | buckets |
 *        (state inside)   ^ pools of all floors, each with room to grow
 *
 * The state is struct machine_state and the used part of each pool. Pointers are wired anew in each copy, so to copy a
 * machine is to copy bytes (machine_image.c). */
#include "alloc/machine/machine_image.h"
#include "alloc/base/invariant.h"
#include "alloc/machine/machine_past.h"

#include <string.h>

#define BOOT_CONTENTS 256u /* pages of bytes that boot may write: tables, descriptors */

void machine_shape(struct machine_state *s, const struct profile *profile)
{
    const struct machine_config *config = &s->config;
    frames_shape(&s->frames, page_alloc_nr_frames(config, profile), (uint32_t)(config->swap >> PAGE_SHIFT),
                 profile->page_offset);
    page_alloc_shape(&s->pages, config, profile);
    reclaim_shape(&s->reclaim, config);
    tlb_shape(&s->tlb, config);
    kmalloc_shape(&s->kmalloc, config, profile);
    vmalloc_shape(&s->vmalloc, config, profile);
    processes_shape(&s->processes, config, profile);
    heaps_shape(&s->heaps, config, profile);
    names_shape(&s->names);
}

/* Sets every pointer of the state that is marked as wired: to the floors below, to the trace, to the profile.
 * m  the machine that the state is part of; NULL: the pointers become NULL. */
static void machine_wire(struct machine_state *s, struct machine *m)
{
    struct frames *frames = m ? &s->frames : NULL;
    struct reclaim *reclaim = m ? &s->reclaim : NULL;
    struct pgtable *pgtable = m ? &s->pgtable : NULL;
    struct trace *trace = m ? &m->trace : NULL;
    const struct profile *profile = m ? m->profile : NULL;
    s->pages.frames = s->reclaim.frames = s->pgtable.frames = frames;
    s->kmalloc.frames = s->vmalloc.frames = s->processes.frames = frames;
    s->pgtable.reclaim = s->kmalloc.reclaim = s->vmalloc.reclaim = s->processes.reclaim = reclaim;
    s->vmalloc.pgtable = s->processes.pgtable = pgtable;
    s->pages.trace = s->reclaim.trace = s->tlb.trace = s->pgtable.trace = s->kmalloc.trace = trace;
    s->vmalloc.trace = s->vmalloc.space.trace = s->processes.trace = s->heaps.trace = trace;
    s->pages.profile = s->reclaim.profile = s->tlb.profile = s->pgtable.profile = profile;
    s->kmalloc.profile = s->vmalloc.profile = s->processes.profile = s->heaps.profile = profile;
    s->reclaim.pages = m ? &s->pages : NULL;
    s->reclaim.world = m ? s : NULL;
    s->reclaim.task_of = m ? machine_task_of : NULL;
    s->reclaim.count_tables = m ? machine_count_tables : NULL;
    s->pgtable.tlb = m ? &s->tlb : NULL;
    s->kmalloc.pages = m ? &KMALLOC_PAGES : NULL;
    s->vmalloc.kmalloc = m ? &s->kmalloc : NULL;
    s->heaps.processes = m ? &s->processes : NULL;
    s->kmalloc.names = s->heaps.names = m ? &s->names : NULL;
    s->heaps.libc = m ? &m->libc : NULL;
}

uint32_t machine_list_pools(struct machine_state *s, struct pool **pools)
{
    uint32_t n = frames_pools(&s->frames, pools);
    n += page_alloc_pools(&s->pages, pools + n);
    n += reclaim_pools(&s->reclaim, pools + n);
    n += tlb_pools(&s->tlb, pools + n);
    n += kmalloc_pools(&s->kmalloc, pools + n);
    n += vmalloc_pools(&s->vmalloc, pools + n);
    n += processes_pools(&s->processes, pools + n);
    n += heaps_pools(&s->heaps, pools + n);
    pools[n++] = &s->names.pool;
    pools[n++] = &s->names.buckets;
    INVARIANT(pools[0], n <= POOLS_MAX);
    return n;
}

/* For reports. */
static const char *machine_pool_name(const struct machine_state *s, const struct pool *pool)
{
    const struct {
        const struct pool *pool;
        const char *name;
    } NAMES[] = {
        { &s->frames.contents, "page contents" }, { &s->reclaim.slots, "swap slots" },
        { &s->reclaim.spaces, "address spaces" }, { &s->kmalloc.caches, "slab caches" },
        { &s->kmalloc.slabs, "slabs" },           { &s->vmalloc.space.areas, "vmalloc areas" },
        { &s->vmalloc.space.extents, "extents" }, { &s->processes.pool, "processes" },
        { &s->processes.vmas, "mappings" },       { &s->heaps.heaps, "heaps" },
        { &s->heaps.notes, "heap blocks" },       { &s->names.pool, "names" },
        { &s->names.buckets, "name buckets" },
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (NAMES[i].pool == pool)
            return NAMES[i].name;
    bool is_track = pool >= s->kmalloc.tracks && pool < s->kmalloc.tracks + NR_TRACK_RUNS;
    return is_track ? "slab objects" : "a table";
}

static size_t machine_header_span(void)
{
    return (sizeof(struct machine) + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
}

/* A stray write may have hit the machine before it is destroyed. A number that does not fit would release somebody else's
 * memory. */
static uint64_t machine_seal(const struct machine *m)
{
    uint64_t seal = (uintptr_t)m ^ m->range_bytes * UINT64_C(0x9e3779b97f4a7c15);
    return (seal ^ seal >> 29 ^ (uintptr_t)m->host.context) * UINT64_C(0xbf58476d1ce4e5b9) ^ (uintptr_t)m->host.release;
}

enum pagoda_error machine_reserve(const struct machine_state *state, const struct pagoda_host *host, struct machine **out)
{
    struct machine_state shaped = *state;
    struct pool *pools[POOLS_MAX];
    uint32_t nr_pools = machine_list_pools(&shaped, pools);
    size_t bytes = machine_header_span();
    for (uint32_t i = 0; i < nr_pools; i++)
        bytes += pool_span(pools[i]);
    struct pagoda_host own = *host; /* of this range */
    struct machine *m = own.reserve(&own.context, bytes);
    *out = NULL;
    if (!m)
        return PAGODA_ERR_NOMEM;
    if (!own.commit(own.context, m, machine_header_span())) {
        own.release(own.context, m, bytes);
        return PAGODA_ERR_NOMEM;
    }
    memcpy(&m->state, &shaped, sizeof shaped);
    m->profile = profile_get((enum profile_id)shaped.config.profile);
    m->host = own;
    m->range_bytes = bytes;
    m->seal = machine_seal(m);
    m->nr_pools = machine_list_pools(&m->state, m->pools);
    uint8_t *at = (uint8_t *)m + machine_header_span();
    for (uint32_t i = 0; i < m->nr_pools; i++) {
        m->sources[i] = (struct pool_source){ .host = &m->host, .name = machine_pool_name(&m->state, m->pools[i]) };
        m->pools[i]->source = &m->sources[i];
        m->pools[i]->items = at;
        m->pools[i]->committed = 0;
        at += pool_span(m->pools[i]);
    }
    m->trace.recording = true;
    machine_wire(&m->state, m);
    trace_wire(&m->trace, m->state.config.cost_ns);
    *out = m;
    return PAGODA_OK;
}

/* Some pools are tables: they are used whole from the start. */
static enum pagoda_error machine_open_tables(struct machine *m)
{
    struct pool *tables[] = { &m->state.frames.pool, &m->state.pages.pageblocks, &m->state.pages.pcps,
                              &m->state.tlb.entries, &m->state.tlb.cpus };
    for (unsigned i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        enum pagoda_error err = pool_reserve(tables[i], &m->host, tables[i]->capacity);
        if (err)
            return err;
        tables[i]->nr_used = tables[i]->capacity;
    }
    return pool_reserve(&m->state.reclaim.slots, &m->host, m->state.reclaim.slots.capacity);
}

static enum pagoda_error machine_boot(struct machine *m)
{
    struct machine_state *s = &m->state;
    enum pagoda_error err = machine_open_tables(m);
    if (!err)
        err = pool_reserve(&s->frames.contents, &m->host, BOOT_CONTENTS);
    if (!err)
        err = kmalloc_reserve(&s->kmalloc, &m->host, 1);
    if (!err)
        err = vmalloc_reserve(&s->vmalloc, &m->host, 1);
    if (err)
        return err;
    trace_start(&m->trace, 0, 0);
    page_alloc_start(&s->pages, &s->config);
    pgtable_start(&s->pgtable);
    pgtable_map_memory(&s->pgtable, &s->pages);
    kmalloc_start(&s->kmalloc, &s->config);
    vmalloc_start(&s->vmalloc, &s->config);
    processes_start(&s->processes);
    trace_start(&m->trace, 0, 0);
    return PAGODA_OK;
}

enum pagoda_error machine_create(const struct machine_config *config, const struct pagoda_host *host, struct machine **out,
                                 struct problem *why)
{
    *out = NULL;
    struct machine_state state;
    memset(&state, 0, sizeof state);
    state.config = *config;
    enum pagoda_error err = machine_config_complete(&state.config, why);
    if (err)
        return err;
    machine_shape(&state, profile_get((enum profile_id)state.config.profile));
    struct machine *m;
    err = machine_reserve(&state, host, &m);
    if (err)
        return err;
    err = machine_boot(m);
    if (!err && state.config.machine != MACHINE_FRESH)
        err = machine_live_past(m);
    if (err)
        machine_destroy(m);
    else
        *out = m;
    return err;
}

void machine_destroy(struct machine *machine)
{
    if (!machine)
        return;
    struct pagoda_host host = machine->host;
    if (machine->seal == machine_seal(machine))
        host.release(host.context, machine, machine->range_bytes);
}

size_t machine_range_bytes(const struct machine *machine)
{
    return machine->range_bytes;
}

void machine_record_events(struct machine *machine, bool on)
{
    machine->trace.recording = on;
}

void machine_prefetch(const struct machine *machine, const struct op *op, enum machine_prefetch step)
{
    if (!(op->given & OP_BIT(ADDRESS)))
        return;
    kmalloc_prefetch(&machine->state.kmalloc, op->address, step);
    vmalloc_prefetch(&machine->state.vmalloc, op->address, step);
}

uint64_t machine_seq(const struct machine *machine)
{
    return machine->state.seq;
}
uint64_t machine_now_ns(const struct machine *machine)
{
    return machine->state.now_ns;
}
const struct machine_config *machine_config(const struct machine *machine)
{
    return &machine->state.config;
}
const struct profile *machine_profile(const struct machine *machine)
{
    return machine->profile;
}

uint64_t machine_host_bytes(const struct machine *machine)
{
    uint64_t bytes = machine_header_span();
    for (uint32_t i = 0; i < machine->nr_pools; i++)
        bytes += (uint64_t)machine->pools[i]->committed * machine->pools[i]->item_size;
    return bytes;
}

void machine_trim(struct machine *machine)
{
    machine->nr_reserved_ops = machine->nr_reserved_user = 0;
    for (uint32_t i = 0; i < machine->nr_pools; i++)
        pool_trim(machine->pools[i], &machine->host);
}

void machine_unwire(struct machine_state *s)
{
    struct pool *pools[POOLS_MAX];
    uint32_t n = machine_list_pools(s, pools);
    for (uint32_t i = 0; i < n; i++) {
        pools[i]->items = NULL;
        pools[i]->source = NULL;
        pools[i]->committed = 0;
    }
    machine_wire(s, NULL);
}

bool machine_check(const struct machine *machine, char *text, size_t capacity)
{
    const struct machine_state *s = &machine->state;
    return page_alloc_check(&s->pages, text, capacity) && reclaim_check(&s->reclaim, text, capacity) &&
           pgtable_check(&s->pgtable, s->pgtable.kernel_root, text, capacity) &&
           kmalloc_check(&s->kmalloc, text, capacity) && vmalloc_check(&s->vmalloc, text, capacity) &&
           processes_check(&s->processes, text, capacity) && heaps_check(&s->heaps, text, capacity) &&
           machine_check_tlbs(machine, text, capacity);
}
