/* server/import/ftrace_line.h - one line of a kernel trace taken apart, whichever tool has printed it:
 * /sys/kernel/tracing/trace and trace_pipe, trace-cmd report, perf script. ftrace_line.c lists the layouts. */
#pragma once
#include "pagoda/op.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* id, the kernel's name of the event; from 2.6.32 to 3.2 mm_page_free and mm_page_free_batched had the names of the third
 * and fourth row from the end */
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
    X(FTRACE_PAGE_FREE_DIRECT, "mm_page_free_direct")                                                                      \
    X(FTRACE_PAGEVEC_FREE, "mm_pagevec_free")                                                                              \
    X(FTRACE_MARK, "tracing_mark_write")                                                                                   \
    X(FTRACE_OTHER, "(other event)")

enum ftrace_kind {
#define X(id, name) id,
    FTRACE_EVENT_MAP(X)
#undef X
        NR_FTRACE_KINDS
};

enum ftrace_line_kind {
    LINE_EVENT,
    LINE_COMMENT, /* blank, a comment, a header of the tool */
    LINE_STACK,   /* a caller of the event before it */
    LINE_LOST,    /* events are missing here: nr_lost of them, 0 when the line does not say */
    LINE_BROKEN,  /* an event whose fields cannot be read */
    LINE_GARBAGE
};

#define FTRACE_TEXT_MAX 63
#define ORDERS_MAX 14u /* of page blocks; arm64 with pages of 64 KiB has the most */

struct ftrace_event {
    uint64_t line; /* the reader's to set */
    uint64_t time; /* ns, or ticks of whatever clock the recorder had; 0: not printed */
    uint64_t ptr, bytes_req, bytes_alloc, pfn, nr_lost;
    enum ftrace_kind kind;
    uint32_t cpu, pid, gfp;
    uint8_t context, order; /* enum context */
    bool is_function;       /* FTRACE_OTHER: a line of the function or function_graph tracer */
    bool is_message;        /* of a kernel log, or printed by a tool */
    bool is_pointer_hidden; /* "(____ptrval____)" stood there */
    bool has_unknown_gfp;   /* a flag that Linux 6.1 does not have; it is left out */
    bool has_notrack;       /* __GFP_NOTRACK, which slabs had up to 4.14 */
    uint8_t nr_call_site, nr_name;
    struct text mark;                /* of a marker, borrowed from the line */
    char call_site[FTRACE_TEXT_MAX]; /* "func+0x10 [module]": the function's size is left out, as some tools do */
    char name[FTRACE_TEXT_MAX];      /* of a cache */
};

/* The same few flag expressions come again and again: texts that were decoded lately. Zero-initialise. */
#define GFP_ROWS 64
struct gfp_memory {
    struct {
        char text[117];
        uint8_t length;
        bool has_unknown, has_notrack;
        uint32_t gfp;
    } rows[GFP_ROWS];
};

/* Fills *event for LINE_EVENT; line is the caller's. */
enum ftrace_line_kind ftrace_line_parse(const char *line, size_t length, struct gfp_memory *gfps,
                                        struct ftrace_event *event);
