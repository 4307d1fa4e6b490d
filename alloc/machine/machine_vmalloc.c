/* Operations on vmalloc memory: who may call, which path the call takes, and what a wrong vfree is told.
 *
 * In an interrupt vmalloc is a bug. Linux 2.0 warns and goes on. Linux 6.1 stops; it looks at the size first: a size of 0,
 * or beyond all memory, is NULL even there. vfree is allowed in an interrupt. There 6.1 puts the area on a list, and a work
 * item frees it a little later; here it is freed at once, as in 2.0. vm_unmap_aliases has nothing to do when nothing is
 * lazy. */
#include "alloc/machine/machine_internal.h"

/* Linux 2.0 warns where vmalloc() asks for its record, and where it asks for the pages, and goes on. */
static bool vmalloc_refuse_interrupt(struct call *call)
{
    uint32_t gfp = GFP_KERNEL, gfp_of_pages = GFP_KERNEL;
    if (call->op->context == CONTEXT_PROCESS || !vmalloc_size_is_possible(&call->s->vmalloc, call->op->size))
        return false;
    if (!call->m->profile->places)
        return call_refuse_sleep(call, &gfp, AT_MIGHT_ALLOC, "kmalloc") ||
               call_refuse_sleep(call, &gfp_of_pages, AT_MIGHT_ALLOC, "gfp");
    trace_step(&call->m->trace, PATH___get_vm_area_node);
    oops_bug(&call->m->trace, call->m->profile, AT_GET_VM_AREA);
    trace_print(&call->m->trace, "(BUG_ON(in_interrupt()): vmalloc may sleep, and this is a %s)",
                context_name((enum context)call->op->context));
    return true;
}

void call_vmalloc(struct call *call, uint32_t flags)
{
    if (vmalloc_refuse_interrupt(call))
        return;
    uint64_t address = vmalloc_alloc(&call->s->vmalloc, call->op->size, flags, call_recorded_name(call));
    struct vmalloc_block block = { 0 };
    if (address)
        vmalloc_find(&call->s->vmalloc, address, &block);
    uint64_t bytes = (uint64_t)block.nr_pages << PAGE_SHIFT;
    call_took(call, (struct taken){ .address = address, .requested = call->op->size, .allocated = bytes });
}

void run_vmalloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_vmalloc);
    call_vmalloc(call, 0);
}

void run_vzalloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_vzalloc);
    call_vmalloc(call, VMALLOC_ZERO);
}

void run_vmalloc_huge(struct call *call)
{
    trace_step(&call->m->trace, PATH_vmalloc_huge);
    call_vmalloc(call, VMALLOC_HUGE);
}

void call_vfree(struct call *call)
{
    struct name_ref name = vmalloc_free(&call->s->vmalloc, call->address);
    call_forget_name(call, name, call->address);
    call->result->address = call->address;
}

/* Whose memory is it that vfree does not know? NULL: nobody's. */
static const char *vfree_owner(const struct call *call)
{
    const struct machine_state *s = call->s;
    struct kmalloc_record block;
    uint32_t pfn = frame_of_address(&s->frames, call->address);
    if (call->address >= PAGE_SIZE && call->address < call->m->profile->user_end)
        return "user-space memory; it is released by free";
    if (vmalloc_owns_kmalloc(&s->vmalloc, call->address))
        return "an area's page pointers; they are released by vfree of the area";
    if (kmalloc_find(&s->kmalloc, call->address, &block))
        return "kmalloc memory; it is released by kfree";
    if (pfn != UINT32_MAX && machine_is_page_block(s, frame_head(&s->frames, pfn)))
        return "alloc_pages memory; it is released by free_pages";
    return NULL;
}

void run_vfree(struct call *call)
{
    struct trace *t = &call->m->trace;
    trace_step(t, PATH_vfree);
    if (call->op->context != CONTEXT_PROCESS && call->m->profile->places)
        trace_step(t, PATH___vfree_deferred);
    call_vfree(call);
    const char *owner = call_is_bug(call) ? vfree_owner(call) : NULL;
    if (owner)
        trace_print(t, "(this is %s)", owner);
}

void run_vm_unmap_aliases(struct call *call)
{
    trace_step(&call->m->trace, PATH_vm_unmap_aliases);
    vmalloc_purge(&call->s->vmalloc);
}
