/* tests/store/faulty_disk.h - an SQLite VFS that lets writes fail: the nth one, or all from then on. */
#pragma once
#include <stdbool.h>

void faulty_disk_register(void); /* becomes the default VFS of the process */
/* The write, truncation or sync number nr_good + 1 from now fails with that SQLite code; forever: all behind it, too. */
void faulty_disk_arm(int nr_good, int code, bool forever);
bool faulty_disk_disarm(void); /* true: something has failed since */
