/* server/export/entry_json.h - one operation of a log as JSON: what was asked and how it ended, as GET /labs/{lab}/ops and
 * the export "log" give it. It stands above the store, whose rows it writes; what a fresh result says is json/result_json.
 */
#pragma once
#include "server/base/buffer.h"
#include "server/store/store.h"

/* Writes the entry as one object. */
void entry_encode(struct buffer *out, const struct log_entry *entry);
