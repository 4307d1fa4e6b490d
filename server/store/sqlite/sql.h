/* server/store/sqlite/sql.h - SQL statements with their parameters, in one call each.
 *
 * Results are SQLite's codes. SQLITE_OK: done. SQLITE_ROW and SQLITE_DONE are answers only where a row is asked for. */
#pragma once
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* What a parameter gets. Bytes are borrowed until the statement has run. */
struct sql_value {
    enum { SQL_END, SQL_NUMBER, SQL_TEXT, SQL_BLOB } type;
    int nr_bytes;
    sqlite3_int64 number;
    const void *bytes;
};

/* Values for ?1, ?2, … in their order; a statement without parameters gets SQL_NONE. */
#define SQL_VALUES(...) ((const struct sql_value[]){ __VA_ARGS__, { .type = SQL_END } })
#define SQL_NONE ((const struct sql_value *)NULL)

static inline struct sql_value sql_i64(int64_t number)
{
    return (struct sql_value){ .type = SQL_NUMBER, .number = number };
}
static inline struct sql_value sql_u64(uint64_t number) /* above INT64_MAX: the negative number of the same bits */
{
    return sql_i64((int64_t)number);
}
static inline struct sql_value sql_text(const char *text) /* up to its NUL */
{
    return (struct sql_value){ .type = SQL_TEXT, .nr_bytes = -1, .bytes = text };
}
static inline struct sql_value sql_text_n(const char *text, size_t nr_bytes)
{
    return (struct sql_value){ .type = SQL_TEXT, .nr_bytes = (int)nr_bytes, .bytes = text };
}
static inline struct sql_value sql_blob(const void *bytes, size_t nr_bytes)
{
    return (struct sql_value){ .type = SQL_BLOB, .nr_bytes = (int)nr_bytes, .bytes = bytes };
}

/* Several statements without parameters, as they stand. */
int sql_script(sqlite3 *db, const char *sql);
/* One statement, once, to its end; rows that it gives are dropped. */
int sql_run(sqlite3 *db, const char *sql, const struct sql_value *values);
/* One statement whose rows are wanted: sqlite3_step() is next.
 * *select  the caller's, to sqlite3_finalize(); also after an error, when it may be NULL. */
int sql_select(sqlite3 *db, const char *sql, const struct sql_value *values, sqlite3_stmt **select);
/* The number in the first column of the first row.
 * SQLITE_ROW: *number is there. SQLITE_DONE: there is no row, and *number stays. */
int sql_select_number(sqlite3 *db, const char *sql, const struct sql_value *values, int64_t *number);

/* For statements that live as long as their connection. */
struct sql_prepared {
    sqlite3_stmt **statement;
    const char *sql;
};
int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement);
int sql_prepare_all(sqlite3 *db, const struct sql_prepared *prepared, size_t count);
/* Gives the parameters of a statement their values; sqlite3_step() is next, sqlite3_reset() ends it. */
int sql_bind(sqlite3_stmt *statement, const struct sql_value *values);
/* As sql_run(). */
int sql_run_prepared(sqlite3_stmt *statement, const struct sql_value *values);
