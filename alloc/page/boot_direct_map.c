/* alloc/page/boot_direct_map.c - see boot_direct_map.h.
 *
 * The kernel's brk has 16 tables. It is not used while the part of memory is mapped in which the rest of it lies: its bytes
 * are not mapped yet. Steps grow from 2 MiB by 256 times each, as soon as so much was mapped, because tables must lie in
 * what is mapped already. */
#include "alloc/page/boot_direct_map.h"

#define MIB (UINT64_C(1) << 20)
#define HUGE_BYTES (2 * MIB)
#define BRK_PFN 17408u
#define BRK_TABLES 16u
#define TABLES_MAX 128u

enum { LEVEL_PUD, LEVEL_PMD, LEVEL_PTE };

struct direct_map {
    struct boot_memory *boot;
    uint64_t low, high; /* bytes that are mapped by now; tables come from there */
    uint32_t nr_of_brk; /* tables that came from the brk */
    bool may_use_brk;
    uint32_t nr_tables;
    uint64_t tables[TABLES_MAX]; /* that are there: what they map, with the level in the low bits */
};

static void direct_need_table(struct direct_map *map, uint32_t level, uint64_t index)
{
    uint64_t table = index << 2 | level;
    for (uint32_t i = 0; i < map->nr_tables; i++)
        if (map->tables[i] == table)
            return;
    if (map->nr_tables < TABLES_MAX)
        map->tables[map->nr_tables++] = table;
    if (map->may_use_brk && map->nr_of_brk < BRK_TABLES) {
        map->nr_of_brk++;
        return;
    }
    uint64_t high = map->high ? map->high : map->low;
    struct memblock_request request = {
        .size = PAGE_SIZE, .align = PAGE_SIZE, .low = map->low, .high = high, .owner = RESERVED_TABLES
    };
    (void)memblock_take(&map->boot->block, &request);
}

static void direct_map_range(struct direct_map *map, uint64_t start, uint64_t end)
{
    for (uint64_t gib = start >> 30; gib <= (end - 1) >> 30; gib++) {
        direct_need_table(map, LEVEL_PUD, gib >> 9);
        direct_need_table(map, LEVEL_PMD, gib);
    }
    if (start % HUGE_BYTES)
        direct_need_table(map, LEVEL_PTE, start / HUGE_BYTES);
    if (end % HUGE_BYTES)
        direct_need_table(map, LEVEL_PTE, end / HUGE_BYTES);
    map->high = map->high > end ? map->high : end;
}

/* init_range_memory_mapping(): the memory in [start, end). Returns its bytes. */
static uint64_t direct_map_memory(struct direct_map *map, uint64_t start, uint64_t end)
{
    const struct memblock *block = &map->boot->block;
    uint64_t mapped = 0;
    for (uint32_t i = 0; i < block->nr_areas; i++) {
        uint64_t from = block->areas[i].start > start ? block->areas[i].start : start;
        uint64_t to = block->areas[i].end < end ? block->areas[i].end : end;
        uint64_t brk = (uint64_t)(BRK_PFN + map->nr_of_brk) << PAGE_SHIFT;
        uint64_t brk_end = (uint64_t)(BRK_PFN + BRK_TABLES) << PAGE_SHIFT;
        if (from >= to)
            continue;
        map->may_use_brk = (from > brk ? from : brk) >= (to < brk_end ? to : brk_end);
        direct_map_range(map, from, to);
        map->may_use_brk = true;
        mapped += to - from;
    }
    return mapped;
}

void boot_direct_map(struct boot_memory *boot)
{
    struct direct_map map = { .boot = boot, .may_use_brk = true };
    struct memblock_request top = { .size = HUGE_BYTES, .align = HUGE_BYTES, .low = MIB, .high = boot->end };
    direct_map_range(&map, 0, MIB);
    uint64_t real_end = memblock_find(&boot->block, &top) + HUGE_BYTES;
    map.low = real_end;
    map.high = 0;
    for (uint64_t last = real_end, step = HUGE_BYTES, mapped = 0; last > MIB; last = map.low) {
        uint64_t start = last > step ? (last - 1) / step * step : MIB;
        start = start < MIB ? MIB : start;
        mapped += direct_map_memory(&map, start, last);
        map.low = start;
        if (mapped >= step)
            step <<= 8;
    }
    if (real_end < boot->end)
        (void)direct_map_memory(&map, real_end, boot->end);
}
