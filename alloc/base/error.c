/* Texts of errors, from the list in error.h, and the refusal of a parameter. */
#include "pagoda/error.h"

#include "alloc/base/text.h"

const char *pagoda_error_text(enum pagoda_error error)
{
    static const char *const TEXTS[] = {
#define X(name, text) text,
        PAGODA_ERROR_MAP(X)
#undef X
    };
    return TEXTS[error];
}

enum pagoda_error problem_refuse(struct problem *why, const char *field, const char *text)
{
    why->offset = 0;
    text_print(why->field, sizeof why->field, "%s", field);
    text_print(why->text, sizeof why->text, "%s", text);
    return PAGODA_ERR_INVALID;
}
