/* server/cmd/backup.c - pagodad backup: a copy of a store at one moment. pagodad check --salvage: a new store with what can
 * still be read of a damaged one.
 *
 * The backup is one read transaction, which in WAL mode holds up no writer. It is made under another name and gets its own
 * when it is whole and on disk. Salvaging reads each lab up to the first operation that is missing or unreadable (what
 * comes after it cannot be replayed) and writes it as a lab of its own: forks no longer share. */
#include "server/cmd/check.h"
#include "server/base/problem.h"
#include "server/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WINDOW 10000u /* operations under way to the new store */

/* ---- backup ---- */

static int copy(sqlite3 *from, sqlite3 *to)
{
    sqlite3_backup *copying = sqlite3_backup_init(to, "main", from, "main");
    if (!copying)
        return sqlite3_errcode(to);
    int rc = sqlite3_backup_step(copying, -1);
    sqlite3_backup_finish(copying);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int copy_file(const char *from_path, const char *to_path)
{
    sqlite3 *from = NULL, *to = NULL;
    int rc = sqlite3_open_v2(from_path, &from, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(to_path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(from, 5000);
    if (rc == SQLITE_OK)
        rc = copy(from, to);
    sqlite3_close(from);
    sqlite3_close(to);
    return rc;
}

/* The directory entry is as durable as the bytes. */
static void sync_directory(const char *path)
{
    char directory[1024];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[1] = '\0';
    int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

int backup(const struct options *options)
{
    char part[1024];
    snprintf(part, sizeof part, "%s.part", options->target);
    if (access(options->target, F_OK) == 0) {
        fprintf(stderr, "pagodad backup: %s is there already\n", options->target);
        return 2;
    }
    unlink(part);
    int rc = copy_file(options->file, part);
    if (rc == SQLITE_OK && rename(part, options->target) != 0)
        rc = SQLITE_IOERR;
    if (rc != SQLITE_OK) {
        fprintf(stderr, "pagodad backup: %s to %s: %s\n", options->file, options->target, sqlite3_errstr(rc));
        unlink(part);
        return 1;
    }
    sync_directory(options->target);
    return 0;
}

/* ---- salvage ---- */

struct salvaging {
    struct store *from, *to;
    struct lab_log log;
    uint64_t next_seq, ticket, nr_in_window;
    uint64_t nr_labs, nr_ops, nr_lost;
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

static enum pagoda_error salvage_lab(struct salvaging *s, const struct lab_row *row)
{
    struct lab_row copy_row = *row;
    copy_row.parent = 0;
    copy_row.parent_seq = 0;
    enum pagoda_error error = store_create_lab(s->to, &copy_row, NULL);
    if (error)
        return error;
    s->log = (struct lab_log){ .lab = copy_row.id };
    s->next_seq = 1;
    s->ticket = 0;
    enum pagoda_error reading = store_read_ops(s->from, row->id, 1, row->seq, salvage_one, s);
    (void)reading; /* what could be read has been; next_seq tells how much */
    if (!s->error && s->ticket)
        s->error = store_wait(s->to, s->ticket);
    uint64_t nr_ops = s->next_seq - 1;
    s->nr_labs++;
    s->nr_ops += nr_ops;
    bool is_known = row->seq != STORE_SEQ_UNKNOWN;
    s->nr_lost += is_known ? row->seq - nr_ops : 1;
    if (is_known)
        printf("lab %s: %llu of %llu operations saved\n", row->key, (unsigned long long)nr_ops,
               (unsigned long long)row->seq);
    else
        printf("lab %s: %llu operations saved, the rest cannot be read\n", row->key, (unsigned long long)nr_ops);
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
    enum pagoda_error error = store_open_to_read(options->file, &s.from, &why);
    if (!error)
        error = store_open(options->salvage, &s.to, &why);
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
           s.nr_lost ? "; not all could be read" : ": all that there is");
    return s.nr_lost ? 1 : 0;
}
