/* Host memory for the worst case of an operation. It is reserved before the first change, so no operation stops half-way.
 * Small operations share a look at the pools: each look reserves for RESERVED_OPS of them. */
#include "alloc/machine/machine_internal.h"
#include "alloc/malloc/malloc_heap.h"

#ifdef PAGODA_CHECKED
#define RESERVED_OPS 1u /* each operation by itself, so that what it takes can be compared with what it reserved */
#else
#define RESERVED_OPS 8u
#endif
/* Pages of contents that any operation may need beside what the table below says: tables on the way to a few addresses, new
 * slabs of its calls, the places around a chunk. */
#define MARGIN_PAGES 64u

/* --- what each operation may write to --- */

enum reach {
    MAPS_SIZE = 1,   /* page tables and the page array of n * size bytes: 8 bytes a page each */
    MOVES_SIZE = 2,  /* copies or moves as much as it finds at the address, n * size bytes at most */
    FILLS_SIZE = 4,  /* n * size bytes, with M_PERTURB */
    FILLS_BLOCK = 8, /* the block at the address, with M_PERTURB */
    FILLS_ALL = 16,  /* any free chunk of the process, with M_PERTURB */
    RANGE = 32,      /* pages and page tables of length bytes at the address: new, or copied after a fork, or from swap */
    NEW_RANGE = 64,  /* page tables of new_length bytes */
    TABLES = 128,    /* as many page tables as the process has */
};

#define ALLOCATES (MAPS_SIZE | FILLS_SIZE)
static const uint8_t REACH[NR_OPS] = {
    [OP_KREALLOC] = MOVES_SIZE,
    [OP_VMALLOC] = MAPS_SIZE,
    [OP_VZALLOC] = MAPS_SIZE,
    [OP_VMALLOC_HUGE] = MAPS_SIZE,
    [OP_KVMALLOC] = MAPS_SIZE,
    [OP_MALLOC] = ALLOCATES,
    [OP_CALLOC] = ALLOCATES,
    [OP_ALIGNED_ALLOC] = ALLOCATES,
    [OP_MEMALIGN] = ALLOCATES,
    [OP_POSIX_MEMALIGN] = ALLOCATES,
    [OP_VALLOC] = ALLOCATES,
    [OP_PVALLOC] = ALLOCATES,
    [OP_REALLOC] = ALLOCATES | MOVES_SIZE | FILLS_BLOCK,
    [OP_FREE] = FILLS_BLOCK,
    [OP_MALLOC_TRIM] = FILLS_ALL,
    [OP_THREAD_EXIT] = FILLS_ALL,
    [OP_READ] = RANGE,
    [OP_WRITE] = RANGE,
    [OP_MLOCK] = RANGE,
    [OP_MPROTECT] = RANGE,
    [OP_MADVISE] = RANGE,
    [OP_MREMAP] = RANGE | NEW_RANGE,
    [OP_FORK] = TABLES,
};

static uint64_t call_pages_of(uint64_t bytes)
{
    return (bytes >> PAGE_SHIFT) + 2;
}

/* Page tables for so many neighbouring pages, and what a page array takes for them. A table has 512 or 1024 entries. The
 * tables at the ends of the range are in the margin. */
static uint64_t call_tables_of(uint64_t pages)
{
    return pages / 256;
}

/* Pages that the process has mapped. */
static uint64_t call_pages_mapped(const struct call *call)
{
    return call->process.index ? process_at(&call->s->processes, call->process)->vm.total : 0;
}

/* Pages of the block at the address; of what is no block, or is broken: whatever its bytes say, as far as it is mapped. */
static uint64_t call_pages_of_block(const struct call *call)
{
    struct heap_block block;
    bool is_block = call->process.index && heap_find(&call->s->heaps, call->process, call->address, &block);
    return is_block ? call_pages_of(block.usable) : call_pages_mapped(call);
}

static uint64_t call_pages_of_size(const struct call *call)
{
    const struct op *op = call->op;
    uint64_t align = op->given & OP_BIT(ALIGN) ? call_pages_of(op->align) : 0;
    return call_pages_of(call_product(op->n, op->size)) + align;
}

/* Of the process's range, what can be there: a mapping, or a stack that grows. */
static uint64_t call_pages_of_range(const struct call *call)
{
    const struct op *op = call->op;
    uint64_t pages = call_pages_of(op->length > op->nr_data ? op->length : op->nr_data);
    if (!call->process.index)
        return pages;
    const struct process *p = process_at(&call->s->processes, call->process);
    uint64_t most = p->vm.total + call_pages_of(p->limits[RESOURCE_STACK]);
    return pages < most ? pages : most;
}

/* What M_PERTURB has it fill. */
static uint64_t call_pages_perturbed(const struct call *call)
{
    uint32_t reach = REACH[call->op->kind];
    if (!call->process.index || !heap_is_perturbed(&call->s->heaps, call->process))
        return 0;
    return (reach & FILLS_SIZE ? call_pages_of_size(call) : 0) + (reach & FILLS_BLOCK ? call_pages_of_block(call) : 0) +
           (reach & FILLS_ALL ? call_pages_mapped(call) : 0);
}

/* What it copies or moves: no more than there is, no more than is asked for. A mapping that moves makes its shared pages
 * its own, whatever its new size. */
static uint64_t call_pages_moved(const struct call *call)
{
    if (call->op->kind == OP_REALLOC)
        return call->address ? call_pages_of_block(call) + call_tables_of(call_pages_of_block(call)) : 0;
    return call_pages_of_size(call);
}

static bool call_is_fill(const struct call *call)
{
    return call->op->kind == OP_WRITE && !(call->op->given & OP_BIT(HEX));
}

/* A fill stores one page of bytes for all whole pages. But before, those of a process are faulted in: then a page that is
 * shared with another process, or stands in swap for both, is copied. What is copied is there already. */
static uint64_t call_pages_filled(const struct call *call)
{
    uint64_t pages = call_pages_of_range(call), live = pool_nr_live(&call->s->frames.contents);
    return (pages < live ? pages : live) + call_tables_of(pages) + 1;
}

/* Pages of contents that the operation may need. */
static uint64_t call_contents_needed(const struct call *call)
{
    uint32_t reach = REACH[call->op->kind];
    uint64_t pages = kmalloc_contents_needed(&call->s->kmalloc, call->cache, call->address);
    if (reach & MAPS_SIZE)
        pages += call_tables_of(call_pages_of_size(call));
    if (reach & MOVES_SIZE)
        pages += call_pages_moved(call);
    if (reach & RANGE)
        pages += call_is_fill(call) ? call_pages_filled(call)
                                    : call_pages_of_range(call) + call_tables_of(call_pages_of_range(call));
    if (reach & NEW_RANGE)
        pages += call_tables_of(call_pages_of(call->op->new_length));
    if (reach & TABLES) /* each table that it has holds something */
        pages += pool_nr_live(&call->s->frames.contents);
    if (reach & (FILLS_SIZE | FILLS_BLOCK | FILLS_ALL))
        pages += call_pages_perturbed(call);
    uint64_t most = call->s->frames.contents.capacity; /* bytes live in frames, or in swap */
    return (pages < most ? pages : most) + MARGIN_PAGES;
}

/* --- what is reserved --- */

/* What every operation may need, for so many of them. */
static enum pagoda_error machine_reserve_common(struct machine *m, uint64_t contents, uint32_t nr_operations)
{
    struct machine_state *s = &m->state;
    enum pagoda_error err = pool_reserve(&s->frames.contents, &m->host, contents);
    if (!err)
        err = names_reserve(&s->names, &m->host, 2 * nr_operations);
    if (!err)
        err = kmalloc_reserve(&s->kmalloc, &m->host, nr_operations);
    return err ? err : vmalloc_reserve(&s->vmalloc, &m->host, nr_operations);
}

/* What every operation of a process may need. */
static enum pagoda_error machine_reserve_user(struct machine *m, uint32_t nr_operations)
{
    struct machine_state *s = &m->state;
    enum pagoda_error err = processes_reserve(&s->processes, &m->host, nr_operations);
    return err ? err : heaps_reserve(&s->heaps, &m->host, nr_operations);
}

static enum pagoda_error call_reserve_fork(const struct call *call)
{
    struct machine_state *s = call->s;
    const struct pagoda_host *host = &call->m->host;
    enum pagoda_error err = heaps_reserve_fork(&s->heaps, host, call->process);
    return err ? err : processes_reserve_fork(&s->processes, host, call->process);
}

static bool call_is_user(const struct call *call)
{
    return call->process.index || call->op->kind == OP_SPAWN;
}

/* A large operation also uses what was reserved for small ones, so that is reserved anew afterwards. */
static enum pagoda_error call_reserve_large(const struct call *call, uint64_t contents)
{
    call->m->nr_reserved_ops = call->m->nr_reserved_user = 0;
    enum pagoda_error err = machine_reserve_common(call->m, contents, 1);
    if (!err && call_is_user(call))
        err = machine_reserve_user(call->m, 1);
    return err || call->op->kind != OP_FORK ? err : call_reserve_fork(call);
}

/* Uses one of the operations that were reserved for. When none is left, it reserves for RESERVED_OPS. */
static enum pagoda_error machine_reserve_small(struct machine *m)
{
    if (m->nr_reserved_ops) {
        m->nr_reserved_ops--;
        return PAGODA_OK;
    }
    enum pagoda_error err = machine_reserve_common(m, RESERVED_OPS * 2 * MARGIN_PAGES, RESERVED_OPS);
    m->nr_reserved_ops = err ? 0 : RESERVED_OPS - 1;
    return err;
}

static enum pagoda_error machine_reserve_small_user(struct machine *m)
{
    if (m->nr_reserved_user) {
        m->nr_reserved_user--;
        return heaps_reserve_each(&m->state.heaps, &m->host);
    }
    enum pagoda_error err = machine_reserve_user(m, RESERVED_OPS);
    m->nr_reserved_user = err ? 0 : RESERVED_OPS - 1;
    return err;
}

enum pagoda_error call_reserve(const struct call *call)
{
    uint64_t contents = call_contents_needed(call);
    if (contents > 2 * MARGIN_PAGES || call->op->kind == OP_FORK)
        return call_reserve_large(call, contents);
    enum pagoda_error err = machine_reserve_small(call->m);
    return err || !call_is_user(call) ? err : machine_reserve_small_user(call->m);
}

/* --- counting --- */

#ifdef PAGODA_CHECKED
/* All but those that are whole from the start. */
static bool machine_pool_is_counted(const struct machine *m, const struct pool *pool)
{
    return pool != &m->state.reclaim.slots && pool->nr_used < pool->capacity;
}

void machine_count_begin(const struct machine *m, const char *operation)
{
    for (uint32_t i = 0; i < m->nr_pools; i++)
        if (machine_pool_is_counted(m, m->pools[i]))
            pool_count_begin(m->pools[i], operation);
}

void machine_count_end(const struct machine *m)
{
    for (uint32_t i = 0; i < m->nr_pools; i++)
        pool_count_end(m->pools[i]);
}
#endif
