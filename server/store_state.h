/* server/store_state.h - what the three files of the store share: opening (store.c), writing (store_write.c), reading
 * (store_read.c). Nobody else includes it. */
#pragma once
#include "server/store.h"
#include <pthread.h>
#include <sqlite3.h>

#define SCHEMA_VERSION 1
#define NR_FAILURES 16 /* failed batches that are remembered for late waiters */

/* A request that runs inside the writer's transaction: everything but appending operations. */
struct task {
    struct task *next;
    int (*run)(sqlite3 *db, void *context); /* an SQLite code; anything but OK fails the batch */
    void *context;
};

struct batch {
    uint64_t ticket;
    struct buffer rows; /* struct queued_row and its bytes, one behind another */
    struct task *tasks;
    struct store_waiter *waiters;
};

/* Text -> id, open addressing; emptied after a rollback, since ids given out in it are void. */
struct text_ids {
    struct text_id {
        uint64_t hash;
        int64_t id; /* 0: free slot */
    } * slots;
    size_t nr_slots, nr_used;
};

struct store {
    int lock_fd;
    char path[1024];

    pthread_t writer;
    sqlite3 *db; /* the writer's */
    sqlite3_stmt *insert_op, *insert_text, *find_text, *insert_gfp, *insert_answered;
    struct text_ids texts;
    void (*on_commit)(void *context);
    void *on_commit_context;
    uint32_t gfp_seen[64]; /* values that table gfp has already */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t work, done;
    struct batch pending, committing;
    uint64_t durable_ticket; /* batches up to here have ended */
    uint64_t nr_commits;
    struct {
        uint64_t ticket;
        enum pagoda_error error;
    } failures[NR_FAILURES];
    uint32_t nr_failures;
    bool stopping;

    pthread_mutex_t read_mutex; /* guards what follows */
    sqlite3 *reader;
    sqlite3_stmt *select_ops, *select_text, *select_parent, *select_answered;
    char **text_by_id; /* cache */
    size_t nr_text_by_id;
};

enum pagoda_error store_error(int sqlite_code);
void *store_writer(void *store);
bool store_prepare_writer(struct store *store);
bool store_prepare_reader(struct store *store);
void store_finish_reader(struct store *store);
void store_finish_writer(struct store *store);
