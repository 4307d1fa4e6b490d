/* server/store/sqlite/store_state.h - what the store's files share. Nobody else includes it.
 *
 * Opening is store.c, batches and the writer thread store_write.c and store_queue.c, the keeper store_keeper.c, rows of
 * operations store_rows.c, labs store_labs.c, answers store_answer.c, imports store_import.c, snapshots store_snapshot.c,
 * reading store_read.c and store_log.c, hash chains chain.c and store_chain.c, copies of a lab store_copy.c, copies of the
 * store store_backup.c. */
#pragma once
#include "server/base/address_map.h"
#include "server/store/sqlite/chain.h"
#include "server/store/sqlite/sql.h"
#include "server/store/store.h"
#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

#define SCHEMA_VERSION 5
#define STORE_PATH_BYTES 1056 /* of a path with what is put behind it */
#define NR_FAILURES 16        /* failed batches that are remembered for late waiters */
#define NR_DAMAGES 64
#define NR_READERS 3
#define KEY_MAX 64u
#define CALL_SLOTS 4096u /* calls that a reader remembers */
#define NAME_BYTES 64u   /* of an operation's name */
#define SEQ_MAX ((UINT64_C(1) << SEQ_BITS) - 2)
#define SEQ_BITS 40 /* an operation's id is lab << SEQ_BITS | seq */
#define LAB_ID_MAX ((INT64_C(1) << (63 - SEQ_BITS)) - 1)

static inline sqlite3_int64 op_id(int64_t lab, uint64_t seq)
{
    uint64_t last = (UINT64_C(1) << SEQ_BITS) - 1;
    return (sqlite3_int64)((uint64_t)lab << SEQ_BITS | (seq < last ? seq : last));
}
static inline uint64_t op_id_seq(sqlite3_int64 id)
{
    return (uint64_t)id & ((UINT64_C(1) << SEQ_BITS) - 1);
}

struct batch {
    uint64_t ticket;
    struct buffer rows;                   /* struct queued_row and its bytes, one behind another */
    struct store_task *tasks, *last_task; /* first posted, first run */
    struct store_waiter *waiters;
};

/* In a batch: this, then the bytes of its texts and data, each as long as entry says. */
struct queued_row {
    struct lab_log *log;
    struct log_entry entry;
    uint64_t body_hash;
    int64_t call;      /* its row in table call; the writer finds out */
    uint32_t nr_bytes; /* that follow, padded to 8 */
    char key[KEY_MAX + 1];
};

/* Words to row numbers, open addressing. Words are known by 128 bits of a hash that is seeded anew in each process, so that
 * nobody can make two of them meet. Emptied after a rollback, since ids given out in it are void, and when it is full. */
struct word_hash {
    uint64_t low, high;
};
struct words {
    struct word {
        struct word_hash hash;
        int64_t id; /* 0: free slot */
    } * slots;
    size_t nr_slots, nr_used;
};

/* What a row of table call says. */
struct known_call {
    int64_t id; /* 0: none */
    struct op op;
    enum outcome outcome;
    uint64_t allocated;
    char *bytes; /* of its texts and data */
};

/* The operations of one block that the chain vouches for, as one lab sees them. */
struct log_block {
    uint64_t first;   /* entries[0] */
    uint64_t covered; /* the last one; first - 1: the log ends before the block */
    struct chain_value value;
    struct log_entry entries[CHAIN_BLOCK];
    char names[CHAIN_BLOCK][NAME_BYTES];
    char *retired[CHAIN_BLOCK]; /* bytes of calls that entries speak of, and that gave way to others */
    uint32_t nr_retired;
};

struct reader {
    pthread_mutex_t mutex;
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *select_ops, *select_call, *select_parent, *select_config, *select_chain,
        *select_answered, *select_snapshot, *select_image, *select_hash;
    struct known_call *calls; /* CALL_SLOTS, by id */
    struct log_block *block;
};

/* A row of table answered; zeros: before the first. */
struct key_cursor {
    int64_t lab;
    char key[KEY_MAX + 1];
};

/* A file, whatever its name; zeros: there is none. */
struct file_place {
    dev_t device;
    ino_t number;
};

/* A lab's hash as far as the writer has got. */
struct chain_head {
    int64_t lab;
    uint64_t seq;
    bool is_known;
    bool is_listed; /* among those that the batch has changed */
    uint32_t next;  /* of these; NO_HEAD: none */
    struct chain chain;
};
#define NO_HEAD UINT32_MAX

struct store {
    int lock_fd;
    char path[1024];
    struct file_place place, wal_place;
    uint64_t hash_seed[2];
    unsigned char key[32]; /* of this host's images */
    int64_t key_number;    /* 0: there is no key */

    pthread_t writer, keeper;
    pthread_mutex_t fold_mutex; /* held by whoever folds the WAL; taken before mutex */
    sqlite3 *db, *keeper_db;    /* the writer's, the keeper's */
    sqlite3_stmt *begin, *commit, *insert_ops, *insert_call, *insert_text, *find_text, *insert_gfp, *insert_answered;
    sqlite3_stmt *insert_chain;
    struct reader own_reader; /* the writer's, on its connection */
    struct words texts, calls;
    struct chain_head *heads;
    uint32_t nr_heads, heads_room, first_head;
    struct address_map head_numbers; /* lab -> tag: its place in heads */
    struct buffer words;             /* of the call at hand, for its hash */
    uint32_t gfp_seen[64];           /* values that table gfp has already, plus 1 */
    void (*on_commit)(void *context);
    void *on_commit_context;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t work, done, keeping;
    struct batch pending, committing;
    uint64_t nr_commits;
    uint32_t nr_wal_pages, nr_folded_pages; /* folded: back in the file */
    struct {
        uint64_t ticket;
        enum pagoda_error error;
    } failures[NR_FAILURES];
    uint32_t nr_failures;
    bool stopping, keeper_stops;
    bool has_garbage;            /* deleted labs whose rows are still there, perhaps */
    bool sweeps_later;           /* the last sweep has failed */
    bool has_reserve;            /* STORE.reserve takes its room */
    struct key_cursor forgotten; /* the writer's: as far as keys have been looked at */
    bool is_tidy;                /* nothing has been deleted since free pages were last given back */

    pthread_mutex_t damage_mutex; /* guards what follows */
    struct damage {
        int64_t lab; /* 0: none */
        uint64_t first, last;
    } damages[NR_DAMAGES];
    uint32_t nr_damages;
    bool is_read_only;

    _Atomic uint64_t durable_ticket; /* batches up to here have ended; written with the mutex held */

    struct reader readers[NR_READERS];
    struct reader short_reader; /* for those who have a reader already, and wait for nobody */
    _Atomic uint32_t next_reader;
};

extern const char schema_sql[]; /* data/schema.sql */
enum pagoda_error store_error(int sqlite_code);

int store_distrust(sqlite3 *db); /* store.c: triggers and views of the file are dead on this connection */

/* store_room.c. Bytes that are kept for those who free some: a disk that is full lets nobody delete, else. */
void store_make_reserve(struct store *store); /* when there is none, and the disk has room */
bool store_use_reserve(struct store *store);  /* false: there was none */
/* Gives free pages at the file's end back, some in one commit. *more: call again. */
enum pagoda_error store_give_back(struct store *store, bool *more);
/* Forgets Idempotency-Keys that are a day old. Slice by slice, along the keys; *more: call again. */
enum pagoda_error store_forget_keys(struct store *store, bool *more);

/* store_keeper.c */
void store_init_clocked(pthread_cond_t *condition); /* its waits end by the monotonic clock */
void *store_keeper(void *store);
void store_watch_wal(struct store *store); /* calls the keeper when there is something to fold */

/* store_seal.c: makes the function known to a connection. */
int store_add_seal(sqlite3 *db);
#define LAB_SEAL                                                                                                           \
    "lab_seal(id, key, name, created, parent, parent_seq, deleted, config, made, rules, differs_at, chain_since)"

/* store_files.c. The directories that path lies in; what cannot be made shows when the file is opened. */
void store_make_directories(const char *path);
/* Makes the file if there is none; nobody but its owner may read it, nor what lies beside it. */
enum pagoda_error store_narrow_files(struct store *store, struct problem *why);
void store_find_place(struct store *store); /* notes where the files are, for store_is_in_place() */
enum pagoda_error store_take_lock(struct store *store, struct problem *why);
/* given: the key's file; NULL: beside the store.
 * PAGODA_ERR_NOT_FOUND  read: there is none. */
enum pagoda_error store_read_key(struct store *store, const char *given, struct problem *why);
enum pagoda_error store_make_key(struct store *store, const char *given, struct problem *why); /* where there is none */

/* store_migrate.c */
int store_read_version(sqlite3 *db, int *version);
/* All or nothing: an interrupted one leaves the file as it was. */
int store_migrate(sqlite3 *db, int version);
/* Behind it, when the writer is prepared and before its thread runs. An interrupted one goes on with the next call. */
int store_chain_old(struct store *store);

/* store_damage.c: the block of operation seq is not what the chain vouches for. */
void store_note_damage(struct store *store, int64_t lab, uint64_t seq);

/* store_queue.c: makes the batch that is being committed a table for the writer's connection. */
int store_add_queue(struct store *store);

/* store_write.c */
void *store_writer(void *store);
/* Rows one behind another, *offset from 0. NULL: that was the last. */
struct queued_row *store_next_row(struct buffer *rows, size_t *offset);
void store_post_task(struct store *store, struct store_task *task); /* run and context are set, and ended if nobody waits */
/* Runs it on the writer's thread and waits for its commit. */
enum pagoda_error store_run_task(struct store *store, int (*run)(struct store *store, void *context), void *context);
/* The same for those who make room. */
enum pagoda_error store_run_freeing(struct store *store, int (*run)(struct store *store, void *context), void *context);

/* store_rows.c, for the writer's thread. */
bool store_prepare_writer(struct store *store);
void store_finish_writer(struct store *store);
int store_insert_rows(struct store *store);     /* those of the batch that is being committed */
void store_forget_written(struct store *store); /* after a rollback */

/* store_labs.c: what was hidden when the last pagodad ended is for the sweep. */
int store_drop_hidden(sqlite3 *db);
/* store_labs.c: throws away a slice of what a deleted lab left; *more: call again. */
enum pagoda_error store_sweep(struct store *store, bool *more);

/* store_import.c, within a task: takes away a slice of what lies behind change->seq. */
int store_run_undo(struct store *store, struct store_change *change);
int store_run_drop_snapshots(struct store *store, struct store_change *change);

/* store_answer.c, within a task. NULL, or no key: nothing is written. CONSTRAINT: the key is taken. */
int store_insert_answer(struct store *store, const struct answer *answer, uint64_t seq, int64_t made);
int store_remove_answer(struct store *store, const struct answer *answer);

/* store_chain.c, for readers. What a chain says of the block that holds operation seq.
 * *covered  the last operation that it vouches for; before the block: there is none. */
enum pagoda_error store_chain_block(struct reader *reader, int64_t lab, uint64_t seq, uint64_t *covered,
                                    struct chain_value *value);
/* The value before a block; nr_before: the operations before it. */
enum pagoda_error store_chain_before(struct reader *reader, int64_t lab, uint64_t nr_before, struct chain_value *value);
/* The hash, or its value, behind operation seq, with the operations of its block verified. They use reader->block.
 * PAGODA_ERR_NOT_FOUND  the log ends before it. */
enum pagoda_error store_chain_at(struct reader *reader, int64_t lab, uint64_t seq, struct chain *chain);
enum pagoda_error store_chain_value_at(struct reader *reader, int64_t lab, uint64_t seq, struct chain_value *value);
/* store_chain.c, for the writer's thread: each row of a batch, then the batch. */
int store_chain_row(struct store *store, int64_t lab, const struct log_entry *entry);
int store_chain_commit(struct store *store);
/* Before the first row behind operation seq, when own_reader->block is about to hold it. */
int store_chain_go_on(struct store *store, int64_t lab, uint64_t seq);
void store_forget_heads(struct store *store); /* after a rollback */
int store_insert_chain(sqlite3_stmt *insert, int64_t lab, uint64_t seq, const struct chain_value *value);
#define STORE_INSERT_CHAIN "INSERT OR REPLACE INTO chain (id, seq, value) VALUES (?, ?, ?)"

/* store_snapshot.c: says once how many images another key has marked. */
void store_say_foreign(struct store *store);

/* store_read.c. Reads the block that holds operation seq into reader->block, and verifies it.
 * before  the value before the block.
 * PAGODA_ERR_CORRUPT  it is not what the chain vouches for. */
enum pagoda_error store_read_block(struct reader *reader, int64_t lab, uint64_t seq, const struct chain_value *before);
/* The lab's own rows from seq to the end of its block, as they are. CORRUPT: already the first cannot be read. */
int store_read_unchained(struct reader *reader, int64_t lab, uint64_t seq);
bool store_prepare_reader(struct reader *reader);
void store_finish_reader(struct reader *reader);
struct reader *store_take_reader(struct store *store);
/* Only for calls that neither wait nor call back: those who have a reader may ask for it. */
struct reader *store_take_short_reader(struct store *store);
void store_give_reader(struct reader *reader);
enum pagoda_error store_find_parent(struct reader *reader, int64_t lab, int64_t *parent, uint64_t *parent_seq);
/* The lab among lab and its ancestors that holds operation seq, and the last one it holds for this reader. */
enum pagoda_error store_find_holder(struct reader *reader, int64_t lab, uint64_t seq, int64_t *holder, uint64_t *last);
