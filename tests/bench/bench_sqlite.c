/* tests/bench/bench_sqlite.c - what SQLite itself takes for the rows of a store: the rival of an import.
 *
 *     bench_sqlite STORE
 *
 * Reads table op of a store into memory, then inserts the same rows into a table made the same way in a file beside it,
 * with nothing around it but what makes it as safe: WAL, synchronous=FULL, 10,000 rows a transaction. */
#include "tests/lib/http_client.h" /* now_s() */

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct rows {
    sqlite3_value **values;
    size_t nr_values, capacity;
    int nr_columns;
};

static void must(sqlite3 *db, int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW)
        return;
    fprintf(stderr, "bench_sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static void execute(sqlite3 *db, const char *sql)
{
    must(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static void read_rows(sqlite3 *db, struct rows *rows, const char *limit)
{
    sqlite3_stmt *select;
    must(db, sqlite3_prepare_v2(db, "SELECT * FROM op ORDER BY id LIMIT ?", -1, &select, NULL));
    sqlite3_bind_int64(select, 1, atoll(limit));
    rows->nr_columns = sqlite3_column_count(select);
    while (sqlite3_step(select) == SQLITE_ROW)
        for (int i = 0; i < rows->nr_columns; i++) {
            if (rows->nr_values == rows->capacity) {
                rows->capacity = rows->capacity ? rows->capacity * 2 : 1u << 16;
                rows->values = realloc(rows->values, rows->capacity * sizeof(sqlite3_value *));
            }
            if (rows->values)
                rows->values[rows->nr_values++] = sqlite3_value_dup(sqlite3_column_value(select, i));
        }
    must(db, sqlite3_finalize(select));
}

static void make_table(sqlite3 *from, sqlite3 *to)
{
    sqlite3_stmt *select;
    must(from, sqlite3_prepare_v2(from, "SELECT sql FROM sqlite_master WHERE name = 'op'", -1, &select, NULL));
    must(from, sqlite3_step(select));
    execute(to, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    execute(to, (const char *)sqlite3_column_text(select, 0));
    sqlite3_finalize(select);
}

/* Seconds. */
static double insert_rows(sqlite3 *db, const struct rows *rows, size_t rows_per_transaction)
{
    char sql[256];
    int length = snprintf(sql, sizeof sql, "INSERT INTO op VALUES (?");
    for (int i = 1; i < rows->nr_columns && length < (int)sizeof sql - 4; i++)
        length += snprintf(sql + length, sizeof sql - (size_t)length, ",?");
    snprintf(sql + length, sizeof sql - (size_t)length, ")");
    sqlite3_stmt *insert;
    must(db, sqlite3_prepare_v2(db, sql, -1, &insert, NULL));
    double start = now_s();
    size_t nr_rows = 0;
    for (size_t at = 0; at < rows->nr_values; at += (size_t)rows->nr_columns) {
        if (nr_rows % rows_per_transaction == 0)
            execute(db, nr_rows ? "COMMIT; BEGIN" : "BEGIN");
        nr_rows++;
        for (int i = 0; i < rows->nr_columns; i++)
            sqlite3_bind_value(insert, i + 1, rows->values[at + (size_t)i]);
        must(db, sqlite3_step(insert));
        sqlite3_reset(insert);
    }
    execute(db, "COMMIT");
    double seconds = now_s() - start;
    sqlite3_finalize(insert);
    return seconds;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_sqlite STORE [ROWS_PER_TRANSACTION [ROWS]]\n");
        return 2;
    }
    char path[1024];
    sqlite3 *from, *to;
    struct rows rows = { 0 };
    snprintf(path, sizeof path, "%s.bare", argv[1]);
    unlink(path);
    must(NULL, sqlite3_open_v2(argv[1], &from, SQLITE_OPEN_READONLY, NULL));
    must(NULL, sqlite3_open(path, &to));
    make_table(from, to);
    read_rows(from, &rows, argc > 3 ? argv[3] : "-1");
    double nr_rows = (double)rows.nr_values / rows.nr_columns;
    double seconds = insert_rows(to, &rows, argc > 2 ? strtoull(argv[2], NULL, 10) : 10000);
    printf("sqlite rows=%.0f seconds=%.2f rows_per_s=%.0f\n", nr_rows, seconds, nr_rows / seconds);
    for (size_t i = 0; i < rows.nr_values; i++)
        sqlite3_value_free(rows.values[i]);
    free(rows.values);
    sqlite3_close(from);
    sqlite3_close(to);
    unlink(path);
    return 0;
}
