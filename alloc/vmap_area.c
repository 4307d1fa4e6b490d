/* Areas. Free ones stand in a tree that knows the largest size below each node, so that the search turns away from subtrees
 * where nothing fits. Without an alignment above a page this gives the lowest hole that fits. With one, holes are judged by
 * size + align - 1 from afar and exactly when they lie on the way, as in Linux; so the answer depends on the tree's shape,
 * and the edits below follow the kernel's to the step: a hole that is cut in the middle keeps its right part, a freed area
 * first joins the hole behind it, then the one before it. */
#include "alloc/vmap_area.h"

#include "pagoda/config.h"

static uint64_t align_up(uint64_t address, uint64_t align)
{
    return (address + align - 1) & ~(align - 1);
}
static uint32_t pages_of(uint64_t nr_bytes) /* for events */
{
    uint64_t nr_pages = nr_bytes >> PAGE_SHIFT;
    return nr_pages > UINT32_MAX ? UINT32_MAX : (uint32_t)nr_pages;
}

/* --- the place of an area in a tree --- */

struct place {
    uint32_t parent;
    bool is_left;
    uint32_t before, after; /* neighbours in address order */
};

static struct place find_place(const struct vmap_space *space, uint32_t from, uint64_t start)
{
    struct place place = { 0 };
    for (uint32_t node = from; node;) {
        const struct vmap_area *area = vmap_area_at(space, node);
        place.parent = node;
        place.is_left = start < area->start;
        if (place.is_left)
            place.after = node;
        else
            place.before = node;
        node = place.is_left ? area->node.left : area->node.right;
    }
    return place;
}

static void insert(struct vmap_space *space, uint32_t *root, uint32_t from, uint32_t index)
{
    struct place place = find_place(space, from, vmap_area_at(space, index)->start);
    rb_insert(&space->areas, root, index, place.parent, place.is_left);
}

static void set_extent(const struct vmap_space *space, uint32_t index, uint64_t start, uint64_t end)
{
    vmap_area_at(space, index)->start = start;
    vmap_area_at(space, index)->end = end;
    rb_resize(&space->areas, index, end - start);
}

static void erase(struct vmap_space *space, uint32_t *root, uint32_t index)
{
    rb_erase(&space->areas, root, index);
    pool_give(&space->areas, index);
}

/* Gives [start, end) to a tree: grows a neighbour that it touches, or goes in as an area of its own (the item "spare"). */
static void merge_or_add(struct vmap_space *space, uint32_t *root, uint32_t spare)
{
    struct vmap_area *area = vmap_area_at(space, spare);
    uint64_t start = area->start, end = area->end;
    struct place place = find_place(space, *root, start);
    bool joins_after = place.after && vmap_area_at(space, place.after)->start == end;
    bool joins_before = place.before && vmap_area_at(space, place.before)->end == start;
    if (!joins_after && !joins_before) {
        rb_insert(&space->areas, root, spare, place.parent, place.is_left);
        return;
    }
    if (joins_before && joins_after) {
        end = vmap_area_at(space, place.after)->end;
        erase(space, root, place.after);
    }
    if (joins_before)
        set_extent(space, place.before, vmap_area_at(space, place.before)->start, end);
    else
        set_extent(space, place.after, start, vmap_area_at(space, place.after)->end);
    pool_give(&space->areas, spare);
}

/* --- the search --- */

struct wish {
    uint64_t size, align, length; /* bytes; length: what a hole must have to be worth a detour */
    uint64_t from;                /* lowest address */
};

static uint64_t place_in(const struct vmap_area *area, const struct wish *wish)
{
    return align_up(area->start > wish->from ? area->start : wish->from, wish->align);
}

static bool fits(const struct vmap_space *space, uint32_t index, const struct wish *wish)
{
    const struct vmap_area *area = vmap_area_at(space, index);
    uint64_t start = place_in(area, wish);
    bool overflows = start + wish->size < start || start < wish->from;
    bool ok = !overflows && start + wish->size <= area->end;
    TRACE_EVENT(space->trace, .kind = EV_VMAP_SEARCH, .address = area->start, .count = pages_of(area->node.size), .ok = ok);
    return ok;
}

/* Up from a node under which nothing fits: the first ancestor that fits itself (*found), or whose right side may. Starts on
 * the right side so found will lie above that ancestor, else the same subtree would be entered again. */
static uint32_t climb(const struct vmap_space *space, uint32_t node, struct wish *wish, bool *found)
{
    while ((node = rb_at(&space->areas, node)->parent)) {
        const struct vmap_area *area = vmap_area_at(space, node);
        *found = fits(space, node, wish);
        if (*found)
            return node;
        if (rb_max(&space->areas, area->node.right) >= wish->length && wish->from <= area->start) {
            wish->from = area->start + 1;
            return area->node.right;
        }
    }
    return 0;
}

static uint32_t find_lowest_match(const struct vmap_space *space, struct wish wish)
{
    bool found = false;
    for (uint32_t node = space->free_root; node;) {
        const struct vmap_area *area = vmap_area_at(space, node);
        if (rb_max(&space->areas, area->node.left) >= wish.length && wish.from < area->start)
            node = area->node.left;
        else if (fits(space, node, &wish))
            return node;
        else if (rb_max(&space->areas, area->node.right) >= wish.length)
            node = area->node.right;
        else
            node = climb(space, node, &wish, &found);
        if (found)
            return node;
    }
    return 0;
}

/* Cuts [start, start + size) out of a free area. False: there is no item for the part that is left over. */
static bool cut(struct vmap_space *space, uint32_t index, uint64_t start, uint64_t size)
{
    struct vmap_area *area = vmap_area_at(space, index);
    uint64_t left = area->start, end = start + size;
    if (left == start && area->end == end) {
        erase(space, &space->free_root, index);
    } else if (left == start) {
        set_extent(space, index, end, area->end);
    } else if (area->end == end) {
        set_extent(space, index, left, start);
    } else {
        uint32_t rest = pool_take(&space->areas);
        if (!rest)
            return false;
        *vmap_area_at(space, rest) = (struct vmap_area){ .node.size = start - left, .start = left, .end = start };
        set_extent(space, index, end, area->end);
        insert(space, &space->free_root, index, rest);
    }
    return true;
}

/* --- public --- */

uint32_t vmap_area_add(struct vmap_space *space, uint32_t *root, uint64_t start, uint64_t end)
{
    uint32_t index = pool_take(&space->areas);
    if (!index)
        return 0;
    *vmap_area_at(space, index) = (struct vmap_area){ .node.size = end - start, .start = start, .end = end };
    insert(space, root, *root, index);
    return index;
}

void vmap_space_start(struct vmap_space *space, uint64_t all_start, uint64_t all_end)
{
    uint32_t all = vmap_area_add(space, &space->free_root, all_start, all_end);
    (void)all; /* a pool that holds nothing yet has room for one */
}

uint32_t vmap_area_take(struct vmap_space *space, uint64_t size, uint64_t align)
{
    trace_step(space->trace, PATH_alloc_vmap_area);
    trace_cost(space->trace, COST_VMAP_AREA, 1);
    struct wish wish = { .size = size, .align = align, .length = size, .from = space->start };
    if (align > PAGE_SIZE)
        wish.length += align - 1;
    uint32_t hole = find_lowest_match(space, wish);
    if (!hole)
        return 0;
    uint64_t start = place_in(vmap_area_at(space, hole), &wish);
    uint32_t index = start + size > space->end ? 0 : pool_take(&space->areas);
    if (!index)
        return 0;
    if (!cut(space, hole, start, size)) {
        pool_give(&space->areas, index);
        return 0;
    }
    *vmap_area_at(space, index) = (struct vmap_area){ .node.size = size, .start = start, .end = start + size };
    TRACE_EVENT(space->trace, .kind = EV_VMAP_AREA, .address = start, .count = pages_of(size));
    return index;
}

/* Between two neighbours there is one place: to the right of the lower one, or to the left of the upper one. */
void vmap_area_insert(struct vmap_space *space, uint32_t area, uint32_t before)
{
    if (!before) {
        insert(space, &space->busy_root, space->busy_root, area);
        return;
    }
    uint32_t right = rb_at(&space->areas, before)->right;
    uint32_t parent = right ? rb_first(&space->areas, right) : before;
    rb_insert(&space->areas, &space->busy_root, area, parent, parent != before);
}

/* Out of the busy tree; of the item only the extent is left. */
static void retire(struct vmap_space *space, uint32_t index)
{
    rb_erase(&space->areas, &space->busy_root, index);
    struct vmap_area *area = vmap_area_at(space, index);
    *area = (struct vmap_area){ .node.size = area->node.size, .start = area->start, .end = area->end };
}

void vmap_area_free_lazy(struct vmap_space *space, uint32_t area)
{
    uint64_t start = vmap_area_at(space, area)->start, size = vmap_area_at(space, area)->node.size;
    trace_cost(space->trace, COST_VMAP_AREA, 1);
    retire(space, area);
    space->nr_lazy_pages += size >> PAGE_SHIFT;
    merge_or_add(space, &space->lazy_root, area);
    TRACE_EVENT(space->trace, .kind = EV_VMAP_LAZY, .address = start, .count = pages_of(size), .a = space->nr_lazy_pages);
}

void vmap_area_free_now(struct vmap_space *space, uint32_t area)
{
    trace_cost(space->trace, COST_VMAP_AREA, 1);
    retire(space, area);
    merge_or_add(space, &space->free_root, area);
}

bool vmap_space_purge(struct vmap_space *space, uint64_t *start, uint64_t *end)
{
    if (!space->lazy_root)
        return false;
    trace_step(space->trace, PATH_purge_vmap_area_lazy);
    *start = vmap_area_at(space, rb_first(&space->areas, space->lazy_root))->start;
    while (space->lazy_root) {
        uint32_t area = rb_first(&space->areas, space->lazy_root);
        uint32_t nr_pages = pages_of(vmap_area_at(space, area)->node.size);
        *end = vmap_area_at(space, area)->end;
        TRACE_EVENT(space->trace, .kind = EV_VMAP_PURGE, .address = vmap_area_at(space, area)->start, .count = nr_pages);
        trace_cost(space->trace, COST_VMAP_AREA, 1);
        rb_erase(&space->areas, &space->lazy_root, area);
        merge_or_add(space, &space->free_root, area);
        space->nr_lazy_pages -= nr_pages;
    }
    return true;
}

uint32_t vmap_area_find_from(const struct vmap_space *space, uint32_t root, uint64_t address)
{
    uint32_t best = 0;
    for (uint32_t node = root; node;) {
        const struct vmap_area *area = vmap_area_at(space, node);
        bool is_behind = area->end > address;
        best = is_behind ? node : best;
        node = is_behind ? area->node.left : area->node.right;
    }
    return best;
}

uint32_t vmap_area_find(const struct vmap_space *space, uint32_t root, uint64_t address)
{
    uint32_t area = vmap_area_find_from(space, root, address);
    return area && vmap_area_at(space, area)->start <= address ? area : 0;
}

/* --- checks --- */

/* Which of three areas, where 0 is none, starts lowest. */
static uint32_t lowest(const struct vmap_space *space, const uint32_t areas[3])
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < 3; i++)
        if (areas[i] && (!areas[best] || vmap_area_at(space, areas[i])->start < vmap_area_at(space, areas[best])->start))
            best = i;
    return best;
}

/* Walks the three trees side by side in address order: each area starts where the one before it, of whichever tree, ended.
 */
static bool cover_is_whole(const struct vmap_space *space, uint64_t *nr_lazy_pages)
{
    uint32_t next[3] = { rb_first(&space->areas, space->free_root), rb_first(&space->areas, space->busy_root),
                         rb_first(&space->areas, space->lazy_root) };
    uint64_t at = 0;
    for (uint32_t t = lowest(space, next); next[t]; t = lowest(space, next)) {
        const struct vmap_area *area = vmap_area_at(space, next[t]);
        if ((at && area->start != at) || area->end <= area->start || area->node.size != area->end - area->start)
            return false;
        at = area->end;
        *nr_lazy_pages += t == 2 ? area->node.size >> PAGE_SHIFT : 0;
        next[t] = rb_next(&space->areas, next[t]);
    }
    return at >= space->end;
}

bool vmap_space_check(const struct vmap_space *space, const char **what)
{
    uint64_t nr_free, nr_busy, nr_lazy, nr_lazy_pages = 0;
    *what = "vmalloc: a tree of areas is out of shape";
    if (!rb_check(&space->areas, space->free_root, &nr_free) || !rb_check(&space->areas, space->busy_root, &nr_busy) ||
        !rb_check(&space->areas, space->lazy_root, &nr_lazy))
        return false;
    *what = "vmalloc: an area stands in no tree";
    if (nr_free + nr_busy + nr_lazy != pool_nr_live(&space->areas))
        return false;
    *what = "vmalloc: areas overlap or leave a gap";
    if (!cover_is_whole(space, &nr_lazy_pages))
        return false;
    *what = "vmalloc: the count of lazy pages is wrong";
    return nr_lazy_pages == space->nr_lazy_pages;
}
