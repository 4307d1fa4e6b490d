/* server/json/op_table.c - what GET /ops answers: the engine's tables of operations, parameters, flags, events and costs,
 * for forms and for scripts. */
#include "pagoda/event.h"
#include "pagoda/gfp.h"
#include "pagoda/view.h"
#include "server/json/op_json.h"

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
        PUT_FIELD(out, info, group);
        PUT_FIELD(out, info, doc);
        put_field_bool(out, "makes", op_makes_allocation((enum op_kind)i));
        put_field_text(out, "frame_kind", frame_kind_name(frame_kind_of_group(info->group)));
        param_names_encode(out, "needed", info->needed);
        param_names_encode(out, "further", info->further);
        put_close(out, '}');
    }
    put_close(out, ']');
}

/* Nothing when the parameter takes no words. */
static void choices_encode(struct buffer *out, enum op_param_id id)
{
    const char *word;
    uint64_t bit;
    bool has_flags = op_flag_name(id, 0, &bit) != NULL;
    if (!has_flags && !op_choice_name(id, 0))
        return;
    put_field_array(out, "choices");
    for (uint32_t i = 0; (word = has_flags ? op_flag_name(id, i, &bit) : op_choice_name(id, i)); i++)
        put_text(out, word);
    put_close(out, ']');
}

static bool param_has_default(enum op_param_id id)
{
    enum op_param_type type = op_param_info(id)->type;
    return type != TYPE_TEXT && type != TYPE_HEX && type != TYPE_ADDRESS && id != PARAM_PID;
}

static void param_encode(struct buffer *out, enum op_param_id id)
{
    static const char *const TYPES[] = { "number", "size",  "address", "text",   "gfp",  "context",
                                         "hex",    "touch", "choice",  "signed", "flags" };
    const struct op_param_info *info = op_param_info(id);
    const struct op defaults = op_default(OP_KMALLOC);
    put_open(out, '{');
    PUT_FIELD(out, info, name);
    put_field_text(out, "type", TYPES[info->type]);
    PUT_FIELD(out, info, unit);
    PUT_FIELD(out, info, min);
    PUT_FIELD(out, info, max);
    if (param_has_default(id)) {
        put_key(out, "default");
        op_encode_param(out, &defaults, id);
    }
    choices_encode(out, id);
    PUT_FIELD(out, info, doc);
    put_close(out, '}');
}

static void params_encode(struct buffer *out)
{
    put_field_array(out, "params");
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        param_encode(out, (enum op_param_id)id);
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

static void cost_steps_encode(struct buffer *out)
{
    put_field_array(out, "costs");
    for (unsigned i = 0; i < NR_COST_STEPS; i++) {
        const struct cost_info *info = cost_info((enum cost_step)i);
        put_open(out, '{');
        PUT_FIELD(out, info, name);
        PUT_FIELD(out, info, each_ns);
        PUT_FIELD(out, info, source);
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
    cost_steps_encode(out);
    kinds_encode(out);
    put_close(out, '}');
}
