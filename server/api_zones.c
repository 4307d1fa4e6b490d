/* GET handlers: zones and their free areas. */
#include "server/api_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    put_close(out, '}');
}

static void put_zone(struct buffer *out, const struct zone_view *zone, bool has_migratetypes)
{
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
    };
    put_open(out, '{');
    put_field_text(out, "name", zone->name);
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
        put_zone(&view->out, &zone, machine_profile(view->machine)->has_migratetypes);
    put_close(&view->out, ']');
    put_close(&view->out, '}');
    return true;
}

struct reply zones_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_zones);
}
