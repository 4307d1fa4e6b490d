/* server/cmd/check.h - a store looked at without serving it: pagodad check, pagodad backup. */
#pragma once
#include "server/base/options.h"

/* Exit statuses: 0 all is well, 1 it is not, 2 the store cannot be opened. */
int check(const struct options *options);   /* replays every lab against its recorded results and hashes */
int backup(const struct options *options);  /* a copy at one moment, also while a daemon serves */
int salvage(const struct options *options); /* what can still be read, into a new store */
