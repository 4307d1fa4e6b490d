/* pagoda/op.h - operations: one table that the engine runs, the API publishes, and the store writes. */
#pragma once
#include "pagoda/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum outcome { OUTCOME_OK, OUTCOME_NULL, OUTCOME_BUG };
enum context { CONTEXT_PROCESS, CONTEXT_SOFTIRQ, CONTEXT_TASKLET, CONTEXT_HARDIRQ, NR_CONTEXTS };

/* id, name in JSON, type, unit, minimum, maximum, default, what it is. Numbers go into the field of struct op that bears the
 * same name. Maxima of numbers are what JSON clients hold exactly (2^53-1) unless the parameter has a smaller one. */
#define OP_PARAM_MAP(X)                                                                                                     \
    X(PARAM_SIZE, "size", TYPE_SIZE, "bytes", 0, 9007199254740991, 0, "bytes asked for")                                    \
    X(PARAM_N, "n", TYPE_NUMBER, "elements", 0, 9007199254740991, 1, "number of elements")                                  \
    X(PARAM_GFP, "gfp", TYPE_GFP, "", 0, 0x1ffffff, 0xcc0, "GFP flags")                                                     \
    X(PARAM_ORDER, "order", TYPE_NUMBER, "log2 pages", 0, 63, 0, "2^order pages")                                           \
    X(PARAM_ADDRESS, "address", TYPE_ADDRESS, "", 0, 0, 0, "virtual address, as 0x hex")                                    \
    X(PARAM_NAME, "name", TYPE_TEXT, "", 1, 63, 0, "the caller's handle; frees and accesses may give it instead of address")\
    X(PARAM_CACHE, "cache", TYPE_TEXT, "", 1, 63, 0, "name of a slab cache")                                                \
    X(PARAM_CALL_SITE, "call_site", TYPE_TEXT, "", 1, 63, 0, "who calls, for the records")                                  \
    X(PARAM_CONTEXT, "context", TYPE_CONTEXT, "", 0, 3, 0, "process, softirq, tasklet or hardirq")                          \
    X(PARAM_CPU, "cpu", TYPE_NUMBER, "", 0, 255, 0, "CPU that runs the call")                                               \
    X(PARAM_PID, "pid", TYPE_NUMBER, "", 1, 4194304, 0, "process")                                                          \
    X(PARAM_ALIGN, "align", TYPE_SIZE, "bytes", 0, 9007199254740991, 0, "alignment")                                        \
    X(PARAM_LENGTH, "length", TYPE_SIZE, "bytes", 0, 9007199254740991, 0, "bytes")                                          \
    X(PARAM_HEX, "hex", TYPE_HEX, "", 0, 131072, 0, "bytes to write, two hex digits each")                                  \
    X(PARAM_FILL, "fill", TYPE_NUMBER, "", 0, 255, 0, "byte to write length times")                                         \
    X(PARAM_DURATION, "duration_ns", TYPE_NUMBER, "ns", 0, 9007199254740991, 1000000, "simulated time that passes")         \
    X(PARAM_TOUCH, "touch", TYPE_TOUCH, "", 0, 1, 0, "how far malloc'ed blocks are touched: headers or all")           \
    X(PARAM_TEXT, "text", TYPE_TEXT, "", 1, 200, 0, "words for the timeline")

enum op_param_id {
#define X(id, name, type, unit, min, max, def, doc) id,
    OP_PARAM_MAP(X)
#undef X
        NR_OP_PARAMS
};
enum op_param_type { TYPE_NUMBER, TYPE_SIZE, TYPE_ADDRESS, TYPE_TEXT, TYPE_GFP, TYPE_CONTEXT, TYPE_HEX, TYPE_TOUCH };
enum touch { TOUCH_HEADERS, TOUCH_ALL, NR_TOUCHES };

#define P(x) (1u << PARAM_##x)
#define WHO (P(CPU) | P(CONTEXT) | P(CALL_SITE))
#define MADE (WHO | P(NAME))

/* id (also the number in the store: append only), name, needed parameters, further parameters, group, what it does.
 * Where ADDRESS is needed, NAME may stand for it; where HEX is needed, FILL with LENGTH may. */
#define OP_MAP(X)                                                                                                           \
    X(OP_KMALLOC, "kmalloc", P(SIZE), P(GFP) | MADE, "kernel", "physically contiguous kernel memory")                       \
    X(OP_KZALLOC, "kzalloc", P(SIZE), P(GFP) | MADE, "kernel", "kmalloc with __GFP_ZERO")                                   \
    X(OP_KCALLOC, "kcalloc", P(N) | P(SIZE), P(GFP) | MADE, "kernel", "zeroed array; NULL when n * size overflows")         \
    X(OP_KREALLOC, "krealloc", P(ADDRESS) | P(SIZE), P(GFP) | WHO, "kernel", "grow a kmalloc block")                        \
    X(OP_KFREE, "kfree", P(ADDRESS), WHO, "kernel", "free what kmalloc gave")                                               \
    X(OP_KSIZE, "ksize", P(ADDRESS), WHO, "kernel", "usable size of a kmalloc block")                                       \
    X(OP_ALLOC_PAGES, "alloc_pages", P(ORDER), P(GFP) | MADE, "pages", "2^order contiguous page frames")                    \
    X(OP_FREE_PAGES, "free_pages", P(ADDRESS) | P(ORDER), WHO, "pages", "give page frames back")                            \
    X(OP_KMEM_CACHE_CREATE, "kmem_cache_create", P(CACHE) | P(SIZE), P(ALIGN) | WHO, "cache", "a slab cache of one's own")  \
    X(OP_KMEM_CACHE_ALLOC, "kmem_cache_alloc", P(CACHE), P(GFP) | MADE, "cache", "one object of a cache")                   \
    X(OP_KMEM_CACHE_FREE, "kmem_cache_free", P(ADDRESS), P(CACHE) | WHO, "cache", "give an object back to its cache")       \
    X(OP_KMEM_CACHE_DESTROY, "kmem_cache_destroy", P(CACHE), WHO, "cache", "end a cache")                                   \
    X(OP_VMALLOC, "vmalloc", P(SIZE), MADE, "vmalloc", "virtually contiguous kernel memory")                                \
    X(OP_VZALLOC, "vzalloc", P(SIZE), MADE, "vmalloc", "vmalloc, zeroed")                                                   \
    X(OP_VFREE, "vfree", P(ADDRESS), WHO, "vmalloc", "free what vmalloc gave")                                              \
    X(OP_KVMALLOC, "kvmalloc", P(SIZE), P(GFP) | MADE, "vmalloc", "kmalloc first, vmalloc when that fails")                 \
    X(OP_KVFREE, "kvfree", P(ADDRESS), WHO, "vmalloc", "free what kvmalloc gave")                                           \
    X(OP_SPAWN, "spawn", 0, P(NAME) | P(TOUCH) | P(CPU), "process", "a new process")                                        \
    X(OP_EXIT, "exit", P(PID), P(CPU), "process", "end a process; its memory is released")                                  \
    X(OP_FORK, "fork", P(PID), P(CPU), "process", "copy a process; pages are shared until written")                         \
    X(OP_MALLOC, "malloc", P(PID) | P(SIZE), P(NAME) | P(CPU) | P(CALL_SITE), "user", "user memory from the heap")          \
    X(OP_CALLOC, "calloc", P(PID) | P(N) | P(SIZE), P(NAME) | P(CPU) | P(CALL_SITE), "user", "zeroed array from the heap")  \
    X(OP_REALLOC, "realloc", P(PID) | P(ADDRESS) | P(SIZE), P(CPU) | P(CALL_SITE), "user", "change a heap block's size")    \
    X(OP_ALIGNED_ALLOC, "aligned_alloc", P(PID) | P(ALIGN) | P(SIZE), P(NAME) | P(CPU) | P(CALL_SITE), "user", "aligned heap block") \
    X(OP_FREE, "free", P(PID) | P(ADDRESS), P(CPU) | P(CALL_SITE), "user", "free what malloc gave")                         \
    X(OP_MMAP, "mmap", P(PID) | P(LENGTH), P(NAME) | P(CPU), "user", "anonymous private mapping; frames come on touch")     \
    X(OP_MUNMAP, "munmap", P(PID) | P(ADDRESS) | P(LENGTH), P(CPU), "user", "remove mappings of a range")                   \
    X(OP_MLOCK, "mlock", P(PID) | P(ADDRESS) | P(LENGTH), P(CPU), "user", "touch a range and keep it from swap")            \
    X(OP_WRITE, "write", P(ADDRESS) | P(HEX), P(FILL) | P(LENGTH) | P(PID) | P(CPU) | P(CONTEXT), "memory", "write bytes")  \
    X(OP_READ, "read", P(ADDRESS) | P(LENGTH), P(PID) | P(CPU) | P(CONTEXT), "memory", "read bytes (at most 64 KiB)")       \
    X(OP_TICK, "tick", 0, P(DURATION), "time", "let simulated time pass; kswapd runs")                                      \
    X(OP_MARK, "mark", P(TEXT), 0, "time", "a remark on the timeline")

enum op_kind {
#define X(id, name, needed, further, group, doc) id,
    OP_MAP(X)
#undef X
        NR_OPS
};

struct text {
    const char *start; /* borrowed, not NUL-terminated; NULL: not given */
    uint32_t length;
};

#define OP_DATA_MAX 65536u /* bytes that one write or read may move */

/* given has bit P(x) for each parameter that the caller stated; the rest hold their defaults. Zero-initialise, then set
 * kind and fields: op_default() does both. Texts and data are borrowed for the call. */
struct op {
    enum op_kind kind;
    uint32_t given;
    uint64_t size, n, align, length, address, duration_ns;
    uint32_t gfp, pid;
    uint16_t cpu;
    uint8_t order, context, fill, touch;
    struct text name, cache, call_site, text;
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
    uint32_t needed, further; /* bits P(x) */
};

const struct op_info *op_info(enum op_kind kind); /* never NULL for a valid kind */
const struct op_param_info *op_param_info(enum op_param_id id);
bool op_kind_find(const char *name, size_t length, enum op_kind *kind);
struct op op_default(enum op_kind kind);
const char *outcome_name(enum outcome outcome);
const char *context_name(enum context context);
const char *touch_name(enum touch touch);
/* Checks what the table can: needed parameters given, nothing given that the operation does not take, ranges. */
enum pagoda_error op_check(const struct op *op, struct problem *why) PAGODA_MUST_CHECK;
