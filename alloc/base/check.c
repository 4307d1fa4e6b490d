/* The last step of every floor's check: see check.h. */
#include "alloc/base/check.h"

#include <string.h>

bool check_report(const char *wrong, char *text, size_t capacity)
{
    if (wrong && capacity) {
        size_t length = strlen(wrong) < capacity ? strlen(wrong) : capacity - 1;
        memcpy(text, wrong, length);
        text[length] = '\0';
    }
    return !wrong;
}
