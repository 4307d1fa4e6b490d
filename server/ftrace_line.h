/* server/ftrace_line.h - one line of ftrace text (also trace-cmd report, perf script) taken apart. */
#pragma once
#include "pagoda/op.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* id, the kernel's name of the event */
#define FTRACE_EVENT_MAP(X)                                                                                                \
    X(FTRACE_KMALLOC, "kmalloc")                                                                                           \
    X(FTRACE_KMALLOC_NODE, "kmalloc_node")                                                                                 \
    X(FTRACE_KFREE, "kfree")                                                                                               \
    X(FTRACE_CACHE_ALLOC, "kmem_cache_alloc")                                                                              \
    X(FTRACE_CACHE_ALLOC_NODE, "kmem_cache_alloc_node")                                                                    \
    X(FTRACE_CACHE_FREE, "kmem_cache_free")                                                                                \
    X(FTRACE_PAGE_ALLOC, "mm_page_alloc")                                                                                  \
    X(FTRACE_PAGE_FREE, "mm_page_free")                                                                                    \
    X(FTRACE_PAGE_FREE_BATCHED, "mm_page_free_batched")                                                                    \
    X(FTRACE_ZONE_LOCKED, "mm_page_alloc_zone_locked")                                                                     \
    X(FTRACE_PCPU_DRAIN, "mm_page_pcpu_drain")                                                                             \
    X(FTRACE_EXTFRAG, "mm_page_alloc_extfrag")                                                                             \
    X(FTRACE_MARK, "tracing_mark_write")                                                                                   \
    X(FTRACE_OTHER, "(other event)")

enum ftrace_kind {
#define X(id, name) id,
    FTRACE_EVENT_MAP(X)
#undef X
        NR_FTRACE_KINDS
};

enum ftrace_line_kind { LINE_EVENT, LINE_COMMENT, LINE_LOST, LINE_GARBAGE };

struct ftrace_event {
    enum ftrace_kind kind;
    uint32_t cpu, pid;
    uint8_t context; /* enum context */
    uint8_t order;
    uint32_t gfp;
    uint64_t ptr, bytes_req, bytes_alloc, pfn;
    struct text call_site, name; /* name: of a cache; of a marker its text; of another event its own */
};

/* The same few flag expressions come again and again: texts that were decoded lately. Zero-initialise. */
struct gfp_memory {
    struct {
        char text[120];
        uint32_t length, gfp;
    } rows[32];
};

enum ftrace_line_kind ftrace_line_parse(const char *line, size_t length, struct gfp_memory *gfps,
                                        struct ftrace_event *event);
