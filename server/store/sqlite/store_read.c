/* server/store/sqlite/store_read.c - reading: a few read-only connections, each used by one thread at a time; calls, which
 * they remember; blocks of operations, which the chain vouches for. */
#include "server/store/sqlite/op_columns.h"
#include "server/store/sqlite/store_state.h"

#include <stdlib.h>
#include <string.h>

#define NR_FIXED_COLUMNS 3 /* of select_call, before the parameters */

static void reader_put_call_columns(struct buffer *sql)
{
    for (unsigned id = 0; id < NR_OP_PARAMS; id++) {
        const struct op_param_info *info = op_param_info((enum op_param_id)id);
        if (!param_is_in_call(id))
            continue;
        buffer_print(sql,
                     info->type == TYPE_TEXT ? ", (SELECT text.text FROM text WHERE text.id = call.\"%s\")" : ", \"%s\"",
                     info->name);
    }
}

bool store_prepare_reader(struct reader *reader)
{
    struct buffer sql = { 0 };
    buffer_text(&sql, "SELECT kind, outcome, allocated");
    reader_put_call_columns(&sql);
    buffer_text(&sql, " FROM call WHERE id = ?");
    int rc = sql_prepare(reader->db, buffer_terminate(&sql), &reader->select_call);
    buffer_clear(&sql);
    const struct sql_prepared others[] = {
        { &reader->select_ops, "SELECT id" OP_COLUMN_NAMES " FROM op WHERE id BETWEEN ?1 AND ?2 ORDER BY id" },
        { &reader->begin, "BEGIN" },
        { &reader->commit, "COMMIT" },
        { &reader->select_config, "SELECT config FROM lab WHERE id = ?" },
        { &reader->select_chain, "SELECT seq, value FROM chain WHERE id = ?" },
        { &reader->select_parent, "SELECT parent, parent_seq FROM lab WHERE id = ?" },
        { &reader->select_answered, "SELECT body_hash, seq FROM answered WHERE lab = ? AND key = ?" },
        { &reader->select_snapshot, "SELECT id, hash, cost, mac FROM snapshot WHERE id BETWEEN ?1 AND ?2 AND engine = ?3"
                                    " AND key = ?4 AND nr_parts > 0 ORDER BY id DESC LIMIT 1" },
        { &reader->select_image, "SELECT bytes FROM image WHERE id = ? ORDER BY part" },
        { &reader->select_hash, "SELECT id, hash, cost, NULL FROM snapshot WHERE id BETWEEN ?1 AND ?2 AND engine = ?3"
                                " ORDER BY id LIMIT 1" },
    };
    if (rc == SQLITE_OK)
        rc = sql_prepare_all(reader->db, others, sizeof others / sizeof others[0]);
    reader->calls = calloc(CALL_SLOTS, sizeof *reader->calls);
    reader->block = calloc(1, sizeof *reader->block);
    return rc == SQLITE_OK && reader->calls && reader->block;
}

static void block_clear(struct log_block *block)
{
    while (block->nr_retired)
        free(block->retired[--block->nr_retired]);
}

void store_finish_reader(struct reader *reader)
{
    sqlite3_finalize(reader->begin);
    sqlite3_finalize(reader->commit);
    sqlite3_finalize(reader->select_config);
    sqlite3_finalize(reader->select_chain);
    sqlite3_finalize(reader->select_ops);
    sqlite3_finalize(reader->select_call);
    sqlite3_finalize(reader->select_parent);
    sqlite3_finalize(reader->select_answered);
    sqlite3_finalize(reader->select_snapshot);
    sqlite3_finalize(reader->select_image);
    sqlite3_finalize(reader->select_hash);
    for (size_t i = 0; reader->calls && i < CALL_SLOTS; i++)
        free(reader->calls[i].bytes);
    free(reader->calls);
    if (reader->block)
        block_clear(reader->block);
    free(reader->block);
}

struct reader *store_take_reader(struct store *store)
{
    for (unsigned i = 0; i < NR_READERS; i++)
        if (pthread_mutex_trylock(&store->readers[i].mutex) == 0)
            return &store->readers[i];
    struct reader *reader = &store->readers[atomic_fetch_add(&store->next_reader, 1) % NR_READERS];
    pthread_mutex_lock(&reader->mutex);
    return reader;
}

struct reader *store_take_short_reader(struct store *store)
{
    pthread_mutex_lock(&store->short_reader.mutex);
    return &store->short_reader;
}

void store_give_reader(struct reader *reader)
{
    pthread_mutex_unlock(&reader->mutex);
}

/* ---- calls ---- */

static size_t reader_nr_call_bytes(sqlite3_stmt *row)
{
    size_t nr_bytes = 1;
    for (int column = sqlite3_column_count(row) - 1; column >= NR_FIXED_COLUMNS; column--)
        if (sqlite3_column_type(row, column) >= SQLITE_TEXT) /* a text or a blob */
            nr_bytes += (size_t)sqlite3_column_bytes(row, column);
    return nr_bytes;
}

/* One parameter of the row; its bytes are copied to *bytes. */
static bool reader_read_call_param(sqlite3_stmt *row, int column, enum op_param_id id, struct op *op, char **bytes)
{
    const struct op_param_info *info = op_param_info(id);
    int type = sqlite3_column_type(row, column);
    bool is_number = info->type != TYPE_TEXT && info->type != TYPE_HEX;
    if (type == SQLITE_NULL)
        return true;
    if (is_number ? type != SQLITE_INTEGER : type < SQLITE_TEXT) /* whatever the column's type, a row may hold any */
        return false;
    op->given |= 1u << id;
    if (is_number) {
        op_set_number(op, id, (uint64_t)sqlite3_column_int64(row, column));
        return true;
    }
    uint32_t length = (uint32_t)sqlite3_column_bytes(row, column);
    const void *from = type == SQLITE_BLOB ? sqlite3_column_blob(row, column) : sqlite3_column_text(row, column);
    if (length)
        memcpy(*bytes, from, length);
    if (info->type == TYPE_HEX) {
        op->data = (const uint8_t *)*bytes;
        op->nr_data = length;
    } else {
        op_set_text(op, id, (struct text){ *bytes, length });
    }
    *bytes += length;
    return true;
}

static int reader_read_call(sqlite3_stmt *row, struct known_call *call)
{
    int64_t kind = sqlite3_column_int64(row, 0), outcome = sqlite3_column_int64(row, 1);
    if (kind < 0 || kind >= NR_OPS || outcome < 0 || outcome > OUTCOME_BUG)
        return SQLITE_CORRUPT;
    call->bytes = malloc(reader_nr_call_bytes(row));
    if (!call->bytes)
        return SQLITE_NOMEM;
    call->op = op_default((enum op_kind)kind);
    call->outcome = (enum outcome)outcome;
    call->allocated = (uint64_t)sqlite3_column_int64(row, 2);
    char *bytes = call->bytes;
    bool ok = true;
    int column = NR_FIXED_COLUMNS;
    for (unsigned id = 0; id < NR_OP_PARAMS && ok; id++)
        if (param_is_in_call(id))
            ok = reader_read_call_param(row, column++, (enum op_param_id)id, &call->op, &bytes);
    return ok ? SQLITE_OK : SQLITE_CORRUPT;
}

/* Calls never change once they are committed, so what was read once stays good. */
static int reader_find_call(struct reader *reader, int64_t id, const struct known_call **found)
{
    struct known_call *call = &reader->calls[(uint64_t)id % CALL_SLOTS];
    *found = call;
    if (call->id == id && id)
        return SQLITE_OK;
    if (call->bytes) /* entries of the block may speak of it */
        reader->block->retired[reader->block->nr_retired++] = call->bytes;
    *call = (struct known_call){ 0 };
    int rc = sql_bind(reader->select_call, SQL_VALUES(sql_i64(id)));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(reader->select_call);
    if (rc == SQLITE_ROW)
        rc = reader_read_call(reader->select_call, call);
    else if (rc == SQLITE_DONE)
        rc = SQLITE_CORRUPT;
    sqlite3_reset(reader->select_call);
    if (rc == SQLITE_OK)
        call->id = id;
    return rc;
}

/* ---- operations ---- */

static bool column_is_given(sqlite3_stmt *row, int column, uint64_t *value)
{
    if (sqlite3_column_type(row, column) == SQLITE_NULL)
        return false;
    *value = (uint64_t)sqlite3_column_int64(row, column);
    return true;
}

static int reader_read_entry(struct reader *reader, struct log_entry *entry)
{
    sqlite3_stmt *row = reader->select_ops;
    const struct known_call *call;
    int rc = reader_find_call(reader, sqlite3_column_int64(row, OP_COLUMN_CALL), &call);
    if (rc != SQLITE_OK)
        return rc;
    entry->seq = op_id_seq(sqlite3_column_int64(row, OP_COLUMN_ID));
    entry->op = call->op;
    entry->outcome = call->outcome;
    entry->allocated = call->allocated;
    entry->cost_ns = (uint64_t)sqlite3_column_int64(row, OP_COLUMN_COST);
    entry->slept_ns = (uint64_t)sqlite3_column_int64(row, OP_COLUMN_SLEPT);
    struct op *op = &entry->op;
    if (column_is_given(row, OP_COLUMN_SIZE, &op->size))
        op->given |= OP_BIT(SIZE);
    if (column_is_given(row, OP_COLUMN_ADDRESS, &op->address))
        op->given |= OP_BIT(ADDRESS);
    if (!column_is_given(row, OP_COLUMN_RESULT, &entry->address))
        entry->address = op->address;
    if (sqlite3_column_type(row, OP_COLUMN_NAME) != SQLITE_NULL) {
        op->given |= OP_BIT(NAME);
        op->name.start = (const char *)sqlite3_column_text(row, OP_COLUMN_NAME);
        op->name.length = (uint32_t)sqlite3_column_bytes(row, OP_COLUMN_NAME);
    }
    return SQLITE_OK;
}

/* ---- blocks ---- */

/* What a row lends is good for one step only: the block keeps the name. */
static int block_keep_name(struct log_block *block, struct log_entry *entry)
{
    struct text *name = &entry->op.name;
    char *copy = block->names[entry - block->entries];
    if (name->length > NAME_BYTES)
        return SQLITE_CORRUPT;
    if (name->length)
        name->start = memcpy(copy, name->start, name->length);
    return SQLITE_OK;
}

/* The next row, which must be operation seq. DONE: there is no further one. */
static int block_read_row(struct reader *reader, uint64_t seq)
{
    struct log_entry *entry = &reader->block->entries[seq - reader->block->first];
    int rc = sqlite3_step(reader->select_ops);
    if (rc == SQLITE_ROW)
        rc = reader_read_entry(reader, entry);
    if (rc == SQLITE_OK)
        rc = entry->seq == seq ? block_keep_name(reader->block, entry) : SQLITE_CORRUPT;
    return rc;
}

/* Rows [from, to] of the block, all of them holder's. */
static int block_read_rows(struct reader *reader, int64_t holder, uint64_t from, uint64_t to)
{
    int rc = sql_bind(reader->select_ops, SQL_VALUES(sql_i64(op_id(holder, from)), sql_i64(op_id(holder, to))));
    for (uint64_t seq = from; rc == SQLITE_OK && seq <= to; seq++)
        rc = block_read_row(reader, seq);
    sqlite3_reset(reader->select_ops);
    return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc; /* fewer than the chain has seen */
}

int store_read_unchained(struct reader *reader, int64_t lab, uint64_t seq)
{
    struct log_block *block = reader->block;
    uint64_t to = chain_block_end(seq);
    block_clear(block);
    block->first = seq;
    block->covered = seq - 1;
    int rc = sql_bind(reader->select_ops, SQL_VALUES(sql_i64(op_id(lab, seq)), sql_i64(op_id(lab, to))));
    while (rc == SQLITE_OK && block->covered < to)
        if ((rc = block_read_row(reader, block->covered + 1)) == SQLITE_OK)
            block->covered++;
    sqlite3_reset(reader->select_ops);
    return rc == SQLITE_DONE || block->covered >= seq ? SQLITE_OK : rc;
}

static bool block_is_sound(struct log_block *block, const struct chain_value *before)
{
    struct chain chain;
    struct chain_value expected = block->value;
    chain_begin(&chain, before);
    for (uint64_t seq = block->first; seq <= block->covered; seq++)
        chain_add(&chain, &block->entries[seq - block->first]);
    block->value = chain_read(&chain);
    return chain_is_equal(&block->value, &expected);
}

enum pagoda_error store_read_block(struct reader *reader, int64_t lab, uint64_t seq, const struct chain_value *before)
{
    struct log_block *block = reader->block;
    block_clear(block);
    block->first = chain_block_start(seq) + 1;
    enum pagoda_error error = store_chain_block(reader, lab, seq, &block->covered, &block->value);
    if (block->covered < block->first)
        return error;
    for (uint64_t next = block->first; !error && next <= block->covered;) {
        int64_t holder;
        uint64_t last;
        error = store_find_holder(reader, lab, next, &holder, &last);
        last = last < block->covered ? last : block->covered;
        if (!error)
            error = store_error(block_read_rows(reader, holder, next, last));
        next = last + 1;
    }
    return !error && !block_is_sound(block, before) ? PAGODA_ERR_CORRUPT : error;
}

/* ---- ancestors ---- */

enum pagoda_error store_find_parent(struct reader *reader, int64_t lab, int64_t *parent, uint64_t *parent_seq)
{
    int rc = sql_bind(reader->select_parent, SQL_VALUES(sql_i64(lab)));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(reader->select_parent);
    *parent = rc == SQLITE_ROW ? sqlite3_column_int64(reader->select_parent, 0) : 0;
    *parent_seq = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(reader->select_parent, 1) : 0;
    sqlite3_reset(reader->select_parent);
    if (*parent < 0 || *parent >= lab) /* nobody forks from a later lab, or from itself: the way up would have no end */
        return PAGODA_ERR_CORRUPT;
    return rc == SQLITE_DONE ? PAGODA_ERR_NOT_FOUND : store_error(rc);
}

enum pagoda_error store_find_holder(struct reader *reader, int64_t lab, uint64_t seq, int64_t *holder, uint64_t *last)
{
    *holder = lab;
    *last = UINT64_MAX;
    for (;;) {
        int64_t parent;
        uint64_t parent_seq;
        enum pagoda_error error = store_find_parent(reader, *holder, &parent, &parent_seq);
        if (error || !parent || seq > parent_seq)
            return error;
        *holder = parent;
        *last = parent_seq < *last ? parent_seq : *last;
    }
}

enum pagoda_error store_find_answered(struct store *store, int64_t lab, const char *key, uint64_t *body_hash, uint64_t *seq)
{
    struct reader *reader = store_take_reader(store);
    sqlite3_stmt *select = reader->select_answered;
    int rc = sql_bind(select, SQL_VALUES(sql_i64(lab), sql_text(key)));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(select);
    if (rc == SQLITE_ROW) {
        *body_hash = (uint64_t)sqlite3_column_int64(select, 0);
        *seq = (uint64_t)sqlite3_column_int64(select, 1);
    }
    sqlite3_reset(select);
    store_give_reader(reader);
    return rc == SQLITE_DONE ? PAGODA_ERR_NOT_FOUND : store_error(rc);
}
