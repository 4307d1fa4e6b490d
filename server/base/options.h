/* server/base/options.h - what the command line and PAGODA_* variables say. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOSTS_MAX 8

struct options {
    const char *listen;           /* "127.0.0.1:8080", "[::1]:8080" */
    const char *store;            /* path */
    const char *key_file;         /* path of the key that marks images, or NULL: STORE.key */
    const char *web;              /* directory, or NULL: no pages */
    const char *hosts[HOSTS_MAX]; /* further names that the Host header may bear */
    size_t nr_hosts;
    bool log; /* one line a request, to stderr */

    const char *budget;     /* host memory for all labs that are awake, or NULL: half of the host's */
    const char *lab_memory; /* host memory for one machine of a lab, or NULL: a quarter of the budget, at least 1G */
    const char *max_memory; /* the largest memory that a lab may simulate */
    const char *idle;       /* seconds after which an unused lab goes to sleep */

    const char *upload, *unpacked; /* how long an imported body may be, as sent and as text */
    const char *patience;          /* seconds that a request's head may take */

    const char *profile, *memory, *cpus, *format, *file; /* replay; file: of check and backup too, the store */
    bool check, json;
    const char *state, *save_state; /* replay: where it starts, where its end is written; or NULL */
    const char *salvage;            /* check: the new store, or NULL */
    const char *target;             /* backup */
};

/* Fills *options for a command. On a mistake prints one line to stderr and returns false. */
bool options_read(struct options *options, const char *command, int argc, char **argv);
void options_print_help(const char *command); /* NULL: of all */
