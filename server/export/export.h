/* server/export/export.h - a lab's history in other people's formats, entry by entry. */
#pragma once
#include "server/base/buffer.h"
#include "server/store/store.h"
#include "pagoda/machine.h"

/* What an export says of one lab. Texts go to out; nothing is kept between calls but what a format keeps in state. */
struct export_format {
    const char *name; /* as in ?format= */
    const char *content_type;
    bool relives; /* wants results with their events, not just what the log holds */
    void (*begin)(struct buffer *out, const struct lab_row *row);     /* may be NULL, as may sample and end */
    void (*entry)(struct buffer *out, const struct log_entry *entry); /* when it does not relive */
    void (*result)(struct buffer *out, const struct log_entry *entry, const struct op_result *result);
    /* After a slice of operations: the machine as it is then. */
    void (*sample)(struct buffer *out, const struct machine *machine);
    void (*end)(struct buffer *out);
};

extern const struct export_format EXPORT_CSV, EXPORT_FTRACE, EXPORT_PERFETTO;
extern const struct export_format EXPORT_NDJSON; /* operations as they were asked for: what POST /ops takes */
extern const struct export_format EXPORT_LOG;    /* operations with their results, as GET /ops lists them */
