/* Operations that wait between the log and the machine: they come out as they went in, whatever becomes of the reader's
 * row. */
#include "server/lab/ahead.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct log_entry entry_of(uint64_t seq, char *row)
{
    struct log_entry entry = { .seq = seq, .op = fixture_alloc(OP_KMALLOC, 10 + seq, 0) };
    (void)snprintf(row, 16, "n%u site", (unsigned)seq % 1000);
    entry.op.name = (struct text){ row, 2 };
    entry.op.call_site = (struct text){ row + 3, 4 };
    entry.op.address = seq << 12;
    entry.op.given |= OP_BIT(NAME) | OP_BIT(CALL_SITE) | OP_BIT(ADDRESS);
    return entry;
}

static void expect(const struct log_entry *entry, uint64_t seq)
{
    char row[16];
    struct log_entry want = entry_of(seq, row);
    assert_non_null(entry);
    assert_true(entry->seq == seq && entry->op.size == want.op.size);
    assert_memory_equal(entry->op.name.start, want.op.name.start, 2);
    assert_memory_equal(entry->op.call_site.start, want.op.call_site.start, 4);
}

static void test_order_and_texts(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    struct ahead ahead = { 0 };
    char row[16];
    uint64_t in = 0, out = 0;
    assert_null(ahead_take(&ahead));
    for (unsigned round = 0; round < 20; round++) {
        while (!ahead_is_full(&ahead)) {
            struct log_entry entry = entry_of(++in, row);
            assert_true(ahead_can_hold(&entry));
            ahead_put(&ahead, m, &entry);
            memset(row, '?', sizeof row); /* the next row is read into the same place */
        }
        for (unsigned i = 0; i <= round % AHEAD_ENTRIES; i++)
            expect(ahead_take(&ahead), ++out);
    }
    while (out < in)
        expect(ahead_take(&ahead), ++out);
    assert_null(ahead_take(&ahead));
    machine_destroy(m);
}

static void test_what_cannot_wait(void **state)
{
    (void)state;
    static const char LONG[AHEAD_TEXT + 1];
    char row[16];
    struct log_entry data = entry_of(1, row);
    data.op.nr_data = 1;
    assert_false(ahead_can_hold(&data));
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        if (OP_TEXT_BITS >> id & 1) {
            struct log_entry text = entry_of(1, row);
            text.op.given |= OP_PARAM_BIT(id);
            op_set_text(&text.op, (enum op_param_id)id, (struct text){ LONG, AHEAD_TEXT });
            assert_true(ahead_can_hold(&text));
            op_set_text(&text.op, (enum op_param_id)id, (struct text){ LONG, AHEAD_TEXT + 1 });
            assert_false(ahead_can_hold(&text));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_texts),
        cmocka_unit_test(test_what_cannot_wait),
    };
    return cmocka_run_group_tests_name("ahead", tests, NULL, NULL);
}
