/* server/api/export_reply.h - a lab's whole history up to now, streamed. */
#pragma once
#include "server/export/export.h"
#include "server/http/request.h"

/* In a format of server/export. (api_export.c) */
struct reply export_reply(struct request *request, const struct export_format *format);
/* As a store that `pagodad serve` opens. (export_sqlite.c) */
struct reply export_sqlite_reply(struct request *request, bool with_snapshots);
