/* server/cmd/serve.h - the daemon: from options to a clean end. */
#pragma once
#include "server/base/options.h"

int serve(const struct options *options); /* the exit status */
void print_routes(void);
