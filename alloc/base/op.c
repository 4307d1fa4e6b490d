/* The table of operations, made from pagoda/op.h, and the checks that need nothing but the table. */
#include "alloc/base/text.h"
#include "pagoda/gfp.h"
#include "pagoda/op.h"

#include <string.h>

static const struct op_info OPS[NR_OPS] = {
#define X(id, name, needed, further, group, doc) [id] = { #name, group, doc, id##_NEEDS, id##_TAKES },
    OP_MAP(X)
#undef X
};

static const char *const CONTEXTS[] = { "process", "softirq", "tasklet", "hardirq" };
static const char *const TOUCHES[] = { "headers", "all", "none" };
#define X(id, word) word,
static const char *const PROTS[] = { PROT_MAP(X) };
static const char *const ADVICES[] = { ADVICE_MAP(X) };
static const char *const RESOURCES[] = { RESOURCE_MAP(X) };
static const char *const MALLOPTS[] = { MALLOPT_MAP(X) };
#undef X
static const char *const *const CHOICES[NR_OP_PARAMS] = {
    [PARAM_CONTEXT] = CONTEXTS, [PARAM_TOUCH] = TOUCHES,      [PARAM_PROT] = PROTS,
    [PARAM_ADVICE] = ADVICES,   [PARAM_RESOURCE] = RESOURCES, [PARAM_OPTION] = MALLOPTS,
};

static const struct op_param_info PARAMS[NR_OP_PARAMS] = {
#define X(id, name, field, type, unit, min, max, def, doc)                                                                 \
    [id] = { name, type, unit, min, max, def, doc, offsetof(struct op, field), sizeof(((struct op *)0)->field) },
    OP_PARAM_MAP(X)
#undef X
};

const struct op_info *op_info(enum op_kind kind)
{
    return &OPS[kind];
}

const struct op_param_info *op_param_info(enum op_param_id id)
{
    return &PARAMS[id];
}

bool op_makes_allocation(enum op_kind kind)
{
    return (op_info(kind)->further & OP_BIT(NAME)) != 0 && kind != OP_SPAWN; /* spawn's name is the process's */
}

bool op_kind_find(const char *name, size_t length, enum op_kind *kind)
{
    for (unsigned i = 0; i < NR_OPS; i++)
        if (strlen(OPS[i].name) == length && memcmp(OPS[i].name, name, length) == 0) {
            *kind = (enum op_kind)i;
            return true;
        }
    return false;
}

struct op op_default(enum op_kind kind)
{
#define DEFAULT_TYPE_NUMBER(field_, value) .field_ = (value),
#define DEFAULT_TYPE_SIZE(field_, value) .field_ = (value),
#define DEFAULT_TYPE_ADDRESS(field_, value) .field_ = (value),
#define DEFAULT_TYPE_GFP(field_, value) .field_ = (value),
#define DEFAULT_TYPE_CONTEXT(field_, value) .field_ = (value),
#define DEFAULT_TYPE_TOUCH(field_, value) .field_ = (value),
#define DEFAULT_TYPE_CHOICE(field_, value) .field_ = (value),
#define DEFAULT_TYPE_SIGNED(field_, value) .field_ = (value),
#define DEFAULT_TYPE_FLAGS(field_, value) .field_ = (value),
#define DEFAULT_TYPE_TEXT(field_, value)
#define DEFAULT_TYPE_HEX(field_, value)
#define X(id, name, field, type, unit, min, max, def, doc) DEFAULT_##type(field, def)
    static const struct op DEFAULTS = { OP_PARAM_MAP(X) };
#undef X
    struct op op = DEFAULTS;
    op.kind = kind;
    return op;
}

const char *outcome_name(enum outcome outcome)
{
    static const char *const NAMES[] = { "ok", "null", "bug" };
    return NAMES[outcome];
}

const char *op_choice_name(enum op_param_id id, uint64_t number)
{
    return CHOICES[id] && number <= PARAMS[id].max ? CHOICES[id][number] : NULL;
}

const char *op_flag_name(enum op_param_id id, uint32_t i, uint64_t *bit)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } FLAGS[] = {
#define X(flag, number) { #flag, number },
        SLAB_FLAG_MAP(X)
#undef X
    };
    if (PARAMS[id].type != TYPE_FLAGS || i >= sizeof FLAGS / sizeof FLAGS[0])
        return NULL;
    *bit = FLAGS[i].bit;
    return FLAGS[i].name;
}

const char *context_name(enum context context)
{
    return CONTEXTS[context];
}

/* Is a needed parameter given? A name stands for an address; fill and length stand for hex. */
static bool op_param_is_there(uint32_t given, enum op_param_id id)
{
    if (given & (1u << id))
        return true;
    if (id == PARAM_ADDRESS)
        return (given & OP_BIT(NAME)) != 0;
    return id == PARAM_HEX && (given & (OP_BIT(FILL) | OP_BIT(LENGTH))) == (OP_BIT(FILL) | OP_BIT(LENGTH));
}

/* --- ranges --- */

_Static_assert(offsetof(struct op, option) == offsetof(struct op, order) + 7, "the numbers that are bytes lie in a row");

/* Are the numbers that are bytes all in range? They lie in a row of eight, so one word holds them all.
 *
 *      byte + RAISE > 127, if and only if byte > max        RAISE = 127 - max
 *
 * TOP is the top bit of each byte that has a range; the byte of fill has none. A byte of 128 or more may carry into its
 * neighbour, but then the answer is no in any case. */
static bool op_are_bytes_in_range(const struct op *op)
{
#define X(id, name, field, type, unit, min, max, ...)                                                                      \
    [offsetof(struct op, field)] = (uint8_t)(sizeof(op->field) == 1 && (max) < 128 ? 127 - (max) : 0),
    static const uint8_t RAISE[sizeof(struct op)] = { OP_PARAM_MAP(X) };
#undef X
#define X(id, name, field, type, unit, min, max, ...)                                                                      \
    [offsetof(struct op, field)] = (uint8_t)(sizeof(op->field) == 1 && (max) < 128 ? 128 : 0),
    static const uint8_t TOP[sizeof(struct op)] = { OP_PARAM_MAP(X) };
#undef X
    uint64_t bytes, raise, top;
    memcpy(&bytes, (const uint8_t *)op + offsetof(struct op, order), sizeof bytes);
    memcpy(&raise, RAISE + offsetof(struct op, order), sizeof raise);
    memcpy(&top, TOP + offsetof(struct op, order), sizeof top);
    bytes &= top | (top - (top >> 7)); /* without what fills */
    return !((bytes | (bytes + raise)) & top);
}

/* The same of the numbers of 16 and 32 bits. */
static bool op_are_words_in_range(const struct op *op)
{
#define BEYOND_TYPE_NUMBER(value, max) ((value) > (max))
#define BEYOND_TYPE_GFP(value, max) (((value) & ~(uint32_t)(max)) != 0)
#define BEYOND_TYPE_FLAGS(value, max) BEYOND_TYPE_GFP(value, max)
#define BEYOND_TYPE_SIZE(value, max) false
#define BEYOND_TYPE_ADDRESS(value, max) false
#define BEYOND_TYPE_TEXT(value, max) false
#define BEYOND_TYPE_CONTEXT(value, max) false
#define BEYOND_TYPE_HEX(value, max) false
#define BEYOND_TYPE_TOUCH(value, max) false
#define BEYOND_TYPE_CHOICE(value, max) false
#define BEYOND_TYPE_SIGNED(value, max) false
#define X(id, name, field, type, unit, min, max, ...)                                                                      \
    || ((sizeof op->field == 2 || sizeof op->field == 4) && BEYOND_##type(op->field, max))
    return !(false OP_PARAM_MAP(X));
#undef X
}

struct text op_text(const struct op *op, enum op_param_id id)
{
    struct text text;
    memcpy(&text, (const uint8_t *)op + op_param_info(id)->offset, sizeof text);
    return text;
}

void op_set_text(struct op *op, enum op_param_id id, struct text text)
{
    memcpy((uint8_t *)op + op_param_info(id)->offset, &text, sizeof text);
}

/* Hosts are little-endian. */
uint64_t op_number(const struct op *op, enum op_param_id id)
{
    uint64_t number = 0;
    memcpy(&number, (const uint8_t *)op + op_param_info(id)->offset, op_param_info(id)->width);
    return number;
}

void op_set_number(struct op *op, enum op_param_id id, uint64_t number)
{
    memcpy((uint8_t *)op + op_param_info(id)->offset, &number, op_param_info(id)->width);
}

/* Numbers of 64 bits are not bounded here: their maxima in the table are those of JSON. */
static bool op_param_is_in_range(const struct op *op, enum op_param_id id)
{
    const struct op_param_info *param = op_param_info(id);
    switch (param->type) {
    case TYPE_TEXT:
        return op_text(op, id).length <= param->max;
    case TYPE_HEX:
        return op->nr_data <= param->max / 2;
    case TYPE_GFP:
    case TYPE_FLAGS:
        return !(op_number(op, id) & ~param->max);
    default:
        return param->width == 8 || op_number(op, id) <= param->max;
    }
}

static enum pagoda_error op_refuse_range(struct problem *why, const struct op_param_info *param)
{
    char text[sizeof why->text] = "out of range";
    if (param->type == TYPE_TEXT)
        text_print(text, sizeof text, "longer than %ju bytes", param->max);
    else if (param->type == TYPE_HEX)
        text_print(text, sizeof text, "one write takes at most %ju bytes; fill may be longer", param->max / 2);
    else if (param->type == TYPE_GFP)
        text_print(text, sizeof text, "has bits that are no GFP flag");
    else if (param->type == TYPE_FLAGS)
        text_print(text, sizeof text, "has bits that are no flag of a new cache");
    else if (param->type == TYPE_CONTEXT)
        text_print(text, sizeof text, "there is no such context");
    else if (param->type == TYPE_TOUCH)
        text_print(text, sizeof text, "headers, all or none");
    return problem_refuse(why, param->name, text);
}

static enum pagoda_error op_check_each_range(const struct op *op, struct problem *why)
{
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        if (!op_param_is_in_range(op, (enum op_param_id)id))
            return op_refuse_range(why, &PARAMS[id]);
    return PAGODA_OK;
}

/* Few operations have texts. Nearly all others pass the two tests that look at many parameters at once. */
static enum pagoda_error op_check_ranges(const struct op *op, struct problem *why)
{
    if ((op->given & (OP_TEXT_BITS | OP_BIT(HEX))) || !op_are_bytes_in_range(op) || !op_are_words_in_range(op)) {
        enum pagoda_error err = op_check_each_range(op, why);
        if (err)
            return err;
    }
    if ((op->given & OP_BIT(PID)) && op->pid < PARAMS[PARAM_PID].min)
        return problem_refuse(why, "pid", "out of range");
    if (op->kind == OP_READ && op->length > OP_DATA_MAX)
        return problem_refuse(why, "length", "one read gives at most 65536 bytes");
    return PAGODA_OK;
}

/* --- what is given --- */

/* The first parameter that stands where it may not, or is missing. */
static enum pagoda_error op_refuse_given(const struct op *op, uint32_t allowed, uint32_t needed, struct problem *why)
{
    for (unsigned id = 0; id < NR_OP_PARAMS; id++) {
        if ((op->given & (1u << id)) && !(allowed & (1u << id)))
            return problem_refuse(why, PARAMS[id].name,
                                  id == PARAM_GFP ? "this call takes no flags" : "this call does not take it");
        if ((needed & (1u << id)) && !op_param_is_there(op->given, (enum op_param_id)id))
            return problem_refuse(why, PARAMS[id].name, "is needed");
    }
    return PAGODA_OK;
}

enum pagoda_error op_check(const struct op *op, struct problem *why)
{
    if ((unsigned)op->kind >= NR_OPS)
        return problem_refuse(why, "op", "there is no such operation");
    uint32_t given = op->given, needed = OPS[op->kind].needed;
    uint32_t allowed = needed | OPS[op->kind].further | (needed & OP_BIT(ADDRESS) ? OP_BIT(NAME) : 0);
    if ((given & ~allowed) || (given & needed) != needed) {
        enum pagoda_error err = op_refuse_given(op, allowed, needed, why);
        if (err)
            return err;
    }
    if ((given & OP_BIT(HEX)) && (given & OP_BIT(FILL)))
        return problem_refuse(why, "fill", "either hex or fill, not both");
    if ((needed & OP_BIT(ADDRESS)) && (given & OP_BIT(NAME)) && (given & OP_BIT(ADDRESS)))
        return problem_refuse(why, "name", "either name or address, not both");
    return op_check_ranges(op, why);
}
