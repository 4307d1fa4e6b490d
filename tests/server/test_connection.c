/* Connections that sleep: who stops the daemon must not see a count of 0 while libmicrohttpd has one suspended. */
#include "server/http/connection.h"

#include <microhttpd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* In libmicrohttpd's place. Each looks at the count as the stop would in that moment: a race that is always hit. */
static struct connections all;
static unsigned nr_suspended, nr_resumed;

void MHD_suspend_connection(struct MHD_Connection *connection)
{
    (void)connection;
    assert_true(atomic_load(&all.nr_asleep) > 0);
    nr_suspended++;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *connection, enum MHD_ConnectionInfoType type,
                                                        ...)
{
    (void)connection;
    (void)type;
    return NULL; /* a connection of no peer */
}

void MHD_resume_connection(struct MHD_Connection *connection)
{
    (void)connection;
    assert_true(atomic_load(&all.nr_asleep) > 0);
    nr_resumed++;
}

static int connection_setup(void **state)
{
    (void)state;
    all = (struct connections){ 0 };
    nr_suspended = nr_resumed = 0;
    return 0;
}

static void test_counts_while_suspended(void **state)
{
    (void)state;
    struct connection request = { .all = &all }, upload = { .all = &all };
    assert_true(connection_sleep(&request));
    assert_true(connection_sleep(&upload));
    assert_int_equal(all.nr_asleep, 2);
    connection_wake(&upload);
    connection_wake(&request);
    assert_int_equal(all.nr_asleep, 0);
    assert_int_equal(nr_suspended, 2);
    assert_int_equal(nr_resumed, 2);
}

static void test_asleep_once(void **state)
{
    (void)state;
    struct connection request = { .all = &all };
    assert_true(connection_sleep(&request));
    assert_true(connection_sleep(&request));
    assert_int_equal(nr_suspended, 1);
    connection_wake(&request);
    connection_wake(&request);
    assert_int_equal(nr_resumed, 1);
    assert_int_equal(all.nr_asleep, 0);
}

static void test_nobody_falls_asleep_at_the_stop(void **state)
{
    (void)state;
    struct connection request = { .all = &all };
    connections_stop(&all);
    assert_false(connection_sleep(&request));
    assert_int_equal(nr_suspended, 0);
    assert_int_equal(all.nr_asleep, 0);
    connections_wait_awake(&all); /* returns */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_counts_while_suspended, connection_setup),
        cmocka_unit_test_setup(test_asleep_once, connection_setup),
        cmocka_unit_test_setup(test_nobody_falls_asleep_at_the_stop, connection_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
