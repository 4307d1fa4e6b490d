/* GET handlers: zones and their free areas. */
#include "server/api/api_view.h"

#include <stdlib.h>

static void put_free_area(struct buffer *out, const struct zone_view *zone, uint32_t order, bool has_migratetypes)
{
    uint64_t total = 0;
    put_open(out, '{');
    put_field_u64(out, "order", order);
    put_field_object(out, "migratetypes");
    for (unsigned type = 0; type < VIEW_MIGRATETYPES; type++) {
        total += zone->nr_free[order][type];
        if (has_migratetypes || type == 0)
            put_field_u64(out, migratetype_name(type), zone->nr_free[order][type]);
    }
    put_close(out, '}');
    put_field_u64(out, "nr_free", total);
    put_field_u64(out, "unusable_index", zone->unusable_index[order]);
    put_key(out, "fragmentation_index");
    put_i64(out, zone->fragmentation_index[order]);
    put_close(out, '}');
}

static void put_pageblocks(struct buffer *out, const struct zone_view *zone)
{
    put_field_object(out, "pageblocks");
    for (unsigned type = 0; type < VIEW_MIGRATETYPES; type++)
        put_field_u64(out, migratetype_name(type), zone->nr_pageblocks[type]);
    put_close(out, '}');
}

/* Lists of one order that have blocks, by type. */
static void put_pcp_lists(struct buffer *out, const struct pcp_view *pcp)
{
    put_field_array(out, "lists");
    for (unsigned row = 0; row < VIEW_PCP_ORDERS; row++)
        for (unsigned type = 0; type < 3; type++) {
            if (!pcp->nr_blocks[row][type])
                continue;
            put_open(out, '{');
            put_field_u64(out, "order", row == VIEW_PCP_ORDERS - 1 ? 9 : row);
            put_field_text(out, "migratetype", migratetype_name(type));
            put_field_u64(out, "nr_blocks", pcp->nr_blocks[row][type]);
            put_close(out, '}');
        }
    put_close(out, ']');
}

static void put_pcps(struct buffer *out, const struct machine *machine, uint32_t zone)
{
    struct pcp_view pcp;
    put_field_array(out, "cpus");
    for (uint32_t cpu = 0; view_pcp(machine, zone, cpu, &pcp); cpu++) {
        put_open(out, '{');
        put_field_u64(out, "cpu", cpu);
        PUT_FIELD(out, &pcp, count);
        PUT_FIELD(out, &pcp, high);
        PUT_FIELD(out, &pcp, batch);
        PUT_FIELD(out, &pcp, free_factor);
        put_pcp_lists(out, &pcp);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void put_zone(struct buffer *out, const struct machine *machine, uint32_t position, const struct zone_view *zone)
{
    bool has_migratetypes = machine_profile(machine)->has_migratetypes;
    const struct {
        const char *name;
        uint64_t value;
    } FIELDS[] = {
        { "start_pfn", zone->start_pfn },
        { "spanned", zone->spanned },
        { "present", zone->present },
        { "managed", zone->managed },
        { "free", zone->free },
        { "pcp", zone->pcp },
        { "min", zone->min },
        { "low", zone->low },
        { "high", zone->high },
        { "boost", zone->boost },
        { "highatomic", zone->highatomic },
        { "pcp_high", zone->pcp_high },
        { "pcp_batch", zone->pcp_batch },
        { "inactive", zone->nr_inactive },
        { "active", zone->nr_active },
    };
    put_open(out, '{');
    PUT_FIELD(out, zone, name);
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
        put_field_u64(out, FIELDS[i].name, FIELDS[i].value);
    put_field_array(out, "lowmem_reserve");
    for (unsigned i = 0; i < 4; i++)
        put_u64(out, zone->lowmem_reserve[i]);
    put_close(out, ']');
    put_field_array(out, "free_area");
    for (uint32_t order = 0; order < zone->nr_orders; order++)
        put_free_area(out, zone, order, has_migratetypes);
    put_close(out, ']');
    if (has_migratetypes) {
        put_pageblocks(out, zone);
        put_pcps(out, machine, position);
    }
    PUT_FIELD(out, zone, kswapd_awake);
    put_close(out, '}');
}

static bool encode_zones(struct view *view, struct reply *refusal)
{
    (void)refusal;
    uint64_t cursor = 0;
    struct zone_view zone;
    view_open(view);
    put_field_array(&view->out, "zones");
    while (view_next_zone(view->machine, &cursor, &zone))
        put_zone(&view->out, view->machine, (uint32_t)cursor - 1, &zone);
    put_close(&view->out, ']');
    put_close(&view->out, '}');
    return true;
}

static bool encode_state(struct view *view, struct reply *refusal)
{
    size_t length = machine_dump_state(view->machine, NULL, 0);
    char *text = malloc(length + 1);
    if (!text || !length) {
        free(text);
        *refusal = length ? reply_error(PAGODA_ERR_NOMEM, NULL)
                          : reply_say(404, "", "only the page allocator of linux-6.1 has such states");
        return false;
    }
    machine_dump_state(view->machine, text, length + 1);
    view->content_type = "text/plain; charset=utf-8";
    buffer_add(&view->out, text, length);
    free(text);
    return true;
}

struct reply state_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_state);
}

struct reply zones_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_zones);
}
