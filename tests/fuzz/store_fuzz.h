/* tests/fuzz/store_fuzz.h - what the files of the fuzz target "store" share: a small store, and harm that is done to it. */
#pragma once
#include "tests/fuzz/fuzz.h"

#define STORE_NR_LABS 4u

/* A store's files, in a directory of their own. */
struct store_paths {
    char store[96], salvaged[96];
};

/* Makes the small store: labs, forks, images, keys, an import that was cut short. Its bytes are the same in each process.
 * *nr_bytes  how long its file is.
 * Result     the file's bytes, the caller's. */
uint8_t *store_make(const struct store_paths *paths, size_t *nr_bytes);
void store_remove(const char *path); /* the file and what lies beside it, but for the key and the reserve */

/* Bytes change: single ones, and fields of the file's header, of pages, and of cells; whole pages change places. */
void store_harm_bytes(struct fuzz_bytes *in, uint8_t *bytes, size_t *nr_bytes);
/* Rows change by SQL. Then the hashes are put right, by whoever has the file and not the key: rows are sealed, and chained
 * anew. */
void store_harm_rows(struct fuzz_bytes *in, const char *path);
