/* tests/store/faulty_disk.h - an SQLite VFS that lets writes or reads fail, the nth one or all from then
 * on, and a disk of a size of one's own. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

void faulty_disk_register(void); /* becomes the default VFS of the process */
/* The write, truncation or sync number nr_good + 1 from now fails with that SQLite code; forever: all behind it, too. */
void faulty_disk_arm(int nr_good, int code, bool forever);
bool faulty_disk_disarm(void); /* true: something has failed since */
/* The same for reads: number nr_good + 1 fails (SQLITE_IOERR_READ), or gives half of what was asked for and zeros behind
 * it, as SQLite has it (SQLITE_IOERR_SHORT_READ). Disarmed with the writes. */
void faulty_disk_arm_reads(int nr_good, int code, bool forever);
/* From now on the files of a directory share that many bytes; what would take more fails with SQLITE_FULL. 0: no limit. */
void faulty_disk_limit(const char *directory, uint64_t nr_bytes);
