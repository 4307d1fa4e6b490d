/* server/import/ftrace_gfp.c - GFP flags of kernels of all ages, as those of Linux 6.1.
 *
 * Names are the same since 4.5, but for some that came and went: those are translated where 6.1 has the same thing under
 * another name, and are nothing where they never mattered for placement. Before 4.5 single flags were printed as GFP_ZERO,
 * without underscores. Tools that cannot evaluate an event's print format print the bits as a number; which kernel's bits
 * they are cannot be known, so they are taken for those of 6.1. */
#include "server/import/ftrace_fields.h"
#include "pagoda/gfp.h"
#include "server/base/number.h"

static const struct {
    const char *name;
    uint32_t bits;
} FOREIGN[] = {
    { "none", 0 },
    { "__GFP_WAIT", __GFP_RECLAIM },         /* until 4.3 */
    { "__GFP_REPEAT", __GFP_RETRY_MAYFAIL }, /* until 4.12 */
    { "GFP_TEMPORARY", GFP_KERNEL | __GFP_RECLAIMABLE },
    { "__GFP_COLD", 0 },
    { "__GFP_NOTRACK", 0 },
    { "__GFP_NO_KSWAPD", 0 },
    { "__GFP_OTHER_NODE", 0 },
    { "__GFP_NOLOCKDEP", 0 },
    { "__GFP_NO_OBJ_EXT", 0 },
    { "__GFP_SKIP_KASAN", 0 },
    { "__GFP_SKIP_KASAN_POISON", 0 },
    { "__GFP_SKIP_KASAN_UNPOISON", 0 },
};

static bool gfp_is_name(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(text, name, length) == 0;
}

/* "0x8c0", "3264"; bits beyond those of 6.1 are dropped by the caller. */
static bool gfp_decode_number(const char *text, size_t length, uint32_t *bits)
{
    uint64_t value = 0;
    bool is_number =
        number_has_0x(text, length) ? number_parse_hex(text, length, &value) : number_parse(text, length, &value);
    *bits = (uint32_t)value;
    return is_number && value <= UINT32_MAX;
}

static bool gfp_decode_name(const char *text, size_t length, uint32_t *bits)
{
    struct problem why = { 0 };
    char longer[64] = "__";
    if (!gfp_parse(text, length, bits, &why) || gfp_decode_number(text, length, bits))
        return true;
    for (size_t i = 0; i < sizeof FOREIGN / sizeof FOREIGN[0]; i++)
        if (gfp_is_name(text, length, FOREIGN[i].name)) {
            *bits = FOREIGN[i].bits;
            return true;
        }
    if (length < 4 || length > sizeof longer - 2 || memcmp(text, "GFP_", 4) != 0)
        return false;
    memcpy(longer + 2, text, length);
    return gfp_decode_name(longer, length + 2, bits);
}

/* False: it has a flag that is not known. */
static bool gfp_decode_names(struct text text, uint32_t *gfp)
{
    const char *at = text.start, *end = at + text.length;
    bool is_known = true;
    *gfp = 0;
    while (at < end) {
        const char *bar = memchr(at, '|', (size_t)(end - at)), *stop = bar ? bar : end;
        uint32_t bits = 0;
        is_known &= gfp_decode_name(at, (size_t)(stop - at), &bits) && !(bits & ~(uint32_t)GFP_ALL_BITS);
        *gfp |= bits & GFP_ALL_BITS;
        at = bar ? bar + 1 : end;
    }
    return is_known;
}

void ftrace_take_gfp(struct cursor *c, struct gfp_memory *gfps, struct ftrace_event *event)
{
    struct text text = take_long_word(c);
    uint32_t slot = (uint32_t)text_hash(text.start, text.length) % GFP_ROWS;
    if (gfps->rows[slot].length != text.length || memcmp(gfps->rows[slot].text, text.start, text.length) != 0) {
        event->has_unknown_gfp = !gfp_decode_names(text, &event->gfp);
        event->has_notrack = text.length && memmem(text.start, text.length, "GFP_NOTRACK", 11);
        if (text.length > sizeof gfps->rows[slot].text)
            return;
        memcpy(gfps->rows[slot].text, text.start, text.length);
        gfps->rows[slot].length = (uint8_t)text.length;
        gfps->rows[slot].has_unknown = event->has_unknown_gfp;
        gfps->rows[slot].has_notrack = event->has_notrack;
        gfps->rows[slot].gfp = event->gfp;
    }
    event->gfp = gfps->rows[slot].gfp;
    event->has_unknown_gfp = gfps->rows[slot].has_unknown;
    event->has_notrack = gfps->rows[slot].has_notrack;
}
