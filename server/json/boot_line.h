/* server/json/boot_line.h - words of a kernel's boot line that make another machine, as /proc/cmdline has them. */
#pragma once
#include "pagoda/config.h"
#include "server/base/buffer.h"
#include "server/base/problem.h"

/* Sets what the words say: transparent_hugepage=, slub_debug, init_on_alloc=, init_on_free=. A whole line, as /proc/cmdline
 * shows it, may have words that say nothing of memory; they are passed over, and its length counts. A few words alone stand
 * behind a line of usual length. What follows "--" is for init. A configuration that has a cmdline_length keeps it.
 * False: *why names a word that is not simulated, or a value that is none. Sources: Linux v6.1 mm/slub.c:
 * parse_slub_debug_flags(), mm/page_alloc.c: early_init_on_alloc(), mm/huge_memory.c: setup_transparent_hugepage(),
 * lib/cmdline.c: next_arg(). */
bool boot_line_decode(const char *line, struct machine_config *config, struct problem *why);
/* The words that lead to the configuration, as a JSON text. */
void boot_line_encode(struct buffer *out, const struct machine_config *config);
