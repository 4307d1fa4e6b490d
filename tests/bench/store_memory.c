/* A store that remembers nothing, for the benchmarks: the daemon linked with it answers from memory, so that what the real
 * one costs can be seen. Snapshots, earlier moments and restarts have nothing to read here. */
#include "server/store/store.h"

#include <stdlib.h>

struct store {
    _Atomic int64_t nr_labs;
};

enum pagoda_error store_open(const char *path, const char *key_path, struct store **out, struct problem *why)
{
    (void)path;
    (void)key_path;
    (void)why;
    *out = calloc(1, sizeof **out);
    return *out ? PAGODA_OK : PAGODA_ERR_NOMEM;
}
enum pagoda_error store_open_to_read(const char *path, const char *key_path, struct store **out, struct problem *why)
{
    return store_open(path, key_path, out, why);
}
bool store_is_in_place(struct store *store)
{
    return store;
}
bool store_find_damage(struct store *store, int64_t lab, uint64_t *first, uint64_t *last)
{
    (void)store;
    (void)lab;
    (void)first;
    (void)last;
    return false;
}
enum pagoda_error store_read_unverified(struct store *store, int64_t lab, uint64_t from, uint64_t to,
                                        bool (*each)(void *context, const struct log_entry *entry), void *context)
{
    return store_read_ops(store, lab, from, to, each, context);
}
enum pagoda_error store_backup(const char *path, const char *to_path, struct problem *why)
{
    (void)path;
    (void)to_path;
    (void)why;
    return PAGODA_ERR_NOT_FOUND;
}
void store_check_file(struct store *store, void (*line)(void *context, const char *text), void *context)
{
    (void)store;
    (void)line;
    (void)context;
}
void store_close(struct store *store)
{
    free(store);
}
uint64_t store_append(struct store *store, struct lab_log *log, const struct log_entry *entry, const char *key,
                      uint64_t body_hash)
{
    (void)store;
    (void)key;
    (void)body_hash;
    atomic_store(&log->durable_seq, entry->seq);
    return 1;
}
void store_when_durable(struct store *store, uint64_t ticket, struct store_waiter *waiter)
{
    (void)store;
    (void)ticket;
    waiter->wake(waiter, PAGODA_OK);
}
bool store_is_durable(struct store *store, uint64_t ticket)
{
    (void)store;
    (void)ticket;
    return true;
}
bool store_has_ended(struct store *store, uint64_t ticket)
{
    return store_is_durable(store, ticket);
}
enum pagoda_error store_wait(struct store *store, uint64_t ticket)
{
    (void)store;
    (void)ticket;
    return PAGODA_OK;
}
void store_on_commit(struct store *store, void (*call)(void *context), void *context)
{
    (void)store;
    (void)call;
    (void)context;
}
uint64_t store_nr_commits(struct store *store)
{
    (void)store;
    return 0;
}
enum pagoda_error store_make_change(struct store *store, struct store_change *change)
{
    if (change->kind == STORE_CREATE_LAB)
        change->row->number = atomic_fetch_add(&store->nr_labs, 1) + 1;
    change->has_more = false;
    return PAGODA_OK;
}
void store_post_change(struct store *store, struct store_change *change)
{
    change->told(change, store_make_change(store, change));
}
enum pagoda_error store_list_labs(struct store *store, void (*each)(void *context, const struct lab_row *row),
                                  void *context, struct problem *why)
{
    (void)store;
    (void)each;
    (void)context;
    (void)why;
    return PAGODA_OK;
}
enum pagoda_error store_read_lab(struct store *store, int64_t id, struct lab_row *row, struct problem *why)
{
    (void)store;
    (void)id;
    (void)row;
    (void)why;
    return PAGODA_ERR_NOT_FOUND;
}
int64_t store_last_lab(struct store *store)
{
    (void)store;
    return 0;
}
enum pagoda_error store_read_ops(struct store *store, int64_t lab, uint64_t from, uint64_t to,
                                 bool (*each)(void *context, const struct log_entry *entry), void *context)
{
    (void)store;
    (void)lab;
    (void)from;
    (void)to;
    (void)each;
    (void)context;
    return PAGODA_ERR_NOT_FOUND;
}
enum pagoda_error store_find_answered(struct store *store, int64_t lab, const char *key, uint64_t *body_hash, uint64_t *seq)
{
    (void)store;
    (void)lab;
    (void)key;
    (void)body_hash;
    (void)seq;
    return PAGODA_ERR_NOT_FOUND;
}
enum pagoda_error store_begin_import(struct store *store, int64_t lab, uint64_t seq)
{
    (void)store;
    (void)lab;
    (void)seq;
    return PAGODA_OK;
}
enum pagoda_error store_finish_import(struct store *store, int64_t lab, uint64_t seq, const struct answer *answer)
{
    (void)answer;
    return store_begin_import(store, lab, seq);
}
enum pagoda_error store_undo_import(struct store *store, int64_t lab, uint64_t seq)
{
    return store_begin_import(store, lab, seq);
}
enum pagoda_error store_begin_answer(struct store *store, const struct answer *answer, uint64_t seq)
{
    return store_begin_import(store, answer->lab, seq);
}
enum pagoda_error store_end_answer(struct store *store, const struct answer *answer, uint64_t seq)
{
    return store_begin_import(store, answer->lab, seq);
}
enum pagoda_error store_find_answer(struct store *store, const struct answer *asked, uint64_t *body_hash, uint64_t *seq,
                                    struct buffer *text)
{
    (void)text;
    return store_find_answered(store, asked->lab, asked->key, body_hash, seq);
}
enum pagoda_error store_copy_begin(struct store *store, int64_t lab, uint64_t last_seq, bool with_images,
                                   struct store_copy **out)
{
    (void)with_images;
    *out = NULL;
    enum pagoda_error error = store_begin_import(store, lab, last_seq);
    return error ? error : PAGODA_ERR_NOT_FOUND;
}
enum pagoda_error store_copy_step(struct store_copy *copy, bool *is_done)
{
    (void)copy;
    *is_done = true;
    return PAGODA_ERR_NOT_FOUND;
}
long store_copy_read(struct store_copy *copy, void *out, size_t capacity)
{
    (void)copy;
    (void)out;
    (void)capacity;
    return -1;
}
void store_copy_end(struct store_copy *copy)
{
    (void)copy;
}
enum pagoda_error store_save_snapshot(struct store *store, const struct lab_log *log, uint32_t nr_losses,
                                      const struct snapshot_row *row, const void *image, size_t nr_bytes)
{
    (void)store;
    (void)log;
    (void)nr_losses;
    (void)row;
    (void)image;
    (void)nr_bytes;
    return PAGODA_OK;
}
enum pagoda_error store_load_snapshot(struct store *store, const struct snapshot_moment *moment, struct snapshot_row *row,
                                      struct buffer *image)
{
    (void)store;
    (void)moment;
    (void)row;
    (void)image;
    return PAGODA_ERR_NOT_FOUND;
}
enum pagoda_error store_next_hash(struct store *store, const struct snapshot_moment *moment, struct snapshot_row *row)
{
    (void)store;
    (void)moment;
    (void)row;
    return PAGODA_ERR_NOT_FOUND;
}
