/* Stores and labs for tests: see store_fixture.h. */
#include "tests/store/store_fixture.h"
#include "server/base/host_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void store_fixture_make(struct store_fixture *f)
{
    *f = (struct store_fixture){ .path = "/tmp/pagoda-store-XXXXXX" };
    assert_non_null(mkdtemp(f->path));
    size_t length = strlen(f->path);
    snprintf(f->path + length, sizeof f->path - length, "/pagoda.db");
}

enum pagoda_error store_fixture_open(struct store_fixture *f, struct problem *why)
{
    enum pagoda_error error = store_open(f->path, NULL, &f->store, why);
    return error ? error : labs_open(f->store, NULL, &f->labs, why);
}

void store_fixture_must_open(struct store_fixture *f)
{
    struct problem why = { 0 };
    enum pagoda_error error = store_fixture_open(f, &why);
    if (error)
        fail_msg("%s", why.text);
}

void store_fixture_close(struct store_fixture *f)
{
    labs_stop(f->labs);
    store_close(f->store);
    labs_close(f->labs);
    f->store = NULL;
}

void store_fixture_remove(struct store_fixture *f)
{
    static const char *const ENDS[] = { "", "-wal", "-shm", ".lock", ".key", ".reserve", "-journal" };
    char path[96];
    for (unsigned i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        snprintf(path, sizeof path, "%s%s", f->path, ENDS[i]);
        unlink(path);
    }
    *strrchr(f->path, '/') = '\0';
    rmdir(f->path);
}

enum pagoda_error store_fixture_create(struct store_fixture *f, const char *name, const struct machine_config *config,
                                       struct lab **lab, struct problem *why)
{
    struct lab_change change;
    *lab = NULL;
    enum pagoda_error error = lab_begin_create(f->labs, name, config, false, NULL, &change, why);
    return error ? error : lab_change_now(&change, lab);
}

struct lab *store_fixture_lab(struct store_fixture *f, const char *profile)
{
    struct machine_config config = { .profile = profile_find(profile, strlen(profile))->id, .swap = 4 << 20 };
    config.memory = config.profile == PROFILE_CLASSIC ? 8 << 20 : 48 << 20;
    config.cpus = config.profile == PROFILE_CLASSIC ? 1 : 2;
    struct lab *lab;
    struct problem why = { 0 };
    if (store_fixture_create(f, profile, &config, &lab, &why))
        fail_msg("%s %s", why.field, why.text);
    return lab;
}

/* ---- operations ---- */

#define NR_SEEN 64u
static uint64_t seen_addresses[NR_SEEN];
static uint32_t seen_pids[4];
static char words[5][16];

static uint64_t some_number(struct fixture_random *random, const struct op_param_info *info)
{
    uint64_t max = info->max ? info->max : UINT64_MAX - 1;
    switch (fixture_random_below(random, 8)) {
    case 0:
        return info->min;
    case 1:
        return max;
    case 2:
        return info->min +
               fixture_random_below(random, max - info->min < UINT64_C(1) << 40 ? max - info->min + 1 : 1 << 22);
    default:
        return info->min + fixture_random_below(random, max - info->min < 9000 ? max - info->min + 1 : 9000);
    }
}

static void fill_param(struct fixture_random *random, enum op_param_id id, struct op *op)
{
    static const uint8_t BYTES[100] = { 1, 2, 3 };
    static const uint32_t FLAGS[] = { 0xcc0, 0xdc0, 0xa20, 0x400cc0, 0x100cca, 0xc40 };
    const struct op_param_info *info = op_param_info(id);
    uint64_t number = some_number(random, info);
    if (id == PARAM_GFP)
        number = FLAGS[fixture_random_below(random, 6)];
    if (id == PARAM_CPU)
        number = fixture_random_below(random, 2);
    if (id == PARAM_PID)
        number = seen_pids[fixture_random_below(random, 4)];
    if (id == PARAM_ADDRESS)
        number = seen_addresses[fixture_random_below(random, NR_SEEN)] + (fixture_random_below(random, 9) == 0);
    if ((info->type == TYPE_SIZE || id == PARAM_N) && fixture_random_below(random, 20))
        number = 1 + fixture_random_below(random, id == PARAM_N ? 4 : 20000);
    if (id == PARAM_ALIGN)
        number = UINT64_C(1) << fixture_random_below(random, 13);
    op->given |= 1u << id;
    if (info->type == TYPE_TEXT) {
        char *word = words[id % 5];
        struct text text = { word, (uint32_t)snprintf(word, 16, "%c%u", 'a' + (int)id % 26,
                                                      (unsigned)fixture_random_below(random, id == PARAM_CACHE ? 4 : 40)) };
        if (id == PARAM_TUNABLES)
            text = fixture_text("glibc.malloc.tcache_count=3");
        memcpy((char *)op + info->offset, &text, sizeof text);
    } else if (info->type == TYPE_HEX) {
        op->data = BYTES;
        op->nr_data = 1 + (uint32_t)fixture_random_below(random, 99);
    } else {
        memcpy((char *)op + info->offset, &number, info->width);
    }
}

struct op store_fixture_op(struct fixture_random *random, const struct machine *machine)
{
    (void)machine;
    struct op op = op_default((enum op_kind)fixture_random_below(random, NR_OPS));
    const struct op_info *info = op_info(op.kind);
    uint32_t wanted = info->needed;
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        if ((info->further >> id & 1) && fixture_random_below(random, 3) == 0)
            wanted |= 1u << id;
    if ((wanted & OP_BIT(HEX)) && (wanted & (OP_BIT(FILL) | OP_BIT(LENGTH))))
        wanted &= ~(OP_BIT(FILL) | OP_BIT(LENGTH));
    if ((info->needed & OP_BIT(ADDRESS)) && fixture_random_below(random, 3) == 0)
        wanted = (wanted & ~OP_BIT(ADDRESS)) | OP_BIT(NAME);
    if (op.kind == OP_EXIT && fixture_random_below(random, 8))
        op.kind = OP_SPAWN, wanted = 0;
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        if (wanted >> id & 1)
            fill_param(random, (enum op_param_id)id, &op);
    return op;
}

unsigned store_fixture_run(struct lab *lab, struct fixture_random *random, unsigned nr, enum pagoda_error *error)
{
    unsigned nr_applied = 0;
    struct lab_hold hold;
    *error = lab_take(lab, &hold);
    if (*error)
        return 0;
    for (unsigned i = 0; i < nr && !*error; i++) {
        struct op_result result;
        struct problem why = { 0 };
        struct op op = store_fixture_op(random, hold.machine);
        *error = lab_apply(&hold, &op, NULL, &result, &why);
        if (*error == PAGODA_ERR_INVALID) {
            *error = PAGODA_OK;
            continue;
        }
        if (*error)
            break;
        nr_applied++;
        if (result.address)
            seen_addresses[fixture_random_below(random, NR_SEEN)] = result.address;
        if (result.pid)
            seen_pids[fixture_random_below(random, 4)] = result.pid;
    }
    lab_release(&hold);
    if (!*error && nr_applied)
        *error = store_wait(lab->labs->store, hold.ticket);
    return nr_applied;
}

/* ---- hashes ---- */

uint64_t store_fixture_hash(struct lab *lab)
{
    struct lab_hold hold;
    assert_int_equal(lab_take(lab, &hold), PAGODA_OK);
    uint64_t hash = machine_hash(hold.machine);
    lab_release(&hold);
    return hash;
}

uint64_t store_fixture_hash_at(struct lab *lab, uint64_t seq)
{
    struct lab_hold hold;
    assert_int_equal(lab_take_past(lab, seq, &hold), PAGODA_OK);
    assert_int_equal(machine_seq(hold.machine), seq);
    uint64_t hash = machine_hash(hold.machine);
    lab_release(&hold);
    return hash;
}

uint64_t store_fixture_replayed_hash(struct lab *lab)
{
    struct past past = { 0 };
    struct problem why = { 0 };
    assert_int_equal(machine_create(&lab->row.config, &HOST_MEMORY, &past.machine, &why), PAGODA_OK);
    assert_int_equal(
        lab_replay(lab, &past, &(struct lab_walk){ .to = atomic_load(&lab->log.durable_seq), .deadline_ns = FOREVER }),
        PAGODA_OK);
    uint64_t hash = machine_hash(past.machine);
    machine_destroy(past.machine);
    return hash;
}
