/* server/http/unread.h - answers that lie in memory until their readers take them: a bound on their bytes, for each client
 * and in all. Who asks for much and reads nothing would else fill the host's memory. Short answers do not count: a
 * connection costs as much. Streams hold a slice each, and do not count either. */
#pragma once
#include "server/http/request.h"

#define UNREAD_SHORT (64 * KIB)
#define UNREAD_OF_CLIENT (64 * MIB) /* one answer may be larger, when no other of the client is unread */
#define UNREAD_IN_ALL (512 * MIB)

/* May the request's answer wait to be read? Then its bytes count until unread_response() has been freed.
 * False: nothing counts, and request->reply says why. */
bool unread_admit(struct request *request);
/* The body as a response, behind unread_admit(). The body becomes its own. NULL: out of memory. */
struct MHD_Response *unread_response(struct request *request);
