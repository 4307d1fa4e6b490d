/* server/api/import_spool.h - the body of an import that is all or nothing, in a file without a name beside the store.
 *
 * Spools have a limit together, and leave the disk room for the log. */
#pragma once
#include "server/api/import_lab.h"

/* Reads all of the body. PAGODA_OK: run->spool is the file, for import_spool_close().
 * CONFLICT: the peer has gone, or the import was cancelled. FULL: there is no room; nothing is kept. */
enum pagoda_error import_spool(struct import_run *run) PAGODA_MUST_CHECK;
void import_spool_close(struct import_run *run);
struct source import_spool_source(struct import_run *run); /* from its start */
