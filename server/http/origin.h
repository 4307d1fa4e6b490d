/* server/http/origin.h - is a request meant for us, and does it come from our own pages? */
#pragma once
#include "server/http/request.h"

/* 0, or the status for a Host or Origin that is not ours; *why says so. */
unsigned origin_check(const struct request *request, struct problem *why);
