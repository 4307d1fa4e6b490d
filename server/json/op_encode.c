/* server/json/op_encode.c - an operation into JSON, with the parameters that its caller gave. */
#include "pagoda/gfp.h"
#include "server/json/op_json.h"

#include <stdio.h>

/* "SLAB_POISON|SLAB_RED_ZONE"; none: "" */
static void flags_encode(struct buffer *out, enum op_param_id id, uint64_t flags)
{
    char words[512] = "";
    size_t length = 0;
    const char *name;
    uint64_t bit;
    for (uint32_t i = 0; (name = op_flag_name(id, i, &bit)); i++)
        if ((flags & bit) && length < sizeof words)
            length += (size_t)snprintf(words + length, sizeof words - length, "%s%s", length ? "|" : "", name);
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
        put_u64(out, op_number(op, id));
        break;
    case TYPE_ADDRESS:
        put_hex64(out, op_number(op, id));
        break;
    case TYPE_GFP:
        gfp_format(op->gfp, "0", gfp, sizeof gfp);
        put_text(out, gfp);
        break;
    case TYPE_CONTEXT:
    case TYPE_TOUCH:
    case TYPE_CHOICE:
        put_text(out, op_choice_name(id, op_number(op, id)));
        break;
    case TYPE_SIGNED:
        put_i64(out, (int64_t)op_number(op, id));
        break;
    case TYPE_FLAGS:
        flags_encode(out, id, op_number(op, id));
        break;
    case TYPE_HEX:
        put_bytes(out, op->data, op->nr_data);
        break;
    case TYPE_TEXT:
        text = op_text(op, id);
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
