/* server/http/dispatch.h - where and when a request's handler runs.
 *
 * A handler runs in turns, and never waits in one. What is quick runs at once, on the HTTP thread, and so does what needs a
 * lab that nobody has just then. Everything else runs on a worker, in the queue of the lab that it needs or in that of the
 * client, while the connection sleeps. What the first turn needs is said by the route; a handler that needs another says
 * what (request->want) and returns reply_turn() or another reply that is none yet. */
#pragma once
#include "server/http/route.h"

/* On the connection's HTTP thread, when the request has been read and nothing is wrong with it.
 * True: request->reply is there, for the caller to send. False: the connection sleeps until it is; the request may be gone
 * when this returns. */
bool request_dispatch(struct request *request);
