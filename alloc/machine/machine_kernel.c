/* Operations on kernel memory: kmalloc and its relatives, slab caches, kvmalloc. Each asks whether the call is allowed, has
 * its floor do it, and fills the result in. */
#include "alloc/machine/machine_internal.h"

#include <string.h>

/* The frame whose bytes kfree() would read at the call's address. Linux 6.1 computes it, as if every address were one of
 * the direct map. Linux 2.0 reads what is mapped there. UINT32_MAX: it finds none. */
static uint32_t call_frame_seen(const struct call *call)
{
    struct translation where;
    uint32_t pfn = frame_of_address(&call->s->frames, call->address);
    if (pfn != UINT32_MAX || call->m->profile->places)
        return pfn;
    return machine_translate(call->m, call->address, 0, &where) && where.present ? where.pfn : UINT32_MAX;
}

/* A function was given another allocator's memory: a bug, which names the right function. True: the operation is over. */
static bool call_refuse_foreign(struct call *call, const char *function)
{
    const char *kind = NULL, *right = NULL;
    uint64_t address = call->address;
    struct vmalloc_block area;
    uint32_t pfn = frame_of_address(&call->s->frames, address);
    if (address && vmalloc_find(&call->s->vmalloc, address, &area)) {
        kind = "vmalloc";
        right = "vfree";
    } else if (address >= PAGE_SIZE && address < call->m->profile->user_end) {
        kind = "user-space";
        right = "free";
    } else if (pfn != UINT32_MAX && machine_is_page_block(call->s, frame_head(&call->s->frames, pfn))) {
        kind = "alloc_pages";
        right = "free_pages";
    } else if (vmalloc_owns_kmalloc(&call->s->vmalloc, address)) {
        kind = "vmalloc's own (an area's page pointers)";
        right = "vfree of the area";
    }
    if (!kind || strcmp(right, function) == 0)
        return false;
    call->result->address = address;
    kmalloc_say_reaction(&call->s->kmalloc, address, call_frame_seen(call));
    trace_print(&call->m->trace, "%s(0x%jx): this is %s memory; it is released by %s", function, address, kind, right);
    return true;
}

/* --- kernel memory --- */

/* What the caller asks kmalloc for; name and call_site are those of the operation. */
static struct kmalloc_request call_kmalloc_request(const struct call *call, uint64_t size, uint32_t gfp)
{
    return (struct kmalloc_request){
        .size = size,
        .gfp = gfp,
        .name = call_recorded_name(call),
        .call_site = call->call_site,
    };
}

static void call_took_block(struct call *call, const struct kmalloc_block *block, uint64_t requested)
{
    uint64_t usable = kmalloc_block_usable(&call->s->kmalloc, block);
    call_took(call, (struct taken){ .address = block->address, .requested = requested, .allocated = usable });
    call->result->cache = kmem_cache_name(&call->s->kmalloc, block->cache);
}

static void call_kmalloc(struct call *call, uint64_t size, uint32_t gfp)
{
    if (call_refuse_sleep(call, &gfp, AT_MIGHT_ALLOC, "kmalloc"))
        return;
    const struct kmalloc_request request = call_kmalloc_request(call, size, gfp);
    const struct kmalloc_block block = kmalloc_alloc(&call->s->kmalloc, &request);
    call_took_block(call, &block, size);
}

void run_kmalloc(struct call *call)
{
    call_kmalloc(call, call->op->size, call->op->gfp);
}

void run_kzalloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_kzalloc);
    call_kmalloc(call, call->op->size, call->op->gfp | __GFP_ZERO);
}

void run_kcalloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_kcalloc);
    uint64_t n = call->op->n, size = call->op->size;
    if (size && n > (call->m->profile->word_bits == 32 ? UINT32_MAX : UINT64_MAX) / size)
        call_took(call, (struct taken){ .requested = call_product(n, size) }); /* the product does not fit in a size_t */
    else
        call_kmalloc(call, n * size, call->op->gfp | __GFP_ZERO);
}

/* The call site of a call that frees, for the tracks of slub_debug. machine_apply() stores those of allocations alone. */
static struct name_ref call_store_call_site(struct call *call)
{
    return call->op->given & OP_BIT(CALL_SITE) ? name_intern(&call->s->names, call->op->call_site) : NAME_NONE;
}

void run_krealloc(struct call *call)
{
    struct names *names = &call->s->names;
    uint32_t gfp = call->op->gfp;
    if (call_refuse_sleep(call, &gfp, AT_MIGHT_ALLOC, "kmalloc") || call_refuse_foreign(call, "krealloc"))
        return;
    struct kmalloc_request request = call_kmalloc_request(call, call->op->size, gfp);
    request.call_site = call_store_call_site(call);
    struct name_ref name;
    const struct kmalloc_block block = kmalloc_realloc(&call->s->kmalloc, call->address, &request, &name);
    bool is_moved = block.address && block.address != call->address;
    bool is_named = is_moved && name_is_of(names, name, call->address);
    if (is_named && block.address == ZERO_SIZE_PTR)
        name_release(names, name);
    else if (is_named) /* the name moves with the block */
        name_at(names, name)->address = block.address;
    call_took_block(call, &block, request.size);
}

/* The call freed the block at its address: its name names nothing any more. If a bug was reported and the block is still
 * live, freed->name is 0. */
static void call_freed(struct call *call, const struct kmalloc_freed *freed)
{
    call->result->address = call->address;
    call->result->cache = kmem_cache_name(&call->s->kmalloc, freed->cache);
    if (name_is_of(&call->s->names, freed->name, freed->address))
        name_release(&call->s->names, freed->name);
}

static void call_kfree(struct call *call)
{
    struct name_ref call_site = call_store_call_site(call);
    const struct kmalloc_freed freed = kmalloc_free(&call->s->kmalloc, call->address, call_site);
    call_freed(call, &freed);
}

/* The floor notes the step. A call that is refused here does not come so far, so it is noted here. */
void run_kfree(struct call *call)
{
    if (call_refuse_foreign(call, "kfree"))
        trace_step(&call->m->trace, PATH_kfree);
    else
        call_kfree(call);
}

void run_ksize(struct call *call)
{
    call->result->address = call->address;
    if (call_refuse_foreign(call, "ksize"))
        trace_step(&call->m->trace, PATH_ksize);
    else
        call->result->allocated = kmalloc_usable(&call->s->kmalloc, call->address);
}

/* --- slab caches --- */

/* A kernel that has slab caches takes a lock at the place, and may sleep there. */
static bool kmem_cache_refuse_sleep(struct call *call, enum source_place_id at)
{
    uint32_t gfp = GFP_KERNEL;
    return call->m->profile->places && call_refuse_sleep(call, &gfp, at, "");
}

void run_kmem_cache_create(struct call *call)
{
    if (kmem_cache_refuse_sleep(call, AT_MUTEX_LOCK))
        return;
    trace_step(&call->m->trace, PATH_kmem_cache_create);
    const struct kmem_cache_args args = { call->op->size, call->op->align, call->op->flags };
    struct cache_ref cache = kmem_cache_create(&call->s->kmalloc, call->op->cache, &args);
    call->result->requested = call->op->size;
    if (!cache.index && !call_is_bug(call))
        call->m->trace.outcome = OUTCOME_NULL;
}

void run_kmem_cache_alloc(struct call *call)
{
    uint32_t gfp = call->op->gfp;
    if (call->m->profile->places && call_refuse_sleep(call, &gfp, AT_MIGHT_ALLOC, "kmem_cache_alloc"))
        return;
    trace_step(&call->m->trace, PATH_kmem_cache_alloc);
    const struct kmalloc_request request = call_kmalloc_request(call, 0, gfp);
    const struct kmalloc_block block = kmem_cache_alloc(&call->s->kmalloc, call->cache, &request);
    struct kmalloc_record record = { 0 };
    if (block.address)
        kmalloc_find(&call->s->kmalloc, block.address, &record);
    call_took_block(call, &block, record.requested);
}

void run_kmem_cache_free(struct call *call)
{
    trace_step(&call->m->trace, PATH_kmem_cache_free);
    if (call_refuse_foreign(call, "kmem_cache_free"))
        return;
    struct name_ref call_site = call_store_call_site(call);
    const struct kmalloc_freed freed = kmem_cache_free(&call->s->kmalloc, call->cache, call->address, call_site);
    call_freed(call, &freed);
}

void run_kmem_cache_destroy(struct call *call)
{
    if (kmem_cache_refuse_sleep(call, AT_PERCPU_DOWN_READ))
        return;
    trace_step(&call->m->trace, PATH_kmem_cache_destroy);
    kmem_cache_destroy(&call->s->kmalloc, call->cache, call_store_call_site(call));
}

void run_kmem_cache_shrink(struct call *call)
{
    if (kmem_cache_refuse_sleep(call, AT_PERCPU_DOWN_READ))
        return;
    trace_step(&call->m->trace, PATH_kmem_cache_shrink);
    kmem_cache_shrink(&call->s->kmalloc, call->cache);
}

/* --- kvmalloc --- */

/* kvmalloc_node(). Above a page kmalloc does not try hard, because vmalloc can do it instead. */
void run_kvmalloc(struct call *call)
{
    uint64_t size = call->op->size;
    uint32_t gfp = call->op->gfp;
    trace_step(&call->m->trace, PATH_kvmalloc);
    call_kmalloc(call, size, size > PAGE_SIZE ? gfp | __GFP_NOWARN | __GFP_NORETRY : gfp);
    if (call->m->trace.outcome != OUTCOME_NULL || size <= PAGE_SIZE || !gfp_may_sleep(gfp))
        return;
    if (size > INT32_MAX) {
        if (call->m->profile->places && !(gfp & __GFP_NOWARN))
            oops_warn(&call->m->trace, call->m->profile, AT_KVMALLOC, NULL);
        return;
    }
    call->m->trace.outcome = OUTCOME_OK;
    call->m->trace.message_length = 0;
    call_vmalloc(call, gfp & __GFP_ZERO ? VMALLOC_ZERO : 0);
}

void run_kvfree(struct call *call)
{
    trace_step(&call->m->trace, PATH_kvfree);
    if (vmalloc_contains(&call->s->vmalloc, call->address))
        call_vfree(call);
    else if (!call_refuse_foreign(call, "kvfree"))
        call_kfree(call);
}
