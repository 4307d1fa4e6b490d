/* pagoda/procfs.h - what /proc of the simulated machine says: text in the exact layout of the kernel that the profile
 * follows, so that scripts written for the real files read these. Reading changes nothing. */
#pragma once
#include "pagoda/machine.h"

/* Takes what is written, piece by piece and in order. */
struct procfs_out {
    void (*write)(void *context, const char *bytes, size_t nr_bytes);
    void *context;
};

/* /proc/NAME. False: this machine has no such file, and nothing was written. */
bool procfs_read(const struct machine *machine, const char *name, const struct procfs_out *out);
/* /proc/PID/NAME, the text files. False: no such file, or no such process. */
bool procfs_read_process(const struct machine *machine, uint32_t pid, const char *name, const struct procfs_out *out);
/* Names of the files that this machine has, from 0 on; NULL: no more. of_process: those of /proc/PID, pagemap among them.
 */
const char *procfs_name(const struct machine *machine, bool of_process, uint32_t number);

/* Eight bytes a page or frame, as the files of these names; linux-6.1 only.
 * False: there is no such file or process. */
struct procfs_pages {
    uint64_t address, nr_pages; /* address: any of the first page */
};
bool procfs_read_pagemap(const struct machine *machine, uint32_t pid, struct procfs_pages pages,
                         const struct procfs_out *out);
bool procfs_read_kpageflags(const struct machine *machine, uint32_t pfn, uint32_t count, const struct procfs_out *out);
bool procfs_read_kpagecount(const struct machine *machine, uint32_t pfn, uint32_t count, const struct procfs_out *out);
