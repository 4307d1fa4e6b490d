/* server/store/sqlite/op_columns.h - the columns of table op, listed once: its rows are written (store_queue.c), read
 * (store_read.c) and copied (store_copy.c).
 *
 * A parameter of an operation is a column of table op when it differs from one operation of a trace to the next, else of
 * table call. */
#pragma once
#include "pagoda/op.h"
#include <stdbool.h>

/* Behind the id, in the table's order (data/schema.sql). */
#define OP_COLUMNS(X)                                                                                                      \
    X(CALL, call)                                                                                                          \
    X(RESULT, result)                                                                                                      \
    X(COST, cost_ns)                                                                                                       \
    X(SLEPT, slept_ns)                                                                                                     \
    X(SIZE, size)                                                                                                          \
    X(ADDRESS, address)                                                                                                    \
    X(NAME, name)

/* Numbers of the columns, from 0. */
enum op_column {
    OP_COLUMN_ID,
#define X(id, name) OP_COLUMN_##id,
    OP_COLUMNS(X)
#undef X
};

/* ", call, result, …": behind what stands for the id. */
#define OP_COLUMN_NAME(id, name) ", " #name
#define OP_COLUMN_NAMES OP_COLUMNS(OP_COLUMN_NAME)

#define PARAMS_IN_OP (OP_BIT(SIZE) | OP_BIT(ADDRESS) | OP_BIT(NAME))
static inline bool param_is_in_call(unsigned id)
{
    return !(PARAMS_IN_OP >> id & 1);
}
