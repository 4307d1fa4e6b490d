/* alloc/page/state_dump.h - the page allocator's state as text, in the format of the recordings ("format 1"): zones, free
 * lists in order, per-CPU lists, pageblock types, movable ranges. Stands on: page_alloc (zone), frame.
 *
 * The fields of a line are separated by tabs. The first word says what the line is. Numbers by position and key=value
 * fields follow. Pfns of a list stand in the last field, separated by blanks.
 *
 *      FREE    1       3       0       2       4096 8200       zone, order, type, count, pfns
 *      PCP     1       cpu=0   count=5 high=186 batch=31 free_factor=0 */
#pragma once
#include "alloc/page/page_alloc.h"

/* state_load.c. Replace the state by a dump's. The machine has as many CPUs as the dump, and a frame for its highest pfn.
 * begin  forgets every zone, free block and reserved frame.
 * line   takes one line of the dump; lines come in the dump's order. False: it is no such line, or does not fit the
 * machine. end    marks as reserved all that is neither free nor on a per-CPU list. False: two blocks overlap. */
void state_load_begin(struct page_alloc *pa);
bool state_load_line(struct page_alloc *pa, const char *line);
bool state_load_end(struct page_alloc *pa);

/* Writes the lines between STATE and ENDSTATE, as much as fits, and a NUL. Returns the length of the whole. */
size_t state_dump(const struct page_alloc *pa, char *out, size_t capacity);
