/* server/cmd/check.c - pagodad check: is the file whole, and does every lab still lead where its log says?
 *
 * The hash chain of each lab's log says whether an operation is what was written. Each lab is then replayed from its first
 * operation in a machine of its own. Every recorded result is compared, every logged
 * hash, and the machine that comes out must keep its own invariants. The first difference of a lab is named and ends its
 * replay. A machine that breaks down is its lab's trouble; the others are checked all the same. The store is only read, so
 * that a daemon may serve it meanwhile. */
#include "server/cmd/check.h"
#include "server/base/guard.h"
#include "server/base/host_memory.h"
#include "server/base/turn.h"
#include "server/lab/snapshot.h"

#include <stdio.h>

struct checking {
    struct store *store;
    uint64_t nr_labs, nr_ops, nr_hashes, nr_bad, nr_other_rules;
};

struct lab_check {
    struct checking *all;
    const struct lab_row *row;
    struct machine *machine;
    struct snapshot_row next_hash; /* seq UINT64_MAX: none */
    uint64_t nr_hashes;
    uint64_t hash;       /* of the machine, when it was looked at last */
    uint64_t nr_read;    /* operations of the log */
    uint64_t differs_at; /* the first result that is another under today's rules, and may be; 0: none */
    uint64_t first_cost; /* the first operation that took another time; 0: none */
    bool is_broken;      /* the hash chain does not vouch for all of it */
    char trouble[320];   /* empty: none */
};

/* ---- one operation ---- */

static void check_say_difference(struct lab_check *lab, const struct log_entry *entry, const char *what, uint64_t recorded,
                                 uint64_t replayed)
{
    const char *name = op_info(entry->op.kind)->name;
    snprintf(lab->trouble, sizeof lab->trouble, "operation %llu (%s): %s was recorded as 0x%llx, a replay gives 0x%llx",
             (unsigned long long)entry->seq, name, what, (unsigned long long)recorded, (unsigned long long)replayed);
}

static void check_compare(struct lab_check *lab, const struct log_entry *entry, const struct op_result *result)
{
    const struct {
        const char *what;
        uint64_t recorded, replayed;
    } pairs[] = {
        { "its number", entry->seq, result->seq },
        { "the outcome", entry->outcome, result->outcome },
        { "the address", entry->address, result->address },
        { "the size allocated", entry->allocated, result->allocated },
    };
    for (size_t i = 0; !lab->trouble[0] && i < sizeof pairs / sizeof pairs[0]; i++)
        if (pairs[i].recorded != pairs[i].replayed)
            check_say_difference(lab, entry, pairs[i].what, pairs[i].recorded, pairs[i].replayed);
    if (!lab->first_cost && (entry->cost_ns != result->cost_ns || entry->slept_ns != result->slept_ns))
        lab->first_cost = entry->seq;
}

static void check_find_next_hash(struct lab_check *lab, uint64_t from)
{
    const struct snapshot_moment moment = { lab->row->number, from, snapshot_identity() };
    if (store_next_hash(lab->all->store, &moment, &lab->next_hash))
        lab->next_hash.seq = UINT64_MAX;
}

static void check_hash_machine(void *context)
{
    struct lab_check *lab = context;
    lab->hash = machine_hash(lab->machine);
}

static void check_invariants(void *context)
{
    struct lab_check *lab = context;
    machine_check(lab->machine, lab->trouble, sizeof lab->trouble);
}

/* False: the machine broke down. */
static bool check_look(struct lab_check *lab, void (*look)(void *context))
{
    bool is_whole = guard_run(lab->machine, look, lab) == PAGODA_OK;
    if (!is_whole)
        snprintf(lab->trouble, sizeof lab->trouble, "after operation %llu the machine breaks down",
                 (unsigned long long)lab->nr_read);
    return is_whole;
}

static void check_compare_hash(struct lab_check *lab)
{
    uint64_t seq = lab->next_hash.seq, hash;
    if (!check_look(lab, check_hash_machine))
        return;
    hash = lab->hash;
    if (hash != lab->next_hash.hash)
        snprintf(lab->trouble, sizeof lab->trouble,
                 "after operation %llu the machine's hash was recorded as 0x%016llx, a replay gives 0x%016llx",
                 (unsigned long long)seq, (unsigned long long)lab->next_hash.hash, (unsigned long long)hash);
    else if (!snapshot_is_sound(lab->all->store, lab->row->number, seq))
        snprintf(lab->trouble, sizeof lab->trouble, "the snapshot after operation %llu is damaged (it is passed over)",
                 (unsigned long long)seq);
    lab->nr_hashes++;
    check_find_next_hash(lab, seq + 1);
}

/* Is the operation one that may have another result today, because it was recorded under other rules? */
static bool check_may_differ(const struct lab_check *lab, const struct log_entry *entry)
{
    const struct lab_row *row = lab->row;
    return row->rules == machine_rules() ? entry->seq == row->differs_at : true;
}

/* Behind the first result of other rules the log is not replayed. Only gaps in it are looked for. */
static bool check_is_there(struct lab_check *lab, const struct log_entry *entry)
{
    if (entry->seq != lab->nr_read)
        snprintf(lab->trouble, sizeof lab->trouble, "operation %llu is missing", (unsigned long long)lab->nr_read);
    return !lab->trouble[0];
}

static bool check_entry(void *context, const struct log_entry *entry)
{
    struct lab_check *lab = context;
    lab->nr_read++;
    if (lab->differs_at || entry->seq != lab->nr_read)
        return check_is_there(lab, entry);
    struct op_result result;
    struct problem why = { 0 };
    enum pagoda_error error = guard_apply(lab->machine, &entry->op, &result, &why);
    if (error)
        snprintf(lab->trouble, sizeof lab->trouble, "operation %llu (%s) is refused by a replay: %s%s%s",
                 (unsigned long long)entry->seq, op_info(entry->op.kind)->name, why.field, why.field[0] ? " " : "",
                 why.text[0] ? why.text : pagoda_error_text(error));
    else
        check_compare(lab, entry, &result);
    if (lab->trouble[0] && error != PAGODA_ERR_NOMEM && error != PAGODA_ERR_FAULT && check_may_differ(lab, entry)) {
        lab->differs_at = entry->seq;
        lab->trouble[0] = '\0';
        return true;
    }
    if (!lab->trouble[0] && entry->seq == lab->next_hash.seq)
        check_compare_hash(lab);
    return !lab->trouble[0];
}

/* ---- one lab ---- */

/* The chain says that something is wrong, and roughly where. A replay of what stands there may say what. */
static enum pagoda_error check_broken_chain(struct lab_check *lab)
{
    uint64_t first, last;
    if (!store_find_damage(lab->all->store, lab->row->number, &first, &last))
        return PAGODA_ERR_CORRUPT;
    lab->is_broken = true;
    printf("lab %s: between operations %llu and %llu the log is not what was written\n", lab->row->id,
           (unsigned long long)first, (unsigned long long)last);
    return store_read_unverified(lab->all->store, lab->row->number, lab->nr_read + 1, lab->row->seq, check_entry, lab);
}

static void check_end(struct lab_check *lab, enum pagoda_error error)
{
    uint64_t seq = lab->nr_read;
    if (lab->trouble[0])
        return;
    if (error || seq != lab->row->seq)
        snprintf(lab->trouble, sizeof lab->trouble, "operation %llu cannot be read: %s", (unsigned long long)seq + 1,
                 error ? pagoda_error_text(error) : "it is missing");
    else if (lab->is_broken)
        snprintf(lab->trouble, sizeof lab->trouble, "what stands there leads to the same results");
    else if (!lab->differs_at)
        (void)check_look(lab, check_invariants);
}

static void check_replay_lab(struct lab_check *lab)
{
    struct problem why = { 0 };
    turn_is_for(lab->row->id);
    enum pagoda_error error = guard_create(&lab->row->config, &HOST_MEMORY, &lab->machine, &why);
    if (error) {
        snprintf(lab->trouble, sizeof lab->trouble, "no machine can be made: %.160s",
                 why.text[0] ? why.text : pagoda_error_text(error));
        return;
    }
    machine_record_events(lab->machine, false);
    check_find_next_hash(lab, 1);
    error = store_read_ops(lab->all->store, lab->row->number, 1, lab->row->seq, check_entry, lab);
    if (error == PAGODA_ERR_CORRUPT)
        error = check_broken_chain(lab);
    check_end(lab, error);
}

static void check_lab(void *context, const struct lab_row *row)
{
    struct checking *all = context;
    struct lab_check lab = { .all = all, .row = row };
    if (row->is_damaged)
        snprintf(lab.trouble, sizeof lab.trouble,
                 "its row is not what was written: configuration, name or ancestry are damaged");
    else
        check_replay_lab(&lab);
    all->nr_labs++;
    all->nr_ops += lab.nr_read;
    all->nr_other_rules += !lab.trouble[0] && lab.differs_at;
    all->nr_hashes += lab.nr_hashes;
    all->nr_bad += lab.trouble[0] != '\0';
    if (lab.trouble[0])
        printf("lab %s: %s\n", row->id, lab.trouble);
    else if (lab.differs_at)
        printf("lab %s: other rules: made under revision %u, operation %llu has another result under revision %u\n",
               row->id, row->made, (unsigned long long)lab.differs_at, machine_rules());
    else
        printf("lab %s: %llu operations, %llu hashes: as recorded\n", row->id, (unsigned long long)row->seq,
               (unsigned long long)lab.nr_hashes);
    if (row->chain_since)
        printf("lab %s: operations up to %llu are older than the hash chain: it vouches for what was found then\n", row->id,
               (unsigned long long)row->chain_since);
    if (lab.first_cost)
        printf("lab %s: from operation %llu on, times are not those recorded: the cost model has changed since\n", row->id,
               (unsigned long long)lab.first_cost);
    fflush(stdout);
    machine_destroy(lab.machine);
}

static void check_bad_line(void *context, const char *text)
{
    struct checking *all = context;
    all->nr_bad++;
    printf("file: %s\n", text);
}

int check(const struct options *options)
{
    struct checking all = { 0 };
    struct problem why = { 0 };
    guard_install();
    if (options->salvage)
        return salvage(options);
    enum pagoda_error error = store_open_to_read(options->file, options->key_file, &all.store, &why);
    if (error) {
        fprintf(stderr, "pagodad check: %s\n", why.text);
        return error == PAGODA_ERR_CORRUPT ? 1 : 2;
    }
    store_check_file(all.store, check_bad_line, &all);
    error = store_list_labs(all.store, check_lab, &all, &why);
    store_close(all.store);
    if (error) {
        all.nr_bad++;
        printf("labs: %s\n", why.text[0] ? why.text : pagoda_error_text(error));
    }
    printf("%llu labs, %llu operations, %llu hashes: %s\n", (unsigned long long)all.nr_labs, (unsigned long long)all.nr_ops,
           (unsigned long long)all.nr_hashes,
           all.nr_bad           ? "NOT as recorded"
           : all.nr_other_rules ? "sound"
                                : "all as recorded");
    if (all.nr_other_rules)
        printf("%llu labs of other rules: read-only where they are served\n", (unsigned long long)all.nr_other_rules);
    return all.nr_bad ? 1 : 0;
}
