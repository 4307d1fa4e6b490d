/* Rules and identity of this engine.
 *
 * Whether an image may be read is not a question of source text but of what its bytes mean. Nobody keeps a list of some
 * hundred fields by hand, so the engine shows it: a fixed run of operations in one small machine of each kind touches
 * every floor, and the hash over the state that it leaves is part of the identity. A field that has moved, that has gone
 * or come, that counts something else or is kept in another form gives another hash. Fields that the run leaves zero show
 * nothing; for them there is IMAGE_LAYOUT (machine_image.c). */
#include "alloc/machine/machine_image.h"

#include <string.h>

#define RULES 4u

uint32_t machine_rules(void)
{
    return RULES;
}

/* What one step of the run does. Parameters that it needs and that are not here take their values from identity_make_op().
 */
struct identity_step {
    enum op_kind kind;
    const char *name; /* of what is allocated, freed, read or written; NULL: none */
    uint64_t size;    /* bytes; also the length of reads, writes and mappings, and a process's limit */
    uint8_t order;
};

static const struct identity_step STEPS[] = {
    { OP_KMALLOC, "a", 1000, 0 },
    { OP_KZALLOC, "b", 24, 0 },
    { OP_KCALLOC, "c", 100, 0 },
    { OP_KMALLOC, "large", 20000, 0 },
    { OP_WRITE, "a", 900, 0 },
    { OP_KREALLOC, "a", 3000, 0 },
    { OP_ALLOC_PAGES, "p", 0, 3 },
    { OP_ALLOC_PAGES, "q", 0, 0 },
    { OP_WRITE, "p", 9000, 0 },
    { OP_FREE_PAGES, "q", 0, 0 },
    { OP_KMEM_CACHE_CREATE, NULL, 200, 0 },
    { OP_KMEM_CACHE_ALLOC, "o1", 0, 0 },
    { OP_KMEM_CACHE_ALLOC, "o2", 0, 0 },
    { OP_KMEM_CACHE_FREE, "o1", 0, 0 },
    { OP_VMALLOC, "v", 20000, 0 },
    { OP_VZALLOC, "w", 5000, 0 },
    { OP_VMALLOC_HUGE, "h", 4 << 20, 0 },
    { OP_VFREE, "w", 0, 0 },
    { OP_KVMALLOC, "kv", 300000, 0 },
    { OP_SPAWN, NULL, 0, 0 },
    { OP_MALLOC, "m1", 100, 0 },
    { OP_MALLOC, "m2", 3000, 0 },
    { OP_MALLOC, "m3", 40, 0 },
    { OP_CALLOC, "m4", 500, 0 },
    { OP_MALLOC, "m5", 200000, 0 },
    { OP_MEMALIGN, "m6", 1000, 0 },
    { OP_FREE, "m1", 0, 0 },
    { OP_FREE, "m2", 0, 0 },
    { OP_REALLOC, "m3", 700, 0 },
    { OP_MALLOPT, NULL, 0, 0 },
    { OP_MMAP, "map", 40960, 0 },
    { OP_WRITE, "map", 30000, 0 },
    { OP_MLOCK, "map", 8192, 0 },
    { OP_FORK, NULL, 0, 0 },
    { OP_WRITE, "map", 5000, 0 },
    { OP_MPROTECT, "map", 4096, 0 },
    { OP_MADVISE, "map", 8192, 0 },
    { OP_SBRK, NULL, 0, 0 },
    { OP_SETRLIMIT, NULL, 64 << 20, 0 },
    { OP_READ, "a", 100, 0 },
    { OP_KFREE, "b", 0, 0 },
    { OP_KFREE, "large", 0, 0 },
    { OP_TICK, NULL, 0, 0 },
    { OP_COMPACT_MEMORY, NULL, 0, 0 },
    { OP_MARK, NULL, 0, 0 },
};

static struct text identity_text(const char *words)
{
    return (struct text){ words, words ? (uint32_t)strlen(words) : 0 };
}

static void identity_give(struct op *op, enum op_param_id id)
{
    op->given |= 1u << id;
}

/* pid: of the run's process, 0 before it is there. */
static struct op identity_make_op(const struct identity_step *step, uint32_t pid)
{
    const struct op_info *info = op_info(step->kind);
    struct op op = op_default(step->kind);
    bool is_by_name = info->needed & OP_BIT(ADDRESS);
    bool fills = info->needed & OP_BIT(HEX);
    op.given = info->needed & ~(OP_BIT(ADDRESS) | OP_BIT(HEX));
    op.size = op.length = step->size;
    op.n = 3;
    op.align = 64;
    op.order = step->order;
    op.cache = identity_text("identity");
    op.text = identity_text("a remark");
    op.name = identity_text(step->name);
    op.pid = pid;
    op.fill = 0xa5;
    op.value = 4096;
    op.increment = 8192;
    if (step->name && (is_by_name || (info->further & OP_BIT(NAME))))
        identity_give(&op, PARAM_NAME);
    if (fills) {
        identity_give(&op, PARAM_FILL);
        identity_give(&op, PARAM_LENGTH);
    }
    if (pid && step->name && strcmp(step->name, "map") == 0)
        identity_give(&op, PARAM_PID);
    return op;
}

/* What a machine refuses (classic has no caches, say) is part of what it is, and the run goes on. */
static enum pagoda_error identity_run_steps(struct machine *machine)
{
    uint32_t pid = 0;
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        struct op_result result;
        struct problem why = { 0 };
        struct op op = identity_make_op(&STEPS[i], pid);
        enum pagoda_error err = machine_apply(machine, &op, &result, &why);
        if (err == PAGODA_ERR_NOMEM)
            return err;
        if (!err && !pid)
            pid = result.pid;
    }
    return PAGODA_OK;
}

static uint64_t identity_mix(uint64_t hash, uint64_t number)
{
    hash = (hash ^ number) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* The run in one machine of the profile, plain or with what changes the form of its objects. */
static enum pagoda_error identity_add_machine(const struct pagoda_host *host, const struct profile *profile, bool is_plain,
                                              uint64_t *hash)
{
    struct machine *machine;
    struct problem why = { 0 };
    struct machine_config config = { .profile = profile->id, .memory = profile->memory_min, .swap = 4 << 20, .seed = 1 };
    config.cpus = profile->cpus_max > 1 ? 2 : 1;
    if (!is_plain && profile->kmalloc_style == KMALLOC_SLUB) {
        config.slub_debug = SLUB_DEBUG_ALL;
        config.init_on_free = 1;
        config.aslr_seed = 1;
    }
    enum pagoda_error err = machine_create(&config, host, &machine, &why);
    if (err)
        return err;
    machine_record_events(machine, false);
    err = identity_run_steps(machine);
    for (uint32_t i = 0; i < machine->nr_pools; i++)
        *hash = identity_mix(*hash, machine->pools[i]->item_size);
    *hash = identity_mix(*hash, machine_hash(machine));
    machine_destroy(machine);
    return err;
}

enum pagoda_error machine_identity(const struct pagoda_host *host, uint64_t *identity)
{
    enum pagoda_error err = PAGODA_OK;
    uint64_t hash = machine_image_layout();
    for (unsigned i = 0; i < NR_PROFILES && !err; i++)
        err = identity_add_machine(host, profile_get((enum profile_id)i), true, &hash);
    for (unsigned i = 0; i < NR_PROFILES && !err; i++)
        err = identity_add_machine(host, profile_get((enum profile_id)i), false, &hash);
    *identity = hash ? hash : 1;
    return err;
}
