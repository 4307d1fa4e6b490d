/* server/http/request_log.h - one line for each request, to stderr. */
#pragma once
#include "server/http/request.h"

/* Method, path, status, time. What came from the peer is escaped, so that no request can write a line of its own. */
void request_log(const struct request *request);
