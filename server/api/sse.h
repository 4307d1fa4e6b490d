/* server/api/sse.h - event streams: operations of a lab as they become durable. The handler is events_get() (api.h). */
#pragma once
#include "server/http/app.h"

void sse_on_commit(void *app); /* the log has grown: for store_on_commit() */
/* Each second: ends the streams of deleted labs, and those whose peer has closed its side. */
void sse_end_deserted(struct app *app);
/* Now and then: a line to each stream, so that one whose peer has vanished breaks, and proxies do not time out. */
void sse_heartbeat(struct app *app);
/* Ends every stream. Behind connections_stop(), so that no new one lives. */
void sse_stop(struct app *app);
/* Sends whole events to those who watch the lab. Who is busy just then gets only the last of them.
 * events  text/event-stream, each with its empty line. */
void sse_tell(struct app *app, const struct lab *lab, const char *events);
