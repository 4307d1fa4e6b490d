/* alloc/malloc/malloc_stack.h - stacks of threads that have ended. Stands on: heap. */
#pragma once
#include "alloc/malloc/malloc_heap.h"

/* The stack of a thread that has been joined is kept for the next one. */
void stack_keep(struct heaps *heaps, struct heap *heap, struct kept_stack stack);
/* The stacks of the threads that fork leaves behind. */
void stacks_after_fork(struct heap *heap);
