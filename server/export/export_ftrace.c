/* server/export/export_ftrace.c - the history as the kernel's own trace text (/sys/kernel/tracing/trace), kmem events and
 * all.
 *
 * Each operation is first a marker, as a program's write to trace_marker would be ("tracing_mark_write: pagoda: {...}"),
 * then the kmem tracepoints that it went through, with the fields of Linux 6.1. Readers of ftrace text see a kernel at
 * work; our own importer takes the markers, which say all, and so comes to the same machine. */
#include "pagoda/gfp.h"
#include "server/json/config_json.h"
#include "server/export/export.h"
#include "server/json/op_json.h"

#define VMEMMAP 0xffffea0000000000u /* where x86-64 has its struct pages, 64 bytes each */
#define PAGEBLOCK_ORDER 9

static void ftrace_begin(struct buffer *out, const struct lab_row *row)
{
    buffer_text(out, "# tracer: nop\n#\n# pagoda-lab: {");
    config_encode_fields(out, &row->config);
    buffer_text(out, "}\n#\n"
                     "#                                _-----=> irqs-off/BH-disabled\n"
                     "#                               / _----=> need-resched\n"
                     "#                              | / _---=> hardirq/softirq\n"
                     "#                              || / _--=> preempt-depth\n"
                     "#                              ||| / _-=> migrate-disable\n"
                     "#                              |||| /     delay\n"
                     "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n"
                     "#              | |         |   |||||     |         |\n");
}

struct ftrace_writer {
    struct buffer *out;
    const struct log_entry *entry;
    const struct op_result *result;
};

/* "             lab-90      [000] .....     4.344805: " */
static void ftrace_put_head(const struct ftrace_writer *line)
{
    static const char *const FLAGS[NR_CONTEXTS] = { ".....", "..s1.", "..s1.", "d.h1." };
    const struct op *op = &line->entry->op;
    uint64_t us = (line->result->now_ns - line->result->cost_ns - line->result->slept_ns) / 1000;
    buffer_print(line->out, "%16s-%-7u [%03u] %s %5llu.%06llu: ", "lab", op->pid, op->cpu, FLAGS[op->context],
                 (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
}

static void ftrace_put_call_site(const struct ftrace_writer *line)
{
    const struct text *site = &line->entry->op.call_site;
    if (site->length)
        buffer_print(line->out, "call_site=%.*s", (int)site->length, site->start);
    else
        buffer_print(line->out, "call_site=%s", op_info(line->entry->op.kind)->name);
}

static void ftrace_put_object(const struct ftrace_writer *line, const struct event *event)
{
    const struct op *op = &line->entry->op;
    char gfp[512];
    ftrace_put_head(line);
    buffer_print(line->out, "%s: ", event_info((enum event_kind)event->kind)->name);
    ftrace_put_call_site(line);
    buffer_print(line->out, " ptr=%016llx", (unsigned long long)event->address);
    if (event->kind == EV_KMALLOC || event->kind == EV_CACHE_ALLOC) {
        gfp_format(op->gfp, "none", gfp, sizeof gfp);
        buffer_print(line->out, " bytes_req=%llu bytes_alloc=%llu gfp_flags=%s node=-1 accounted=%s",
                     (unsigned long long)event->a, (unsigned long long)event->b, gfp,
                     op->gfp & __GFP_ACCOUNT ? "true" : "false");
    } else if (event->kind == EV_CACHE_FREE && line->result->cache) {
        buffer_print(line->out, " name=%s", line->result->cache);
    }
    buffer_text(line->out, "\n");
}

static bool ftrace_becomes_slab(const struct op_result *result, uint32_t pfn)
{
    for (uint32_t i = 0; i < result->nr_events; i++)
        if (result->events[i].kind == EV_NEW_SLAB && result->events[i].pfn == pfn)
            return true;
    return false;
}

/* The flags that reach the page allocator: slabs add and drop some (mm/slub.c, allocate_slab()). */
static uint32_t ftrace_page_gfp(const struct ftrace_writer *line, const struct event *event)
{
    uint32_t gfp = line->entry->op.gfp;
    if (!ftrace_becomes_slab(line->result, event->pfn))
        return gfp;
    gfp &= __GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM | __GFP_IO | __GFP_FS | __GFP_DMA | __GFP_RECLAIMABLE;
    return gfp | __GFP_NOWARN | __GFP_NORETRY | (event->order ? (uint32_t)__GFP_COMP : 0);
}

static void ftrace_put_page(const struct ftrace_writer *line, const struct event *event)
{
    char gfp[512];
    ftrace_put_head(line);
    buffer_print(line->out, "%s: page=%016llx pfn=0x%x", event_info((enum event_kind)event->kind)->name,
                 (unsigned long long)(VMEMMAP + (uint64_t)event->pfn * 64), event->pfn);
    switch (event->kind) {
    case EV_PAGE_ALLOC:
        gfp_format(ftrace_page_gfp(line, event), "none", gfp, sizeof gfp);
        buffer_print(line->out, " order=%u migratetype=%u gfp_flags=%s\n", event->order, event->migratetype, gfp);
        break;
    case EV_EXTFRAG:
        buffer_print(
            line->out,
            " alloc_order=%u fallback_order=%llu pageblock_order=%d alloc_migratetype=%u fallback_migratetype=%llu "
            "fragmenting=%d change_ownership=0\n",
            event->order, (unsigned long long)event->a, PAGEBLOCK_ORDER, event->migratetype, (unsigned long long)event->b,
            event->a < PAGEBLOCK_ORDER);
        break;
    case EV_PCP_DRAIN:
        buffer_print(line->out, " order=%u migratetype=%u\n", event->order, event->migratetype);
        break;
    default:
        buffer_print(line->out, " order=%u\n", event->order);
    }
}

static void ftrace_put_result(struct buffer *out, const struct log_entry *entry, const struct op_result *result)
{
    struct ftrace_writer line = { out, entry, result };
    ftrace_put_head(&line);
    buffer_text(out, "tracing_mark_write: pagoda: {");
    op_encode_fields(out, &entry->op);
    buffer_text(out, "}\n");
    for (uint32_t i = 0; i < result->nr_events; i++) {
        const struct event *event = &result->events[i];
        switch (event->kind) {
        case EV_KMALLOC:
        case EV_KFREE:
        case EV_CACHE_ALLOC:
        case EV_CACHE_FREE:
            ftrace_put_object(&line, event);
            break;
        case EV_PAGE_ALLOC:
        case EV_PAGE_FREE:
        case EV_PCP_DRAIN:
        case EV_EXTFRAG:
            ftrace_put_page(&line, event);
            break;
        default: /* no tracepoint of the kmem group */
            break;
        }
    }
}

const struct export_format EXPORT_FTRACE = { .name = "ftrace",
                                             .content_type = "text/plain; charset=utf-8",
                                             .relives = true,
                                             .begin = ftrace_begin,
                                             .result = ftrace_put_result };
