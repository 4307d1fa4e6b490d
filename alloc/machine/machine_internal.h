/* alloc/machine/machine_internal.h - what the files of the machine floor share. */
#pragma once
#include "alloc/machine/machine_state.h"
#include "pagoda/view.h"

/* Is the block at head one that alloc_pages() gave to a caller (not a large kmalloc, a slab, a table...)? */
static inline bool machine_is_page_block(const struct machine_state *s, uint32_t head)
{
    const struct frame *frame = frame_at(&s->frames, head);
    return frame->kind == FRAME_KERNEL && frame->index == 0;
}
/* One operation on its way through the machine. */
struct call {
    struct machine *m;
    struct machine_state *s;
    const struct op *op;
    struct op_result *result;
    uint64_t address;           /* op->address, or that of the allocation with the given name */
    struct process_ref process; /* pool index */
    struct cache_ref cache;
    struct name_ref name;      /* of the new allocation; 0: none was given */
    struct name_ref call_site; /* of the new allocation; 0: none was given */
};

/* machine_apply.c: what handlers have in common. */
/* n * size, for results: what a size_t cannot hold is shown as the largest number that every JSON client holds. */
static inline uint64_t call_product(uint64_t n, uint64_t size)
{
    const uint64_t max = (UINT64_C(1) << 53) - 1;
    return size && n > max / size ? max : n * size;
}
static inline bool call_is_bug(const struct call *call)
{
    return call->m->trace.outcome == OUTCOME_BUG;
}
/* A call that may sleep, made where sleeping is forbidden: the kernel's report, and true; nothing else may happen then. */
bool call_refuse_sleep(struct call *call, bool may_sleep, const char *function);
/* What the record of the new allocation keeps. */
static inline struct name_ref call_recorded_name(const struct call *call)
{
    return name_or(call->name, call->call_site);
}
/* Sets the result of an allocation (address 0: NULL). The call's name, if there is one, then names it. */
void call_took(struct call *call, uint64_t address, uint64_t requested, uint64_t allocated);
/* The block at address has been freed: its name names nothing any more. After a bug nothing changes.
 * name: from the block's record. */
void call_forget_name(struct call *call, struct name_ref name, uint64_t address);
/* The CPU goes over to the call's process, or finds out that its pages have changed meanwhile. */
void call_load_space(struct call *call);
void machine_end_process(struct machine *m, struct process_ref process); /* with its heap and names */
/* Parts of an operation, for runs (machine_heap_run.c): the CPU goes over to the process, unless it is there; what follows
 * when the call is over: background work, the end of those that the OOM killer chose. nr_oom_kills: before the operation.
 */
void machine_load_space(struct machine *m, struct process_ref process);
void machine_settle(struct machine *m, uint64_t nr_oom_kills);
/* machine_user.c: as the heap's, and the name follows the block. */
uint64_t machine_heap_realloc(struct machine *m, struct process_ref process, uint64_t address, uint64_t size,
                              struct name_ref name);
void machine_heap_free(struct machine *m, struct process_ref process, uint64_t address);

/* machine_vmalloc.c, for kvmalloc and kvfree: op->size bytes (enum vmalloc_flags), and the area at call->address. */
void call_vmalloc(struct call *call, uint32_t flags);
void call_vfree(struct call *call);

/* machine_process.c: faults in all of [call->address, + length) before a byte moves. False: the process may not, and has
 * got SIGSEGV, or there is no memory; the message and the outcome say so. */
bool call_reach_user(struct call *call, uint64_t length, bool write);
void call_segfault(struct call *call, uint64_t address, bool write); /* ends the process; call->process is gone then */

/* The handlers: machine_kernel.c, machine_user.c, machine_bytes.c. */
void run_kmalloc(struct call *call);
void run_kzalloc(struct call *call);
void run_kcalloc(struct call *call);
void run_krealloc(struct call *call);
void run_kfree(struct call *call);
void run_ksize(struct call *call);
void run_alloc_pages(struct call *call);
void run_free_pages(struct call *call);
void run_drain_pages(struct call *call);
void run_compact_memory(struct call *call);
void run_kmem_cache_create(struct call *call);
void run_kmem_cache_alloc(struct call *call);
void run_kmem_cache_free(struct call *call);
void run_kmem_cache_destroy(struct call *call);
void run_kmem_cache_shrink(struct call *call);
void run_vmalloc(struct call *call);
void run_vzalloc(struct call *call);
void run_vfree(struct call *call);
void run_vmalloc_huge(struct call *call);
void run_vm_unmap_aliases(struct call *call);
void run_kvmalloc(struct call *call);
void run_kvfree(struct call *call);
void run_spawn(struct call *call);
void run_fork(struct call *call);
void run_exit(struct call *call);
void run_malloc(struct call *call);
void run_calloc(struct call *call);
void run_realloc(struct call *call);
void run_aligned_alloc(struct call *call);
void run_free(struct call *call);
void run_memalign(struct call *call);
void run_posix_memalign(struct call *call);
void run_valloc(struct call *call);
void run_pvalloc(struct call *call);
void run_malloc_usable_size(struct call *call);
void run_malloc_trim(struct call *call);
void run_mallopt(struct call *call);
void run_thread_exit(struct call *call);
void run_mmap(struct call *call);
void run_munmap(struct call *call);
void run_mlock(struct call *call);
void run_munlock(struct call *call);
void run_mprotect(struct call *call);
void run_madvise(struct call *call);
void run_mremap(struct call *call);
void run_brk(struct call *call);
void run_sbrk(struct call *call);
void run_setrlimit(struct call *call);
void run_write(struct call *call);
void run_read(struct call *call);

/* The next run of neighbouring frames behind [*address, end), in address order; *address moves past it. Pages without a
 * frame are skipped. False: none left. pid: for user addresses. */
bool machine_next_run(const struct machine *m, uint32_t pid, uint64_t *address, uint64_t end, struct frame_range *run);
