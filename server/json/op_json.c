/* server/json/op_json.c - see op_json.h. One decoder for each type of parameter; the table says which parameter has which.
 */
#include "server/json/op_json.h"
#include "pagoda/event.h"
#include "pagoda/gfp.h"
#include "pagoda/view.h"
#include "server/json/op_plain.h"
#include "server/base/problem.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 9007199254740991u /* 2^53-1: what every JSON client holds exactly */

/* ---- scalars ---- */

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

static bool parse_digits(const char *text, size_t length, unsigned base, uint64_t max, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < length; i++) {
        int digit = digit_value(text[i]);
        if (digit < 0 || (unsigned)digit >= base || *value > (max - (unsigned)digit) / base)
            return false;
        *value = *value * base + (unsigned)digit;
    }
    return length > 0;
}

static bool has_0x(const char *text, size_t length)
{
    return length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

bool address_parse(const char *text, size_t length, uint64_t *address)
{
    return has_0x(text, length) && length <= 18 && parse_digits(text + 2, length - 2, 16, UINT64_MAX, address);
}

bool size_parse(const char *text, size_t length, uint64_t *size)
{
    static const char UNITS[] = "KMGT";
    if (has_0x(text, length))
        return parse_digits(text + 2, length - 2, 16, NUMBER_MAX, size);
    const char *unit = length ? memchr(UNITS, text[length - 1] & ~0x20, sizeof UNITS - 1) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - UNITS + 1) : 0;
    if (!parse_digits(text, length - (unit != NULL), 10, NUMBER_MAX >> shift, size))
        return false;
    *size <<= shift;
    return true;
}

static bool number_decode(const json_t *value, const char *field, uint64_t min, uint64_t max, uint64_t *number,
                          struct problem *why)
{
    if (!json_is_integer(value)) {
        problem_say(why, field, json_is_real(value) ? "%s must be a whole number" : "%s must be a number", field);
        return false;
    }
    json_int_t given = json_integer_value(value);
    if (given < 0 || (uint64_t)given < min || (uint64_t)given > max) {
        problem_say(why, field, "%s must be between %llu and %llu", field, (unsigned long long)min,
                    (unsigned long long)max);
        return false;
    }
    *number = (uint64_t)given;
    return true;
}

bool size_decode(const json_t *value, const char *field, uint64_t min, uint64_t max, uint64_t *size, struct problem *why)
{
    if (!json_is_string(value))
        return number_decode(value, field, min, max, size, why);
    if (!size_parse(json_string_value(value), json_string_length(value), size)) {
        problem_say(why, field, "%s must be a whole number of bytes, such as 4096, \"64K\" or \"256M\"", field);
        return false;
    }
    if (*size < min || *size > max) {
        problem_say(why, field, "%s must be between %llu and %llu", field, (unsigned long long)min,
                    (unsigned long long)max);
        return false;
    }
    return true;
}

static bool text_is_given(const json_t *value, const char *field, struct problem *why)
{
    if (!json_is_string(value))
        problem_say(why, field, "%s must be a text", field);
    return json_is_string(value);
}

static bool choice_decode(const json_t *value, enum op_param_id id, uint64_t *number, struct problem *why)
{
    const char *field = op_param_info(id)->name, *word;
    if (!text_is_given(value, field, why))
        return false;
    for (*number = 0; (word = op_choice_name(id, *number)); ++*number)
        if (strcmp(word, json_string_value(value)) == 0)
            return true;
    problem_say(why, field, "there is no %s \"%.40s\"", field, json_string_value(value));
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
    if (!text_is_given(value, field, why))
        return false;
    const char *text = json_string_value(value);
    uint32_t gfp;
    struct problem reason = { 0 };
    if (gfp_parse(text, json_string_length(value), &gfp, &reason)) {
        size_t at = reason.offset < strlen(text) ? reason.offset : 0;
        problem_say(why, field, "\"%.40s\" is not a GFP flag (character %zu)", text + at, at + 1);
        return false;
    }
    *number = gfp;
    return true;
}

static bool find_flag(enum op_param_id id, const char *word, size_t length, uint64_t *bit)
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
    if (!text_is_given(value, field, why))
        return false;
    const char *at = json_string_value(value);
    *number = 0;
    while (*at) {
        uint64_t bit;
        at += strspn(at, " ");
        size_t length = strcspn(at, " |"), blanks = strspn(at + length, " ");
        const char *behind = at + length + blanks;
        bool is_last = *behind == '\0', goes_on = *behind == '|' && behind[1];
        if (!find_flag(id, at, length, &bit) || !(is_last || goes_on)) {
            problem_say(why, field, "\"%.40s\" is not a flag of a cache", at);
            return false;
        }
        *number |= bit;
        at = behind + goes_on;
    }
    return true;
}

static bool hex_decode(const json_t *value, struct op_request *request, struct problem *why)
{
    if (!text_is_given(value, "hex", why))
        return false;
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (length % 2 || length > 2 * OP_DATA_MAX) {
        problem_say(why, "hex", length % 2 ? "hex must have two digits for each byte" : "hex moves more than 65536 bytes");
        return false;
    }
    request->data = malloc(length / 2 + 1);
    if (!request->data)
        return false;
    for (size_t i = 0; i < length; i += 2) {
        int high = digit_value(text[i]), low = digit_value(text[i + 1]);
        if (high < 0 || low < 0) {
            problem_say(why, "hex", "hex has something else than a hexadecimal digit at character %zu", i + 1);
            return false;
        }
        request->data[i / 2] = (uint8_t)(high << 4 | low);
    }
    request->op.data = request->data;
    request->op.nr_data = (uint32_t)(length / 2);
    return true;
}

static bool word_decode(const json_t *value, const struct op_param_info *info, struct text *text, struct problem *why)
{
    if (!text_is_given(value, info->name, why))
        return false;
    *text = (struct text){ json_string_value(value), (uint32_t)json_string_length(value) };
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
    switch (info->type) {
    case TYPE_NUMBER:
        return number_decode(value, info->name, info->min, info->max, number, why);
    case TYPE_SIZE:
        return size_decode(value, info->name, info->min, info->max, number, why);
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

static bool param_decode(const json_t *value, enum op_param_id id, struct op_request *request, struct problem *why)
{
    const struct op_param_info *info = op_param_info(id);
    char *field = (char *)&request->op + info->offset;
    request->op.given |= 1u << id;
    if (info->type == TYPE_HEX)
        return hex_decode(value, request, why);
    if (info->type == TYPE_TEXT) {
        struct text text;
        bool ok = word_decode(value, info, &text, why);
        if (ok)
            memcpy(field, &text, sizeof text);
        return ok;
    }
    uint64_t number;
    if (!scalar_decode(value, id, &number, why))
        return false;
    memcpy(field, &number, info->width); /* hosts are little-endian */
    return true;
}

static bool find_param(const char *name, enum op_param_id *id)
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
    enum op_kind kind;
    if (!value) {
        problem_say(why, "op", "op is missing");
        return false;
    }
    if (!text_is_given(value, "op", why))
        return false;
    if (!op_kind_find(json_string_value(value), json_string_length(value), &kind)) {
        problem_say(why, "op", "there is no operation \"%.40s\"", json_string_value(value));
        return false;
    }
    *op = op_default(kind);
    return true;
}

static bool fields_decode(json_t *root, struct op_request *out, struct problem *why)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        enum op_param_id id;
        if (strcmp(name, "op") == 0)
            continue;
        if (!find_param(name, &id)) {
            problem_say(why, name, "there is no field \"%.40s\"", name);
            return false;
        }
        if (!param_decode(value, id, out, why))
            return false;
    }
    return true;
}

unsigned json_decode(const char *text, size_t length, json_t **root, struct problem *why)
{
    json_error_t error;
    *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!*root) {
        bool is_number = json_error_code(&error) == json_error_numeric_overflow;
        why->offset = error.position > 0 ? (size_t)error.position : 0;
        problem_say(why, "", "%s: %.100s (line %d, column %d)", is_number ? "number out of range" : "not JSON", error.text,
                    error.line, error.column);
        return is_number ? 422 : 400;
    }
    if (json_is_object(*root))
        return 0;
    json_decref(*root);
    *root = NULL;
    problem_say(why, "", "a JSON object is expected");
    return 422;
}

unsigned op_decode(const char *text, size_t length, struct op_request *out, struct problem *why)
{
    *out = (struct op_request){ 0 };
    if (op_read_plain(text, length, &out->op))
        return 0;
    unsigned status = json_decode(text, length, &out->root, why);
    if (status)
        return status;
    if (kind_decode(out->root, &out->op, why) && fields_decode(out->root, out, why) && op_check(&out->op, why) == PAGODA_OK)
        return 0;
    op_request_clear(out);
    return 422;
}

void op_request_clear(struct op_request *request)
{
    json_decref(request->root);
    free(request->data);
    *request = (struct op_request){ 0 };
}

/* ---- the other way ---- */

static uint64_t field_number(const struct op *op, const struct op_param_info *info)
{
    uint64_t number = 0;
    memcpy(&number, (const char *)op + info->offset, info->width);
    return number;
}

/* "SLAB_POISON|SLAB_RED_ZONE"; none: "" */
static void put_flags(struct buffer *out, enum op_param_id id, uint64_t flags)
{
    char words[256] = "";
    const char *name;
    uint64_t bit;
    for (uint32_t i = 0; (name = op_flag_name(id, i, &bit)); i++)
        if (flags & bit) {
            strcat(words, *words ? "|" : "");
            strcat(words, name);
        }
    put_text(out, words);
}

void op_encode_param(struct buffer *out, const struct op *op, enum op_param_id id)
{
    const struct op_param_info *info = op_param_info(id);
    struct text text;
    char gfp[512];
    switch (info->type) {
    case TYPE_NUMBER:
    case TYPE_SIZE:
        put_u64(out, field_number(op, info));
        break;
    case TYPE_ADDRESS:
        put_hex64(out, field_number(op, info));
        break;
    case TYPE_GFP:
        gfp_format(op->gfp, gfp, sizeof gfp);
        put_text(out, gfp);
        break;
    case TYPE_CONTEXT:
    case TYPE_TOUCH:
    case TYPE_CHOICE:
        put_text(out, op_choice_name(id, field_number(op, info)));
        break;
    case TYPE_SIGNED:
        put_i64(out, (int64_t)field_number(op, info));
        break;
    case TYPE_FLAGS:
        put_flags(out, id, field_number(op, info));
        break;
    case TYPE_HEX:
        put_bytes(out, op->data, op->nr_data);
        break;
    case TYPE_TEXT:
        memcpy(&text, (const char *)op + info->offset, sizeof text);
        put_text_n(out, text.start, text.length);
        break;
    }
}

void op_encode_fields(struct buffer *out, const struct op *op)
{
    put_field_text(out, "op", op_info(op->kind)->name);
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        if (op->given & (1u << id)) {
            put_key(out, op_param_info((enum op_param_id)id)->name);
            op_encode_param(out, op, (enum op_param_id)id);
        }
}

/* ---- the table itself ---- */

static void param_names_encode(struct buffer *out, const char *key, uint32_t params)
{
    put_field_array(out, key);
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        if (params & (1u << id))
            put_text(out, op_param_info((enum op_param_id)id)->name);
    put_close(out, ']');
}

static void ops_encode(struct buffer *out)
{
    put_field_array(out, "ops");
    for (unsigned i = 0; i < NR_OPS; i++) {
        const struct op_info *info = op_info((enum op_kind)i);
        put_open(out, '{');
        put_field_text(out, "op", info->name);
        put_field_text(out, "group", info->group);
        put_field_text(out, "doc", info->doc);
        put_field_bool(out, "makes", op_makes_allocation((enum op_kind)i));
        put_field_text(out, "frame_kind", frame_kind_name(frame_kind_of_group(info->group)));
        param_names_encode(out, "needed", info->needed);
        param_names_encode(out, "further", info->further);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void params_encode(struct buffer *out)
{
    static const char *const TYPES[] = { "number", "size",  "address", "text",   "gfp",  "context",
                                         "hex",    "touch", "choice",  "signed", "flags" };
    put_field_array(out, "params");
    for (unsigned id = 0; id < NR_OP_PARAMS; id++) {
        const struct op_param_info *info = op_param_info((enum op_param_id)id);
        const struct op defaults = op_default(OP_KMALLOC);
        put_open(out, '{');
        put_field_text(out, "name", info->name);
        put_field_text(out, "type", TYPES[info->type]);
        put_field_text(out, "unit", info->unit);
        put_field_u64(out, "min", info->min);
        put_field_u64(out, "max", info->max);
        bool has_default =
            info->type != TYPE_TEXT && info->type != TYPE_HEX && info->type != TYPE_ADDRESS && id != PARAM_PID;
        if (has_default) {
            put_key(out, "default");
            op_encode_param(out, &defaults, (enum op_param_id)id);
        }
        uint64_t bit;
        if (op_flag_name((enum op_param_id)id, 0, &bit)) {
            const char *word;
            put_field_array(out, "choices");
            for (uint32_t i = 0; (word = op_flag_name((enum op_param_id)id, i, &bit)); i++)
                put_text(out, word);
            put_close(out, ']');
        }
        if (op_choice_name((enum op_param_id)id, 0)) {
            const char *word;
            put_field_array(out, "choices");
            for (uint64_t number = 0; (word = op_choice_name((enum op_param_id)id, number)); number++)
                put_text(out, word);
            put_close(out, ']');
        }
        put_field_text(out, "doc", info->doc);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void gfp_encode(struct buffer *out)
{
    const char *name;
    uint32_t bits;
    bool is_mask;
    put_field_array(out, "gfp");
    for (uint32_t i = 0; gfp_name_at(i, &name, &bits, &is_mask); i++) {
        put_open(out, '{');
        put_field_text(out, "name", name);
        put_field_hex64(out, "bits", bits);
        put_field_bool(out, "mask", is_mask);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void costs_encode(struct buffer *out)
{
    put_field_array(out, "costs");
    for (unsigned i = 0; i < NR_COST_STEPS; i++) {
        const struct cost_info *info = cost_info((enum cost_step)i);
        put_open(out, '{');
        put_field_text(out, "name", info->name);
        put_field_u64(out, "each_ns", info->each_ns);
        put_field_text(out, "source", info->source);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void kinds_encode(struct buffer *out)
{
    put_field_array(out, "frame_kinds");
    for (unsigned i = 0; i < NR_FRAME_KINDS; i++) {
        char letter[2] = { frame_kind_letter((enum frame_kind)i), '\0' };
        put_open(out, '{');
        put_field_text(out, "name", frame_kind_name((enum frame_kind)i));
        put_field_text(out, "letter", letter);
        put_close(out, '}');
    }
    put_close(out, ']');
}

void op_table_encode(struct buffer *out)
{
    put_open(out, '{');
    ops_encode(out);
    params_encode(out);
    gfp_encode(out);
    put_field_array(out, "contexts");
    for (unsigned i = 0; i < NR_CONTEXTS; i++)
        put_text(out, context_name((enum context)i));
    put_close(out, ']');
    put_field_array(out, "events");
    for (unsigned i = 0; i < NR_EVENTS; i++)
        put_text(out, event_info((enum event_kind)i)->name);
    put_close(out, ']');
    costs_encode(out);
    kinds_encode(out);
    put_close(out, '}');
}
