/* alloc/machine/machine_past.h - what has run on a machine before its first operation: data/machines. */
#pragma once
#include "alloc/machine/machine_internal.h"

/* Of a machine that has just been booted, whose configuration names a past. PAGODA_ERR_NOMEM  the host refused. */
enum pagoda_error machine_live_past(struct machine *machine) PAGODA_MUST_CHECK;
