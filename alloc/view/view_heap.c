/* The heap of a process, for whoever looks. malloc_lists.c and malloc_view.c know how. */
#include "alloc/machine/machine_internal.h"
#include "pagoda/heap_view.h"

static struct process_ref view_heap_process(const struct machine *machine, uint32_t pid)
{
    return process_find(&machine->state.processes, pid);
}

bool view_heap(const struct machine *machine, uint32_t pid, struct heap_view *heap)
{
    struct process_ref process = view_heap_process(machine, pid);
    *heap = (struct heap_view){ 0 };
    return process.index && heap_look(&machine->state.heaps, process, heap);
}

bool view_next_arena(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct arena_view *arena)
{
    struct process_ref process = view_heap_process(machine, pid);
    return process.index && heap_next_arena(&machine->state.heaps, process, cursor, arena);
}

bool view_next_heap_region(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct heap_region_view *region)
{
    struct process_ref process = view_heap_process(machine, pid);
    return process.index && heap_next_region(&machine->state.heaps, process, cursor, region);
}

bool view_next_heap_thread(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct heap_thread_view *thread)
{
    struct process_ref process = view_heap_process(machine, pid);
    return process.index && heap_next_thread(&machine->state.heaps, process, cursor, thread);
}

bool view_next_heap_list(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct heap_list_view *list)
{
    struct process_ref process = view_heap_process(machine, pid);
    return process.index && heap_next_list(&machine->state.heaps, process, cursor, list);
}

bool view_next_listed_chunk(const struct machine *machine, uint32_t pid, const struct heap_list_view *list,
                            uint64_t *cursor, struct listed_chunk_view *chunk)
{
    struct process_ref process = view_heap_process(machine, pid);
    return process.index && heap_next_listed(&machine->state.heaps, process, list, cursor, chunk);
}

bool view_chunk(const struct machine *machine, uint32_t pid, uint64_t address, struct chunk_view *chunk)
{
    struct process_ref process = view_heap_process(machine, pid);
    return process.index && heap_chunk_at(&machine->state.heaps, process, address, chunk);
}

uint32_t view_chunk_fields(const struct machine *machine, uint32_t pid, const struct chunk_view *chunk,
                           struct chunk_field_view fields[CHUNK_FIELDS_MAX])
{
    struct process_ref process = view_heap_process(machine, pid);
    return process.index ? heap_chunk_fields(&machine->state.heaps, process, chunk, fields) : 0;
}
