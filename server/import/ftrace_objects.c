/* server/import/ftrace_objects.c - objects of a recorded kernel: kmalloc and kfree as they stand, objects of caches from
 * the cache that their call site uses (ftrace_caches.c). An object is freed by the function that suits how it was allocated
 * here. Frees of what was allocated before the recording began are counted, not applied. */
#include "server/import/ftrace_objects.h"
#include "server/import/ftrace_caches.h"
#include "server/import/ftrace_pages.h"

#include <stdio.h>

#define ZERO_SIZE_PTR 16u /* what kmalloc(0) returns */

static bool object_free_here(struct ftrace_import *in, const struct ftrace_event *event, const struct address_entry *object,
                             struct op_result *result, struct problem *why)
{
    bool is_cached = tag_holder(object->tag) == HELD_BY_CACHE;
    struct op *op = ftrace_op(in, event, is_cached ? OP_KMEM_CACHE_FREE : OP_KFREE);
    op->address = object->address;
    op->given |= OP_BIT(ADDRESS);
    return ftrace_apply(in, op, result, why);
}

/* Its address was given out again, so the earlier object has gone by a way that is not recorded (kfree_bulk and its like).
 */
static void object_free_unrecorded(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct address_entry *entry = address_map_find(&in->objects, event->ptr);
    if (!entry)
        return;
    struct address_entry object = *entry;
    address_map_remove(&in->objects, entry);
    struct import_event *row = import_event(in->summary, "(free not recorded)");
    row->read++;
    struct op_result result;
    struct problem why = { 0 };
    if (object.address && object_free_here(in, event, &object, &result, &why))
        row->applied++;
    else
        import_skip(in->summary, row, event->line, "its allocation failed in the machine");
}

static void object_note(struct ftrace_import *in, const struct ftrace_event *event, enum holder holder, uint32_t call_site,
                        const struct op_result *result)
{
    uint64_t address = result->outcome == OUTCOME_OK ? result->address : 0;
    if (!address_map_put(&in->objects, (struct address_entry){ event->ptr, address, make_tag(holder, call_site) }))
        in->error = PAGODA_ERR_NOMEM;
}

static void object_compare_size(struct ftrace_import *in, const struct ftrace_event *event, const struct op_result *result)
{
    struct import_summary *summary = in->summary;
    if (result->outcome != OUTCOME_OK)
        return;
    summary->kmalloc_compared++;
    if (result->allocated == event->bytes_alloc) {
        summary->kmalloc_agree++;
    } else if (!summary->first_difference_line) {
        summary->first_difference_line = event->line;
        snprintf(summary->first_difference, sizeof summary->first_difference,
                 "line %llu: kmalloc(%llu) got %llu bytes, here %llu", (unsigned long long)event->line,
                 (unsigned long long)event->bytes_req, (unsigned long long)event->bytes_alloc,
                 (unsigned long long)result->allocated);
    }
}

static void object_kmalloc(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct op *op = ftrace_op(in, event, OP_KMALLOC);
    struct op_result result;
    op->size = event->bytes_req;
    op->gfp = event->gfp;
    op->given |= OP_BIT(SIZE) | OP_BIT(GFP);
    if (!ftrace_apply_event(in, event, op, &result))
        return;
    if (event->ptr != ZERO_SIZE_PTR)
        object_note(in, event, HELD_BY_KMALLOC, 0, &result);
    object_compare_size(in, event, &result);
}

static void object_cache_alloc(struct ftrace_import *in, const struct ftrace_event *event)
{
    uint32_t call_site = ftrace_find_call_site(in, event);
    if (!call_site)
        return ftrace_skip(in, event, "the machine has no cache for it");
    if (event->nr_name)
        ftrace_learn_name(in, event, call_site);
    const struct trace_cache *cache = &in->caches[in->call_sites[call_site].cache];
    struct op *op = ftrace_op(in, event, OP_KMEM_CACHE_ALLOC);
    struct op_result result;
    op->cache = (struct text){ cache->name, cache->nr_name };
    op->gfp = event->gfp;
    op->given |= OP_BIT(CACHE) | OP_BIT(GFP);
    if (ftrace_apply_event(in, event, op, &result))
        object_note(in, event, HELD_BY_CACHE, call_site, &result);
}

/* %p prints 32 bits of a hash. */
static void object_look_at_pointer(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (in->knows_pointers || event->ptr <= ZERO_SIZE_PTR)
        return;
    in->knows_pointers = true;
    in->has_hashed_pointers = event->ptr >> 32 == 0;
}

#define HIDDEN "its pointer was not printed: (____ptrval____)"

void ftrace_object_alloc(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (event->is_pointer_hidden)
        return ftrace_skip(in, event, HIDDEN);
    if (event->ptr == 0)
        return ftrace_skip(in, event, "failed in the recording too");
    object_look_at_pointer(in, event);
    ftrace_compare_place(in, event);
    object_free_unrecorded(in, event);
    if (event->kind == FTRACE_KMALLOC || event->kind == FTRACE_KMALLOC_NODE)
        object_kmalloc(in, event);
    else
        object_cache_alloc(in, event);
}

void ftrace_object_free(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (event->is_pointer_hidden)
        return ftrace_skip(in, event, HIDDEN);
    if (event->ptr <= ZERO_SIZE_PTR)
        return ftrace_skip(in, event, event->ptr ? "ZERO_SIZE_PTR: nothing to free" : "NULL: nothing to free");
    struct address_entry *entry = address_map_find(&in->objects, event->ptr);
    if (!entry)
        return ftrace_skip(in, event, "allocated before the recording began");
    struct address_entry object = *entry;
    address_map_remove(&in->objects, entry);
    if (tag_holder(object.tag) == HELD_BY_CACHE)
        ftrace_learn_name(in, event, (uint32_t)(tag_rest(object.tag)));
    if (!object.address)
        return ftrace_skip(in, event, "its allocation failed in the machine");
    struct op_result result;
    struct problem why = { 0 };
    if (!object_free_here(in, event, &object, &result, &why))
        return ftrace_skip(in, event, why.text[0] ? why.text : "the machine refused");
    in->events[event->kind]->applied++;
    in->summary->applied++;
}
