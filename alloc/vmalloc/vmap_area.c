/* Areas: the first hole that fits, and what becomes of addresses that are freed.
 *
 * Free addresses stand in a red-black tree of extents by address. Each node also knows the largest size in its subtree (the
 * augment), so that the search turns away from subtrees where nothing fits:
 *
 *            [40 pages] max 64             wanted: 50 pages
 *           /          \
 *     [8] max 8         [16] max 64         The left side has at most 8, the root has 40: right. There 16 does not do,
 *                      /           \       the left side has at most 4: right again, where 64 fits.
 *                 [4] max 4         [64] max 64
 *
 * Going left first gives the lowest hole that fits. With an alignment above a page, a subtree is judged by size + align -
 * 1, but a hole on the way is judged exactly, as in Linux. So the answer depends on the shape of the tree, and the edits
 * below follow the kernel's step by step: a hole that is cut in the middle keeps its right part; a freed area first joins
 * the hole behind it, then the one before it.
 *
 * A freed area becomes lazy: its mappings are gone, but TLBs may still know them, so nobody may use the addresses. When
 * enough pages are lazy, one flush serves them all, and the purge moves every lazy extent to the free tree. */
#include "alloc/vmalloc/vmap_area.h"

#include "pagoda/config.h"

#include <string.h>

static uint64_t vmap_align_up(uint64_t address, uint64_t align)
{
    return (address + align - 1) & ~(align - 1);
}
static uint32_t vmap_pages(uint64_t nr_bytes) /* for events */
{
    uint64_t nr_pages = nr_bytes >> PAGE_SHIFT;
    return nr_pages > UINT32_MAX ? UINT32_MAX : (uint32_t)nr_pages;
}

/* --- the place of an extent in a tree --- */

struct place {
    uint32_t parent;
    bool is_left;
    uint32_t before, after; /* neighbours in address order */
};

static struct place vmap_find_place(const struct vmap_space *space, uint32_t from, uint64_t start)
{
    struct place place = { 0 };
    for (uint32_t node = from; node;) {
        const struct vmap_extent *extent = vmap_extent_at(space, node);
        place.parent = node;
        place.is_left = start < extent->start;
        if (place.is_left)
            place.after = node;
        else
            place.before = node;
        node = place.is_left ? extent->node.left : extent->node.right;
    }
    return place;
}

/* The same for a caller who knows an extent that lies before, mostly the last one before. Two neighbours have one place
 * between them: the right of the lower one, or else the left of the upper one. */
static struct place vmap_find_place_behind(const struct vmap_space *space, uint32_t root, uint32_t before, uint64_t start)
{
    uint32_t after = before ? rb_next(&space->extents, before) : 0;
    if (!before || (after && vmap_extent_at(space, after)->start < start))
        return vmap_find_place(space, root, start);
    bool is_left = rb_at(&space->extents, before)->right != 0;
    return (struct place){ .parent = is_left ? after : before, .is_left = is_left, .before = before, .after = after };
}

static void vmap_extent_set(const struct vmap_space *space, uint32_t index, uint64_t start, uint64_t end)
{
    vmap_extent_at(space, index)->start = start;
    rb_resize(&space->extents, index, end - start);
}

static uint32_t vmap_extent_take(struct vmap_space *space, uint64_t start, uint64_t end)
{
    uint32_t index = pool_take(&space->extents);
    if (index)
        *vmap_extent_at(space, index) = (struct vmap_extent){ .node.size = end - start, .start = start };
    return index;
}

static void vmap_extent_erase(struct vmap_space *space, uint32_t *root, uint32_t index)
{
    rb_erase(&space->extents, root, index);
    pool_give(&space->extents, index);
}

/* Puts an extent into a tree. A neighbour that it touches grows instead, and the item is gone:
 *
 *      AAA***BBB -> AAAAAAAAA      AAA***  BBB -> AAAAAA  BBB      AAA  ***BBB -> AAA  BBBBBB
 *
 * Returns the extent that has the addresses now. */
static uint32_t vmap_merge_or_add(struct vmap_space *space, uint32_t *root, uint32_t index, struct place place)
{
    uint64_t start = vmap_extent_at(space, index)->start, end = vmap_extent_end(space, index);
    bool joins_after = place.after && vmap_extent_at(space, place.after)->start == end;
    bool joins_before = place.before && vmap_extent_end(space, place.before) == start;
    if (!joins_after && !joins_before) {
        rb_insert(&space->extents, root, index, place.parent, place.is_left);
        return index;
    }
    pool_give(&space->extents, index);
    end = joins_after ? vmap_extent_end(space, place.after) : end;
    if (!joins_before) {
        vmap_extent_set(space, place.after, start, end);
        return place.after;
    }
    if (joins_after)
        vmap_extent_erase(space, root, place.after);
    vmap_extent_set(space, place.before, vmap_extent_at(space, place.before)->start, end);
    return place.before;
}

/* --- the search --- */

struct wish {
    uint64_t size, align, length; /* bytes; length: what a hole must have to be worth a detour */
    uint64_t from;                /* lowest address */
};

static uint64_t vmap_place_in(const struct vmap_extent *extent, const struct wish *wish)
{
    return vmap_align_up(extent->start > wish->from ? extent->start : wish->from, wish->align);
}

static bool vmap_fits(const struct vmap_space *space, uint32_t index, const struct wish *wish)
{
    const struct vmap_extent *extent = vmap_extent_at(space, index);
    uint64_t start = vmap_place_in(extent, wish);
    bool overflows = start + wish->size < start || start < wish->from;
    bool ok = !overflows && start + wish->size <= vmap_extent_end(space, index);
    TRACE_EVENT(space->trace, .kind = EV_VMAP_SEARCH, .address = extent->start, .count = vmap_pages(extent->node.size),
                .ok = ok);
    return ok;
}

/* Climbs from a node under which nothing fits. Returns the first ancestor that fits itself (*found), or the right child of
 * the first ancestor whose right side may have a fit; 0: there is neither.
 * wish  from is raised above that ancestor, so that its left side is not entered again. */
static uint32_t vmap_climb(const struct vmap_space *space, uint32_t node, struct wish *wish, bool *found)
{
    while ((node = rb_at(&space->extents, node)->parent)) {
        const struct vmap_extent *extent = vmap_extent_at(space, node);
        *found = vmap_fits(space, node, wish);
        if (*found)
            return node;
        if (rb_max(&space->extents, extent->node.right) >= wish->length && wish->from <= extent->start) {
            wish->from = extent->start + 1;
            return extent->node.right;
        }
    }
    return 0;
}

static uint32_t vmap_find_lowest_match(const struct vmap_space *space, struct wish wish)
{
    bool found = false;
    for (uint32_t node = space->free_root; node;) {
        const struct vmap_extent *extent = vmap_extent_at(space, node);
        if (rb_max(&space->extents, extent->node.left) >= wish.length && wish.from < extent->start)
            node = extent->node.left;
        else if (vmap_fits(space, node, &wish))
            return node;
        else if (rb_max(&space->extents, extent->node.right) >= wish.length)
            node = extent->node.right;
        else
            node = vmap_climb(space, node, &wish, &found);
        if (found)
            return node;
    }
    return 0;
}

/* Cuts [start, end) out of a hole. False: there is no item for the part that is left over. */
static bool vmap_cut(struct vmap_space *space, uint32_t index, uint64_t start, uint64_t end)
{
    uint64_t hole_start = vmap_extent_at(space, index)->start, hole_end = vmap_extent_end(space, index);
    if (hole_start == start && hole_end == end) {
        vmap_extent_erase(space, &space->free_root, index);
    } else if (hole_start == start) {
        vmap_extent_set(space, index, end, hole_end);
    } else if (hole_end == end) {
        vmap_extent_set(space, index, hole_start, start);
    } else {
        uint32_t left = vmap_extent_take(space, hole_start, start);
        if (!left)
            return false;
        vmap_extent_set(space, index, end, hole_end);
        struct place place = vmap_find_place(space, index, hole_start);
        rb_insert(&space->extents, &space->free_root, left, place.parent, place.is_left);
    }
    return true;
}

/* --- public --- */

/* Free extents lie between busy and lazy ones. A lazy one has at least two pages. The call that passes the threshold may
 * add an area and its page array to the lazy ones. */
void vmap_space_shape(struct vmap_space *space, uint32_t nr_areas, uint64_t lazy_max_pages)
{
    memset(space, 0, sizeof *space);
    space->lazy_max_pages = lazy_max_pages;
    pool_shape(&space->areas, sizeof(struct vmap_area), nr_areas);
    pool_shape(&space->extents, sizeof(struct vmap_extent), nr_areas + (uint32_t)lazy_max_pages + 16);
}

struct vmap_area_ref vmap_area_add(struct vmap_space *space, uint64_t start, uint64_t end)
{
    struct vmap_area_ref area = { pool_take(&space->areas) };
    if (!area.index)
        return VMAP_AREA_NONE;
    vmap_area_at(space, area)->start = start;
    vmap_area_at(space, area)->end = end;
    return area;
}

uint32_t vmap_extent_add(struct vmap_space *space, uint32_t *root, uint64_t start, uint64_t end)
{
    uint32_t index = vmap_extent_take(space, start, end);
    struct place place = vmap_find_place(space, *root, start);
    if (index)
        rb_insert(&space->extents, root, index, place.parent, place.is_left);
    return index;
}

void vmap_space_start(struct vmap_space *space, uint64_t all_start, uint64_t all_end)
{
    uint32_t all = vmap_extent_add(space, &space->free_root, all_start, all_end);
    (void)all; /* a pool that holds nothing yet has room for one */
}

struct vmap_area_ref vmap_area_alloc(struct vmap_space *space, uint64_t size, uint64_t align)
{
    trace_step(space->trace, PATH_alloc_vmap_area);
    trace_cost(space->trace, COST_VMAP_AREA, 1);
    struct wish wish = { .size = size, .align = align, .length = size, .from = space->start };
    if (align > PAGE_SIZE)
        wish.length += align - 1;
    uint32_t hole = vmap_find_lowest_match(space, wish);
    if (!hole)
        return VMAP_AREA_NONE;
    uint64_t start = vmap_place_in(vmap_extent_at(space, hole), &wish);
    struct vmap_area_ref area = start + size > space->end ? VMAP_AREA_NONE : vmap_area_add(space, start, start + size);
    if (!area.index)
        return VMAP_AREA_NONE;
    if (!vmap_cut(space, hole, start, start + size)) {
        pool_give(&space->areas, area.index);
        return VMAP_AREA_NONE;
    }
    TRACE_EVENT(space->trace, .kind = EV_VMAP_AREA, .address = start, .count = vmap_pages(size));
    return area;
}

/* Moves the addresses of an area to a tree. The item is gone. */
static void vmap_retire(struct vmap_space *space, uint32_t *root, struct vmap_area_ref area)
{
    uint64_t start = vmap_area_at(space, area)->start, end = vmap_area_at(space, area)->end;
    trace_cost(space->trace, COST_VMAP_AREA, 1);
    pool_give(&space->areas, area.index);
    uint32_t extent = vmap_extent_take(space, start, end); /* is there: the pool has room for what lies between areas */
    vmap_merge_or_add(space, root, extent, vmap_find_place(space, *root, start));
}

void vmap_area_free_lazy(struct vmap_space *space, struct vmap_area_ref area)
{
    uint64_t start = vmap_area_at(space, area)->start, size = vmap_area_at(space, area)->end - start;
    space->nr_lazy_pages += size >> PAGE_SHIFT;
    vmap_retire(space, &space->lazy_root, area);
    TRACE_EVENT(space->trace, .kind = EV_VMAP_LAZY, .address = start, .count = vmap_pages(size), .a = space->nr_lazy_pages);
}

void vmap_area_free_now(struct vmap_space *space, struct vmap_area_ref area)
{
    vmap_retire(space, &space->free_root, area);
}

/* Takes the lazy tree apart from its lowest extent up. The place of the next one in the free tree is mostly right behind
 * the one before, so a purge of n extents does not search the tree n times. */
bool vmap_space_purge(struct vmap_space *space, uint64_t *start, uint64_t *end)
{
    if (!space->lazy_root)
        return false;
    trace_step(space->trace, PATH_purge_vmap_area_lazy);
    uint32_t index = rb_first(&space->extents, space->lazy_root), before = 0;
    *start = vmap_extent_at(space, index)->start;
    for (uint32_t next; index; index = next) {
        uint64_t at = vmap_extent_at(space, index)->start;
        uint32_t nr_pages = vmap_pages(vmap_extent_at(space, index)->node.size);
        next = rb_unhook_first(&space->extents, index);
        *end = vmap_extent_end(space, index);
        TRACE_EVENT(space->trace, .kind = EV_VMAP_PURGE, .address = at, .count = nr_pages);
        trace_cost(space->trace, COST_VMAP_AREA, 1);
        space->nr_lazy_pages -= nr_pages;
        before =
            vmap_merge_or_add(space, &space->free_root, index, vmap_find_place_behind(space, space->free_root, before, at));
    }
    space->lazy_root = 0;
    return true;
}

uint32_t vmap_extent_find_from(const struct vmap_space *space, uint32_t root, uint64_t address)
{
    uint32_t best = 0;
    for (uint32_t node = root; node;) {
        bool is_behind = vmap_extent_end(space, node) > address;
        best = is_behind ? node : best;
        node = is_behind ? vmap_extent_at(space, node)->node.left : vmap_extent_at(space, node)->node.right;
    }
    return best;
}

uint32_t vmap_extent_find(const struct vmap_space *space, uint32_t root, uint64_t address)
{
    uint32_t extent = vmap_extent_find_from(space, root, address);
    return extent && vmap_extent_at(space, extent)->start <= address ? extent : 0;
}

/* --- checks --- */

/* What has been seen of the space. */
struct cover {
    uint64_t lowest, highest, nr_bytes;
    uint32_t nr;
};

static void vmap_cover_add(struct cover *cover, uint64_t start, uint64_t end)
{
    cover->lowest = cover->nr_bytes && cover->lowest < start ? cover->lowest : start;
    cover->highest = cover->highest > end ? cover->highest : end;
    cover->nr_bytes += end - start;
    cover->nr++;
}

static bool vmap_has_any_of(const struct vmap_space *space, uint32_t root, uint64_t start, uint64_t end)
{
    uint32_t extent = vmap_extent_find_from(space, root, start);
    return extent && vmap_extent_at(space, extent)->start < end;
}

/* Are a tree's extents in order, none empty, none in the other tree too? */
static bool vmap_cover_tree(const struct vmap_space *space, uint32_t root, uint32_t other, struct cover *cover)
{
    uint64_t at = 0;
    for (uint32_t i = rb_first(&space->extents, root); i; i = rb_next(&space->extents, i)) {
        uint64_t start = vmap_extent_at(space, i)->start, end = vmap_extent_end(space, i);
        if (start < at || end <= start || vmap_has_any_of(space, other, start, end))
            return false;
        vmap_cover_add(cover, start, end);
        at = end;
    }
    return true;
}

/* Has no busy area an address that a tree has? */
static bool vmap_cover_areas(const struct vmap_space *space, struct cover *cover)
{
    for (struct vmap_area_ref i = { 1 }; i.index < space->areas.nr_used; i.index++) {
        uint64_t start = vmap_area_at(space, i)->start, end = vmap_area_at(space, i)->end;
        if (!start)
            continue;
        if (end <= start || vmap_has_any_of(space, space->free_root, start, end) ||
            vmap_has_any_of(space, space->lazy_root, start, end))
            return false;
        vmap_cover_add(cover, start, end);
    }
    return true;
}

bool vmap_space_check(const struct vmap_space *space, const char **what)
{
    struct cover cover = { 0 };
    uint64_t nr_free, nr_lazy;
    *what = "vmalloc: a tree of extents is out of shape";
    if (!rb_check(&space->extents, space->free_root, &nr_free) || !rb_check(&space->extents, space->lazy_root, &nr_lazy))
        return false;
    *what = "vmalloc: areas or extents overlap";
    if (!vmap_cover_tree(space, space->free_root, space->lazy_root, &cover))
        return false;
    uint64_t nr_bytes = cover.nr_bytes;
    if (!vmap_cover_tree(space, space->lazy_root, space->free_root, &cover))
        return false;
    nr_bytes = cover.nr_bytes - nr_bytes;
    if (!vmap_cover_areas(space, &cover))
        return false;
    *what = "vmalloc: an extent stands in no tree, or an area is lost";
    uint32_t nr_extents = pool_nr_live(&space->extents);
    if (nr_free + nr_lazy != nr_extents || cover.nr != nr_extents + pool_nr_live(&space->areas))
        return false;
    *what = "vmalloc: areas leave a gap";
    if (cover.nr_bytes != cover.highest - cover.lowest || cover.lowest > space->start || cover.highest < space->end)
        return false;
    *what = "vmalloc: the count of lazy pages is wrong";
    return nr_bytes >> PAGE_SHIFT == space->nr_lazy_pages;
}
