/* server/base/number.c - see number.h. */
#include "server/base/number.h"

#include <string.h>

#define ADDRESS_DIGITS 16u

bool number_parse(const char *text, size_t length, uint64_t *value)
{
    const char *end = text + length;
    return number_scan_decimal(text, end, value) == end;
}

bool number_parse_hex(const char *text, size_t length, uint64_t *value)
{
    const char *end = text + length;
    return number_scan_hex(number_has_0x(text, length) ? text + 2 : text, end, value) == end;
}

bool address_parse(const char *text, size_t length, uint64_t *address)
{
    return number_has_0x(text, length) && length <= 2 + ADDRESS_DIGITS && number_parse_hex(text, length, address);
}

bool size_parse(const char *text, size_t length, uint64_t *size)
{
    static const char UNITS[] = "KMGT";
    if (number_has_0x(text, length))
        return number_parse_hex(text, length, size) && *size <= NUMBER_JSON_MAX;
    const char *unit = length ? memchr(UNITS, text[length - 1] & ~0x20, sizeof UNITS - 1) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - UNITS + 1) : 0;
    if (!number_parse(text, length - (unit != NULL), size) || *size > NUMBER_JSON_MAX >> shift)
        return false;
    *size <<= shift;
    return true;
}
