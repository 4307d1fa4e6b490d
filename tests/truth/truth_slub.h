/* tests/truth/truth_slub.h - recordings of kmalloc and of the slab caches. */
#pragma once
#include "pagoda/config.h"
#include "tests/truth/truth.h"

int truth_slub_run(const char *path, struct truth_report *report);       /* slub-run-*.tsv.gz */
int truth_kmalloc_table(const char *path, struct truth_report *report);  /* kmalloc-table.tsv.gz */
int truth_kmalloc_caches(const char *path, struct truth_report *report); /* kmalloc-caches.tsv.gz */
int truth_slabinfo(const char *path, struct truth_report *report);       /* slabinfo.txt, before-slabinfo.txt ... */
int truth_misc(const char *path, struct truth_report *report);           /* misc-*.tsv.gz */

/* Memory, CPUs and options of the machine that made a recording, from qemu-config.txt and boot-cmdline.txt beside it. */
struct machine_config truth_config_beside(const char *path);
bool truth_boot_has(const char *path, const char *word); /* on the boot line beside it */
