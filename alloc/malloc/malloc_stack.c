/* Stacks of threads, as pthread_create takes them: glibc 2.36, nptl/allocatestack.c, nptl/nptl-stack.c.
 *
 * A stack is one mapping: 8 MiB (RLIMIT_STACK at the start of the process) above a guard page. The stack of a thread that
 * was joined is kept for the next one, together with the vector for thread-local storage that the heap gave for it. When
 * more than 40 MiB are kept, the oldest go back. The model runs no code on a stack, so it never touches its pages. */
#include "alloc/malloc/malloc_stack.h"

#include <string.h>

#define KEPT_BYTES (UINT64_C(40) << 20)
#define EXIT_KEEPS (5 * PAGE_SIZE) /* at the end of a thread: PTHREAD_STACK_MIN, and the page it is on */

static void stack_unmap(struct heaps *heaps, struct process_ref process, uint64_t start)
{
    (void)process_munmap(heaps->processes, process, start, THREAD_STACK_SPAN);
}

static uint64_t stack_map(struct heaps *heaps, struct process_ref process)
{
    uint64_t start = process_mmap(heaps->processes, process, THREAD_STACK_SPAN, 0, NAME_NONE);
    if (!start || process_mprotect(heaps->processes, process, start + PAGE_SIZE, THREAD_STACK_BYTES, VMA_READ | VMA_WRITE))
        return start;
    stack_unmap(heaps, process, start);
    return 0;
}

bool heap_start_thread(struct heaps *heaps, struct process_ref process, uint32_t thread)
{
    struct heap *heap = heap_of_process(heaps, process);
    if (!heap || thread >= HEAP_THREADS_MAX || heap->threads[thread].dtv)
        return heap_switch_thread(heaps, process, thread);
    struct kept_stack stack = { 0 };
    if (heap->nr_kept_stacks)
        stack = heap->kept_stacks[--heap->nr_kept_stacks];
    else
        stack.start = stack_map(heaps, process);
    if (!stack.start)
        return false;
    heap->threads[thread].dtv = stack.dtv;
    if (!heap_switch_thread(heaps, process, thread)) {
        stack_unmap(heaps, process, stack.start);
        return false;
    }
    heap->threads[thread].stack = stack.start;
    return true;
}

void stack_keep(struct heaps *heaps, struct heap *heap, struct kept_stack stack)
{
    struct kept_stack *kept = heap->kept_stacks;
    (void)process_advise(heaps->processes, heap->process, stack.start, THREAD_STACK_SPAN - EXIT_KEEPS, ADVICE_DONTNEED);
    kept[heap->nr_kept_stacks++] = stack;
    while (heap->nr_kept_stacks * THREAD_STACK_SPAN > KEPT_BYTES) {
        struct kept_stack oldest = kept[0];
        memmove(kept, kept + 1, --heap->nr_kept_stacks * sizeof *kept);
        (void)heap_free(heaps, heap->process, oldest.dtv);
        stack_unmap(heaps, heap->process, oldest.start);
    }
}

void stacks_after_fork(struct heap *heap)
{
    for (uint32_t i = 1; i < HEAP_THREADS_MAX; i++) {
        const struct heap_thread *thread = &heap->threads[i];
        if (thread->stack && i != heap->thread)
            heap->kept_stacks[heap->nr_kept_stacks++] = (struct kept_stack){ thread->stack, thread->dtv };
    }
}
