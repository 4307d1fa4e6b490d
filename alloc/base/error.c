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

enum pagoda_error problem_refuse_at(struct problem *why, size_t offset, const char *field, const char *text)
{
    if (why->text[0])
        return PAGODA_ERR_INVALID; /* the first cause wins */
    why->offset = offset;
    text_print(why->field, sizeof why->field, "%s", field);
    text_print(why->text, sizeof why->text, "%s", text);
    return PAGODA_ERR_INVALID;
}

enum pagoda_error problem_refuse(struct problem *why, const char *field, const char *text)
{
    return problem_refuse_at(why, 0, field, text);
}
