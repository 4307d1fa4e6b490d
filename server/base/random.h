/* server/base/random.h - numbers that nobody can guess. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Fills out from the kernel's generator. False: the kernel gave less than that, and out must not be used. */
bool random_fill(void *out, size_t nr_bytes) __attribute__((warn_unused_result));
