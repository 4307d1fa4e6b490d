/* server/store/sqlite/store_seal.c - lab_seal(), an SQL function: a hash of its arguments. Every row of table lab carries
 * the one of its other columns, so that it is known when one of them is not what was written. */
#include "server/store/sqlite/store_state.h"

/* Each value as its type, its length and its bytes: no two lists of values give the same. */
static void seal_add(crypto_generichash_state *state, sqlite3_value *value)
{
    int type = sqlite3_value_type(value);
    sqlite3_int64 number = type == SQLITE_INTEGER ? sqlite3_value_int64(value) : 0;
    const void *bytes = type == SQLITE_INTEGER ? &number : sqlite3_value_blob(value);
    uint64_t nr_bytes = type == SQLITE_INTEGER ? sizeof number : (uint64_t)sqlite3_value_bytes(value);
    uint64_t head[2] = { (uint64_t)type, nr_bytes };
    crypto_generichash_update(state, (const unsigned char *)head, sizeof head);
    if (bytes && nr_bytes)
        crypto_generichash_update(state, bytes, nr_bytes);
}

static void seal_make(sqlite3_context *out, int nr_values, sqlite3_value **values)
{
    static const char DOMAIN[] = "pagoda.row of a lab";
    unsigned char seal[16];
    crypto_generichash_state state;
    crypto_generichash_init(&state, (const unsigned char *)DOMAIN, sizeof DOMAIN - 1, sizeof seal);
    for (int i = 0; i < nr_values; i++)
        seal_add(&state, values[i]);
    crypto_generichash_final(&state, seal, sizeof seal);
    sqlite3_result_blob(out, seal, sizeof seal, SQLITE_TRANSIENT);
}

int store_add_seal(sqlite3 *db)
{
    return sqlite3_create_function(db, "lab_seal", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, seal_make, NULL, NULL);
}
