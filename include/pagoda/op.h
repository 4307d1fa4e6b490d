/* pagoda/op.h - operations: one table that the engine runs, the API publishes, and the store writes. */
#pragma once
#include "pagoda/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum outcome { OUTCOME_OK, OUTCOME_NULL, OUTCOME_BUG };
enum context { CONTEXT_PROCESS, CONTEXT_SOFTIRQ, CONTEXT_TASKLET, CONTEXT_HARDIRQ, NR_CONTEXTS };

#define NAME_TEXT_MAX 63u  /* bytes of a name or a call site */
#define CACHE_NAME_MAX 63u /* bytes of a slab cache's name, without the NUL behind it */

/* Words that a TYPE_CHOICE parameter takes, in the order of their numbers. */
#define PROT_MAP(X)                                                                                                        \
    X(PROT_NONE_, "---")                                                                                                   \
    X(PROT_R, "r--")                                                                                                       \
    X(PROT_RW, "rw-")                                                                                                      \
    X(PROT_RX, "r-x")                                                                                                      \
    X(PROT_RWX, "rwx")
#define ADVICE_MAP(X)                                                                                                      \
    X(ADVICE_DONTNEED, "MADV_DONTNEED")                                                                                    \
    X(ADVICE_FREE, "MADV_FREE")                                                                                            \
    X(ADVICE_PAGEOUT, "MADV_PAGEOUT")                                                                                      \
    X(ADVICE_WILLNEED, "MADV_WILLNEED")
#define RESOURCE_MAP(X)                                                                                                    \
    X(RESOURCE_AS, "RLIMIT_AS")                                                                                            \
    X(RESOURCE_DATA, "RLIMIT_DATA")                                                                                        \
    X(RESOURCE_STACK, "RLIMIT_STACK")                                                                                      \
    X(RESOURCE_MEMLOCK, "RLIMIT_MEMLOCK")
#define MALLOPT_MAP(X)                                                                                                     \
    X(MALLOPT_MXFAST, "M_MXFAST")                                                                                          \
    X(MALLOPT_TRIM_THRESHOLD, "M_TRIM_THRESHOLD")                                                                          \
    X(MALLOPT_TOP_PAD, "M_TOP_PAD")                                                                                        \
    X(MALLOPT_MMAP_THRESHOLD, "M_MMAP_THRESHOLD")                                                                          \
    X(MALLOPT_MMAP_MAX, "M_MMAP_MAX")                                                                                      \
    X(MALLOPT_PERTURB, "M_PERTURB")                                                                                        \
    X(MALLOPT_ARENA_TEST, "M_ARENA_TEST")                                                                                  \
    X(MALLOPT_ARENA_MAX, "M_ARENA_MAX")
/* What TYPE_FLAGS takes: the kernel's numbers (v6.1 include/linux/slab.h), those that callers of kmem_cache_create() may
 * give. */
#define SLAB_FLAG_MAP(X)                                                                                                   \
    X(SLAB_CONSISTENCY_CHECKS, 0x100)                                                                                      \
    X(SLAB_RED_ZONE, 0x400)                                                                                                \
    X(SLAB_POISON, 0x800)                                                                                                  \
    X(SLAB_HWCACHE_ALIGN, 0x2000)                                                                                          \
    X(SLAB_CACHE_DMA, 0x4000)                                                                                              \
    X(SLAB_CACHE_DMA32, 0x8000)                                                                                            \
    X(SLAB_STORE_USER, 0x10000)                                                                                            \
    X(SLAB_RECLAIM_ACCOUNT, 0x20000)                                                                                       \
    X(SLAB_TYPESAFE_BY_RCU, 0x80000)                                                                                       \
    X(SLAB_ACCOUNT, 0x4000000)
enum slab_create_flag {
#define X(flag, bit) flag = bit,
    SLAB_FLAG_MAP(X)
#undef X
#define X(flag, bit) | bit
        SLAB_FLAGS_ALL = 0 SLAB_FLAG_MAP(X)
#undef X
};
#define X(id, word) id,
enum prot { PROT_MAP(X) NR_PROTS };
enum advice { ADVICE_MAP(X) NR_ADVICES };
enum resource { RESOURCE_MAP(X) NR_RESOURCES };
enum mallopt_option { MALLOPT_MAP(X) NR_MALLOPT_OPTIONS };
#undef X

enum touch { TOUCH_HEADERS, TOUCH_ALL, TOUCH_NONE, NR_TOUCHES };
#define OP_DATA_MAX 65536u /* bytes that one write or read may move */

/* id, name in JSON, field of struct op, type, unit, minimum, maximum, default, what it is. Append only: ids are bits in the
 * store. Of texts and bytes, minimum and maximum bound the length of the JSON text. 9007199254740991 (2^53 - 1) is the
 * largest number that every JSON client holds exactly. */
#define OP_PARAM_MAP(X)                                                                                                    \
    X(PARAM_SIZE, "size", size, TYPE_SIZE, "bytes", 0, 9007199254740991, 0, "bytes asked for")                             \
    X(PARAM_N, "n", n, TYPE_NUMBER, "elements", 0, 9007199254740991, 1, "number of elements")                              \
    X(PARAM_GFP, "gfp", gfp, TYPE_GFP, "", 0, 0x1ffffff, 0xcc0, "GFP flags")                                               \
    X(PARAM_ORDER, "order", order, TYPE_NUMBER, "log2 pages", 0, 63, 0, "2^order pages")                                   \
    X(PARAM_ADDRESS, "address", address, TYPE_ADDRESS, "", 0, 0, 0, "virtual address, as 0x hex")                          \
    X(PARAM_NAME, "name", name, TYPE_TEXT, "", 1, NAME_TEXT_MAX, 0,                                                        \
      "the block's name; frees and accesses may give it instead of address")                                               \
    X(PARAM_CACHE, "cache", cache, TYPE_TEXT, "", 1, CACHE_NAME_MAX, 0, "name of a slab cache")                            \
    X(PARAM_CALL_SITE, "call_site", call_site, TYPE_TEXT, "", 1, NAME_TEXT_MAX, 0, "who calls, for the records")           \
    X(PARAM_CONTEXT, "context", context, TYPE_CONTEXT, "", 0, NR_CONTEXTS - 1, 0, "process, softirq, tasklet or hardirq")  \
    X(PARAM_CPU, "cpu", cpu, TYPE_NUMBER, "", 0, 255, 0, "CPU that runs the call")                                         \
    X(PARAM_PID, "pid", pid, TYPE_NUMBER, "", 1, 4194304, 0, "process")                                                    \
    X(PARAM_ALIGN, "align", align, TYPE_SIZE, "bytes", 0, 9007199254740991, 0, "alignment")                                \
    X(PARAM_LENGTH, "length", length, TYPE_SIZE, "bytes", 0, 9007199254740991, 0, "bytes")                                 \
    X(PARAM_HEX, "hex", data, TYPE_HEX, "", 0, 2 * OP_DATA_MAX, 0, "bytes to write, two hex digits each")                  \
    X(PARAM_FILL, "fill", fill, TYPE_NUMBER, "", 0, 255, 0, "byte to write length times")                                  \
    X(PARAM_DURATION, "duration_ns", duration_ns, TYPE_NUMBER, "ns", 0, 9007199254740991, 1000000,                         \
      "simulated time that passes")                                                                                        \
    X(PARAM_TOUCH, "touch", touch, TYPE_TOUCH, "", 0, NR_TOUCHES - 1, 0,                                                   \
      "all: each block is written to its end; headers or none: only what malloc itself writes")                            \
    X(PARAM_TEXT, "text", text, TYPE_TEXT, "", 1, 200, 0, "words for the timeline")                                        \
    X(PARAM_TID, "tid", tid, TYPE_NUMBER, "", 0, 255, 0,                                                                   \
      "thread of the process; 0 is the main one, others begin at their first call")                                        \
    X(PARAM_PROT, "prot", prot, TYPE_CHOICE, "", 0, NR_PROTS - 1, 2, "what a mapping allows")                              \
    X(PARAM_ADVICE, "advice", advice, TYPE_CHOICE, "", 0, NR_ADVICES - 1, 0, "what will be done with a range")             \
    X(PARAM_RESOURCE, "resource", resource, TYPE_CHOICE, "", 0, NR_RESOURCES - 1, 0, "what setrlimit limits")              \
    X(PARAM_OPTION, "option", option, TYPE_CHOICE, "", 0, NR_MALLOPT_OPTIONS - 1, 0, "what mallopt sets")                  \
    X(PARAM_VALUE, "value", value, TYPE_SIGNED, "", 0, 2147483647, 0, "mallopt: the option's value")                       \
    X(PARAM_INCREMENT, "increment", increment, TYPE_SIGNED, "bytes", 0, 9007199254740991, 0,                               \
      "how far the break moves; negative: back")                                                                           \
    X(PARAM_PAD, "pad", pad, TYPE_SIZE, "bytes", 0, 9007199254740991, 0, "malloc_trim: bytes to keep at the top")          \
    X(PARAM_NEW_LENGTH, "new_length", new_length, TYPE_SIZE, "bytes", 0, 9007199254740991, 0,                              \
      "mremap: bytes it shall have")                                                                                       \
    X(PARAM_TUNABLES, "tunables", tunables, TYPE_TEXT, "", 1, 200, 0, "GLIBC_TUNABLES of a new process")                   \
    X(PARAM_FLAGS, "flags", flags, TYPE_FLAGS, "", 0, SLAB_FLAGS_ALL, 0, "SLAB_ flags of a new cache, '|' between them")

enum op_param_id {
#define X(id, ...) id,
    OP_PARAM_MAP(X)
#undef X
        NR_OP_PARAMS
};
enum op_param_type {
    TYPE_NUMBER,
    TYPE_SIZE,
    TYPE_ADDRESS,
    TYPE_TEXT,
    TYPE_GFP,
    TYPE_CONTEXT,
    TYPE_HEX,
    TYPE_TOUCH,
    TYPE_CHOICE,
    TYPE_SIGNED, /* max bounds the magnitude */
    TYPE_FLAGS,  /* max: all of them */
};

/* The bit of a parameter in op.given, op_info.needed and op_info.further: OP_BIT(SIZE), or OP_PARAM_BIT(id). */
#define OP_PARAM_BIT(id_) (UINT32_C(1) << (id_))
#define OP_BIT(x_) OP_PARAM_BIT(PARAM_##x_)
_Static_assert(NR_OP_PARAMS <= 31, "every parameter has a bit in op.given, and in the enums below");
/* The bits of all parameters that are texts, and how many they are. */
enum {
    OP_TEXT_BITS = 0
#define X(id, name, field, type, ...) | (type == TYPE_TEXT ? (int)OP_PARAM_BIT(id) : 0)
    OP_PARAM_MAP(X)
#undef X
        ,
    NR_OP_TEXTS = 0
#define X(id, name, field, type, ...) +(type == TYPE_TEXT)
    OP_PARAM_MAP(X)
#undef X
};

/* Words of the next table alone. WHO: by whom a kernel call is made. MADE: so, and its result may get a name. USER: by whom
 * a call of a process is made. */
#define P(x) OP_BIT(x)
#define WHO (P(CPU) | P(CONTEXT) | P(CALL_SITE))
#define MADE (WHO | P(NAME))
#define USER (P(CPU) | P(TID) | P(CALL_SITE))

/* id (also the number in the store: append only), name, needed parameters, further parameters, group, what it does. The
 * engine runs an operation by the function run_<name>().
 * Where ADDRESS is needed, NAME may stand for it. Where HEX is needed, FILL with LENGTH may. */
#define OP_MAP(X)                                                                                                          \
    X(OP_KMALLOC, kmalloc, P(SIZE), P(GFP) | MADE, "kernel", "physically contiguous kernel memory")                        \
    X(OP_KZALLOC, kzalloc, P(SIZE), P(GFP) | MADE, "kernel", "kmalloc with __GFP_ZERO")                                    \
    X(OP_KCALLOC, kcalloc, P(N) | P(SIZE), P(GFP) | MADE, "kernel", "zeroed array; NULL when n * size overflows")          \
    X(OP_KREALLOC, krealloc, P(ADDRESS) | P(SIZE), P(GFP) | WHO, "kernel", "grow a kmalloc block")                         \
    X(OP_KFREE, kfree, P(ADDRESS), WHO, "kernel", "free what kmalloc gave")                                                \
    X(OP_KSIZE, ksize, P(ADDRESS), WHO, "kernel", "usable size of a kmalloc block")                                        \
    X(OP_ALLOC_PAGES, alloc_pages, P(ORDER), P(GFP) | MADE, "pages", "2^order contiguous page frames")                     \
    X(OP_FREE_PAGES, free_pages, P(ADDRESS) | P(ORDER), WHO, "pages", "give page frames back")                             \
    X(OP_KMEM_CACHE_CREATE, kmem_cache_create, P(CACHE) | P(SIZE), P(ALIGN) | P(FLAGS) | WHO, "cache",                     \
      "a slab cache of one's own")                                                                                         \
    X(OP_KMEM_CACHE_ALLOC, kmem_cache_alloc, P(CACHE), P(GFP) | MADE, "cache", "one object of a cache")                    \
    X(OP_KMEM_CACHE_FREE, kmem_cache_free, P(ADDRESS), P(CACHE) | WHO, "cache", "give an object back to its cache")        \
    X(OP_KMEM_CACHE_DESTROY, kmem_cache_destroy, P(CACHE), WHO, "cache", "end a cache")                                    \
    X(OP_VMALLOC, vmalloc, P(SIZE), MADE, "vmalloc", "virtually contiguous kernel memory")                                 \
    X(OP_VZALLOC, vzalloc, P(SIZE), MADE, "vmalloc", "vmalloc, zeroed")                                                    \
    X(OP_VFREE, vfree, P(ADDRESS), WHO, "vmalloc", "free what vmalloc gave")                                               \
    X(OP_KVMALLOC, kvmalloc, P(SIZE), P(GFP) | MADE, "vmalloc", "kmalloc first, vmalloc when that fails")                  \
    X(OP_KVFREE, kvfree, P(ADDRESS), WHO, "vmalloc", "free what kvmalloc gave")                                            \
    X(OP_SPAWN, spawn, 0, P(NAME) | P(TOUCH) | P(TUNABLES) | P(CPU), "process", "a new process")                           \
    X(OP_EXIT, exit, P(PID), P(CPU), "process", "end a process; its memory is released")                                   \
    X(OP_FORK, fork, P(PID), P(CPU), "process", "copy a process; pages are shared until written")                          \
    X(OP_MALLOC, malloc, P(PID) | P(SIZE), P(NAME) | USER, "user", "user memory from the heap")                            \
    X(OP_CALLOC, calloc, P(PID) | P(N) | P(SIZE), P(NAME) | USER, "user", "zeroed array from the heap")                    \
    X(OP_REALLOC, realloc, P(PID) | P(ADDRESS) | P(SIZE), USER, "user", "change a heap block's size")                      \
    X(OP_ALIGNED_ALLOC, aligned_alloc, P(PID) | P(ALIGN) | P(SIZE), P(NAME) | USER, "user", "aligned heap block")          \
    X(OP_FREE, free, P(PID) | P(ADDRESS), USER, "user", "free what malloc gave")                                           \
    X(OP_MMAP, mmap, P(PID) | P(LENGTH), P(PROT) | P(NAME) | P(CPU), "user",                                               \
      "anonymous private mapping; frames come on touch")                                                                   \
    X(OP_MUNMAP, munmap, P(PID) | P(ADDRESS) | P(LENGTH), P(CPU), "user", "remove mappings of a range")                    \
    X(OP_MLOCK, mlock, P(PID) | P(ADDRESS) | P(LENGTH), P(CPU), "user", "touch a range and keep it from swap")             \
    X(OP_WRITE, write, P(ADDRESS) | P(HEX), P(FILL) | P(LENGTH) | P(PID) | P(CPU) | P(CONTEXT), "memory", "write bytes")   \
    X(OP_READ, read, P(ADDRESS) | P(LENGTH), P(PID) | P(CPU) | P(CONTEXT), "memory", "read bytes (at most 64 KiB)")        \
    X(OP_TICK, tick, 0, P(DURATION), "time", "let simulated time pass; kswapd runs")                                       \
    X(OP_MARK, mark, P(TEXT), 0, "time", "a remark on the timeline")                                                       \
    X(OP_VMALLOC_HUGE, vmalloc_huge, P(SIZE), MADE, "vmalloc", "vmalloc that may map 2 MiB pages")                         \
    X(OP_VM_UNMAP_ALIASES, vm_unmap_aliases, 0, P(CPU), "vmalloc", "purge freed areas now, with one TLB flush")            \
    X(OP_KMEM_CACHE_SHRINK, kmem_cache_shrink, P(CACHE), WHO, "cache", "give a cache's empty slabs back")                  \
    X(OP_DRAIN_PAGES, drain_pages, 0, P(CPU), "pages", "give a CPU's page lists back to the buddy system")                 \
    X(OP_COMPACT_MEMORY, compact_memory, 0, P(CPU), "pages", "move movable pages together (/proc/sys/vm/compact_memory)")  \
    X(OP_MEMALIGN, memalign, P(PID) | P(ALIGN) | P(SIZE), P(NAME) | USER, "user", "aligned heap block")                    \
    X(OP_POSIX_MEMALIGN, posix_memalign, P(PID) | P(ALIGN) | P(SIZE), P(NAME) | USER, "user",                              \
      "aligned heap block; checks the alignment")                                                                          \
    X(OP_VALLOC, valloc, P(PID) | P(SIZE), P(NAME) | USER, "user", "page-aligned heap block")                              \
    X(OP_PVALLOC, pvalloc, P(PID) | P(SIZE), P(NAME) | USER, "user", "page-aligned heap block of whole pages")             \
    X(OP_MALLOC_USABLE_SIZE, malloc_usable_size, P(PID) | P(ADDRESS), USER, "user", "bytes that a heap block really has")  \
    X(OP_MALLOC_TRIM, malloc_trim, P(PID), P(PAD) | P(CPU) | P(TID), "user", "give free heap memory back")                 \
    X(OP_MALLOPT, mallopt, P(PID) | P(OPTION) | P(VALUE), P(CPU) | P(TID), "user", "set one of malloc's options")          \
    X(OP_THREAD_EXIT, thread_exit, P(PID) | P(TID), P(CPU), "process", "end a thread; its arena is free for another")      \
    X(OP_BRK, brk, P(PID) | P(ADDRESS), P(CPU), "user", "move the program break")                                          \
    X(OP_SBRK, sbrk, P(PID) | P(INCREMENT), P(CPU), "user", "move the program break by an increment")                      \
    X(OP_MPROTECT, mprotect, P(PID) | P(ADDRESS) | P(LENGTH) | P(PROT), P(CPU), "user", "change what a range allows")      \
    X(OP_MADVISE, madvise, P(PID) | P(ADDRESS) | P(LENGTH) | P(ADVICE), P(CPU), "user", "advise about a range")            \
    X(OP_MREMAP, mremap, P(PID) | P(ADDRESS) | P(LENGTH) | P(NEW_LENGTH), P(CPU), "user",                                  \
      "grow, shrink or move a mapping")                                                                                    \
    X(OP_MUNLOCK, munlock, P(PID) | P(ADDRESS) | P(LENGTH), P(CPU), "user", "let a locked range be swapped again")         \
    X(OP_SETRLIMIT, setrlimit, P(PID) | P(RESOURCE) | P(SIZE), P(CPU), "process", "limit what a process may have")

enum op_kind {
#define X(id, ...) id,
    OP_MAP(X)
#undef X
        NR_OPS
};
/* OP_KMALLOC_NEEDS, OP_KMALLOC_TAKES and so on: bits of the parameters that a call must have, and of those that it may have
 * besides. */
enum op_params {
#define X(id, name, needed, further, group, doc) id##_NEEDS = (int)(needed), id##_TAKES = (int)(further),
    OP_MAP(X)
#undef X
};
#undef P
#undef WHO
#undef MADE
#undef USER

struct text {
    const char *start; /* borrowed, not NUL-terminated; NULL: not given */
    uint32_t length;
};

/* One call. Start with op_default(), which sets the kind and every default.
 * given   bit OP_BIT(x) for each parameter that the caller states. What is not given holds its default.
 * texts, data  borrowed for the call. */
struct op {
    enum op_kind kind;
    uint32_t given;
    uint64_t size, n, align, length, new_length, address, duration_ns, pad;
    int64_t value, increment;
    uint32_t gfp, pid, flags;
    uint16_t cpu, tid;
    uint8_t order, context, fill, touch, prot, advice, resource, option;
    struct text name, cache, call_site, text, tunables;
    const uint8_t *data; /* write: bytes of hex */
    uint32_t nr_data;
};

struct op_param_info {
    const char *name;
    enum op_param_type type;
    const char *unit;
    uint64_t min, max, default_value; /* of numbers; of texts: length */
    const char *doc;
    size_t offset, width; /* bytes: of the field in struct op; texts: of the struct text; hex: of the data pointer */
};
struct op_info {
    const char *name, *group, *doc;
    uint32_t needed, further; /* bits: OP_BIT(SIZE) and so on */
};

const struct op_info *op_info(enum op_kind kind); /* never NULL for a valid kind */
const struct op_param_info *op_param_info(enum op_param_id id);
/* Whether the operation makes an allocation, to which the caller may give a name. */
bool op_makes_allocation(enum op_kind kind);
bool op_kind_find(const char *name, size_t length, enum op_kind *kind);
struct op op_default(enum op_kind kind);
const char *outcome_name(enum outcome outcome);
const char *context_name(enum context context);
/* A parameter's field, by the parameter. Numbers: all but texts and bytes; signed ones as two's complement of their width.
 */
uint64_t op_number(const struct op *op, enum op_param_id id);
void op_set_number(struct op *op, enum op_param_id id, uint64_t number);
struct text op_text(const struct op *op, enum op_param_id id);
void op_set_text(struct op *op, enum op_param_id id, struct text text);
/* The word for a number of a parameter that takes words (contexts, touches, choices); NULL: there is none. */
const char *op_choice_name(enum op_param_id id, uint64_t number);
/* The flags of a parameter that takes some: i from 0; NULL past the last, and for other parameters. */
const char *op_flag_name(enum op_param_id id, uint32_t i, uint64_t *bit);
/* Checks what the table can: needed parameters given, nothing given that the operation does not take, ranges. */
enum pagoda_error op_check(const struct op *op, struct problem *why) PAGODA_MUST_CHECK;
