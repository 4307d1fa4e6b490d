/* server/cmd/replay.h - pagodad replay: a trace into a fresh machine, without a server. */
#pragma once
#include "server/base/options.h"

int replay(const struct options *options); /* the exit status */
