/* server/base/turn.h - what a thread is doing just now: for which lab, which operation, since when. For reports alone. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define TURN_LAB_MAX 32

struct turn {
    pthread_mutex_t mutex;         /* guards lab */
    char lab[TURN_LAB_MAX];        /* its key; empty: none */
    const char *_Atomic operation; /* a word of the table of operations; NULL: none yet */
    _Atomic uint64_t begun_ns;     /* monotonic; 0: the thread waits for work */
    uint64_t reported_ns;          /* begun_ns of the turn that was reported last; its watcher's */
};

void turn_init(struct turn *turn);
/* The calling thread notes its doings there from now on. Other threads may read it. Without, it has one of its own, which
 * nobody watches. */
void turn_adopt(struct turn *turn);
void turn_begin(void);
void turn_end(void);
void turn_is_for(const char *lab);             /* the lab's key, which is copied */
void turn_does(const char *operation);         /* kept: a text that lives for ever */
const char *turn_lab(void);                    /* of the calling thread */
const char *turn_operation(void);              /* of the calling thread; NULL: none */
uint64_t turn_age_ns(const struct turn *turn); /* since it began; 0: the thread waits for work */
bool turn_is_long(const struct turn *turn);    /* it began more than 10 s ago, and goes on */
/* Says on stderr, once for each turn, that it is long. */
void turn_report_if_long(struct turn *turn);
