/* server/cmd/backup.c - pagodad backup: a copy of a store at one moment. pagodad check --salvage: a new store with what can
 * still be read of a damaged one.
 *
 * Salvaging reads each lab up to the first operation that is missing or unreadable (what comes after it cannot be
 * replayed), says where the hash chain does not vouch for what was read, and writes it as a lab of its own: forks no longer
 * share. */
#include "server/cmd/check.h"
#include "server/base/problem.h"
#include "server/store/store.h"

#include <stdio.h>
#include <unistd.h>

#define WINDOW 10000u /* operations under way to the new store */

/* ---- backup ---- */

int backup(const struct options *options)
{
    struct problem why = { 0 };
    enum pagoda_error error = store_backup(options->file, options->target, &why);
    if (error == PAGODA_ERR_CONFLICT)
        fprintf(stderr, "pagodad backup: %s is there already\n", options->target);
    else if (error)
        fprintf(stderr, "pagodad backup: %s to %s: %s\n", options->file, options->target, why.text);
    return error == PAGODA_ERR_CONFLICT ? 2 : error ? 1 : 0;
}

/* ---- salvage ---- */

struct salvaging {
    struct store *from, *to;
    struct lab_log log;
    uint64_t next_seq, ticket, nr_in_window;
    uint64_t nr_labs, nr_ops, nr_lost;
    uint64_t nr_doubtful; /* that no chain vouches for */
    enum pagoda_error error;
};

static bool salvage_one(void *context, const struct log_entry *entry)
{
    struct salvaging *s = context;
    if (entry->seq != s->next_seq)
        return false;
    s->ticket = store_append(s->to, &s->log, entry, NULL, 0);
    s->error = s->ticket ? PAGODA_OK : PAGODA_ERR_IO;
    if (!s->error && ++s->nr_in_window % WINDOW == 0)
        s->error = store_wait(s->to, s->ticket);
    s->next_seq += !s->error;
    return !s->error;
}

/* First what the chain vouches for, then what can be read behind it. Reading ends where it ends; next_seq tells. */
static void salvage_ops(struct salvaging *s, const struct lab_row *row)
{
    uint64_t first, last;
    enum pagoda_error reading = store_read_ops(s->from, row->number, 1, row->seq, salvage_one, s);
    uint64_t nr_sound = s->next_seq - 1;
    if (reading == PAGODA_ERR_CORRUPT && store_find_damage(s->from, row->number, &first, &last))
        printf("lab %s: between operations %llu and %llu the log is not what was written\n", row->id,
               (unsigned long long)first, (unsigned long long)last);
    if (!s->error && nr_sound < row->seq)
        reading = store_read_unverified(s->from, row->number, s->next_seq, row->seq, salvage_one, s);
    uint64_t nr_doubtful = s->next_seq - 1 - nr_sound;
    if (nr_doubtful)
        printf("lab %s: operations %llu to %llu are saved as they stand: no hash chain vouches for them\n", row->id,
               (unsigned long long)nr_sound + 1, (unsigned long long)s->next_seq - 1);
    s->nr_doubtful += nr_doubtful;
    if (reading && !s->error)
        printf("lab %s: operation %llu: %s\n", row->id, (unsigned long long)s->next_seq, pagoda_error_text(reading));
}

static enum pagoda_error salvage_lab(struct salvaging *s, const struct lab_row *row)
{
    struct lab_row copy_row = *row;
    copy_row.parent = 0;
    copy_row.parent_seq = 0;
    struct store_change change = { .kind = STORE_CREATE_LAB, .row = &copy_row };
    enum pagoda_error error = store_make_change(s->to, &change);
    if (error)
        return error;
    if (row->is_damaged)
        printf("lab %s: its row is not what was written: configuration, name or ancestry may be wrong\n", row->id);
    s->nr_doubtful += row->is_damaged;
    s->log = (struct lab_log){ .lab = copy_row.number };
    s->next_seq = 1;
    s->ticket = 0;
    salvage_ops(s, row);
    if (!s->error && s->ticket)
        s->error = store_wait(s->to, s->ticket);
    uint64_t nr_ops = s->next_seq - 1;
    s->nr_labs++;
    s->nr_ops += nr_ops;
    bool is_known = row->seq != STORE_SEQ_UNKNOWN;
    s->nr_lost += is_known ? row->seq - nr_ops : 1;
    if (is_known)
        printf("lab %s: %llu of %llu operations saved\n", row->id, (unsigned long long)nr_ops,
               (unsigned long long)row->seq);
    else
        printf("lab %s: %llu operations saved, the rest cannot be read\n", row->id, (unsigned long long)nr_ops);
    return s->error;
}

int salvage(const struct options *options)
{
    struct salvaging s = { 0 };
    struct problem why = { 0 };
    if (access(options->salvage, F_OK) == 0) {
        fprintf(stderr, "pagodad check: %s is there already\n", options->salvage);
        return 2;
    }
    enum pagoda_error error = store_open_to_read(options->file, options->key_file, &s.from, &why);
    if (!error)
        error = store_open(options->salvage, options->key_file, &s.to, &why);
    int64_t last = error ? 0 : store_last_lab(s.from);
    for (int64_t id = 1; !error && id <= last; id++) {
        struct lab_row row;
        struct problem trouble = { 0 };
        enum pagoda_error reading = store_read_lab(s.from, id, &row, &trouble);
        if (!reading)
            error = salvage_lab(&s, &row);
        else if (reading != PAGODA_ERR_NOT_FOUND && ++s.nr_lost)
            printf("lab number %lld cannot be read: %s\n", (long long)id,
                   trouble.text[0] ? trouble.text : pagoda_error_text(reading));
    }
    store_close(s.to);
    store_close(s.from);
    if (error) {
        fprintf(stderr, "pagodad check: %s\n", why.text[0] ? why.text : pagoda_error_text(error));
        return 2;
    }
    printf("%llu labs, %llu operations saved%s\n", (unsigned long long)s.nr_labs, (unsigned long long)s.nr_ops,
           s.nr_lost       ? "; not all could be read"
           : s.nr_doubtful ? "; not all is what was written"
                           : ": all that there is");
    return s.nr_lost || s.nr_doubtful ? 1 : 0;
}
