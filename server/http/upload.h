/* server/http/upload.h - a body that is read while it arrives: a bounded pipe between the HTTP thread, which fills it, and
 * a thread of its own that runs the route's handler and drains it. When the pipe is full the connection is suspended, so
 * that memory holds a quarter of a MiB of a body of any length. */
#pragma once
#include "server/base/input.h"
#include "server/http/request.h"

struct upload;

/* Runs the request's handler on a thread. NULL: too many uploads at once, or out of memory. */
struct upload *upload_start(struct request *request);

/* For the handler. */

/* From here on the handler looks at nothing that libmicrohttpd keeps for the connection: headers, parameters, method, URL.
 * So it may go on, and end in its own time, when the peer has gone. */
void upload_leave_connection(struct upload *upload);
/* A read gives -1 when the peer has gone or the upload was cancelled. */
struct source upload_source(struct upload *upload);
uint64_t upload_nr_bytes(struct upload *upload); /* read so far */
void upload_cancel(struct upload *upload);       /* from any thread, while the upload lives */
bool upload_is_cancelled(struct upload *upload);

/* For the HTTP thread. push takes bytes and says how many; if not all, the connection sleeps until there is room. */
size_t upload_push(struct upload *upload, const char *data, size_t nr_bytes);
/* The body has ended. True: request->reply is there; else the connection sleeps until it is. */
bool upload_finish(struct upload *upload);
/* The connection has gone. True: the upload has, too, and the request is the caller's again. False: the handler is still at
 * work; both end with it. Waits for no more than upload_leave_connection(). */
bool upload_close(struct upload *upload);

void uploads_wait(struct app *app); /* until all have ended; no new ones begin any more */
