/* alloc/machine/machine_image.h - what a machine is made of. machine.c makes it; machine_image.c copies, saves, loads and
 * hashes it. */
#pragma once
#include "alloc/machine/machine_state.h"

void machine_shape(struct machine_state *s, const struct profile *profile); /* by s->config */
uint32_t machine_list_pools(struct machine_state *s, struct pool **pools);  /* of all floors, in layout order */
/* Makes a machine of that shape. Its pools have their place, but hold nothing yet. The caller ends it with
 * machine_destroy().
 * PAGODA_ERR_NOMEM  the host refused; *out is NULL. */
enum pagoda_error machine_reserve(const struct machine_state *state, const struct pagoda_host *host,
                                  struct machine **out) PAGODA_MUST_CHECK;
/* Takes out of the state what differs between copies: pointers, and how much the host has committed. */
void machine_unwire(struct machine_state *s);
/* A number that every image bears: rules, layout number, size of the state. */
uint64_t machine_image_layout(void);
