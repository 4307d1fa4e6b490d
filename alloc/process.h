/* alloc/process.h - processes: address spaces of VMAs, demand paging, brk, mmap, fork. Linux v6.1 mm/mmap.c, mm/memory.c.
 * Stands on: pgtable, reclaim, frame, label. */
#pragma once
#include "alloc/label.h"
#include "alloc/pgtable.h"

#define SOFT_TLB_SIZE 64u

struct vma {
    uint32_t link; /* pool */
    uint32_t next; /* in address order */
    uint64_t start, end; /* [start, end) */
    uint32_t flags; /* enum vma_flags */
    uint32_t label;
    uint64_t seq;
};
enum vma_flags { VMA_READ = 1, VMA_WRITE = 2, VMA_EXEC = 4, VMA_HEAP = 8, VMA_STACK = 16, VMA_LOCKED = 32, VMA_TEXT = 64,
                 VMA_CHUNK = 128 /* mmapped by malloc for one block */ };

struct process {
    uint32_t link;
    uint32_t pid, parent_pid, label;
    uint32_t space; /* in reclaim->spaces */
    uint32_t first_vma;
    uint32_t touch; /* enum touch */
    uint32_t heap; /* index of the malloc floor's state for this process; 0: malloc never called */
    uint64_t heap_start, brk; /* bytes; the heap VMA is [heap_start, page_align(brk)) */
    uint64_t mmap_top;
    uint64_t minor_faults, major_faults;
    struct { /* a cache of translations, so that heap accesses need no page walk; holds pfns, so copies keep it */
        uint64_t vpn; /* << 1 | writable; 0: empty */
        uint32_t generation, pfn;
    } tlb[SOFT_TLB_SIZE];
};
struct processes {
    struct pgtable *pgtable; /* wired */
    struct reclaim *reclaim; /* wired */
    struct frames *frames; /* wired */
    struct trace *trace; /* wired */
    const struct profile *profile; /* wired */
    struct pool pool; /* struct process */
    struct pool vmas; /* struct vma */
    uint32_t next_pid;
    uint32_t zero_pfn; /* the page that reads of untouched memory see */
};

/* All of these name a process by its pool index. Failures (no memory, no room) return 0/false/UINT64_MAX and change nothing. */
/* The VMA that holds address; 0: none. */
uint32_t process_find_vma(const struct processes *ps, const struct process *process, uint64_t address);
static inline struct vma *vma_at(const struct processes *ps, uint32_t vma)
{
    return pool_at(&ps->vmas, vma);
}
uint32_t process_find(const struct processes *ps, uint32_t pid); /* 0: none */
static inline struct process *process_at(const struct processes *ps, uint32_t process)
{
    return pool_at(&ps->pool, process);
}
/* sbrk: moves the break by increment bytes (page rounding as the kernel does); returns the old break or UINT64_MAX. */
uint64_t process_sbrk(struct processes *ps, uint32_t process, int64_t increment);
/* Anonymous private mapping of length bytes (whole pages), placed top-down; 0: no room. */
uint64_t process_mmap(struct processes *ps, uint32_t process, uint64_t length, uint32_t flags, uint32_t label);
bool process_munmap(struct processes *ps, uint32_t process, uint64_t start, uint64_t length);
uint64_t process_mremap(struct processes *ps, uint32_t process, uint64_t start, uint64_t old_length, uint64_t new_length); /* may move; 0: failed */
/* Faults the page of address in (for writing: breaks copy-on-write, sets dirty) and returns the host's view of that byte up to
 * the end of its page. NULL: no mapping there (SIGSEGV) or no memory. Valid until the next call that may unmap or reclaim. */
uint8_t *process_touch(struct processes *ps, uint32_t process, uint64_t address, bool write);
/* The same without the host's view: the frame; it needs no contents then. 0: no mapping, or no memory. */
uint32_t process_fault(struct processes *ps, uint32_t process, uint64_t address, bool write);
/* Address of the first page in [address, end) that has a page-table entry, or end; holes are skipped table by table. */
uint64_t process_next_page(const struct processes *ps, uint32_t process, uint64_t address, uint64_t end);
/* Where the VMAs that follow one another without a gap from address on end; address itself when none covers it. */
uint64_t process_mapped_until(const struct processes *ps, uint32_t process, uint64_t address);
bool process_is_mapped(const struct processes *ps, uint32_t process, uint64_t address); /* some VMA covers it */
/* Looks without touching: copies up to length bytes, stops at a page that has no frame (swapped, untouched: reads as absent).
 * Returns how many bytes it copied. */
size_t process_peek(const struct processes *ps, uint32_t process, uint64_t address, void *out, size_t length);

void processes_shape(struct processes *ps, const struct machine_config *config, const struct profile *profile);
void processes_wire(struct processes *ps, struct pgtable *pgtable, struct reclaim *reclaim, struct frames *frames,
                    struct trace *trace, const struct profile *profile);
uint32_t processes_pools(struct processes *ps, struct pool **pools);
enum pagoda_error processes_reserve(struct processes *ps, const struct pagoda_host *host);
void processes_start(struct processes *ps);
uint32_t process_spawn(struct processes *ps, uint32_t label, uint32_t touch);
uint32_t process_fork(struct processes *ps, uint32_t parent);
void process_exit(struct processes *ps, uint32_t process);
bool process_mlock(struct processes *ps, uint32_t process, uint64_t start, uint64_t length);
bool processes_check(const struct processes *ps, char *text, size_t capacity);
