/* server/store/sqlite/store_answer.c - requests under an Idempotency-Key that no operation can answer again: the text that
 * was answered is kept in the transaction that did what was asked. An import that is not all or nothing takes its key when
 * it begins, with an empty text: one that was cut short is known by it, and not begun again. */
#include "server/store/sqlite/store_state.h"

int store_insert_answer(struct store *store, const struct answer *answer, uint64_t seq, int64_t made)
{
    if (!answer || !answer->key)
        return SQLITE_OK;
    return sql_run(store->db,
                   "INSERT INTO answered (lab, key, body_hash, seq, made, answer, at)"
                   " VALUES (?, ?, ?, ?, ?, ?, strftime('%s', 'now'))",
                   SQL_VALUES(sql_i64(answer->lab), sql_text(answer->key), sql_u64(answer->body_hash), sql_u64(seq),
                              sql_i64(made), sql_text(answer->text ? answer->text : "")));
}

int store_remove_answer(struct store *store, const struct answer *answer)
{
    return sql_run(store->db, "DELETE FROM answered WHERE lab = ? AND key = ?",
                   SQL_VALUES(sql_i64(answer->lab), sql_text(answer->key)));
}

struct saving {
    const struct answer *answer;
    uint64_t seq;
};

static int answer_run_begin(struct store *store, void *context)
{
    const struct saving *saving = context;
    return store_insert_answer(store, saving->answer, saving->seq, 0);
}

static int answer_run_end(struct store *store, void *context)
{
    const struct saving *saving = context;
    int rc = store_remove_answer(store, saving->answer);
    return rc == SQLITE_OK && saving->answer->text ? answer_run_begin(store, context) : rc;
}

enum pagoda_error store_begin_answer(struct store *store, const struct answer *answer, uint64_t seq)
{
    struct saving saving = { answer, seq };
    return store_run_task(store, answer_run_begin, &saving);
}

enum pagoda_error store_end_answer(struct store *store, const struct answer *answer, uint64_t seq)
{
    struct saving saving = { answer, seq };
    return store_run_task(store, answer_run_end, &saving);
}

enum pagoda_error store_find_answer(struct store *store, const struct answer *asked, uint64_t *body_hash, uint64_t *seq,
                                    struct buffer *text)
{
    struct reader *reader = store_take_reader(store);
    sqlite3_stmt *select;
    int rc = sql_select(reader->db, "SELECT body_hash, seq, answer FROM answered WHERE lab = ? AND key = ?",
                        SQL_VALUES(sql_i64(asked->lab), sql_text(asked->key)), &select);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(select);
    if (rc == SQLITE_ROW) {
        *body_hash = (uint64_t)sqlite3_column_int64(select, 0);
        *seq = (uint64_t)sqlite3_column_int64(select, 1);
        buffer_add(text, sqlite3_column_text(select, 2), (size_t)sqlite3_column_bytes(select, 2));
    }
    sqlite3_finalize(select);
    store_give_reader(reader);
    return rc == SQLITE_DONE ? PAGODA_ERR_NOT_FOUND : text->failed ? PAGODA_ERR_NOMEM : store_error(rc);
}
