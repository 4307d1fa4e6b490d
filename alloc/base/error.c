/* Texts of errors, from the list in error.h, and the refusal of a parameter. */
#include "pagoda/error.h"

#include <string.h>

const char *pagoda_error_text(enum pagoda_error error)
{
    static const char *const TEXTS[] = {
#define X(name, text) text,
        PAGODA_ERROR_MAP(X)
#undef X
    };
    return TEXTS[error];
}

/* Copies at most capacity - 1 bytes, always ends with NUL. */
static void copy_text(char *out, size_t capacity, const char *text)
{
    size_t length = strlen(text);
    length = length < capacity ? length : capacity - 1;
    memcpy(out, text, length);
    out[length] = '\0';
}

enum pagoda_error problem_refuse(struct problem *why, const char *field, const char *text)
{
    why->offset = 0;
    copy_text(why->field, sizeof why->field, field);
    copy_text(why->text, sizeof why->text, text);
    return PAGODA_ERR_INVALID;
}
