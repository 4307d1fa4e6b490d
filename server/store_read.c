/* server/store_read.c - reading labs and logs. One read-only connection, used in turns; long logs are read in slices, so
 * that nobody waits behind a whole lab. */
#include "server/store_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE 4096u /* operations per turn */
#define NR_FIXED_COLUMNS 6

bool store_prepare_reader(struct store *store)
{
    struct buffer sql = { 0 };
    buffer_text(&sql, "SELECT seq, kind, outcome, result_address, allocated, cost_ns, slept_ns");
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        buffer_print(&sql, ", \"%s\"", op_param_info((enum op_param_id)id)->name);
    buffer_text(&sql, " FROM op WHERE lab = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq");
    int rc =
        sqlite3_prepare_v3(store->reader, buffer_terminate(&sql), -1, SQLITE_PREPARE_PERSISTENT, &store->select_ops, NULL);
    buffer_clear(&sql);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(store->reader, "SELECT text FROM text WHERE id = ?", -1, SQLITE_PREPARE_PERSISTENT,
                                &store->select_text, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(store->reader, "SELECT parent, parent_seq FROM lab WHERE id = ?", -1,
                                SQLITE_PREPARE_PERSISTENT, &store->select_parent, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(store->reader, "SELECT body_hash, seq FROM answered WHERE lab = ? AND key = ?", -1,
                                SQLITE_PREPARE_PERSISTENT, &store->select_answered, NULL);
    return rc == SQLITE_OK;
}

void store_finish_reader(struct store *store)
{
    sqlite3_finalize(store->select_ops);
    sqlite3_finalize(store->select_text);
    sqlite3_finalize(store->select_parent);
    sqlite3_finalize(store->select_answered);
    for (size_t i = 0; i < store->nr_text_by_id; i++)
        free(store->text_by_id[i]);
    free(store->text_by_id);
}

/* ---- words ---- */

static bool make_room(struct store *store, size_t id)
{
    size_t count = store->nr_text_by_id ? store->nr_text_by_id : 64;
    while (count <= id)
        count *= 2;
    if (count == store->nr_text_by_id)
        return true;
    char **bigger = realloc(store->text_by_id, count * sizeof *bigger);
    if (!bigger)
        return false;
    memset(bigger + store->nr_text_by_id, 0, (count - store->nr_text_by_id) * sizeof *bigger);
    store->text_by_id = bigger;
    store->nr_text_by_id = count;
    return true;
}

/* Committed ids never change their text, so what was read once stays good. */
static int id_to_text(struct store *store, int64_t id, struct text *text)
{
    if (id <= 0 || id > INT32_MAX)
        return SQLITE_CORRUPT;
    if (!make_room(store, (size_t)id))
        return SQLITE_NOMEM;
    if (!store->text_by_id[id]) {
        sqlite3_bind_int64(store->select_text, 1, id);
        int rc = sqlite3_step(store->select_text);
        const unsigned char *found = rc == SQLITE_ROW ? sqlite3_column_text(store->select_text, 0) : NULL;
        if (found)
            store->text_by_id[id] = strdup((const char *)found);
        sqlite3_reset(store->select_text);
        if (!store->text_by_id[id])
            return found ? SQLITE_NOMEM : SQLITE_CORRUPT;
    }
    *text = (struct text){ store->text_by_id[id], (uint32_t)strlen(store->text_by_id[id]) };
    return SQLITE_OK;
}

/* ---- rows ---- */

static int read_param(struct store *store, int column, enum op_param_id id, struct op *op)
{
    sqlite3_stmt *row = store->select_ops;
    const struct op_param_info *info = op_param_info(id);
    if (sqlite3_column_type(row, column) == SQLITE_NULL)
        return SQLITE_OK;
    op->given |= 1u << id;
    if (info->type == TYPE_HEX) {
        op->data = sqlite3_column_blob(row, column);
        op->nr_data = (uint32_t)sqlite3_column_bytes(row, column);
        return SQLITE_OK;
    }
    uint64_t value = (uint64_t)sqlite3_column_int64(row, column);
    char *field = (char *)op + info->offset;
    if (info->type != TYPE_TEXT) {
        memcpy(field, &value, info->width);
        return SQLITE_OK;
    }
    struct text text;
    int rc = id_to_text(store, (int64_t)value, &text);
    if (rc == SQLITE_OK)
        memcpy(field, &text, sizeof text);
    return rc;
}

static int read_entry(struct store *store, struct log_entry *entry)
{
    sqlite3_stmt *row = store->select_ops;
    int64_t kind = sqlite3_column_int64(row, 1), outcome = sqlite3_column_int64(row, 2);
    if (kind < 0 || kind >= NR_OPS || outcome < 0 || outcome > OUTCOME_BUG)
        return SQLITE_CORRUPT;
    *entry = (struct log_entry){ .seq = (uint64_t)sqlite3_column_int64(row, 0),
                                 .op = op_default((enum op_kind)kind),
                                 .outcome = (enum outcome)outcome,
                                 .address = (uint64_t)sqlite3_column_int64(row, 3),
                                 .allocated = (uint64_t)sqlite3_column_int64(row, 4),
                                 .cost_ns = (uint64_t)sqlite3_column_int64(row, 5),
                                 .slept_ns = (uint64_t)sqlite3_column_int64(row, 6) };
    int rc = SQLITE_OK;
    for (unsigned id = 0; id < NR_OP_PARAMS && rc == SQLITE_OK; id++)
        rc = read_param(store, NR_FIXED_COLUMNS + 1 + (int)id, (enum op_param_id)id, &entry->op);
    return rc;
}

enum slice_end { SLICE_IS_FULL, SLICE_AT_END, SLICE_STOPPED };

/* With the read mutex held: one slice of [*from, to] of one lab's own rows. *from moves behind the last row read. */
static enum pagoda_error read_slice(struct store *store, int64_t lab, uint64_t *from, uint64_t to,
                                    bool (*each)(void *context, const struct log_entry *entry), void *context,
                                    enum slice_end *end)
{
    sqlite3_stmt *select = store->select_ops;
    sqlite3_bind_int64(select, 1, lab);
    sqlite3_bind_int64(select, 2, (sqlite3_int64)*from);
    sqlite3_bind_int64(select, 3, (sqlite3_int64)to);
    int rc = SQLITE_ROW;
    *end = SLICE_IS_FULL;
    for (unsigned i = 0; *end == SLICE_IS_FULL && i < SLICE && (rc = sqlite3_step(select)) == SQLITE_ROW; i++) {
        struct log_entry entry;
        rc = read_entry(store, &entry);
        if (rc != SQLITE_OK)
            break;
        *from = entry.seq + 1;
        if (!each(context, &entry))
            *end = SLICE_STOPPED;
    }
    if (rc == SQLITE_DONE)
        *end = SLICE_AT_END;
    sqlite3_reset(select);
    return store_error(rc);
}

static enum pagoda_error find_parent(struct store *store, int64_t lab, int64_t *parent, uint64_t *parent_seq)
{
    sqlite3_bind_int64(store->select_parent, 1, lab);
    int rc = sqlite3_step(store->select_parent);
    *parent = rc == SQLITE_ROW ? sqlite3_column_int64(store->select_parent, 0) : 0;
    *parent_seq = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(store->select_parent, 1) : 0;
    sqlite3_reset(store->select_parent);
    return rc == SQLITE_DONE ? PAGODA_ERR_NOT_FOUND : store_error(rc);
}

/* The lab among lab and its ancestors that holds operation seq, and the last one it holds for this reader. */
static enum pagoda_error find_holder(struct store *store, int64_t lab, uint64_t seq, int64_t *holder, uint64_t *last)
{
    *holder = lab;
    *last = UINT64_MAX;
    for (;;) {
        int64_t parent;
        uint64_t parent_seq;
        enum pagoda_error error = find_parent(store, *holder, &parent, &parent_seq);
        if (error || !parent || seq > parent_seq)
            return error;
        *holder = parent;
        *last = parent_seq < *last ? parent_seq : *last;
    }
}

enum pagoda_error store_read_ops(struct store *store, int64_t lab, uint64_t from, uint64_t to,
                                 bool (*each)(void *context, const struct log_entry *entry), void *context)
{
    enum pagoda_error error = PAGODA_OK;
    enum slice_end slice_end = SLICE_IS_FULL;
    to = to > INT64_MAX ? INT64_MAX : to;
    while (!error && slice_end != SLICE_STOPPED && from <= to) {
        int64_t holder;
        uint64_t last;
        pthread_mutex_lock(&store->read_mutex);
        error = find_holder(store, lab, from, &holder, &last);
        uint64_t end = to < last ? to : last;
        if (!error)
            error = read_slice(store, holder, &from, end, each, context, &slice_end);
        pthread_mutex_unlock(&store->read_mutex);
        if (slice_end == SLICE_AT_END)
            from = end + 1; /* on to the fork's own rows, or done */
    }
    return error;
}

enum pagoda_error store_find_answered(struct store *store, int64_t lab, const char *key, uint64_t *body_hash, uint64_t *seq)
{
    pthread_mutex_lock(&store->read_mutex);
    sqlite3_stmt *select = store->select_answered;
    sqlite3_bind_int64(select, 1, lab);
    sqlite3_bind_text(select, 2, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(select);
    if (rc == SQLITE_ROW) {
        *body_hash = (uint64_t)sqlite3_column_int64(select, 0);
        *seq = (uint64_t)sqlite3_column_int64(select, 1);
    }
    sqlite3_reset(select);
    pthread_mutex_unlock(&store->read_mutex);
    return rc == SQLITE_DONE ? PAGODA_ERR_NOT_FOUND : store_error(rc);
}

/* ---- labs ---- */

static void copy_column(sqlite3_stmt *row, int column, char *out, size_t capacity)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    snprintf(out, capacity, "%s", text ? (const char *)text : "");
}

static bool read_lab(sqlite3_stmt *select, struct lab_row *row)
{
    *row = (struct lab_row){ .id = sqlite3_column_int64(select, 0) };
    copy_column(select, 1, row->key, sizeof row->key);
    copy_column(select, 2, row->name, sizeof row->name);
    copy_column(select, 3, row->created, sizeof row->created);
    row->parent = sqlite3_column_int64(select, 4);
    row->parent_seq = (uint64_t)sqlite3_column_int64(select, 5);
    const char *profile_name = (const char *)sqlite3_column_text(select, 6);
    const struct profile *profile = profile_name ? profile_find(profile_name, strlen(profile_name)) : NULL;
    if (!profile)
        return false;
    struct machine_config *c = &row->config;
    c->profile = profile->id;
    c->memory = (uint64_t)sqlite3_column_int64(select, 8);
    c->swap = (uint64_t)sqlite3_column_int64(select, 9);
    c->seed = (uint64_t)sqlite3_column_int64(select, 20);
    uint32_t *const numbers[] = { &c->cpus,
                                  NULL,
                                  NULL,
                                  &c->min_block,
                                  &c->min_free_kbytes,
                                  &c->watermark_scale_factor,
                                  &c->percpu_pagelist_high_fraction,
                                  &c->lowmem_reserve_ratio[0],
                                  &c->lowmem_reserve_ratio[1],
                                  &c->lowmem_reserve_ratio[2],
                                  &c->slab_shuffle_seed,
                                  &c->init_on_alloc,
                                  &c->init_on_free };
    for (int i = 0; i < (int)(sizeof numbers / sizeof numbers[0]); i++)
        if (numbers[i])
            *numbers[i] = (uint32_t)sqlite3_column_int64(select, 7 + i);
    uint64_t last = (uint64_t)sqlite3_column_int64(select, 21);
    row->seq = last > row->parent_seq ? last : row->parent_seq;
    return true;
}

enum pagoda_error store_list_labs(struct store *store, void (*each)(void *context, const struct lab_row *row),
                                  void *context)
{
    static const char SQL[] = "SELECT id, key, name, created, parent, parent_seq, profile, cpus, memory, swap, min_block,"
                              " min_free_kbytes, watermark_scale_factor, percpu_pagelist_high_fraction,"
                              " lowmem_reserve_ratio_0, lowmem_reserve_ratio_1, lowmem_reserve_ratio_2, slab_shuffle_seed,"
                              " init_on_alloc, init_on_free, seed,"
                              " (SELECT max(seq) FROM op WHERE op.lab = lab.id)"
                              " FROM lab WHERE NOT deleted ORDER BY id";
    sqlite3_stmt *select = NULL;
    pthread_mutex_lock(&store->read_mutex);
    int rc = sqlite3_prepare_v2(store->reader, SQL, -1, &select, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(select)) == SQLITE_ROW) {
        struct lab_row row;
        rc = read_lab(select, &row) ? SQLITE_OK : SQLITE_CORRUPT;
        if (rc == SQLITE_OK)
            each(context, &row);
    }
    sqlite3_finalize(select);
    pthread_mutex_unlock(&store->read_mutex);
    return store_error(rc);
}
