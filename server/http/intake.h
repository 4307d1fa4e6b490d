/* server/http/intake.h - is a request taken, and its body. */
#pragma once
#include "server/http/route.h"

#define DRAIN_LIMIT (16 * MIB) /* of a refused body: read and dropped, so that the reply is heard */
#define STOPPING_TEXT "the server is about to stop; try again later"

/* Looks at the head: route and lab are found, an upload is begun; or the request is refused. */
void request_check(struct request *request);
/* Sends the refusal at once, while the body still comes; then libmicrohttpd is to send nothing. Without a peer the answer
 * waits for the body's end, as answers usually do. */
void request_answer_now(struct request *request);
/* A part of the body. Result: how many bytes were taken; if not all, the connection sleeps until there is room. */
size_t request_take_body(struct request *request, const char *data, size_t nr_bytes);
bool request_is_endless(const struct request *request); /* it was refused, and the peer sends on and on */
