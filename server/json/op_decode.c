/* server/json/op_decode.c - an operation out of JSON. One decoder for each type of parameter; the engine's table says which
 * parameter has which type. */
#include "pagoda/gfp.h"
#include "server/base/number.h"
#include "server/base/problem.h"
#include "server/json/json_value.h"
#include "server/json/op_json.h"
#include "server/json/op_plain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool choice_decode(const json_t *value, enum op_param_id id, uint64_t *number, struct problem *why)
{
    const char *field = op_param_info(id)->name, *word;
    struct text text;
    if (!text_decode(value, field, &text, why))
        return false;
    for (*number = 0; (word = op_choice_name(id, *number)); ++*number)
        if (strcmp(word, text.start) == 0)
            return true;
    problem_say(why, field, "there is no %s \"%.40s\"", field, text.start);
    return false;
}

static bool signed_decode(const json_t *value, const struct op_param_info *info, uint64_t *number, struct problem *why)
{
    json_int_t given = json_integer_value(value), max = (json_int_t)info->max;
    if (!json_is_integer(value))
        problem_say(why, info->name, "%s must be a whole number", info->name);
    else if (given < -max || given > max)
        problem_say(why, info->name, "%s must be between -%lld and %lld", info->name, (long long)max, (long long)max);
    *number = (uint64_t)given;
    return json_is_integer(value) && given >= -max && given <= max;
}

static bool gfp_decode(const json_t *value, const char *field, uint64_t *number, struct problem *why)
{
    struct text text;
    if (!text_decode(value, field, &text, why))
        return false;
    uint32_t gfp;
    struct problem reason = { 0 };
    if (gfp_parse(text.start, text.length, &gfp, &reason)) {
        size_t at = reason.offset < strlen(text.start) ? reason.offset : 0;
        problem_say(why, field, "\"%.40s\" is not a GFP flag (character %zu)", text.start + at, at + 1);
        return false;
    }
    *number = gfp;
    return true;
}

static bool flag_find(enum op_param_id id, const char *word, size_t length, uint64_t *bit)
{
    const char *name;
    for (uint32_t i = 0; (name = op_flag_name(id, i, bit)); i++)
        if (strlen(name) == length && memcmp(name, word, length) == 0)
            return true;
    return false;
}

static bool flags_decode(const json_t *value, enum op_param_id id, uint64_t *number, struct problem *why)
{
    const char *field = op_param_info(id)->name;
    struct text text;
    if (!text_decode(value, field, &text, why))
        return false;
    const char *at = text.start;
    *number = 0;
    while (*at) {
        uint64_t bit;
        at += strspn(at, " ");
        size_t length = strcspn(at, " |"), blanks = strspn(at + length, " ");
        const char *behind = at + length + blanks;
        bool is_last = *behind == '\0', goes_on = *behind == '|' && behind[1];
        if (!flag_find(id, at, length, &bit) || !(is_last || goes_on)) {
            problem_say(why, field, "\"%.40s\" is not a flag of a cache", at);
            return false;
        }
        *number |= bit;
        at = behind + goes_on;
    }
    return true;
}

/* The bytes that hex stands for. PAGODA_ERR_NOMEM: there is no room for them. */
static enum pagoda_error hex_decode(const json_t *value, struct op_request *request, struct problem *why)
{
    struct text text;
    if (!text_decode(value, "hex", &text, why))
        return PAGODA_ERR_INVALID;
    if (text.length % 2 || text.length > 2 * OP_DATA_MAX)
        return problem_refuse(
            why, "hex", text.length % 2 ? "hex must have two digits for each byte" : "hex moves more than 65536 bytes");
    request->data = malloc(text.length / 2 + 1);
    if (!request->data)
        return PAGODA_ERR_NOMEM;
    for (uint32_t i = 0; i < text.length; i += 2) {
        unsigned high = number_digit(text.start[i]), low = number_digit(text.start[i + 1]);
        if (high > 15 || low > 15) {
            problem_say(why, "hex", "hex has something else than a hexadecimal digit at character %u", i + 1);
            return PAGODA_ERR_INVALID;
        }
        request->data[i / 2] = (uint8_t)(high << 4 | low);
    }
    request->op.data = request->data;
    request->op.nr_data = text.length / 2;
    return PAGODA_OK;
}

static bool word_decode(const json_t *value, const struct op_param_info *info, struct text *text, struct problem *why)
{
    if (!text_decode(value, info->name, text, why))
        return false;
    if (text->length < info->min || text->length > info->max) {
        problem_say(why, info->name, "%s must have %u to %u bytes", info->name, (unsigned)info->min, (unsigned)info->max);
        return false;
    }
    return true;
}

/* ---- one operation ---- */

static bool scalar_decode(const json_t *value, enum op_param_id id, uint64_t *number, struct problem *why)
{
    const struct op_param_info *info = op_param_info(id);
    const struct number_range range = { info->name, info->min, info->max };
    switch (info->type) {
    case TYPE_NUMBER:
        return number_decode(value, &range, number, why);
    case TYPE_SIZE:
        return size_decode(value, &range, number, why);
    case TYPE_GFP:
        return gfp_decode(value, info->name, number, why);
    case TYPE_CONTEXT:
    case TYPE_TOUCH:
    case TYPE_CHOICE:
        return choice_decode(value, id, number, why);
    case TYPE_SIGNED:
        return signed_decode(value, info, number, why);
    case TYPE_FLAGS:
        return flags_decode(value, id, number, why);
    case TYPE_ADDRESS:
        if (json_is_string(value) && address_parse(json_string_value(value), json_string_length(value), number))
            return true;
        problem_say(why, info->name, "%s must be a text such as \"0xffff888000000000\"", info->name);
        return false;
    case TYPE_TEXT:
    case TYPE_HEX:
        break;
    }
    return false;
}

static enum pagoda_error param_decode(const json_t *value, enum op_param_id id, struct op_request *request,
                                      struct problem *why)
{
    const struct op_param_info *info = op_param_info(id);
    request->op.given |= 1u << id;
    if (info->type == TYPE_HEX)
        return hex_decode(value, request, why);
    if (info->type == TYPE_TEXT) {
        struct text text;
        if (!word_decode(value, info, &text, why))
            return PAGODA_ERR_INVALID;
        op_set_text(&request->op, id, text);
        return PAGODA_OK;
    }
    uint64_t number;
    if (!scalar_decode(value, id, &number, why))
        return PAGODA_ERR_INVALID;
    op_set_number(&request->op, id, number);
    return PAGODA_OK;
}

static bool param_find(const char *name, enum op_param_id *id)
{
    for (unsigned i = 0; i < NR_OP_PARAMS; i++)
        if (strcmp(op_param_info((enum op_param_id)i)->name, name) == 0) {
            *id = (enum op_param_id)i;
            return true;
        }
    return false;
}

static bool kind_decode(const json_t *root, struct op *op, struct problem *why)
{
    const json_t *value = json_object_get(root, "op");
    struct text name;
    enum op_kind kind;
    if (!value) {
        problem_say(why, "op", "op is missing");
        return false;
    }
    if (!text_decode(value, "op", &name, why))
        return false;
    if (!op_kind_find(name.start, name.length, &kind)) {
        problem_say(why, "op", "there is no operation \"%.40s\"", name.start);
        return false;
    }
    *op = op_default(kind);
    return true;
}

static enum pagoda_error fields_decode(json_t *root, struct op_request *out, struct problem *why)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        enum op_param_id id;
        if (strcmp(name, "op") == 0)
            continue;
        if (!param_find(name, &id)) {
            problem_say(why, name, "there is no field \"%.40s\"", name);
            return PAGODA_ERR_INVALID;
        }
        enum pagoda_error error = param_decode(value, id, out, why);
        if (error)
            return error;
    }
    return PAGODA_OK;
}

/* hex says by itself how much is written. Recorded operations are not asked: they took the length of hex. */
static enum pagoda_error hex_check(const struct op *op, struct problem *why)
{
    uint32_t both = OP_BIT(HEX) | OP_BIT(LENGTH);
    if ((op->given & both) != both || op->length == op->nr_data)
        return PAGODA_OK;
    problem_say(why, "length", "is %" PRIu64 ", but hex holds %u bytes", op->length, op->nr_data);
    return PAGODA_ERR_INVALID;
}

unsigned op_decode(const char *text, size_t length, struct op_request *out, struct problem *why)
{
    *out = (struct op_request){ 0 };
    if (op_read_plain(text, length, &out->op))
        return 0;
    unsigned status = json_decode(text, length, &out->root, why);
    if (status)
        return status;
    enum pagoda_error error =
        kind_decode(out->root, &out->op, why) ? fields_decode(out->root, out, why) : PAGODA_ERR_INVALID;
    if (!error)
        error = op_check(&out->op, why);
    if (!error)
        error = hex_check(&out->op, why);
    if (!error)
        return 0;
    if (error == PAGODA_ERR_NOMEM)
        problem_say(why, "", "%s", pagoda_error_text(error));
    op_request_clear(out);
    return error_status(error);
}

void op_request_clear(struct op_request *request)
{
    json_decref(request->root);
    free(request->data);
    *request = (struct op_request){ 0 };
}
