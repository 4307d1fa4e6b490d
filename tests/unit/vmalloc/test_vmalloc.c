/* Page tables and vmalloc, on machines. */
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START UINT64_C(0xffffc90000000000)
#define MIB (UINT64_C(1) << 20)
#define KERNEL_RW (PTE_PRESENT | PTE_WRITE)

static const char *const PROFILES[] = { "linux-6.1", "classic" };

/* --- page tables --- */

static uint64_t nr_free(const struct machine *machine)
{
    return page_alloc_nr_free(&machine->state.pages);
}

static struct pgtable *pgtable_of(struct machine *machine)
{
    trace_start(&machine->trace, 0, 0);
    enum pagoda_error err = pool_reserve(&machine->state.frames.contents, &machine->host, 1024);
    assert_int_equal(err, PAGODA_OK);
    return &machine->state.pgtable;
}

static void test_tables_map_and_unmap(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    for (int p = 0; p < 2; p++) {
        struct machine *machine = fixture_machine(PROFILES[p], 64 * MIB);
        struct pgtable *pgtable = pgtable_of(machine);
        uint64_t before = nr_free(machine), base = 0x40000000 - 40 * PAGE_SIZE; /* a table ends in the middle */
        uint32_t root = pgtable_create(pgtable), model[80] = { 0 }, pfns[80], pfn;
        assert_int_not_equal(root, 0);
        for (int step = 0; step < 500; step++) {
            uint32_t from = (uint32_t)fixture_random_below(&random, 80);
            uint32_t nr = 1 + (uint32_t)fixture_random_below(&random, 80 - from);
            bool maps = fixture_random_below(&random, 2);
            for (uint32_t i = 0; i < nr; i++)
                model[from + i] = pfns[i] = maps ? 1 + (uint32_t)fixture_random_below(&random, 1000) : 0;
            if (maps)
                assert_true(pgtable_map(pgtable, root, base + from * PAGE_SIZE, (struct pgtable_frames){ pfns, nr },
                                        KERNEL_RW, GFP_KERNEL));
            else
                pgtable_unmap(pgtable, root, (struct page_range){ base + from * PAGE_SIZE, nr });
            for (uint32_t i = 0; i < 80; i++) {
                bool is_mapped =
                    pte_translate(&machine->state.frames, machine->profile, root, base + i * PAGE_SIZE + 7, &pfn);
                assert_int_equal(is_mapped, model[i] != 0);
                assert_true(!is_mapped || pfn == model[i]);
            }
        }
        char text[128] = "";
        assert_true(pgtable_check(pgtable, root, text, sizeof text));
        pgtable_unmap(pgtable, root, (struct page_range){ base, 80 });
        pgtable_free_range(pgtable, root, base, base + 80 * PAGE_SIZE);
        assert_int_equal(nr_free(machine), before - 1); /* the top table alone is left */
        pgtable_destroy(pgtable, root);
        assert_int_equal(nr_free(machine), before);
        machine_destroy(machine);
    }
}

static void test_free_range_spares_tables_in_use(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    struct pgtable *pgtable = pgtable_of(machine);
    uint32_t root = pgtable_create(pgtable), pfn = 77, found = 0;
    uint64_t near = 0x1000, far = 0x7f0000000000;
    assert_true(pgtable_map(pgtable, root, near, (struct pgtable_frames){ &pfn, 1 }, KERNEL_RW, GFP_KERNEL));
    assert_true(pgtable_map(pgtable, root, far, (struct pgtable_frames){ &pfn, 1 }, KERNEL_RW, GFP_KERNEL));
    uint64_t before = nr_free(machine);
    pgtable_unmap(pgtable, root, (struct page_range){ far, 1 });
    pgtable_free_range(pgtable, root, near, far + PAGE_SIZE);
    assert_int_equal(nr_free(machine), before + 3);
    assert_true(pte_translate(&machine->state.frames, machine->profile, root, near, &found));
    assert_int_equal(found, 77);
    pgtable_destroy(pgtable, root); /* with a leaf left: its tables go all the same */
    assert_int_equal(nr_free(machine), before + 7);
    machine_destroy(machine);
}

static void test_a_run_of_frames_is_one_event(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    struct pgtable *pgtable = pgtable_of(machine);
    uint32_t root = pgtable_create(pgtable), pfns[] = { 10, 11, 12, 40, 41, 9 };
    assert_int_not_equal(pgtable_entry(pgtable, root, 0x200000, GFP_KERNEL), 0);
    trace_start(&machine->trace, 0, 0);
    assert_true(pgtable_map(pgtable, root, 0x200000, (struct pgtable_frames){ pfns, 6 }, KERNEL_RW, GFP_KERNEL));
    static const uint32_t RUNS[][2] = { { 10, 3 }, { 40, 2 }, { 9, 1 } };
    assert_int_equal(machine->trace.nr_events, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(machine->trace.events[i].kind, EV_PTE_SET);
        assert_int_equal(machine->trace.events[i].pfn, RUNS[i][0]);
        assert_int_equal(machine->trace.events[i].count, RUNS[i][1]);
    }
    assert_int_equal(machine->trace.cost_count[COST_PTE], 6);
    machine_destroy(machine);
}

/* Takes every frame that GFP_KERNEL can have. They are chained; returns the last one. */
static uint32_t take_all_frames(struct machine *machine)
{
    struct reclaim *reclaim = &machine->state.reclaim;
    uint32_t last = 0, pfn;
    trace_start(&machine->trace, 0, 0);
    for (bool is_more = true; is_more; reclaim_run_kswapd(reclaim)) /* which takes watermark boosts away */
        for (is_more = false; (pfn = reclaim_alloc_pages(reclaim, GFP_KERNEL | __GFP_NOWARN, 0)); is_more = true) {
            frame_at(&machine->state.frames, pfn)->next = last;
            last = pfn;
        }
    return last;
}

static void test_map_maps_all_or_nothing(void **state)
{
    (void)state;
    for (int p = 0; p < 2; p++) {
        struct machine *machine = fixture_machine(PROFILES[p], 32 * MIB);
        struct pgtable *pgtable = pgtable_of(machine);
        uint32_t root = pgtable_create(pgtable), pfns[] = { 5, 6 }, found;
        uint64_t address = 0x40000000 - PAGE_SIZE; /* the second page is in another table */
        assert_int_not_equal(pgtable_entry(pgtable, root, address, GFP_KERNEL), 0);
        take_all_frames(machine);
        assert_false(pgtable_map(pgtable, root, address, (struct pgtable_frames){ pfns, 2 }, KERNEL_RW, GFP_KERNEL));
        assert_false(pte_translate(&machine->state.frames, machine->profile, root, address, &found));
        machine_destroy(machine);
    }
}

/* --- vmalloc --- */

static const struct {
    const char *name, *profile;
    uint64_t size;
    enum outcome want;
    uint64_t nr_pages;
    const char *message;
} CASES[] = {
    { "one byte", "linux-6.1", 1, OUTCOME_OK, 1, NULL },
    { "a page", "linux-6.1", 4096, OUTCOME_OK, 1, NULL },
    { "a page and a byte", "linux-6.1", 4097, OUTCOME_OK, 2, NULL },
    { "far beyond kmalloc", "linux-6.1", 16 * MIB, OUTCOME_OK, 4096, NULL },
    { "nothing", "linux-6.1", 0, OUTCOME_NULL, 0, "mm/vmalloc.c" },
    { "more than there is", "linux-6.1", UINT64_C(1) << 40, OUTCOME_NULL, 0,
      "pagoda: vmalloc error: size 1099511627776, exceeds total pages, mode:0xcc0(GFP_KERNEL), "
      "nodemask=(null),cpuset=/,mems_allowed=0\n" },
    { "one byte, classic", "classic", 1, OUTCOME_OK, 1, NULL },
    { "far beyond kmalloc, classic", "classic", 8 * MIB, OUTCOME_OK, 2048, NULL },
    { "nothing, classic", "classic", 0, OUTCOME_NULL, 0, NULL },
    { "more than there is, classic", "classic", 64 * MIB + 1, OUTCOME_NULL, 0, NULL },
};

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct machine *machine = fixture_machine(CASES[i].profile, 64 * MIB);
        const struct op_result *result = fixture_apply(machine, fixture_alloc(OP_VMALLOC, CASES[i].size, 0));
        if (result->outcome != CASES[i].want || result->allocated != CASES[i].nr_pages * PAGE_SIZE)
            fail_msg("%s: outcome %d, %llu bytes", CASES[i].name, result->outcome, (unsigned long long)result->allocated);
        if (CASES[i].message && (!result->message || !strstr(result->message, CASES[i].message)))
            fail_msg("%s: %s", CASES[i].name, result->message ? result->message : "no message");
        machine_destroy(machine);
    }
}

static uint64_t vmalloc_of(struct machine *machine, uint64_t size)
{
    const struct op_result *result = fixture_apply(machine, fixture_alloc(OP_VMALLOC, size, 0));
    assert_int_equal(result->outcome, OUTCOME_OK);
    return result->address;
}

static void vfree_of(struct machine *machine, uint64_t address)
{
    const struct op_result *result = fixture_apply(machine, fixture_free(OP_VFREE, address));
    assert_int_equal(result->outcome, OUTCOME_OK);
}

static void test_places(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t a = vmalloc_of(machine, 4096), b = vmalloc_of(machine, 2 * 4096), c = vmalloc_of(machine, 4096);
    assert_int_equal(a, START);
    assert_int_equal(b, a + 2 * PAGE_SIZE); /* a page, a guard page */
    assert_int_equal(c, b + 3 * PAGE_SIZE);
    vfree_of(machine, b);
    assert_int_equal(vmalloc_of(machine, 4096), c + 2 * PAGE_SIZE); /* b is lazy: its addresses are not used again */
    vmalloc_purge(&machine->state.vmalloc);
    assert_int_equal(vmalloc_of(machine, 4096), b);
    machine_destroy(machine);

    machine = fixture_machine("classic", 16 * MIB);
    a = vmalloc_of(machine, 4096);
    b = vmalloc_of(machine, 2 * 4096);
    assert_int_equal(a, 0xc0000000 + 16 * MIB + 8 * MIB);
    assert_int_equal(b, a + 2 * PAGE_SIZE);
    vfree_of(machine, a);
    assert_int_equal(vmalloc_of(machine, 4096), a); /* at once */
    machine_destroy(machine);
}

static void test_page_array(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    struct vmalloc *v = &machine->state.vmalloc;
    uint64_t small = vmalloc_of(machine, 512 * PAGE_SIZE), large = vmalloc_of(machine, 513 * PAGE_SIZE);
    uint64_t after = vmalloc_of(machine, PAGE_SIZE);
    assert_int_equal(large, small + 513 * PAGE_SIZE);
    assert_int_equal(after, large + (514 + 3) * PAGE_SIZE); /* an array of two pages and its guard stand between */
    struct vmap_area *area = vmap_area_at(&v->space, vmalloc_area_at(v, small));
    assert_true(vmalloc_owns_kmalloc(v, area->page_array));
    assert_false(vmalloc_owns_kmalloc(v, area->page_array + 4096));

    uint64_t array = large + 514 * PAGE_SIZE, pointers[513], cursor = 0, nr = 0;
    assert_int_equal(view_memory(machine, array, 0, (uint8_t *)pointers, sizeof pointers), sizeof pointers);
    for (struct frame_range run; view_next_vmalloc_run(machine, large, &cursor, &run); nr += run.count)
        for (uint32_t i = 0; i < run.count; i++) /* struct page of each frame */
            assert_int_equal(pointers[nr + i], UINT64_C(0xffffea0000000000) + ((uint64_t)run.pfn + i) * 64);
    assert_int_equal(nr, 513);

    struct vmalloc_block block;
    assert_true(vmalloc_find(v, large, &block));
    assert_false(vmalloc_find(v, array, &block)); /* nobody's to free */
    assert_int_equal(fixture_apply(machine, fixture_free(OP_VFREE, array))->outcome, OUTCOME_BUG);
    nr = 0;
    for (cursor = 0; vmalloc_next(v, &cursor, &block);)
        nr++;
    assert_int_equal(nr, 3);
    vfree_of(machine, large);
    assert_int_equal(v->space.nr_lazy_pages, 514 + 3);
    machine_destroy(machine);
}

static void test_contents(void **state)
{
    (void)state;
    for (int p = 0; p < 2; p++) {
        struct machine *machine = fixture_machine(PROFILES[p], 64 * MIB);
        uint64_t a = vmalloc_of(machine, 3 * PAGE_SIZE);
        struct op write = fixture_op(OP_WRITE);
        write.address = a + 100;
        write.fill = 0xa5;
        write.length = 2 * PAGE_SIZE;
        write.given = OP_BIT(ADDRESS) | OP_BIT(FILL) | OP_BIT(LENGTH);
        assert_int_equal(fixture_apply(machine, write)->outcome, OUTCOME_OK);
        vfree_of(machine, a);
        uint64_t stale = 0, zeroed = 0;
        uint8_t bytes[3 * PAGE_SIZE];
        for (int zero = 0; zero < 2; zero++) {
            const struct op_result *result =
                fixture_apply(machine, fixture_alloc(zero ? OP_VZALLOC : OP_VMALLOC, sizeof bytes, 0));
            assert_int_equal(view_memory(machine, result->address, 0, bytes, sizeof bytes), sizeof bytes);
            for (size_t i = 0; i < sizeof bytes; i++)
                *(zero ? &zeroed : &stale) += bytes[i] != 0;
            vfree_of(machine, result->address);
        }
        assert_int_equal(stale, 2 * PAGE_SIZE); /* what the last owner wrote is still there */
        assert_int_equal(zeroed, 0);
        machine_destroy(machine);
    }
}

static void test_misuse_changes_nothing(void **state)
{
    (void)state;
    for (int p = 0; p < 2; p++) {
        struct machine *machine = fixture_machine(PROFILES[p], 64 * MIB);
        uint64_t a = vmalloc_of(machine, 3 * PAGE_SIZE), gone = vmalloc_of(machine, PAGE_SIZE);
        vfree_of(machine, gone);
        const struct {
            uint64_t address;
            const char *message;
        } wrong[] = { { a + 8, "Trying to vfree() bad address (" },
                      { a + PAGE_SIZE, "Trying to vfree() nonexistent vm area (" },
                      { a + 3 * PAGE_SIZE, "Trying to vfree() nonexistent vm area (" },
                      { gone, "Trying to vfree() nonexistent vm area (" } };
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            uint64_t busy = machine->state.vmalloc.nr_busy, free_frames = nr_free(machine);
            const struct op_result *result = fixture_apply(machine, fixture_free(OP_VFREE, wrong[i].address));
            assert_int_equal(result->outcome, OUTCOME_BUG);
            assert_non_null(strstr(result->message, wrong[i].message));
            assert_int_equal(machine->state.vmalloc.nr_busy, busy);
            assert_int_equal(nr_free(machine), free_frames);
        }
        vfree_of(machine, 0);
        machine_destroy(machine);
    }
}

static void test_purge_at_threshold(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 256 * MIB);
    struct vmalloc *v = &machine->state.vmalloc;
    assert_int_equal(v->space.lazy_max_pages, 8192);
    for (uint32_t expected = 0, i = 0; i < 10; i++) {
        vfree_of(machine, vmalloc_of(machine, 1023 * PAGE_SIZE)); /* 1024 pages, and an array of two pages and its guard */
        expected += 1024 + 3;
        expected = expected > 8192 ? 0 : expected;
        assert_int_equal(v->space.nr_lazy_pages, expected);
    }
    machine_destroy(machine);
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .cpus = 4 };
    machine = fixture_machine_of(&config);
    assert_int_equal(machine->state.vmalloc.space.lazy_max_pages, 3 * 8192);
    machine_destroy(machine);
}

/* Takes memory until vmalloc fails, at whichever step. The attempt leaves nothing but lazy addresses and page tables. */
static void test_failure_leaves_nothing(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    for (int p = 0; p < 2; p++) {
        struct machine *machine = fixture_machine(PROFILES[p], 32 * MIB);
        const struct vmalloc *v = &machine->state.vmalloc;
        uint32_t nr_failures = 0;
        uint64_t addresses[64];
        for (int round = 0; round < 40; round++) {
            uint32_t nr = 0;
            while (nr < 64) {
                uint64_t pages = 1 + fixture_random_below(&random, 2500), busy = v->nr_busy;
                uint64_t owned = machine->state.frames.kind_count[FRAME_VMALLOC];
                uint64_t kmalloc_live = machine->state.kmalloc.nr_live;
                const struct op_result *result = fixture_apply(machine, fixture_alloc(OP_VMALLOC, pages * PAGE_SIZE, 0));
                if (result->outcome == OUTCOME_OK) {
                    addresses[nr++] = result->address;
                    continue;
                }
                nr_failures++;
                assert_int_equal(result->outcome, OUTCOME_NULL);
                assert_int_equal(v->nr_busy, busy);
                assert_int_equal(machine->state.frames.kind_count[FRAME_VMALLOC], owned);
                assert_int_equal(machine->state.kmalloc.nr_live, kmalloc_live);
                break;
            }
            while (nr)
                vfree_of(machine, addresses[--nr]);
        }
        assert_true(nr_failures > 20);
        assert_int_equal(machine->state.frames.kind_count[FRAME_VMALLOC], 0);
        machine_destroy(machine);
    }
}

/* Frames that are free, or that a failed call may leave behind: tables and slabs stay, as in Linux. */
static uint64_t nr_free_or_kept(const struct machine *machine)
{
    const uint64_t *count = machine->state.frames.kind_count;
    return nr_free(machine) + count[FRAME_PGTABLE] + count[FRAME_SLAB];
}

/* The same, step by step: first no frame is left, then one, two, three... until the call succeeds. A failure leaves no area
 * but a lazy one, no frame, no kmalloc block. After a purge the addresses are one hole again. */
static void test_every_step_may_fail(void **state)
{
    (void)state;
    for (int p = 0; p < 3; p++) {
        struct machine *machine = fixture_machine(PROFILES[p % 2], 32 * MIB);
        const struct vmap_space *space = &machine->state.vmalloc.space;
        enum op_kind kind = p == 2 ? OP_VMALLOC_HUGE : OP_VMALLOC;
        uint32_t last = take_all_frames(machine), nr_given = 0, pfn;
        uint64_t nr_frames = nr_free_or_kept(machine), kmalloc_live = machine->state.kmalloc.nr_live;
        for (; fixture_apply(machine, fixture_alloc(kind, 600 * PAGE_SIZE, 0))->outcome != OUTCOME_OK; nr_given++) {
            assert_int_equal(machine->state.vmalloc.nr_busy, 0);
            assert_int_equal(machine->state.frames.kind_count[FRAME_VMALLOC], 0);
            assert_int_equal(machine->state.kmalloc.nr_live, kmalloc_live);
            assert_int_equal(nr_free_or_kept(machine), nr_frames + nr_given);
            fixture_apply(machine, fixture_op(OP_VM_UNMAP_ALIASES));
            assert_int_equal(space->lazy_root | pool_nr_live(&space->areas), 0);
            assert_int_equal(pool_nr_live(&space->extents), 1);
            assert_true(nr_given < 2000); /* watermark boosts want their share */
            pfn = last;
            last = frame_at(&machine->state.frames, pfn)->next;
            frame_at(&machine->state.frames, pfn)->next = 0;
            page_free(&machine->state.pages, pfn, 0);
        }
        assert_true(nr_given >= 600); /* each of its pages failed once */
        machine_destroy(machine);
    }
}

static void test_huge(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 256 * MIB);
    struct vmalloc *v = &machine->state.vmalloc;
    uint64_t small = vmalloc_of(machine, PAGE_SIZE);
    trace_start(&machine->trace, 0, 0);
    assert_int_equal(vmalloc_reserve(v, &machine->host, 1), PAGODA_OK);
    assert_int_equal(pool_reserve(&machine->state.frames.contents, &machine->host, 256), PAGODA_OK);
    uint64_t huge = vmalloc_alloc(v, 3 * MIB, VMALLOC_HUGE, NAME_NONE);
    assert_int_equal(huge, START + 2 * MIB);
    fixture_check(machine);
    struct vmalloc_block block;
    assert_true(vmalloc_find(v, huge, &block));
    assert_int_equal(block.nr_pages, 1024);
    assert_int_equal(block.requested, 3 * MIB);
    struct translation where;
    assert_true(view_translate(machine, huge + 2 * MIB + 0x5123, 0, &where) && where.present);
    assert_int_equal(where.nr_levels, 3);
    assert_int_equal(where.pfn % 512, 5);
    assert_int_equal(where.offset, 0x123);
    vfree_of(machine, huge);
    vfree_of(machine, small);
    vmalloc_purge(v);
    vfree_of(machine, vmalloc_of(machine, 8 * MIB)); /* small tables where the huge entries were */
    vmalloc_purge(v);
    trace_start(&machine->trace, 0, 0);
    uint64_t nr_tables = machine->state.frames.kind_count[FRAME_PGTABLE];
    huge = vmalloc_alloc(v, 2 * MIB, VMALLOC_HUGE, NAME_NONE); /* and a huge entry where a table was: that one goes */
    assert_int_equal(huge, START);
    assert_int_equal(machine->state.frames.kind_count[FRAME_PGTABLE], nr_tables - 1);
    fixture_check(machine);
    vfree_of(machine, huge);
    machine_destroy(machine);
}

/* When no block of order 9 is left, the area is built again from single pages. */
static void test_huge_falls_back(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    struct vmalloc *v = &machine->state.vmalloc;
    struct page_alloc *pages = &machine->state.pages;
    uint32_t taken[64] = { 0 }, nr = 0, pfn;
    while (nr < 64 && (pfn = page_alloc_fast(pages, GFP_KERNEL | __GFP_NOWARN, 9)))
        taken[nr++] = pfn;
    assert_true(nr > 4 && nr < 64);
    for (uint32_t i = 0; i < 1024; i++) /* two blocks become pages, every other of which is given back */
        frame_set_kind(&machine->state.frames, taken[i / 512] + i % 512, FRAME_KERNEL, 0);
    trace_start(&machine->trace, 0, 0);
    assert_int_equal(vmalloc_reserve(v, &machine->host, 1), PAGODA_OK);
    assert_int_equal(pool_reserve(&machine->state.frames.contents, &machine->host, 256), PAGODA_OK);
    for (uint32_t i = 0; i < 1024; i += 2)
        page_free(pages, taken[i / 512] + i % 512, 0);
    uint64_t address = vmalloc_alloc(v, 2 * MIB, VMALLOC_HUGE, NAME_NONE);
    assert_int_not_equal(address, 0);
    char text[128] = "";
    if (!vmalloc_check(v, text, sizeof text))
        fail_msg("%s", text);
    struct translation where;
    assert_true(view_translate(machine, address, 0, &where) && where.present);
    assert_int_equal(where.nr_levels, 4);
    machine_destroy(machine);
}

static void test_huge_as_an_operation(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    const struct op_result *result = fixture_apply(machine, fixture_alloc(OP_VMALLOC_HUGE, 2 * MIB - 1, 0));
    assert_int_equal(result->allocated, 2 * MIB); /* below 2 MiB: small pages */
    assert_int_equal(result->address, START);
    result = fixture_apply(machine, fixture_alloc(OP_VMALLOC_HUGE, 2 * MIB + 1, 0));
    assert_int_equal(result->outcome, OUTCOME_OK);
    assert_int_equal(result->allocated, 4 * MIB);
    assert_int_equal(result->address % (2 * MIB), 0);
    struct translation where;
    assert_true(view_translate(machine, result->address, 0, &where) && where.present);
    assert_int_equal(where.page_shift, 21);
    assert_int_equal(where.levels[2].entry >> 63, 1);       /* NX */
    assert_int_equal(where.levels[2].entry & 0xfff, 0x1e3); /* global, huge, dirty, accessed, writable, present */
    vfree_of(machine, result->address);
    uint64_t all = page_alloc_nr_managed(&machine->state.pages) * PAGE_SIZE; /* neither huge nor small pages suffice */
    result = fixture_apply(machine, fixture_alloc(OP_VMALLOC_HUGE, all, 0));
    assert_int_equal(result->outcome, OUTCOME_NULL);
    assert_non_null(
        strstr(result->message, "page order 0, failed to allocate pages, mode:0xcc2(GFP_KERNEL|__GFP_HIGHMEM)"));
    assert_int_equal(machine->state.vmalloc.nr_busy, 1);
    machine_destroy(machine);
    machine = fixture_machine("classic", 16 * MIB); /* no such thing in Linux 2.0: small pages */
    result = fixture_apply(machine, fixture_alloc(OP_VMALLOC_HUGE, 3 * MIB, 0));
    assert_int_equal(result->allocated, 3 * MIB);
    machine_destroy(machine);
}

static void test_addresses_run_out(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    struct vmap_space *space = &machine->state.vmalloc.space;
    trace_start(&machine->trace, 0, 0);
    assert_int_not_equal(vmap_area_alloc(space, space->end - space->start - 64 * PAGE_SIZE + 1, PAGE_SIZE).index, 0);
    struct op_result result;
    struct problem why = { 0 };
    struct op op = fixture_alloc(OP_VMALLOC, 64 * PAGE_SIZE, 0);
    assert_int_equal(machine_apply(machine, &op, &result, &why), PAGODA_OK);
    assert_int_equal(result.outcome, OUTCOME_NULL);
    assert_non_null(strstr(result.message, "vmap allocation for size 266240 failed: use vmalloc=<size> to increase size"));
    machine_destroy(machine);
}

static struct op in_context(struct op op, enum context context)
{
    op.context = (uint8_t)context;
    op.given |= OP_BIT(CONTEXT);
    return op;
}

static void test_interrupts(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    for (enum context context = CONTEXT_SOFTIRQ; context < NR_CONTEXTS; context++) {
        uint64_t a = vmalloc_of(machine, PAGE_SIZE), hash = machine->state.vmalloc.nr_busy;
        const struct op_result *result = fixture_apply(machine, in_context(fixture_alloc(OP_VMALLOC, 100, 0), context));
        assert_int_equal(result->outcome, OUTCOME_BUG);
        assert_non_null(strstr(result->message, "kernel BUG at mm/vmalloc.c:2554!"));
        result =
            fixture_apply(machine, in_context(fixture_alloc(OP_VMALLOC, 0, 0), context)); /* the size is looked at first */
        assert_int_equal(result->outcome, OUTCOME_NULL);
        result = fixture_apply(machine, in_context(fixture_alloc(OP_VMALLOC_HUGE, UINT64_C(1) << 40, 0), context));
        assert_int_equal(result->outcome, OUTCOME_NULL);
        assert_int_equal(machine->state.vmalloc.nr_busy, hash);
        result = fixture_apply(machine, in_context(fixture_free(OP_VFREE, a), context));
        assert_int_equal(result->outcome, OUTCOME_OK); /* by a work item, a little later */
        assert_int_equal(result->path[1], PATH___vfree_deferred);
        assert_int_equal(machine->state.vmalloc.nr_busy, 0);
    }
    machine_destroy(machine);
    machine = fixture_machine("classic", 16 * MIB);
    const struct op_result *result = fixture_apply(machine, in_context(fixture_alloc(OP_VMALLOC, 100, 0), CONTEXT_HARDIRQ));
    assert_int_equal(result->outcome, OUTCOME_BUG);
    assert_non_null(strstr(result->message, "called nonatomically from interrupt"));
    machine_destroy(machine);
}

static void test_purge_on_demand(void **state)
{
    (void)state;
    for (int p = 0; p < 2; p++) {
        struct machine *machine = fixture_machine(PROFILES[p], 64 * MIB);
        uint64_t a = vmalloc_of(machine, PAGE_SIZE);
        vfree_of(machine, a);
        assert_int_equal(machine->state.vmalloc.space.nr_lazy_pages, p ? 0 : 2);
        const struct op_result *result = fixture_apply(machine, fixture_op(OP_VM_UNMAP_ALIASES));
        assert_int_equal(result->outcome, OUTCOME_OK);
        assert_int_equal(result->tlb.flushes, p ? 0 : 1);
        assert_int_equal(machine->state.vmalloc.space.nr_lazy_pages, 0);
        assert_int_equal(fixture_apply(machine, fixture_op(OP_VM_UNMAP_ALIASES))->tlb.flushes, 0);
        assert_int_equal(vmalloc_of(machine, PAGE_SIZE), a);
        machine_destroy(machine);
    }
}

/* An access that faults gets the kernel's words, and moves nothing. */
static void test_oopses(void **state)
{
    (void)state;
    static const struct {
        const char *name, *profile;
        enum op_kind kind;
        uint64_t offset; /* from the area; 0 with absolute */
        uint64_t absolute;
        const char *message;
    } OOPSES[] = {
        { "guard", "linux-6.1", OP_READ, PAGE_SIZE, 0,
          "BUG: unable to handle page fault for address: ffffc90000001000\n#PF: supervisor read access in kernel mode\n"
          "#PF: error_code(0x0000) - not-present page\nPGD " },
        { "write to the guard", "linux-6.1", OP_WRITE, PAGE_SIZE, 0,
          "\n#PF: supervisor write access in kernel mode\n#PF: error_code(0x0002) - not-present page\nPGD " },
        { "across the end", "linux-6.1", OP_WRITE, PAGE_SIZE - 2, 0, "fault for address: ffffc90000001000\n" },
        { "never handed out", "linux-6.1", OP_READ, 64 * MIB, 0, "fault for address: ffffc90004000000\n" },
        { "NULL", "linux-6.1", OP_READ, 0, 8, "BUG: kernel NULL pointer dereference, address: 0000000000000008\n" },
        { "the kernel's text", "linux-6.1", OP_WRITE, 0, UINT64_C(0xffff888001000000),
          "#PF: error_code(0x0003) - permissions violation" },
        { "non-canonical", "linux-6.1", OP_READ, 0, UINT64_C(0x1234567890abcdef),
          "general protection fault, probably for non-canonical address 0x1234567890abcdef" },
        { "guard, classic", "classic", OP_READ, PAGE_SIZE, 0,
          "Unable to handle kernel paging request at virtual address c4801000\n*pde = 00" },
        { "NULL, classic", "classic", OP_READ, 0, 4,
          "Unable to handle kernel NULL pointer dereference at virtual address 00000004" },
    };
    for (size_t i = 0; i < sizeof OOPSES / sizeof *OOPSES; i++) {
        struct machine *machine = fixture_machine(OOPSES[i].profile, 64 * MIB);
        struct op op = fixture_op(OOPSES[i].kind);
        op.address = vmalloc_of(machine, PAGE_SIZE) + OOPSES[i].offset;
        op.address = OOPSES[i].absolute ? OOPSES[i].absolute : op.address;
        op.length = 4;
        op.fill = 0xee;
        op.given = OP_BIT(ADDRESS) | OP_BIT(LENGTH) | (op.kind == OP_WRITE ? OP_BIT(FILL) : 0);
        uint64_t before[2] = { 0 }, after[2] = { 0 };
        view_memory(machine, op.address - 8, 0, (uint8_t *)before, 16);
        const struct op_result *result = fixture_apply(machine, op);
        view_memory(machine, op.address - 8, 0, (uint8_t *)after, 16);
        assert_memory_equal(before, after, 16);
        if (result->outcome != OUTCOME_BUG || !strstr(result->message, OOPSES[i].message))
            fail_msg("%s: %s", OOPSES[i].name, result->message ? result->message : "no message");
        assert_int_equal(result->nr_bytes, 0);
        machine_destroy(machine);
    }
}

static void test_views(void **state)
{
    (void)state;
    static const char *const STATES[2][5] = { { "busy", "lazy", "busy", "free", NULL },
                                              { "busy", "free", "busy", "free", NULL } };
    for (int p = 0; p < 2; p++) {
        struct machine *machine = fixture_machine(PROFILES[p], 64 * MIB);
        uint64_t a = vmalloc_of(machine, 5000), b = vmalloc_of(machine, PAGE_SIZE), start, end, nr_lazy, cursor = 0;
        vmalloc_of(machine, PAGE_SIZE);
        vfree_of(machine, b);
        view_vmalloc_range(machine, &start, &end, &nr_lazy);
        assert_int_equal(nr_lazy, p ? 0 : 2);
        struct vmalloc_view area;
        uint64_t at = start;
        for (int i = 0; view_next_vmalloc(machine, &cursor, &area); i++) {
            assert_string_equal(area.state, STATES[p][i]);
            assert_int_equal(area.start, at);
            at = area.end;
        }
        assert_int_equal(at, end);
        struct frame_range run;
        uint64_t nr = 0;
        for (cursor = 0; view_next_vmalloc_run(machine, a, &cursor, &run); nr += run.count)
            assert_true(run.count > 0);
        assert_int_equal(nr, 2);
        struct translation where;
        assert_true(view_translate(machine, a + 4096 + 17, 0, &where) && where.present);
        assert_string_equal(where.region, "vmalloc");
        assert_int_equal(where.nr_levels, machine->profile->pgtable_levels);
        assert_string_equal(where.levels[0].name, "PGD");
        assert_string_equal(where.levels[where.nr_levels - 1].name, "PTE");
        assert_int_equal(where.offset, 17);
        assert_true(view_translate(machine, a + 2 * 4096, 0, &where) && !where.present); /* the guard */
        uint8_t bytes[3 * PAGE_SIZE];
        assert_int_equal(view_memory(machine, a + 4000, 0, bytes, sizeof bytes), 2 * PAGE_SIZE - 4000);
        assert_true(view_translate(machine, machine->profile->page_offset + 5 * PAGE_SIZE, 0, &where) && where.pfn == 5);
        assert_string_equal(where.region, "direct map");
        assert_true(view_translate(machine, 0x1000, 0, &where) && !where.present);
        assert_string_equal(where.region, "unmapped");
        assert_false(view_translate(machine, 0x1000, 4711, &where));
        machine_destroy(machine);
    }
}

static void test_views_of_user_addresses(void **state)
{
    (void)state;
    for (int p = 0; p < 2; p++) {
        struct machine *machine = fixture_machine(PROFILES[p], 64 * MIB);
        uint32_t pid = fixture_apply(machine, fixture_op(OP_SPAWN))->pid;
        struct op op = fixture_op(OP_MMAP);
        op.pid = pid;
        op.length = 4 * PAGE_SIZE;
        op.given = OP_BIT(PID) | OP_BIT(LENGTH);
        uint64_t address = fixture_apply(machine, op)->address;
        op = fixture_op(OP_WRITE);
        op.pid = pid;
        op.address = address + 2 * PAGE_SIZE - 3;
        op.length = 3;
        op.fill = 0x5a;
        op.given = OP_BIT(PID) | OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(FILL);
        assert_int_equal(fixture_apply(machine, op)->outcome, OUTCOME_OK);
        struct translation where;
        assert_true(view_translate(machine, address + PAGE_SIZE, pid, &where) && where.present);
        assert_string_equal(where.region, "user");
        assert_int_equal(where.nr_levels, machine->profile->pgtable_levels);
        struct frame_run block;
        assert_true(view_frame(machine, where.pfn, &block, &(uint64_t){ 0 }));
        assert_int_equal(block.kind, FRAME_ANON);
        assert_true(view_translate(machine, address + 2 * PAGE_SIZE, pid, &where) && !where.present); /* never touched */
        uint8_t bytes[8];
        assert_int_equal(view_memory(machine, op.address - 1, pid, bytes, sizeof bytes), 4);
        assert_memory_equal(bytes, "\0\x5a\x5a\x5a", 4);
        assert_int_equal(view_memory(machine, op.address, 0, bytes, sizeof bytes), 0); /* nobody's user space */
        machine_destroy(machine);
    }
}

static void test_random_calls_keep_every_invariant(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    for (int p = 0; p < 2; p++) {
        struct machine *machine = fixture_machine(PROFILES[p], 64 * MIB);
        uint64_t live[40] = { 0 };
        for (int step = 0; step < 1500; step++) {
            uint64_t *slot = &live[fixture_random_below(&random, 40)];
            if (*slot) {
                vfree_of(machine, *slot);
                *slot = 0;
                continue;
            }
            uint64_t size = 1 + fixture_random_below(&random, fixture_random_below(&random, 10) ? 100000 : 4 * MIB);
            struct op op = fixture_alloc(step % 3 ? OP_VMALLOC : OP_VZALLOC, size, 0);
            *slot = fixture_apply(machine, op)->address;
        }
        for (int i = 0; i < 40; i++)
            if (live[i])
                vfree_of(machine, live[i]);
        assert_int_equal(machine->state.vmalloc.requested_bytes, 0);
        assert_int_equal(machine->state.frames.kind_count[FRAME_VMALLOC], 0);
        machine_destroy(machine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_map_and_unmap),
        cmocka_unit_test(test_free_range_spares_tables_in_use),
        cmocka_unit_test(test_a_run_of_frames_is_one_event),
        cmocka_unit_test(test_map_maps_all_or_nothing),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_page_array),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_misuse_changes_nothing),
        cmocka_unit_test(test_purge_at_threshold),
        cmocka_unit_test(test_failure_leaves_nothing),
        cmocka_unit_test(test_every_step_may_fail),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_huge_falls_back),
        cmocka_unit_test(test_huge_as_an_operation),
        cmocka_unit_test(test_addresses_run_out),
        cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_purge_on_demand),
        cmocka_unit_test(test_oopses),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_views_of_user_addresses),
        cmocka_unit_test(test_random_calls_keep_every_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
