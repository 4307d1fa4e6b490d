/* Host memory for the worst case of an operation. It is reserved before the first change, so no operation stops half-way.
 * Small operations share a look at the pools: each look reserves for RESERVED_OPS of them. */
#include "alloc/machine/machine_internal.h"

#define RESERVED_OPS 8u
#define MARGIN_PAGES 64u /* pages of contents that any operation may need beyond its own size: tables, slabs */

static uint64_t call_pages_of(uint64_t bytes)
{
    return (bytes >> PAGE_SHIFT) + 2;
}

/* What M_PERTURB may fill: a new block; a block that is freed, or whatever free() takes for one; with malloc_trim() and at
 * a thread's end anything that is mapped. */
static uint64_t call_pages_perturbed(const struct call *call)
{
    const struct op *op = call->op;
    struct heap_block block;
    if (!call->process.index || !heap_is_perturbed(&call->s->heaps, call->process))
        return 0;
    bool takes_block = op->given & OP_BIT(SIZE);
    uint64_t pages = takes_block ? call_pages_of(call_product(op->n, op->size)) + call_pages_of(op->align) : 0;
    if (takes_block && !call->address)
        return pages;
    bool is_block = heap_find(&call->s->heaps, call->process, call->address, &block);
    return pages + (is_block ? call_pages_of(block.usable) : process_at(&call->s->processes, call->process)->vm.total);
}

/* Page tables for a range of so many pages, and for its ends. Each has 512 or 1024 entries. */
static uint64_t call_tables_of(uint64_t pages)
{
    return pages / 256;
}

/* Tables that a call makes which maps, moves or populates a range. */
static uint64_t call_tables_needed(const struct call *call)
{
    const struct op *op = call->op;
    if (op->kind == OP_SBRK)
        return call_tables_of(op->increment > 0 ? call_pages_of((uint64_t)op->increment) : 0);
    uint64_t brk = op->kind == OP_BRK ? process_at(&call->s->processes, call->process)->brk : UINT64_MAX;
    if (call->address > brk)
        return call_tables_of(call_pages_of(call->address - brk));
    return call_tables_of(call_pages_of(op->length) + call_pages_of(op->new_length));
}

/* A fill stores one page of bytes for all whole pages. But before, those of a process are faulted in: then a page that is
 * shared with another process, or stands in swap for both, is copied. What is copied is there already. */
static uint64_t call_pages_filled(const struct call *call)
{
    uint64_t pages = call_pages_of(call->op->length), live = pool_nr_live(&call->s->frames.contents);
    return (pages < live ? pages : live) + call_tables_of(pages) + 1;
}

/* Pages of contents that the operation may need. */
static uint64_t call_contents_needed(const struct call *call)
{
    const struct op *op = call->op;
    uint64_t pages = 0;
    if (op->given & OP_BIT(SIZE)) /* page tables and page arrays: 8 bytes a page; krealloc and realloc copy */
        pages = call_pages_of(op->size) / (op->kind == OP_KREALLOC || op->kind == OP_REALLOC ? 1 : 128);
    else if (op->kind == OP_WRITE && !(op->given & OP_BIT(HEX)))
        pages = call_pages_filled(call);
    else if (op->kind == OP_READ || op->kind == OP_WRITE)
        pages = call_pages_of(op->length > op->nr_data ? op->length : op->nr_data);
    pages += call_tables_needed(call) + call_pages_perturbed(call);
    pages += kmalloc_contents_needed(&call->s->kmalloc, call->cache, call->address);
    if (pages <= MARGIN_PAGES && op->kind != OP_FORK)
        return pages + MARGIN_PAGES;
    uint64_t nr = call->s->frames.nr + reclaim_nr_slots(&call->s->reclaim); /* bytes live in frames, or in swap */
    if (op->kind == OP_FORK)
        pages = pool_nr_live(&call->s->frames.contents);
    return (pages < nr ? pages : nr) + MARGIN_PAGES;
}

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
