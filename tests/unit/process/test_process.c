/* Processes beside a naive model. The model has every page of every process: its bytes, what may be done with it, whether
 * it is locked. Random calls run under memory pressure; after each, the invariants and the model are checked. Then come
 * single behaviours: swap, fork, madvise, mlock, writes that cannot be served. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE)
#define MIB (UINT64_C(1) << 20)
#define NR_MODELS 4
#define MODEL_PAGES 6000u

struct model_page {
    uint64_t vpn;
    uint8_t perms;              /* 1 read, 2 write, 4 execute */
    bool is_locked, may_vanish; /* MADV_FREE: it reads as before, or as zeroes */
    uint8_t *bytes;             /* NULL: zeroes */
};
/* Pages in address order, those of mmap and the heap only. */
struct model {
    uint32_t pid;
    uint32_t nr;
    uint64_t brk;
    struct model_page pages[MODEL_PAGES];
};

static struct machine *m; /* of the running test */
static struct model models[NR_MODELS];
static struct fixture_random dice;

static uint64_t below(uint64_t bound)
{
    return fixture_random_below(&dice, bound);
}

/* --- operations --- */

static const struct op_result *apply(struct op op, uint32_t pid, uint32_t given)
{
    op.pid = pid;
    op.given |= OP_BIT(PID) | given;
    return fixture_apply(m, op);
}

static const struct op_result *range(enum op_kind kind, uint32_t pid, uint64_t address, uint64_t length)
{
    struct op op = fixture_op(kind);
    op.address = address;
    op.length = length;
    return apply(op, pid, OP_BIT(ADDRESS) | OP_BIT(LENGTH));
}

static const struct op_result *map(uint32_t pid, uint64_t nr_pages, enum prot prot)
{
    struct op op = fixture_op(OP_MMAP);
    op.length = PAGES(nr_pages);
    op.prot = (uint8_t)prot;
    return apply(op, pid, OP_BIT(LENGTH) | OP_BIT(PROT));
}

static const struct op_result *advise(uint32_t pid, uint64_t address, uint64_t length, enum advice advice)
{
    struct op op = fixture_op(OP_MADVISE);
    op.address = address;
    op.length = length;
    op.advice = (uint8_t)advice;
    return apply(op, pid, OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(ADVICE));
}

static const struct op_result *fill(uint32_t pid, uint64_t address, uint64_t length, uint8_t byte)
{
    struct op op = fixture_op(OP_WRITE);
    op.address = address;
    op.length = length;
    op.fill = byte;
    return apply(op, pid, OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(FILL));
}

static uint32_t spawn(void)
{
    return fixture_apply(m, fixture_op(OP_SPAWN))->pid;
}

static struct process_view process(uint32_t pid)
{
    struct process_view p;
    for (uint64_t cursor = 0; view_next_process(m, &cursor, &p);)
        if (p.pid == pid)
            return p;
    return (struct process_view){ 0 };
}

/* State of the page at address, as the pages view tells it. */
static struct page_run page(uint32_t pid, uint64_t address)
{
    struct page_run run = { 0 };
    uint64_t cursor = address;
    assert_true(view_next_page_run(m, pid, &cursor, address + PAGE_SIZE, &run));
    assert_int_equal(run.address, address);
    return run;
}

/* --- the model --- */

static uint32_t place_of(const struct model *model, uint64_t vpn)
{
    uint32_t i = 0;
    while (i < model->nr && model->pages[i].vpn < vpn)
        i++;
    return i;
}

static struct model_page *page_of(struct model *model, uint64_t vpn)
{
    uint32_t i = place_of(model, vpn);
    return i < model->nr && model->pages[i].vpn == vpn ? &model->pages[i] : NULL;
}

static void model_add(struct model *model, uint64_t vpn, uint64_t nr, struct model_page kind)
{
    uint32_t at = place_of(model, vpn);
    assert_true(model->nr + nr <= MODEL_PAGES);
    memmove(&model->pages[at + nr], &model->pages[at], (model->nr - at) * sizeof model->pages[0]);
    for (uint64_t i = 0; i < nr; i++) {
        model->pages[at + i] = kind;
        model->pages[at + i].vpn = vpn + i;
    }
    model->nr += (uint32_t)nr;
}

/* Forgets [vpn, vpn + nr).
 * keep  the bytes belong to somebody else by now, so they stay. */
static void model_remove(struct model *model, uint64_t vpn, uint64_t nr, bool keep)
{
    uint32_t from = place_of(model, vpn), to = place_of(model, vpn + nr);
    for (uint32_t i = from; i < to && !keep; i++)
        free(model->pages[i].bytes);
    memmove(&model->pages[from], &model->pages[to], (model->nr - to) * sizeof model->pages[0]);
    model->nr -= to - from;
}

static void model_clear(struct model *model)
{
    model_remove(model, 0, UINT64_MAX, false);
    model->pid = 0;
}

static uint8_t *bytes_of(struct model_page *p)
{
    if (!p->bytes)
        p->bytes = calloc(1, PAGE_SIZE);
    assert_non_null(p->bytes);
    return p->bytes;
}

static uint8_t perms_of(enum prot prot)
{
    static const uint8_t PERMS[NR_PROTS] = { 0, 1, 3, 5, 7 };
    return PERMS[prot];
}

/* A page that reclaim may drop is gone, or is as it was. The machine says which, and the model takes that over. */
static void settle(struct model *model, struct model_page *p)
{
    uint8_t now[PAGE_SIZE];
    static const uint8_t ZEROES[PAGE_SIZE];
    if (!p->may_vanish)
        return;
    size_t nr = view_memory(m, PAGES(p->vpn), model->pid, now, sizeof now);
    if (nr == 0 && page(model->pid, PAGES(p->vpn)).state == PAGE_SWAPPED)
        return; /* shared by now, so it was not dropped */
    if (nr == sizeof now && p->bytes && memcmp(now, p->bytes, sizeof now) == 0)
        return;
    assert_true(nr == 0 || memcmp(now, ZEROES, sizeof now) == 0);
    free(p->bytes);
    p->bytes = NULL;
    p->may_vanish = false;
}

/* Page by page, the machine's permissions, locked pages and resident pages are the model's. */
static void check_maps(struct model *model)
{
    struct map_view v;
    uint32_t i = 0;
    for (uint64_t cursor = 0; view_next_map(m, model->pid, &cursor, &v);) {
        if (v.is_file || strcmp(v.name, "[stack]") == 0 || (i < model->nr && v.end <= PAGES(model->pages[i].vpn)) ||
            i == model->nr)
            continue; /* the program's own */
        uint8_t perms = (uint8_t)((v.perms[0] == 'r') | (v.perms[1] == 'w') << 1 | (v.perms[2] == 'x') << 2);
        bool is_locked = strstr(v.flags, "lo ") != NULL;
        for (uint64_t at = v.start; at < v.end; at += PAGE_SIZE, i++) {
            if (i >= model->nr || model->pages[i].vpn != at >> PAGE_SHIFT)
                fail_msg("pid %u maps %llx, which the model does not", model->pid, (unsigned long long)at);
            if (model->pages[i].perms != perms || model->pages[i].is_locked != is_locked)
                fail_msg("pid %u page %llx: %s %s", model->pid, (unsigned long long)at, v.perms, v.flags);
        }
    }
    assert_int_equal(i, model->nr);
}

/* Reads a range that may be read and compares it. */
static void check_bytes(struct model *model, uint64_t vpn, uint64_t nr)
{
    static const uint8_t ZEROES[PAGE_SIZE];
    for (uint64_t i = vpn; i < vpn + nr; i++)
        if (page_of(model, i))
            settle(model, page_of(model, i));
    const struct op_result *r = range(OP_READ, model->pid, PAGES(vpn), PAGES(nr));
    if (r->outcome != OUTCOME_OK) { /* killed for want of memory */
        assert_int_equal(r->outcome, OUTCOME_NULL);
        return;
    }
    assert_int_equal(r->nr_bytes, PAGES(nr));
    for (uint64_t i = 0; i < nr; i++) {
        const struct model_page *p = page_of(model, vpn + i);
        const uint8_t *want = p->bytes ? p->bytes : ZEROES;
        bool is_right = memcmp(r->bytes + PAGES(i), want, PAGE_SIZE) == 0;
        if (!is_right && !(p->may_vanish && memcmp(r->bytes + PAGES(i), ZEROES, PAGE_SIZE) == 0))
            fail_msg("pid %u: the bytes of page %llx are not what was written", model->pid, (unsigned long long)(vpn + i));
    }
}

/* Processes that the OOM killer has taken leave the model, too. */
static void drop_dead(void)
{
    for (unsigned i = 0; i < NR_MODELS; i++)
        if (models[i].pid && !process(models[i].pid).pid)
            model_clear(&models[i]);
}

/* --- one random step --- */

static struct model *any_model(void)
{
    for (;;) {
        struct model *model = &models[below(NR_MODELS)];
        if (!model->pid) {
            model->pid = spawn();
            assert_int_not_equal(model->pid, 0);
            model->brk = process(model->pid).brk;
        }
        return model;
    }
}

/* A range that begins in a mapped page; mostly it ends in one, too. */
static uint64_t any_range(const struct model *model, uint64_t *nr)
{
    uint32_t i = (uint32_t)below(model->nr);
    *nr = 1 + below(below(8) ? 12 : 200);
    return model->pages[i].vpn;
}

/* Pages from vpn on, up to nr, that are there one after the other. */
static uint64_t mapped(struct model *model, uint64_t vpn, uint64_t nr)
{
    uint64_t n = 0;
    while (n < nr && page_of(model, vpn + n))
        n++;
    return n;
}

static void step_map(struct model *model)
{
    uint64_t nr = 1 + below(60);
    enum prot prot = (enum prot)(below(4) ? PROT_RW : below(NR_PROTS));
    if (model->nr + nr > 2500)
        return;
    const struct op_result *r = map(model->pid, nr, prot);
    if (r->outcome == OUTCOME_OK)
        model_add(model, r->address >> PAGE_SHIFT, nr, (struct model_page){ .perms = perms_of(prot) });
}

static void step_unmap(struct model *model)
{
    uint64_t nr, vpn = any_range(model, &nr);
    if (PAGES(vpn) < model->brk || range(OP_MUNMAP, model->pid, PAGES(vpn), PAGES(nr))->outcome != OUTCOME_OK)
        return;
    model_remove(model, vpn, nr, false);
}

static void step_protect(struct model *model)
{
    uint64_t nr, vpn = any_range(model, &nr), there = mapped(model, vpn, nr);
    struct op op = fixture_op(OP_MPROTECT);
    op.address = PAGES(vpn);
    op.length = PAGES(there);
    op.prot = (uint8_t)below(NR_PROTS);
    assert_int_equal(apply(op, model->pid, OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(PROT))->outcome, OUTCOME_OK);
    for (uint64_t i = 0; i < there; i++)
        page_of(model, vpn + i)->perms = perms_of((enum prot)op.prot);
}

static void step_advise(struct model *model)
{
    uint64_t nr, vpn = any_range(model, &nr), there = mapped(model, vpn, nr);
    enum advice advice = (enum advice)below(NR_ADVICES);
    enum outcome outcome = advise(model->pid, PAGES(vpn), PAGES(there), advice)->outcome;
    for (uint64_t i = 0; i < there; i++) {
        struct model_page *p = page_of(model, vpn + i);
        if (p->is_locked && advice != ADVICE_WILLNEED) {
            assert_int_equal(outcome, OUTCOME_NULL);
            return;
        }
        if (advice == ADVICE_FREE)
            p->may_vanish = p->bytes != NULL;
        if (advice == ADVICE_DONTNEED) {
            free(p->bytes);
            p->bytes = NULL;
            p->may_vanish = false;
        }
    }
    assert_int_equal(outcome, OUTCOME_OK);
}

static void step_lock(struct model *model)
{
    bool on = below(2);
    uint64_t nr, vpn = any_range(model, &nr), there = mapped(model, vpn, on && nr > 20 ? 20 : nr);
    const struct op_result *r = range(on ? OP_MLOCK : OP_MUNLOCK, model->pid, PAGES(vpn), PAGES(there));
    bool is_limit = r->outcome == OUTCOME_NULL && strstr(r->message, "RLIMIT");
    for (uint64_t i = 0; i < there && !is_limit; i++)
        page_of(model, vpn + i)->is_locked = on;
}

static void step_remap(struct model *model)
{
    uint64_t nr, vpn = any_range(model, &nr), there = mapped(model, vpn, nr), want = 1 + below(80);
    struct op op = fixture_op(OP_MREMAP);
    op.address = PAGES(vpn);
    op.length = PAGES(there);
    op.new_length = PAGES(want);
    if (PAGES(vpn) < model->brk || model->nr + want > 2500)
        return;
    const struct op_result *r = apply(op, model->pid, OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(NEW_LENGTH));
    if (r->outcome != OUTCOME_OK)
        return;
    uint64_t to = r->address >> PAGE_SHIFT, kept = there < want ? there : want;
    struct model_page moved[300], fresh = *page_of(model, vpn);
    fresh.bytes = NULL;
    fresh.may_vanish = false;
    memcpy(moved, page_of(model, vpn), there * sizeof moved[0]);
    model_remove(model, vpn, there, true);
    for (uint64_t i = 0; i < kept; i++)
        model_add(model, to + i, 1, moved[i]);
    for (uint64_t i = kept; i < there; i++)
        free(moved[i].bytes);
    model_add(model, to + kept, want - kept, fresh);
}

static void step_break(struct model *model)
{
    struct process_view p = process(model->pid);
    uint64_t want = p.heap_start + below(300 * PAGE_SIZE), old_end = (model->brk + PAGE_SIZE - 1) >> PAGE_SHIFT;
    struct op op = fixture_op(OP_BRK);
    op.address = want;
    if (apply(op, model->pid, OP_BIT(ADDRESS))->outcome != OUTCOME_OK)
        return;
    uint64_t new_end = (want + PAGE_SIZE - 1) >> PAGE_SHIFT;
    if (new_end > old_end)
        model_add(model, old_end, new_end - old_end, (struct model_page){ .perms = 3 });
    else
        model_remove(model, new_end, old_end - new_end, false);
    model->brk = want;
}

static void step_fork(struct model *model)
{
    struct model *child = &models[below(NR_MODELS)];
    if (child->pid)
        return;
    struct op op = fixture_op(OP_FORK);
    const struct op_result *r = apply(op, model->pid, 0);
    if (r->outcome != OUTCOME_OK)
        return;
    for (uint32_t i = 0; i < model->nr; i++) {
        settle(model, &model->pages[i]);
        child->pages[i] = model->pages[i];
        child->pages[i].is_locked = false;
        child->pages[i].bytes = NULL;
        if (model->pages[i].bytes)
            memcpy(bytes_of(&child->pages[i]), model->pages[i].bytes, PAGE_SIZE);
    }
    child->nr = model->nr;
    child->pid = r->pid;
    child->brk = model->brk;
}

static void step_write(struct model *model)
{
    uint64_t nr, vpn = any_range(model, &nr), at = PAGES(vpn) + below(PAGE_SIZE);
    uint64_t length = 1 + below(nr < 14 ? PAGES(nr) : PAGES(14));
    uint8_t byte = (uint8_t)(1 + below(255));
    bool may = true;
    for (uint64_t i = at >> PAGE_SHIFT; i <= (at + length - 1) >> PAGE_SHIFT; i++) {
        if (!page_of(model, i))
            return; /* nothing, or the program's own */
        may = may && (page_of(model, i)->perms & 2);
    }
    if (!may && below(40)) /* now and then a process dies of it */
        return;
    for (uint64_t i = at; may && i < at + length; i = (i | (PAGE_SIZE - 1)) + 1)
        settle(model, page_of(model, i >> PAGE_SHIFT));
    const struct op_result *r = fill(model->pid, at, length, byte);
    if (!may) {
        assert_int_equal(r->outcome, OUTCOME_BUG);
        assert_non_null(strstr(r->message, "segfault at "));
        assert_int_equal(process(model->pid).pid, 0);
        return;
    }
    for (uint64_t i = at; r->outcome == OUTCOME_OK && i < at + length; i++) {
        struct model_page *p = page_of(model, i >> PAGE_SHIFT);
        bytes_of(p)[i % PAGE_SIZE] = byte;
        p->may_vanish = false;
    }
}

static void step_read(struct model *model)
{
    uint64_t nr, vpn = any_range(model, &nr), n = 0;
    while (n < nr && n < 16 && page_of(model, vpn + n) && page_of(model, vpn + n)->perms)
        n++;
    if (n)
        check_bytes(model, vpn, n);
}

static void step_exit(struct model *model)
{
    if (below(4))
        return;
    apply(fixture_op(OP_EXIT), model->pid, 0);
    model_clear(model);
}

static void random_step(void)
{
    struct model *model = any_model();
    uint64_t kind = below(100);
    static const struct {
        unsigned until;
        void (*step)(struct model *);
    } STEPS[] = { { 44, step_write }, { 62, step_read },  { 68, step_unmap }, { 74, step_protect }, { 82, step_advise },
                  { 86, step_lock },  { 91, step_remap }, { 94, step_fork },  { 95, step_exit } };
    if (!model->nr || kind >= 97) {
        (kind % 2 ? step_map : step_break)(model);
    } else if (kind >= 95) {
        step_map(model);
    } else {
        for (unsigned i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++)
            if (kind < STEPS[i].until) {
                STEPS[i].step(model);
                break;
            }
    }
    drop_dead();
    if (model->pid)
        check_maps(model);
}

static void random_life(const struct machine_config *config, unsigned nr_steps)
{
    m = fixture_machine_of(config);
    for (unsigned i = 0; i < nr_steps; i++)
        random_step();
    for (unsigned i = 0; i < NR_MODELS; i++) {
        for (uint32_t k = 0; models[i].pid && k < models[i].nr; k++)
            if (models[i].pages[k].perms)
                check_bytes(&models[i], models[i].pages[k].vpn, 1);
        model_clear(&models[i]);
    }
    struct stats_view stats;
    view_stats(m, &stats);
    if (config->swap)
        assert_true(stats.nr_reclaimed > 0);
    machine_destroy(m);
}

static void test_random_lives(void **state)
{
    (void)state;
    dice.state = fixture_seed();
    struct machine_config small = {
        .profile = PROFILE_LINUX_6_1, .memory = 32 * MIB, .swap = 64 * MIB, .overcommit_memory = 1
    };
    struct machine_config none = { .profile = PROFILE_LINUX_6_1, .memory = 32 * MIB, .overcommit_memory = 1 };
    struct machine_config classic = { .profile = PROFILE_CLASSIC, .memory = 4 * MIB, .swap = 16 * MIB };
    random_life(&classic, 1000);
    random_life(&small, 1000);
    random_life(&none, 500);
}

/* --- single behaviours --- */

static void start(uint64_t memory, uint64_t swap)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = memory, .swap = swap, .overcommit_memory = 1 };
    m = fixture_machine_of(&config);
}

/* First touch, second touch, fork, copy, last copy: what counts as a fault and what does not. */
static void test_fault_counts(void **state)
{
    (void)state;
    start(0, 64 * MIB);
    uint32_t pid = spawn();
    uint64_t a = map(pid, 10, PROT_RW)->address;
    range(OP_READ, pid, a, PAGES(10));
    assert_int_equal(process(pid).minor_faults, 10);
    assert_int_equal(process(pid).rss_pages, 0); /* the zero page is nobody's */
    fill(pid, a, PAGES(10), 1);
    fill(pid, a, PAGES(10), 2);
    assert_int_equal(process(pid).minor_faults, 20);
    assert_int_equal(process(pid).rss_pages, 10);
    uint32_t child = apply(fixture_op(OP_FORK), pid, 0)->pid;
    assert_int_equal(process(child).rss_pages, 10);
    assert_int_equal(process(child).minor_faults, 0);
    assert_int_equal(page(child, a).state, PAGE_SHARED);
    range(OP_READ, child, a, PAGES(10));
    assert_int_equal(process(child).minor_faults, 0);
    fill(child, a, PAGES(3), 3); /* copies */
    assert_int_equal(process(child).minor_faults, 3);
    fill(pid, a, PAGES(4), 4); /* three are its own again, one is copied */
    assert_int_equal(process(pid).minor_faults, 24);
    assert_int_equal(process(pid).rss_pages, 10);
    assert_int_equal(advise(pid, a, PAGES(10), ADVICE_PAGEOUT)->outcome, OUTCOME_OK);
    assert_int_equal(process(pid).swap_pages, 4); /* shared pages stay */
    range(OP_READ, pid, a, PAGES(4));
    assert_int_equal(process(pid).major_faults, 4);
    assert_int_equal(process(pid).minor_faults, 24);
    fill(pid, a, 1, 5); /* came back write-protected */
    assert_int_equal(process(pid).minor_faults, 25);
    struct op op = fixture_op(OP_MPROTECT);
    op.address = a + PAGES(1);
    op.length = PAGE_SIZE;
    for (int back = 0; back < 2; back++) {
        op.prot = back ? PROT_RW : PROT_R;
        apply(op, pid, OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(PROT));
    }
    fill(pid, a + PAGES(1), 1, 5); /* clean: mprotect did not make it writable by the way */
    assert_int_equal(process(pid).minor_faults, 26);
    machine_destroy(m);
}

static void test_madvise(void **state)
{
    (void)state;
    start(0, 64 * MIB);
    uint32_t pid = spawn();
    uint64_t a = map(pid, 8, PROT_RW)->address;
    struct stats_view stats;
    fill(pid, a, PAGES(8), 7);
    advise(pid, a, PAGES(2), ADVICE_DONTNEED);
    assert_int_equal(page(pid, a).state, PAGE_UNTOUCHED);
    assert_int_equal(page(pid, a).count, 1);
    assert_int_equal(process(pid).rss_pages, 6);
    advise(pid, a + PAGES(2), PAGES(2), ADVICE_FREE);
    assert_int_equal(page(pid, a + PAGES(2)).state, PAGE_LAZYFREE);
    assert_int_equal(process(pid).rss_pages, 6); /* until reclaim wants them */
    fill(pid, a + PAGES(3), 1, 9);               /* this one is wanted again */
    advise(pid, a + PAGES(2), PAGES(3), ADVICE_PAGEOUT);
    assert_int_equal(page(pid, a + PAGES(2)).state, PAGE_UNTOUCHED); /* dropped, not written */
    assert_int_equal(page(pid, a + PAGES(3)).state, PAGE_SWAPPED);
    assert_int_equal(page(pid, a + PAGES(4)).state, PAGE_SWAPPED);
    view_stats(m, &stats);
    assert_int_equal(stats.swap_used_pages, 2);
    struct swap_run run;
    uint64_t cursor = 0;
    assert_true(view_next_swap_run(m, &cursor, &run));
    assert_int_equal(run.address, a + PAGES(3));
    assert_int_equal(run.pid, pid);
    advise(pid, a + PAGES(3), PAGES(1), ADVICE_WILLNEED);
    assert_int_equal(page(pid, a + PAGES(3)).state, PAGE_PRESENT);
    assert_int_equal(process(pid).major_faults, 0);
    const struct op_result *r = range(OP_READ, pid, a + PAGES(3), 2);
    assert_true(r->bytes[0] == 9 && r->bytes[1] == 7);
    advise(pid, a + PAGES(4), PAGES(1), ADVICE_FREE); /* swapped: gone at once */
    view_stats(m, &stats);
    assert_int_equal(stats.swap_used_pages, 0);
    machine_destroy(m);
}

/* Without swap only memory that MADV_FREE gave up can be reclaimed. It makes room for others. */
static void test_lazy_pages_make_room(void **state)
{
    (void)state;
    start(32 * MIB, 0);
    uint32_t pid = spawn();
    uint64_t nr_pages = 3000, a = map(pid, nr_pages, PROT_RW)->address, b = map(pid, 4500, PROT_RW)->address;
    for (uint64_t i = 0; i < nr_pages; i += 10)
        fill(pid, a + PAGES(i), PAGES(10), 1);
    advise(pid, a, PAGES(nr_pages), ADVICE_FREE);
    for (uint64_t i = 0; i < 4500; i += 10)
        assert_int_equal(fill(pid, b + PAGES(i), PAGES(10), 2)->outcome, OUTCOME_OK);
    struct stats_view stats;
    view_stats(m, &stats);
    assert_int_equal(stats.nr_oom_kills, 0);
    assert_true(stats.nr_reclaimed > 0 && process(pid).rss_pages < 7500);
    machine_destroy(m);
}

/* Locked pages stay under any pressure. After munlock they go like others. */
static void test_mlock(void **state)
{
    (void)state;
    start(32 * MIB, 64 * MIB);
    uint32_t pid = spawn();
    uint64_t a = map(pid, 16, PROT_RW)->address, b = map(pid, 9000, PROT_RW)->address;
    assert_int_equal(range(OP_MLOCK, pid, a, PAGES(16))->outcome, OUTCOME_OK);
    assert_int_equal(process(pid).rss_pages, 16);
    assert_int_equal(process(pid).locked_pages, 16);
    for (uint64_t i = 0; i < 9000; i += 15)
        fill(pid, b + PAGES(i), PAGES(15), 1);
    for (uint64_t i = 0; i < 16; i++)
        assert_int_equal(page(pid, a + PAGES(i)).state, PAGE_PRESENT);
    assert_string_equal(advise(pid, a, PAGES(16), ADVICE_PAGEOUT)->message, "madvise: EINVAL: the range is locked");
    assert_int_equal(range(OP_MUNLOCK, pid, a, PAGES(16))->outcome, OUTCOME_OK);
    assert_int_equal(advise(pid, a, PAGES(16), ADVICE_PAGEOUT)->outcome, OUTCOME_OK);
    assert_int_equal(page(pid, a).state, PAGE_SWAPPED);
    machine_destroy(m);
}

/* A page shared by fork stays locked as long as one of its processes has locked it. */
static void test_mlock_and_fork(void **state)
{
    (void)state;
    start(0, 64 * MIB);
    uint32_t pid = spawn();
    uint64_t a = map(pid, 1, PROT_RW)->address;
    fill(pid, a, 1, 1);
    range(OP_MLOCK, pid, a, PAGES(1));
    uint32_t child = apply(fixture_op(OP_FORK), pid, 0)->pid;
    assert_int_equal(process(child).locked_pages, 0);
    assert_true(page(child, a).locked);
    apply(fixture_op(OP_EXIT), pid, 0);
    assert_false(page(child, a).locked);
    machine_destroy(m);
}

/* A write that runs out of memory half-way moves nothing, and takes nobody else with it. */
static void test_write_moves_all_or_nothing(void **state)
{
    (void)state;
    start(32 * MIB, 0);
    uint32_t pid = spawn();
    uint64_t a = map(pid, 9000, PROT_RW)->address;
    for (uint64_t i = 0; process(pid).pid; i += 10) {
        assert_true(i < 9000);
        const struct op_result *r = fill(pid, a + PAGES(i), PAGES(10), 2);
        assert_true(r->outcome == OUTCOME_OK || (r->outcome == OUTCOME_NULL && strstr(r->message, "Killed process")));
        assert_int_equal(r->outcome == OUTCOME_OK, process(pid).pid == pid);
    }
    pid = spawn(); /* the rest of the machine goes on */
    a = map(pid, 4, PROT_RW)->address;
    fill(pid, a, PAGES(2), 1);
    struct op op = fixture_op(OP_MPROTECT);
    op.address = a + PAGES(2);
    op.length = PAGES(2);
    op.prot = PROT_R;
    apply(op, pid, OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(PROT));
    uint32_t child = apply(fixture_op(OP_FORK), pid, 0)->pid;
    assert_int_equal(fill(pid, a, PAGES(3), 9)->outcome, OUTCOME_BUG);
    assert_int_equal(range(OP_READ, child, a, 1)->bytes[0], 1);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_lives),
        cmocka_unit_test(test_fault_counts),
        cmocka_unit_test(test_madvise),
        cmocka_unit_test(test_lazy_pages_make_room),
        cmocka_unit_test(test_mlock),
        cmocka_unit_test(test_mlock_and_fork),
        cmocka_unit_test(test_write_moves_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
