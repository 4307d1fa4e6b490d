/* alloc/process/process.h - processes: address spaces of VMAs, demand paging, brk, mmap, fork, limits. Linux v6.1
 * mm/mmap.c, mm/memory.c, mm/mprotect.c, mm/madvise.c, mm/mlock.c, mm/util.c. Stands on: pgtable, reclaim, frame, name,
 * rbtree. */
#pragma once
#include "alloc/base/name.h"
#include "alloc/pgtable/pgtable.h"
#include "alloc/base/rbtree.h"
#include "pagoda/op.h"

#define SOFT_TLB_SIZE 64u
#define PID_BUCKETS 256u
#define STACK_GUARD_GAP (256u * PAGE_SIZE) /* nothing is mapped so close below a stack (stack_guard_gap) */

static inline uint64_t page_align(uint64_t bytes)
{
    return (bytes + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

/* A process. Index 0: none. A pid is a number that the simulated machine knows it by, never this. */
struct process_ref {
    uint32_t index;
};
#define PROCESS_NONE ((struct process_ref){ 0 })

/* A mapping. Index 0: none. It is a node of its process's tree, too: struct process names the root as a bare number. */
struct vma_ref {
    uint32_t index;
};
#define VMA_NONE ((struct vma_ref){ 0 })

STATE_STRUCTS
struct vma {
    struct rb_node node; /* by address; size: bytes between this VMA and the one below, a stack's guard gap not counted */
    struct vma_ref next, prev; /* in address order */
    uint64_t start, end;       /* [start, end) */
    uint64_t pgoff;            /* pages: place in the file; of anonymous memory, its page number when it was mapped */
    uint32_t flags;            /* enum vma_flags */
    struct name_ref name;
    uint32_t file; /* enum vma_file */
    uint32_t anon; /* anon_vma: number of the family of its own pages; 0: it never had one */
    uint64_t
        is_forked; /* its anon_vma_chain reaches into a parent's: Linux no longer merges it with untouched neighbours */
    uint64_t seq;
};
STATE_STRUCTS_END
/* VMAs merge only if all of these are equal. HEAP, TEXT and CHUNK are Pagoda's own: they keep the break, the program's
 * image and malloc's mappings apart from what the program maps. Linux sees anonymous memory in all of them. */
enum vma_flags {
    VMA_READ = 1,
    VMA_WRITE = 2,
    VMA_EXEC = 4,
    VMA_HEAP = 8,
    VMA_STACK = 16,
    VMA_LOCKED = 32,
    VMA_TEXT = 64,
    VMA_CHUNK = 128 /* mmapped by malloc */,
    VMA_ACCOUNT = 256 /* counts for Committed_AS */,
    VMA_NORESERVE = 512 /* never will (MAP_NORESERVE) */
};
#define VMA_ACCESS (VMA_READ | VMA_WRITE | VMA_EXEC)

/* Files that a new process maps. There is no disk and no page cache here. Their pages read as zeroes, and get a frame when
 * the process first writes to its own copy. */
#define VMA_FILE_MAP(X)                                                                                                    \
    /* id, name, name with 32 bits */                                                                                      \
    X(VMA_FILE_NONE, "", "")                                                                                               \
    X(VMA_FILE_PROGRAM, "program", "program")                                                                              \
    X(VMA_FILE_LIBC, "/usr/lib/x86_64-linux-gnu/libc.so.6", "/lib/libc.so.6")                                              \
    X(VMA_FILE_LD, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2")                                 \
    X(VMA_FILE_VVAR, "[vvar]", "")                                                                                         \
    X(VMA_FILE_VDSO, "[vdso]", "")
enum vma_file {
#define X(id, name, name32) id,
    VMA_FILE_MAP(X)
#undef X
        NR_VMA_FILES
};

/* Why a call was refused: id, errno, what stands in the way. */
#define REFUSAL_MAP(X)                                                                                                     \
    X(REFUSAL_NONE, "", "")                                                                                                \
    X(REFUSAL_EMPTY, "EINVAL", "the length is 0")                                                                          \
    X(REFUSAL_ALIGN, "EINVAL", "the address is not page-aligned")                                                          \
    X(REFUSAL_RANGE, "EINVAL", "the range leaves user space")                                                              \
    X(REFUSAL_LOCKED, "EINVAL", "the range is locked")                                                                     \
    X(REFUSAL_FILE, "EINVAL", "only anonymous memory can be freed lazily")                                                 \
    X(REFUSAL_NO_ROOM, "ENOMEM", "no gap in the address space is large enough")                                            \
    X(REFUSAL_HOLE, "ENOMEM", "part of the range is not mapped")                                                           \
    X(REFUSAL_POPULATE, "ENOMEM", "the range is locked, but not all of it can be touched")                                 \
    X(REFUSAL_MAP_COUNT, "ENOMEM", "more than vm.max_map_count mappings")                                                  \
    X(REFUSAL_NO_MEMORY, "ENOMEM", "no memory")                                                                            \
    X(REFUSAL_COMMIT, "ENOMEM", "more than vm.overcommit_memory allows")                                                   \
    X(REFUSAL_AS, "ENOMEM", "beyond RLIMIT_AS")                                                                            \
    X(REFUSAL_DATA, "ENOMEM", "beyond RLIMIT_DATA")                                                                        \
    X(REFUSAL_STACK, "ENOMEM", "beyond RLIMIT_STACK")                                                                      \
    X(REFUSAL_MEMLOCK, "ENOMEM", "beyond RLIMIT_MEMLOCK")                                                                  \
    X(REFUSAL_MEMLOCK_NONE, "EPERM", "RLIMIT_MEMLOCK is 0")                                                                \
    X(REFUSAL_MEMLOCK_LATER, "EAGAIN", "beyond RLIMIT_MEMLOCK")                                                            \
    X(REFUSAL_NOT_MAPPED, "EFAULT", "nothing is mapped there")                                                             \
    X(REFUSAL_PAST_END, "EFAULT", "the range goes on behind the end of the mapping")                                       \
    X(REFUSAL_BREAK, "ENOMEM", "below the start of the heap")                                                              \
    X(REFUSAL_SIGNAL, "SIGSEGV", "the address may not be accessed so")                                                     \
    X(REFUSAL_KILLED, "SIGKILL", "no memory for the page")
enum refusal {
#define X(id, name, why) id,
    REFUSAL_MAP(X)
#undef X
        NR_REFUSALS
};
const char *refusal_errno(enum refusal refusal);
const char *refusal_text(enum refusal refusal);

/* Pages of an address space by what they count for; each is a sum over its VMAs. */
struct vm_counts {
    uint64_t total, data, stack, locked, committed;
};

STATE_STRUCTS
struct process {
    uint32_t link;
    uint32_t pid, parent_pid;
    struct name_ref name;
    struct process_ref next_in_bucket; /* of by_pid */
    struct space_ref space;            /* in reclaim->spaces */
    uint32_t root_vma;
    struct vma_ref first_vma, last_vma;
    uint32_t nr_vmas;
    uint32_t touch;                /* enum touch */
    uint32_t heap;                 /* index of the malloc floor's state for this process; 0: malloc never called */
    uint64_t heap_start, brk;      /* bytes; the heap is [heap_start, page_align(brk)) */
    uint64_t data_start, data_end; /* of the program's data: counts for RLIMIT_DATA */
    uint64_t mmap_top;             /* mappings are placed below */
    uint64_t stack_top;
    uint64_t libc_data;   /* start of the C library's writable data */
    uint64_t thread_data; /* start of the mapping with the main thread's variables */
    uint64_t minor_faults, major_faults;
    uint64_t peak_bytes; /* mapped at most (VmPeak) */
    struct vm_counts vm;
    uint64_t limits[NR_RESOURCES]; /* bytes; LIMIT_NONE: unlimited */
    struct {          /* a cache of translations, so that heap accesses need no page walk; holds pfns, so copies keep it */
        uint64_t vpn; /* << 1 | writable; 0: empty */
        uint32_t generation, pfn;
    } tlb[SOFT_TLB_SIZE];
};
#define LIMIT_NONE ((UINT64_C(1) << 53) - 1) /* the largest size that an operation can state */

struct processes {
    struct pgtable *pgtable;                /* wired */
    struct reclaim *reclaim;                /* wired */
    struct frames *frames;                  /* wired */
    struct trace *trace;                    /* wired */
    const struct profile *profile;          /* wired */
    struct pool pool;                       /* struct process */
    struct pool vmas;                       /* struct vma */
    struct process_ref by_pid[PID_BUCKETS]; /* first process of each chain */
    uint32_t next_pid;
    uint32_t zero_pfn;  /* the page that reads of untouched memory see */
    uint32_t next_anon; /* anon_vmas are numbered in the order of their making */
    uint32_t refusal;   /* enum refusal: why the last call of this floor failed */
    uint32_t aslr_seed, overcommit_memory, overcommit_ratio, unused;
    uint64_t nr_committed, nr_total, nr_swap; /* pages: Committed_AS, MemTotal, SwapTotal */
    uint64_t admin_reserve, user_reserve;     /* pages that strict overcommit keeps back */
};
STATE_STRUCTS_END

/* A failure returns 0, false or UINT64_MAX, and ps->refusal says why. Nothing has changed then, unless said otherwise. */
/* The VMA that holds address; 0: none. */
struct vma_ref process_find_vma(const struct processes *ps, const struct process *process, uint64_t address);
static inline struct vma *vma_at(const struct processes *ps, struct vma_ref vma)
{
    return pool_at(&ps->vmas, vma.index);
}
/* The name of a file in maps. (The program's file is called as the process is.) */
const char *vma_file_name(const struct profile *profile, uint32_t file);
/* PROCESS_NONE: no process has that pid. */
struct process_ref process_find(const struct processes *ps, uint32_t pid);
static inline struct process *process_at(const struct processes *ps, struct process_ref process)
{
    return pool_at(&ps->pool, process.index);
}
/* Its pid; 0 for none. */
static inline uint32_t process_pid(const struct processes *ps, struct process_ref process)
{
    return process.index ? process_at(ps, process)->pid : 0;
}
/* Moves the break by increment bytes. Returns the old break; UINT64_MAX: refused. */
uint64_t process_sbrk(struct processes *ps, struct process_ref process, int64_t increment);
bool process_brk(struct processes *ps, struct process_ref process, uint64_t brk);
/* Maps private anonymous memory, placed top-down. Returns its address; 0: refused.
 * length  bytes, rounded up to whole pages.
 * flags   enum vma_flags. */
uint64_t process_mmap(struct processes *ps, struct process_ref process, uint64_t length, uint32_t flags,
                      struct name_ref name);
/* The same at address, rounded up to a page, if that is free; else wherever there is room. */
uint64_t process_mmap_near(struct processes *ps, struct process_ref process, uint64_t address, uint64_t length,
                           uint32_t flags);
bool process_munmap(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length);
/* Returns the address, which may be a new one; 0: refused. */
uint64_t process_mremap(struct processes *ps, struct process_ref process, uint64_t start, uint64_t old_length,
                        uint64_t new_length);
/* When the range has a hole, the part before the hole is changed, as in Linux.
 * access  bits of VMA_ACCESS. */
bool process_mprotect(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length, uint32_t access);
/* When the range has a hole, all that is mapped is done, as in Linux. */
bool process_advise(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length, enum advice advice);
bool process_mlock(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length);
bool process_munlock(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length);
/* Faults the page of address in. For writing, it breaks copy-on-write and sets the dirty bit. Returns the host's place of
 * that byte, good to the end of its page, until the next call that may unmap or reclaim. NULL: no mapping allows it
 * (SIGSEGV), or there is no memory. */
uint8_t *process_touch(struct processes *ps, struct process_ref process, uint64_t address, bool write);
/* The same for callers that do not need the bytes. Returns the frame; 0: as NULL above. */
uint32_t process_resolve(struct processes *ps, struct process_ref process, uint64_t address, bool write);
/* The same for callers that keep no translations of their own. It uses those that the process keeps. */
uint32_t process_fault(struct processes *ps, struct process_ref process, uint64_t address, bool write);
/* The first page in [address, end) that has a page-table entry; end: none has. Holes are skipped table by table. */
uint64_t process_next_page(const struct processes *ps, struct process_ref process, uint64_t address, uint64_t end);
/* Where the part of [address, end) ends that may be accessed so. A stack that could grow for it counts, but does not grow.
 */
uint64_t process_allowed_until(struct processes *ps, struct process_ref process, uint64_t address, uint64_t end,
                               bool write);
/* Gives the page of address a frame, as the loader left it behind: written to before the program began, so it counts as no
 * fault. Does nothing if something is there already. False: no memory, or no mapping that may be written to. */
bool process_load_page(struct processes *ps, struct process_ref process, uint64_t address);
/* Has the process a page of its own there that it has written to, and may write to still? A write to it changes nothing but
 * bytes. */
bool process_owns_page(const struct processes *ps, struct process_ref process, uint64_t address);
/* Does a VMA cover the address? */
bool process_is_mapped(const struct processes *ps, struct process_ref process, uint64_t address);
/* The processor's error code for an access that failed. Bit 0: the page is there; bit 1: a write; bit 2: in user mode. */
uint32_t process_error_code(const struct processes *ps, struct process_ref process, uint64_t address, bool write);
/* Copies up to length bytes without touching anything. It stops at a page that has no frame, because it is swapped or was
 * never touched. Returns how many bytes it copied. */
size_t process_peek(const struct processes *ps, struct process_ref process, uint64_t address, void *out, size_t length);
/* The same for bytes of one page, which may be in swap. False: the page was never touched. */
bool process_peek_in_swap(const struct processes *ps, struct process_ref process, uint64_t address, void *out,
                          size_t length);

uint64_t processes_commit_limit(const struct processes *ps); /* pages: CommitLimit */

/* A floor's life. shape: what the configuration decides, before the pools have a place. pools: writes the floor's pools to
 * pools, and returns how many they are. start: boot. */
void processes_shape(struct processes *ps, const struct machine_config *config, const struct profile *profile);
uint32_t processes_pools(struct processes *ps, struct pool **pools);
/* Host memory for the worst case of so many operations, and for the copy that a fork makes.
 * PAGODA_ERR_NOMEM  the host refused. */
enum pagoda_error processes_reserve(struct processes *ps, const struct pagoda_host *host, uint32_t nr_operations);
enum pagoda_error processes_reserve_fork(struct processes *ps, const struct pagoda_host *host, struct process_ref parent);
void processes_start(struct processes *ps);
/* A new process with text, stack and an empty heap; a copy of one, whose pages both share until one writes.
 * touch  enum touch: how much of its blocks it writes
 * Return 0 when there is no memory; the trace has the message. */
struct process_ref process_spawn(struct processes *ps, struct name_ref name, uint32_t touch);
struct process_ref process_fork(struct processes *ps, struct process_ref parent);
/* All that it has is given back. */
void process_exit(struct processes *ps, struct process_ref process);
/* setrlimit(). limit: bytes; UINT64_MAX: none. */
void process_set_limit(struct processes *ps, struct process_ref process, enum resource resource, uint64_t limit);
/* Do the parts hang together? Else text says what does not. */
bool processes_check(const struct processes *ps, char *text, size_t capacity);
