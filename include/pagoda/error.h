/* pagoda/error.h - what can go wrong in the host. What a simulated allocator refuses is an outcome (op.h), not an error. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define PAGODA_ERROR_MAP(X)                                                                                                \
    X(PAGODA_OK, "ok")                                                                                                     \
    X(PAGODA_ERR_INVALID, "argument out of range")                                                                         \
    X(PAGODA_ERR_NOMEM, "host is out of memory")                                                                           \
    X(PAGODA_ERR_NOT_FOUND, "no such thing")                                                                               \
    X(PAGODA_ERR_CONFLICT, "somebody else was first")                                                                      \
    X(PAGODA_ERR_FULL, "the store is full")                                                                                \
    X(PAGODA_ERR_IO, "the store cannot be read or written")                                                                \
    X(PAGODA_ERR_GONE, "the store's file was deleted or replaced: nothing can be written until it is back")                \
    X(PAGODA_ERR_CORRUPT, "the store does not hold what it must")                                                          \
    X(PAGODA_ERR_VERSION, "the store was written by a newer pagodad")                                                      \
    X(PAGODA_ERR_RANDOM, "host gives no random numbers")                                                                   \
    X(PAGODA_ERR_BUDGET, "the host's memory for labs is used up by labs that are in use; try again later")                 \
    X(PAGODA_ERR_LAB_MEMORY, "the lab may not take more of the host's memory")                                             \
    X(PAGODA_ERR_RULES, "results were recorded under other rules; POST …/rerun makes a lab under today's")                 \
    X(PAGODA_ERR_FAULT, "the machine broke down; it is rebuilt from its log")                                              \
    X(PAGODA_ERR_QUARANTINED, "the lab broke down three times in a row; POST …/wake tries once more")                      \
    X(PAGODA_ERR_STOPPING, "the server is about to stop; try again later")

enum pagoda_error {
#define X(name, text) name,
    PAGODA_ERROR_MAP(X)
#undef X
};

#if defined(__GNUC__)
#define PAGODA_MUST_CHECK __attribute__((warn_unused_result))
#else
#define PAGODA_MUST_CHECK
#endif

/* A sentence fragment in lower case; never NULL. */
const char *pagoda_error_text(enum pagoda_error error);

/* Why an input was refused. It begins zeroed, which says nothing; the first cause that is said stays, and later ones are
 * dropped. So a caller may pass one problem through many checks and shows what was wrong first. */
struct problem {
    size_t offset;  /* of the byte (of a state dump: the line) at fault in the input; 0 where there is none */
    char field[32]; /* the parameter at fault, such as "size"; empty: none in particular */
    char text[160]; /* a sentence fragment; empty: nothing is wrong */
};

/* Says in *why what is wrong, unless it says something already. Texts are cut to fit.
 * Always returns PAGODA_ERR_INVALID, so that a check is one line. */
enum pagoda_error problem_refuse(struct problem *why, const char *field, const char *text);
/* The same, with the offset. */
enum pagoda_error problem_refuse_at(struct problem *why, size_t offset, const char *field, const char *text);
