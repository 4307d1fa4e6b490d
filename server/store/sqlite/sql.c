/* server/store/sqlite/sql.c - see sql.h. */
#include "server/store/sqlite/sql.h"

int sql_script(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int sql_bind_one(sqlite3_stmt *statement, int parameter, const struct sql_value *value)
{
    switch (value->type) {
    case SQL_TEXT:
        return sqlite3_bind_text(statement, parameter, value->bytes, value->nr_bytes, SQLITE_STATIC);
    case SQL_BLOB: /* without a pointer it would be NULL, not empty */
        return sqlite3_bind_blob(statement, parameter, value->nr_bytes ? value->bytes : "", value->nr_bytes, SQLITE_STATIC);
    case SQL_NUMBER:
        return sqlite3_bind_int64(statement, parameter, value->number);
    case SQL_END:
        break;
    }
    return SQLITE_OK;
}

int sql_bind(sqlite3_stmt *statement, const struct sql_value *values)
{
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && values && values[i].type != SQL_END; i++)
        rc = sql_bind_one(statement, i + 1, &values[i]);
    return rc;
}

/* To the end, from where it may be started again. */
static int sql_step_to_end(sqlite3_stmt *statement)
{
    int rc;
    do
        rc = sqlite3_step(statement);
    while (rc == SQLITE_ROW);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sql_run_prepared(sqlite3_stmt *statement, const struct sql_value *values)
{
    int rc = sql_bind(statement, values);
    if (rc == SQLITE_OK)
        rc = sql_step_to_end(statement);
    sqlite3_reset(statement);
    return rc;
}

int sql_select(sqlite3 *db, const char *sql, const struct sql_value *values, sqlite3_stmt **select)
{
    *select = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, select, NULL);
    return rc == SQLITE_OK ? sql_bind(*select, values) : rc;
}

int sql_run(sqlite3 *db, const char *sql, const struct sql_value *values)
{
    sqlite3_stmt *statement;
    int rc = sql_select(db, sql, values, &statement);
    if (rc == SQLITE_OK)
        rc = sql_step_to_end(statement);
    sqlite3_finalize(statement);
    return rc;
}

int sql_select_number(sqlite3 *db, const char *sql, const struct sql_value *values, int64_t *number)
{
    sqlite3_stmt *select;
    int rc = sql_select(db, sql, values, &select);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(select);
    if (rc == SQLITE_ROW)
        *number = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    return rc;
}

int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

int sql_prepare_all(sqlite3 *db, const struct sql_prepared *prepared, size_t count)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++)
        rc = sql_prepare(db, prepared[i].sql, prepared[i].statement);
    return rc;
}
