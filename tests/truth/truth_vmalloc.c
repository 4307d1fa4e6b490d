/* Replays a recorded run of vmalloc ("format 4") on the area floor alone. It loads the recorded areas and the recorded
 * shape of the free tree, and applies every operation without pages. Addresses, sizes, flags and lazy counters are
 * compared; at the end, the areas and the tree, line by line. Frames are not compared: other activity of the recorded
 * kernel took some in between, and the file does not say which. The special sizes at the end of a file go to a machine of
 * that much memory. */
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"
#include "tests/lib/floor_fixture.h"
#include "tests/truth/truth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AREAS_MAX (1u << 22)
#define DEPTH_MAX 128u
#define HUGE_SIZE (UINT64_C(2) << 20)
#define POINTER_SIZE 8u

enum { FREE, LAZY, NR_TREES };

/* The calls that the recorder makes, and the flags of the areas that they leave (include/linux/vmalloc.h). */
static const struct function {
    const char *name;
    uint32_t vm_flags;
    bool is_huge;
} FUNCTIONS[] = {
    { "vmalloc", 0x2, false },      { "vzalloc", 0x2, false },       { "vmalloc_32", 0x2, false },
    { "vmalloc_user", 0xa, false }, { "vmalloc_huge", 0x402, true },
};

struct extent {
    uint64_t start, end;
};

struct handle {
    struct vmap_area_ref area, array; /* array: the page array's own area; 0: it came from kmalloc */
};

struct replay {
    struct truth_file *file;
    struct truth_report *report;
    struct vmap_space space;
    struct trace trace;
    struct handle *handles; /* by operation number */
    size_t nr_handles;
    struct extent *holes; /* VFREE lines, until the tree that follows says where each goes */
    size_t nr_holes, capacity_holes;
    uint32_t way[DEPTH_MAX];               /* while a VTREE is read: the last node at each depth */
    uint32_t next[NR_TREES], next_in_tree; /* while the end is compared: the extent whose line comes next */
    struct vmap_area_ref *busy;            /* areas by address, 0 behind the last: compared in that order */
    size_t next_busy;
    bool is_end;  /* behind "VMAP end" */
    bool is_over; /* ENDRUN was there */
};

/* --- comparing --- */

static bool same_text(struct replay *r, const char *expected, const char *got)
{
    bool same = strcmp(expected, got) == 0;
    if (!same && !r->report->first_difference[0])
        snprintf(r->report->first_difference, sizeof r->report->first_difference,
                 "line %" PRIu64 ": expected %.200s, got %.200s", truth_line_number(r->file), expected, got);
    return same;
}

static bool same_number(struct replay *r, const char *what, uint64_t expected, uint64_t got)
{
    char texts[2][64];
    snprintf(texts[0], sizeof texts[0], "%s %#" PRIx64, what, expected);
    snprintf(texts[1], sizeof texts[1], "%s %#" PRIx64, what, got);
    return same_text(r, texts[0], texts[1]);
}

static uint64_t key(const char *line, const char *name) /* 0 when it is not there */
{
    int64_t number = 0;
    return line && truth_key(line, name, &number) ? (uint64_t)number : 0;
}

static uint64_t number(char **rest)
{
    const char *field = truth_field(rest, '\t');
    return field ? strtoull(field, NULL, 0) : 0;
}

static uint32_t *root_of(struct replay *r, int tree)
{
    uint32_t *roots[NR_TREES] = { &r->space.free_root, &r->space.lazy_root };
    return roots[tree];
}

/* What a VBUSY line tells of an area beside its extent. */
static void set_details(struct vmap_area *area, uint64_t flags, uint64_t vm_size, uint64_t nr_pages)
{
    area->requested = vm_size;
    area->name.index = (uint32_t)flags;
    area->nr_pages = (uint32_t)nr_pages;
}

/* --- loading the start --- */

static void load_busy(struct replay *r, char *rest)
{
    uint64_t start = number(&rest), end = number(&rest);
    struct vmap_area_ref area = vmap_area_add(&r->space, start, end);
    if (area.index && rest)
        set_details(vmap_area_at(&r->space, area), key(rest, "flags"), key(rest, "vm_size"), key(rest, "nr_pages"));
}

static void load_lazy(struct replay *r, char *rest)
{
    uint64_t start = number(&rest), end = number(&rest);
    (void)vmap_extent_add(&r->space, &r->space.lazy_root, start, end);
}

static void keep_hole(struct replay *r, char *rest)
{
    if (!r->holes || r->nr_holes == r->capacity_holes) {
        r->capacity_holes = r->capacity_holes ? 2 * r->capacity_holes : 256;
        r->holes = realloc(r->holes, r->capacity_holes * sizeof *r->holes);
        if (!r->holes)
            abort();
    }
    r->holes[r->nr_holes].start = number(&rest);
    r->holes[r->nr_holes++].end = number(&rest);
}

static int compare_holes(const void *a, const void *b)
{
    uint64_t x = ((const struct extent *)a)->start, y = ((const struct extent *)b)->start;
    return x < y ? -1 : x > y;
}

/* The file has the tree in pre-order, so the parent of a node is the last one a level above. */
static bool load_node(struct replay *r, char *rest)
{
    uint64_t depth = number(&rest), colour = number(&rest), start = number(&rest), max = number(&rest);
    struct extent wanted = { .start = start };
    const struct extent *hole = r->holes ? bsearch(&wanted, r->holes, r->nr_holes, sizeof *r->holes, compare_holes) : NULL;
    uint32_t index = hole && depth < DEPTH_MAX ? pool_take(&r->space.extents) : 0;
    if (!index)
        return false;
    uint32_t parent = depth ? r->way[depth - 1] : 0;
    struct vmap_extent *extent = vmap_extent_at(&r->space, index);
    extent->start = start;
    extent->node = (struct rb_node){ .parent = parent, .is_red = colour == 0, .size = hole->end - start, .max = max };
    r->way[depth] = index;
    if (!parent)
        r->space.free_root = index;
    else if (start < vmap_extent_at(&r->space, parent)->start)
        rb_at(&r->space.extents, parent)->left = index;
    else
        rb_at(&r->space.extents, parent)->right = index;
    return true;
}

static bool load_line(struct replay *r, const char *kind, char *rest)
{
    if (strcmp(kind, "VFREE") == 0)
        keep_hole(r, rest);
    else if (strcmp(kind, "VTREE") == 0)
        return load_node(r, rest);
    else if (strcmp(kind, "VBUSY") == 0)
        load_busy(r, rest);
    else if (strcmp(kind, "VLAZY") == 0)
        load_lazy(r, rest);
    return true;
}

/* --- operations --- */

static struct vmap_area_ref array_area(struct replay *r, uint64_t nr_pages)
{
    uint64_t bytes = nr_pages * POINTER_SIZE;
    uint64_t size = (bytes + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    if (bytes <= PAGE_SIZE)
        return VMAP_AREA_NONE;
    struct vmap_area_ref array = vmap_area_alloc(&r->space, size + PAGE_SIZE, PAGE_SIZE);
    if (array.index)
        set_details(vmap_area_at(&r->space, array), 0x2, size + PAGE_SIZE, size >> PAGE_SHIFT);
    return array;
}

static struct handle build(struct replay *r, uint64_t size, uint64_t align, uint32_t vm_flags)
{
    uint64_t whole = (size + align - 1) & ~(align - 1);
    struct handle handle = { .area = vmap_area_alloc(&r->space, whole + PAGE_SIZE, align) };
    if (!handle.area.index)
        return handle;
    set_details(vmap_area_at(&r->space, handle.area), vm_flags, whole + PAGE_SIZE, whole >> PAGE_SHIFT);
    handle.array = array_area(r, whole >> PAGE_SHIFT);
    return handle;
}

static const struct function *find_function(const char *name)
{
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
        if (strcmp(FUNCTIONS[i].name, name) == 0)
            return &FUNCTIONS[i];
    return NULL;
}

static void purge(struct replay *r)
{
    uint64_t start, end;
    (void)vmap_space_purge(&r->space, &start, &end);
}

/* The kernel's purge is a work item that may run between the two, or behind the area when it has no array. What was lazy
 * after both tells whether it did. */
static void take_down(struct replay *r, struct handle handle, uint64_t lazy_after)
{
    uint64_t nr_array_pages = 0;
    if (handle.area.index)
        vmap_area_free_lazy(&r->space, handle.area);
    if (handle.array.index) {
        const struct vmap_area *array = vmap_area_at(&r->space, handle.array);
        nr_array_pages = (array->end - array->start) >> PAGE_SHIFT;
    }
    if (r->space.nr_lazy_pages > r->space.lazy_max_pages && lazy_after == nr_array_pages)
        purge(r);
    if (handle.array.index)
        vmap_area_free_lazy(&r->space, handle.array);
}

/* The counter may be read while the purge runs, which takes area by area away from it, in the order of addresses. Returns
 * the first that is not above what was read. */
static uint64_t lazy_in_purge(struct replay *r, uint64_t read)
{
    uint64_t nr = r->space.nr_lazy_pages;
    uint32_t next = nr > r->space.lazy_max_pages ? rb_first(&r->space.extents, r->space.lazy_root) : 0;
    for (; next && nr > read; next = rb_next(&r->space.extents, next))
        nr -= vmap_extent_at(&r->space, next)->node.size >> PAGE_SHIFT;
    return nr;
}

/* A function size address vm_size= flags= nr_pages= lazy= */
static bool run_alloc(struct replay *r, uint64_t op, char *rest)
{
    char *name = truth_field(&rest, '\t');
    uint64_t size = number(&rest), address = number(&rest);
    const struct function *function = name ? find_function(name) : NULL;
    if (!function || !rest || op >= r->nr_handles)
        return same_text(r, name ? name : "a function", "no such function");
    bool is_huge = function->is_huge && size >= HUGE_SIZE;
    struct handle handle = build(r, size, is_huge ? HUGE_SIZE : PAGE_SIZE, function->vm_flags);
    uint64_t small = ((size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1)) + PAGE_SIZE;
    bool was_small = address % HUGE_SIZE || (size % HUGE_SIZE && key(rest, "vm_size") == small);
    if (is_huge && was_small) { /* the kernel found no huge pages, and began anew */
        take_down(r, handle, 0);
        handle = build(r, size, PAGE_SIZE, function->vm_flags);
    }
    r->handles[op] = handle;
    if (!handle.area.index)
        return same_number(r, "address", address, 0);
    const struct vmap_area *area = vmap_area_at(&r->space, handle.area);
    bool same = same_number(r, "address", address, area->start);
    same &= same_number(r, "vm_size", key(rest, "vm_size"), area->requested);
    same &= same_number(r, "flags", key(rest, "flags"), area->name.index);
    same &= same_number(r, "nr_pages", key(rest, "nr_pages"), area->nr_pages);
    same &= same_number(r, "lazy", key(rest, "lazy"), r->space.nr_lazy_pages);
    return same;
}

/* F h size address lazy_after_free= lazy_after_work= */
static bool run_free(struct replay *r, char *rest)
{
    uint64_t of = number(&rest);
    (void)number(&rest);
    uint64_t address = number(&rest);
    if (!rest || of >= r->nr_handles || !r->handles[of].area.index)
        return same_text(r, "a live area", "none");
    bool same = same_number(r, "address", address, vmap_area_at(&r->space, r->handles[of].area)->start);
    take_down(r, r->handles[of], key(rest, "lazy_after_free"));
    r->handles[of] = (struct handle){ 0 };
    uint64_t read = key(rest, "lazy_after_free");
    same &= same_number(r, "lazy_after_free", read, lazy_in_purge(r, read));
    if (r->space.nr_lazy_pages > r->space.lazy_max_pages)
        purge(r);
    return same & same_number(r, "lazy_after_work", key(rest, "lazy_after_work"), r->space.nr_lazy_pages);
}

static bool run_purge(struct replay *r, const char *rest)
{
    bool same = same_number(r, "lazy_before", key(rest, "lazy_before"), r->space.nr_lazy_pages);
    purge(r);
    return same & same_number(r, "lazy_after", key(rest, "lazy_after"), r->space.nr_lazy_pages);
}

static void run_line(struct replay *r, uint64_t op, char *rest)
{
    const char *what = truth_field(&rest, '\t');
    bool same = false;
    r->report->nr_operations++;
    if (!what || !rest)
        same = same_text(r, "an operation", "half a line");
    else if (*what == 'A')
        same = run_alloc(r, op, rest);
    else if (*what == 'F')
        same = run_free(r, rest);
    else if (*what == 'P')
        same = run_purge(r, rest);
    else
        same = same_text(r, what, "an unknown operation");
    r->report->nr_identical += same;
}

/* EDGE vmalloc size totalram_pages= result=: sizes that are refused. EDGE vfree(NULL) no-op. */
static void run_edge(struct replay *r, char *rest)
{
    const char *what = truth_field(&rest, '\t');
    bool is_vmalloc = what && strcmp(what, "vmalloc") == 0;
    uint64_t size = is_vmalloc ? number(&rest) : 0;
    uint64_t memory = is_vmalloc ? key(rest, "totalram_pages") << PAGE_SHIFT : 0;
    struct machine *machine = fixture_machine("linux-6.1", memory);
    r->report->nr_operations++;
    if (is_vmalloc)
        r->report->nr_identical +=
            same_number(r, "result", key(rest, "result"), vmalloc_alloc(&machine->state.vmalloc, size, 0, NAME_NONE));
    else
        vmalloc_free(&machine->state.vmalloc, 0);
    if (!is_vmalloc)
        r->report->nr_identical += same_number(r, "vfree(NULL)", OUTCOME_OK, machine->trace.outcome);
    machine_destroy(machine);
}

/* --- the end --- */

static uint32_t next_in_preorder(const struct pool *pool, uint32_t node)
{
    if (rb_at(pool, node)->left)
        return rb_at(pool, node)->left;
    if (rb_at(pool, node)->right)
        return rb_at(pool, node)->right;
    for (uint32_t parent = rb_at(pool, node)->parent; parent; node = parent, parent = rb_at(pool, node)->parent)
        if (rb_at(pool, parent)->left == node && rb_at(pool, parent)->right)
            return rb_at(pool, parent)->right;
    return 0;
}

static void sort_busy(struct replay *r)
{
    uint32_t nr = 0;
    r->busy = calloc(r->space.areas.nr_used, sizeof *r->busy);
    struct extent *areas = calloc(r->space.areas.nr_used, sizeof *areas);
    if (!r->busy || !areas)
        abort();
    for (struct vmap_area_ref i = { 1 }; i.index < r->space.areas.nr_used; i.index++)
        if (vmap_area_at(&r->space, i)->start)
            areas[nr++] = (struct extent){ .start = vmap_area_at(&r->space, i)->start, .end = i.index };
    qsort(areas, nr, sizeof *areas, compare_holes);
    for (uint32_t i = 0; i < nr; i++)
        r->busy[i].index = (uint32_t)areas[i].end;
    free(areas);
}

static void begin_end(struct replay *r, const char *rest)
{
    r->is_end = true;
    for (int tree = 0; tree < NR_TREES; tree++)
        r->next[tree] = rb_first(&r->space.extents, *root_of(r, tree));
    sort_busy(r);
    r->next_in_tree = r->space.free_root;
    r->report->end_state_identical = same_number(r, "lazy_nr", key(rest, "lazy_nr"), r->space.nr_lazy_pages);
}

static void compare_extent(struct replay *r, int tree, char *rest)
{
    char expected[128], got[128] = "no extent";
    uint64_t start = number(&rest), end = number(&rest);
    snprintf(expected, sizeof expected, "[%#" PRIx64 ", %#" PRIx64 ")", start, end);
    uint32_t next = r->next[tree];
    if (next) {
        snprintf(got, sizeof got, "[%#" PRIx64 ", %#" PRIx64 ")", vmap_extent_at(&r->space, next)->start,
                 vmap_extent_end(&r->space, next));
        r->next[tree] = rb_next(&r->space.extents, next);
    }
    r->report->end_state_identical &= same_text(r, expected, got);
}

static void compare_busy(struct replay *r, char *rest)
{
    char expected[128], got[128] = "no area";
    uint64_t start = number(&rest), end = number(&rest);
    snprintf(expected, sizeof expected,
             "[%#" PRIx64 ", %#" PRIx64 ") flags %#" PRIx64 " vm_size %" PRIu64 " nr_pages %" PRIu64, start, end,
             key(rest, "flags"), key(rest, "vm_size"), key(rest, "nr_pages"));
    if (r->busy[r->next_busy].index) {
        const struct vmap_area *area = vmap_area_at(&r->space, r->busy[r->next_busy++]);
        snprintf(got, sizeof got, "[%#" PRIx64 ", %#" PRIx64 ") flags %#" PRIx32 " vm_size %" PRIu64 " nr_pages %" PRIu32,
                 area->start, area->end, area->name.index, area->requested, area->nr_pages);
    }
    r->report->end_state_identical &= same_text(r, expected, got);
}

static void compare_node(struct replay *r, const char *rest)
{
    char got[128] = "no node";
    uint32_t depth = 0, node = r->next_in_tree;
    for (uint32_t up = node; up && rb_at(&r->space.extents, up)->parent; up = rb_at(&r->space.extents, up)->parent)
        depth++;
    if (node) {
        const struct vmap_extent *extent = vmap_extent_at(&r->space, node);
        snprintf(got, sizeof got, "%" PRIu32 "\t%d\t%#" PRIx64 "\t%" PRIu64, depth, !extent->node.is_red, extent->start,
                 extent->node.max);
        r->next_in_tree = next_in_preorder(&r->space.extents, node);
    }
    r->report->end_state_identical &= same_text(r, rest, got);
}

static bool end_line(struct replay *r, const char *kind, char *rest)
{
    if (strcmp(kind, "VFREE") == 0)
        compare_extent(r, FREE, rest);
    else if (strcmp(kind, "VBUSY") == 0)
        compare_busy(r, rest);
    else if (strcmp(kind, "VLAZY") == 0)
        compare_extent(r, LAZY, rest);
    else if (strcmp(kind, "VTREE") == 0)
        compare_node(r, rest);
    return true;
}

static void finish_end(struct replay *r)
{
    bool all = !r->next[FREE] && !r->busy[r->next_busy].index && !r->next[LAZY] && !r->next_in_tree;
    r->report->end_state_identical &= same_text(r, "no more areas", all ? "no more areas" : "more areas");
}

/* --- the file --- */

static void start_run(struct replay *r, const char *rest)
{
    r->nr_handles = key(rest, "nops");
    r->handles = calloc(r->nr_handles + 1, sizeof *r->handles);
    vmap_space_shape(&r->space, AREAS_MAX, key(rest, "lazy_max_pages"));
    r->space.start = profile_get(PROFILE_LINUX_6_1)->vmalloc_start;
    r->space.end = profile_get(PROFILE_LINUX_6_1)->vmalloc_end;
    r->space.trace = &r->trace;
    if (!r->handles || !floor_map_pool(&r->space.areas) || !floor_map_pool(&r->space.extents))
        abort();
}

static bool start_is_sound(struct replay *r)
{
    const char *what;
    free(r->holes);
    r->holes = NULL;
    if (vmap_space_check(&r->space, &what))
        return true;
    snprintf(r->report->note, sizeof r->report->note, "the recorded start is not sound: %.90s", what);
    return false;
}

/* False: the file cannot be understood. */
static bool take_line(struct replay *r, char *line)
{
    char *rest = line;
    const char *kind = truth_field(&rest, '\t');
    if (!r->handles) {
        if (strcmp(kind, "RUN") == 0 && rest)
            start_run(r, rest);
        return r->handles != NULL;
    }
    if (!rest)
        return true;
    if (*kind == 'V' && strcmp(kind, "VMAP") != 0)
        return r->is_end ? end_line(r, kind, rest) : load_line(r, kind, rest);
    if (strcmp(kind, "VMAP") == 0 && strncmp(rest, "start", 5) == 0)
        r->space.nr_lazy_pages = key(rest, "lazy_nr");
    else if (strcmp(kind, "VMAP") == 0)
        begin_end(r, rest);
    else if (strcmp(kind, "ENDVMAP") == 0 && r->is_end)
        finish_end(r);
    else if (strcmp(kind, "ENDVMAP") == 0)
        return start_is_sound(r);
    else if (*kind >= '0' && *kind <= '9')
        run_line(r, strtoull(kind, NULL, 10), rest);
    else if (strcmp(kind, "EDGE") == 0)
        run_edge(r, rest);
    else if (strcmp(kind, "ENDRUN") == 0)
        r->is_over = true;
    return true;
}

int truth_vmalloc_run(const char *path, struct truth_report *report)
{
    memset(report, 0, sizeof *report);
    struct replay r = { .report = report, .file = truth_open(path) };
    if (!r.file) {
        snprintf(report->note, sizeof report->note, "cannot be opened");
        return -1;
    }
    snprintf(report->note, sizeof report->note, "areas, tree, counters; not the pfns, which other activity decided");
    char *line;
    size_t length;
    bool ok = true;
    while (ok && truth_next_line(r.file, &line, &length))
        ok = take_line(&r, line);
    ok = ok && r.is_over && !truth_is_damaged(r.file);
    if (!ok && !report->first_difference[0])
        snprintf(report->first_difference, sizeof report->first_difference, "line %" PRIu64 ": the file cannot be read on",
                 truth_line_number(r.file));
    truth_close(r.file);
    floor_unmap_pool(&r.space.areas);
    floor_unmap_pool(&r.space.extents);
    free(r.busy);
    free(r.handles);
    free(r.holes);
    return ok ? 0 : -1;
}
