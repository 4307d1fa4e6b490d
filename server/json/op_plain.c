/* server/json/op_plain.c - see op_plain.h. Imports are millions of lines like
 * {"op":"kmalloc","size":64,"gfp":"GFP_KERNEL"}; a JSON library allocates a dozen times for each. Here one walk over the
 * bytes fills the operation. Whatever is out of the ordinary (escapes, bytes beyond ASCII, signs, fractions, nesting, a
 * field unknown or out of range) is left to op_decode(), so that there is one place that judges and explains. */
#include "server/json/op_plain.h"
#include "pagoda/gfp.h"
#include "server/base/number.h"

#include <string.h>

#define DIGITS_MAX 15 /* below 2^53 */

struct token {
    const char *text; /* NULL: a number */
    size_t length;
    uint64_t number;
};

static void plain_skip_blanks(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r' || **at == '\n'))
        ++*at;
}

static bool plain_take(const char **at, const char *end, char wanted)
{
    plain_skip_blanks(at, end);
    bool is_there = *at < end && **at == wanted;
    *at += is_there;
    return is_there;
}

static bool plain_read_text(const char **at, const char *end, struct token *out)
{
    if (!plain_take(at, end, '"'))
        return false;
    const char *start = *at;
    while (*at < end && **at >= ' ' && **at < 0x7f && **at != '"' && **at != '\\')
        ++*at;
    if (*at == end || **at != '"')
        return false;
    *out = (struct token){ start, (size_t)(*at - start), 0 };
    ++*at;
    return true;
}

static bool plain_read_number(const char **at, const char *end, struct token *out)
{
    const char *start = *at, *stop;
    *out = (struct token){ NULL, 0, 0 };
    stop = number_scan_decimal(start, end - start < DIGITS_MAX ? end : start + DIGITS_MAX, &out->number);
    if (!stop || (stop > start + 1 && *start == '0') || stop == end || !strchr(" \t\r\n,}", *stop))
        return false;
    *at = stop;
    out->length = (size_t)(stop - start);
    return true;
}

static bool plain_read_value(const char **at, const char *end, struct token *out)
{
    plain_skip_blanks(at, end);
    return *at < end && (**at == '"' ? plain_read_text(at, end, out) : plain_read_number(at, end, out));
}

static bool plain_find_param(const struct token *name, enum op_param_id *id)
{
    static const struct {
        const char *name;
        size_t length;
    } NAMES[] = {
#define X(param, text, ...) { text, sizeof text - 1 },
        OP_PARAM_MAP(X)
#undef X
    };
    for (unsigned i = 0; i < NR_OP_PARAMS; i++)
        if (NAMES[i].length == name->length && memcmp(NAMES[i].name, name->text, name->length) == 0) {
            *id = (enum op_param_id)i;
            return true;
        }
    return false;
}

static bool plain_find_choice(const struct token *value, enum op_param_id id, uint64_t *number)
{
    const char *word;
    for (*number = 0; (word = op_choice_name(id, *number)); ++*number)
        if (strlen(word) == value->length && memcmp(word, value->text, value->length) == 0)
            return true;
    return false;
}

static bool plain_read_scalar(const struct token *value, enum op_param_id id, uint64_t *number)
{
    const struct op_param_info *info = op_param_info(id);
    struct problem ignored = { 0 };
    uint32_t gfp;
    *number = value->number;
    switch (info->type) {
    case TYPE_NUMBER:
        return !value->text && *number >= info->min && *number <= info->max;
    case TYPE_SIZE:
        return (!value->text || size_parse(value->text, value->length, number)) && *number >= info->min &&
               *number <= info->max;
    case TYPE_ADDRESS:
        return value->text && address_parse(value->text, value->length, number);
    case TYPE_GFP:
        if (!value->text || gfp_parse(value->text, value->length, &gfp, &ignored))
            return false;
        *number = gfp;
        return true;
    case TYPE_CONTEXT:
    case TYPE_TOUCH:
    case TYPE_CHOICE:
        return value->text && plain_find_choice(value, id, number);
    default:
        return false;
    }
}

static bool plain_read_param(const struct token *value, enum op_param_id id, struct op *op)
{
    const struct op_param_info *info = op_param_info(id);
    if (op->given & (1u << id))
        return false;
    op->given |= 1u << id;
    if (info->type == TYPE_TEXT) {
        struct text text = { value->text, (uint32_t)value->length };
        op_set_text(op, id, text);
        return value->text && value->length >= info->min && value->length <= info->max;
    }
    uint64_t number;
    if (!plain_read_scalar(value, id, &number))
        return false;
    op_set_number(op, id, number);
    return true;
}

static bool plain_read_kind(const char **at, const char *end, struct op *op)
{
    struct token name, value;
    enum op_kind kind;
    if (!plain_take(at, end, '{') || !plain_read_text(at, end, &name) || name.length != 2 ||
        memcmp(name.text, "op", 2) != 0 || !plain_take(at, end, ':') || !plain_read_text(at, end, &value) ||
        !op_kind_find(value.text, value.length, &kind))
        return false;
    *op = op_default(kind);
    return true;
}

bool op_read_plain(const char *text, size_t length, struct op *op)
{
    const char *at = text, *end = text + length;
    struct problem ignored = { 0 };
    if (!plain_read_kind(&at, end, op))
        return false;
    while (plain_take(&at, end, ',')) {
        struct token name, value;
        enum op_param_id id;
        if (!plain_read_text(&at, end, &name) || !plain_take(&at, end, ':') || !plain_read_value(&at, end, &value) ||
            !plain_find_param(&name, &id) || !plain_read_param(&value, id, op))
            return false;
    }
    if (!plain_take(&at, end, '}'))
        return false;
    plain_skip_blanks(&at, end);
    return at == end && op_check(op, &ignored) == PAGODA_OK;
}
