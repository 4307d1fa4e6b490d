/* server/lab/snapshot.c - see snapshot.h. The caller, who has the lab locked, pays for the flat image only; compressing it
 * and waiting for the disk is the worker's business. A snapshot that cannot be had costs time later, nothing else: failures
 * are counted, not reported. A damaged one is found by its hash and passed over for the next older one. */
#include "server/lab/snapshot.h"
#include "server/base/guard.h"
#include "server/base/host_memory.h"
#include "server/lab/lab_internal.h"

#include <stdlib.h>
#include <zstd.h>

#define LEVEL 1                       /* of zstd */
#define IMAGE_MAX (UINT64_C(8) << 30) /* bytes; more is a damaged header */
#define REPLAY_NS 500u                /* to read and apply an operation that costs nothing */

static pthread_once_t identity_once = PTHREAD_ONCE_INIT;
static uint64_t identity;

static void snapshot_find_identity(void)
{
    if (machine_identity(&HOST_MEMORY, &identity))
        identity = 0;
}

uint64_t snapshot_identity(void)
{
    pthread_once(&identity_once, snapshot_find_identity);
    return identity;
}

struct snapshot_job {
    struct snapshot_job *next;
    struct lab *lab;           /* held */
    const struct lab_log *log; /* that the image belongs to */
    uint32_t nr_losses;        /* when the machine was made: the log may have lost since what the image shows */
    struct snapshot_row row;
    void *image;
    size_t nr_bytes;
};

uint64_t snapshot_replay_ns(uint64_t cost_ns)
{
    return REPLAY_NS + cost_ns / 4;
}

/* ---- the worker ---- */

static enum pagoda_error snapshot_save(struct snapshots *snapshots, const struct snapshot_job *job)
{
    size_t room = ZSTD_compressBound(job->nr_bytes);
    void *packed = malloc(room);
    if (!packed)
        return PAGODA_ERR_NOMEM;
    size_t nr_bytes = ZSTD_compress(packed, room, job->image, job->nr_bytes, LEVEL);
    enum pagoda_error error = ZSTD_isError(nr_bytes) ? PAGODA_ERR_NOMEM
                                                     : store_save_snapshot(snapshots->store, job->log, job->nr_losses,
                                                                           &job->row, packed, nr_bytes);
    free(packed);
    return error;
}

static void snapshot_end_job(struct snapshots *snapshots, struct snapshot_job *job)
{
    atomic_fetch_sub(&snapshots->nr_queued, 1);
    lab_put(job->lab);
    free(job->image);
    free(job);
}

static struct snapshot_job *snapshot_take_job(struct snapshots *snapshots)
{
    pthread_mutex_lock(&snapshots->mutex);
    while (!snapshots->first && !snapshots->stopping)
        pthread_cond_wait(&snapshots->work, &snapshots->mutex);
    struct snapshot_job *job = snapshots->stopping ? NULL : snapshots->first;
    if (job) {
        snapshots->first = job->next;
        if (!snapshots->first)
            snapshots->last = &snapshots->first;
    }
    pthread_mutex_unlock(&snapshots->mutex);
    return job;
}

static void *snapshot_main(void *context)
{
    struct snapshots *snapshots = context;
    for (struct snapshot_job *job; (job = snapshot_take_job(snapshots));) {
        atomic_fetch_add(snapshot_save(snapshots, job) ? &snapshots->nr_failed : &snapshots->nr_saved, 1);
        snapshot_end_job(snapshots, job);
    }
    return NULL;
}

bool snapshots_start(struct snapshots *snapshots, struct store *store)
{
    *snapshots = (struct snapshots){ .store = store, .last = &snapshots->first };
    pthread_mutex_init(&snapshots->mutex, NULL);
    pthread_cond_init(&snapshots->work, NULL);
    snapshots->is_running = snapshot_identity() && pthread_create(&snapshots->worker, NULL, snapshot_main, snapshots) == 0;
    return snapshots->is_running;
}

void snapshots_stop(struct snapshots *snapshots)
{
    if (!snapshots->is_running)
        return;
    pthread_mutex_lock(&snapshots->mutex);
    snapshots->stopping = true;
    pthread_cond_signal(&snapshots->work);
    pthread_mutex_unlock(&snapshots->mutex);
    pthread_join(snapshots->worker, NULL);
    while (snapshots->first) {
        struct snapshot_job *job = snapshots->first;
        snapshots->first = job->next;
        snapshot_end_job(snapshots, job);
    }
    snapshots->is_running = false;
}

/* ---- the labs' side ---- */

/* An image on its way. */
struct image_save {
    const struct machine *machine;
    void *image;
    size_t room, nr_bytes; /* nr_bytes: what it has, or, without room, may need */
};

static void snapshot_save_image(void *context)
{
    struct image_save *save = context;
    save->nr_bytes = machine_save(save->machine, save->image, save->room);
}

/* 0: the machine broke down. */
static size_t snapshot_try_save(struct lab *lab, const struct machine *machine, void *image, size_t room)
{
    struct image_save save = { machine, image, room, 0 };
    if (!guard_run(machine, snapshot_save_image, &save))
        return save.nr_bytes;
    atomic_store(&lab->is_broken, true);
    lab_count_fault(lab);
    return 0;
}

static struct snapshot_job *snapshot_make_job(struct lab *lab, const struct lab_log *log, const struct machine *machine,
                                              uint64_t cost_ns)
{
    size_t room = snapshot_try_save(lab, machine, NULL, 0);
    struct snapshot_job *job = calloc(1, sizeof *job);
    void *image = job && room ? malloc(room) : NULL; /* large: what is not written to is not paid for */
    if (!image) {
        free(job);
        return NULL;
    }
    size_t nr_bytes = snapshot_try_save(lab, machine, image, room);
    if (!nr_bytes) {
        free(image);
        free(job);
        return NULL;
    }
    uint32_t nr_losses = log == &lab->log ? lab->nr_losses : atomic_load(&log->nr_losses);
    *job = (struct snapshot_job){ .lab = lab, .log = log, .nr_losses = nr_losses, .nr_bytes = nr_bytes };
    job->row = (struct snapshot_row){
        .seq = machine_seq(machine), .engine = snapshot_identity(), .hash = machine_image_hash(image), .cost_ns = cost_ns
    };
    job->image = realloc(image, nr_bytes);
    return job;
}

bool snapshot_take(struct snapshots *snapshots, struct lab *lab, const struct lab_log *log, const struct machine *machine,
                   uint64_t cost_ns)
{
    if (!snapshots->is_running || atomic_load(&snapshots->nr_queued) >= SNAPSHOTS_QUEUED_MAX ||
        atomic_load(&lab->is_dropping))
        return false;
    struct snapshot_job *job = snapshot_make_job(lab, log, machine, cost_ns);
    if (!job)
        return true; /* no memory: do not try at every operation */
    lab_keep(lab);
    atomic_fetch_add(&snapshots->nr_queued, 1);
    pthread_mutex_lock(&snapshots->mutex);
    *snapshots->last = job;
    snapshots->last = &job->next;
    pthread_cond_signal(&snapshots->work);
    pthread_mutex_unlock(&snapshots->mutex);
    return true;
}

/* NULL: damaged, or another engine's. */
static struct machine *snapshot_unpack(const struct buffer *packed, const struct snapshot_row *row)
{
    struct machine *machine = NULL;
    unsigned long long nr_bytes = ZSTD_getFrameContentSize(packed->data, packed->length);
    void *image = nr_bytes < IMAGE_MAX ? malloc((size_t)nr_bytes) : NULL;
    if (image && ZSTD_decompress(image, (size_t)nr_bytes, packed->data, packed->length) == nr_bytes &&
        guard_load(image, (size_t)nr_bytes, &HOST_MEMORY, &machine) == PAGODA_OK &&
        (machine_image_hash(image) != row->hash || machine_seq(machine) != row->seq)) {
        machine_destroy(machine);
        machine = NULL;
    }
    free(image);
    return machine;
}

enum pagoda_error snapshot_load(struct store *store, int64_t lab, uint64_t seq, struct machine **machine, uint64_t *cost_ns)
{
    struct buffer packed = { 0 };
    struct snapshot_row row = { .seq = seq + 1 };
    enum pagoda_error error = PAGODA_OK;
    *machine = NULL;
    while (!error && !*machine && row.seq > 1) {
        error =
            store_load_snapshot(store, &(struct snapshot_moment){ lab, row.seq - 1, snapshot_identity() }, &row, &packed);
        if (!error && row.is_genuine)
            *machine = snapshot_unpack(&packed, &row);
        *cost_ns = row.cost_ns;
    }
    buffer_clear(&packed);
    return *machine ? PAGODA_OK : error ? error : PAGODA_ERR_NOT_FOUND;
}

bool snapshot_is_sound(struct store *store, int64_t lab, uint64_t seq)
{
    struct buffer packed = { 0 };
    struct snapshot_row row;
    enum pagoda_error error =
        store_load_snapshot(store, &(struct snapshot_moment){ lab, seq, snapshot_identity() }, &row, &packed);
    bool is_sound = error == PAGODA_ERR_NOT_FOUND || (!error && row.seq < seq);
    if (!error && row.seq == seq) {
        struct machine *machine = row.is_genuine ? snapshot_unpack(&packed, &row) : NULL;
        is_sound = machine != NULL;
        machine_destroy(machine);
    }
    buffer_clear(&packed);
    return is_sound;
}
