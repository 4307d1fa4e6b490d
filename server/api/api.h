/* server/api/api.h - the handlers that ROUTES names, one for each route. */
#pragma once
#include "server/http/route.h"

#define API_HANDLERS(X)                                                                                                    \
    X(profiles_get)                                                                                                        \
    X(op_table_get)                                                                                                        \
    X(openapi_get)                                                                                                         \
    X(labs_get)                                                                                                            \
    X(labs_post)                                                                                                           \
    X(lab_show)                                                                                                            \
    X(lab_patch)                                                                                                           \
    X(lab_remove)                                                                                                          \
    X(lab_wake_post)                                                                                                       \
    X(rerun_post)                                                                                                          \
    X(fork_post)                                                                                                           \
    X(ops_post)                                                                                                            \
    X(ops_get)                                                                                                             \
    X(op_get)                                                                                                              \
    X(events_get)                                                                                                          \
    X(import_post)                                                                                                         \
    X(import_get)                                                                                                          \
    X(import_cancel)                                                                                                       \
    X(export_get)                                                                                                          \
    X(frames_get)                                                                                                          \
    X(frame_get)                                                                                                           \
    X(zones_get)                                                                                                           \
    X(state_get)                                                                                                           \
    X(caches_get)                                                                                                          \
    X(cache_get)                                                                                                           \
    X(vmalloc_get)                                                                                                         \
    X(processes_get)                                                                                                       \
    X(maps_get)                                                                                                            \
    X(pages_get)                                                                                                           \
    X(swap_get)                                                                                                            \
    X(heap_get)                                                                                                            \
    X(translate_get)                                                                                                       \
    X(memory_get)                                                                                                          \
    X(allocations_get)                                                                                                     \
    X(stats_get)                                                                                                           \
    X(diff_get)                                                                                                            \
    X(proc_get)                                                                                                            \
    X(proc_process_get)                                                                                                    \
    X(healthz_get)                                                                                                         \
    X(readyz_get)                                                                                                          \
    X(metrics_get)                                                                                                         \
    X(slab_get)                                                                                                            \
    X(compare_get)                                                                                                         \
    X(compare_curves_get)                                                                                                  \
    X(pgtable_get)                                                                                                         \
    X(tlb_get)
#define X(name) struct reply name(struct app *app, struct request *request);
API_HANDLERS(X)
#undef X

/* The path names a lab that is not there. */
struct reply lab_missing(const struct request *request);
/* Writes a lab as JSON. machine: NULL when it sleeps. */
void lab_encode(struct buffer *out, const struct lab_status *lab, const struct machine *machine);
