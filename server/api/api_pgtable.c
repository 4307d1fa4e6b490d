/* GET handlers: the walk to an address, the tables on the way, entry by entry, and what the CPUs' TLBs hold. */
#include "server/api/api_view.h"

static void put_flags(struct buffer *out, uint64_t entry)
{
    const char *names[VIEW_ENTRY_FLAGS];
    uint32_t nr = view_entry_flags(entry, names);
    put_field_array(out, "flags");
    for (uint32_t i = 0; i < nr; i++)
        put_text(out, names[i]);
    put_close(out, ']');
}

static bool encode_translate(struct view *view, struct reply *refusal)
{
    struct buffer *out = &view->out;
    uint64_t address, pid = 0;
    struct translation walk;
    if (!view_query_address(view->request, &address, refusal) ||
        !query_u64(view->request, "pid", 0, UINT32_MAX, &pid, refusal))
        return false;
    view_translate(view->machine, address, (uint32_t)pid, &walk);
    view_open(view);
    put_field_hex64(out, "address", address);
    PUT_FIELD(out, &walk, present);
    PUT_FIELD(out, &walk, pfn);
    PUT_FIELD(out, &walk, offset);
    put_key(out, "physical");
    if (walk.present)
        put_hex64(out, ((uint64_t)walk.pfn << PAGE_SHIFT) + walk.offset);
    else
        put_null(out);
    PUT_FIELD(out, &walk, region);
    put_field_u64(out, "page_size", UINT64_C(1) << walk.page_shift);
    put_field_array(out, "levels");
    for (uint32_t i = 0; i < walk.nr_levels; i++) {
        put_open(out, '{');
        PUT_FIELD(out, &walk.levels[i], name);
        PUT_FIELD(out, &walk.levels[i], index);
        PUT_FIELD(out, &walk.levels[i], table_pfn);
        PUT_HEX64(out, &walk.levels[i], entry);
        put_flags(out, walk.levels[i].entry);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
    return true;
}

struct reply translate_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_translate);
}

static void pgtable_put_run(struct buffer *out, const struct entry_run *run)
{
    put_open(out, '{');
    PUT_FIELD(out, run, index);
    PUT_FIELD(out, run, count);
    put_field_text(out, "kind", entry_kind_name(run->kind));
    put_field_u64(out, run->kind == ENTRY_SWAP ? "slot" : "pfn", run->pfn);
    PUT_HEX64(out, run, entry);
    put_flags(out, run->entry);
    put_close(out, '}');
}

static void put_table(struct view *view, const struct table_view *table)
{
    struct buffer *out = &view->out;
    struct entry_run run;
    uint64_t cursor = 0, nr_used = 0;
    put_open(out, '{');
    PUT_FIELD(out, table, name);
    PUT_FIELD(out, table, level);
    PUT_FIELD(out, table, pfn);
    PUT_HEX64(out, table, base);
    PUT_FIELD(out, table, entry_bytes);
    PUT_FIELD(out, table, nr_entries);
    PUT_FIELD(out, table, index);
    put_field_array(out, "entries");
    for (; view_next_entry_run(view->machine, table, &cursor, &run); nr_used += run.count)
        pgtable_put_run(out, &run);
    put_close(out, ']');
    put_field_u64(out, "nr_used", nr_used);
    put_close(out, '}');
}

static bool encode_pgtable(struct view *view, struct reply *refusal)
{
    uint64_t address, pid = 0, level = MAX_LEVELS;
    struct table_view table;
    if (!view_query_address(view->request, &address, refusal) ||
        !query_u64(view->request, "pid", 1, UINT32_MAX, &pid, refusal) ||
        !query_u64(view->request, "level", 0, MAX_LEVELS - 1, &level, refusal))
        return false;
    if (!view_table(view->machine, (uint32_t)pid, address, 0, &table)) {
        *refusal = reply_say(404, "pid", "no page tables lead there: a user-space address needs the process it belongs to");
        return false;
    }
    view_open(view);
    put_field_hex64(&view->out, "address", address);
    put_field_array(&view->out, "tables");
    for (uint32_t i = 0; i < MAX_LEVELS && view_table(view->machine, (uint32_t)pid, address, i, &table); i++)
        if (level == MAX_LEVELS || level == i)
            put_table(view, &table);
    put_close(&view->out, ']');
    put_close(&view->out, '}');
    return true;
}

struct reply pgtable_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_pgtable);
}

static void put_tlb_entry(struct buffer *out, const struct tlb_entry_view *entry)
{
    put_open(out, '{');
    PUT_FIELD(out, entry, set);
    PUT_HEX64(out, entry, address);
    put_field_u64(out, "page_size", UINT64_C(1) << entry->page_shift);
    PUT_FIELD(out, entry, pfn);
    put_key(out, "pid");
    if (entry->pid)
        put_u64(out, entry->pid);
    else
        put_null(out);
    PUT_FIELD(out, entry, age);
    PUT_FIELD(out, entry, stale);
    put_close(out, '}');
}

static bool encode_tlb(struct view *view, struct reply *refusal)
{
    (void)refusal;
    struct buffer *out = &view->out;
    struct tlb_view tlb;
    struct tlb_entry_view entry;
    view_tlb(view->machine, &tlb);
    view_open(view);
    PUT_FIELD(out, &tlb, entries);
    PUT_FIELD(out, &tlb, ways);
    PUT_FIELD(out, &tlb, hits);
    PUT_FIELD(out, &tlb, misses);
    PUT_FIELD(out, &tlb, flushes);
    put_field_array(out, "cpus");
    for (uint32_t cpu = 0; cpu < tlb.nr_cpus; cpu++) {
        uint64_t cursor = 0;
        put_open(out, '{');
        put_field_u64(out, "cpu", cpu);
        put_field_array(out, "translations");
        while (view_next_tlb_entry(view->machine, cpu, &cursor, &entry))
            put_tlb_entry(out, &entry);
        put_close(out, ']');
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
    return true;
}

struct reply tlb_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_tlb);
}
