/* Stores from anybody, and stores that rot. A small store is harmed: its bytes, or its rows with the hashes put right. Then
 * pagodad check looks at it, it is salvaged, and a daemon's store and labs open it, wake, show, and go on. Whatever was
 * done to it, nothing crashes or hangs, and a machine that wakes keeps its invariants. When bytes changed, each lab is
 * moreover shown as it was or not at all, and what check calls sound can all be read. */
#include "server/base/hash.h"
#include "server/base/host_memory.h"
#include "server/cmd/check.h"
#include "server/export/entry_json.h"
#include "server/lab/lab_internal.h"
#include "tests/fuzz/store_fuzz.h"

#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LABS_MAX 8u
#define MACHINE_BYTES (UINT64_C(256) << 20) /* of host memory: a configuration may ask for more */

/* What a lab is: its log and its machine. */
struct essence {
    char key[LAB_ID_LENGTH + 1];
    uint64_t log, machine;
};

static struct store_paths paths;
static uint8_t *made;
static size_t nr_made;
static struct essence originals[LABS_MAX];
static unsigned nr_originals;
static bool is_complete; /* the originals are all there */

/* ---- what is said goes nowhere ---- */

static int said[2], nowhere = -1;

static void quiet_begin(void)
{
    if (nowhere < 0) {
        nowhere = open("/dev/null", O_WRONLY);
        said[0] = dup(1);
        said[1] = dup(2);
        __sanitizer_set_report_fd((void *)(intptr_t)said[1]); /* NOLINT: a number in a pointer, as it is declared */
    }
    fflush(stdout);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
}

static void quiet_end(void)
{
    fflush(stdout);
    dup2(said[0], 1);
    dup2(said[1], 2);
}

static void store_fail(const char *what)
{
    quiet_end();
    fuzz_fail(what);
}

/* ---- labs ---- */

static bool digest_entry(void *context, const struct log_entry *entry)
{
    uint64_t *hash = context;
    struct buffer out = { 0 };
    entry_encode(&out, entry);
    if (!out.failed)
        *hash = hash64_bytes(*hash, out.data, out.length);
    buffer_clear(&out);
    return true;
}

/* An error: it cannot be said. */
static enum pagoda_error lab_find_essence(struct lab *lab, struct essence *essence)
{
    struct lab_hold hold;
    memcpy(essence->key, lab->row.id, sizeof essence->key);
    essence->log = HASH_START;
    enum pagoda_error error = lab_take(lab, &hold);
    if (error)
        return error;
    essence->machine = machine_hash(hold.machine);
    fixture_check(hold.machine);
    uint64_t seq = hold.seq;
    lab_release(&hold);
    return store_read_ops(lab->labs->store, lab->row.number, 1, seq, digest_entry, &essence->log);
}

static bool essence_is_original(const struct essence *essence)
{
    for (unsigned i = 0; i < nr_originals; i++)
        if (strcmp(originals[i].key, essence->key) == 0 && originals[i].log == essence->log &&
            originals[i].machine == essence->machine)
            return true;
    return false;
}

/* What others do with a lab that can be read or not: they look back, fork, copy, rename, and go on. */
static void lab_use(struct lab *lab)
{
    struct lab_hold hold;
    struct store_copy *copy;
    struct op_result result;
    struct problem why = { 0 };
    const struct op op = op_default(OP_SPAWN);
    bool is_done = false;
    if (!lab_take_past(lab, lab_seq(lab) / 2, &hold))
        lab_release(&hold);
    if (!lab_take(lab, &hold)) {
        enum pagoda_error error = lab_apply(&hold, &op, NULL, &result, &why);
        lab_release(&hold);
        if (!error)
            (void)!store_wait(lab->labs->store, hold.ticket);
    }
    if (store_copy_begin(lab->labs->store, lab->row.number, lab_durable_seq(lab), true, &copy))
        return;
    while (!is_done && !store_copy_step(copy, &is_done)) {
    }
    store_copy_end(copy);
}

static void keys_use(struct store *store, int64_t lab)
{
    const struct answer asked = { .lab = lab, .key = "a key" };
    struct buffer text = { 0 };
    uint64_t body_hash, seq;
    (void)!store_find_answer(store, &asked, &body_hash, &seq, &text);
    (void)!store_find_answered(store, lab, asked.key, &body_hash, &seq);
    buffer_clear(&text);
}

/* How many labs show what they were; the others cannot be read. */
static unsigned labs_show(struct labs *labs, bool is_rotten)
{
    unsigned nr_sound = 0, nr = 0;
    for (struct lab *lab = labs->first; lab && nr < LABS_MAX; lab = lab->next, nr++) {
        struct essence essence = { 0 };
        enum pagoda_error error = lab_find_essence(lab, &essence);
        if (!error && !is_complete)
            originals[nr_originals++] = essence;
        if (is_rotten && !error && !essence_is_original(&essence))
            store_fail("a lab is shown as something else");
        nr_sound += !error;
    }
    return nr_sound;
}

/* As a daemon does. is_used: labs go on, too. */
static unsigned store_serve(const char *path, bool is_rotten, bool is_used)
{
    const struct labs_limits limits = { .memory_budget = 4 * MACHINE_BYTES, .machine_bytes = MACHINE_BYTES };
    struct problem why = { 0 };
    struct store *store;
    struct labs *labs;
    unsigned nr_sound = 0;
    enum pagoda_error error = store_open(path, NULL, &store, &why);
    if (error && !why.text[0])
        store_fail("a store is refused without a reason");
    if (error)
        return 0;
    error = labs_open(store, NULL, &labs, &why);
    if (!error) {
        labs_limit(labs, &limits);
        nr_sound = labs_show(labs, is_rotten);
        for (struct lab *lab = labs->first; is_used && lab; lab = lab->next) {
            lab_use(lab);
            keys_use(store, lab->row.number);
        }
        labs_stop(labs);
    }
    store_close(store);
    labs_close(labs);
    return nr_sound;
}

/* ---- one input ---- */

static void store_write(const uint8_t *bytes, size_t nr_bytes)
{
    int fd = open(paths.store, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, nr_bytes) != (ssize_t)nr_bytes)
        fuzz_fail("no room for a store");
    close(fd);
}

static void store_set_up(void)
{
    char directory[64] = "/dev/shm/pagoda-fuzz-XXXXXX";
    if (!mkdtemp(directory) && !mkdtemp(strcpy(directory, "/tmp/pagoda-fuzz-XXXXXX")))
        fuzz_fail("no directory for a store");
    snprintf(paths.store, sizeof paths.store, "%s/pagoda.db", directory);
    snprintf(paths.salvaged, sizeof paths.salvaged, "%s/salvaged.db", directory);
    made = store_make(&paths, &nr_made);
    store_write(made, nr_made);
    if (store_serve(paths.store, false, false) != STORE_NR_LABS)
        store_fail("the store that was made cannot be read");
    is_complete = true;
}

/* False: it says that something is wrong. */
static bool store_check(void)
{
    const struct options options = { .file = paths.store };
    return check(&options) == 0;
}

static void store_salvage(void)
{
    const struct options options = { .file = paths.store, .salvage = paths.salvaged };
    if (check(&options) < 2)
        (void)store_serve(paths.salvaged, false, false);
    store_remove(paths.salvaged);
}

enum { HOW_ROWS = 1, HOW_SALVAGE = 2, HOW_USED = 4, HOW_UNCHECKED = 8 };

static void store_try(uint64_t how)
{
    bool is_rotten = !(how & HOW_ROWS), is_checked = is_rotten || !(how & HOW_UNCHECKED);
    bool is_sound = is_checked && store_check();
    if (how & HOW_SALVAGE)
        store_salvage();
    unsigned nr_sound = store_serve(paths.store, is_rotten, how & HOW_USED);
    if (is_rotten && is_sound && nr_sound < STORE_NR_LABS)
        store_fail("check calls a store sound that cannot be read");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nr_bytes)
{
    struct fuzz_bytes in = { data, data + nr_bytes };
    uint64_t how = fuzz_take(&in, 1);
    quiet_begin();
    if (!is_complete)
        store_set_up();
    uint8_t *bytes = malloc(nr_made);
    if (!bytes || !made)
        abort();
    size_t nr_left = nr_made;
    memcpy(bytes, made, nr_made);
    if (!(how & HOW_ROWS))
        store_harm_bytes(&in, bytes, &nr_left);
    store_remove(paths.store);
    store_write(bytes, nr_left);
    free(bytes);
    if (how & HOW_ROWS)
        store_harm_rows(&in, paths.store);
    store_try(how);
    store_remove(paths.store);
    quiet_end();
    return 0;
}
