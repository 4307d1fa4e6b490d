/* server/http/upload.h - a body that is read while it arrives.
 *
 * The HTTP thread fills a bounded pipe. A thread of the upload's own runs the route's handler, which drains it. When the
 * pipe is full the connection sleeps, so memory holds a MiB of a body of any length. */
#pragma once
#include "server/base/input.h"
#include "server/http/request.h"

struct upload;

/* Runs the request's handler on a thread.
 * Result: request->upload, which upload_close() ends. NULL: too many uploads at once, or out of memory. */
struct upload *upload_start(struct request *request);

/* ---- for the handler ---- */

/* From here on the handler looks at nothing that libmicrohttpd keeps for the connection: headers, parameters, method, URL.
 * So it may go on, and end in its own time, when the peer has gone. */
void upload_leave_connection(struct upload *upload);
/* The body. A read gives -1 when the peer has gone or the upload was cancelled. */
struct source upload_source(struct upload *upload);
/* When all of the body has arrived, the handler goes on also without a peer: somebody will ask for its answer again. */
void upload_outlive_peer(struct upload *upload);
uint64_t upload_nr_bytes(struct upload *upload); /* read so far */
void upload_cancel(struct upload *upload);       /* from any thread, while the upload lives */
/* Cancelled; or the peer has gone, and the handler is not to go on without it. */
bool upload_is_cancelled(struct upload *upload);

/* ---- for the HTTP thread ---- */

/* Puts bytes into the pipe. Result: how many; if not all, the connection sleeps until there is room. */
size_t upload_push(struct upload *upload, const char *data, size_t nr_bytes);
void upload_break(struct upload *upload); /* no more of the body comes: it is refused */
/* The body has ended. True: request->reply is there. False: the connection sleeps until it is. */
bool upload_finish(struct upload *upload);
/* The connection has gone. Waits until the handler has ended or left the connection.
 * True: the upload has ended, and the request is the caller's again.
 * False: the handler is at work; its thread ends the upload and the request. */
bool upload_close(struct upload *upload);

/* Breaks those whose peers have gone: a connection that sleeps does not notice it. Who has closed his sending side is taken
 * to have gone, as by other servers. True: there are uploads. */
bool uploads_watch(struct app *app);
/* Cancels all: the daemon stops. */
void uploads_cancel(struct app *app);
/* Waits until all uploads have ended. No new ones may begin. */
void uploads_wait(struct app *app);
