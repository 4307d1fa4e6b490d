/* server/api/routes.h - the table of routes. */
#pragma once
#include "server/http/route.h"

extern const struct route ROUTES[];
extern const size_t NR_ROUTES;
/* Finds the route of a request, and its lab. NULL: *refusal says why there is none. */
const struct route *route_find(struct request *request, struct reply *refusal);
