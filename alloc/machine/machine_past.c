/* Machines with a past: a workload has run before operation 1. Several actors take blocks, give some back and take others,
 * side by side; in the end each gives part of them back. What they keep has operation number 0 and the actor's name as its
 * call site. The order of it all is drawn from fixed numbers, so two machines of one configuration are equal. */
#include "alloc/machine/machine_past.h"

#include <string.h>

#define PART_BYTES (UINT64_C(64) << 20) /* of memory, for which an actor's blocks are counted */
#define NR_ROUNDS 64u                   /* in which actors take turns */
#define ACTORS_MAX 16u
#define SEED UINT64_C(20260131)

struct past_actor {
    const char *call_site;
    enum op_kind op;
    uint32_t profiles, gfp;
    uint32_t least, most; /* bytes; alloc_pages: order */
    uint32_t blocks;      /* at once, for each PART_BYTES of memory */
    uint32_t turnover;    /* percent of them that are given back, and taken anew, on the way */
    uint32_t left;        /* percent of them that are left in the end */
};

#define ACTOR(...) { __VA_ARGS__ },
static const struct past_actor USED[] = {
#include "data/machines/used.def"
};
static const struct past_actor FRAGMENTED[] = {
#include "data/machines/fragmented.def"
};
#undef ACTOR
_Static_assert(sizeof USED <= ACTORS_MAX * sizeof USED[0] && sizeof FRAGMENTED <= ACTORS_MAX * sizeof FRAGMENTED[0],
               "a stage has room for every actor");

static const struct {
    const struct past_actor *actors;
    size_t nr;
} PASTS[NR_MACHINE_PASTS] = {
    [MACHINE_USED] = { USED, sizeof USED / sizeof USED[0] },
    [MACHINE_FRAGMENTED] = { FRAGMENTED, sizeof FRAGMENTED / sizeof FRAGMENTED[0] },
};

/* An actor on a machine. A block is its address, and for pages its order in the bits below the page. */
struct stage_role {
    const struct past_actor *actor;
    uint64_t *blocks;
    uint32_t nr, nr_most;
};
struct stage {
    struct machine *m;
    uint64_t random;
    struct stage_role roles[ACTORS_MAX];
    uint32_t nr_roles;
};

/* splitmix64; a number below bound. */
static uint32_t stage_draw(struct stage *stage, uint32_t bound)
{
    uint64_t z = (stage->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % bound);
}

/* Runs it as operation 0: what it makes was there before the first one. */
static enum pagoda_error stage_apply(struct stage *stage, const struct op *op, struct op_result *result)
{
    struct problem why = { 0 };
    stage->m->state.seq = UINT64_MAX;
    return machine_apply(stage->m, op, result, &why);
}

/* The role has one block more, unless the machine refuses. */
static enum pagoda_error stage_take(struct stage *stage, struct stage_role *role)
{
    const struct past_actor *actor = role->actor;
    bool is_pages = actor->op == OP_ALLOC_PAGES;
    uint32_t size = actor->least + stage_draw(stage, actor->most - actor->least + 1);
    struct op op = op_default(actor->op);
    struct op_result result;
    op.call_site = (struct text){ actor->call_site, (uint32_t)strlen(actor->call_site) };
    op.gfp = actor->gfp;
    op.given = OP_BIT(CALL_SITE) | (is_pages ? OP_BIT(ORDER) : OP_BIT(SIZE)) | (actor->op == OP_VMALLOC ? 0 : OP_BIT(GFP));
    op.order = is_pages ? (uint8_t)size : 0;
    op.size = is_pages ? 0 : size;
    enum pagoda_error err = stage_apply(stage, &op, &result);
    if (!err && result.address)
        role->blocks[role->nr++] = result.address | op.order;
    return err;
}

/* The role gives one of its blocks back, any of them. */
static enum pagoda_error stage_give(struct stage *stage, struct stage_role *role)
{
    static const enum op_kind RELEASE[] = {
        [OP_KMALLOC] = OP_KFREE, [OP_ALLOC_PAGES] = OP_FREE_PAGES, [OP_VMALLOC] = OP_VFREE
    };
    bool is_pages = role->actor->op == OP_ALLOC_PAGES;
    uint64_t *at = &role->blocks[stage_draw(stage, role->nr)];
    uint64_t order = is_pages ? *at & (PAGE_SIZE - 1) : 0;
    struct op op = op_default(RELEASE[role->actor->op]);
    struct op_result result;
    op.given = OP_BIT(ADDRESS) | (is_pages ? OP_BIT(ORDER) : 0);
    op.address = *at - order;
    op.order = (uint8_t)order;
    *at = role->blocks[--role->nr];
    return stage_apply(stage, &op, &result);
}

/* The part of a role's calls that falls into a round: the rounds together are all of it. */
static uint32_t round_share(uint64_t all, uint32_t round)
{
    return (uint32_t)(all * (round + 1) / NR_ROUNDS - all * round / NR_ROUNDS);
}

static enum pagoda_error stage_play_round(struct stage *stage, struct stage_role *role, uint32_t round)
{
    enum pagoda_error err = PAGODA_OK;
    for (uint32_t n = round_share(role->nr_most, round); n && !err; n--)
        err = stage_take(stage, role);
    for (uint32_t n = round_share((uint64_t)role->nr_most * role->actor->turnover / 100, round); n && role->nr && !err;
         n--) {
        err = stage_give(stage, role);
        if (!err)
            err = stage_take(stage, role);
    }
    return err;
}

static enum pagoda_error stage_play(struct stage *stage)
{
    enum pagoda_error err = PAGODA_OK;
    for (uint32_t round = 0; round < NR_ROUNDS; round++)
        for (uint32_t i = 0; i < stage->nr_roles && !err; i++)
            err = stage_play_round(stage, &stage->roles[i], round);
    for (uint32_t i = 0; i < stage->nr_roles; i++)
        for (uint32_t n = (uint32_t)((uint64_t)stage->roles[i].nr * (100 - stage->roles[i].actor->left) / 100); n && !err;
             n--)
            err = stage_give(stage, &stage->roles[i]);
    return err;
}

/* Who plays. Returns how many blocks they may have at once. */
static uint64_t stage_cast(struct stage *stage)
{
    const struct machine_config *config = &stage->m->state.config;
    uint64_t all = 0;
    for (size_t i = 0; i < PASTS[config->machine].nr; i++) {
        const struct past_actor *actor = &PASTS[config->machine].actors[i];
        if (!(actor->profiles >> config->profile & 1))
            continue;
        uint32_t nr = (uint32_t)(config->memory * actor->blocks / PART_BYTES);
        stage->roles[stage->nr_roles++] = (struct stage_role){ .actor = actor, .nr_most = nr };
        all += nr;
    }
    return all;
}

static void stage_divide_room(struct stage *stage, uint64_t *room)
{
    for (uint32_t i = 0; i < stage->nr_roles; i++) {
        stage->roles[i].blocks = room;
        room += stage->roles[i].nr_most;
    }
}

/* Operations and time are counted from here on. */
static void machine_begin_anew(struct machine *m)
{
    m->state.seq = m->state.now_ns = 0;
    memset(m->state.nr_outcomes, 0, sizeof m->state.nr_outcomes);
    trace_start(&m->trace, 0, 0);
}

enum pagoda_error machine_live_past(struct machine *m)
{
    struct stage stage = { .m = m, .random = SEED };
    struct pagoda_host host = m->host;
    bool is_recording = m->trace.recording;
    size_t bytes = (stage_cast(&stage) * sizeof(uint64_t) + PAGE_SIZE) & ~(size_t)(PAGE_SIZE - 1);
    void *room = host.reserve(&host.context, bytes);
    if (!room)
        return PAGODA_ERR_NOMEM;
    enum pagoda_error err = PAGODA_ERR_NOMEM;
    m->trace.recording = false;
    if (host.commit(host.context, room, bytes)) {
        stage_divide_room(&stage, room);
        err = stage_play(&stage);
    }
    m->trace.recording = is_recording;
    machine_begin_anew(m);
    host.release(host.context, room, bytes);
    return err;
}
