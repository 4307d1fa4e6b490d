/* server/store/sqlite/store_rows.c - operations to rows.
 *
 * Most operations of a trace are one of a few hundred calls: the same kind, flags, caller, CPU and outcome. A call is
 * written once, in table call; a row of table op then holds only what differs: the call's number, addresses, size, name,
 * costs. */
#include "pagoda/gfp.h"
#include "server/store/sqlite/op_columns.h"
#include "server/store/sqlite/store_state.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX (1u << 17)

/* ---- words -> ids ---- */

static struct word_hash words_hash(const struct store *store, const char *bytes, size_t length)
{
    struct word_hash h = { store->hash_seed[0] ^ length, store->hash_seed[1] + length };
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, length - i < 8 ? length - i : 8);
        h.low = (h.low ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h.low ^= h.low >> 32;
        h.high = (h.high + word) * UINT64_C(0xd6e8feb86659fd93);
        h.high ^= h.high >> 29;
    }
    return h;
}

static struct word *words_find_slot(const struct words *words, struct word_hash hash)
{
    size_t i = hash.low & (words->nr_slots - 1);
    while (words->slots[i].id && (words->slots[i].hash.low != hash.low || words->slots[i].hash.high != hash.high))
        i = (i + 1) & (words->nr_slots - 1);
    return &words->slots[i];
}

static void words_clear(struct words *words)
{
    free(words->slots);
    *words = (struct words){ 0 };
}

static bool words_grow(struct words *words)
{
    struct words bigger = { .nr_slots = words->nr_slots ? words->nr_slots * 2 : 256, .nr_used = words->nr_used };
    bigger.slots = calloc(bigger.nr_slots, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < words->nr_slots; i++)
        if (words->slots[i].id)
            *words_find_slot(&bigger, words->slots[i].hash) = words->slots[i];
    free(words->slots);
    *words = bigger;
    return true;
}

/* The slot of these words, perhaps still free; NULL: no memory. */
static struct word *words_slot(struct words *words, struct word_hash hash)
{
    if (words->nr_used >= WORDS_MAX)
        words_clear(words);
    if (words->nr_used * 2 >= words->nr_slots && !words_grow(words))
        return NULL;
    return words_find_slot(words, hash);
}

static void words_fill(struct words *words, struct word *slot, struct word_hash hash, int64_t id)
{
    *slot = (struct word){ hash, id };
    words->nr_used++;
}

void store_forget_written(struct store *store)
{
    store_forget_heads(store);
    words_clear(&store->texts);
    words_clear(&store->calls);
    memset(store->gfp_seen, 0, sizeof store->gfp_seen);
}

/* ---- texts ---- */

static int writer_find_or_insert_text(struct store *store, struct text text, int64_t *id)
{
    const struct sql_value values[] = { sql_text_n(text.start, text.length), { .type = SQL_END } };
    sqlite3_stmt *find = store->find_text;
    int rc = sql_bind(find, values);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(find);
    if (rc == SQLITE_ROW)
        *id = sqlite3_column_int64(find, 0);
    sqlite3_reset(find);
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
    rc = sql_run_prepared(store->insert_text, values);
    *id = sqlite3_last_insert_rowid(store->db);
    return rc;
}

static int writer_text_to_id(struct store *store, struct text text, int64_t *id)
{
    struct word_hash hash = words_hash(store, text.start, text.length);
    struct word *slot = words_slot(&store->texts, hash);
    if (!slot)
        return SQLITE_NOMEM;
    *id = slot->id;
    if (*id)
        return SQLITE_OK;
    int rc = writer_find_or_insert_text(store, text, id);
    if (rc == SQLITE_OK)
        words_fill(&store->texts, slot, hash, *id);
    return rc;
}

static int writer_note_gfp(struct store *store, uint32_t gfp)
{
    uint32_t *seen = &store->gfp_seen[(gfp ^ gfp >> 6 ^ gfp >> 12 ^ gfp >> 18) % 64];
    if (*seen == gfp + 1)
        return SQLITE_OK;
    char text[512];
    gfp_format(gfp, "0", text, sizeof text);
    *seen = gfp + 1;
    return sql_run_prepared(store->insert_gfp, SQL_VALUES(sql_i64(gfp), sql_text(text)));
}

/* ---- calls ---- */

static void call_spell_u64(struct buffer *out, uint64_t number)
{
    buffer_add(out, &number, sizeof number);
}

/* Everything that makes one call another than the next, in a row of bytes. */
static void call_spell(struct buffer *out, const struct log_entry *entry)
{
    const struct op *op = &entry->op;
    out->length = 0;
    call_spell_u64(out, (uint64_t)op->kind | (uint64_t)entry->outcome << 16 | (uint64_t)(op->given & ~PARAMS_IN_OP) << 32);
    call_spell_u64(out, entry->allocated);
    for (uint32_t left = op->given & ~PARAMS_IN_OP; left; left &= left - 1) {
        enum op_param_id id = (enum op_param_id)__builtin_ctz(left);
        const struct op_param_info *info = op_param_info(id);
        if (info->type == TYPE_TEXT) {
            struct text text = op_text(op, id);
            call_spell_u64(out, text.length);
            buffer_add(out, text.start, text.length);
        } else if (info->type == TYPE_HEX) {
            call_spell_u64(out, op->nr_data);
            buffer_add(out, op->data, op->nr_data);
        } else {
            call_spell_u64(out, op_number(op, id));
        }
    }
}

static int writer_call_value(struct store *store, const struct op *op, enum op_param_id id, struct sql_value *value)
{
    const struct op_param_info *info = op_param_info(id);
    int64_t text_id = 0;
    int rc = SQLITE_OK;
    if (!(op->given & (1u << id)))
        *value = sql_text(NULL);
    else if (info->type == TYPE_HEX)
        *value = sql_blob(op->data, op->nr_data);
    else if (info->type != TYPE_TEXT)
        *value = sql_u64(op_number(op, id));
    else {
        rc = writer_text_to_id(store, op_text(op, id), &text_id);
        *value = sql_i64(text_id);
    }
    return rc;
}

static int writer_insert_call(struct store *store, const struct log_entry *entry, int64_t *id)
{
    const struct op *op = &entry->op;
    struct sql_value values[3 + NR_OP_PARAMS + 1] = { sql_i64(op->kind), sql_i64(entry->outcome),
                                                      sql_u64(entry->allocated) };
    int rc = SQLITE_OK, column = 3;
    for (unsigned param = 0; param < NR_OP_PARAMS && rc == SQLITE_OK; param++)
        if (param_is_in_call(param))
            rc = writer_call_value(store, op, (enum op_param_id)param, &values[column++]);
    if (rc == SQLITE_OK && (op->given & OP_BIT(GFP)))
        rc = writer_note_gfp(store, op->gfp);
    if (rc == SQLITE_OK)
        rc = sql_run_prepared(store->insert_call, values);
    *id = sqlite3_last_insert_rowid(store->db);
    return rc;
}

static int writer_call_to_id(struct store *store, const struct log_entry *entry, int64_t *id)
{
    call_spell(&store->words, entry);
    if (store->words.failed)
        return SQLITE_NOMEM;
    struct word_hash hash = words_hash(store, store->words.data, store->words.length);
    struct word *slot = words_slot(&store->calls, hash);
    if (!slot)
        return SQLITE_NOMEM;
    *id = slot->id;
    if (*id)
        return SQLITE_OK;
    int rc = writer_insert_call(store, entry, id);
    if (rc == SQLITE_OK)
        words_fill(&store->calls, slot, hash, *id);
    return rc;
}

/* ---- rows ---- */

static int writer_insert_answered(struct store *store, const struct queued_row *row)
{
    return sql_run_prepared(store->insert_answered, SQL_VALUES(sql_i64(row->log->lab), sql_text(row->key),
                                                               sql_u64(row->body_hash), sql_u64(row->entry.seq)));
}

/* What rows refer to comes before them. */
static int writer_insert_calls(struct store *store)
{
    size_t offset = 0;
    int rc = SQLITE_OK;
    for (struct queued_row *row; rc == SQLITE_OK && (row = store_next_row(&store->committing.rows, &offset));) {
        rc = writer_call_to_id(store, &row->entry, &row->call);
        if (rc == SQLITE_OK)
            rc = store_chain_row(store, row->log->lab, &row->entry);
        if (rc == SQLITE_OK && row->key[0])
            rc = writer_insert_answered(store, row);
    }
    return rc;
}

int store_insert_rows(struct store *store)
{
    int rc = writer_insert_calls(store);
    if (rc == SQLITE_OK)
        rc = store_chain_commit(store);
    return rc == SQLITE_OK ? sql_run_prepared(store->insert_ops, SQL_NONE) : rc;
}

/* ---- statements ---- */

bool store_prepare_writer(struct store *store)
{
    struct buffer sql = { 0 };
    buffer_text(&sql, "INSERT INTO call (kind, outcome, allocated");
    unsigned nr_columns = 3;
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        if (param_is_in_call(id)) {
            buffer_print(&sql, ", \"%s\"", op_param_info((enum op_param_id)id)->name);
            nr_columns++;
        }
    buffer_text(&sql, ") VALUES (?");
    while (--nr_columns)
        buffer_text(&sql, ",?");
    buffer_text(&sql, ")");
    int rc = store_add_queue(store);
    if (rc == SQLITE_OK)
        rc = sql_prepare(store->db, buffer_terminate(&sql), &store->insert_call);
    buffer_clear(&sql);
    const struct sql_prepared others[] = {
        { &store->begin, "BEGIN IMMEDIATE" },
        { &store->commit, "COMMIT" },
        /* A rowid that is there already would be a broken store: all of the transaction goes back, so that the statement
         * need not note what it alone has changed. */
        { &store->insert_ops, "INSERT OR ROLLBACK INTO op SELECT * FROM queued" },
        { &store->insert_chain, STORE_INSERT_CHAIN },
        { &store->find_text, "SELECT id FROM text WHERE text = ?" },
        { &store->insert_text, "INSERT INTO text (text) VALUES (?)" },
        { &store->insert_gfp, "INSERT OR IGNORE INTO gfp VALUES (?, ?)" },
        { &store->insert_answered,
          "INSERT INTO answered (lab, key, body_hash, seq, at) VALUES (?, ?, ?, ?, strftime('%s', 'now'))" },
    };
    if (rc == SQLITE_OK)
        rc = sql_prepare_all(store->db, others, sizeof others / sizeof others[0]);
    store->own_reader.db = store->db;
    return rc == SQLITE_OK && store_prepare_reader(&store->own_reader);
}

void store_finish_writer(struct store *store)
{
    sqlite3_finalize(store->begin);
    sqlite3_finalize(store->commit);
    sqlite3_finalize(store->insert_ops);
    sqlite3_finalize(store->insert_chain);
    sqlite3_finalize(store->insert_call);
    sqlite3_finalize(store->insert_text);
    sqlite3_finalize(store->find_text);
    sqlite3_finalize(store->insert_gfp);
    sqlite3_finalize(store->insert_answered);
    store_finish_reader(&store->own_reader);
    store_forget_heads(store);
    free(store->heads);
    words_clear(&store->texts);
    words_clear(&store->calls);
    buffer_clear(&store->words);
}
