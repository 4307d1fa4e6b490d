/* alloc/machine/machine_image.h - what a machine is made of, for those who copy it: machine.c makes it, machine_image.c
 * copies, saves, loads and hashes it. */
#pragma once
#include "alloc/machine/machine_state.h"

void machine_shape(struct machine_state *s, const struct profile *profile); /* by s->config */
uint32_t machine_list_pools(struct machine_state *s, struct pool **pools);  /* of all floors, in layout order */
/* A machine of that shape whose pools have their place, but hold nothing yet. */
enum pagoda_error machine_reserve(const struct machine_state *state, const struct pagoda_host *host,
                                  struct machine **out) PAGODA_MUST_CHECK;
/* Leaves the state without what differs between copies: pointers, and how much the host has committed. */
void machine_unwire(struct machine_state *s);
/* What every image says of itself: rules, layout number, size of the state. */
uint64_t machine_image_layout(void);
