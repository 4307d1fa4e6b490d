/* alloc/malloc/malloc_vars.h - malloc's own variables: mp_ and the rest, as bytes of the process. Stands on: words.
 *
 * They lie in libc's writable data, where the program can reach them like anything else. So each of them may hold any value
 * at any time. A variable is named by its offset there, a field of the rules. main_arena lies there, too (malloc_arena.h).
 */
#pragma once
#include "alloc/malloc/malloc_words.h"

static inline uint8_t *var_at_hand(const struct libc *c, uint32_t at)
{
    uintptr_t host = c->data[at >> PAGE_SHIFT];
    return host ? (uint8_t *)(host + at) : NULL;
}
/* Looks for the page of a variable first. */
uint64_t var_get_slow(struct libc *c, uint32_t at);
uint32_t var_get_int_slow(struct libc *c, uint32_t at);
void var_put(struct libc *c, uint32_t at, uint64_t value);
void var_put_int(struct libc *c, uint32_t at, uint32_t value);

static inline uint64_t var_get(struct libc *c, uint32_t at)
{
    const uint8_t *here = var_at_hand(c, at);
    return here ? libc_load_word(c, here) : var_get_slow(c, at);
}
static inline uint32_t var_get_int(struct libc *c, uint32_t at)
{
    const uint8_t *here = var_at_hand(c, at);
    return here ? libc_load32(here) : var_get_int_slow(c, at);
}
