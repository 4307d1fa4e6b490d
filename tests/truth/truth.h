/* tests/truth/truth.h - replaying recordings of the real kernel and the real libc: what every kind of recording shares. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct truth_report {
    uint64_t nr_operations, nr_identical;
    bool end_state_identical;
    uint64_t timing_line;       /* from this line of the recording on timing decides, and nothing is compared; 0: nowhere */
    char first_difference[512]; /* line number, expected, got; empty: none */
    char note[128];             /* what the replay leaves unchecked, or why the file could not be read */
};

/* Reads a text file, plain or gzip, line by line. */
struct truth_file;
struct truth_file *truth_open(const char *path); /* NULL: it cannot be opened */
/* The next line without its newline, NUL-terminated and writable; it borrows until the next call. False: end or a damaged
 * file. */
bool truth_next_line(struct truth_file *file, char **line, size_t *length);
uint64_t truth_line_number(const struct truth_file *file); /* of the line returned last, from 1 */
bool truth_is_damaged(const struct truth_file *file);      /* cut short, or not what gzip wrote */
void truth_close(struct truth_file *file);                 /* NULL is allowed */

/* Cuts off the field before the next separator and returns it; *rest moves behind it, NULL after the last. NULL when *rest
 * is. */
char *truth_field(char **rest, char separator);
/* The number behind "key=" in a line of tab-separated fields; false: there is no such key. */
bool truth_key(const char *line, const char *key, int64_t *number);

/* One replay per kind of recording. Returns 0 when the file could be read to its end, whatever the comparison said. */
int truth_buddy(const char *path, struct truth_report *report);
int truth_press(const char *path, struct truth_report *report); /* press-*.tsv.gz: the state in which a request failed */
int truth_state(const char *path, struct truth_report *report); /* state-*.tsv.gz, paired-state.tsv.gz */
int truth_zoneinfo(const char *path, struct truth_report *report);
/* Snapshots after the first: the recorder had read the vm sysctls, and the kernel works lowmem_reserve out anew, from what
 * is managed by then, whenever lowmem_reserve_ratio is so much as read. */
int truth_zoneinfo_later(const char *path, struct truth_report *report);
int truth_boot_machines(void); /* from standard input to standard output: truth_sweep.c */
/* What a machine said of itself: its RAM in /proc/iomem and in the boot's messages, the vm sysctls that follow from it. */
int truth_iomem(const char *path, struct truth_report *report);
int truth_dmesg(const char *path, struct truth_report *report);
int truth_sysctl_vm(const char *path, struct truth_report *report);
int truth_sysctl_effects(const char *path, struct truth_report *report);
/* Snapshots of /proc, by file name: parsed and written again. */
int truth_proc(const char *path, struct truth_report *report);
/* Snapshots taken directly after a state dump, against what that state shows here. */
int truth_paired_buddyinfo(const char *path, struct truth_report *report);
int truth_paired_kpageflags(const char *path, struct truth_report *report);
int truth_events(const char *path, struct truth_report *report); /* trace.txt.gz, *-events.txt.gz: what tracepoints say */
int truth_log(const char *path,
              struct truth_report *report); /* *.log.gz: calls into malloc that a program recorded itself */
int truth_vmalloc_run(const char *path, struct truth_report *report);
/* Malloc scripts. ops: a script (.ops) with its results beside it, or results (.res) whose script is beside them or, for
 * tunables/setNN/, in edge/ or random/ of the collection; rep: CS:APP; tunables: all results beside a file GLIBC_TUNABLES.
 */
int truth_ops(const char *path, struct truth_report *report);
int truth_rep(const char *path, struct truth_report *report);
int truth_tunables(const char *path, struct truth_report *report);
