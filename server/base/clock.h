/* server/base/clock.h - the time since the host's start: it never goes back. */
#pragma once
#include <stdint.h>

uint64_t clock_ns(void);
double clock_s(void); /* the same in seconds */
