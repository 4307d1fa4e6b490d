/* alloc/page/state_dump.h - the page allocator's state as text, in the format of the recordings ("format 1"): zones, free
 * lists in order, per-CPU lists, pageblock types, movable ranges. Stands on: page_alloc (zone), frame. */
#pragma once
#include "alloc/page/page_alloc.h"

/* Replaces the state: begin forgets every zone, free block and reserved frame; line takes one line of a dump, in the order
 * in which they stand there (false: it is not one, or does not fit the machine); end marks all that is neither free nor on
 * a per-CPU list as reserved. The machine must have as many CPUs as the dump, and frames for its highest pfn. */
void state_load_begin(struct page_alloc *pa);
bool state_load_line(struct page_alloc *pa, const char *line);
bool state_load_end(struct page_alloc *pa); /* false: two blocks overlap */

/* Writes the lines between STATE and ENDSTATE and a NUL, as much as fits; returns the length of the whole. */
size_t state_dump(const struct page_alloc *pa, char *out, size_t capacity);
