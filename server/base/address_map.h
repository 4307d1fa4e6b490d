/* server/base/address_map.h - recorded address -> what stands for it in the machine. Open addressing, no tombstones. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address_entry {
    uint64_t key;     /* 0: free slot; callers' keys are never 0 */
    uint64_t address; /* in the machine; 0: the machine had none to give */
    uint64_t tag;     /* the caller's */
};

struct address_map {
    struct address_entry *entries;
    size_t nr_slots, nr_used;
};

void address_map_clear(struct address_map *map);
struct address_entry *address_map_find(const struct address_map *map, uint64_t key); /* NULL: none */
void address_map_fetch(const struct address_map *map, uint64_t key);       /* into the cache: it will be looked for soon */
bool address_map_put(struct address_map *map, struct address_entry entry); /* replaces; false: out of memory */
void address_map_remove(struct address_map *map, struct address_entry *entry);
