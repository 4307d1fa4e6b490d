/* server/lab/snapshot.h - machines to images and back, and the thread that compresses and stores them while the lab goes
 * on. */
#pragma once
#include "pagoda/machine.h"
#include "server/store/store.h"
#include <pthread.h>

#define SNAPSHOT_NEAR_NS UINT64_C(3000000) /* of replay between the newest snapshots; see also SNAPSHOT_FAR_MIN_NS */
#define SNAPSHOTS_QUEUED_MAX 4

struct lab;
struct labs;
struct snapshot_job;

struct snapshots {
    struct store *store;
    pthread_t worker;
    bool is_running;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t work;
    struct snapshot_job *first, **last;
    bool stopping;
    _Atomic uint32_t nr_queued; /* the one under way included */
    _Atomic uint64_t nr_saved, nr_failed;
};

/* Which images and hashes of the store are ours to read: machine_identity(), found out once. 0: there was no memory. */
uint64_t snapshot_identity(void);

/* False: no thread or no memory. */
bool snapshots_start(struct snapshots *snapshots, struct store *store);
void snapshots_stop(struct snapshots *snapshots); /* what is queued is dropped: the log has it all */

/* What replaying this operation takes, roughly. */
uint64_t snapshot_replay_ns(uint64_t cost_ns);
/* Takes the machine's image now and stores it later.
 * log  of the operations that led to it: the lab's, or that of its import; it lives as long as the lab.
 * False: too many are waiting, or images of the lab are being dropped; try again a little later. */
bool snapshot_take(struct snapshots *snapshots, struct lab *lab, const struct lab_log *log, const struct machine *machine,
                   uint64_t cost_ns);
/* The newest machine of the log at or before seq that can be had. NOT_FOUND: none; start at 0. */
enum pagoda_error snapshot_load(struct store *store, int64_t lab, uint64_t seq, struct machine **machine,
                                uint64_t *cost_ns) PAGODA_MUST_CHECK;
/* Does the image of the snapshot at seq, if it is still there, hold what it should? */
bool snapshot_is_sound(struct store *store, int64_t lab, uint64_t seq);
