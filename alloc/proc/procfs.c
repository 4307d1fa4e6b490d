/* The files of /proc, one row each. Those of Linux 6.1 are laid out in procfs_layout.c, from structs that procfs_fill.c
 * fills. The classic profile has those that Linux 2.0 had. */
#include "pagoda/procfs.h"
#include "alloc/slab/slab_record.h"
#include "alloc/machine/machine_state.h"
#include "alloc/proc/procfs_fill.h"
#include "alloc/proc/procfs_process.h"

#include <string.h>

static void file_put_buddyinfo(struct writer *w, const struct machine *m)
{
    struct zone_blocks zones[PROCFS_ZONES];
    procfs_put_buddyinfo(w, zones, procfs_fill_blocks(&m->state.pages, zones));
}

static void file_put_pagetypeinfo(struct writer *w, const struct machine *m)
{
    struct zone_blocks zones[PROCFS_ZONES];
    procfs_put_pagetypeinfo(w, zones, procfs_fill_blocks(&m->state.pages, zones));
}

static void file_put_zoneinfo(struct writer *w, const struct machine *m)
{
    struct zoneinfo zones[PROCFS_ZONES];
    procfs_fill_zones(&m->state, zones);
    for (uint32_t i = 0; i < PROCFS_ZONES; i++)
        procfs_put_zoneinfo(w, &zones[i]);
}

static void file_put_vmstat(struct writer *w, const struct machine *m)
{
    struct zoneinfo zones[PROCFS_ZONES];
    struct vmstat vmstat;
    procfs_fill_zones(&m->state, zones);
    procfs_fill_vmstat(&m->state, zones, &vmstat);
    procfs_put_vmstat(w, &vmstat);
}

static void file_put_meminfo(struct writer *w, const struct machine *m)
{
    struct zoneinfo zones[PROCFS_ZONES];
    struct meminfo meminfo;
    procfs_fill_zones(&m->state, zones);
    procfs_fill_meminfo(&m->state, zones, &meminfo);
    procfs_put_meminfo(w, &meminfo);
}

static void file_put_meminfo_classic(struct writer *w, const struct machine *m)
{
    struct meminfo_classic meminfo;
    procfs_fill_meminfo_classic(&m->state, &meminfo);
    procfs_put_meminfo_classic(w, &meminfo);
}

/* --- slabinfo --- */

/* Objects that slabinfo counts as active: all but the free ones in slabs of the node's list. */
static uint64_t cache_nr_active(const struct kmalloc *k, const struct cache *cache)
{
    uint64_t nr = cache->nr_objects;
    for (struct slab_ref i = slab_list_first(&cache->partial); i.index; i = slab_at(k, i)->next)
        nr -= (uint64_t)(slab_at(k, i)->objects - slab_at(k, i)->inuse);
    return nr;
}

static void file_put_cache(struct writer *w, const struct kmalloc *k, const struct cache *cache)
{
    procfs_put_slabinfo(w, &(struct slabinfo){ .name = cache->name,
                                               .active_objs = cache_nr_active(k, cache),
                                               .num_objs = cache->nr_objects,
                                               .objsize = cache->size,
                                               .objperslab = cache->objects,
                                               .pagesperslab = UINT64_C(1) << cache->order,
                                               .active_slabs = cache->nr_slabs,
                                               .num_slabs = cache->nr_slabs });
}

/* The cache that was made last before another; 0: none.
 * made  the other's number in the order of making. */
static struct cache_ref cache_before(const struct kmalloc *k, uint32_t made)
{
    struct cache_ref found = CACHE_NONE;
    for (struct cache_ref i = { 1 }; i.index < k->caches.nr_used; i.index++) {
        const struct cache *cache = cache_at(k, i);
        if (cache->name[0] && cache->made < made && (!found.index || cache->made > cache_at(k, found)->made))
            found = i;
    }
    return found;
}

static void file_put_slabinfo(struct writer *w, const struct machine *m)
{
    const struct kmalloc *k = &m->state.kmalloc;
    procfs_put_slabinfo_head(w);
    for (struct cache_ref i = cache_before(k, UINT32_MAX); i.index; i = cache_before(k, cache_at(k, i)->made))
        file_put_cache(w, k, cache_at(k, i));
}

/* --- vmallocinfo --- */

/* Linux prints the calling function. Here the name or call site stands in its place, if one was given. */
static void file_put_area(struct writer *w, const struct machine *m, const struct vmap_area *area)
{
    const struct vmap_space *space = &m->state.vmalloc.space;
    const struct vmap_area *owner = area->array_of.index ? vmap_area_at(space, area->array_of) : area;
    bool has_vmalloced_array = area->page_array && vmalloc_contains(&m->state.vmalloc, area->page_array);
    procfs_put_vmallocinfo(
        w, &(struct vmallocinfo){ .start = area->start,
                                  .end = area->end,
                                  .caller = owner->name.index ? name_text(&m->state.names, owner->name) : "vmalloc",
                                  .nr_pages = area->nr_pages,
                                  .flags = VMINFO_VMALLOC | (has_vmalloced_array ? VMINFO_VPAGES : 0),
                                  .nr_node_pages = area->nr_pages });
}

/* Busy areas by address, then those that wait for the purge. */
static void file_put_vmallocinfo(struct writer *w, const struct machine *m)
{
    const struct vmalloc *v = &m->state.vmalloc;
    const struct vmap_space *space = &v->space;
    struct vmap_area_ref area = vmalloc_area_from(v, space->start);
    uint32_t lazy =
        area.index ? rb_first(&space->extents, space->lazy_root) : 0; /* Linux prints them behind the last busy one */
    for (; area.index; area = vmalloc_area_from(v, vmap_area_at(space, area)->end))
        file_put_area(w, m, vmap_area_at(space, area));
    for (; lazy; lazy = rb_next(&space->extents, lazy))
        procfs_put_vmallocinfo(w, &(struct vmallocinfo){ .start = vmap_extent_at(space, lazy)->start,
                                                         .end = vmap_extent_end(space, lazy),
                                                         .is_unpurged = true });
}

/* --- which machine has which --- */

static const struct {
    const char *name;
    uint32_t profiles; /* enum config_profiles */
    void (*put)(struct writer *w, const struct machine *m);
} FILES[] = {
    { "buddyinfo", IN_LINUX, file_put_buddyinfo },
    { "meminfo", IN_LINUX, file_put_meminfo },
    { "meminfo", IN_CLASSIC, file_put_meminfo_classic },
    { "pagetypeinfo", IN_LINUX, file_put_pagetypeinfo },
    { "slabinfo", IN_LINUX, file_put_slabinfo },
    { "vmallocinfo", IN_LINUX, file_put_vmallocinfo },
    { "vmstat", IN_LINUX, file_put_vmstat },
    { "zoneinfo", IN_LINUX, file_put_zoneinfo },
};
#define NR_FILES (sizeof FILES / sizeof FILES[0])

static const struct {
    const char *name;
    uint32_t profiles;
    void (*put)(struct writer *w, const struct machine *m, const struct process *process); /* NULL: not a text */
} PROCESS_FILES[] = {
    { "maps", IN_LINUX, procfs_put_maps },
    { "maps", IN_CLASSIC, procfs_put_maps_classic },
    { "pagemap", IN_LINUX, NULL },
    { "smaps", IN_LINUX, procfs_put_smaps },
    { "status", IN_LINUX, procfs_put_status },
    { "status", IN_CLASSIC, procfs_put_status_classic },
};
#define NR_PROCESS_FILES (sizeof PROCESS_FILES / sizeof PROCESS_FILES[0])

static bool file_is_of(const struct machine *m, uint32_t profiles)
{
    return profiles >> m->profile->id & 1;
}

const char *procfs_name(const struct machine *machine, bool of_process, uint32_t number)
{
    for (size_t i = 0; i < (of_process ? NR_PROCESS_FILES : NR_FILES); i++)
        if (file_is_of(machine, of_process ? PROCESS_FILES[i].profiles : FILES[i].profiles) && !number--)
            return of_process ? PROCESS_FILES[i].name : FILES[i].name;
    return NULL;
}

bool procfs_read(const struct machine *machine, const char *name, const struct procfs_out *out)
{
    struct writer writer;
    for (size_t i = 0; i < NR_FILES; i++) {
        if (!file_is_of(machine, FILES[i].profiles) || strcmp(FILES[i].name, name) != 0)
            continue;
        writer_open(&writer, out);
        FILES[i].put(&writer, machine);
        writer_close(&writer);
        return true;
    }
    return false;
}

bool procfs_read_process(const struct machine *machine, uint32_t pid, const char *name, const struct procfs_out *out)
{
    struct writer writer;
    struct process_ref process = process_find(&machine->state.processes, pid);
    for (size_t i = 0; i < NR_PROCESS_FILES && process.index; i++) {
        bool is_text = PROCESS_FILES[i].put != NULL && file_is_of(machine, PROCESS_FILES[i].profiles);
        if (!is_text || strcmp(PROCESS_FILES[i].name, name) != 0)
            continue;
        writer_open(&writer, out);
        PROCESS_FILES[i].put(&writer, machine, process_at(&machine->state.processes, process));
        writer_close(&writer);
        return true;
    }
    return false;
}
