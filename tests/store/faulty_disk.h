/* tests/store/faulty_disk.h - an SQLite VFS that lets writes or reads fail, the nth one or all from then
 * on, and a disk of a size of one's own. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

void faulty_disk_register(void); /* becomes the default VFS of the process */
/* The write, truncation or sync number nr_good + 1 from now fails with that SQLite code; forever: all behind it, too. */
void faulty_disk_arm(int nr_good, int code, bool forever);
bool faulty_disk_disarm(void); /* true: something has failed since */
/* The same for reads. Disarmed with the writes. */
void faulty_disk_arm_reads(int nr_good, int code, bool forever);
/* The system's read or write number nr_good + 1, below SQLite's own VFS, moves half of the bytes that it is asked for;
 * forever: all behind it, too. Disarmed with the others. */
void faulty_disk_arm_short(int nr_good, bool forever);
/* From now on the files of a directory share that many bytes; what would take more fails with SQLITE_FULL. 0: no limit. */
void faulty_disk_limit(const char *directory, uint64_t nr_bytes);
