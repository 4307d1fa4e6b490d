/* The op table made from pagoda/op.h, and the checks that need nothing but the table. */
#include "pagoda/gfp.h"
#include "pagoda/op.h"

#include <string.h>

static const struct op_info OPS[NR_OPS] = {
#define X(id, name, needed, further, group, doc) [id] = { name, group, doc, needed, further },
    OP_MAP(X)
#undef X
};

/* Where struct op keeps each parameter. */
#define AT_PARAM_SIZE size
#define AT_PARAM_N n
#define AT_PARAM_GFP gfp
#define AT_PARAM_ORDER order
#define AT_PARAM_ADDRESS address
#define AT_PARAM_NAME name
#define AT_PARAM_CACHE cache
#define AT_PARAM_CALL_SITE call_site
#define AT_PARAM_CONTEXT context
#define AT_PARAM_CPU cpu
#define AT_PARAM_PID pid
#define AT_PARAM_ALIGN align
#define AT_PARAM_LENGTH length
#define AT_PARAM_HEX data
#define AT_PARAM_FILL fill
#define AT_PARAM_DURATION duration_ns
#define AT_PARAM_TOUCH touch
#define AT_PARAM_TEXT text
#define AT_PARAM_TID tid
#define AT_PARAM_PROT prot
#define AT_PARAM_ADVICE advice
#define AT_PARAM_RESOURCE resource
#define AT_PARAM_OPTION option
#define AT_PARAM_VALUE value
#define AT_PARAM_INCREMENT increment
#define AT_PARAM_PAD pad
#define AT_PARAM_NEW_LENGTH new_length
#define AT_PARAM_TUNABLES tunables
#define AT_PARAM_FLAGS flags

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
#define X(id, name, type, unit, min, max, def, doc)                                                                        \
    [id] = { name, type, unit, min, max, def, doc, offsetof(struct op, AT_##id), sizeof(((struct op *)0)->AT_##id) },
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
    return (op_info(kind)->further & P(NAME)) != 0 && kind != OP_SPAWN; /* spawn's name is the process's */
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
    return (struct op){ .kind = kind,
                        .n = PARAMS[PARAM_N].default_value,
                        .gfp = (uint32_t)PARAMS[PARAM_GFP].default_value,
                        .prot = (uint8_t)PARAMS[PARAM_PROT].default_value,
                        .duration_ns = PARAMS[PARAM_DURATION].default_value };
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

const char *touch_name(enum touch touch)
{
    return TOUCHES[touch];
}

/* Another parameter may stand in for a needed one: a name for an address, fill and length for hex. */
static bool is_there(uint32_t given, enum op_param_id id)
{
    if (given & (1u << id))
        return true;
    if (id == PARAM_ADDRESS)
        return (given & P(NAME)) != 0;
    return id == PARAM_HEX && (given & (P(FILL) | P(LENGTH))) == (P(FILL) | P(LENGTH));
}

_Static_assert(offsetof(struct op, option) == offsetof(struct op, order) + 7, "the numbers that are bytes lie in a row");

/* Are the small numbers, which lie in a row, all in range? Each byte is raised by what its range leaves of 127, so that its
 * top bit tells. Where a byte is too large the answer may be wrong for its neighbour: then each is looked at. */
static bool are_bytes_in_range(const struct op *op)
{
    static const uint8_t RAISE[8] = { 127 - 63,
                                      127 - (NR_CONTEXTS - 1),
                                      0,
                                      127 - (NR_TOUCHES - 1),
                                      127 - (NR_PROTS - 1),
                                      127 - (NR_ADVICES - 1),
                                      127 - (NR_RESOURCES - 1),
                                      127 - (NR_MALLOPT_OPTIONS - 1) };
    static const uint8_t TOP[8] = { 128, 128, 0, 128, 128, 128, 128, 128 }; /* any byte may fill */
    uint64_t bytes, raise, top;
    memcpy(&bytes, (const uint8_t *)op + offsetof(struct op, order), sizeof bytes);
    memcpy(&raise, RAISE, sizeof raise);
    memcpy(&top, TOP, sizeof top);
    bytes &= top | (top - (top >> 7));
    return !((bytes | (bytes + raise)) & top);
}

static enum pagoda_error check_bytes(const struct op *op, struct problem *why)
{
    if (op->context >= NR_CONTEXTS)
        return problem_refuse(why, "context", "there is no such context");
    if (op->order > PARAMS[PARAM_ORDER].max)
        return problem_refuse(why, "order", "out of range");
    if (op->touch >= NR_TOUCHES)
        return problem_refuse(why, "touch", "headers, all or none");
    if (op->prot >= NR_PROTS)
        return problem_refuse(why, "prot", "out of range");
    if (op->advice >= NR_ADVICES)
        return problem_refuse(why, "advice", "out of range");
    if (op->resource >= NR_RESOURCES)
        return problem_refuse(why, "resource", "out of range");
    if (op->option >= NR_MALLOPT_OPTIONS)
        return problem_refuse(why, "option", "out of range");
    return PAGODA_OK;
}

static enum pagoda_error check_ranges(const struct op *op, struct problem *why)
{
    enum pagoda_error err = are_bytes_in_range(op) ? PAGODA_OK : check_bytes(op, why);
    if (err)
        return err;
    if (op->gfp & ~(uint32_t)GFP_ALL_BITS)
        return problem_refuse(why, "gfp", "has bits that are no GFP flag");
    if ((op->given & P(PID)) && (op->pid < 1 || op->pid > PARAMS[PARAM_PID].max))
        return problem_refuse(why, "pid", "out of range");
    if (op->flags & ~(uint32_t)SLAB_FLAGS_ALL)
        return problem_refuse(why, "flags", "has bits that are no flag of a new cache");
    if (op->cpu > PARAMS[PARAM_CPU].max)
        return problem_refuse(why, "cpu", "out of range");
    if (op->tid > PARAMS[PARAM_TID].max)
        return problem_refuse(why, "tid", "out of range");
    if (op->tunables.length > PARAMS[PARAM_TUNABLES].max)
        return problem_refuse(why, "tunables", "longer than 200 bytes");
    if (!(op->given & (P(NAME) | P(CACHE) | P(CALL_SITE) | P(TEXT) | P(LENGTH) | P(HEX))))
        return PAGODA_OK;
    const struct text texts[] = { op->name, op->cache, op->call_site };
    static const char *const NAMES[] = { "name", "cache", "call_site" };
    for (unsigned i = 0; i < 3; i++)
        if (texts[i].length > PARAMS[PARAM_NAME].max)
            return problem_refuse(why, NAMES[i], "longer than 63 bytes");
    if (op->text.length > PARAMS[PARAM_TEXT].max)
        return problem_refuse(why, "text", "longer than 200 bytes");
    if (op->kind == OP_READ && op->length > OP_DATA_MAX)
        return problem_refuse(why, "length", "one read gives at most 65536 bytes");
    if (op->nr_data > OP_DATA_MAX)
        return problem_refuse(why, "hex", "one write takes at most 65536 bytes; fill may be longer");
    return PAGODA_OK;
}

/* The first parameter that stands where it may not, or is missing. */
static enum pagoda_error refuse_given(const struct op *op, uint32_t allowed, uint32_t needed, struct problem *why)
{
    for (unsigned id = 0; id < NR_OP_PARAMS; id++) {
        if ((op->given & (1u << id)) && !(allowed & (1u << id)))
            return problem_refuse(why, PARAMS[id].name,
                                  id == PARAM_GFP ? "this call takes no flags" : "this call does not take it");
        if ((needed & (1u << id)) && !is_there(op->given, (enum op_param_id)id))
            return problem_refuse(why, PARAMS[id].name, "is needed");
    }
    return PAGODA_OK;
}

enum pagoda_error op_check(const struct op *op, struct problem *why)
{
    if ((unsigned)op->kind >= NR_OPS)
        return problem_refuse(why, "op", "there is no such operation");
    uint32_t given = op->given, needed = OPS[op->kind].needed;
    uint32_t allowed = needed | OPS[op->kind].further | (needed & P(ADDRESS) ? P(NAME) : 0);
    if ((given & ~allowed) || (given & needed) != needed) {
        enum pagoda_error err = refuse_given(op, allowed, needed, why);
        if (err)
            return err;
    }
    if ((given & P(HEX)) && (given & P(FILL)))
        return problem_refuse(why, "fill", "either hex or fill, not both");
    if ((needed & P(ADDRESS)) && (given & P(NAME)) && (given & P(ADDRESS)))
        return problem_refuse(why, "name", "either name or address, not both");
    return check_ranges(op, why);
}
