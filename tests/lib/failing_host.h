/* tests/lib/failing_host.h - a host that runs out: allocations and random numbers that fail on command. The test programs
 * of the server are linked with --wrap for each function (Makefile), so the code under test knows nothing of it. Only calls
 * from our own objects are seen, none from inside a library. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* The nth allocation from now on fails (1: the next one), and it alone. 0: none does. */
void failing_host_fail_allocation(unsigned nth);
/* Whether that allocation has been asked for since. */
bool failing_host_has_failed(void);
/* call runs before the next malloc() of at least nr_bytes returns, once. */
void failing_host_await_allocation(size_t nr_bytes, void (*call)(void));
/* While true, the kernel gives no random numbers. */
void failing_host_refuse_random(bool refuse);
