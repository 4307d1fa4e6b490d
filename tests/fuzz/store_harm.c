/* Harm to a store: see store_fuzz.h. Bytes change at places that SQLite's format gives a meaning
 * (https://www.sqlite.org/fileformat2.html), rows by statements that are put together from small tables. */
#include "server/store/sqlite/store_state.h"
#include "tests/fuzz/store_fuzz.h"

#include <stdio.h>
#include <string.h>

#define PAGE_BYTES 4096u
#define FILE_HEADER_BYTES 100u
#define CHANGES_MAX 16u

/* ---- bytes ---- */

struct harmed_page {
    uint8_t *bytes;
    uint32_t head; /* where its header begins */
};

static uint32_t page_number(const struct harmed_page *page, uint32_t at)
{
    return (uint32_t)page->bytes[at % PAGE_BYTES] << 8 | page->bytes[(at + 1) % PAGE_BYTES];
}

/* Where cell number i begins. */
static uint32_t page_cell(const struct harmed_page *page, uint32_t i)
{
    uint32_t nr_cells = page_number(page, page->head + 3), nr_head = page->bytes[page->head] & 8 ? 8 : 12;
    return page_number(page, page->head + nr_head + 2 * (nr_cells ? i % nr_cells : 0));
}

enum harm { HARM_BYTE, HARM_BIT, HARM_HEADER, HARM_POINTER, HARM_CELL, HARM_FILE_HEADER, HARM_PAGE, HARM_ZEROES, NR_HARMS };

static uint32_t harm_place(enum harm harm, const struct harmed_page *page, uint32_t where)
{
    switch (harm) {
    case HARM_HEADER:
        return page->head + where % 12;
    case HARM_POINTER:
        return page->head + 8 + where % 64;
    case HARM_CELL:
        return page_cell(page, where >> 8) + (where & 0xff) % 48;
    default:
        return where;
    }
}

static void harm_once(struct fuzz_bytes *in, uint8_t *bytes, size_t nr_pages)
{
    enum harm harm = (enum harm)(fuzz_take(in, 1) % NR_HARMS);
    size_t number = fuzz_take(in, 1) % nr_pages;
    uint32_t where = (uint32_t)fuzz_take(in, 2);
    uint8_t value = (uint8_t)fuzz_take(in, 1);
    struct harmed_page page = { bytes + number * PAGE_BYTES, number ? 0 : FILE_HEADER_BYTES };
    uint8_t *at = &page.bytes[harm_place(harm, &page, where) % PAGE_BYTES];
    if (harm == HARM_PAGE)
        memmove(page.bytes, bytes + where % nr_pages * PAGE_BYTES, PAGE_BYTES);
    else if (harm == HARM_ZEROES)
        memset(at, 0, (size_t)(page.bytes + PAGE_BYTES - at) < value ? (size_t)(page.bytes + PAGE_BYTES - at) : value);
    else if (harm == HARM_FILE_HEADER)
        bytes[where % FILE_HEADER_BYTES] = value;
    else if (harm == HARM_BIT)
        *at ^= (uint8_t)(1u << value % 8);
    else
        *at = value;
}

void store_harm_bytes(struct fuzz_bytes *in, uint8_t *bytes, size_t *nr_bytes)
{
    size_t nr_pages = *nr_bytes / PAGE_BYTES;
    uint64_t cut = fuzz_take(in, 1);
    for (unsigned i = 0; i < CHANGES_MAX && in->at < in->end; i++)
        harm_once(in, bytes, nr_pages);
    if (cut & 0x80) /* the file ends too early */
        *nr_bytes -= (cut & 0x7f) * 1000 % *nr_bytes;
}

/* ---- rows ---- */

static const struct {
    const char *table, *columns[31];
} TABLES[] = {
    { "lab",
      { "id", "key", "name", "created", "parent", "parent_seq", "deleted", "config", "made", "rules", "differs_at",
        "chain_since", "seal" } },
    { "op", { "id", "call", "result", "cost_ns", "slept_ns", "size", "address", "name" } },
    { "call", { "kind",      "outcome", "allocated",  "n",        "gfp",    "order",    "cache",  "call_site",
                "context",   "cpu",     "pid",        "align",    "length", "hex",      "fill",   "duration_ns",
                "touch",     "text",    "tid",        "prot",     "advice", "resource", "option", "value",
                "increment", "pad",     "new_length", "tunables", "flags",  "id" } },
    { "chain", { "id", "seq", "value" } },
    { "text", { "id", "text" } },
    { "snapshot", { "id", "engine", "hash", "cost", "nr_parts", "key", "mac" } },
    { "image", { "id", "part", "bytes" } },
    { "answered", { "lab", "key", "body_hash", "seq", "made", "answer", "at" } },
    { "importing", { "lab", "seq", "chain" } },
    { "unchained", { "lab" } },
    { "sqlite_sequence", { "name", "seq" } },
    { "op_kind", { "id", "name" } },
    { "choice", { "param", "number", "word" } },
    { "sqlite_schema", { "type", "name", "tbl_name", "rootpage", "sql" } },
};
#define NR_TABLES (sizeof TABLES / sizeof TABLES[0])

static const char *const WORDS[] = {
    "",
    "a",
    "{}",
    "{\"profile\":\"classic\"}",
    "{\"profile\":\"linux-6.1\",\"memory\":1099511627776}",
    "{\"profile\":\"linux-6.1\",\"memory\":33554432,\"cpus\":64}",
    "aaaaaaa1",
    "/../..%s%n",
    "\xff\xfe\x80",
    "glibc.malloc.tcache_count=3",
    "CREATE VIEW trace AS WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT * FROM r WHERE 0",
    "CREATE TABLE trace (a)",
};
#define NR_WORDS (sizeof WORDS / sizeof WORDS[0])

/* Statements that are no change of one column. */
/* NOLINTBEGIN(bugprone-suspicious-missing-comma): long ones */
static const char *const SCRIPTS[] = {
    "CREATE TRIGGER busy BEFORE INSERT ON op BEGIN"
    " INSERT INTO text (text) WITH RECURSIVE r (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM r) SELECT a FROM r; END",
    "CREATE TRIGGER eraser AFTER INSERT ON op BEGIN DELETE FROM lab; END",
    "CREATE TRIGGER undoer BEFORE UPDATE ON lab BEGIN SELECT raise(ROLLBACK, 'no'); END",
    "ALTER TABLE lab RENAME TO lab_2; CREATE VIEW lab AS SELECT * FROM lab_2",
    "ALTER TABLE op RENAME TO op_2; CREATE VIEW op AS WITH RECURSIVE r (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM r)"
    " SELECT a AS id, 1 AS call, 0 AS result, 0 AS cost_ns, 0 AS slept_ns, 1 AS size, 1 AS address, 'a' AS name FROM r",
    "DROP VIEW trace; CREATE VIEW trace AS WITH RECURSIVE r (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM r)"
    " SELECT a FROM r WHERE a < 0",
    "DROP VIEW trace",
    "CREATE INDEX further ON op (abs(call))",
    "CREATE TABLE other (a CHECK (a > randomblob(5)))",
    "PRAGMA user_version = 4",
    "PRAGMA user_version = 2",
    "PRAGMA user_version = 0",
    "DELETE FROM chain",
    "DELETE FROM sqlite_sequence",
    "DELETE FROM text",
    "UPDATE lab SET parent = id",
    "UPDATE lab SET parent = (SELECT max(id) FROM lab), parent_seq = 1 << 39",
    "INSERT INTO op SELECT id + 1000, call, result, cost_ns, slept_ns, size, address, name FROM op",
    "ALTER TABLE op DROP COLUMN name; ALTER TABLE op ADD COLUMN name",
    "ALTER TABLE call RENAME COLUMN pad TO paid",
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */
#define NR_SCRIPTS (sizeof SCRIPTS / sizeof SCRIPTS[0])

static struct sql_value harm_value(struct fuzz_bytes *in)
{
    static char long_text[3000];
    int64_t number = (int64_t)fuzz_take(in, 1);
    switch (number % 8) {
    case 0:
        return sql_text(NULL);
    case 1:
        return sql_text(WORDS[fuzz_take(in, 1) % NR_WORDS]);
    case 2:
        memset(long_text, 'x', sizeof long_text);
        return sql_text_n(long_text, fuzz_take(in, 2) % sizeof long_text);
    case 3:
        return sql_blob(in->at, (size_t)(in->end - in->at) < 32 ? (size_t)(in->end - in->at) : 32);
    case 4:
        return sql_i64((int64_t)fuzz_take(in, 8));
    case 5:
        return sql_i64((number & 8 ? -1 : 1) * (INT64_C(1) << fuzz_take(in, 1) % 63) + (int64_t)fuzz_take(in, 1) - 128);
    case 6: /* an operation's number */
        return sql_i64((int64_t)fuzz_take(in, 1) % 8 << SEQ_BITS | (int64_t)fuzz_take(in, 1));
    default:
        return sql_i64((int64_t)fuzz_take(in, 1));
    }
}

/* A value of one row, or the row itself. What SQLite refuses is left. */
static void harm_row(struct fuzz_bytes *in, sqlite3 *db)
{
    char sql[200];
    uint64_t how = fuzz_take(in, 1);
    unsigned table = (unsigned)(fuzz_take(in, 1) % NR_TABLES), nr_columns = 0;
    const char *name = TABLES[table].table;
    while (TABLES[table].columns[nr_columns])
        nr_columns++;
    const char *column = TABLES[table].columns[fuzz_take(in, 1) % (nr_columns ? nr_columns : 1)],
               *key = TABLES[table].columns[0];
    unsigned row = (unsigned)fuzz_take(in, 1);
    if (how % 16 == 0)
        snprintf(sql, sizeof sql, "DELETE FROM \"%s\" WHERE \"%s\" = (SELECT \"%s\" FROM \"%s\" LIMIT 1 OFFSET %u)", name,
                 key, key, name, row);
    else if (how % 16 == 1)
        snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO \"%s\" (\"%s\") VALUES (?)", name, column);
    else if (how % 16 == 2)
        snprintf(sql, sizeof sql, "UPDATE \"%s\" SET \"%s\" = ?", name, column);
    else
        snprintf(sql, sizeof sql,
                 "UPDATE OR REPLACE \"%s\" SET \"%s\" = ? WHERE \"%s\" = (SELECT \"%s\" FROM \"%s\" LIMIT 1 OFFSET %u)",
                 name, column, key, key, name, row);
    const struct sql_value values[] = { how % 16 ? harm_value(in) : sql_text(NULL), { .type = SQL_END } };
    (void)sql_run(db, sql, how % 16 ? values : SQL_NONE);
}

/* A new chain is made where there is none, by the daemon itself when it opens the store. */
static void harm_put_right(sqlite3 *db, uint64_t how)
{
    if (how & 1)
        (void)sql_script(db, "INSERT OR IGNORE INTO unchained SELECT id FROM lab; DELETE FROM chain");
    if (how & 2)
        (void)sql_script(db, "UPDATE lab SET seal = " LAB_SEAL);
}

static int harm_is_too_long(void *unused)
{
    (void)unused;
    return 1;
}

void store_harm_rows(struct fuzz_bytes *in, const char *path)
{
    sqlite3 *db;
    uint64_t how = fuzz_take(in, 1);
    if (sqlite3_open(path, &db) != SQLITE_OK || store_add_seal(db) != SQLITE_OK)
        fuzz_fail("the store cannot be opened");
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL); /* they are for the daemon */
    sqlite3_progress_handler(db, 200000, harm_is_too_long, NULL);
    (void)sql_script(db, "PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE");
    (void)sql_script(db, how & 4 ? "PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON" : "SELECT 1");
    if ((how & 0x70) == 0x70)
        (void)sql_script(db, SCRIPTS[fuzz_take(in, 1) % NR_SCRIPTS]);
    for (unsigned i = 0; i < CHANGES_MAX && in->at < in->end; i++)
        harm_row(in, db);
    harm_put_right(db, how);
    sqlite3_close(db);
}
