/* tests/server/test_json.c - server/json: operations out of JSON when the host has no memory left. */
#include "server/base/buffer.h"
#include "server/base/problem.h"
#include "server/json/json_value.h"
#include "server/json/op_json.h"
#include "tests/lib/failing_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char WRITE[] = "{\"op\":\"write\",\"address\":\"0xffff888000000000\",\"hex\":\"00ff10\"}";

static void bytes_that_find_no_room_are_not_the_clients_fault(void **state)
{
    (void)state;
    struct op_request request;
    struct problem why = { 0 };
    failing_host_fail_allocation(1);
    unsigned status = op_decode(WRITE, sizeof WRITE - 1, &request, &why);
    assert_true(failing_host_has_failed());
    failing_host_fail_allocation(0);
    assert_int_equal(status, 503);
    assert_string_equal(why.text, "host is out of memory");
    assert_null(request.root);
    assert_null(request.data);
    assert_int_equal(op_decode(WRITE, sizeof WRITE - 1, &request, &(struct problem){ 0 }), 0);
    assert_int_equal(request.op.nr_data, 3);
    assert_memory_equal(request.op.data, "\x00\xff\x10", 3);
    op_request_clear(&request);
}

static void *no_room(size_t nr_bytes)
{
    (void)nr_bytes;
    return NULL;
}

static void a_tree_that_finds_no_room_is_not_the_clients_fault(void **state)
{
    (void)state;
    struct problem why = { 0 };
    json_t *root;
    json_malloc_t give;
    json_free_t take;
    json_get_alloc_funcs(&give, &take);
    json_set_alloc_funcs(no_room, take);
    unsigned status = json_decode(WRITE, sizeof WRITE - 1, &root, &why);
    json_set_alloc_funcs(give, take);
    assert_int_equal(status, 503);
    assert_string_equal(why.text, "host is out of memory");
    assert_null(root);
}

static void what_is_wrong_has_its_own_status(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned status;
        const char *field, *why;
    } CASES[] = {
        { "{", 400, "", NULL },
        { "[]", 422, "", "a JSON object is expected" },
        { "{\"op\":1e999}", 422, "", NULL },
        { "{}", 422, "op", "op is missing" },
        { "{\"op\":5}", 422, "op", "op must be a text" },
        { "{\"op\":\"x\"}", 422, "op", "there is no operation \"x\"" },
        { "{\"op\":\"kmalloc\",\"size\":-1}", 422, "size", "size must be between 0 and 9007199254740991" },
        { "{\"op\":\"kmalloc\",\"size\":1.5}", 422, "size", "size must be a whole number" },
        { "{\"op\":\"kmalloc\",\"size\":\"x\"}", 422, "size",
          "size must be a whole number of bytes, such as 4096, \"64K\" or \"256M\"" },
        { "{\"op\":\"write\",\"address\":\"0x1\",\"hex\":\"0\"}", 422, "hex", "hex must have two digits for each byte" },
        { "{\"op\":\"write\",\"address\":\"0x1\",\"hex\":\"0g\"}", 422, "hex",
          "hex has something else than a hexadecimal digit at character 1" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct op_request request;
        struct problem why = { 0 };
        assert_int_equal(op_decode(CASES[i].text, strlen(CASES[i].text), &request, &why), CASES[i].status);
        assert_string_equal(why.field, CASES[i].field);
        assert_true(why.text[0]);
        if (CASES[i].why)
            assert_string_equal(why.text, CASES[i].why);
    }
}

/* ---- every parameter of every operation, at its bounds and one beyond ---- */

enum edge { LEAST, MOST, BELOW, BEYOND };

static bool type_has_bounds(enum op_param_type type)
{
    return type == TYPE_NUMBER || type == TYPE_SIZE || type == TYPE_SIGNED || type == TYPE_TEXT || type == TYPE_HEX;
}

/* The magnitude of a number, or the length of a text, in steps that the type has. */
static int64_t edge_value(enum op_kind kind, const struct op_param_info *info, enum edge edge)
{
    int64_t most = kind == OP_READ && info == op_param_info(PARAM_LENGTH) ? OP_DATA_MAX : (int64_t)info->max;
    int64_t step = info->type == TYPE_HEX ? 2 : 1;
    int64_t least = info->type == TYPE_SIGNED ? -(int64_t)info->max : (int64_t)info->min;
    int64_t edges[] = { least, most, least - step, most + step };
    return edges[edge];
}

static void put_value(struct buffer *out, const struct op_param_info *info, int64_t value)
{
    if (info->type != TYPE_TEXT && info->type != TYPE_HEX) {
        buffer_print(out, "%lld", (long long)value);
        return;
    }
    buffer_text(out, "\"");
    for (int64_t i = 0; i < value; i++)
        buffer_text(out, "a");
    buffer_text(out, "\"");
}

/* A word that is right for the parameter, whatever else is asked. */
static void put_good_value(struct buffer *out, enum op_param_id id)
{
    const struct op_param_info *info = op_param_info(id);
    if (type_has_bounds(info->type))
        put_value(out, info, info->type == TYPE_TEXT ? 1 : info->type == TYPE_HEX ? 2 : (int64_t)info->min);
    else if (info->type == TYPE_ADDRESS)
        buffer_text(out, "\"0x10000\"");
    else if (info->type == TYPE_CHOICE || info->type == TYPE_CONTEXT || info->type == TYPE_TOUCH)
        buffer_print(out, "\"%s\"", op_choice_name(id, 0));
    else
        buffer_text(out, "\"0\"");
}

static void call_at_edge(enum op_kind kind, enum op_param_id id, enum edge edge)
{
    const struct op_param_info *info = op_param_info(id);
    struct buffer text = { 0 };
    buffer_print(&text, "{\"op\":\"%s\"", op_info(kind)->name);
    for (unsigned other = 0; other < NR_OP_PARAMS; other++) {
        bool is_needed = op_info(kind)->needed >> other & 1 && !(other == PARAM_HEX && id == PARAM_FILL);
        bool goes_along = other == PARAM_LENGTH && id == PARAM_FILL;
        if (other == id || !(is_needed || goes_along) || (other == PARAM_ADDRESS && id == PARAM_NAME))
            continue;
        buffer_print(&text, ",\"%s\":", op_param_info((enum op_param_id)other)->name);
        put_good_value(&text, (enum op_param_id)other);
    }
    buffer_print(&text, ",\"%s\":", info->name);
    put_value(&text, info, edge_value(kind, info, edge));
    buffer_text(&text, "}");
    struct op_request request;
    struct problem why = { 0 };
    unsigned status = op_decode(text.data, text.length, &request, &why);
    if (status != (edge >= BELOW ? 422u : 0u))
        fail_msg("%.300s: %u %s %s", buffer_terminate(&text), status, why.field, why.text);
    if (status)
        assert_string_equal(why.field, info->name);
    else
        op_request_clear(&request);
    buffer_clear(&text);
}

static void every_parameter_has_its_bounds(void **state)
{
    (void)state;
    unsigned nr_calls = 0;
    for (unsigned kind = 0; kind < NR_OPS; kind++)
        for (unsigned id = 0; id < NR_OP_PARAMS; id++) {
            const struct op_param_info *info = op_param_info((enum op_param_id)id);
            const struct op_info *op = op_info((enum op_kind)kind);
            bool takes = (op->needed | op->further) >> id & 1;
            bool stands_in_the_way = (op->needed & OP_BIT(HEX)) && id == PARAM_LENGTH; /* LENGTH goes with FILL */
            if (!takes || !type_has_bounds(info->type) || stands_in_the_way)
                continue;
            for (enum edge edge = LEAST; edge <= BEYOND; edge++) {
                bool has_no_below = edge == BELOW && info->type != TYPE_SIGNED && info->min == 0 &&
                                    (info->type == TYPE_TEXT || info->type == TYPE_HEX);
                if (!has_no_below)
                    call_at_edge((enum op_kind)kind, (enum op_param_id)id, edge), nr_calls++;
            }
        }
    assert_true(nr_calls > 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_parameter_has_its_bounds),
        cmocka_unit_test(bytes_that_find_no_room_are_not_the_clients_fault),
        cmocka_unit_test(a_tree_that_finds_no_room_is_not_the_clients_fault),
        cmocka_unit_test(what_is_wrong_has_its_own_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
