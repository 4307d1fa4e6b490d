/* alloc/base/name.h - the texts that callers give: names of allocations, and call sites. Each text is stored once. Stands
 * on: pool. */
#pragma once
#include "alloc/base/pool.h"
#include "pagoda/op.h"

#define NR_NAMES (1u << 24)  /* that a lab can have */
#define NR_FREED_NAMES 4096u /* so many names that were freed last still lead to where their allocations were */

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
    uint32_t freed;            /* number of the free that took its allocation away; 0: none did since it was given */
    uint64_t freed_address;    /* where the allocation was */
    char text[NAME_TEXT_MAX + 1];
};
struct names {
    struct pool pool;    /* struct name */
    struct pool buckets; /* struct name_ref; item i+1 is bucket i; as many as there are names */
    uint32_t nr_freed;   /* frees of allocations that had a name; from 1 on again after 2^32 - 1 */
    uint32_t unused;
};
STATE_STRUCTS_END

void names_shape(struct names *names); /* before the pools have a place */
/* Host memory for so many texts more. PAGODA_ERR_NOMEM: the host refused. */
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

/* The name is given to a live allocation. */
void name_give(struct names *names, struct name_ref name, uint64_t address, uint32_t pid, struct name_ref call_site);
/* The name's allocation was freed. A script may go on to use the name: a double free, or a use after free. */
void name_release(struct names *names, struct name_ref name);
/* Where the allocation was that had the name last. 0: the name was given again, its process has ended, or more than
 * NR_FREED_NAMES were freed since. */
uint64_t name_freed_address(const struct names *names, struct name_ref name);
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
