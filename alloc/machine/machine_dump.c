/* A machine made from a recorded state of the page allocator. It boots as usual. Then the recorded state takes the place of
 * its own. What boot took for itself, page tables and the zero page, moves to frames that are in use in the recording. */
#include "alloc/machine/machine_state.h"
#include "alloc/page/state_dump.h"
#include "alloc/page/zone.h"

#include <string.h>

#define BOOT_TABLES_MAX 600u /* the top table, and at most one for each of its entries */

size_t machine_dump_state(const struct machine *machine, char *out, size_t capacity)
{
    if (machine->profile->has_migratetypes)
        return state_dump(&machine->state.pages, out, capacity);
    if (capacity)
        out[0] = '\0';
    return 0;
}

static enum pagoda_error dump_refuse(struct problem *why, size_t line, const char *text)
{
    return problem_refuse_at(why, line, "state", text);
}

/* Frames that boot took, on their way to other places. */
struct luggage {
    uint32_t nr, pfns[BOOT_TABLES_MAX];
    struct frame frames[BOOT_TABLES_MAX];
};

static void luggage_pack(struct machine_state *s, struct luggage *luggage)
{
    for (uint32_t pfn = 0; pfn < s->frames.nr; pfn++) {
        struct frame *frame = frame_at(&s->frames, pfn);
        if (frame->kind != FRAME_PGTABLE || luggage->nr == BOOT_TABLES_MAX)
            continue;
        luggage->pfns[luggage->nr] = pfn;
        luggage->frames[luggage->nr++] = *frame;
        frame_set_kind(&s->frames, pfn, FRAME_NONE, 0);
        *frame = (struct frame){ 0 };
    }
}

static enum pagoda_error dump_load_lines(struct page_alloc *pa, char *text, size_t length, struct problem *why)
{
    size_t line = 0;
    state_load_begin(pa);
    for (size_t at = 0; at < length;) {
        char *end = memchr(text + at, '\n', length - at);
        line++;
        if (!end)
            return dump_refuse(why, line, "the last line is cut short");
        *end = '\0';
        size_t nr_bytes = (size_t)(end - (text + at));
        if (strlen(text + at) != nr_bytes)
            return dump_refuse(why, line, "a NUL in the text");
        if (!state_load_line(pa, text + at))
            return dump_refuse(why, line,
                               "not a line of a state, or one that does not fit the machine or the lines before");
        at += nr_bytes + 1;
    }
    char text_of_check[160] = "blocks overlap";
    if (!state_load_end(pa) || !page_alloc_check(pa, text_of_check, sizeof text_of_check))
        return dump_refuse(why, line, text_of_check);
    return PAGODA_OK;
}

/* Makes a block of the next frame that is in use for good. Returns its pfn; 0: none is left.
 * pfn  in: where to look from; out: where to go on. */
static uint32_t dump_take_reserved(struct page_alloc *pa, uint32_t *pfn)
{
    while (*pfn < pa->frames->nr) {
        struct frame *frame = frame_at(pa->frames, *pfn);
        uint32_t order = frame->order, nr = 1u << order, at = *pfn;
        if (frame->kind == FRAME_RESERVED && !(frame->flags & FRAME_DRIVER_MOVABLE) &&
            zone_has_pfn(zone_of_pfn(pa, at), at)) {
            frame_set_kind(pa->frames, at, FRAME_NONE, 0);
            for (uint32_t i = 1; i < nr; i++) {
                frame_set_kind(pa->frames, at + i, FRAME_RESERVED, 0);
                frame_at(pa->frames, at + i)->owner = RESERVED_IN_USE;
            }
            *pfn = at + 1;
            return at;
        }
        *pfn += nr;
    }
    return 0;
}

/* Puts each table into its new place, and changes the entries of the top table that named the old places. */
static bool luggage_unpack(struct machine *m, const struct luggage *luggage)
{
    struct machine_state *s = &m->state;
    uint32_t at = 1, places[BOOT_TABLES_MAX];
    for (uint32_t i = 0; i < luggage->nr; i++) {
        if (!(places[i] = dump_take_reserved(&s->pages, &at)))
            return false;
        frame_set_kind(&s->frames, places[i], FRAME_PGTABLE, 0);
        struct frame moved = luggage->frames[i];
        *frame_at(&s->frames, places[i]) = moved;
        if (luggage->pfns[i] == s->pgtable.kernel_root)
            s->pgtable.kernel_root = places[i];
    }
    for (uint32_t i = 0; i < 1u << m->profile->pgtable_bits; i++) {
        uint64_t slot = ((uint64_t)s->pgtable.kernel_root << PAGE_SHIFT) + (uint64_t)i * (m->profile->word_bits / 8);
        uint64_t entry = pte_load(&s->frames, m->profile, slot);
        for (uint32_t j = 0; entry && j < luggage->nr; j++)
            if (pte_pfn(entry) == luggage->pfns[j]) {
                pte_store(&s->frames, m->profile, slot, pte_make(places[j], 0) | (entry & (PAGE_SIZE - 1)));
                frame_at(&s->frames, places[j])->index = slot; /* a table knows the entry that leads to it */
                break;
            }
    }
    s->processes.zero_pfn = dump_take_reserved(&s->pages, &at);
    frame_set_kind(&s->frames, s->processes.zero_pfn, FRAME_RESERVED, 0);
    return s->processes.zero_pfn != 0;
}

static enum pagoda_error dump_load_state(struct machine *m, char *text, size_t length, struct problem *why)
{
    struct luggage luggage = { 0 };
    if (!m->profile->has_migratetypes)
        return dump_refuse(why, 0, "this profile's page allocator has no such states");
    luggage_pack(&m->state, &luggage);
    enum pagoda_error err = dump_load_lines(&m->state.pages, text, length, why);
    if (!err && !luggage_unpack(m, &luggage))
        err = dump_refuse(why, 0, "the recording has no frames in use where the kernel's own could be");
    return err;
}

enum pagoda_error machine_create_from_state(const struct machine_config *config, char *text, size_t length,
                                            const struct pagoda_host *host, struct machine **out, struct problem *why)
{
    enum pagoda_error err = machine_create(config, host, out, why);
    if (err)
        return err;
    err = dump_load_state(*out, text, length, why);
    if (err) {
        machine_destroy(*out);
        *out = NULL;
    }
    return err;
}
