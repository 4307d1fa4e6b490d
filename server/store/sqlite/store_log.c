/* server/store/sqlite/store_log.c - logs, block by block. Long ones are read in slices, so that nobody waits behind a whole
 * lab and the WAL can be folded in between. */
#include "server/store/sqlite/store_state.h"

#define SLICE_BLOCKS 64u /* of operations, per turn */

struct log_reading {
    int64_t lab;
    uint64_t from, to;
    bool (*each)(void *context, const struct log_entry *entry);
    void *context;
    bool is_at_end;
};

static void reading_show(struct log_reading *reading, const struct log_entry *entry)
{
    bool goes_on = reading->each(reading->context, entry);
    reading->from++;
    reading->is_at_end = !goes_on || reading->from > reading->to;
}

static void reading_show_block(struct log_reading *reading, const struct log_block *block)
{
    while (!reading->is_at_end && reading->from <= block->covered)
        reading_show(reading, &block->entries[reading->from - block->first]);
    if (block->covered < block->first + CHAIN_BLOCK - 1)
        reading->is_at_end = true;
}

/* Nothing is shown before the chain has vouched for it. */
static enum pagoda_error reader_read_slice(struct reader *reader, struct log_reading *reading)
{
    struct chain_value before;
    enum pagoda_error error = store_error(sql_run_prepared(reader->begin, SQL_NONE));
    if (!error)
        error = store_chain_before(reader, reading->lab, chain_block_start(reading->from), &before);
    for (unsigned i = 0; !error && !reading->is_at_end && i < SLICE_BLOCKS; i++) {
        error = store_read_block(reader, reading->lab, reading->from, &before);
        if (error)
            break;
        before = reader->block->value;
        reading_show_block(reading, reader->block);
    }
    sql_run_prepared(reader->commit, SQL_NONE);
    return error;
}

/* Was the lab deleted? Then its rows go, and what is left of them says nothing of the disk. */
static bool reader_lab_is_gone(struct reader *reader, int64_t lab)
{
    static const char SQL[] = "SELECT 1 FROM lab WHERE id = ? AND deleted <> 1";
    sqlite3_stmt *select = NULL;
    int rc = sqlite3_prepare_v2(reader->db, SQL, -1, &select, NULL);
    if (rc == SQLITE_OK)
        rc = sql_bind(select, SQL_VALUES(sql_i64(lab)));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(select);
    sqlite3_finalize(select);
    return rc == SQLITE_DONE;
}

enum pagoda_error store_read_ops(struct store *store, int64_t lab, uint64_t from, uint64_t to,
                                 bool (*each)(void *context, const struct log_entry *entry), void *context)
{
    enum pagoda_error error = PAGODA_OK;
    struct log_reading reading = {
        .lab = lab, .from = from ? from : 1, .to = to > SEQ_MAX ? SEQ_MAX : to, .each = each, .context = context
    };
    reading.is_at_end = reading.from > reading.to;
    while (!error && !reading.is_at_end) {
        struct reader *reader = store_take_reader(store);
        error = reader_read_slice(reader, &reading);
        if (error == PAGODA_ERR_CORRUPT && reader_lab_is_gone(reader, lab))
            error = PAGODA_ERR_NOT_FOUND;
        if (error == PAGODA_ERR_CORRUPT)
            store_note_damage(store, lab, reading.from);
        store_give_reader(reader);
    }
    return error;
}

static enum pagoda_error reader_read_as_it_is(struct reader *reader, struct log_reading *reading)
{
    int64_t holder;
    uint64_t last;
    struct log_block *block = reader->block;
    enum pagoda_error error = store_find_holder(reader, reading->lab, reading->from, &holder, &last);
    if (!error)
        error = store_error(store_read_unchained(reader, holder, reading->from));
    if (error)
        return error;
    reading->is_at_end = block->covered < block->first; /* no row */
    block->covered = block->covered < last ? block->covered : last;
    while (!reading->is_at_end && reading->from <= block->covered)
        reading_show(reading, &block->entries[reading->from - block->first]);
    return PAGODA_OK;
}

enum pagoda_error store_read_unverified(struct store *store, int64_t lab, uint64_t from, uint64_t to,
                                        bool (*each)(void *context, const struct log_entry *entry), void *context)
{
    enum pagoda_error error = PAGODA_OK;
    struct log_reading reading = {
        .lab = lab, .from = from, .to = to, .each = each, .context = context, .is_at_end = from > to
    };
    while (!error && !reading.is_at_end) {
        struct reader *reader = store_take_reader(store);
        error = reader_read_as_it_is(reader, &reading);
        store_give_reader(reader);
    }
    return error;
}
