/* server/import/heap_replay.h - what the importers of malloc traces share: the process they run in, the blocks they know,
 * the calls they make, and whether blocks lie where the trace says. */
#pragma once
#include "server/base/address_map.h"
#include "server/import/import.h"

#define HEAP_THREADS_MAX 256u

struct heap_replay {
    struct input *input;
    const struct import_sink *sink;
    struct import_summary *summary;
    enum pagoda_error error; /* of the sink; ends the import */
    uint32_t pid;            /* 0: not made yet */
    char name[63];           /* of the process */
    uint32_t nr_name;
    uint16_t tid;              /* of the calls to come */
    uint64_t heap_start;       /* of the simulated process */
    struct address_map blocks; /* recorded pointer (a script's: id + 1) -> simulated one; 0: its allocation failed here */
    char failed_reason[96];    /* says so, and what helps */
    uint64_t tids[HEAP_THREADS_MAX]; /* recorded, by their numbers here */
    uint32_t nr_tids;
    struct import_event *rows[NR_OPS];
};

/* A word of a line. */
bool trace_word(struct text *line, struct text *word); /* the next one, cut off the line; false: none is left */
/* All of the word is one number, which may begin with 0x. */
bool trace_decimal(struct text word, uint64_t *number);
bool trace_hex(struct text word, uint64_t *number);
bool trace_word_is(struct text word, const char *text);

/* name: of the process, which is made at the first call; may be empty. */
void heap_replay_start(struct heap_replay *replay, struct input *input, const struct import_sink *sink,
                       struct import_summary *summary, struct text name);
void heap_replay_end(struct heap_replay *replay);
/* The calls to come are this recorded thread's. The first one seen is the main one. False: there are too many, and the line
 * has been counted. */
bool heap_replay_enter_thread(struct heap_replay *replay, uint64_t tid);
/* Makes one call, by replay->tid. True: it was applied; *result tells how it went. */
bool heap_replay_apply(struct heap_replay *replay, struct op *op, struct op_result *result);
/* An event that was read, and cannot be applied. */
void heap_replay_skip(struct heap_replay *replay, enum op_kind kind, const char *reason);
/* Something odd beside the events. what: the row it is counted in, in brackets. */
void heap_replay_remark(struct heap_replay *replay, const char *what, const char *reason);
void heap_replay_unreadable(struct heap_replay *replay, const char *reason);

/* Blocks by their recorded pointers. */
void heap_replay_took(struct heap_replay *replay, uint64_t recorded, const struct op_result *result);
uint64_t heap_replay_take(struct heap_replay *replay, uint64_t recorded);         /* forgets it; 0: it is not known */
bool heap_replay_has_failed(const struct heap_replay *replay, uint64_t recorded); /* its allocation, here */
void heap_replay_fail(struct heap_replay *replay, uint64_t recorded);             /* notes that */
const char *heap_replay_failed_reason(struct heap_replay *replay);
void heap_replay_free(struct heap_replay *replay, uint64_t recorded);
/* A realloc whose old block has been taken already. recorded: 0 when it failed, or freed. */
void heap_replay_move(struct heap_replay *replay, uint64_t old_recorded, uint64_t old, uint64_t size, uint64_t recorded,
                      struct op_result *result);
