/* How Linux 6.1 lays out the files of /proc that tell of memory. Widths and blanks are those of the kernel's seq_printf()
 * formats. A recording of a real file that is parsed and written again comes out byte for byte. */
#include "alloc/proc/procfs_layout.h"
#include "alloc/page/zone.h"

#include <string.h>

#define FREE_COUNT_MAX 100000u /* pagetypeinfo walks lists, and stops there */

static const struct {
    const char *name;
    enum vm_group group;
} ITEMS[NR_VM_ITEMS] = {
#define X(name, group) { #name, group },
    VMSTAT_MAP(X)
#undef X
};

const char *vmstat_name(enum vm_item item)
{
    return ITEMS[item].name;
}
enum vm_group vmstat_group(enum vm_item item)
{
    return ITEMS[item].group;
}

/* --- buddyinfo --- */

static void layout_put_zone(struct writer *w, const char *before, const char *zone)
{
    write_text(w, before);
    write_text(w, ", zone ");
    write_right(w, 8, zone);
}

void procfs_put_buddyinfo(struct writer *writer, const struct zone_blocks *zones, uint32_t nr_zones)
{
    for (uint32_t i = 0; i < nr_zones; i++) {
        layout_put_zone(writer, "Node 0", zones[i].name);
        write_text(writer, " ");
        for (uint32_t order = 0; order < VIEW_ORDERS; order++) {
            write_number(writer, 6, zones[i].nr_free[order]);
            write_text(writer, " ");
        }
        write_text(writer, "\n");
    }
}

/* --- pagetypeinfo --- */

static void layout_put_free_of_type(struct writer *w, const struct zone_blocks *zone, uint32_t type)
{
    layout_put_zone(w, "Node    0", zone->name);
    write_text(w, ", type ");
    write_right(w, 12, migratetype_name(type));
    write_text(w, " ");
    for (uint32_t order = 0; order < VIEW_ORDERS; order++) {
        bool is_cut = zone->nr_free_of[type][order] >= FREE_COUNT_MAX;
        write_text(w, is_cut ? ">" : "");
        write_number(w, 6, is_cut ? FREE_COUNT_MAX : zone->nr_free_of[type][order]);
        write_text(w, " ");
    }
    write_text(w, "\n");
}

static void layout_put_pageblocks(struct writer *w, const struct zone_blocks *zone)
{
    layout_put_zone(w, "Node 0", zone->name);
    write_text(w, " ");
    for (uint32_t type = 0; type < NR_MIGRATETYPES; type++) {
        write_number(w, 12, zone->nr_pageblocks[type]);
        write_text(w, " ");
    }
    write_text(w, "\n");
}

void procfs_put_pagetypeinfo(struct writer *writer, const struct zone_blocks *zones, uint32_t nr_zones)
{
    write_text(writer, "Page block order: ");
    write_number(writer, 0, PAGEBLOCK_ORDER);
    write_text(writer, "\nPages per block:  ");
    write_number(writer, 0, PAGEBLOCK_PAGES);
    write_text(writer, "\n\n");
    write_left(writer, 43, "Free pages count per migrate type at order");
    write_text(writer, " ");
    for (uint32_t order = 0; order < VIEW_ORDERS; order++) {
        write_number(writer, 6, order);
        write_text(writer, " ");
    }
    write_text(writer, "\n");
    for (uint32_t i = 0; i < nr_zones; i++)
        for (uint32_t type = 0; type < NR_MIGRATETYPES; type++)
            layout_put_free_of_type(writer, &zones[i], type);
    write_text(writer, "\n");
    write_left(writer, 23, "Number of blocks type");
    for (uint32_t type = 0; type < NR_MIGRATETYPES; type++) {
        write_right(writer, 12, migratetype_name(type));
        write_text(writer, " ");
    }
    write_text(writer, "\n");
    for (uint32_t i = 0; i < nr_zones; i++)
        layout_put_pageblocks(writer, &zones[i]);
}

/* --- zoneinfo, vmstat --- */

static void layout_put_stats(struct writer *w, const struct vmstat *stats, enum vm_group group)
{
    for (uint32_t i = 0; i < NR_VM_ITEMS; i++) {
        if (ITEMS[i].group != group)
            continue;
        write_text(w, "\n      ");
        write_left(w, 12, ITEMS[i].name);
        write_text(w, " ");
        write_number(w, 0, stats->count[i]);
    }
}

static void layout_put_after(struct writer *w, const char *before, uint64_t number)
{
    write_text(w, before);
    write_number(w, 0, number);
}

static void layout_put_pagesets(struct writer *w, const struct zoneinfo *zone)
{
    write_text(w, "\n  pagesets");
    for (uint32_t cpu = 0; cpu < zone->nr_cpus; cpu++) {
        const struct zoneinfo_cpu *set = &zone->cpus[cpu];
        layout_put_after(w, "\n    cpu: ", cpu);
        layout_put_after(w, "\n              count: ", set->count);
        layout_put_after(w, "\n              high:  ", set->high);
        layout_put_after(w, "\n              batch: ", set->batch);
        layout_put_after(w, "\n  vm stats threshold: ", set->threshold);
    }
}

void procfs_put_zoneinfo(struct writer *writer, const struct zoneinfo *zone)
{
    layout_put_zone(writer, "Node 0", zone->name);
    if (zone->has_node_stats) {
        write_text(writer, "\n  per-node stats");
        layout_put_stats(writer, &zone->stats, VM_NODE);
    }
    layout_put_after(writer, "\n  pages free     ", zone->free);
    layout_put_after(writer, "\n        boost    ", zone->boost);
    layout_put_after(writer, "\n        min      ", zone->min);
    layout_put_after(writer, "\n        low      ", zone->low);
    layout_put_after(writer, "\n        high     ", zone->high);
    layout_put_after(writer, "\n        spanned  ", zone->spanned);
    layout_put_after(writer, "\n        present  ", zone->present);
    layout_put_after(writer, "\n        managed  ", zone->managed);
    layout_put_after(writer, "\n        cma      ", zone->cma);
    for (uint32_t i = 0; i < PROCFS_ZONES; i++)
        layout_put_after(writer, i ? ", " : "\n        protection: (", zone->protection[i]);
    write_text(writer, ")");
    if (zone->present) { /* the kernel tells no more of an empty zone */
        layout_put_stats(writer, &zone->stats, VM_ZONE);
        layout_put_stats(writer, &zone->stats, VM_NUMA);
        layout_put_pagesets(writer, zone);
        layout_put_after(writer, "\n  node_unreclaimable:  ", zone->node_unreclaimable);
        layout_put_after(writer, "\n  start_pfn:           ", zone->start_pfn);
    }
    write_text(writer, "\n");
}

void procfs_put_vmstat(struct writer *writer, const struct vmstat *vmstat)
{
    for (uint32_t i = 0; i < NR_VM_ITEMS; i++) {
        write_text(writer, ITEMS[i].name);
        layout_put_after(writer, " ", vmstat->count[i]);
        write_text(writer, "\n");
    }
}

/* --- meminfo --- */

void procfs_put_meminfo(struct writer *writer, const struct meminfo *meminfo)
{
    const struct {
        const char *name;
        uint32_t width;
        const char *unit;
        uint64_t number;
    } LINES[] = {
#define X(field, name, width, unit) { name, width, unit, meminfo->field },
        MEMINFO_MAP(X)
#undef X
    };
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        write_text(writer, LINES[i].name);
        write_number(writer, LINES[i].width, LINES[i].number);
        write_text(writer, LINES[i].unit);
        write_text(writer, "\n");
    }
}

/* %s%8lu %8lu ...\n */
static void layout_put_row(struct writer *w, const char *name, const uint64_t *numbers, uint32_t nr)
{
    write_text(w, name);
    for (uint32_t i = 0; i < nr; i++) {
        write_text(w, " ");
        write_number(w, 8, numbers[i]);
    }
    write_text(w, "\n");
}

void procfs_put_meminfo_classic(struct writer *writer, const struct meminfo_classic *m)
{
    const uint64_t memory[] = { m->total, m->total - m->free, m->free, m->shared, m->buffers, m->cached };
    const uint64_t swap[] = { m->swap_total, m->swap_total - m->swap_free, m->swap_free };
    const struct {
        const char *name;
        uint64_t bytes;
    } TAGGED[] = {
        { "MemTotal:  ", m->total },     { "MemFree:   ", m->free },   { "MemShared: ", m->shared },
        { "Buffers:   ", m->buffers },   { "Cached:    ", m->cached }, { "SwapTotal: ", m->swap_total },
        { "SwapFree:  ", m->swap_free },
    };
    write_text(writer, "        total:    used:    free:  shared: buffers:  cached:\n");
    layout_put_row(writer, "Mem: ", memory, 6);
    layout_put_row(writer, "Swap:", swap, 3);
    for (size_t i = 0; i < sizeof TAGGED / sizeof TAGGED[0]; i++) {
        write_text(writer, TAGGED[i].name);
        write_number(writer, 8, TAGGED[i].bytes >> 10);
        write_text(writer, " kB\n");
    }
}

/* --- slabinfo --- */

void procfs_put_slabinfo_head(struct writer *writer)
{
    write_text(writer, "slabinfo - version: 2.1\n"
                       "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
                       " : tunables <limit> <batchcount> <sharedfactor>"
                       " : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
}

void procfs_put_slabinfo(struct writer *writer, const struct slabinfo *cache)
{
    const struct {
        const char *before;
        uint32_t width;
        uint64_t number;
    } FIELDS[] = {
        { " ", 6, cache->active_objs }, { " ", 6, cache->num_objs },     { " ", 6, cache->objsize },
        { " ", 4, cache->objperslab },  { " ", 4, cache->pagesperslab }, { " : tunables ", 4, cache->limit },
        { " ", 4, cache->batchcount },  { " ", 4, cache->sharedfactor }, { " : slabdata ", 6, cache->active_slabs },
        { " ", 6, cache->num_slabs },   { " ", 6, cache->sharedavail },
    };
    write_escaped(writer, cache->name);
    write_spaces(writer, strlen(cache->name) < 17 ? 17 - (uint32_t)strlen(cache->name) : 0);
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        write_text(writer, FIELDS[i].before);
        write_number(writer, FIELDS[i].width, FIELDS[i].number);
    }
    write_text(writer, "\n");
}

/* --- vmallocinfo --- */

static void layout_put_area_flags(struct writer *w, uint32_t flags)
{
    static const char *const NAMES[] = { " ioremap", " vmalloc", " vmap", " user", " dma-coherent", " vpages" };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (flags >> i & 1)
            write_text(w, NAMES[i]);
}

void procfs_put_vmallocinfo(struct writer *writer, const struct vmallocinfo *area)
{
    write_text(writer, "0x");
    write_hex(writer, 16, area->start);
    write_text(writer, "-0x");
    write_hex(writer, 16, area->end);
    write_text(writer, " ");
    write_number(writer, 7, area->end - area->start);
    if (area->is_unpurged) {
        write_text(writer, " unpurged vm_area\n");
        return;
    }
    write_text(writer, area->caller[0] ? " " : "");
    write_escaped(writer, area->caller);
    if (area->nr_pages)
        layout_put_after(writer, " pages=", area->nr_pages);
    if (area->physical) {
        write_text(writer, " phys=0x");
        write_hex(writer, 16, area->physical);
    }
    layout_put_area_flags(writer, area->flags);
    if (area->nr_node_pages)
        layout_put_after(writer, " N0=", area->nr_node_pages);
    write_text(writer, "\n");
}
