/* server/api/api_service.c - what the service says of itself: its operations, profiles and description; its health. */
#include "server/api/api.h"
#include "server/json/config_json.h"
#include "server/json/op_json.h"

#include <stdio.h>

/* The text of data/openapi.json, with a NUL behind it. */
__asm__(".pushsection .rodata\n"
        ".global openapi_json\n"
        "openapi_json:\n"
        ".incbin \"data/openapi.json\"\n"
        ".byte 0\n"
        ".popsection\n");
extern const char openapi_json[];

static struct reply reply_fixed(struct buffer body)
{
    struct reply reply = reply_json(200, body);
    reply.cache_control = "no-cache";
    return reply;
}

struct reply openapi_get(struct app *app, struct request *request)
{
    (void)app;
    (void)request;
    struct buffer out = { 0 };
    buffer_text(&out, openapi_json);
    return reply_fixed(out);
}

struct reply op_table_get(struct app *app, struct request *request)
{
    (void)app;
    (void)request;
    struct buffer out = { 0 };
    op_table_encode(&out);
    return reply_fixed(out);
}

static void profile_encode(struct buffer *out, const struct profile *profile)
{
    put_open(out, '{');
    PUT_FIELD(out, profile, name);
    PUT_FIELD(out, profile, title);
    PUT_FIELD(out, profile, source);
    PUT_FIELD(out, profile, word_bits);
    put_field_u64(out, "page_size", PAGE_SIZE);
    PUT_FIELD(out, profile, nr_orders);
    PUT_FIELD(out, profile, kmalloc_max);
    PUT_FIELD(out, profile, memory_min);
    PUT_FIELD(out, profile, memory_default);
    PUT_FIELD(out, profile, memory_max);
    PUT_FIELD(out, profile, cpus_max);
    PUT_HEX64(out, profile, page_offset);
    put_field_array(out, "min_blocks");
    if (profile->kmalloc_style == KMALLOC_BUCKETS) {
        put_u64(out, 32);
        put_u64(out, 64);
    }
    put_close(out, ']');
    put_close(out, '}');
}

struct reply profiles_get(struct app *app, struct request *request)
{
    (void)app;
    (void)request;
    struct buffer out = { 0 };
    put_open(&out, '{');
    put_field_array(&out, "profiles");
    for (unsigned i = 0; i < NR_PROFILES; i++)
        profile_encode(&out, profile_get((enum profile_id)i));
    put_close(&out, ']');
    config_table_encode(&out);
    put_close(&out, '}');
    return reply_fixed(out);
}

/* ---- the service ---- */

struct reply healthz_get(struct app *app, struct request *request)
{
    (void)app;
    (void)request;
    struct reply reply = reply_empty(200);
    reply.content_type = "text/plain; charset=utf-8";
    buffer_text(&reply.body, "ok\n");
    return reply;
}

struct reply readyz_get(struct app *app, struct request *request)
{
    if (atomic_load(&app->connections.are_stopping))
        return reply_say(503, "", "pagodad is stopping");
    if (workers_are_stuck(&app->workers))
        return reply_say(503, "", "every worker is in a turn that does not end");
    if (!store_is_in_place(app->store))
        return reply_say(503, "", "%s", pagoda_error_text(PAGODA_ERR_GONE));
    return healthz_get(app, request);
}

static uint64_t resident_bytes(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%llu %llu", &total, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident * 4096;
}

static void metric(struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
    buffer_print(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name, (unsigned long long)value);
}

struct reply metrics_get(struct app *app, struct request *request)
{
    (void)request;
    struct labs_counts labs;
    labs_count(app->labs, &labs);
    struct reply reply = reply_empty(200);
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    struct buffer *out = &reply.body;
    metric(out, "pagoda_http_requests_total", "counter", "HTTP requests begun.", atomic_load(&app->nr_requests));
    metric(out, "pagoda_http_problems_total", "counter", "Replies with a status of 400 or more.",
           atomic_load(&app->nr_problems));
    metric(out, "pagoda_operations_total", "counter", "Operations applied to labs.", labs.nr_applied);
    metric(out, "pagoda_commits_total", "counter", "Commits of the log.", store_nr_commits(app->store));
    metric(out, "pagoda_labs", "gauge", "Labs that exist.", labs.nr_labs);
    metric(out, "pagoda_labs_awake", "gauge", "Labs with a machine in memory.", labs.nr_awake);
    metric(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    return reply;
}
