/* server/store/sqlite/store_keeper.c - the keeper: a thread that tidies up beside the writer, on a connection of its own.
 *
 * The WAL is folded back into the file here, because that means syncing a much larger file while clients wait. A WAL can
 * only start again from its beginning when all of it has been folded, which the keeper, always a few commits behind under
 * load, does not achieve alone: the writer folds the short rest. Only when the WAL grows past WAL_MAX does the writer do it
 * all itself.
 *
 * No fold begins while another runs, nor where all is folded already: SQLite before 3.51.3 can lose count of what is folded
 * when a fold begins behind a complete one and a commit starts the WAL again meanwhile (sqlite.org/wal.html, the WAL-reset
 * bug). The file is corrupt then, after the next crash at the latest. While something is left to fold, no commit starts the
 * WAL again.
 *
 * A sync of bytes that are written over bytes costs about two thirds of one that makes a file longer, which changes the
 * file system's own books too. So the WAL gets its length before it needs it. */
#include "server/store/sqlite/store_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define WAL_ENOUGH 500u               /* pages: the keeper folds */
#define WAL_LONG 1500                 /* pages: time to start again from the beginning */
#define WAL_SHORT_REST 200u           /* pages: the writer folds in passing */
#define WAL_MAX 16000                 /* pages: the writer folds whatever there is */
#define WAL_ROOM (INT64_C(8) << 20)   /* bytes: WAL_LONG pages and what comes before the next fold ends */
#define DISK_IS_SHORT (32 * WAL_ROOM) /* bytes: then the room is left to those who need it */

#define LOOK_EVERY_S 1
#define FORGET_EVERY 600u /* looks */

/* What the keeper remembers from one look to the next. */
struct looks {
    unsigned nr;
    bool was_in_place, forgets;
};

/* Folds what there is. Fold mutex held, and there is something. */
static void wal_fold(struct store *store, sqlite3 *db)
{
    int nr_pages = 0, nr_folded = 0;
    int rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &nr_pages, &nr_folded);
    pthread_mutex_lock(&store->mutex);
    /* After a failure (the disk is full, say) the next try waits for as much again. */
    store->nr_folded_pages = rc == SQLITE_OK && nr_folded >= 0 ? (uint32_t)nr_folded : store->nr_wal_pages;
    pthread_mutex_unlock(&store->mutex);
}

/* After each commit of the writer's connection. */
static int keeper_watch_wal(void *context, sqlite3 *db, const char *name, int nr_pages)
{
    struct store *store = context;
    (void)name;
    pthread_mutex_lock(&store->mutex);
    store->nr_wal_pages = (uint32_t)nr_pages;
    if (store->nr_folded_pages > store->nr_wal_pages)
        store->nr_folded_pages = 0;
    uint32_t left = store->nr_wal_pages - store->nr_folded_pages;
    if (left >= WAL_ENOUGH)
        pthread_cond_signal(&store->keeping);
    pthread_mutex_unlock(&store->mutex);
    bool is_time = nr_pages >= WAL_MAX || (nr_pages >= WAL_LONG && left <= WAL_SHORT_REST);
    if (is_time && pthread_mutex_trylock(&store->fold_mutex) == 0) { /* else the keeper is at it */
        wal_fold(store, db);
        pthread_mutex_unlock(&store->fold_mutex);
    }
    return SQLITE_OK;
}

void store_watch_wal(struct store *store)
{
    sqlite3_wal_hook(store->db, keeper_watch_wal, store);
}

/* Beside a writer that may be writing to it: what is appended never lands on what is there. Behind its last frame SQLite
 * takes zeros for the rests of an earlier round. */
static void keeper_lengthen_wal(const struct store *store)
{
    static const char ZEROS[64 * 1024];
    char path[1040];
    struct statvfs disk;
    struct stat wal;
    snprintf(path, sizeof path, "%s-wal", store->path);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return;
    bool has_room = fstatvfs(fd, &disk) == 0 && disk.f_bavail > (uint64_t)DISK_IS_SHORT / disk.f_frsize;
    while (has_room && fstat(fd, &wal) == 0 && wal.st_size < WAL_ROOM)
        has_room = write(fd, ZEROS, sizeof ZEROS) == (ssize_t)sizeof ZEROS;
    fdatasync(fd);
    close(fd);
}

/* ---- chores ---- */

enum chore { CHORE_STOP, CHORE_FOLD, CHORE_SWEEP, CHORE_GIVE_BACK, CHORE_LOOK };

void store_init_clocked(pthread_cond_t *condition)
{
    pthread_condattr_t by_clock;
    pthread_condattr_init(&by_clock);
    pthread_condattr_setclock(&by_clock, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &by_clock);
    pthread_condattr_destroy(&by_clock);
}

/* With the mutex held. LOOK: nothing else is to be done. */
static enum chore keeper_choose(const struct store *store)
{
    if (store->keeper_stops)
        return CHORE_STOP;
    if (store->nr_wal_pages >= store->nr_folded_pages + WAL_ENOUGH)
        return CHORE_FOLD;
    return store->has_garbage ? CHORE_SWEEP : store->is_tidy ? CHORE_LOOK : CHORE_GIVE_BACK;
}

static enum chore keeper_wait(struct store *store)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_EVERY_S;
    pthread_mutex_lock(&store->mutex);
    enum chore chore = keeper_choose(store);
    while (chore == CHORE_LOOK && pthread_cond_timedwait(&store->keeping, &store->mutex, &until) == 0)
        chore = keeper_choose(store);
    pthread_mutex_unlock(&store->mutex);
    return chore;
}

static void keeper_fold(struct store *store)
{
    pthread_mutex_lock(&store->fold_mutex);
    pthread_mutex_lock(&store->mutex);
    bool is_left = store->nr_wal_pages > store->nr_folded_pages;
    pthread_mutex_unlock(&store->mutex);
    if (is_left)
        wal_fold(store, store->keeper_db);
    pthread_mutex_unlock(&store->fold_mutex);
}

/* After a failure (the disk is full, say) what has been deleted so far is given back, and the next look tries again. */
static void keeper_sweep(struct store *store)
{
    bool more = false;
    enum pagoda_error error = store_sweep(store, &more);
    pthread_mutex_lock(&store->mutex);
    store->has_garbage = !error && more;
    store->sweeps_later = error != PAGODA_OK;
    store->is_tidy = false;
    pthread_mutex_unlock(&store->mutex);
}

/* The file is cut when what was deleted has been folded into it. */
static void keeper_give_back(struct store *store)
{
    bool more = false;
    enum pagoda_error error = store_give_back(store, &more);
    pthread_mutex_lock(&store->mutex);
    store->is_tidy = error || !more;
    bool is_tidy = store->is_tidy;
    pthread_mutex_unlock(&store->mutex);
    if (is_tidy)
        keeper_fold(store);
}

/* What is looked at by the clock. */
static void keeper_look(struct store *store, struct looks *looks)
{
    bool is_in_place = store_is_in_place(store);
    if (is_in_place != looks->was_in_place)
        fprintf(stderr, "pagodad: %s: %s\n", store->path,
                is_in_place ? "the store's file is back, and written to again" : pagoda_error_text(PAGODA_ERR_GONE));
    looks->was_in_place = is_in_place;
    if (!is_in_place)
        return;
    pthread_mutex_lock(&store->mutex);
    store->has_garbage |= store->sweeps_later;
    pthread_mutex_unlock(&store->mutex);
    store_make_reserve(store);
    if (looks->nr++ % FORGET_EVERY == 0)
        looks->forgets = true;
    if (looks->forgets && store_forget_keys(store, &looks->forgets))
        looks->forgets = false;
}

void *store_keeper(void *context)
{
    struct store *store = context;
    struct looks looks = { .was_in_place = true };
    pthread_setname_np(pthread_self(), "store-keeper");
    keeper_lengthen_wal(store);
    keeper_look(store, &looks);
    for (enum chore chore; (chore = keeper_wait(store)) != CHORE_STOP;)
        if (chore == CHORE_LOOK)
            keeper_look(store, &looks);
        else
            (chore == CHORE_FOLD ? keeper_fold : chore == CHORE_SWEEP ? keeper_sweep : keeper_give_back)(store);
    return NULL;
}
