/* server/api/routes.c - which handler answers which request. A pattern's {parts} match one path segment each,
 * percent-decoded; {lab} names a lab, which is looked up here. A path that exists with other methods is a 405 that lists
 * them. */
#include "server/api/routes.h"
#include "server/api/api.h"
#include "server/http/static.h"

#include <stdio.h>
#include <string.h>

#define API "/api/v1"
#define LAB API "/labs/{lab}"

const struct route ROUTES[] = {
    { "GET", API "/profiles", profiles_get, 0, 0, "" },
    { "GET", API "/ops", op_table_get, 0, 0, "" },
    { "GET", API "/openapi.json", openapi_get, 0, 0, "" },
    { "GET", API "/labs", labs_get, 0, ROUTE_SLOW, "" },
    { "POST", API "/labs", labs_post, 16 * KIB, ROUTE_SLOW, "" },
    { "GET", LAB, lab_show, 0, ROUTE_PRESENT | ROUTE_SLOW, "" },
    { "PATCH", LAB, lab_patch, 16 * KIB, ROUTE_SLOW, "" },
    { "DELETE", LAB, lab_remove, 16 * KIB, ROUTE_SLOW | ROUTE_GONE | ROUTE_WRITES, "" },
    { "POST", LAB "/fork", fork_post, 16 * KIB, ROUTE_SLOW, "" },
    { "POST", LAB "/wake", lab_wake_post, 16 * KIB, ROUTE_SLOW, "" },
    { "POST", LAB "/rerun", rerun_post, 16 * KIB, ROUTE_SLOW, "" },
    { "POST", LAB "/ops", ops_post, 256 * KIB, ROUTE_PRESENT | ROUTE_WRITES | ROUTE_LINES | ROUTE_KEYED,
      "explain dry_run on_error results" },
    { "GET", LAB "/ops", ops_get, 0, ROUTE_SLOW, "from limit op" },
    { "GET", LAB "/ops/{seq}", op_get, 0, 0, "explain rules" },
    { "GET", LAB "/events", events_get, 0, ROUTE_STREAM, "" },
    { "POST", LAB "/import", import_post, 0, ROUTE_UPLOAD, "format atomic" },
    { "GET", LAB "/import", import_get, 0, 0, "" },
    { "DELETE", LAB "/import", import_cancel, 0, 0, "" },
    { "GET", LAB "/export", export_get, 0, ROUTE_SLOW, "format snapshots" },
    { "GET", LAB "/frames", frames_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules from count lod" },
    { "GET", LAB "/frames/{pfn}", frame_get, 0, ROUTE_VIEW, "at rules" },
    { "GET", LAB "/zones", zones_get, 0, ROUTE_VIEW, "at rules" },
    { "GET", LAB "/state", state_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules" },
    { "GET", LAB "/caches", caches_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules" },
    { "GET", LAB "/caches/{name}", cache_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules objects" },
    { "GET", LAB "/slabs/{pfn}", slab_get, 0, ROUTE_VIEW, "at rules" },
    { "GET", LAB "/vmalloc", vmalloc_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules" },
    { "GET", LAB "/processes", processes_get, 0, ROUTE_VIEW, "at rules" },
    { "GET", LAB "/processes/{pid}/maps", maps_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules" },
    { "GET", LAB "/processes/{pid}/pages", pages_get, 0, ROUTE_VIEW, "at rules address length limit" },
    { "GET", LAB "/swap", swap_get, 0, ROUTE_VIEW, "at rules next limit" },
    { "GET", LAB "/processes/{pid}/heap", heap_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules from limit chunk" },
    { "GET", LAB "/translate", translate_get, 0, ROUTE_VIEW, "at rules address pid" },
    { "GET", LAB "/pgtable", pgtable_get, 0, ROUTE_VIEW, "at rules address pid level" },
    { "GET", LAB "/tlb", tlb_get, 0, ROUTE_VIEW, "at rules" },
    { "GET", LAB "/memory", memory_get, 0, ROUTE_VIEW, "at rules address length pid" },
    { "GET", LAB "/allocations", allocations_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules address pid past next limit" },
    { "GET", LAB "/stats", stats_get, 0, ROUTE_VIEW | ROUTE_SERIES, "at rules from to points" },
    { "GET", LAB "/diff", diff_get, 0, ROUTE_SLOW, "a b with limit" },
    { "GET", LAB "/proc/{file}", proc_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules" },
    { "GET", LAB "/proc/{pid}/{file}", proc_process_get, 0, ROUTE_VIEW | ROUTE_SLOW, "at rules address length" },
    { "GET", API "/compare", compare_get, 0, ROUTE_SLOW, "profile machine size gfp context" },
    { "GET", API "/compare/curves", compare_curves_get, 0, ROUTE_SLOW, "profile machine points" },
    { "GET", "/healthz", healthz_get, 0, 0, "" },
    { "GET", "/readyz", readyz_get, 0, 0, "" },
    { "GET", "/metrics", metrics_get, 0, 0, "" },
};
const size_t NR_ROUTES = sizeof ROUTES / sizeof ROUTES[0];

static const struct route STATIC_ROUTE = { "GET", "/{file}", static_get, 0, 0, NULL };

/* libmicrohttpd has percent-decoded the path already, so a segment is what stands between two slashes. */
static bool match(const char *pattern, const char *url, char values[PATH_VALUES_MAX][PATH_VALUE_MAX])
{
    size_t nr_values = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *url++)
                return false;
            continue;
        }
        size_t length = strcspn(url, "/");
        if (length == 0 || length >= PATH_VALUE_MAX || nr_values == PATH_VALUES_MAX)
            return false;
        memcpy(values[nr_values], url, length);
        values[nr_values++][length] = '\0';
        url += length;
        pattern = strchr(pattern, '}') + 1;
    }
    return *url == '\0';
}

static bool method_fits(const struct route *route, const char *method)
{
    return strcmp(route->method, strcmp(method, "HEAD") == 0 ? "GET" : method) == 0;
}

static struct reply refuse_path(const struct request *request, const char *allow)
{
    struct reply reply;
    if (!allow[0])
        return reply_say(404, "", "there is nothing at %.120s", request->url);
    reply = reply_say(405, "", "%s does not fit %.120s", request->method, request->url);
    snprintf(reply.allow, sizeof reply.allow, "%s", allow);
    return reply;
}

/* A misspelt parameter that is silently ignored would answer another question than the one asked, and so would one of two
 * values. */
struct query_check {
    struct MHD_Connection *connection;
    const char *known;
    char unknown[24], repeated[24];
};

static bool is_word_of(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return length > 0;
    return false;
}

static enum MHD_Result check_parameter(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
    (void)kind;
    struct query_check *check = context;
    bool is_first = MHD_lookup_connection_value(check->connection, MHD_GET_ARGUMENT_KIND, key) == value;
    if (is_first && is_word_of(check->known, key))
        return MHD_YES;
    snprintf(is_first ? check->unknown : check->repeated, sizeof check->unknown, "%s", key);
    return MHD_NO;
}

static bool parameters_fit(const struct request *request, const struct route *route, struct reply *refusal)
{
    struct query_check check = { .connection = request->connection.mhd, .known = route->query };
    if (!route->query)
        return true;
    MHD_get_connection_values(request->connection.mhd, MHD_GET_ARGUMENT_KIND, check_parameter, &check);
    if (!check.unknown[0] && !check.repeated[0])
        return true;
    if (check.repeated[0])
        *refusal = reply_say(422, check.repeated, "there is more than one parameter %s", check.repeated);
    else
        *refusal = reply_say(422, check.unknown, "there is no parameter %s here", check.unknown);
    return false;
}

static const struct route *accept_route(struct request *request, const struct route *route, struct reply *refusal)
{
    if (!parameters_fit(request, route, refusal))
        return NULL;
    if (strncmp(route->pattern, LAB, strlen(LAB)) != 0)
        return route;
    request->lab = lab_get(request->app->labs, request->path_values[0]);
    if (request->lab || ((route->flags & ROUTE_GONE) && request_header(request, "Idempotency-Key")))
        return route;
    *refusal = lab_missing(request);
    return NULL;
}

const struct route *route_find(struct request *request, struct reply *refusal)
{
    char allow[48] = "";
    for (size_t i = 0; i < NR_ROUTES; i++) {
        if (!match(ROUTES[i].pattern, request->url, request->path_values))
            continue;
        if (method_fits(&ROUTES[i], request->method))
            return accept_route(request, &ROUTES[i], refusal);
        size_t length = strlen(allow);
        snprintf(allow + length, sizeof allow - length, "%s%s", length ? ", " : "", ROUTES[i].method);
    }
    bool is_file = !allow[0] && strncmp(request->url, "/api/", 5) != 0;
    if (is_file && method_fits(&STATIC_ROUTE, request->method))
        return &STATIC_ROUTE;
    *refusal = refuse_path(request, is_file ? "GET" : allow);
    return NULL;
}
