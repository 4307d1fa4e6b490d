/* tests/server/test_ready.c - work is shared out among clients, not among requests: who brings much does not delay who
 * brings little. Times are given, so every run is the same. */
#include "server/base/client.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NR_MANY 100u
#define MS UINT64_C(1000000)

struct busy {
    struct share share;
    struct work work[NR_MANY];
};

static void bring(struct ready *ready, struct busy *busy, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        busy->work[i].share = &busy->share;
        ready_put(ready, &busy->work[i]);
    }
}

/* Takes one piece of work that lasts so long. NULL: there is none. */
static struct work *work_once(struct ready *ready, uint64_t used_ns)
{
    struct work *work = ready_take(ready);
    if (work)
        ready_pay(ready_share(ready, work), used_ns);
    return work;
}

static void who_brings_much_does_not_delay_who_brings_one(void **state)
{
    (void)state;
    static struct busy many, one;
    struct ready ready;
    many = one = (struct busy){ 0 };
    ready_init(&ready);
    bring(&ready, &many, NR_MANY);
    for (unsigned i = 0; i < 10; i++)
        work_once(&ready, 5 * MS);
    bring(&ready, &one, 1);
    unsigned nr_before = 0;
    while (work_once(&ready, 5 * MS) != &one.work[0])
        nr_before++;
    assert_true(nr_before <= 1);
}

static void each_gets_the_same_time_whatever_the_work_costs(void **state)
{
    (void)state;
    static struct busy heavy, light;
    struct ready ready;
    uint64_t heavy_ns = 0, light_ns = 0;
    heavy = light = (struct busy){ 0 };
    ready_init(&ready);
    bring(&ready, &heavy, NR_MANY);
    bring(&ready, &light, NR_MANY);
    while (light.share.first) { /* 100 pieces of 1 ms */
        struct work *work = ready_take(&ready);
        bool is_heavy = work->share == &heavy.share;
        ready_pay(work->share, is_heavy ? 20 * MS : 1 * MS);
        *(is_heavy ? &heavy_ns : &light_ns) += is_heavy ? 20 * MS : 1 * MS;
    }
    assert_int_equal(light_ns, 100 * MS);
    assert_in_range(heavy_ns, 60 * MS, 140 * MS);
}

static void work_of_one_comes_in_its_order_and_the_house_has_a_share(void **state)
{
    (void)state;
    static struct busy busy;
    static struct work house;
    struct ready ready;
    busy = (struct busy){ 0 };
    ready_init(&ready);
    bring(&ready, &busy, 3);
    ready_put(&ready, &house);
    unsigned next = 0, nr_house = 0;
    for (struct work *work; (work = work_once(&ready, 5 * MS));)
        if (work == &house)
            nr_house++;
        else
            assert_ptr_equal(work, &busy.work[next++]);
    assert_int_equal(next, 3);
    assert_int_equal(nr_house, 1);
    assert_true(share_is_idle(&busy.share));
    assert_null(ready_take(&ready));
}

/* What took long is paid for in turns, and forgotten when nobody else wants any. */
static void a_debt_is_bounded_and_delays_nobody_who_is_alone(void **state)
{
    (void)state;
    static struct busy busy;
    struct ready ready;
    busy = (struct busy){ 0 };
    ready_init(&ready);
    bring(&ready, &busy, 2);
    assert_ptr_equal(work_once(&ready, 3600 * 1000 * MS), &busy.work[0]);
    assert_true(busy.share.credit_ns >= -(int64_t)READY_DEBT_NS);
    assert_ptr_equal(work_once(&ready, MS), &busy.work[1]);
}

/* Whose slow work is as much as may be waits until some of it has ended; others, and the house, do not notice. */
static void who_has_much_slow_work_is_held(void **state)
{
    (void)state;
    static struct busy busy, other;
    static struct work house;
    struct ready ready;
    busy = other = (struct busy){ 0 };
    ready_init(&ready);
    bring(&ready, &busy, READY_SLOW_MAX + 2);
    for (unsigned i = 0; i < READY_SLOW_MAX; i++) {
        assert_ptr_equal(ready_take(&ready), &busy.work[i]);
        ready_begin_slow(&ready, &busy.share);
    }
    assert_false(ready_has_work(&ready));
    assert_false(share_is_idle(&busy.share));
    bring(&ready, &other, 1);
    assert_ptr_equal(work_once(&ready, MS), &other.work[0]);
    for (unsigned i = 0; i < READY_SLOW_MAX; i++)
        ready_begin_slow(&ready, &ready.house);
    ready_put(&ready, &house);
    assert_ptr_equal(work_once(&ready, MS), &house);
    bring(&ready, &busy, 0);
    assert_null(ready_take(&ready));
    ready_end_slow(&ready, &busy.share);
    ready_pay(&busy.share, MS);
    assert_ptr_equal(work_once(&ready, MS), &busy.work[READY_SLOW_MAX]);
}

/* ---- who is a client ---- */

static struct client *client_at(struct clients *clients, uint32_t address)
{
    struct sockaddr_in peer = { .sin_family = AF_INET, .sin_addr = { htonl(address) } };
    return client_get(clients, (struct sockaddr *)&peer);
}

static struct client *client_at_six(struct clients *clients, const char *bytes)
{
    struct sockaddr_in6 peer = { .sin6_family = AF_INET6 };
    memcpy(peer.sin6_addr.s6_addr, bytes, 16);
    return client_get(clients, (struct sockaddr *)&peer);
}

static void a_client_is_an_address(void **state)
{
    (void)state;
    struct clients clients;
    clients_init(&clients);
    struct client *one = client_at(&clients, 0x7f000001);
    assert_ptr_equal(client_at(&clients, 0x7f000001), one);
    assert_ptr_not_equal(client_at(&clients, 0x7f000002), one);
    assert_ptr_equal(client_at_six(&clients, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1"), one);
    struct client *six = client_at_six(&clients, "\x20\1\0\0\0\0\0\1\0\0\0\0\0\0\0\1");
    assert_ptr_equal(client_at_six(&clients, "\x20\1\0\0\0\0\0\1\0\0\0\0\0\0\0\2"), six); /* one network of 64 bits */
    assert_ptr_not_equal(client_at_six(&clients, "\x20\1\0\0\0\0\0\2\0\0\0\0\0\0\0\1"), six);
    clients_clear(&clients);
}

static void a_client_may_have_so_much_waiting(void **state)
{
    (void)state;
    struct clients clients;
    clients_init(&clients);
    struct client *client = client_at(&clients, 0x7f000001), *other = client_at(&clients, 0x7f000002);
    for (unsigned i = 0; i < CLIENT_WAITING_MAX; i++)
        assert_true(client_begin_wait(client));
    assert_false(client_begin_wait(client));
    assert_true(client_begin_wait(other));
    client_end_wait(client);
    assert_true(client_begin_wait(client));
    clients_clear(&clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_brings_much_does_not_delay_who_brings_one),
        cmocka_unit_test(each_gets_the_same_time_whatever_the_work_costs),
        cmocka_unit_test(work_of_one_comes_in_its_order_and_the_house_has_a_share),
        cmocka_unit_test(who_has_much_slow_work_is_held),
        cmocka_unit_test(a_debt_is_bounded_and_delays_nobody_who_is_alone),
        cmocka_unit_test(a_client_is_an_address),
        cmocka_unit_test(a_client_may_have_so_much_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
