/* server/store/store.h - labs and their operations in SQLite; nothing is acknowledged before its commit.
 *
 * One writer thread owns the connection that writes. Operations are appended to a batch in memory; the writer commits what
 * has queued up since its last commit in one transaction (WAL, synchronous=FULL) and then wakes who waits for it. When a
 * commit fails, everything in it and behind it is lost, its labs are marked so, and their owners rebuild them from the log.
 */
#pragma once
#include "pagoda/config.h"
#include "pagoda/op.h"
#include "server/base/buffer.h"
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
    uint64_t seq;        /* the last operation in the log, the parent's share included */
    bool is_importing;   /* behind seq lies what an import left that was to be all or nothing: store_undo_import() */
    uint32_t made;       /* rules revision of the engine that made the lab: machine_rules() */
    uint32_t rules;      /* rules revision that its operations were recorded under or last compared with */
    uint64_t differs_at; /* the first operation that has another result under those rules; 0: none */
    struct machine_config config;
};

/* The tail of one lab's log. The lab owns it; the writer moves durable_seq and sets lost. */
struct lab_log {
    int64_t lab;
    _Atomic uint64_t durable_seq;
    atomic_bool lost;           /* operations after durable_seq will never be written: rebuild */
    _Atomic uint32_t nr_losses; /* how often: what was seen before the last loss may never have happened */
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

/* Only for the calls that read, and beside a daemon that serves it. VERSION: another schema; nothing is migrated. */
enum pagoda_error store_open_to_read(const char *path, struct store **out, struct problem *why) PAGODA_MUST_CHECK;
/* Copies a store to a new file as it is at one moment; it may be in use, and nobody waits.
 * CONFLICT  to_path is there already.
 * On any error *why says what was wrong, without the paths, and to_path is as it was. */
enum pagoda_error store_backup(const char *path, const char *to_path, struct problem *why) PAGODA_MUST_CHECK;
/* SQLite's own check of the file: a line for each thing that is wrong. */
void store_check_file(struct store *store, void (*line)(void *context, const char *text), void *context);

/* Queues one row. Returns the ticket to wait for, 0 when the log was lost. key: an Idempotency-Key or NULL. */
uint64_t store_append(struct store *store, struct lab_log *log, const struct log_entry *entry, const char *key,
                      uint64_t body_hash);
/* The waiter is woken once, perhaps before this returns. */
void store_when_durable(struct store *store, uint64_t ticket, struct store_waiter *waiter);
bool store_is_durable(struct store *store, uint64_t ticket); /* already, and well: no need to wait */
enum pagoda_error store_wait(struct store *store, uint64_t ticket) PAGODA_MUST_CHECK;
/* Called on the writer's thread after each commit; must not block. Set it before the first operation. */
void store_on_commit(struct store *store, void (*call)(void *context), void *context);
uint64_t store_nr_commits(struct store *store);

/* A request under an Idempotency-Key that is more than one operation, and what it was answered. */
struct answer {
    int64_t lab; /* whose keys; 0: of no lab */
    const char *key;
    uint64_t body_hash;
    const char *text; /* NULL: none yet */
};

/* These wait for their own commit. create fills in row->id. answer: kept in the same commit; NULL: none. CONFLICT: its key
 * is taken, and nothing was done. */
enum pagoda_error store_create_lab(struct store *store, struct lab_row *row, const struct answer *answer) PAGODA_MUST_CHECK;
enum pagoda_error store_rename_lab(struct store *store, int64_t lab, const char *name) PAGODA_MUST_CHECK;
/* What a comparison of the lab's log with rules has found: columns rules and differs_at of its row. */
enum pagoda_error store_note_rules(struct store *store, int64_t lab, uint32_t rules, uint64_t differs_at) PAGODA_MUST_CHECK;
enum pagoda_error store_delete_lab(struct store *store, int64_t lab, const struct answer *answer) PAGODA_MUST_CHECK;

/* INVALID with *why: a lab whose configuration this pagodad does not understand. */
enum pagoda_error store_list_labs(struct store *store, void (*each)(void *context, const struct lab_row *row),
                                  void *context, struct problem *why) PAGODA_MUST_CHECK;
/* One of them by its number, for a file that cannot be listed. NOT_FOUND: none, or deleted. row->seq is STORE_SEQ_UNKNOWN
 * when the end of its log cannot be read. */
#define STORE_SEQ_UNKNOWN ((UINT64_C(1) << 40) - 1)
enum pagoda_error store_read_lab(struct store *store, int64_t id, struct lab_row *row,
                                 struct problem *why) PAGODA_MUST_CHECK;
int64_t store_last_lab(struct store *store); /* the highest number ever given, or a guess above it */
/* Durable operations [from, to], in order, through forks back to the root. each returns false to stop early. */
enum pagoda_error store_read_ops(struct store *store, int64_t lab, uint64_t from, uint64_t to,
                                 bool (*each)(void *context, const struct log_entry *entry),
                                 void *context) PAGODA_MUST_CHECK;
/* NOT_FOUND: this key has not been used on that lab. */
enum pagoda_error store_find_answered(struct store *store, int64_t lab, const char *key, uint64_t *body_hash,
                                      uint64_t *seq) PAGODA_MUST_CHECK;

/* ---- imports, answers (store_import.c, store_answer.c) ---- */

/* Around the operations of an import that is to be all or nothing; nothing else may be appended to the log meanwhile. undo,
 * when all that was appended is durable or lost, takes away what lies behind seq; after an error, call it again. */
enum pagoda_error store_begin_import(struct store *store, int64_t lab, uint64_t seq) PAGODA_MUST_CHECK;
enum pagoda_error store_finish_import(struct store *store, int64_t lab, uint64_t seq,
                                      const struct answer *answer) PAGODA_MUST_CHECK;
enum pagoda_error store_undo_import(struct store *store, int64_t lab, uint64_t seq) PAGODA_MUST_CHECK;

/* Around a request that is not one commit: the key is taken (CONFLICT: it was), then given its text, or, without one, back.
 */
enum pagoda_error store_begin_answer(struct store *store, const struct answer *answer, uint64_t seq) PAGODA_MUST_CHECK;
enum pagoda_error store_end_answer(struct store *store, const struct answer *answer, uint64_t seq) PAGODA_MUST_CHECK;
/* NOT_FOUND: this key has not been used on that lab. An empty text: a single operation's, or cut short. */
enum pagoda_error store_find_answer(struct store *store, const struct answer *asked, uint64_t *body_hash, uint64_t *seq,
                                    struct buffer *text) PAGODA_MUST_CHECK;

/* ---- a lab as a store of its own (store_copy.c) ---- */

struct store_copy;
/* Operations 1 to last_seq. step until it is done, then read from the file's start on: how many bytes, 0 at the end, -1. */
enum pagoda_error store_copy_begin(struct store *store, int64_t lab, uint64_t last_seq, bool with_images,
                                   struct store_copy **out) PAGODA_MUST_CHECK;
enum pagoda_error store_copy_step(struct store_copy *copy, bool *is_done) PAGODA_MUST_CHECK;
long store_copy_read(struct store_copy *copy, void *out, size_t capacity);
void store_copy_end(struct store_copy *copy); /* at any time; NULL is allowed */

/* ---- snapshots (store_snapshot.c) ---- */

struct snapshot_row {
    uint64_t seq, engine, hash, cost_ns;
};
#define SNAPSHOTS_NEAR 8 /* images kept at full density behind the newest one */
/* Of replay between the older images that are kept: the larger they are, the fewer, so that they stay small beside the log;
 * but never so few that a seek becomes long. */
#define SNAPSHOT_FAR_NS_A_BYTE 80u
#define SNAPSHOT_FAR_MIN_NS UINT64_C(8000000)
#define SNAPSHOT_FAR_MAX_NS UINT64_C(24000000)

/* Writes an image in parts, each a commit of its own, and drops older ones that stand too close. nr_losses: of the log when
 * the machine was seen; CONFLICT when it has lost something since, NOT_FOUND when the lab is gone. */
enum pagoda_error store_save_snapshot(struct store *store, const struct lab_log *log, uint32_t nr_losses,
                                      const struct snapshot_row *row, const void *image, size_t nr_bytes) PAGODA_MUST_CHECK;
/* A moment of a lab, as one engine sees it: images and hashes of others are nothing to it. */
struct snapshot_moment {
    int64_t lab;
    uint64_t seq, engine;
};
/* The newest image at or before the moment, through forks back to the root.
 * PAGODA_ERR_NOT_FOUND  there is none. */
enum pagoda_error store_load_snapshot(struct store *store, const struct snapshot_moment *moment, struct snapshot_row *row,
                                      struct buffer *image) PAGODA_MUST_CHECK;
/* The first hash that the log holds at or after the moment.
 * PAGODA_ERR_NOT_FOUND  there is none. */
enum pagoda_error store_next_hash(struct store *store, const struct snapshot_moment *moment,
                                  struct snapshot_row *row) PAGODA_MUST_CHECK;
