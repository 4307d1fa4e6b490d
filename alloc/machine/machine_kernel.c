/* Operations on kernel memory: kmalloc and its relatives, slab caches, vmalloc. Each finds out whether the call is
 * allowed, lets its floor do it, and describes what came of it. */
#include "alloc/machine/machine_internal.h"

#include <string.h>

static void say_address(struct trace *t, uint64_t address)
{
    trace_say(t, "0x");
    trace_say_hex(t, address);
}

/* Tells a free function given another allocator's memory what it should have been. True: the operation is over. */
static bool refuse_foreign(struct call *call, const char *function)
{
    struct trace *t = &call->m->trace;
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
    kmalloc_say_reaction(&call->s->kmalloc, address);
    trace_say(t, function);
    trace_say(t, "(");
    say_address(t, address);
    trace_say(t, "): this is ");
    trace_say(t, kind);
    trace_say(t, " memory; it is released by ");
    trace_say(t, right);
    return true;
}

/* --- kernel memory --- */

static void kmalloc_as(struct call *call, uint64_t size, uint32_t gfp)
{
    if (call_refuse_sleep(call, gfp_may_sleep(gfp), "kmalloc"))
        return;
    trace_step(&call->m->trace, PATH_kmalloc);
    call->s->kmalloc.call_site = call->call_site;
    uint64_t address = kmalloc_alloc(&call->s->kmalloc, size, gfp, call_recorded_name(call));
    call->s->kmalloc.call_site = NAME_NONE;
    struct kmalloc_block block = { 0 };
    if (address && address != ZERO_SIZE_PTR)
        kmalloc_find(&call->s->kmalloc, address, &block);
    call_took(call, address, size, block.usable);
    call->result->cache = block.cache;
}

void run_kmalloc(struct call *call)
{
    kmalloc_as(call, call->op->size, call->op->gfp);
}

void run_kzalloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_kzalloc);
    kmalloc_as(call, call->op->size, call->op->gfp | __GFP_ZERO);
}

void run_kcalloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_kcalloc);
    uint64_t n = call->op->n, size = call->op->size;
    if (size && n > (call->m->profile->word_bits == 32 ? UINT32_MAX : UINT64_MAX) / size)
        call_took(call, 0, call_product(n, size), 0); /* the product does not fit in a size_t */
    else
        kmalloc_as(call, n * size, call->op->gfp | __GFP_ZERO);
}

/* slub_debug notes who frees; a call that does not allocate has not stored its call site yet. */
static void enter(struct call *call)
{
    bool is_said = call->op->given & P(CALL_SITE);
    call->s->kmalloc.call_site = is_said ? name_intern(&call->s->names, call->op->call_site) : NAME_NONE;
}

void run_krealloc(struct call *call)
{
    if (call_refuse_sleep(call, gfp_may_sleep(call->op->gfp), "krealloc") || refuse_foreign(call, "krealloc"))
        return;
    trace_step(&call->m->trace, PATH_krealloc);
    struct kmalloc_block block = { 0 };
    struct name_ref name = call_recorded_name(call);
    if (kmalloc_find(&call->s->kmalloc, call->address, &block))
        name = block.name;
    enter(call);
    uint64_t address = kmalloc_realloc(&call->s->kmalloc, call->address, call->op->size, call->op->gfp, name);
    call->s->kmalloc.call_site = NAME_NONE;
    bool gone = block.address && address && address != call->address;
    if (gone && name_is_of(&call->s->names, block.name, block.address))
        name_at(&call->s->names, block.name)->address = address == ZERO_SIZE_PTR ? 0 : address;
    memset(&block, 0, sizeof block);
    kmalloc_find(&call->s->kmalloc, address, &block);
    call_took(call, address, call->op->size, block.usable);
    call->result->cache = block.cache;
}

/* Whatever was reported on the way: when the block is gone, its name names nothing any more. */
static void leave(struct call *call, const struct kmalloc_block *before)
{
    struct kmalloc_block after;
    call->s->kmalloc.call_site = NAME_NONE;
    call->result->address = call->address;
    call->result->cache = before->cache;
    if (name_is_of(&call->s->names, before->name, before->address) &&
        !kmalloc_find(&call->s->kmalloc, before->address, &after))
        name_at(&call->s->names, before->name)->address = 0;
}

/* The block at the address; or around it, if it is one of whole pages: kfree() goes back to its first page. */
static void find_block(const struct call *call, struct kmalloc_block *block)
{
    const struct kmalloc *k = &call->s->kmalloc;
    const struct frames *frames = &call->s->frames;
    uint32_t pfn = frame_of_address(frames, call->address);
    *block = (struct kmalloc_block){ 0 };
    if (kmalloc_find(k, call->address, block) || pfn == UINT32_MAX)
        return;
    if (kmalloc_find(k, frame_address(frames, frame_head(frames, pfn)), block) && !block->is_large)
        *block = (struct kmalloc_block){ 0 };
}

static void kfree_block(struct call *call)
{
    struct kmalloc_block block;
    find_block(call, &block);
    enter(call);
    kmalloc_free(&call->s->kmalloc, call->address);
    leave(call, &block);
}

void run_kfree(struct call *call)
{
    trace_step(&call->m->trace, PATH_kfree);
    if (!refuse_foreign(call, "kfree"))
        kfree_block(call);
}

void run_ksize(struct call *call)
{
    trace_step(&call->m->trace, PATH_ksize);
    call->result->address = call->address;
    if (!refuse_foreign(call, "ksize"))
        call->result->allocated = kmalloc_usable(&call->s->kmalloc, call->address);
}

/* --- slab caches --- */

void run_kmem_cache_create(struct call *call)
{
    if (call_refuse_sleep(call, true, "kmem_cache_create"))
        return;
    trace_step(&call->m->trace, PATH_kmem_cache_create);
    uint32_t cache =
        kmem_cache_create(&call->s->kmalloc, call->op->cache, call->op->size, call->op->align, call->op->flags);
    call->result->requested = call->op->size;
    if (!cache && !call_is_bug(call))
        call->m->trace.outcome = OUTCOME_NULL;
}

void run_kmem_cache_alloc(struct call *call)
{
    if (call_refuse_sleep(call, gfp_may_sleep(call->op->gfp), "kmem_cache_alloc"))
        return;
    trace_step(&call->m->trace, PATH_kmem_cache_alloc);
    call->s->kmalloc.call_site = call->call_site;
    uint64_t address = kmem_cache_alloc(&call->s->kmalloc, call->cache, call->op->gfp, call_recorded_name(call));
    call->s->kmalloc.call_site = NAME_NONE;
    struct kmalloc_block block = { 0 };
    kmalloc_find(&call->s->kmalloc, address, &block);
    call_took(call, address, block.requested, block.usable);
    call->result->cache = block.cache;
}

void run_kmem_cache_free(struct call *call)
{
    trace_step(&call->m->trace, PATH_kmem_cache_free);
    if (refuse_foreign(call, "kmem_cache_free"))
        return;
    struct kmalloc_block block = { 0 };
    kmalloc_find(&call->s->kmalloc, call->address, &block);
    enter(call);
    kmem_cache_free(&call->s->kmalloc, call->cache, call->address);
    leave(call, &block);
}

void run_kmem_cache_destroy(struct call *call)
{
    if (call_refuse_sleep(call, true, "kmem_cache_destroy"))
        return;
    trace_step(&call->m->trace, PATH_kmem_cache_destroy);
    enter(call);
    kmem_cache_destroy(&call->s->kmalloc, call->cache);
    call->s->kmalloc.call_site = NAME_NONE;
}

void run_kmem_cache_shrink(struct call *call)
{
    if (call_refuse_sleep(call, true, "kmem_cache_shrink"))
        return;
    trace_step(&call->m->trace, PATH_kmem_cache_shrink);
    kmem_cache_shrink(&call->s->kmalloc, call->cache);
}

/* --- kvmalloc --- */

/* WARN_ON_ONCE(); here it is said each time. */
static void warn_of_size(struct call *call)
{
    struct trace *t = &call->m->trace;
    if (call->op->gfp & __GFP_NOWARN)
        return;
    trace_say(t, "WARNING: CPU: ");
    trace_say_number(t, call->op->cpu);
    trace_say(t, " PID: 0 at mm/util.c kvmalloc_node: ");
    trace_say_number(t, call->op->size);
    trace_say(t, " bytes are more than INT_MAX");
}

/* kvmalloc_node(): above a page, kmalloc must not try hard, because vmalloc can step in. */
void run_kvmalloc(struct call *call)
{
    uint64_t size = call->op->size;
    uint32_t gfp = call->op->gfp;
    trace_step(&call->m->trace, PATH_kvmalloc);
    kmalloc_as(call, size, size > PAGE_SIZE ? gfp | __GFP_NOWARN | __GFP_NORETRY : gfp);
    if (call->m->trace.outcome != OUTCOME_NULL || size <= PAGE_SIZE || !gfp_may_sleep(gfp))
        return;
    if (size > INT32_MAX) {
        warn_of_size(call);
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
    else if (!refuse_foreign(call, "kvfree"))
        kfree_block(call);
}
