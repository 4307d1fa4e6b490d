/* server/store/store.h - labs and their operations in SQLite. Nothing is acknowledged before its commit.
 *
 * One writer thread owns the connection that writes. Operations are appended to a batch in memory. The writer commits in
 * one transaction (WAL, synchronous=FULL) what has queued up since its last commit, and then wakes those who wait for it.
 * When a commit fails, everything in it and behind it is lost: the labs are marked so, and their owners rebuild them from
 * the log. */
#pragma once
#include "pagoda/config.h"
#include "pagoda/op.h"
#include "server/base/buffer.h"
#include <stdatomic.h>

struct store;

#define LAB_ID_LENGTH 8
#define LAB_NAME_MAX 120

/* A row of table lab. */
struct lab_row {
    int64_t number;             /* in the store */
    char id[LAB_ID_LENGTH + 1]; /* by which people know it */
    char name[LAB_NAME_MAX + 1];
    char created[24];
    int64_t parent; /* 0: none */
    uint64_t parent_seq;
    uint64_t seq;         /* the last operation in the log, the parent's share included */
    bool is_importing;    /* an import that was to be all or nothing has left operations behind seq: store_undo_import() */
    uint32_t made;        /* rules revision of the engine that made the lab: machine_rules() */
    uint32_t rules;       /* rules revision that its operations were recorded under or last compared with */
    uint64_t differs_at;  /* the first operation that has another result under those rules; 0: none */
    uint64_t chain_since; /* operations up to this one are older than the hash chain of the log */
    bool is_damaged;      /* out: its row is not what was written */
    bool is_hidden;       /* in: not listed before STORE_PUBLISH_LAB; what never was is dropped when the store is opened */
    struct machine_config config;
};

/* The tail of one lab's log. The lab owns it. The writer moves durable_seq and sets lost. */
struct lab_log {
    int64_t lab;
    _Atomic uint64_t durable_seq;
    atomic_bool lost;           /* operations behind durable_seq will never be written: rebuild the lab */
    _Atomic uint32_t nr_losses; /* how often that was so; what was seen before a loss may never have happened */
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

/* What runs on the writer's thread, in a transaction of its own, behind the operations that were queued before it. Private
 * to the store; whoever has one keeps it, and what it points to, until it has ended. */
struct store_task {
    struct store_task *next;
    int (*run)(struct store *store, void *context); /* an SQLite code; anything but OK is rolled back */
    void *context;
    enum pagoda_error error;
    bool frees_room;                        /* on a full disk it may use the reserve */
    bool is_done;                           /* store mutex */
    void (*ended)(struct store_task *task); /* NULL: a thread waits for is_done */
};

/* ---- a store ---- */

/* Opens a store, creates one where there is none, migrates an older one.
 * key_path  the file of the key that marks images of machines, which is made where there is none; NULL: PATH.key.
 * *out  the caller's, to store_close(); NULL after an error.
 * *why  what went wrong, in words.
 * PAGODA_ERR_VERSION   a newer pagodad has written it.
 * PAGODA_ERR_CONFLICT  another pagodad has it open. */
enum pagoda_error store_open(const char *path, const char *key_path, struct store **out,
                             struct problem *why) PAGODA_MUST_CHECK;
/* Commits what is queued. NULL is allowed. */
void store_close(struct store *store);

/* As store_open(), for calls that read only, also beside a daemon that serves the store. Without a key no image is read.
 * PAGODA_ERR_VERSION  another schema than this pagodad's; nothing is migrated. */
enum pagoda_error store_open_to_read(const char *path, const char *key_path, struct store **out,
                                     struct problem *why) PAGODA_MUST_CHECK;
/* Are the store's files still where they were? While they are not, writes fail with PAGODA_ERR_GONE. Never waits. */
bool store_is_in_place(struct store *store);
/* Copies a store to a new file as it is at one moment. The store may be in use; nobody waits.
 * *why  what was wrong, without the paths. After an error to_path is as it was.
 * PAGODA_ERR_CONFLICT  to_path is there already. */
enum pagoda_error store_backup(const char *path, const char *to_path, struct problem *why) PAGODA_MUST_CHECK;
/* SQLite's own check of the file, and rows of labs that there are not: calls line for each thing that is wrong. */
void store_check_file(struct store *store, void (*line)(void *context, const char *text), void *context);

/* ---- operations ---- */

/* Queues one row for the log.
 * key     its Idempotency-Key; NULL: none.
 * Result  the ticket to wait for; 0: the log was lost, and nothing was queued. */
uint64_t store_append(struct store *store, struct lab_log *log, const struct log_entry *entry, const char *key,
                      uint64_t body_hash);
/* Wakes the waiter once, when the ticket's batch is on disk or lost; perhaps before this returns. */
void store_when_durable(struct store *store, uint64_t ticket, struct store_waiter *waiter);
/* Is the ticket's batch on disk already? Then nobody need wait. Never waits. */
bool store_is_durable(struct store *store, uint64_t ticket);
bool store_has_ended(struct store *store, uint64_t ticket); /* the same, or lost */
/* Waits for the disk. An error: the batch is lost. */
enum pagoda_error store_wait(struct store *store, uint64_t ticket) PAGODA_MUST_CHECK;
/* From now on call runs on the writer's thread after each commit of operations. It must not block. To be set before the
 * first operation. */
void store_on_commit(struct store *store, void (*call)(void *context), void *context);
uint64_t store_nr_commits(struct store *store);

/* Shows the durable operations [from, to] in order, those of the lab's ancestors included. Each has been verified by the
 * log's hash chain before it is shown.
 * each                false: stop.
 * PAGODA_ERR_CORRUPT  the next ones are not what was written: store_find_damage(). */
enum pagoda_error store_read_ops(struct store *store, int64_t lab, uint64_t from, uint64_t to,
                                 bool (*each)(void *context, const struct log_entry *entry),
                                 void *context) PAGODA_MUST_CHECK;
/* The same of operations as they stand, whatever the chain says: for those who save what is left.
 * PAGODA_ERR_CORRUPT  the next one cannot be read at all. */
enum pagoda_error store_read_unverified(struct store *store, int64_t lab, uint64_t from, uint64_t to,
                                        bool (*each)(void *context, const struct log_entry *entry),
                                        void *context) PAGODA_MUST_CHECK;
/* What a reader that got PAGODA_ERR_CORRUPT has found: damage between operations first and last. False: none is known. */
bool store_find_damage(struct store *store, int64_t lab, uint64_t *first, uint64_t *last);
/* Finds the operation that was asked for under a key.
 * PAGODA_ERR_NOT_FOUND  the key has not been used on that lab. */
enum pagoda_error store_find_answered(struct store *store, int64_t lab, const char *key, uint64_t *body_hash,
                                      uint64_t *seq) PAGODA_MUST_CHECK;

/* ---- labs ---- */

/* The answer to a request under an Idempotency-Key that is more than one operation. */
struct answer {
    int64_t lab; /* whose keys; 0: of no lab */
    const char *key;
    uint64_t body_hash;
    const char *text; /* NULL: none yet */
};

/* A change of which labs there are. Each kind looks at what stands behind it. All of it is the caller's, and stays as it is
 * until the change was told.
 * answer  stored in the same commit; NULL: none.
 * PAGODA_ERR_CONFLICT  the answer's key is taken; nothing was done. */
struct store_change {
    struct store_task task; /* first member; private */
    struct store *store;    /* private */
    enum store_change_kind {
        STORE_CREATE_LAB,  /* row, answer: row.number is filled in, the rest is given */
        STORE_PUBLISH_LAB, /* lab; seq: its last operation, for the answer. Ends the hiding of one that was made is_hidden
                            */
        STORE_RENAME_LAB,  /* lab, name */
        STORE_DELETE_LAB,  /* lab, answer */
        STORE_NOTE_RULES,  /* lab, rules, differs_at: what a comparison of its log with these rules has found */
        STORE_UNDO_IMPORT, /* lab, seq: takes away a slice of what lies behind it, all of which is on disk or lost */
        STORE_DROP_SNAPSHOTS, /* lab, seq: deletes a slice of the snapshots behind it */
    } kind;
    int64_t lab;
    struct lab_row *row;
    const char *name;
    uint32_t rules;
    uint64_t differs_at, seq;
    const struct answer *answer;
    bool has_more; /* STORE_UNDO_IMPORT, STORE_DROP_SNAPSHOTS: out: there is another slice: once more */
    /* On the writer's thread when the change is on disk or has failed. Must not block. */
    void (*told)(struct store_change *change, enum pagoda_error error);
};
void store_post_change(struct store *store, struct store_change *change);
/* Waits until it is on disk. Only for threads that nobody else needs. */
enum pagoda_error store_make_change(struct store *store, struct store_change *change) PAGODA_MUST_CHECK;
/* Shows every lab, oldest first.
 * PAGODA_ERR_INVALID  *why names a lab whose configuration this pagodad does not understand. */
enum pagoda_error store_list_labs(struct store *store, void (*each)(void *context, const struct lab_row *row),
                                  void *context, struct problem *why) PAGODA_MUST_CHECK;
/* Reads one lab by its number, in a file that cannot be listed.
 * row->seq  STORE_SEQ_UNKNOWN when the end of its log cannot be read.
 * PAGODA_ERR_NOT_FOUND  there is none, or it was deleted. */
#define STORE_SEQ_UNKNOWN ((UINT64_C(1) << 40) - 1)
enum pagoda_error store_read_lab(struct store *store, int64_t id, struct lab_row *row,
                                 struct problem *why) PAGODA_MUST_CHECK;
/* The highest number that a lab ever had, or a guess above it. */
int64_t store_last_lab(struct store *store);

/* ---- imports that are all or nothing ---- */

/* Each waits for the disk. Between begin and finish or undo nothing but the import is appended to the log. */
enum pagoda_error store_begin_import(struct store *store, int64_t lab, uint64_t seq) PAGODA_MUST_CHECK;
/* Keeps what was appended.
 * seq     the last operation of it.
 * answer  stored in the same commit; NULL: none. */
enum pagoda_error store_finish_import(struct store *store, int64_t lab, uint64_t seq,
                                      const struct answer *answer) PAGODA_MUST_CHECK;
/* Takes away what lies behind seq. All that was appended must be on disk or lost by then. After an error, to be called
 * again. */
enum pagoda_error store_undo_import(struct store *store, int64_t lab, uint64_t seq) PAGODA_MUST_CHECK;

/* ---- answers ---- */

/* Around a request that is not one commit. Each waits for the disk.
 * begin takes the key; end gives the key its text or, without one, gives the key back.
 * PAGODA_ERR_CONFLICT  begin: the key is taken. */
enum pagoda_error store_begin_answer(struct store *store, const struct answer *answer, uint64_t seq) PAGODA_MUST_CHECK;
enum pagoda_error store_end_answer(struct store *store, const struct answer *answer, uint64_t seq) PAGODA_MUST_CHECK;
/* Finds what was answered under a key.
 * asked   lab and key.
 * text    out: the answer; empty: the key is that of one operation, or of a request that is under way or was cut short.
 * PAGODA_ERR_NOT_FOUND  the key has not been used on that lab. */
enum pagoda_error store_find_answer(struct store *store, const struct answer *asked, uint64_t *body_hash, uint64_t *seq,
                                    struct buffer *text) PAGODA_MUST_CHECK;

/* ---- a lab as a store of its own ---- */

struct store_copy;
/* Begins a copy of operations 1 to last_seq.
 * with_images  snapshots go along.
 * *out         the caller's, to store_copy_end(); NULL after an error. */
enum pagoda_error store_copy_begin(struct store *store, int64_t lab, uint64_t last_seq, bool with_images,
                                   struct store_copy **out) PAGODA_MUST_CHECK;
/* Copies a slice. *is_done: that was the last; the copy can be read. */
enum pagoda_error store_copy_step(struct store_copy *copy, bool *is_done) PAGODA_MUST_CHECK;
/* Reads on, from the file's start. Result: how many bytes; 0: the end; -1: the disk failed. */
long store_copy_read(struct store_copy *copy, void *out, size_t capacity);
void store_copy_end(struct store_copy *copy); /* at any time; NULL is allowed */

/* ---- snapshots ---- */

struct snapshot_row {
    uint64_t seq, engine, hash, cost_ns;
    bool is_genuine; /* out, of an image: this host has made it of what the log says */
};
#define SNAPSHOTS_NEAR 8 /* images kept at full density behind the newest one */
/* How much replay lies between the older images that are kept. Larger images stand farther apart, so that they stay small
 * beside the log, but never so far that a seek becomes long. */
#define SNAPSHOT_FAR_NS_A_BYTE 80u
#define SNAPSHOT_FAR_MIN_NS UINT64_C(8000000)
#define SNAPSHOT_FAR_MAX_NS UINT64_C(24000000)

/* Writes an image in parts, each a commit of its own, and drops older images that stand too close.
 * nr_losses  of the log, when the machine was made from it.
 * PAGODA_ERR_CONFLICT   the log has lost something since.
 * PAGODA_ERR_NOT_FOUND  the lab is gone. */
enum pagoda_error store_save_snapshot(struct store *store, const struct lab_log *log, uint32_t nr_losses,
                                      const struct snapshot_row *row, const void *image, size_t nr_bytes) PAGODA_MUST_CHECK;
/* A moment of a lab, as one engine sees it: images and hashes of others are nothing to it. */
struct snapshot_moment {
    int64_t lab;
    uint64_t seq, engine;
};
/* The newest image at or before the moment that bears this host's mark, through forks back to the root. Only one that
 * is_genuine may be looked into.
 * PAGODA_ERR_NOT_FOUND  there is none. */
enum pagoda_error store_load_snapshot(struct store *store, const struct snapshot_moment *moment, struct snapshot_row *row,
                                      struct buffer *image) PAGODA_MUST_CHECK;
/* The first hash that the log holds at or after the moment.
 * PAGODA_ERR_NOT_FOUND  there is none. */
enum pagoda_error store_next_hash(struct store *store, const struct snapshot_moment *moment,
                                  struct snapshot_row *row) PAGODA_MUST_CHECK;
