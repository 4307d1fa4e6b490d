/* The JSON of an operation. What the fast path reads, the tree reads alike; what is read is written, and read again. */
#include "tests/fuzz/fuzz.h"
#include "server/json/op_json.h"
#include "server/json/op_plain.h"

#include <stdlib.h>
#include <string.h>

static bool json_is_same_text(struct text a, struct text b)
{
    return a.length == b.length && (!a.length || memcmp(a.start, b.start, a.length) == 0);
}

static bool json_is_same(const struct op *a, const struct op *b)
{
    bool is_same = a->kind == b->kind && a->given == b->given;
    for (unsigned i = 0; is_same && i < NR_OP_PARAMS; i++) {
        enum op_param_id id = (enum op_param_id)i;
        enum op_param_type type = op_param_info(id)->type;
        if (type == TYPE_TEXT)
            is_same = json_is_same_text(op_text(a, id), op_text(b, id));
        else if (type == TYPE_HEX)
            is_same = a->nr_data == b->nr_data && (!a->nr_data || memcmp(a->data, b->data, a->nr_data) == 0);
        else
            is_same = op_number(a, id) == op_number(b, id);
    }
    return is_same;
}

static const char ESCAPED_O[6] = { '\\', 'u', '0', '0', '6', 'f' };

/* {"op" -> {"\u006fp": the fast path does not read escapes. */
static char *json_escaped(const uint8_t *data, size_t nr_bytes, size_t *length)
{
    const char *key = nr_bytes ? memchr(data, 'o', nr_bytes) : NULL;
    char *text = malloc(nr_bytes + 6);
    if (!key || !text) {
        free(text);
        return NULL;
    }
    size_t before = (size_t)(key - (const char *)data);
    memcpy(text, data, before);
    memcpy(text + before, ESCAPED_O, sizeof ESCAPED_O);
    memcpy(text + before + 6, key + 1, nr_bytes - before - 1);
    *length = nr_bytes + 5;
    return text;
}

static void json_compare(const uint8_t *data, size_t nr_bytes)
{
    struct op plain;
    struct op_request tree;
    struct problem why = { 0 };
    size_t length;
    if (!op_read_plain((const char *)data, nr_bytes, &plain))
        return;
    char *text = json_escaped(data, nr_bytes, &length);
    if (!text)
        return;
    unsigned status = op_decode(text, length, &tree, &why);
    if (status == 0 && !json_is_same(&plain, &tree.op))
        fuzz_fail("the fast path and the tree read different operations");
    if (status && status != 503)
        fuzz_fail("the fast path takes what the tree refuses");
    if (!status)
        op_request_clear(&tree);
    free(text);
}

static void json_write_and_read(const struct op *op)
{
    struct buffer out = { 0 };
    struct op_request again;
    struct problem why = { 0 };
    put_open(&out, '{');
    op_encode_fields(&out, op);
    put_close(&out, '}');
    if (!out.failed) {
        if (op_decode(out.data, out.length, &again, &why) || !json_is_same(op, &again.op))
            fuzz_fail("an operation is not read as it was written");
        op_request_clear(&again);
    }
    buffer_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nr_bytes)
{
    struct op_request request;
    struct problem why = { 0 };
    json_compare(data, nr_bytes);
    unsigned status = op_decode((const char *)data, nr_bytes, &request, &why);
    if (status && !why.text[0])
        fuzz_fail("a refusal without a reason");
    if (status)
        return 0;
    json_write_and_read(&request.op);
    op_request_clear(&request);
    return 0;
}
