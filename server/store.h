/* server/store.h - labs and their operations in SQLite; nothing is acknowledged before its commit.
 *
 * One writer thread owns the connection that writes. Operations are appended to a batch in memory; the writer commits what
 * has queued up since its last commit in one transaction (WAL, synchronous=FULL) and then wakes who waits for it. When a
 * commit fails, everything in it and behind it is lost, its labs are marked so, and their owners rebuild them from the log.
 */
#pragma once
#include "pagoda/config.h"
#include "pagoda/op.h"
#include "server/buffer.h"
#include <stdatomic.h>

struct store;

#define LAB_KEY_LENGTH 8
#define LAB_NAME_MAX 120

/* A row of table lab. */
struct lab_row {
    int64_t id;
    char key[LAB_KEY_LENGTH + 1];
    char name[LAB_NAME_MAX + 1];
    char created[24];
    int64_t parent; /* 0: none */
    uint64_t parent_seq;
    uint64_t seq; /* the last operation in the log, the parent's share included */
    struct machine_config config;
};

/* The tail of one lab's log. The lab owns it; the writer moves durable_seq and sets lost. */
struct lab_log {
    int64_t lab;
    _Atomic uint64_t durable_seq;
    atomic_bool lost; /* operations after durable_seq will never be written: rebuild */
};

/* One row of table op. Texts and data are borrowed. */
struct log_entry {
    uint64_t seq;
    struct op op;
    enum outcome outcome;
    uint64_t address, allocated, cost_ns, slept_ns;
};

/* Somebody who is told when a batch is on disk. wake runs on the writer's thread and must not block. */
struct store_waiter {
    struct store_waiter *next;
    void (*wake)(struct store_waiter *waiter, enum pagoda_error error);
};

/* Opens or creates; migrates an older file. VERSION: a newer one. CONFLICT: another pagodad has it. *why says it in words.
 */
enum pagoda_error store_open(const char *path, struct store **out, struct problem *why) PAGODA_MUST_CHECK;
void store_close(struct store *store); /* commits what is queued; NULL is allowed */

/* Queues one row. Returns the ticket to wait for, 0 when the log was lost. key: an Idempotency-Key or NULL. */
uint64_t store_append(struct store *store, struct lab_log *log, const struct log_entry *entry, const char *key,
                      uint64_t body_hash);
/* The waiter is woken once, perhaps before this returns. */
void store_when_durable(struct store *store, uint64_t ticket, struct store_waiter *waiter);
enum pagoda_error store_wait(struct store *store, uint64_t ticket) PAGODA_MUST_CHECK;
/* Called on the writer's thread after each commit; must not block. Set it before the first operation. */
void store_on_commit(struct store *store, void (*call)(void *context), void *context);
uint64_t store_nr_commits(struct store *store);

/* These wait for their own commit. create fills in row->id. */
enum pagoda_error store_create_lab(struct store *store, struct lab_row *row) PAGODA_MUST_CHECK;
enum pagoda_error store_rename_lab(struct store *store, int64_t lab, const char *name) PAGODA_MUST_CHECK;
enum pagoda_error store_delete_lab(struct store *store, int64_t lab) PAGODA_MUST_CHECK;

enum pagoda_error store_list_labs(struct store *store, void (*each)(void *context, const struct lab_row *row),
                                  void *context) PAGODA_MUST_CHECK;
/* Durable operations [from, to], in order, through forks back to the root. each returns false to stop early. */
enum pagoda_error store_read_ops(struct store *store, int64_t lab, uint64_t from, uint64_t to,
                                 bool (*each)(void *context, const struct log_entry *entry),
                                 void *context) PAGODA_MUST_CHECK;
/* NOT_FOUND: this key has not been used on that lab. */
enum pagoda_error store_find_answered(struct store *store, int64_t lab, const char *key, uint64_t *body_hash,
                                      uint64_t *seq) PAGODA_MUST_CHECK;
