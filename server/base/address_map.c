/* server/base/address_map.c - see address_map.h. Linear probing; removal moves later entries of the run back (Knuth's
 * algorithm R), so lookups never cross graves. */
#include "server/base/address_map.h"

#include <stdlib.h>

static size_t map_home(const struct address_map *map, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (map->nr_slots - 1);
}

static struct address_entry *map_slot(const struct address_map *map, uint64_t key)
{
    size_t i = map_home(map, key);
    while (map->entries[i].key && map->entries[i].key != key)
        i = (i + 1) & (map->nr_slots - 1);
    return &map->entries[i];
}

static bool map_grow(struct address_map *map)
{
    struct address_map bigger = { .nr_slots = map->nr_slots ? map->nr_slots * 2 : 1024, .nr_used = map->nr_used };
    bigger.entries = calloc(bigger.nr_slots, sizeof *bigger.entries);
    if (!bigger.entries)
        return false;
    for (size_t i = 0; i < map->nr_slots; i++)
        if (map->entries[i].key)
            *map_slot(&bigger, map->entries[i].key) = map->entries[i];
    free(map->entries);
    *map = bigger;
    return true;
}

void address_map_clear(struct address_map *map)
{
    free(map->entries);
    *map = (struct address_map){ 0 };
}

struct address_entry *address_map_find(const struct address_map *map, uint64_t key)
{
    struct address_entry *slot = map->nr_slots ? map_slot(map, key) : NULL;
    return slot && slot->key ? slot : NULL;
}

void address_map_fetch(const struct address_map *map, uint64_t key)
{
    if (map->nr_slots)
        __builtin_prefetch(&map->entries[map_home(map, key)]);
}

bool address_map_put(struct address_map *map, struct address_entry entry)
{
    if (map->nr_used * 2 >= map->nr_slots && !map_grow(map))
        return false;
    struct address_entry *slot = map_slot(map, entry.key);
    map->nr_used += slot->key == 0;
    *slot = entry;
    return true;
}

void address_map_remove(struct address_map *map, struct address_entry *entry)
{
    size_t mask = map->nr_slots - 1, hole = (size_t)(entry - map->entries), i = hole;
    for (;;) {
        i = (i + 1) & mask;
        if (!map->entries[i].key)
            break;
        size_t wanted = map_home(map, map->entries[i].key);
        if (((i - wanted) & mask) >= ((i - hole) & mask)) { /* its home is not between the hole and it */
            map->entries[hole] = map->entries[i];
            hole = i;
        }
    }
    map->entries[hole] = (struct address_entry){ 0 };
    map->nr_used--;
}
