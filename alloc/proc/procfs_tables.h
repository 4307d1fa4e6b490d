/* alloc/proc/procfs_tables.h - what page tables tell /proc: how many there are. Stands on: machine_state, pte. */
#pragma once
#include "alloc/machine/machine_state.h"

/* NR_PAGETABLE: the tables that Linux counts: of a process the two lowest levels, of the kernel the last but one. */
uint64_t procfs_count_tables(const struct machine_state *s);
/* Tables below the top one, of every level: VmPTE. */
uint64_t procfs_process_tables(const struct machine_state *s, const struct process *process);
