/* Reading a state. A line is taken apart from left to right; what is not as it must be makes the scan fail, and with it the
 * line. */
#include "alloc/page/state_dump.h"
#include "alloc/page/zone.h"

#include <string.h>

struct scan {
    const char *at;
    bool ok;
};

static void scan_skip(struct scan *scan, char separator)
{
    if (*scan->at == separator)
        scan->at++;
    else
        scan->ok = false;
}

static int64_t scan_number(struct scan *scan)
{
    bool negative = *scan->at == '-';
    scan->at += negative;
    uint32_t base = 10;
    if (scan->at[0] == '0' && scan->at[1] == 'x') {
        base = 16;
        scan->at += 2;
    }
    int64_t value = 0;
    const char *start = scan->at;
    for (;; scan->at++) {
        char c = *scan->at;
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10 : 99;
        if (digit >= base || value > INT64_MAX / 32)
            break;
        value = value * base + digit;
    }
    scan->ok = scan->ok && scan->at > start;
    return negative ? -value : value;
}

static uint32_t scan_u32(struct scan *scan) /* or another number of 32 bits */
{
    int64_t value = scan->ok ? scan_number(scan) : 0;
    scan->ok = scan->ok && value >= 0 && value <= UINT32_MAX;
    return scan->ok ? (uint32_t)value : 0;
}

/* The number of a field given by position: "<tab>17". */
static uint32_t scan_field(struct scan *scan)
{
    scan_skip(scan, '\t');
    return scan_u32(scan);
}

static uint32_t scan_field_below(struct scan *scan, uint32_t limit)
{
    uint32_t value = scan_field(scan);
    scan->ok = scan->ok && value < limit;
    return scan->ok ? value : 0;
}

/* Where the value of "<tab>key=" begins, anywhere in the rest of the line; NULL: nowhere. */
static const char *scan_find_key(const char *at, const char *key)
{
    size_t length = strlen(key);
    for (at = strchr(at, '\t'); at; at = strchr(at, '\t')) {
        at++;
        if (strncmp(at, key, length) == 0 && at[length] == '=')
            return at + length + 1;
    }
    return NULL;
}

static int64_t scan_key(struct scan *scan, const char *key)
{
    const char *value = scan_find_key(scan->at, key);
    struct scan at = { .at = value ? value : "", .ok = value != NULL };
    int64_t n = scan_number(&at);
    scan->ok = scan->ok && at.ok;
    return n;
}

static uint32_t scan_key_u32(struct scan *scan, const char *key)
{
    int64_t n = scan_key(scan, key);
    scan->ok = scan->ok && n >= 0 && n <= UINT32_MAX;
    return scan->ok ? (uint32_t)n : 0;
}

/* Inside the machine, and above the zones before it. */
static bool state_zone_fits(const struct page_alloc *pa, const struct zone *zone)
{
    const struct zone *last = pa->nr_zones ? &pa->zones[pa->nr_zones - 1] : NULL;
    return zone->spanned && (uint64_t)zone->start_pfn + zone->spanned <= pa->frames->nr &&
           (!last || zone->start_pfn >= last->start_pfn + last->spanned);
}

static bool state_load_zone(struct page_alloc *pa, struct scan *scan)
{
    struct zone zone = { .index = scan_field_below(scan, ZONES_MAX) };
    scan_skip(scan, '\t');
    for (size_t i = 0; *scan->at && *scan->at != '\t' && i + 1 < sizeof zone.name; i++)
        zone.name[i] = *scan->at++;
    zone.start_pfn = scan_key_u32(scan, "start_pfn");
    zone.spanned = scan_key_u32(scan, "spanned");
    zone.present = scan_key_u32(scan, "present");
    zone.managed = scan_key_u32(scan, "managed");
    zone.min = scan_key_u32(scan, "min");
    zone.low = scan_key_u32(scan, "low");
    zone.high = scan_key_u32(scan, "high");
    zone.promo = scan_key_u32(scan, "promo");
    zone.boost = scan_key_u32(scan, "boost");
    zone.nr_reserved_highatomic = scan_key_u32(scan, "highatomic");
    zone.free_global = scan_key(scan, "free_global");
    zone.pageset_high = scan_key_u32(scan, "pageset_high");
    zone.pageset_batch = scan_key_u32(scan, "pageset_batch");
    zone.drift_mark = scan_key_u32(scan, "drift_mark");
    zone.flags = scan_key_u32(scan, "flags");
    const char *reserves = scan_find_key(scan->at, "lowmem_reserve");
    struct scan at = { .at = reserves ? reserves : "", .ok = reserves != NULL };
    for (uint32_t i = 0; i < 4; i++) {
        zone.lowmem_reserve[i] = scan_u32(&at);
        if (i < 3)
            scan_skip(&at, ',');
    }
    if (!scan->ok || !at.ok || pa->nr_zones == ZONES_MAX || !state_zone_fits(pa, &zone))
        return false;
    pa->zones[pa->nr_zones++] = zone;
    return true;
}

static struct zone *state_find_zone(struct page_alloc *pa, struct scan *scan)
{
    uint32_t index = scan_field_below(scan, ZONES_MAX);
    for (uint32_t i = 0; scan->ok && i < pa->nr_zones; i++)
        if (pa->zones[i].index == index)
            return &pa->zones[i];
    scan->ok = false;
    return NULL;
}

static struct pcp *state_find_pcp(struct page_alloc *pa, struct scan *scan, const struct zone *zone)
{
    uint32_t cpu = scan_key_u32(scan, "cpu");
    scan->ok = scan->ok && cpu < pa->nr_cpus;
    return scan->ok ? zone_pcp(pa, zone, cpu) : NULL;
}

static bool state_load_stat(struct page_alloc *pa, struct scan *scan)
{
    struct zone *zone = state_find_zone(pa, scan);
    struct pcp *pcp = zone ? state_find_pcp(pa, scan, zone) : NULL;
    int64_t diff = scan_key(scan, "nr_free_diff");
    uint32_t threshold = scan_key_u32(scan, "stat_threshold");
    if (!scan->ok || !pcp || diff < -125 || diff > 125 || threshold > 125)
        return false;
    pcp->nr_free_diff = (int32_t)diff;
    zone->stat_threshold = threshold;
    return true;
}

/* May a list take the block? It must lie inside the zone, be aligned, and its first frame be on no list yet. */
static bool state_can_list(const struct page_alloc *pa, const struct zone *zone, uint32_t pfn, uint32_t order)
{
    uint32_t mask = (1u << order) - 1;
    return pfn && zone_has_pfn(zone, pfn) && zone_has_pfn(zone, pfn | mask) && !(pfn & mask) &&
           frame_at(pa->frames, pfn)->kind == FRAME_NONE;
}

static bool state_load_free(struct page_alloc *pa, struct scan *scan)
{
    struct zone *zone = state_find_zone(pa, scan);
    uint32_t order = scan_field_below(scan, MAX_ORDER), type = scan_field_below(scan, NR_MIGRATETYPES);
    uint32_t nr = scan_field(scan);
    scan_skip(scan, '\t');
    for (uint32_t i = 0; scan->ok && i < nr; i++) {
        uint32_t pfn = scan_u32(scan);
        scan_skip(scan, ' ');
        if (!scan->ok || !state_can_list(pa, zone, pfn, order))
            return false;
        frame_set_kind(pa->frames, pfn, FRAME_FREE, order);
        frame_at(pa->frames, pfn)->migratetype = (uint8_t)type;
        frame_list_push_tail(pa->frames, &zone->free_area[order][type], pfn);
        zone->nr_free[order]++;
    }
    return scan->ok && !*scan->at;
}

static bool state_load_pcp(struct page_alloc *pa, struct scan *scan)
{
    struct zone *zone = state_find_zone(pa, scan);
    struct pcp *pcp = zone ? state_find_pcp(pa, scan, zone) : NULL;
    if (!pcp)
        return false;
    pcp->count = scan_key_u32(scan, "count");
    pcp->high = scan_key_u32(scan, "high");
    pcp->batch = scan_key_u32(scan, "batch");
    pcp->free_factor = scan_key_u32(scan, "free_factor");
    return scan->ok && pcp->batch && pcp->batch <= PAGEBLOCK_PAGES && pcp->free_factor <= 5;
}

/* "PCPL zone cpu= pindex= order= n pfn:mt pfn:mt ": the list follows its length, the last field but one. */
static bool state_load_pcp_list(struct page_alloc *pa, struct scan *scan)
{
    struct zone *zone = state_find_zone(pa, scan);
    struct pcp *pcp = zone ? state_find_pcp(pa, scan, zone) : NULL;
    uint32_t index = scan_key_u32(scan, "pindex"), order = scan_key_u32(scan, "order");
    const char *rest = scan_find_key(scan->at, "order");
    rest = rest ? strchr(rest, '\t') : NULL;
    if (!pcp || !rest || !scan->ok || index >= NR_PCP_LISTS || order >= MAX_ORDER)
        return false;
    scan->at = rest;
    uint32_t nr = scan_field(scan);
    scan_skip(scan, '\t');
    for (uint32_t i = 0; scan->ok && i < nr; i++) {
        uint32_t pfn = scan_u32(scan);
        scan_skip(scan, ':');
        uint32_t type = scan_u32(scan);
        scan_skip(scan, ' ');
        if (!scan->ok || type >= NR_MIGRATETYPES || !state_can_list(pa, zone, pfn, order))
            return false;
        frame_set_kind(pa->frames, pfn, FRAME_PCP, order);
        frame_at(pa->frames, pfn)->migratetype = (uint8_t)type;
        frame_list_push_tail(pa->frames, &pcp->lists[index], pfn);
    }
    return scan->ok && !*scan->at;
}

static bool state_load_pageblocks(struct page_alloc *pa, struct scan *scan)
{
    struct zone *zone = state_find_zone(pa, scan);
    scan_skip(scan, '\t');
    while (scan->ok && *scan->at) {
        uint32_t pfn = scan_u32(scan);
        scan_skip(scan, ':');
        int64_t type = scan_number(scan); /* -1: absent */
        if (*scan->at)
            scan_skip(scan, ' ');
        if (!scan->ok || pfn >= pa->frames->nr || type < -1 || type >= NR_MIGRATETYPES)
            return false;
        *pageblock_at(pa, pfn) = (uint32_t)type;
    }
    return scan->ok && zone;
}

static bool state_load_movable(struct page_alloc *pa, struct scan *scan)
{
    const struct zone *zone = state_find_zone(pa, scan);
    scan_skip(scan, '\t');
    while (scan->ok && *scan->at) {
        uint32_t first = scan_u32(scan);
        scan_skip(scan, '-');
        uint32_t last = scan_u32(scan);
        if (*scan->at)
            scan_skip(scan, ' ');
        if (!scan->ok || first > last || !zone_has_pfn(zone, first) || !zone_has_pfn(zone, last))
            return false;
        for (uint32_t pfn = first; pfn <= last; pfn++)
            frame_at(pa->frames, pfn)->flags = FRAME_DRIVER_MOVABLE;
    }
    return scan->ok;
}

static bool state_load_nr_free(struct page_alloc *pa, struct scan *scan) /* a sum that the lists already tell */
{
    const struct zone *zone = state_find_zone(pa, scan);
    uint32_t order = scan_field_below(scan, MAX_ORDER);
    uint32_t nr = scan_field(scan);
    return scan->ok && zone->nr_free[order] == nr;
}

bool state_load_line(struct page_alloc *pa, const char *line)
{
    static const struct {
        const char *word;
        bool (*load)(struct page_alloc *pa, struct scan *scan);
    } LINES[] = {
        { "ZONE", state_load_zone },      { "ZSTAT", state_load_stat },  { "FREE", state_load_free },
        { "NRFREE", state_load_nr_free }, { "PCP", state_load_pcp },     { "PCPL", state_load_pcp_list },
        { "PB", state_load_pageblocks },  { "LRU", state_load_movable },
    };
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        size_t length = strlen(LINES[i].word);
        if (strncmp(line, LINES[i].word, length) == 0 && line[length] == '\t')
            return LINES[i].load(pa, &(struct scan){ .at = line + length, .ok = true });
    }
    return false;
}

void state_load_begin(struct page_alloc *pa)
{
    for (uint32_t pfn = 0; pfn < pa->frames->nr; pfn++) {
        struct frame *frame = frame_at(pa->frames, pfn);
        if (frame->kind == FRAME_FREE || frame->kind == FRAME_PCP || frame->kind == FRAME_RESERVED) {
            frame_set_kind(pa->frames, pfn, FRAME_NONE, 0);
            frame->next = frame->prev = frame->owner = 0;
            frame->flags = 0;
        }
    }
    pa->nr_zones = 0;
    for (uint32_t i = 1; i < pa->pcps.nr_used; i++)
        *(struct pcp *)pool_at(&pa->pcps, i) = (struct pcp){ .batch = 1, .high = 4 };
}

/* Does no block begin inside the block? */
static bool state_block_is_whole(const struct page_alloc *pa, uint32_t pfn)
{
    uint32_t nr = 1u << frame_at(pa->frames, pfn)->order;
    for (uint32_t i = 1; i < nr; i++)
        if (frame_at(pa->frames, pfn + i)->kind != FRAME_NONE)
            return false;
    return true;
}

bool state_load_end(struct page_alloc *pa)
{
    uint32_t pfn = 0;
    while (pfn < pa->frames->nr) {
        const struct frame *frame = frame_at(pa->frames, pfn);
        if (frame->kind != FRAME_NONE) {
            if (!state_block_is_whole(pa, pfn))
                return false;
            pfn += 1u << frame->order;
            continue;
        }
        uint32_t end = pfn + 1; /* movable frames stay blocks of their own */
        bool is_movable = frame->flags & FRAME_DRIVER_MOVABLE;
        while (!is_movable && end < pa->frames->nr && frame_at(pa->frames, end)->kind == FRAME_NONE &&
               !(frame_at(pa->frames, end)->flags & FRAME_DRIVER_MOVABLE))
            end++;
        frames_reserve_range(pa->frames, pfn, end, MAX_ORDER, RESERVED_IN_USE);
        pfn = end;
    }
    return true;
}
