/* GFP expressions: words joined by '|'. A word is a flag, a combination or a number. A number is written as the largest
 * combination that fits, then single flags, as the kernel's trace events print it. */
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

size_t gfp_format(uint32_t gfp, char *out, size_t capacity)
{
    size_t length = 0;
    for (size_t i = 0; i < NR_NAMES && capacity; i++) {
        bool first = length == 0;
        if (!gfp || (gfp & NAMES[i].bits) != NAMES[i].bits || (i < NR_MASKS && !first))
            continue;
        size_t n = strlen(NAMES[i].name);
        if (length + n + 2 > capacity)
            break;
        if (!first)
            out[length++] = '|';
        memcpy(out + length, NAMES[i].name, n);
        length += n;
        gfp &= ~NAMES[i].bits;
    }
    if (length == 0 && capacity > 1)
        out[length++] = '0';
    if (capacity)
        out[length] = '\0';
    return length;
}
