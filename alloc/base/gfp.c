/* GFP expressions: words joined by '|'. A word is a flag, a combination or a number. Linux v6.1 lib/vsprintf.c:
 * format_flags(), include/trace/events/mmflags.h: __def_gfpflag_names. */
#include "pagoda/gfp.h"

#include <string.h>

static const struct {
    const char *name;
    uint32_t bits;
} NAMES[] = {
#define X(name, bits) { #name, bits },
    GFP_MASK_MAP(X) GFP_BIT_MAP(X)
#undef X
};
enum {
    NR_MASKS = 0
#define X(name, bits) +1
    GFP_MASK_MAP(X)
#undef X
};
#define NR_NAMES (sizeof NAMES / sizeof *NAMES)

/* In the kernel's order. Several combinations may stand side by side: GFP_KERNEL|GFP_DMA. */
static const struct {
    const char *name;
    uint32_t bits;
} PRINTED[] = {
#define P(name)                                                                                                            \
    {                                                                                                                      \
#name, name                                                                                                        \
    }
    P(GFP_TRANSHUGE),
    P(GFP_TRANSHUGE_LIGHT),
    P(GFP_HIGHUSER_MOVABLE),
    P(GFP_HIGHUSER),
    P(GFP_USER),
    P(GFP_KERNEL_ACCOUNT),
    P(GFP_KERNEL),
    P(GFP_NOFS),
    P(GFP_ATOMIC),
    P(GFP_NOIO),
    P(GFP_NOWAIT),
    P(GFP_DMA),
    P(__GFP_HIGHMEM),
    P(GFP_DMA32),
    P(__GFP_HIGH),
    P(__GFP_ATOMIC),
    P(__GFP_IO),
    P(__GFP_FS),
    P(__GFP_NOWARN),
    P(__GFP_RETRY_MAYFAIL),
    P(__GFP_NOFAIL),
    P(__GFP_NORETRY),
    P(__GFP_COMP),
    P(__GFP_ZERO),
    P(__GFP_NOMEMALLOC),
    P(__GFP_MEMALLOC),
    P(__GFP_HARDWALL),
    P(__GFP_THISNODE),
    P(__GFP_RECLAIMABLE),
    P(__GFP_MOVABLE),
    P(__GFP_ACCOUNT),
    P(__GFP_WRITE),
    P(__GFP_RECLAIM),
    P(__GFP_DIRECT_RECLAIM),
    P(__GFP_KSWAPD_RECLAIM),
    P(__GFP_ZEROTAGS),
#undef P
};

bool gfp_name_at(uint32_t i, const char **name, uint32_t *bits, bool *is_mask)
{
    if (i >= NR_NAMES)
        return false;
    *name = NAMES[i].name;
    *bits = NAMES[i].bits;
    *is_mask = i < NR_MASKS;
    return true;
}

/* "0xcc0" or "3264". False: it is no number, or has bits that are no flag. */
static bool gfp_parse_number(const char *word, size_t length, uint32_t *bits)
{
    uint32_t base = length > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X') ? 16 : 10;
    uint64_t value = 0;
    for (size_t i = base == 16 ? 2 : 0; i < length; i++) {
        const char *digits = "0123456789abcdef";
        char c = word[i] >= 'A' && word[i] <= 'F' ? (char)(word[i] - 'A' + 'a') : word[i];
        const char *digit = memchr(digits, c, base);
        if (!digit)
            return false;
        value = value * base + (uint64_t)(digit - digits);
        if (value > GFP_ALL_BITS)
            return false;
    }
    *bits = (uint32_t)value;
    return length > 0;
}

static bool gfp_parse_word(const char *word, size_t length, uint32_t *bits)
{
    for (size_t i = 0; i < NR_NAMES; i++)
        if (strlen(NAMES[i].name) == length && memcmp(NAMES[i].name, word, length) == 0) {
            *bits = NAMES[i].bits;
            return true;
        }
    return gfp_parse_number(word, length, bits);
}

static enum pagoda_error gfp_refuse(struct problem *why, size_t offset)
{
    return problem_refuse_at(why, offset, "gfp",
                             "not a GFP flag; write names joined by '|', such as GFP_KERNEL|__GFP_ZERO");
}

enum pagoda_error gfp_parse(const char *text, size_t length, uint32_t *gfp, struct problem *why)
{
    uint32_t all = 0;
    for (size_t at = 0; at <= length;) {
        const char *bar = memchr(text + at, '|', length - at);
        size_t end = bar ? (size_t)(bar - text) : length;
        size_t from = at, to = end;
        while (from < to && text[from] == ' ')
            from++;
        while (to > from && text[to - 1] == ' ')
            to--;
        uint32_t bits;
        if (!gfp_parse_word(text + from, to - from, &bits))
            return gfp_refuse(why, from);
        all |= bits;
        at = end + 1;
    }
    *gfp = all;
    return PAGODA_OK;
}

static void gfp_add_word(const char *word, char *out, size_t capacity, size_t *length)
{
    size_t nr = strlen(word), bar = *length > 0;
    if (*length + bar + nr + 1 > capacity)
        return;
    if (bar)
        out[(*length)++] = '|';
    memcpy(out + *length, word, nr + 1);
    *length += nr;
}

/* What has no name, as the kernel prints it. */
static void gfp_add_number(uint32_t bits, char *out, size_t capacity, size_t *length)
{
    char word[11] = "0x", *at = word + 2;
    uint32_t shift = 28;
    while (shift && !(bits >> shift))
        shift -= 4;
    for (;; shift -= 4) {
        *at++ = "0123456789abcdef"[bits >> shift & 15];
        if (!shift)
            break;
    }
    *at = '\0';
    gfp_add_word(word, out, capacity, length);
}

size_t gfp_format(uint32_t gfp, const char *none, char *out, size_t capacity)
{
    size_t length = 0;
    if (!gfp)
        gfp_add_word(none, out, capacity, &length);
    for (size_t i = 0; i < sizeof PRINTED / sizeof PRINTED[0] && gfp; i++) {
        if ((gfp & PRINTED[i].bits) != PRINTED[i].bits)
            continue;
        gfp_add_word(PRINTED[i].name, out, capacity, &length);
        gfp &= ~PRINTED[i].bits;
    }
    if (gfp)
        gfp_add_number(gfp, out, capacity, &length);
    return length;
}
