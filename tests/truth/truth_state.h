/* tests/truth/truth_state.h - recorded states of the page allocator ("format 1"), for replays that begin or end with one.
 */
#pragma once
#include "tests/lib/floor_fixture.h"
#include "tests/truth/truth.h"

struct state_text {
    char *text; /* the lines between STATE and ENDSTATE, each with its newline */
    size_t length, capacity;
    uint32_t nr_lines, nr_frames, nr_cpus; /* pfns and CPUs that it speaks of */
};

void state_text_add(struct state_text *state, const char *line);
void state_text_clear(struct state_text *state);
/* A page allocator in that state; the caller closes it. NULL: the report's first difference says why. */
struct page_floor *state_text_load(const struct state_text *state, struct truth_report *report);
char *state_text_of(const struct page_floor *floor); /* the other way; the caller frees it */
/* Reports the first line in which two states differ. Both texts are cut up. */
bool state_texts_are_equal(char *want, char *got, struct truth_report *report);
/* Notes the first difference; later ones are dropped. */
__attribute__((format(printf, 2, 3))) void truth_differ(struct truth_report *report, const char *format, ...);
