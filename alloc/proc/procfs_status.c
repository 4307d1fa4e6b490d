/* status: who a process is, and the lines Vm* and Rss*. Pagoda's processes have no users and files. Those lines are written
 * as for a process of root. */
#include "alloc/proc/procfs_process.h"
#include "alloc/machine/machine_state.h"
#include "pagoda/heap_view.h"

/* Bytes of code: the program's own, and that of libraries. */
static void status_sum_code(const struct machine *m, const struct process *process, uint64_t *program, uint64_t *libraries)
{
    *program = *libraries = 0;
    for (struct vma_ref i = process->first_vma; i.index; i = vma_at(&m->state.processes, i)->next) {
        const struct vma *vma = vma_at(&m->state.processes, i);
        if ((vma->flags & (VMA_EXEC | VMA_WRITE)) == VMA_EXEC)
            *(vma->file == VMA_FILE_PROGRAM ? program : libraries) += vma->end - vma->start;
    }
}

/* The main thread, and those that have called malloc and have not ended. */
static uint64_t status_count_threads(const struct machine *m, const struct process *process)
{
    struct heap_thread_view thread;
    uint64_t nr = 0;
    for (uint64_t cursor = 0; view_next_heap_thread(m, process->pid, &cursor, &thread);)
        nr++;
    return nr ? nr : 1;
}

static void status_put_line(struct writer *w, const char *name, uint64_t number)
{
    write_text(w, name);
    write_number(w, 0, number);
    write_text(w, "\n");
}

static void status_put_kb(struct writer *w, const char *name, uint64_t bytes)
{
    write_text(w, name);
    write_number(w, 8, bytes >> 10);
    write_text(w, " kB\n");
}

static void status_put_name(struct writer *w, const struct machine *m, const struct process *process)
{
    write_text(w, "Name:\t");
    write_escaped(w, process->name.index ? name_text(&m->state.names, process->name) : "program");
}

void procfs_put_status(struct writer *writer, const struct machine *m, const struct process *process)
{
    const struct reclaim_space *space = reclaim_space_at(&m->state.reclaim, process->space);
    const struct vm_counts *vm = &process->vm;
    uint64_t program, libraries, bytes = vm->total << PAGE_SHIFT;
    status_sum_code(m, process, &program, &libraries);
    uint64_t rss = space->rss_pages << PAGE_SHIFT;
    status_put_name(writer, m, process);
    write_text(writer, "\nUmask:\t0022\nState:\tS (sleeping)\n");
    status_put_line(writer, "Tgid:\t", process->pid);
    status_put_line(writer, "Ngid:\t", 0);
    status_put_line(writer, "Pid:\t", process->pid);
    status_put_line(writer, "PPid:\t", process->parent_pid ? process->parent_pid : 1);
    write_text(writer, "TracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t \n");
    status_put_line(writer, "NStgid:\t", process->pid);
    status_put_line(writer, "NSpid:\t", process->pid);
    status_put_line(writer, "NSpgid:\t", process->pid);
    status_put_line(writer, "NSsid:\t", process->pid);
    status_put_kb(writer, "VmPeak:\t", process->peak_bytes);
    status_put_kb(writer, "VmSize:\t", bytes);
    status_put_kb(writer, "VmLck:\t", vm->locked << PAGE_SHIFT);
    status_put_kb(writer, "VmPin:\t", 0);
    status_put_kb(writer, "VmHWM:\t", space->peak_rss_pages << PAGE_SHIFT);
    status_put_kb(writer, "VmRSS:\t", rss);
    status_put_kb(writer, "RssAnon:\t", rss);
    status_put_kb(writer, "RssFile:\t", 0);
    status_put_kb(writer, "RssShmem:\t", 0);
    status_put_kb(writer, "VmData:\t", vm->data << PAGE_SHIFT);
    status_put_kb(writer, "VmStk:\t", vm->stack << PAGE_SHIFT);
    status_put_kb(writer, "VmExe:\t", program);
    status_put_kb(writer, "VmLib:\t", libraries);
    status_put_kb(writer, "VmPTE:\t", machine_process_tables(&m->state, process) << PAGE_SHIFT);
    status_put_kb(writer, "VmSwap:\t", space->swap_pages << PAGE_SHIFT);
    status_put_kb(writer, "HugetlbPages:\t", 0);
    write_text(writer, "CoreDumping:\t0\nTHP_enabled:\t0\n");
    status_put_line(writer, "Threads:\t", status_count_threads(m, process));
}

void procfs_put_status_classic(struct writer *writer, const struct machine *m, const struct process *process)
{
    const struct vm_counts *vm = &process->vm;
    uint64_t program, libraries, bytes = vm->total << PAGE_SHIFT;
    status_sum_code(m, process, &program, &libraries);
    status_put_name(writer, m, process);
    write_text(writer, "\nState:\tS (sleeping)\n");
    status_put_line(writer, "Pid:\t", process->pid);
    status_put_line(writer, "PPid:\t", process->parent_pid ? process->parent_pid : 1);
    write_text(writer, "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n");
    status_put_kb(writer, "VmSize:\t", bytes);
    status_put_kb(writer, "VmLck:\t", vm->locked << PAGE_SHIFT);
    status_put_kb(writer, "VmRSS:\t", reclaim_space_at(&m->state.reclaim, process->space)->rss_pages << PAGE_SHIFT);
    status_put_kb(writer, "VmData:\t", vm->data << PAGE_SHIFT);
    status_put_kb(writer, "VmStk:\t", vm->stack << PAGE_SHIFT);
    status_put_kb(writer, "VmExe:\t", program);
    status_put_kb(writer, "VmLib:\t", libraries);
}
