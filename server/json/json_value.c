/* server/json/json_value.c - see json_value.h. */
#include "server/json/json_value.h"
#include "server/base/number.h"
#include "server/base/problem.h"

/* The HTTP status of what jansson found wrong with a text. */
static unsigned json_error_status(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_unknown: /* what jansson leaves when it cannot even begin: no room for its buffer */
    case json_error_out_of_memory:
        return 503;
    case json_error_numeric_overflow:
        return 422;
    default:
        return 400;
    }
}

unsigned json_decode(const char *text, size_t length, json_t **root, struct problem *why)
{
    json_error_t error = { 0 }; /* jansson leaves the code unset when it cannot even begin */
    *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(*root))
        return 0;
    if (*root) {
        json_decref(*root);
        *root = NULL;
        problem_say(why, "", "a JSON object is expected");
        return 422;
    }
    unsigned status = json_error_status(&error);
    if (status == 503) {
        problem_say(why, "", "%s", pagoda_error_text(PAGODA_ERR_NOMEM));
        return status;
    }
    if (!why->text[0])
        why->offset = error.position > 0 ? (size_t)error.position : 0;
    problem_say(why, "", "%s: %.100s (line %d, column %d)", status == 422 ? "number out of range" : "not JSON", error.text,
                error.line, error.column);
    return status;
}

static bool range_check(const struct number_range *range, uint64_t number, struct problem *why)
{
    if (number >= range->min && number <= range->max)
        return true;
    problem_say(why, range->field, "%s must be between %llu and %llu", range->field, (unsigned long long)range->min,
                (unsigned long long)range->max);
    return false;
}

bool number_decode(const json_t *value, const struct number_range *range, uint64_t *number, struct problem *why)
{
    const char *field = range->field;
    if (!json_is_integer(value)) {
        problem_say(why, field, json_is_real(value) ? "%s must be a whole number" : "%s must be a number", field);
        return false;
    }
    json_int_t given = json_integer_value(value);
    *number = given < 0 ? UINT64_MAX : (uint64_t)given; /* no range reaches so far */
    return range_check(range, *number, why);
}

bool size_decode(const json_t *value, const struct number_range *range, uint64_t *size, struct problem *why)
{
    const char *field = range->field;
    if (!json_is_string(value))
        return number_decode(value, range, size, why);
    if (!size_parse(json_string_value(value), json_string_length(value), size)) {
        problem_say(why, field, "%s must be a whole number of bytes, such as 4096, \"64K\" or \"256M\"", field);
        return false;
    }
    return range_check(range, *size, why);
}

bool text_decode(const json_t *value, const char *field, struct text *text, struct problem *why)
{
    if (!json_is_string(value)) {
        problem_say(why, field, "%s must be a text", field);
        return false;
    }
    *text = (struct text){ json_string_value(value), (uint32_t)json_string_length(value) };
    return true;
}
