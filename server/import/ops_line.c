/* server/import/ops_line.c - see ops_line.h. */
#include "server/import/ops_line.h"

static bool is_blank(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r';
}

static const char *read_hex(const char *at, const char *end, uint64_t *number)
{
    uint64_t sum = 0;
    const char *start = at;
    for (; at < end; at++) {
        unsigned letter = (unsigned char)*at, lower = letter | 0x20u;
        unsigned digit = letter - '0' < 10u ? letter - '0' : lower - 'a' < 6u ? lower - 'a' + 10 : 16;
        if (digit == 16)
            break;
        if (sum >> 60)
            return NULL;
        sum = sum << 4 | digit;
    }
    *number = sum;
    return at > start ? at : NULL;
}

/* The end of the number; NULL: there is none, or it is too large. */
static const char *read_number(const char *at, const char *end, uint64_t *number)
{
    bool negative = *at == '-';
    at += negative;
    if (end - at > 2 && at[0] == '0' && (at[1] | 0x20) == 'x')
        return negative ? NULL : read_hex(at + 2, end, number);
    const char *start = at;
    uint64_t sum = 0;
    for (; at < end; at++) {
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (digit > 9)
            break;
        if (sum > (UINT64_MAX - digit) / 10)
            return NULL;
        sum = sum * 10 + digit;
    }
    *number = negative ? -sum : sum;
    return at > start ? at : NULL;
}

bool ops_line_read(const char *line, size_t length, struct ops_line *out)
{
    const char *at = line, *end = line + length;
    out->letter = 0;
    out->nr_numbers = 0;
    while (at < end && is_blank(*at))
        at++;
    if (at == end || *at == '#')
        return true;
    out->letter = *at++;
    for (;;) {
        const char *blank = at;
        while (at < end && is_blank(*at))
            at++;
        if (at == end)
            return true;
        if (at == blank || out->nr_numbers == 3)
            return false;
        at = read_number(at, end, &out->numbers[out->nr_numbers++]);
        if (!at)
            return false;
    }
}
