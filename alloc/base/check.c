/* The last step of every floor's check: see check.h. */
#include "alloc/base/check.h"

#include "alloc/base/text.h"

bool check_report(const char *wrong, char *text, size_t capacity)
{
    if (wrong)
        text_print(text, capacity, "%s", wrong);
    return !wrong;
}
