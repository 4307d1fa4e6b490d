/* What the kernel says: its own words, line by line, with numbers that agree with each other. */
#include "alloc/machine/machine_state.h"
#include "pagoda/gfp.h"
#include "pagoda/procfs.h"
#include "tests/lib/fixture.h"
#include "tests/lib/formats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static struct op pages_op(enum op_kind kind, uint8_t order, uint32_t gfp)
{
    struct op op = fixture_op(kind);
    op.order = order;
    op.gfp = gfp;
    op.given |= OP_BIT(ORDER) | (kind == OP_ALLOC_PAGES ? OP_BIT(GFP) : OP_BIT(ADDRESS));
    return op;
}

static const struct op_result *in_context(struct machine *m, struct op op, enum context context)
{
    op.context = (uint8_t)context;
    op.given |= OP_BIT(CONTEXT);
    return fixture_apply(m, op);
}

/* The call is refused with these words, and nothing of it is left. */
static void expect_refused(struct machine *m, struct op op, enum context context, const char *message)
{
    uint64_t nr_free = m->state.frames.kind_count[FRAME_FREE];
    const struct op_result *r = in_context(m, op, context);
    assert_int_equal(r->outcome, OUTCOME_BUG);
    assert_string_equal(r->message, message);
    assert_int_equal(r->address, 0);
    assert_int_equal(m->state.frames.kind_count[FRAME_FREE], nr_free);
    fixture_check(m);
}

static void linux_6_1_must_not_sleep_in_an_interrupt(void **state)
{
    (void)state;
    static const char SOFTIRQ[] = "BUG: sleeping function called from invalid context at include/linux/sched/mm.h:274\n"
                                  "in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 0, name: pagoda\n"
                                  "preempt_count: 100, expected: 0\n"
                                  "RCU nest depth: 0, expected: 0\n";
    static const char HARDIRQ[] = "BUG: sleeping function called from invalid context at include/linux/sched/mm.h:274\n"
                                  "in_atomic(): 1, irqs_disabled(): 1, non_block: 0, pid: 0, name: pagoda\n"
                                  "preempt_count: 10000, expected: 0\n"
                                  "RCU nest depth: 0, expected: 0\n";
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct op pages = pages_op(OP_ALLOC_PAGES, 0, GFP_KERNEL);
    expect_refused(m, fixture_alloc(OP_KMALLOC, 100, GFP_KERNEL), CONTEXT_SOFTIRQ, SOFTIRQ);
    expect_refused(m, fixture_alloc(OP_KZALLOC, 100, GFP_NOIO), CONTEXT_TASKLET, SOFTIRQ);
    expect_refused(m, fixture_alloc(OP_KMALLOC, 100, GFP_KERNEL), CONTEXT_HARDIRQ, HARDIRQ);
    expect_refused(m, pages, CONTEXT_HARDIRQ, HARDIRQ);
    expect_refused(m, fixture_alloc(OP_VMALLOC, 100, 0), CONTEXT_SOFTIRQ,
                   "------------[ cut here ]------------\nkernel BUG at mm/vmalloc.c:2554!\n"
                   "invalid opcode: 0000 [#1] PREEMPT SMP NOPTI\n"
                   "(BUG_ON(in_interrupt()): vmalloc may sleep, and this is a softirq)");
    assert_int_equal(in_context(m, fixture_alloc(OP_KMALLOC, 100, GFP_ATOMIC), CONTEXT_HARDIRQ)->outcome, OUTCOME_OK);
    machine_destroy(m);
}

/* Linux 2.0 warns, and goes on as if it had been asked with GFP_ATOMIC. */
static void classic_goes_on(void **state)
{
    (void)state;
    static const struct {
        enum op_kind alloc, release;
        const char *message;
    } CASES[] = {
        { OP_KMALLOC, OP_KFREE, "kmalloc called nonatomically from interrupt 00100000\n" },
        { OP_ALLOC_PAGES, OP_FREE_PAGES, "gfp called nonatomically from interrupt 00100000\n" },
        { OP_VMALLOC, OP_VFREE,
          "kmalloc called nonatomically from interrupt 00100000\ngfp called nonatomically from interrupt 00100000\n" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct machine *m = fixture_machine("classic", 0);
        bool is_pages = CASES[i].alloc == OP_ALLOC_PAGES;
        struct op alloc = is_pages ? pages_op(OP_ALLOC_PAGES, 0, GFP_KERNEL)
                                   : fixture_alloc(CASES[i].alloc, 100, CASES[i].alloc == OP_KMALLOC ? GFP_KERNEL : 0);
        struct op release = is_pages ? pages_op(OP_FREE_PAGES, 0, 0) : fixture_free(CASES[i].release, 0);
        const struct op_result *r = in_context(m, alloc, CONTEXT_SOFTIRQ);
        assert_int_equal(r->outcome, OUTCOME_BUG);
        assert_string_equal(r->message, CASES[i].message);
        assert_int_not_equal(r->address, 0);
        fixture_check(m);
        release.address = r->address;
        assert_int_equal(fixture_apply(m, release)->outcome, OUTCOME_OK);
        machine_destroy(m);
    }
}

/* In an interrupt nobody waits: where GFP_KERNEL would find memory by reclaim, there is none. */
static void classic_goes_on_as_atomic(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    const struct op_result *r;
    do
        r = in_context(m, pages_op(OP_ALLOC_PAGES, 0, GFP_KERNEL), CONTEXT_HARDIRQ);
    while (r->address);
    assert_int_equal(r->slept_ns, 0);
    assert_non_null(strstr(r->message, "Couldn't get a free page"));
    assert_int_equal(r->outcome, OUTCOME_BUG);
    machine_destroy(m);
}

struct sink {
    size_t length;
    char text[8192];
};

static void take_text(void *context, const char *bytes, size_t nr_bytes)
{
    struct sink *to = context;
    assert_true(to->length + nr_bytes < sizeof to->text);
    memcpy(to->text + to->length, bytes, nr_bytes);
    to->length += nr_bytes;
}

/* The number behind a word of a text. */
static uint64_t number_after(const char *text, const char *word)
{
    const char *at = text ? strstr(text, word) : NULL;
    if (!at)
        fail_msg("no %s in %s", word, text);
    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

/* One counter, one value: Mem-Info's page tables are those of /proc/meminfo. */
static void page_tables_are_counted_once(void **state)
{
    (void)state;
    for (unsigned nr_processes = 0; nr_processes < 3; nr_processes++) {
        struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
        for (unsigned i = 0; i < nr_processes; i++) {
            uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid;
            fixture_apply(m, fixture_user(OP_MALLOC, pid, 100));
        }
        struct op op = pages_op(OP_ALLOC_PAGES, 10, GFP_ATOMIC);
        const struct op_result *r;
        do
            r = fixture_apply(m, op);
        while (r->outcome == OUTCOME_OK);
        struct sink meminfo = { 0 };
        assert_true(procfs_read(m, "meminfo", &(const struct procfs_out){ take_text, &meminfo }));
        assert_non_null(r->message);
        uint64_t pages = number_after(r->message, " pagetables:");
        assert_int_equal(number_after(meminfo.text, "PageTables:"), pages * 4);
        assert_int_equal(number_after(r->message, "kernel_stack:0kB pagetables:"), pages * 4);
        assert_true(pages >= 1 + nr_processes);
        machine_destroy(m);
    }
}

/* The comparison itself: numbers stand for numbers alone. */
static void a_line_is_compared_with_its_text(void **state)
{
    (void)state;
    assert_true(formats_match("order:%u, mode:%#x(%pGg)", "order:3, mode:0xcc0(GFP_KERNEL)"));
    assert_false(formats_match("order:%u, mode:%#x(%pGg)", "order:x, mode:0xcc0(GFP_KERNEL)"));
    assert_false(formats_match("order:%u", "order:3, and more"));
    assert_true(formats_match("object pointer: 0x%p", "object pointer: 0xffff888000000000"));
    assert_false(formats_match("object pointer: 0x%p", "object pointer: 0xhello"));
    assert_true(formats_match("[%7d] %s", "[    100] name of it"));
    assert_true(formats_match("BUG %s (%s): %pV", "BUG kmalloc-64 (Not tainted): Object already free"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_compared_with_its_text),
        cmocka_unit_test(linux_6_1_must_not_sleep_in_an_interrupt),
        cmocka_unit_test(classic_goes_on),
        cmocka_unit_test(classic_goes_on_as_atomic),
        cmocka_unit_test(page_tables_are_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
