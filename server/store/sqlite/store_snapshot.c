/* server/store/sqlite/store_snapshot.c - images of machines beside the log.
 *
 * The log is the truth and a snapshot a shortcut through it: whoever reads one verifies it and can do without. Behind the
 * newest SNAPSHOTS_NEAR images only those stay that are far_ns() of replay apart; of the others the hash remains, to
 * be compared whenever a replay comes by. */
#include "server/store/sqlite/store_state.h"

#include <stdio.h>
#include <string.h>

#define PART_BYTES (256u * 1024u) /* of an image in one commit */

#define FOREIGN_AT_ONCE 2 /* images of another engine that go with one of ours */

struct image_mac {
    unsigned char bytes[32];
};

struct image_part {
    const struct lab_log *log;
    uint32_t nr_losses;
    const struct snapshot_row *row;
    const char *bytes;
    size_t nr_bytes;
    uint32_t number, nr_parts;
    struct image_mac mac; /* of the whole */
};

/* What only this host can make: a mark on the image, what its row says, and the way there. An image of another lab, of
 * another moment, or of operations that the log does not have has another mark. */
static void snapshot_mark(const struct store *store, const struct snapshot_row *row, const struct chain_value *chain,
                          const void *image, size_t nr_bytes, struct image_mac *mac)
{
    const uint64_t numbers[] = { row->seq, row->engine, row->hash, row->cost_ns, nr_bytes };
    crypto_generichash_state state;
    crypto_generichash_init(&state, store->key, sizeof store->key, sizeof mac->bytes);
    crypto_generichash_update(&state, (const unsigned char *)numbers, sizeof numbers);
    crypto_generichash_update(&state, chain->bytes, sizeof chain->bytes);
    crypto_generichash_update(&state, image, nr_bytes);
    crypto_generichash_final(&state, mac->bytes, sizeof mac->bytes);
}

/* Only for a machine that the log leads to, of a lab that is still there. The writer alone declares losses, and this runs
 * on its thread, so that the answer holds until the commit. */
static int snapshot_check_part(struct store *store, const struct image_part *part)
{
    if (atomic_load(&part->log->nr_losses) != part->nr_losses || atomic_load(&part->log->durable_seq) < part->row->seq)
        return SQLITE_CONSTRAINT;
    int64_t one;
    int rc = sql_select_number(store->db, "SELECT 1 FROM lab WHERE id = ? AND deleted <> 1",
                               SQL_VALUES(sql_i64(part->log->lab)), &one);
    return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_NOTFOUND : rc;
}

static int snapshot_run_part(struct store *store, void *context)
{
    const struct image_part *part = context;
    int rc = snapshot_check_part(store, part);
    if (rc == SQLITE_OK)
        rc = sql_run(store->db, "INSERT OR REPLACE INTO image (id, part, bytes) VALUES (?, ?, ?)",
                     SQL_VALUES(sql_i64(op_id(part->log->lab, part->row->seq)), sql_i64(part->number),
                                sql_blob(part->bytes, part->nr_bytes)));
    return rc;
}

/* An image in the store, and what the way from 0 to it costs. */
struct stored_image {
    sqlite3_int64 id;
    uint64_t cost_ns;
};

/* The newest ones of the lab, newest first; *count of them. */
static int snapshot_find_near(sqlite3 *db, int64_t lab, struct stored_image images[SNAPSHOTS_NEAR + 2], int *count)
{
    sqlite3_stmt *select;
    *count = 0;
    int rc = sql_select(db,
                        "SELECT id, cost FROM snapshot WHERE id BETWEEN ?1 AND ?2 AND nr_parts > 0"
                        " ORDER BY id DESC LIMIT ?3",
                        SQL_VALUES(sql_i64(op_id(lab, 0)), sql_i64(op_id(lab, UINT64_MAX)), sql_i64(SNAPSHOTS_NEAR + 2)),
                        &select);
    while (rc == SQLITE_OK && (rc = sqlite3_step(select)) == SQLITE_ROW) {
        images[(*count)++] =
            (struct stored_image){ sqlite3_column_int64(select, 0), (uint64_t)sqlite3_column_int64(select, 1) };
        rc = SQLITE_OK;
    }
    sqlite3_finalize(select);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int snapshot_image_bytes(sqlite3 *db, sqlite3_int64 id, uint64_t *nr_bytes)
{
    int64_t sum = 0;
    int rc = sql_select_number(db, "SELECT sum(length(bytes)) FROM image WHERE id = ?", SQL_VALUES(sql_i64(id)), &sum);
    *nr_bytes = (uint64_t)sum;
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static uint64_t snapshot_far_ns(uint64_t bytes)
{
    uint64_t ns = bytes * SNAPSHOT_FAR_NS_A_BYTE;
    return ns < SNAPSHOT_FAR_MIN_NS ? SNAPSHOT_FAR_MIN_NS : ns < SNAPSHOT_FAR_MAX_NS ? ns : SNAPSHOT_FAR_MAX_NS;
}

static int snapshot_drop_image(sqlite3 *db, sqlite3_int64 id)
{
    int rc = sql_run(db, "UPDATE snapshot SET nr_parts = 0 WHERE id = ?", SQL_VALUES(sql_i64(id)));
    return rc == SQLITE_OK ? sql_run(db, "DELETE FROM image WHERE id = ?", SQL_VALUES(sql_i64(id))) : rc;
}

/* The image that has just left the near ones goes, unless the one before it is far from the one behind it. */
static int snapshot_thin(sqlite3 *db, int64_t lab)
{
    struct stored_image images[SNAPSHOTS_NEAR + 2];
    const struct stored_image *leaving = &images[SNAPSHOTS_NEAR], *behind = leaving - 1, *before = leaving + 1;
    int count;
    uint64_t nr_bytes;
    int rc = snapshot_find_near(db, lab, images, &count);
    if (rc != SQLITE_OK || count < SNAPSHOTS_NEAR + 2)
        return rc;
    rc = snapshot_image_bytes(db, leaving->id, &nr_bytes);
    if (rc != SQLITE_OK || behind->cost_ns - before->cost_ns > snapshot_far_ns(nr_bytes))
        return rc;
    return snapshot_drop_image(db, leaving->id);
}

/* Images that only another engine or another host reads make room for ours: as many at a time as one commit bears. */
static int snapshot_drop_foreign(const struct store *store, int64_t lab, uint64_t engine)
{
    sqlite3 *db = store->db;
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < FOREIGN_AT_ONCE; i++) {
        int64_t id;
        rc = sql_select_number(db,
                               "SELECT id FROM snapshot WHERE id BETWEEN ?1 AND ?2 AND nr_parts > 0"
                               " AND (engine <> ?3 OR key <> ?4) LIMIT 1",
                               SQL_VALUES(sql_i64(op_id(lab, 0)), sql_i64(op_id(lab, UINT64_MAX)), sql_u64(engine),
                                          sql_i64(store->key_number)),
                               &id);
        if (rc != SQLITE_ROW)
            return rc == SQLITE_DONE ? SQLITE_OK : rc;
        rc = snapshot_drop_image(db, id);
    }
    return rc;
}

static int snapshot_run_finish(struct store *store, void *context)
{
    const struct image_part *part = context;
    const struct snapshot_row *row = part->row;
    int rc = snapshot_check_part(store, part);
    if (rc == SQLITE_OK) /* of an image of that moment that was cut short */
        rc = sql_run(store->db, "DELETE FROM image WHERE id = ? AND part >= ?",
                     SQL_VALUES(sql_i64(op_id(part->log->lab, row->seq)), sql_i64(part->nr_parts)));
    if (rc == SQLITE_OK)
        rc = sql_run(
            store->db,
            "INSERT OR REPLACE INTO snapshot (id, engine, hash, cost, nr_parts, key, mac) VALUES (?, ?, ?, ?, ?, ?, ?)",
            SQL_VALUES(sql_i64(op_id(part->log->lab, row->seq)), sql_u64(row->engine), sql_u64(row->hash),
                       sql_u64(row->cost_ns), sql_i64(part->nr_parts), sql_i64(store->key_number),
                       sql_blob(part->mac.bytes, sizeof part->mac.bytes)));
    if (rc == SQLITE_OK)
        rc = snapshot_drop_foreign(store, part->log->lab, row->engine);
    return rc == SQLITE_OK ? snapshot_thin(store->db, part->log->lab) : rc;
}

static enum pagoda_error snapshot_mark_log(struct store *store, int64_t lab, const struct snapshot_row *row,
                                           const void *image, size_t nr_bytes, struct image_mac *mac)
{
    struct chain_value chain;
    struct reader *reader = store_take_reader(store);
    enum pagoda_error error = store_chain_value_at(reader, lab, row->seq, &chain);
    store_give_reader(reader);
    if (!error)
        snapshot_mark(store, row, &chain, image, nr_bytes, mac);
    return error;
}

enum pagoda_error store_save_snapshot(struct store *store, const struct lab_log *log, uint32_t nr_losses,
                                      const struct snapshot_row *row, const void *image, size_t nr_bytes)
{
    struct image_part part = { .log = log, .nr_losses = nr_losses, .row = row };
    enum pagoda_error error = PAGODA_OK;
    for (size_t at = 0; !error && at < nr_bytes; at += part.nr_bytes) {
        part.bytes = (const char *)image + at;
        part.nr_bytes = nr_bytes - at < PART_BYTES ? nr_bytes - at : PART_BYTES;
        error = store_run_task(store, snapshot_run_part, &part);
        part.number = ++part.nr_parts;
    }
    if (!error) /* the operations are on disk: a part would not have been written before them */
        error = snapshot_mark_log(store, log->lab, row, image, nr_bytes, &part.mac);
    return error ? error : store_run_task(store, snapshot_run_finish, &part);
}

/* ---- what the log has lost ---- */

/* Images go slice by slice, snapshots after them: until then they are found again. */
int store_run_drop_snapshots(struct store *store, struct store_change *change)
{
    const struct sql_value from = sql_i64(op_id(change->lab, change->seq));
    const struct sql_value to = sql_i64(op_id(change->lab, UINT64_MAX));
    int rc =
        sql_run(store->db, "DELETE FROM image WHERE rowid IN (SELECT rowid FROM image WHERE id > ?1 AND id <= ?2 LIMIT 4)",
                SQL_VALUES(from, to));
    change->has_more = rc == SQLITE_OK && sqlite3_changes(store->db) > 0;
    if (rc == SQLITE_OK && !change->has_more)
        rc = sql_run(store->db, "DELETE FROM snapshot WHERE id > ?1 AND id <= ?2", SQL_VALUES(from, to));
    return rc;
}

/* ---- reading ---- */

/* NOT_FOUND: the statement has no row in [from, to] of the lab. *mac: of its image; zeros: it has none. */
static enum pagoda_error snapshot_find_row(sqlite3_stmt *select, const struct sql_value *range, struct snapshot_row *row,
                                           struct image_mac *mac)
{
    *mac = (struct image_mac){ { 0 } };
    int rc = sql_bind(select, range);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(select);
    if (rc == SQLITE_ROW)
        *row = (struct snapshot_row){ .seq = op_id_seq(sqlite3_column_int64(select, 0)),
                                      .engine = (uint64_t)range[2].number,
                                      .hash = (uint64_t)sqlite3_column_int64(select, 1),
                                      .cost_ns = (uint64_t)sqlite3_column_int64(select, 2) };
    if (rc == SQLITE_ROW && sqlite3_column_bytes(select, 3) == sizeof mac->bytes)
        memcpy(mac->bytes, sqlite3_column_blob(select, 3), sizeof mac->bytes);
    sqlite3_reset(select);
    return rc == SQLITE_DONE ? PAGODA_ERR_NOT_FOUND : store_error(rc);
}

static enum pagoda_error snapshot_read_image(struct reader *reader, int64_t lab, uint64_t seq, struct buffer *image)
{
    sqlite3_stmt *select = reader->select_image;
    image->length = 0;
    int rc = sql_bind(select, SQL_VALUES(sql_i64(op_id(lab, seq))));
    while (rc == SQLITE_OK && (rc = sqlite3_step(select)) == SQLITE_ROW) {
        buffer_add(image, sqlite3_column_blob(select, 0), (size_t)sqlite3_column_bytes(select, 0));
        rc = SQLITE_OK;
    }
    sqlite3_reset(select);
    return image->failed ? PAGODA_ERR_NOMEM : store_error(rc);
}

/* From the lab that holds the moment upwards: each ancestor up to where its fork began. */
static enum pagoda_error snapshot_find_newest(struct reader *reader, const struct snapshot_moment *moment, int64_t key,
                                              int64_t *holder, struct snapshot_row *row, struct image_mac *mac)
{
    uint64_t last = moment->seq, end;
    *holder = moment->lab;
    for (;;) {
        enum pagoda_error error = store_find_holder(reader, *holder, last, holder, &end);
        if (!error)
            error = snapshot_find_row(reader->select_snapshot,
                                      SQL_VALUES(sql_i64(op_id(*holder, 1)), sql_i64(op_id(*holder, last)),
                                                 sql_u64(moment->engine), sql_i64(key)),
                                      row, mac);
        if (error != PAGODA_ERR_NOT_FOUND)
            return error;
        uint64_t parent_seq;
        error = store_find_parent(reader, *holder, holder, &parent_seq);
        if (error || !*holder)
            return error ? error : PAGODA_ERR_NOT_FOUND;
        last = parent_seq < last ? parent_seq : last;
    }
}

/* Is the image one that this host has made of what the log says? A log that is damaged there is somebody else's business.
 */
static enum pagoda_error snapshot_compare_mark(const struct store *store, struct reader *reader, int64_t lab,
                                               struct snapshot_row *row, const struct image_mac *mac,
                                               const struct buffer *image)
{
    struct chain_value chain;
    struct image_mac own;
    enum pagoda_error error = store_chain_value_at(reader, lab, row->seq, &chain);
    if (!error) {
        snapshot_mark(store, row, &chain, image->data, image->length, &own);
        row->is_genuine = store->key_number && sodium_memcmp(own.bytes, mac->bytes, sizeof own.bytes) == 0;
    }
    return error == PAGODA_ERR_CORRUPT || error == PAGODA_ERR_NOT_FOUND ? PAGODA_OK : error;
}

enum pagoda_error store_load_snapshot(struct store *store, const struct snapshot_moment *moment, struct snapshot_row *row,
                                      struct buffer *image)
{
    struct reader *reader = store_take_reader(store);
    struct image_mac mac;
    int64_t holder;
    enum pagoda_error error = store_error(sql_run_prepared(reader->begin, SQL_NONE));
    if (!error)
        error = snapshot_find_newest(reader, moment, store->key_number, &holder, row, &mac);
    if (!error)
        error = snapshot_read_image(reader, holder, row->seq, image);
    if (!error)
        error = snapshot_compare_mark(store, reader, holder, row, &mac, image);
    sql_run_prepared(reader->commit, SQL_NONE);
    store_give_reader(reader);
    return error;
}

enum pagoda_error store_next_hash(struct store *store, const struct snapshot_moment *moment, struct snapshot_row *row)
{
    struct reader *reader = store_take_short_reader(store); /* replays ask while they read */
    struct image_mac unused;
    uint64_t from = moment->seq, last = 0;
    enum pagoda_error error = PAGODA_ERR_NOT_FOUND;
    while (error == PAGODA_ERR_NOT_FOUND && last != UINT64_MAX) { /* from ancestors down to the lab itself */
        int64_t holder;
        error = store_find_holder(reader, moment->lab, from, &holder, &last);
        if (error)
            break;
        error = snapshot_find_row(
            reader->select_hash,
            SQL_VALUES(sql_i64(op_id(holder, from)), sql_i64(op_id(holder, last)), sql_u64(moment->engine)), row, &unused);
        from = last + 1;
    }
    store_give_reader(reader);
    return error;
}

void store_say_foreign(struct store *store)
{
    int64_t count = 0;
    struct reader *reader = store_take_reader(store); /* the writer's connection is the writer's alone */
    int rc = sql_select_number(reader->db, "SELECT count(*) FROM snapshot WHERE nr_parts > 0 AND key <> ?",
                               SQL_VALUES(sql_i64(store->key_number)), &count);
    store_give_reader(reader);
    if (rc == SQLITE_ROW && count)
        fprintf(stderr,
                "pagodad: %s: %lld images of machines were not made with this key: they are not read, labs wake from their "
                "logs\n",
                store->path, (long long)count);
}
