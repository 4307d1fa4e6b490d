/* tests/fuzz/fuzz_program.c - machines, and operations out of bytes. See fuzz.h. */
#include "tests/fuzz/fuzz.h"
#include "alloc/machine/machine_state.h"
#include "pagoda/procfs.h"
#include "server/import/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *what)
{
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

/* --- machines --- */

static const struct machine_config CONFIGS[NR_FUZZ_MACHINES] = {
    [FUZZ_CLASSIC] = { .profile = PROFILE_CLASSIC, .memory = 4 << 20, .swap = 1 << 20 },
    [FUZZ_SMALL] = { .profile = PROFILE_LINUX_6_1, .memory = 64 << 20, .cpus = 2 },
    [FUZZ_DEBUG] = { .profile = PROFILE_LINUX_6_1, .memory = 32 << 20, .cpus = 1, .slub_debug = SLUB_DEBUG_ALL },
    [FUZZ_SWAP] = { .profile = PROFILE_LINUX_6_1, .memory = 32 << 20, .cpus = 2, .swap = 16 << 20, .aslr_seed = 1 },
    [FUZZ_LARGE] = { .profile = PROFILE_LINUX_6_1, .memory = UINT64_C(4) << 30, .cpus = 4, .swap = 256 << 20 },
};

static void fuzz_furnish(struct machine *machine)
{
    uint32_t pid = fixture_apply(machine, fixture_op(OP_SPAWN))->pid;
    fixture_apply(machine, fixture_op(OP_SPAWN));
    for (unsigned i = 0; i < 6; i++) {
        fixture_apply(machine, fixture_alloc(OP_KMALLOC, 30 + 500 * i, 0));
        fixture_apply(machine, fixture_alloc(OP_VMALLOC, 3000 * i + 1, 0));
        fixture_apply(machine, fixture_user(OP_MALLOC, pid, 40 + i * 30000));
    }
}

/* A machine as it was made, and the one that inputs run on. */
struct stage {
    struct machine *made, *machine;
    struct machine_state state; /* of machine, as it began */
};

static void stage_set_up(struct stage *stage, const struct machine_config *config)
{
    stage->made = fixture_machine_of(config);
    fuzz_furnish(stage->made);
    if (machine_clone(stage->made, &stage->machine))
        fuzz_fail("no copy of a machine");
    stage->state = stage->machine->state;
}

/* The pools become as they began, in place: a new mapping for each input would cost more than the input. */
static void stage_clear(struct stage *stage)
{
    struct machine *m = stage->machine;
    uint32_t committed[POOLS_MAX] = { 0 };
    for (uint32_t i = 0; i < m->nr_pools; i++) {
        const struct pool *made = stage->made->pools[i], *pool = m->pools[i];
        size_t began = (size_t)made->nr_used * made->item_size, ended = (size_t)pool->nr_used * pool->item_size;
        committed[i] = pool->committed;
        if (made->nr_used > 1)
            memcpy(pool->items, made->items, began);
        else
            began = 0;
        if (ended > began && pool->nr_used > 1)
            memset(pool->items + began, 0, ended - began);
    }
    m->state = stage->state;
    for (uint32_t i = 0; i < m->nr_pools; i++)
        m->pools[i]->committed = committed[i];
    m->nr_reserved_ops = m->nr_reserved_user = 0;
    memset(&m->libc, 0, sizeof m->libc);
}

struct machine *fuzz_machine(unsigned number)
{
    static struct stage stages[NR_FUZZ_MACHINES];
    struct stage *stage = &stages[number % NR_FUZZ_MACHINES];
    if (!stage->made)
        stage_set_up(stage, &CONFIGS[number % NR_FUZZ_MACHINES]);
    else
        stage_clear(stage);
    return stage->machine;
}

/* --- operations --- */

static uint64_t fuzz_size(struct fuzz_bytes *in, uint64_t max)
{
    static const uint64_t EDGES[] = { 0,       8,       4096,     8192,      131056,  1 << 20,           4 << 20,
                                      8 << 20, 2 << 20, 30 << 20, 160 << 20, 1 << 30, UINT64_C(1) << 32, UINT64_MAX };
    uint64_t how = fuzz_take(in, 1), size;
    if (how < 128)
        size = fuzz_take(in, 1);
    else if (how < 224)
        size = fuzz_take(in, 2);
    else
        size = EDGES[how % (sizeof EDGES / sizeof EDGES[0])] + fuzz_take(in, 1) - 128;
    return max == UINT64_MAX ? size : size % (max + 1);
}

static uint64_t fuzz_address(struct fuzz_program *program)
{
    uint64_t how = fuzz_take(&program->in, 1), seen = program->seen[how % FUZZ_SEEN];
    switch (how / FUZZ_SEEN) {
    case 0:
        return seen + fuzz_take(&program->in, 1);
    case 1:
        return seen + (fuzz_take(&program->in, 1) << 12);
    case 2:
        return machine_profile(program->machine)->page_offset + fuzz_take(&program->in, 4);
    case 3:
        return fuzz_take(&program->in, 8);
    case 4:
        return seen - fuzz_take(&program->in, 1);
    default:
        return seen;
    }
}

static struct text fuzz_name(struct fuzz_bytes *in)
{
    static const char NAMES[] = "abcdefgh";
    return (struct text){ NAMES + fuzz_take(in, 1) % 8, 1 };
}

static void fuzz_param(struct fuzz_program *program, struct op *op, enum op_param_id id)
{
    const struct op_param_info *info = op_param_info(id);
    struct fuzz_bytes *in = &program->in;
    switch (info->type) {
    case TYPE_ADDRESS:
        op_set_number(op, id, fuzz_address(program));
        break;
    case TYPE_TEXT:
        op_set_text(op, id, fuzz_name(in));
        break;
    case TYPE_HEX:
        op->nr_data = (uint32_t)fuzz_take(in, 1);
        if (op->nr_data > in->end - in->at)
            op->nr_data = (uint32_t)(in->end - in->at);
        op->data = in->at;
        in->at += op->nr_data;
        break;
    case TYPE_SIGNED:
        op_set_number(op, id, (uint64_t)(int64_t)(int32_t)fuzz_size(in, UINT32_MAX));
        break;
    case TYPE_GFP:
        op_set_number(op, id, fuzz_take(in, 1) & 1 ? GFP_ATOMIC : fuzz_take(in, 4) & GFP_ALL_BITS);
        break;
    case TYPE_FLAGS:
        op_set_number(op, id, fuzz_take(in, 4) & info->max);
        break;
    case TYPE_CONTEXT:
    case TYPE_TOUCH:
    case TYPE_CHOICE:
        op_set_number(op, id, fuzz_take(in, 1) % 8);
        break;
    default:
        op_set_number(op, id,
                      id == PARAM_PID && program->nr_pids ? program->pids[fuzz_take(in, 1) % program->nr_pids]
                                                          : fuzz_size(in, info->max));
    }
}

static struct op fuzz_op(struct fuzz_program *program)
{
    struct op op = op_default((enum op_kind)(fuzz_take(&program->in, 1) % NR_OPS));
    const struct op_info *info = op_info(op.kind);
    uint32_t further = (uint32_t)fuzz_take(&program->in, 1);
    op.given = info->needed | (further & 1 ? (uint32_t)fuzz_take(&program->in, 4) & info->further : 0);
    if ((info->needed & OP_BIT(ADDRESS)) && further & 2)
        op.given = (op.given & ~OP_BIT(ADDRESS)) | OP_BIT(NAME);
    else if (info->needed & OP_BIT(ADDRESS))
        op.given &= ~OP_BIT(NAME);
    if (op.kind == OP_WRITE && further & 4)
        op.given = (op.given & ~OP_BIT(HEX)) | OP_BIT(FILL) | OP_BIT(LENGTH);
    if (op.kind == OP_WRITE && further & 8)
        op.given |= OP_BIT(PID);
    if (op.given & OP_BIT(HEX))
        op.given &= ~(OP_BIT(FILL) | OP_BIT(LENGTH));
    for (unsigned i = 0; i < NR_OP_PARAMS; i++)
        if (op.given & OP_PARAM_BIT(i))
            fuzz_param(program, &op, (enum op_param_id)i);
    op.cpu = (uint16_t)(op.cpu % machine_config(program->machine)->cpus);
    return op;
}

void fuzz_program_start(struct fuzz_program *program, struct machine *machine, const uint8_t *data, size_t nr_bytes)
{
    *program = (struct fuzz_program){ .in = { data, data + nr_bytes }, .machine = machine };
    struct allocation_view allocation;
    for (uint64_t cursor = 0; program->nr_seen < FUZZ_SEEN && view_next_allocation(machine, &cursor, &allocation);)
        program->seen[program->nr_seen++] = allocation.address;
    struct process_view process;
    for (uint64_t cursor = 0; program->nr_pids < 4 && view_next_process(machine, &cursor, &process);)
        program->pids[program->nr_pids++] = process.pid;
}

/* What one operation may touch, so that an input takes milliseconds: a fault for each page of a GiB takes a second. */
static bool fuzz_is_short(const struct fuzz_program *program, const struct op *op)
{
    const uint64_t most = UINT64_C(256) << 20;
    bool touches = op->kind == OP_WRITE || op->kind == OP_MLOCK || op->kind == OP_MADVISE || op->kind == OP_CALLOC;
    (void)program;
    return !touches || (op->length <= most && op->size <= most);
}

bool fuzz_program_step(struct fuzz_program *program)
{
    if (program->in.at >= program->in.end)
        return false;
    struct op op = fuzz_op(program);
    struct op_result result;
    struct problem why = { 0 };
    if (!fuzz_is_short(program, &op))
        return true;
    enum pagoda_error error = machine_apply(program->machine, &op, &result, &why);
    if (error == PAGODA_ERR_NOMEM)
        return false;
    if (error && (error != PAGODA_ERR_INVALID || !why.text[0]))
        fuzz_fail("a refusal without a reason");
    if (!error && result.address)
        program->seen[program->nr_seen++ % FUZZ_SEEN] = result.address;
    if (!error && result.pid)
        program->pids[program->nr_pids < 4 ? program->nr_pids++ : result.seq % 4] = result.pid;
    return true;
}

/* --- looking --- */

void fuzz_look(const struct machine *machine)
{
    static struct frame_run run;
    struct allocation_view allocation;
    struct process_view process;
    struct stats_view stats;
    uint64_t cursor = 0;
    view_stats(machine, &stats);
    for (unsigned i = 0; i < 300 && view_next_allocation(machine, &cursor, &allocation); i++) {
    }
    cursor = 0;
    for (unsigned i = 0; i < 20 && view_next_process(machine, &cursor, &process); i++) {
    }
    cursor = 0;
    for (unsigned i = 0; i < 300 && view_next_frame_run(machine, &cursor, &run); i++) {
    }
}

/* --- imports --- */

static enum pagoda_error fuzz_sink_apply(void *context, const struct op *op, struct op_result *result, struct problem *why)
{
    return machine_apply(context, op, result, why);
}

static const struct machine *fuzz_sink_look(void *context)
{
    return context;
}

struct import_sink fuzz_sink(struct machine *machine)
{
    return (struct import_sink){ fuzz_sink_apply, fuzz_sink_look, machine, machine_config(machine)->cpus };
}
