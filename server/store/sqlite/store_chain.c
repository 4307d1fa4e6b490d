/* server/store/sqlite/store_chain.c - table chain: what vouches for the operations of a lab.
 *
 * A lab has a row for each block of CHAIN_BLOCK operations, under the number of the block's last one; the newest says how
 * far the log has got, and is written again with each commit. A fork that leaves in the middle of a block has a row for
 * that block from its beginning on. So the block of an operation is vouched for by the lab that holds its last operation,
 * or would: a fork's rows from there on, its parent's before.
 *
 * The writer goes on with the hash of each lab it has seen lately. Of others it reads the newest block once more. */
#include "server/store/sqlite/store_state.h"

#include <stdlib.h>
#include <string.h>

#define HEADS_MAX 1024u /* labs whose hashes are kept from one batch to the next */

/* ---- reading ---- */

/* The configuration of the lab's first ancestor, from which all of its kin begin. */
static enum pagoda_error chain_read_origin(struct reader *reader, int64_t lab, struct chain_value *value)
{
    int64_t root;
    uint64_t last;
    enum pagoda_error error = store_find_holder(reader, lab, 0, &root, &last);
    if (error)
        return error;
    int rc = sql_bind(reader->select_config, SQL_VALUES(sql_i64(root)));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(reader->select_config);
    if (rc == SQLITE_ROW)
        chain_origin(sqlite3_column_blob(reader->select_config, 0), (size_t)sqlite3_column_bytes(reader->select_config, 0),
                     value);
    sqlite3_reset(reader->select_config);
    return rc == SQLITE_DONE ? PAGODA_ERR_NOT_FOUND : store_error(rc);
}

enum pagoda_error store_chain_block(struct reader *reader, int64_t lab, uint64_t seq, uint64_t *covered,
                                    struct chain_value *value)
{
    int64_t holder;
    uint64_t last;
    sqlite3_stmt *select = reader->select_chain;
    *covered = chain_block_start(seq);
    enum pagoda_error error = store_find_holder(reader, lab, chain_block_end(seq), &holder, &last);
    if (error)
        return error;
    int rc = sql_bind(select, SQL_VALUES(sql_i64(op_id(holder, chain_block_end(seq)))));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(select);
    if (rc == SQLITE_ROW) {
        bool is_whole = sqlite3_column_bytes(select, 1) == sizeof value->bytes;
        *covered = (uint64_t)sqlite3_column_int64(select, 0);
        if (is_whole)
            memcpy(value->bytes, sqlite3_column_blob(select, 1), sizeof value->bytes);
        if (!is_whole || *covered <= chain_block_start(seq) || *covered > chain_block_end(seq))
            rc = SQLITE_CORRUPT;
    }
    sqlite3_reset(select);
    return store_error(rc);
}

enum pagoda_error store_chain_before(struct reader *reader, int64_t lab, uint64_t nr_before, struct chain_value *value)
{
    uint64_t covered;
    if (!nr_before)
        return chain_read_origin(reader, lab, value);
    enum pagoda_error error = store_chain_block(reader, lab, nr_before, &covered, value);
    return !error && covered != nr_before ? PAGODA_ERR_CORRUPT : error;
}

enum pagoda_error store_chain_at(struct reader *reader, int64_t lab, uint64_t seq, struct chain *chain)
{
    struct chain_value before;
    uint64_t start = seq % CHAIN_BLOCK ? chain_block_start(seq) : seq;
    enum pagoda_error error = store_chain_before(reader, lab, start, &before);
    if (error)
        return error;
    chain_begin(chain, &before);
    if (start == seq)
        return PAGODA_OK;
    error = store_read_block(reader, lab, seq, &before);
    if (!error && reader->block->covered < seq)
        error = PAGODA_ERR_NOT_FOUND;
    for (uint64_t i = 0; !error && i < seq - start; i++)
        chain_add(chain, &reader->block->entries[i]);
    return error;
}

enum pagoda_error store_chain_value_at(struct reader *reader, int64_t lab, uint64_t seq, struct chain_value *value)
{
    struct chain chain;
    if (seq % CHAIN_BLOCK == 0)
        return store_chain_before(reader, lab, seq, value);
    enum pagoda_error error = store_chain_at(reader, lab, seq, &chain);
    if (!error)
        *value = chain_read(&chain);
    return error;
}

/* ---- writing ---- */

int store_insert_chain(sqlite3_stmt *insert, int64_t lab, uint64_t seq, const struct chain_value *value)
{
    return sql_run_prepared(insert, SQL_VALUES(sql_i64(op_id(lab, chain_block_end(seq))), sql_u64(seq),
                                               sql_blob(value->bytes, sizeof value->bytes)));
}

void store_forget_heads(struct store *store)
{
    address_map_clear(&store->head_numbers);
    store->nr_heads = 0;
    store->first_head = NO_HEAD;
}

static bool heads_grow(struct store *store)
{
    uint32_t room = store->heads_room ? store->heads_room * 2 : 16;
    struct chain_head *heads = aligned_alloc(_Alignof(struct chain_head), room * sizeof *heads);
    if (!heads)
        return false;
    if (store->nr_heads)
        memcpy(heads, store->heads, store->nr_heads * sizeof *heads);
    free(store->heads);
    store->heads = heads;
    store->heads_room = room;
    return true;
}

/* NULL: out of memory. is_known is false in a new one. */
static struct chain_head *heads_find(struct store *store, int64_t lab)
{
    const struct address_entry *found = address_map_find(&store->head_numbers, (uint64_t)lab);
    if (found)
        return &store->heads[found->tag];
    if ((store->nr_heads == store->heads_room && !heads_grow(store)) ||
        !address_map_put(&store->head_numbers, (struct address_entry){ .key = (uint64_t)lab, .tag = store->nr_heads }))
        return NULL;
    struct chain_head *head = &store->heads[store->nr_heads++];
    head->lab = lab;
    head->seq = 0;
    head->is_known = head->is_listed = false;
    return head;
}

/* The hash behind operation seq. Who has appended to a lab has read the end of its log, so that damage there is known;
 * should it have come since, the others' operations are not to fail for it: the lab's next reader finds that the values
 * disagree. */
static int head_load(struct store *store, struct chain_head *head, uint64_t seq)
{
    enum pagoda_error error = store_chain_at(&store->own_reader, head->lab, seq, &head->chain);
    if (error == PAGODA_ERR_CORRUPT || error == PAGODA_ERR_NOT_FOUND)
        chain_begin(&head->chain, &(struct chain_value){ { 0 } });
    else if (error)
        return error == PAGODA_ERR_NOMEM ? SQLITE_NOMEM : SQLITE_IOERR;
    head->is_known = true;
    head->seq = seq;
    return SQLITE_OK;
}

static int head_end_block(struct store *store, struct chain_head *head)
{
    struct chain_value value = chain_read(&head->chain);
    chain_begin(&head->chain, &value);
    return store_insert_chain(store->insert_chain, head->lab, head->seq, &value);
}

/* The lab's hash behind operation seq. */
static int heads_take(struct store *store, int64_t lab, uint64_t seq, struct chain_head **head)
{
    *head = heads_find(store, lab);
    if (!*head)
        return SQLITE_NOMEM;
    return (*head)->is_known && (*head)->seq == seq ? SQLITE_OK : head_load(store, *head, seq);
}

int store_chain_go_on(struct store *store, int64_t lab, uint64_t seq)
{
    struct chain_head *head;
    return heads_take(store, lab, seq, &head);
}

static void heads_list(struct store *store, struct chain_head *head)
{
    if (head->is_listed)
        return;
    head->next = store->first_head;
    store->first_head = (uint32_t)(head - store->heads);
    head->is_listed = true;
}

int store_chain_row(struct store *store, int64_t lab, const struct log_entry *entry)
{
    struct chain_head *head;
    int rc = heads_take(store, lab, entry->seq - 1, &head);
    if (rc != SQLITE_OK)
        return rc;
    chain_add(&head->chain, entry);
    head->seq = entry->seq;
    if (head->seq % CHAIN_BLOCK == 0)
        return head_end_block(store, head);
    heads_list(store, head);
    return SQLITE_OK;
}

int store_chain_commit(struct store *store)
{
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && store->first_head != NO_HEAD) {
        struct chain_head *head = &store->heads[store->first_head];
        if (head->seq % CHAIN_BLOCK) {
            struct chain_value value = chain_read(&head->chain);
            rc = store_insert_chain(store->insert_chain, head->lab, head->seq, &value);
        }
        head->is_listed = false;
        store->first_head = head->next;
    }
    if (store->nr_heads > HEADS_MAX)
        store_forget_heads(store);
    return rc;
}
