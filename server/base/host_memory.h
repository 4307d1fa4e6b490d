/* server/base/host_memory.h - host memory for machines: address space by mmap, paid for as it is committed. */
#pragma once
#include "pagoda/host.h"

extern const struct pagoda_host HOST_MEMORY;
