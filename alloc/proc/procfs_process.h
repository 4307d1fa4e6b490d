/* alloc/proc/procfs_process.h - the files of /proc/PID, written from a process's mappings and page tables. Linux v6.1
 * fs/proc/task_mmu.c, fs/proc/array.c; classic: Linux v2.0 fs/proc/array.c. Stands on: machine_state, procfs_text. */
#pragma once
#include "alloc/machine/machine_state.h"
#include "alloc/proc/procfs_text.h"

void procfs_put_maps(struct writer *writer, const struct machine *m, const struct process *process);
void procfs_put_maps_classic(struct writer *writer, const struct machine *m, const struct process *process);
void procfs_put_smaps(struct writer *writer, const struct machine *m, const struct process *process);
void procfs_put_status(struct writer *writer, const struct machine *m, const struct process *process);
void procfs_put_status_classic(struct writer *writer, const struct machine *m, const struct process *process);
