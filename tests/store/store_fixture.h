/* tests/store/store_fixture.h - stores and labs of one's own, and operations of every kind to fill them with. */
#pragma once
#include "server/lab/lab_internal.h"
#include "tests/lib/fixture.h"

struct store_fixture {
    char path[64];
    struct store *store;
    struct labs *labs;
};
void store_fixture_make(struct store_fixture *f); /* a path where nothing is yet */
enum pagoda_error store_fixture_open(struct store_fixture *f, struct problem *why);
void store_fixture_must_open(struct store_fixture *f);
void store_fixture_close(struct store_fixture *f);
void store_fixture_remove(struct store_fixture *f); /* closed before */

/* A lab, made and on disk. After an error *lab is NULL. */
enum pagoda_error store_fixture_create(struct store_fixture *f, const char *name, const struct machine_config *config,
                                       struct lab **lab, struct problem *why);
struct lab *store_fixture_lab(struct store_fixture *f, const char *profile); /* 16M or 64M, with swap */
/* Some operation that the table allows; it may well be refused. Valid until the next call. */
struct op store_fixture_op(struct fixture_random *random, const struct machine *machine);
/* Applies nr such operations and waits for the last; how many the machine took. */
unsigned store_fixture_run(struct lab *lab, struct fixture_random *random, unsigned nr, enum pagoda_error *error);
uint64_t store_fixture_hash(struct lab *lab);                  /* of the present */
uint64_t store_fixture_hash_at(struct lab *lab, uint64_t seq); /* of a moment */
uint64_t store_fixture_replayed_hash(struct lab *lab);         /* along the log from 0, without any snapshot */
