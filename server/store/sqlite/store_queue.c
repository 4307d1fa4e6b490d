/* server/store/sqlite/store_queue.c - the batch that is being committed, as a table for SQL.
 *
 * A statement that is bound, stepped and reset for each row spends half of its time on being a statement: it opens the
 * B-tree, finds the place, and lets go of it again. One INSERT ... SELECT from this table (a virtual one that the writer's
 * connection alone has) stays where it is and appends row after row. */
#include "server/store/sqlite/op_columns.h"
#include "server/store/sqlite/store_state.h"

static const char QUEUE_TABLE[] = "CREATE TABLE queued (id" OP_COLUMN_NAMES ")";

struct queue_table {
    sqlite3_vtab base; /* first member */
    struct store *store;
};

struct queue_cursor {
    sqlite3_vtab_cursor base; /* first member */
    struct buffer *rows;
    size_t offset;
    const struct queued_row *row; /* NULL: past the last */
};

static int queue_connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out, char **why)
{
    (void)argc;
    (void)argv;
    (void)why;
    struct queue_table *table = sqlite3_malloc(sizeof *table);
    if (!table)
        return SQLITE_NOMEM;
    *table = (struct queue_table){ .store = store };
    *out = &table->base;
    return sqlite3_declare_vtab(db, QUEUE_TABLE);
}

static int queue_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int queue_plan(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedRows = 1000;
    return SQLITE_OK;
}

static int queue_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    struct queue_cursor *cursor = sqlite3_malloc(sizeof *cursor);
    if (!cursor)
        return SQLITE_NOMEM;
    *cursor = (struct queue_cursor){ .rows = &((struct queue_table *)table)->store->committing.rows };
    *out = &cursor->base;
    return SQLITE_OK;
}

static int queue_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int queue_next(sqlite3_vtab_cursor *base)
{
    struct queue_cursor *cursor = (struct queue_cursor *)base;
    cursor->row = store_next_row(cursor->rows, &cursor->offset);
    return SQLITE_OK;
}

static int queue_filter(sqlite3_vtab_cursor *base, int plan, const char *name, int argc, sqlite3_value **argv)
{
    (void)plan;
    (void)name;
    (void)argc;
    (void)argv;
    ((struct queue_cursor *)base)->offset = 0;
    return queue_next(base);
}

static int queue_is_at_end(sqlite3_vtab_cursor *base)
{
    return !((struct queue_cursor *)base)->row;
}

static int queue_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *id)
{
    *id = (sqlite3_int64)((struct queue_cursor *)base)->offset;
    return SQLITE_OK;
}

/* What is not set is NULL. */
static void queue_give(sqlite3_context *out, bool is_given, uint64_t value)
{
    if (is_given)
        sqlite3_result_int64(out, (sqlite3_int64)value);
}

static int queue_column(sqlite3_vtab_cursor *base, sqlite3_context *out, int column)
{
    const struct queued_row *row = ((struct queue_cursor *)base)->row;
    const struct log_entry *entry = &row->entry;
    const struct op *op = &entry->op;
    switch ((enum op_column)column) {
    case OP_COLUMN_ID:
        sqlite3_result_int64(out, op_id(row->log->lab, entry->seq));
        break;
    case OP_COLUMN_CALL:
        sqlite3_result_int64(out, row->call);
        break;
    case OP_COLUMN_RESULT:
        queue_give(out, !(op->given & OP_BIT(ADDRESS)) || entry->address != op->address, entry->address);
        break;
    case OP_COLUMN_COST:
        queue_give(out, true, entry->cost_ns);
        break;
    case OP_COLUMN_SLEPT:
        queue_give(out, true, entry->slept_ns);
        break;
    case OP_COLUMN_SIZE:
        queue_give(out, op->given & OP_BIT(SIZE), op->size);
        break;
    case OP_COLUMN_ADDRESS:
        queue_give(out, op->given & OP_BIT(ADDRESS), op->address);
        break;
    case OP_COLUMN_NAME:
        if (op->given & OP_BIT(NAME))
            sqlite3_result_text(out, op->name.start, (int)op->name.length, SQLITE_STATIC);
        break;
    }
    return SQLITE_OK;
}

int store_add_queue(struct store *store)
{
    static const sqlite3_module MODULE = {
        .xConnect = queue_connect,
        .xDisconnect = queue_disconnect,
        .xDestroy = queue_disconnect,
        .xBestIndex = queue_plan,
        .xOpen = queue_open,
        .xClose = queue_close,
        .xFilter = queue_filter,
        .xNext = queue_next,
        .xEof = queue_is_at_end,
        .xRowid = queue_rowid,
        .xColumn = queue_column,
    };
    return sqlite3_create_module(store->db, "queued", &MODULE, store);
}
