/* server/store/sqlite/store_state.h - what the store's files share. Nobody else includes it.
 *
 * Opening is store.c, batches and the writer thread store_write.c and store_queue.c, the keeper store_keeper.c, rows of
 * operations store_rows.c, labs store_labs.c, answers store_answer.c, imports store_import.c, snapshots store_snapshot.c,
 * reading store_read.c, copies of a lab store_copy.c, copies of the store store_backup.c. */
#pragma once
#include "server/store/sqlite/sql.h"
#include "server/store/store.h"
#include <pthread.h>
#include <sqlite3.h>

#define SCHEMA_VERSION 4
#define NR_FAILURES 16 /* failed batches that are remembered for late waiters */
#define NR_READERS 3
#define KEY_MAX 64u
#define CALL_SLOTS 4096u /* calls that a reader remembers */
#define SEQ_BITS 40      /* an operation's id is lab << SEQ_BITS | seq */

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
    struct buffer rows; /* struct queued_row and its bytes, one behind another */
    struct store_task *tasks;
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

struct reader {
    pthread_mutex_t mutex;
    sqlite3 *db;
    sqlite3_stmt *select_ops, *select_call, *select_parent, *select_answered, *select_snapshot, *select_image, *select_hash;
    struct known_call *calls; /* CALL_SLOTS, by id */
};

struct store {
    int lock_fd;
    char path[1024];
    uint64_t hash_seed[2];

    pthread_t writer, keeper;
    sqlite3 *db, *keeper_db; /* the writer's, the keeper's */
    sqlite3_stmt *begin, *commit, *insert_ops, *insert_call, *insert_text, *find_text, *insert_gfp, *insert_answered;
    struct words texts, calls;
    struct buffer words;   /* of the call at hand, for its hash */
    uint32_t gfp_seen[64]; /* values that table gfp has already, plus 1 */
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
    bool has_garbage; /* deleted labs whose rows are still there, perhaps */

    _Atomic uint64_t durable_ticket; /* batches up to here have ended; written with the mutex held */

    struct reader readers[NR_READERS];
    _Atomic uint32_t next_reader;
};

extern const char schema_sql[]; /* data/schema.sql */
enum pagoda_error store_error(int sqlite_code);

/* store_keeper.c */
void *store_keeper(void *store);
void store_watch_wal(struct store *store); /* calls the keeper when there is something to fold */

/* store_queue.c: makes the batch that is being committed a table for the writer's connection. */
int store_add_queue(struct store *store);

/* store_write.c */
void *store_writer(void *store);
/* Rows one behind another, *offset from 0. NULL: that was the last. */
struct queued_row *store_next_row(struct buffer *rows, size_t *offset);
void store_post_task(struct store *store, struct store_task *task); /* run and context are set, and ended if nobody waits */
/* Runs it on the writer's thread and waits for its commit. */
enum pagoda_error store_run_task(struct store *store, int (*run)(struct store *store, void *context), void *context);

/* store_rows.c, for the writer's thread. */
bool store_prepare_writer(struct store *store);
void store_finish_writer(struct store *store);
int store_insert_rows(struct store *store);   /* those of the batch that is being committed */
void store_forget_words(struct store *store); /* after a rollback */

/* store_labs.c: what was hidden when the last pagodad ended is for the sweep. */
int store_drop_hidden(sqlite3 *db);
/* store_labs.c: throws away a slice of what a deleted lab left; *more: call again. */
enum pagoda_error store_sweep(struct store *store, bool *more);

/* store_import.c, within a task: takes away a slice of what lies behind change->seq. */
int store_run_undo(struct store *store, struct store_change *change);

/* store_answer.c, within a task. NULL, or no key: nothing is written. CONSTRAINT: the key is taken. */
int store_insert_answer(struct store *store, const struct answer *answer, uint64_t seq, int64_t made);
int store_remove_answer(struct store *store, const struct answer *answer);

/* store_read.c */
bool store_prepare_reader(struct reader *reader);
void store_finish_reader(struct reader *reader);
struct reader *store_take_reader(struct store *store);
void store_give_reader(struct reader *reader);
enum pagoda_error store_find_parent(struct reader *reader, int64_t lab, int64_t *parent, uint64_t *parent_seq);
/* The lab among lab and its ancestors that holds operation seq, and the last one it holds for this reader. */
enum pagoda_error store_find_holder(struct reader *reader, int64_t lab, uint64_t seq, int64_t *holder, uint64_t *last);
