/* alloc/process_internal.h - what process.c, vma.c and fault.c share. */
#pragma once
#include "alloc/process.h"

/* Next entry of [*address, end) that is not empty: its physical address, *address set to its page; 0: none left. Skips holes
 * of whole tables at once. */
uint64_t space_next_entry(const struct processes *ps, uint32_t space, uint64_t *address, uint64_t end);
/* Removes every page of [start, end) from the space, and tables left empty. */
void space_unmap(struct processes *ps, uint32_t space, uint64_t start, uint64_t end);

/* Puts a new VMA into the list; 0: no more VMAs. The range is free. */
uint32_t vma_insert(struct processes *ps, struct process *process, uint64_t start, uint64_t end, uint32_t flags, uint32_t label);
