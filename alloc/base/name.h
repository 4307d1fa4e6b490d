/* alloc/base/name.h - the texts that callers give: names of allocations, and call sites. Each text is stored once. Stands
 * on: pool. */
#pragma once
#include "alloc/base/pool.h"
#include "pagoda/op.h"

#define NAME_TEXT_MAX 63u   /* bytes of a text */
#define NR_NAMES (1u << 24) /* that a lab can have */

/* A stored text. Index 0: none. */
struct name_ref {
    uint32_t index;
};
#define NAME_NONE ((struct name_ref){ 0 })
STATE_STRUCTS
struct name {
    struct name_ref link;      /* next of the same hash, or the pool's free link */
    uint32_t pid;              /* of the live allocation that has this name; 0: kernel */
    uint64_t address;          /* of that allocation; 0: the text names nothing now */
    struct name_ref call_site; /* who made that allocation; 0: not said */
    uint32_t unused;
    char text[NAME_TEXT_MAX + 1];
};
struct names {
    struct pool pool;    /* struct name */
    struct pool buckets; /* struct name_ref; item i+1 is bucket i; as many as there are names */
};
STATE_STRUCTS_END

void names_shape(struct names *names);
enum pagoda_error names_reserve(struct names *names, const struct pagoda_host *host, uint32_t nr_texts);
static inline bool names_have_room(const struct names *names, uint32_t nr_texts)
{
    return names->pool.nr_used + nr_texts <= names->pool.capacity;
}
static inline struct name *name_at(const struct names *names, struct name_ref name)
{
    return pool_at(&names->pool, name.index);
}

/* Stores a text, unless it is stored already. Room for it must have been reserved.
 * Returns 0 when the text is empty or too long, or when the pool is full. */
struct name_ref name_intern(struct names *names, struct text text);
/* Looks a text up. Returns 0 when it was never stored. */
struct name_ref name_find(const struct names *names, struct text text);
const char *name_text(const struct names *names, struct name_ref name); /* "" for 0 */

/* Does the text name the live allocation at address? False for 0, and for call sites. */
static inline bool name_is_of(const struct names *names, struct name_ref name, uint64_t address)
{
    return name.index && name_at(names, name)->address == address;
}
/* Records keep one text for each allocation: its name, or its call site when it has no name. */
static inline struct name_ref name_or(struct name_ref name, struct name_ref call_site)
{
    return name.index ? name : call_site;
}
/* The call site of the allocation at address. name: the text in its record.
 * Returns "" when the call site is not known. */
const char *name_call_site(const struct names *names, struct name_ref name, uint64_t address);
