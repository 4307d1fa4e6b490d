/* Memory pressure: kswapd in simulated time, direct reclaim and whom it takes from, second chances, swap, the OOM killer
 * and its report, and what each GFP flag changes. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define PAGES_PER_MIB 256u

static struct machine *machine_with(const char *profile, uint64_t memory, uint64_t swap)
{
    struct machine_config config = { .memory = memory, .swap = swap };
    config.profile = (uint32_t)profile_find(profile, strlen(profile))->id;
    config.overcommit_memory = config.profile == PROFILE_LINUX_6_1; /* 1: mappings may be larger than all there is */
    return fixture_machine_of(&config);
}

static uint32_t spawn(struct machine *m, const char *name)
{
    struct op op = fixture_op(OP_SPAWN);
    op.name = fixture_text(name);
    op.given = OP_BIT(NAME);
    return fixture_apply(m, op)->pid;
}

static uint64_t map(struct machine *m, uint32_t pid, uint64_t length)
{
    struct op op = fixture_op(OP_MMAP);
    op.pid = pid;
    op.length = length;
    op.given = OP_BIT(PID) | OP_BIT(LENGTH);
    return fixture_apply(m, op)->address;
}

/* As fixture_apply, but it looks at the invariants only now and then: they are gone through page by page. */
static const struct op_result *apply(struct machine *m, struct op op)
{
    static struct op_result result;
    struct problem why = { 0 };
    if (machine_apply(m, &op, &result, &why))
        fail_msg("%s: %s %s", op_info(op.kind)->name, why.field, why.text);
    if (machine_seq(m) % 64 == 0)
        fixture_check(m);
    return &result;
}

/* One operation that writes to length bytes. */
static const struct op_result *fill(struct machine *m, uint32_t pid, uint64_t address, uint64_t length, uint8_t byte)
{
    struct op op = fixture_op(OP_WRITE);
    op.address = address;
    op.pid = pid;
    op.fill = byte;
    op.length = length;
    op.given = OP_BIT(ADDRESS) | OP_BIT(PID) | OP_BIT(FILL) | OP_BIT(LENGTH);
    return apply(m, op);
}

/* The same in operations of 256 KiB, until one ends otherwise than well. Returns the last one's result. */
static const struct op_result *fill_far(struct machine *m, uint32_t pid, uint64_t address, uint64_t length, uint8_t byte)
{
    const struct op_result *r = NULL;
    for (uint64_t done = 0; done < length && (!r || r->outcome == OUTCOME_OK); done += 256 * 1024)
        r = fill(m, pid, address + done, length - done < 256 * 1024 ? length - done : 256 * 1024, byte);
    return r;
}

static uint8_t first_byte(struct machine *m, uint32_t pid, uint64_t address)
{
    struct op op = fixture_free(OP_READ, address);
    op.pid = pid;
    op.length = 1;
    op.given |= OP_BIT(PID) | OP_BIT(LENGTH);
    const struct op_result *r = apply(m, op);
    if (r->outcome != OUTCOME_OK)
        fail_msg("read: %s", r->message);
    return r->bytes[0];
}

static const struct op_result *tick(struct machine *m, uint64_t ns)
{
    struct op op = fixture_op(OP_TICK);
    op.duration_ns = ns;
    op.given = OP_BIT(DURATION);
    return apply(m, op);
}

static uint32_t count_events(const struct op_result *r, enum event_kind kind)
{
    uint32_t nr = 0;
    for (uint32_t i = 0; i < r->nr_events; i++)
        nr += r->events[i].kind == kind;
    return nr;
}

static struct zone_view zone_named(const struct machine *m, const char *name)
{
    struct zone_view zone;
    uint64_t cursor = 0;
    while (view_next_zone(m, &cursor, &zone))
        if (strcmp(zone.name, name) == 0)
            return zone;
    fail_msg("no zone %s", name);
    return zone;
}

static struct stats_view stats_of(const struct machine *m)
{
    struct stats_view stats;
    view_stats(m, &stats);
    return stats;
}

static struct process_view process_of(const struct machine *m, uint32_t pid)
{
    struct process_view p = { 0 };
    uint64_t cursor = 0;
    while (view_next_process(m, &cursor, &p))
        if (p.pid == pid)
            return p;
    return (struct process_view){ 0 };
}

/* Takes order-0 blocks until there are none; returns how many. */
static uint32_t take_all(struct machine *m, uint32_t gfp, uint8_t order)
{
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.gfp = gfp;
    op.order = order;
    op.given = OP_BIT(GFP) | OP_BIT(ORDER);
    uint32_t nr = 0;
    struct op_result r;
    struct problem why = { 0 };
    for (;;) {
        assert_int_equal(machine_apply(m, &op, &r, &why), PAGODA_OK);
        if (r.outcome != OUTCOME_OK)
            return nr;
        nr++;
    }
}

/* --- kswapd --- */

/* Woken when the walk at the low mark fails; its first step comes at once, the next ones when simulated time has passed. */
static void kswapd_works_from_low_to_high_as_time_passes(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 64 * MIB, 64 * MIB);
    uint32_t pid = spawn(m, "hog");
    uint64_t at = map(m, pid, 64 * MIB), done = 0;
    const struct op_result *r = NULL;
    uint32_t nr_wakes = 0;
    do {
        r = fill(m, pid, at + done, PAGE_SIZE, 1);
        nr_wakes += count_events(r, EV_KSWAPD_WAKE);
        done += PAGE_SIZE;
        assert_true(done < 64 * MIB);
    } while (!count_events(r, EV_SLOWPATH));
    struct zone_view dma32 = zone_named(m, "DMA32");
    assert_true(dma32.free <= dma32.low + dma32.boost + 64);
    assert_int_equal(count_events(r, EV_WAKE_KSWAPD), 1);
    assert_true(nr_wakes >= 1);
    assert_int_equal(r->slept_ns, 0);
    assert_int_equal(r->nr_reclaimed, 0); /* in the background: nobody waited */
    uint64_t soon = stats_of(m).nr_reclaimed;
    assert_true(soon <= 32);
    uint32_t nr_ticks = 0;
    do {
        r = tick(m, 1000000);
        uint64_t now = stats_of(m).nr_reclaimed;
        assert_true(now - soon <= 64); /* a page takes 50 us: 20 a tick, in steps of 32 */
        soon = now;
        assert_true(++nr_ticks < 10000);
    } while (!count_events(r, EV_KSWAPD_SLEEP));
    struct zone_view dma = zone_named(m, "DMA");
    dma32 = zone_named(m, "DMA32");
    assert_true(dma32.free > dma32.high || dma.free > dma.high + dma.lowmem_reserve[2]);
    assert_int_equal(dma32.boost, 0);
    uint64_t swapped = stats_of(m).swap_used_pages;
    tick(m, UINT64_C(10000000000));
    assert_int_equal(stats_of(m).swap_used_pages, swapped); /* it sleeps */
    machine_destroy(m);
}

/* With nothing to reclaim it gives up, is not woken again after 16 failures, and takes no time. */
static void kswapd_gives_up_without_swap(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 0);
    uint32_t nr_woken = 0;
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.gfp = GFP_NOWAIT;
    op.given = OP_BIT(GFP) | OP_BIT(ORDER);
    for (uint32_t nr_failed = 0; nr_failed < 40;) {
        const struct op_result *r = apply(m, op);
        nr_woken += count_events(r, EV_KSWAPD_WAKE);
        nr_failed += r->outcome != OUTCOME_OK;
    }
    assert_true(nr_woken >= 16 && nr_woken < 25); /* 16 failures, and what boosts caused before */
    assert_int_equal(stats_of(m).nr_reclaimed, 0);
    machine_destroy(m);
}

/* --- direct reclaim --- */

static void a_burst_outruns_kswapd_and_sleeps(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 64 * MIB);
    uint32_t quiet = spawn(m, "quiet"), hog = spawn(m, "hog");
    uint64_t a = map(m, quiet, 8 * MIB), b = map(m, hog, 48 * MIB), nr_reclaimed = 0, from_quiet = 0;
    fill_far(m, quiet, a, 4 * MIB, 7);
    for (uint64_t done = 0; done < 40 * MIB; done += MIB) {
        uint64_t before = machine_now_ns(m), sum = 0;
        const struct op_result *r = fill(m, hog, b + done, MIB, 9);
        if (r->outcome != OUTCOME_OK)
            fail_msg("write: %s", r->message);
        assert_true(r->slept_ns >= r->nr_reclaimed * UINT64_C(1000));
        assert_int_equal(r->slept_ns > 0, r->nr_reclaimed > 0);
        assert_int_equal(machine_now_ns(m), before + r->cost_ns + r->slept_ns);
        for (uint32_t i = 0; i < r->nr_reclaimed_from; i++) {
            sum += r->reclaimed_from[i].pages;
            from_quiet += r->reclaimed_from[i].pid == quiet ? r->reclaimed_from[i].pages : 0;
        }
        assert_int_equal(sum, r->nr_reclaimed);
        nr_reclaimed += r->nr_reclaimed;
    }
    assert_true(nr_reclaimed > 500);
    assert_true(from_quiet <= 4 * PAGES_PER_MIB);
    assert_true(process_of(m, quiet).swap_pages > 3 * PAGES_PER_MIB);
    for (uint64_t at = 0; at < 4 * MIB; at += 128 * 1024)
        assert_int_equal(first_byte(m, quiet, a + at), 7);
    for (uint64_t at = 0; at < 40 * MIB; at += MIB)
        assert_int_equal(first_byte(m, hog, b + at), 9);
    fixture_check(m);
    machine_destroy(m);
}

/* Pages in use again and again stay; others go. */
static void touched_pages_get_a_second_chance(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 128 * MIB);
    uint32_t busy = spawn(m, "busy"), idle = spawn(m, "idle"), hog = spawn(m, "hog");
    uint64_t a = map(m, busy, 2 * MIB), b = map(m, idle, 2 * MIB), c = map(m, hog, 64 * MIB);
    fill(m, busy, a, 2 * MIB, 1);
    fill(m, idle, b, 2 * MIB, 2);
    for (uint64_t at = 0; at < 40 * MIB; at += 256 * 1024) {
        fill(m, hog, c + at, 256 * 1024, 3);
        fill(m, busy, a, 2 * MIB, 1);
    }
    assert_true(process_of(m, busy).rss_pages > 2 * PAGES_PER_MIB * 9 / 10);
    assert_true(process_of(m, idle).rss_pages < 2 * PAGES_PER_MIB / 10);
    assert_int_equal(process_of(m, busy).major_faults, 0);
    machine_destroy(m);
}

/* Looks at a process's pages in one operation: how many, how many of them found it touched, and how many pages left. */
struct looks {
    uint32_t nr, nr_touched, nr_out;
};
static struct looks looks_at(const struct op_result *r, uint32_t pid)
{
    struct looks looks = { 0 };
    for (uint32_t i = 0; i < r->nr_events; i++) {
        const struct event *e = &r->events[i];
        looks.nr += e->kind == EV_REFERENCES && e->pid == pid;
        looks.nr_touched += e->kind == EV_REFERENCES && e->pid == pid && e->count;
        looks.nr_out += e->kind == EV_SWAP_OUT && e->pid == pid;
    }
    return looks;
}

static uint32_t nr_active(const struct machine *m)
{
    return zone_named(m, "DMA").nr_active + zone_named(m, "DMA32").nr_active;
}

/* Two processes of the same age. The first scan spares all their pages, because each was written to once. From then on the
 * one that is touched between two scans loses nothing, and its pages become active at the second look; the other one goes
 * whole. */
static void one_scan_spares_what_was_touched(void **state)
{
    (void)state;
    enum { NR_PAGES = 128 };
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 128 * MIB);
    uint32_t busy = spawn(m, "busy"), idle = spawn(m, "idle"), hog = spawn(m, "hog");
    uint64_t a = map(m, busy, MIB), b = map(m, idle, MIB), c = map(m, hog, 64 * MIB);
    for (uint64_t at = 0; at < NR_PAGES * PAGE_SIZE; at += PAGE_SIZE) { /* side by side on the list */
        fill(m, busy, a + at, PAGE_SIZE, 1);
        fill(m, idle, b + at, PAGE_SIZE, 2);
    }
    uint32_t nr_first = 0;
    for (; nr_first < NR_PAGES; c += PAGE_SIZE) {
        struct looks now = looks_at(fill(m, hog, c, PAGE_SIZE, 3), busy);
        assert_int_equal(now.nr_touched, now.nr);
        assert_int_equal(now.nr_out, 0);
        nr_first += now.nr;
    }
    assert_int_equal(nr_active(m), 0);
    for (; process_of(m, idle).rss_pages || nr_active(m) < NR_PAGES; c += PAGE_SIZE) {
        assert_int_equal(looks_at(fill(m, busy, a, NR_PAGES * PAGE_SIZE, 1), busy).nr_out, 0);
        const struct op_result *r = fill(m, hog, c, PAGE_SIZE, 3);
        assert_int_equal(looks_at(r, busy).nr_out, 0);
        assert_int_equal(r->outcome, OUTCOME_OK); /* else both were expected in vain, up to the end of the mapping */
    }
    assert_int_equal(nr_active(m), NR_PAGES);
    assert_int_equal(process_of(m, busy).swap_pages, 0);
    machine_destroy(m);
}

static void a_page_that_comes_back_soon_is_active(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 128 * MIB);
    uint32_t pid = spawn(m, "loop");
    uint64_t at = map(m, pid, 28 * MIB);
    uint32_t nr_near = 0, nr_far = 0;
    for (unsigned round = 0; round < 3; round++)
        for (uint64_t done = 0; done < 28 * MIB; done += 64 * 1024) {
            const struct op_result *r = fill(m, pid, at + done, 64 * 1024, 5);
            for (uint32_t i = 0; i < r->nr_events; i++)
                if (r->events[i].kind == EV_REFAULT)
                    ++*(r->events[i].ok ? &nr_near : &nr_far);
        }
    assert_true(nr_near + nr_far > 100);
    machine_destroy(m);
}

static void locked_pages_stay(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 64 * MIB);
    uint32_t keeper = spawn(m, "keeper"), hog = spawn(m, "hog");
    uint64_t a = map(m, keeper, MIB);
    struct op op = fixture_free(OP_MLOCK, a);
    op.pid = keeper;
    op.length = MIB;
    op.given |= OP_BIT(PID) | OP_BIT(LENGTH);
    assert_int_equal(apply(m, op)->outcome, OUTCOME_OK);
    uint64_t resident = process_of(m, keeper).rss_pages;
    fill_far(m, hog, map(m, hog, 48 * MIB), 40 * MIB, 1);
    assert_true(stats_of(m).swap_used_pages > 1000);
    assert_int_equal(process_of(m, keeper).swap_pages, 0);
    assert_int_equal(process_of(m, keeper).rss_pages, resident);
    machine_destroy(m);
}

/* --- the OOM killer --- */

static void the_report_is_in_the_kernels_words(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 0);
    uint32_t small = spawn(m, "small"), tail = spawn(m, "tail");
    fill(m, small, map(m, small, MIB), MIB / 2, 1);
    uint64_t at = map(m, tail, 64 * MIB);
    const struct op_result *r = fill_far(m, tail, at, 64 * MIB, 1);
    assert_non_null(r->message);
    const char *const WORDS[] = {
        "tail invoked oom-killer: gfp_mask=0x100dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO), order=0, "
        "oom_score_adj=0\nMem-Info:\n",
        "\nNode 0 DMA free:",
        "\nTasks state (memory values in pages):\n"
        "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n"
        "[    100]     0   100 ",
        "             0 small\n[    101]     0   101 ",
        "\noom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=tail,"
        "pid=101,uid=0\nOut of memory: Killed process 101 (tail) total-vm:",
        "kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:",
    };
    for (unsigned i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (!strstr(r->message, WORDS[i]))
            fail_msg("missing: %s\nin: %s", WORDS[i], r->message);
    assert_int_equal(process_of(m, tail).pid, 0);
    assert_int_equal(process_of(m, small).rss_pages, 128);
    assert_int_equal(stats_of(m).nr_oom_kills, 1);
    machine_destroy(m);
}

/* Swapped pages count as much as resident ones. */
static void badness_counts_swap(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 16 * MIB);
    uint32_t old = spawn(m, "old"), new = spawn(m, "new");
    fill_far(m, old, map(m, old, 16 * MIB), 15 * MIB, 1);
    uint64_t at = map(m, new, 64 * MIB);
    const struct op_result *r;
    for (uint64_t done = 0; done < 14 * MIB; done += MIB)
        (void)fill(m, new, at + done, MIB, 1);
    assert_int_equal(stats_of(m).nr_oom_kills, 0);
    assert_true(process_of(m, old).rss_pages < process_of(m, new).rss_pages);
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.given = OP_BIT(ORDER);
    do {
        r = apply(m, op);
        assert_int_equal(r->outcome, OUTCOME_OK);
    } while (!count_events(r, EV_OOM_KILL));
    assert_true(count_events(r, EV_OOM_BADNESS) >= 2);
    assert_int_equal(process_of(m, old).pid, 0); /* the larger one by rss + swap */
    assert_int_equal(process_of(m, new).pid, new);
    machine_destroy(m);
}

/* The kernel goes through its tasks from the oldest to the newest and takes each that is no better than the worst so far:
 * of several alike the newest dies, wherever its record lies. */
static void of_processes_alike_the_newest_dies(void **state)
{
    (void)state;
    for (uint32_t reuse = 0; reuse < 4; reuse++) { /* 1..3: the newest one takes the place of that one, which has ended */
        struct machine *m = machine_with("linux-6.1", 32 * MIB, 0);
        uint32_t pids[4];
        for (uint32_t i = 0; i < 3; i++)
            pids[i] = spawn(m, "twin");
        if (reuse) {
            struct op op = fixture_op(OP_EXIT);
            op.pid = pids[reuse - 1];
            op.given = OP_BIT(PID);
            apply(m, op);
            pids[reuse - 1] = 0;
        }
        pids[3] = spawn(m, "twin");
        for (uint32_t i = 0; i < 4; i++)
            if (pids[i])
                fill(m, pids[i], map(m, pids[i], MIB), MIB, 1);
        struct op op = fixture_op(OP_ALLOC_PAGES);
        op.given = OP_BIT(ORDER);
        const struct op_result *r;
        do
            r = apply(m, op);
        while (r->outcome == OUTCOME_OK && !count_events(r, EV_OOM_KILL));
        uint64_t points = 0;
        for (uint32_t i = 0; i < r->nr_events; i++) {
            const struct event *e = &r->events[i];
            if (e->kind != EV_OOM_BADNESS)
                continue;
            assert_true(!points || e->a == points); /* they are alike */
            points = e->a;
            assert_int_equal(e->ok, e->pid == pids[3]);
        }
        assert_true(points >= PAGES_PER_MIB);
        assert_int_equal(process_of(m, pids[3]).pid, 0);
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(process_of(m, pids[i]).pid, pids[i]);
        machine_destroy(m);
    }
}

static void without_processes_the_kernel_panics(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 0);
    take_all(m, GFP_KERNEL, 0);
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.given = OP_BIT(ORDER);
    const struct op_result *r = apply(m, op);
    assert_int_equal(r->outcome, OUTCOME_NULL);
    assert_non_null(strstr(r->message, "Out of memory and no killable processes...\nKernel panic - not syncing: "
                                       "System is deadlocked on memory\n"));
    machine_destroy(m);
}

/* --- flags --- */

/* What each kind of request can still get, and whether somebody dies for it. */
static void flags_decide_how_far_a_request_goes(void **state)
{
    (void)state;
    static const struct {
        uint32_t gfp;
        bool kills, speaks;
        enum event_kind last; /* decision that ended it */
    } CASES[] = {
        { GFP_KERNEL, true, true, EV_NOPAGE },
        { GFP_KERNEL | __GFP_NORETRY, false, true, EV_NOPAGE_NORETRY },
        { GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, false, false, EV_NOPAGE_NORETRY },
        { GFP_KERNEL | __GFP_RETRY_MAYFAIL, false, true, EV_OOM_REFUSED },
        { GFP_NOFS, false, true, EV_OOM_REFUSED },
        { GFP_NOWAIT, false, true, EV_NOPAGE_NOWAIT },
        { GFP_ATOMIC, false, true, EV_NOPAGE_NOWAIT },
        { GFP_ATOMIC | __GFP_MEMALLOC, false, true, EV_NOPAGE_NOWAIT },
        { GFP_KERNEL | __GFP_MEMALLOC | __GFP_NORETRY, false, true, EV_NOPAGE_NORETRY },
        { GFP_ATOMIC | __GFP_NOMEMALLOC, false, true, EV_NOPAGE_NOWAIT },
    };
    uint64_t left[sizeof CASES / sizeof *CASES];
    for (unsigned i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct machine *m = machine_with("linux-6.1", 192 * MIB, 0);
        uint32_t pid = spawn(m, "bystander");
        fill(m, pid, map(m, pid, MIB), MIB, 1);
        take_all(m, CASES[i].gfp, 0);
        assert_int_equal(stats_of(m).nr_oom_kills, CASES[i].kills);
        left[i] = zone_named(m, "DMA32").free;
        struct op op = fixture_op(OP_ALLOC_PAGES);
        op.gfp = CASES[i].gfp;
        op.given = OP_BIT(GFP) | OP_BIT(ORDER);
        tick(m, UINT64_C(20000000000));
        const struct op_result *r = apply(m, op);
        assert_int_equal(r->outcome, OUTCOME_NULL);
        assert_int_equal(r->message != NULL, CASES[i].speaks);
        assert_int_equal(count_events(r, CASES[i].last), 1);
        machine_destroy(m);
    }
    uint32_t min = 325;
    assert_true(left[0] >= min - 7 && left[0] <= min + 512 + 7); /* GFP_KERNEL leaves the min mark */
    assert_int_equal(left[6], 118); /* GFP_ATOMIC goes on to 3/8 of it, less what one refill of 7 takes */
    assert_int_equal(left[7], 0);
    assert_int_equal(left[8], 0);
    assert_true(left[9] > left[6] && left[9] <= min); /* half of it: without NON_BLOCK's quarter */
}

/* It may use everything before it fails. */
static void nofail_takes_the_last_page(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 0);
    take_all(m, GFP_KERNEL | __GFP_NOWARN, 0);
    assert_true(take_all(m, GFP_KERNEL | __GFP_NOFAIL, 0) > 100);
    assert_int_equal(stats_of(m).frames[FRAME_FREE], 0);
    machine_destroy(m);
}

/* The line comes each time, the Mem-Info at most every ten seconds. */
static void failures_are_reported_at_a_limited_rate(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 32 * MIB, 0);
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.gfp = GFP_ATOMIC;
    op.given = OP_BIT(GFP) | OP_BIT(ORDER);
    const struct op_result *r;
    do
        r = apply(m, op);
    while (r->outcome == OUTCOME_OK);
    const char *line =
        "pagoda: page allocation failure: order:0, mode:0xa20(GFP_ATOMIC), nodemask=(null),cpuset=/,mems_allowed=0\n";
    assert_memory_equal(r->message, line, strlen(line));
    assert_non_null(strstr(r->message, "Mem-Info:\nactive_anon:0 inactive_anon:0 "));
    assert_non_null(strstr(r->message, "\nFree swap  = 0kB\nTotal swap = 0kB\n"));
    r = apply(m, op);
    assert_string_equal(r->message, line);
    tick(m, UINT64_C(11000000000));
    assert_non_null(strstr(apply(m, op)->message, "Mem-Info:"));
    machine_destroy(m);
}

/* --- classic --- */

/* Linux 2.0: the reserve is for GFP_ATOMIC, swapping goes on as long as it helps, and a fault that gets nothing kills its
 * own process. */
static void classic_swaps_then_kills_who_asks(void **state)
{
    (void)state;
    struct machine *m = machine_with("classic", 4 * MIB, 4 * MIB);
    uint32_t large = spawn(m, "large"), late = spawn(m, "late");
    uint64_t a = map(m, large, 4 * MIB), b = map(m, late, 4 * MIB);
    const struct op_result *r = fill_far(m, large, a, 4 * MIB, 1);
    if (r->outcome != OUTCOME_OK)
        fail_msg("write: %s", r->message);
    assert_true(stats_of(m).swap_used_pages > 0);
    r = fill_far(m, late, b, 4 * MIB, 2);
    assert_non_null(strstr(r->message, "Out of memory for late.\n"));
    assert_int_equal(process_of(m, late).pid, 0);
    assert_int_equal(process_of(m, large).pid, large);
    take_all(m, GFP_KERNEL, 0);
    uint64_t left = stats_of(m).frames[FRAME_FREE];
    assert_int_equal(left, zone_named(m, "memory").min);
    assert_int_equal(take_all(m, GFP_ATOMIC, 0), left);
    machine_destroy(m);
}

/* --- property --- */

/* Processes that come, touch, fork and go, among kernel allocations, on a machine that is always too small. */
static void random_pressure(const char *profile, uint64_t memory, uint64_t swap, unsigned nr_steps)
{
    struct fixture_random random = { fixture_seed() };
    struct machine *m = machine_with(profile, memory, swap), *quiet = machine_with(profile, memory, swap);
    machine_record_events(quiet, false);
    uint32_t pids[6] = { 0 };
    uint64_t maps[6] = { 0 };
    for (unsigned step = 0; step < nr_steps; step++) {
        unsigned at = (unsigned)fixture_random_below(&random, 6), dice = (unsigned)fixture_random_below(&random, 20);
        struct op op = fixture_op(OP_SPAWN);
        if (!process_of(m, pids[at]).pid) {
            pids[at] = 0;
        } else if (dice < 12) {
            op = fixture_op(OP_WRITE);
            op.address = maps[at] + fixture_random_below(&random, memory / 2 / PAGE_SIZE) * PAGE_SIZE;
            op.length = (1 + fixture_random_below(&random, 30)) * PAGE_SIZE;
            op.fill = (uint8_t)step;
            op.pid = pids[at];
            op.given = OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(FILL) | OP_BIT(PID);
        } else if (dice < 14) {
            op = fixture_op(dice == 12 ? OP_EXIT : OP_FORK);
            op.pid = pids[at];
            op.given = OP_BIT(PID);
        } else if (dice < 15 && profile_find(profile, strlen(profile))->has_migratetypes) {
            op = fixture_op(OP_COMPACT_MEMORY);
        } else if (dice < 16) {
            op = fixture_op(OP_TICK);
            op.duration_ns = fixture_random_below(&random, 3000000);
            op.given = OP_BIT(DURATION);
        } else {
            op = fixture_op(OP_ALLOC_PAGES);
            op.order = (uint8_t)fixture_random_below(&random, 6);
            op.gfp = dice % 2 ? GFP_KERNEL | __GFP_NORETRY : GFP_ATOMIC;
            op.given = OP_BIT(ORDER) | OP_BIT(GFP);
        }
        static struct op_result other;
        struct problem why = { 0 };
        const struct op_result *r = apply(m, op);
        if (step % 4 == 0)
            fixture_check(m);
        assert_int_equal(machine_apply(quiet, &op, &other, &why), PAGODA_OK);
        assert_int_equal(r->address, other.address);
        if (op.kind == OP_SPAWN && r->pid) {
            pids[at] = r->pid;
            uint32_t pid = r->pid;
            maps[at] = map(m, pid, memory / 2 + 64 * PAGE_SIZE);
            op = fixture_op(OP_MMAP);
            op.pid = pid;
            op.length = memory / 2 + 64 * PAGE_SIZE;
            op.given = OP_BIT(PID) | OP_BIT(LENGTH);
            assert_int_equal(machine_apply(quiet, &op, &other, &why), PAGODA_OK);
        } else if (op.kind == OP_ALLOC_PAGES && r->address && step % 8) {
            struct op release = fixture_free(OP_FREE_PAGES, r->address);
            release.order = op.order;
            release.given |= OP_BIT(ORDER);
            apply(m, release);
            assert_int_equal(machine_apply(quiet, &release, &other, &why), PAGODA_OK);
        }
    }
    assert_int_equal(machine_hash(m), machine_hash(quiet));
    machine_destroy(m);
    machine_destroy(quiet);
}

static void invariants_hold_under_pressure(void **state)
{
    (void)state;
    random_pressure("linux-6.1", 32 * MIB, 16 * MIB, 120);
    random_pressure("linux-6.1", 32 * MIB, 0, 60);
    random_pressure("classic", 4 * MIB, 4 * MIB, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kswapd_works_from_low_to_high_as_time_passes),
        cmocka_unit_test(kswapd_gives_up_without_swap),
        cmocka_unit_test(a_burst_outruns_kswapd_and_sleeps),
        cmocka_unit_test(touched_pages_get_a_second_chance),
        cmocka_unit_test(one_scan_spares_what_was_touched),
        cmocka_unit_test(a_page_that_comes_back_soon_is_active),
        cmocka_unit_test(locked_pages_stay),
        cmocka_unit_test(the_report_is_in_the_kernels_words),
        cmocka_unit_test(badness_counts_swap),
        cmocka_unit_test(of_processes_alike_the_newest_dies),
        cmocka_unit_test(without_processes_the_kernel_panics),
        cmocka_unit_test(flags_decide_how_far_a_request_goes),
        cmocka_unit_test(nofail_takes_the_last_page),
        cmocka_unit_test(failures_are_reported_at_a_limited_rate),
        cmocka_unit_test(classic_swaps_then_kills_who_asks),
        cmocka_unit_test(invariants_hold_under_pressure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
