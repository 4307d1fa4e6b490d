/* server/export/entry_json.c - see entry_json.h. */
#include "server/export/entry_json.h"
#include "server/json/op_json.h"

void entry_encode(struct buffer *out, const struct log_entry *entry)
{
    put_open(out, '{');
    put_field_u64(out, "seq", entry->seq);
    op_encode_fields(out, &entry->op);
    put_field_text(out, "outcome", outcome_name(entry->outcome));
    put_field_object(out, "result");
    put_field_address(out, "address", entry->address);
    put_field_u64(out, "allocated", entry->allocated);
    put_close(out, '}');
    put_field_u64(out, "cost_ns", entry->cost_ns);
    put_field_u64(out, "slept_ns", entry->slept_ns);
    put_close(out, '}');
}
