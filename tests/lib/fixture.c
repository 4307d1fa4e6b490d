/* Machines for tests. */
#include "tests/lib/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE (2u * 1024u * 1024u)

static struct fixture_host shared_host;

static void *host_reserve(void **context, size_t nr_bytes)
{
    (void)context;
    void *start = mmap(NULL, nr_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}

static bool host_commit(void *context, void *start, size_t nr_bytes)
{
    struct fixture_host *host = context;
    if (host->fail_after >= 0 && host->nr_commits >= (uint64_t)host->fail_after)
        return false;
    host->nr_commits++;
    if (mprotect(start, nr_bytes, PROT_READ | PROT_WRITE))
        return false;
    if ((uintptr_t)start % HUGE_PAGE == 0 && nr_bytes >= HUGE_PAGE) /* as server/base/host_memory.c */
        (void)madvise(start, nr_bytes, MADV_HUGEPAGE);
    return true;
}

/* Who trims and goes on without reserving is found: it runs into what is closed. */
static void host_decommit(void *context, void *start, size_t nr_bytes)
{
    (void)context;
    if (mprotect(start, nr_bytes, PROT_NONE))
        abort();
}

static void host_release(void *context, void *start, size_t nr_bytes)
{
    (void)context;
    munmap(start, nr_bytes);
}

static void host_fault(void *context, const struct pagoda_fault *fault)
{
    (void)context;
    fprintf(stderr, "%s:%d: %s\n", fault->file, fault->line, fault->text);
    abort();
}

struct fixture_host *fixture_host(void)
{
    shared_host = (struct fixture_host){ .host = { .reserve = host_reserve,
                                                   .commit = host_commit,
                                                   .decommit = host_decommit,
                                                   .release = host_release,
                                                   .context = &shared_host,
                                                   .fault = host_fault },
                                         .fail_after = -1 };
    return &shared_host;
}

struct machine *fixture_machine_of(const struct machine_config *config)
{
    struct machine *machine;
    struct problem why = { 0 };
    enum pagoda_error err = machine_create(config, &fixture_host()->host, &machine, &why);
    if (err) {
        fprintf(stderr, "machine_create: %s: %s %s\n", pagoda_error_text(err), why.field, why.text);
        abort();
    }
    return machine;
}

struct machine *fixture_machine(const char *profile, uint64_t memory)
{
    struct machine_config config = { .memory = memory };
    config.profile = (uint32_t)profile_find(profile, strlen(profile))->id;
    return fixture_machine_of(&config);
}

void fixture_check(const struct machine *machine)
{
    char text[256] = "";
    if (machine_check(machine, text, sizeof text))
        return;
    fprintf(stderr, "machine_check after seq %llu: %s\n", (unsigned long long)machine_seq(machine), text);
    abort();
}

const struct op_result *fixture_apply(struct machine *machine, struct op op)
{
    static struct op_result result;
    struct problem why = { 0 };
    enum pagoda_error err = machine_apply(machine, &op, &result, &why);
    if (err) {
        fprintf(stderr, "%s: %s: %s %s\n", op_info(op.kind)->name, pagoda_error_text(err), why.field, why.text);
        abort();
    }
    fixture_check(machine);
    return &result;
}

void fixture_fill(struct machine *machine, struct fixture_range range, uint8_t byte)
{
    struct op op = fixture_free(OP_WRITE, range.address);
    op.fill = byte;
    op.length = range.length;
    op.given |= OP_BIT(FILL) | OP_BIT(LENGTH);
    if (fixture_apply(machine, op)->outcome != OUTCOME_OK)
        abort();
}

struct text fixture_text(const char *text)
{
    return (struct text){ text, (uint32_t)strlen(text) };
}

struct op fixture_op(enum op_kind kind)
{
    return op_default(kind);
}

struct op fixture_alloc(enum op_kind kind, uint64_t size, uint32_t gfp)
{
    struct op op = op_default(kind);
    op.size = size;
    op.given = OP_BIT(SIZE);
    if (gfp) {
        op.gfp = gfp;
        op.given |= OP_BIT(GFP);
    }
    return op;
}

struct op fixture_free(enum op_kind kind, uint64_t address)
{
    struct op op = op_default(kind);
    op.address = address;
    op.given = OP_BIT(ADDRESS);
    return op;
}

struct op fixture_user(enum op_kind kind, uint32_t pid, uint64_t size)
{
    struct op op = fixture_alloc(kind, size, 0);
    op.pid = pid;
    op.given |= OP_BIT(PID);
    return op;
}

uint64_t fixture_random_below(struct fixture_random *random, uint64_t bound)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % bound;
}

uint64_t fixture_seed(void)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20261122;
    printf("SEED=%llu\n", (unsigned long long)seed);
    return seed;
}
