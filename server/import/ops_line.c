/* server/import/ops_line.c - see ops_line.h. */
#include "server/import/ops_line.h"
#include "server/base/number.h"

static bool script_is_blank(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r';
}

/* Reads "12", "-12" or "0x1f". Returns where the number ends; NULL: there is none, or it is beyond 64 bits. */
static const char *script_scan_number(const char *at, const char *end, uint64_t *number)
{
    bool negative = *at == '-';
    at += negative;
    if (number_has_0x(at, (size_t)(end - at)))
        return negative ? NULL : number_scan_hex(at + 2, end, number);
    at = number_scan_decimal(at, end, number);
    if (at && negative)
        *number = -*number;
    return at;
}

bool ops_line_read(const char *line, size_t length, struct ops_line *out)
{
    const char *at = line, *end = line + length;
    out->letter = 0;
    out->nr_numbers = 0;
    while (at < end && script_is_blank(*at))
        at++;
    if (at == end || *at == '#')
        return true;
    out->letter = *at++;
    for (;;) {
        const char *blank = at;
        while (at < end && script_is_blank(*at))
            at++;
        if (at == end)
            return true;
        if (at == blank || out->nr_numbers == 3)
            return false;
        at = script_scan_number(at, end, &out->numbers[out->nr_numbers++]);
        if (!at)
            return false;
    }
}
