/* server/http/framing.h - is it beyond doubt where a request ends, and for whom it is? */
#pragma once
#include "server/http/request.h"

/* 0; or 400, and *why says what is in doubt. The connection must end then: what follows on it may be no request. */
unsigned framing_check(const struct request *request, struct problem *why);
