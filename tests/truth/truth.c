/* make truth: finds every recording below a directory by its file name, replays it in the engine, and compares every
 * recorded field. A line a file; on a difference the first one, with what was expected and what came. Exit 1 when anything
 * differs. */
#include "tests/truth/truth.h"
#include "tests/truth/truth_slub.h"

#include <errno.h>
#include <fnmatch.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>

typedef int replay_function(const char *path, struct truth_report *report);

/* By file name; the first pattern that fits decides. NULL: what stands beside recordings, but is none. */
static const struct {
    const char *pattern;
    replay_function *replay;
    bool is_recording;
} KINDS[] = {
    { "buddy-*.tsv.gz", truth_buddy, true },
    { "slub-run-*.tsv.gz", truth_slub_run, true },
    { "kmalloc-table.tsv.gz", truth_kmalloc_table, true },
    { "kmalloc-caches.tsv.gz", truth_kmalloc_caches, true },
    { "*slabinfo.txt", truth_slabinfo, true },
    { "misc-*.tsv.gz", truth_misc, true },
    { "state-*.tsv.gz", truth_state, true },
    { "paired-state.tsv.gz", truth_state, true },
    { "paired-buddyinfo.txt", truth_paired_buddyinfo, true },
    { "paired-kpageflags.bin.gz", truth_paired_kpageflags, true },
    { "zoneinfo.txt", truth_zoneinfo, true },
    { "before-zoneinfo.txt", truth_zoneinfo, true },
    { "0-start-zoneinfo.txt", truth_zoneinfo, true },
    { "*-zoneinfo.txt", truth_zoneinfo_later, true },
    { "sysctl-effects.txt", truth_sysctl_effects, true },
    { "*iomem.txt", truth_iomem, true },
    { "dmesg.txt.gz", truth_dmesg, true },
    { "*sysctl-vm.txt", truth_sysctl_vm, true },
    { "press-*.tsv.gz", truth_press, true },
    { "trace.txt.gz", truth_events, true },
    { "vmalloc-run-*-events.txt.gz", truth_events, true },
    { "vmalloc-run-*.tsv.gz", truth_vmalloc_run, true },
    { "*.log.gz", truth_log, true },
    { "*.ops", truth_ops, true },
    { "*.ops.gz", truth_ops, true },
    { "*.rep", truth_rep, true },
    { "GLIBC_TUNABLES", truth_tunables, true },
    { "*.res", NULL, false }, /* the answers to the .ops of the same name */
    { "*.res.gz", NULL, false },
    { "*.md", NULL, false },
    { "*.c", NULL, false },
    { "*.sh", NULL, false },
    { "Makefile", NULL, false },
    { "boot-cmdline.txt", NULL, false },
    { "qemu-config.txt", NULL, false },
    { "config-relevant.txt", NULL, false },
    { "event-formats.txt", NULL, false },
    { "events-enabled.txt", NULL, false },
    { "workload-output.txt", NULL, false },
    { "trace-stats.txt", NULL, false },
};
#define NR_KINDS (sizeof KINDS / sizeof *KINDS)

/* Snapshots of /proc: their layout is checked, whatever else is. */
static const char *const PROC_FILES[] = {
    "*buddyinfo.txt", "*pagetypeinfo.txt", "*zoneinfo.txt",     "*vmstat.txt",
    "*meminfo.txt",   "*slabinfo.txt",     "*vmallocinfo*.txt",
};

struct totals {
    uint64_t nr_files, nr_operations, nr_different, nr_not_checked;
};

static void check(const char *path, const char *name, replay_function *replay, struct totals *totals)
{
    struct truth_report report = { .end_state_identical = true };
    int failed = replay(path, &report);
    if (!failed && !report.nr_operations) {
        printf("%s: %s\n", name, report.note);
        totals->nr_not_checked++;
        return;
    }
    printf("%s: %llu of %llu operations identical; end state ", name, (unsigned long long)report.nr_identical,
           (unsigned long long)report.nr_operations);
    if (report.timing_line)
        printf("not compared: timing decides from line %llu", (unsigned long long)report.timing_line);
    else
        printf("%s", report.end_state_identical ? "identical" : "DIFFERENT");
    printf("%s%s\n", report.note[0] ? "; " : "", report.note);
    if (report.first_difference[0])
        printf("    %s\n", report.first_difference);
    totals->nr_files++;
    totals->nr_operations += report.nr_operations;
    totals->nr_different +=
        report.nr_operations - report.nr_identical + (report.end_state_identical ? 0 : 1) + (failed ? 1 : 0);
}

static void visit(const char *path, const char *name, const char *file, struct totals *totals)
{
    bool is_proc = false;
    for (size_t i = 0; i < sizeof PROC_FILES / sizeof *PROC_FILES && !is_proc; i++)
        is_proc = fnmatch(PROC_FILES[i], file, 0) == 0;
    if (is_proc)
        check(path, name, truth_proc, totals);
    for (size_t i = 0; i < NR_KINDS; i++) {
        if (fnmatch(KINDS[i].pattern, file, 0) != 0)
            continue;
        if (KINDS[i].is_recording)
            check(path, name, KINDS[i].replay, totals);
        return;
    }
    if (is_proc)
        return;
    printf("%s: not checked\n", name);
    totals->nr_not_checked++;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* A file's name is its path below the directory. False: the directory cannot be read. */
static bool visit_all(char *root, struct totals *totals)
{
    char *roots[] = { root, NULL };
    size_t length = strlen(root);
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    bool is_there = false;
    for (FTSENT *entry; tree && (entry = fts_read(tree));) {
        is_there |= entry->fts_info == FTS_D;
        if (entry->fts_info == FTS_F)
            visit(entry->fts_path, entry->fts_path + length + (entry->fts_path[length] == '/'), entry->fts_name, totals);
    }
    if (!is_there)
        fprintf(stderr, "truth: %s: %s\n", root, strerror(errno));
    if (tree)
        fts_close(tree);
    return is_there;
}

int main(int argc, char **argv)
{
    struct totals totals = { 0 };
    if (argc < 2) {
        fprintf(stderr, "usage: truth DIR... | truth --boot <SIZES\n");
        return 2;
    }
    if (strcmp(argv[1], "--boot") == 0)
        return truth_boot_machines();
    for (int i = 1; i < argc; i++)
        if (!visit_all(argv[i], &totals))
            return 2;
    printf("truth: %llu files, %llu operations, %llu different, %llu not checked\n", (unsigned long long)totals.nr_files,
           (unsigned long long)totals.nr_operations, (unsigned long long)totals.nr_different,
           (unsigned long long)totals.nr_not_checked);
    return totals.nr_different || !totals.nr_files;
}
