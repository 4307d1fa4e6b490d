/* server/http/static.h - the pages: files below --web. */
#pragma once
#include "server/http/request.h"

/* A handler, for every path that is no API. */
struct reply static_get(struct app *app, struct request *request);
