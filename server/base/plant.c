/* server/base/plant.c - see plant.h. */
#include "server/base/plant.h"

#ifdef PAGODA_CHECKED
#include "server/base/host_memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_bool refuses, next_look_breaks;
static volatile int something = 7, nothing;

bool plant_refuses_memory(void)
{
    return atomic_load(&refuses);
}

static void plant_invariant(struct machine *machine)
{
    (void)machine;
    HOST_MEMORY.fault(NULL, &(struct pagoda_fault){ PAGODA_FAULT_INVARIANT, "a planted fault", __FILE__, __LINE__ });
}

/* Behind the range nobody may write. */
__attribute__((no_sanitize("address", "undefined"))) static void plant_stray_write(struct machine *machine)
{
    *(volatile char *)((char *)machine + machine_range_bytes(machine)) = 1;
}

__attribute__((no_sanitize("undefined"))) static void plant_division(struct machine *machine)
{
    (void)machine;
    nothing = something / nothing;
}

static void plant_long_turn(struct machine *machine)
{
    (void)machine;
    sleep(2);
}

static void plant_look(struct machine *machine)
{
    (void)machine;
    atomic_store(&next_look_breaks, true);
}

void plant_fault_in_look(const struct machine *machine)
{
    if (machine && atomic_exchange(&next_look_breaks, false))
        plant_stray_write((struct machine *)(uintptr_t)machine);
}

/* The first time, a client asks for it; then it stands in the log, and three replays break down. */
static void plant_replay(struct machine *machine)
{
    static atomic_uint nr_times;
    unsigned nr = atomic_fetch_add(&nr_times, 1);
    if (nr >= 1 && nr <= 3)
        plant_invariant(machine);
}

static void plant_refusal(struct machine *machine)
{
    (void)machine;
    atomic_store(&refuses, true);
}

static void plant_no_refusal(struct machine *machine)
{
    (void)machine;
    atomic_store(&refuses, false);
}

static const struct {
    const char *text;
    void (*run)(struct machine *machine);
} PLANTS[] = {
    { "plant: invariant", plant_invariant }, { "plant: stray write", plant_stray_write },
    { "plant: division", plant_division },   { "plant: long turn", plant_long_turn },
    { "plant: look", plant_look },           { "plant: replay", plant_replay },
    { "plant: refusal", plant_refusal },     { "plant: no refusal", plant_no_refusal },
};

void plant_fault(struct machine *machine, const struct op *op)
{
    if (op->kind != OP_MARK || !getenv("PAGODA_PLANT"))
        return;
    for (size_t i = 0; i < sizeof PLANTS / sizeof PLANTS[0]; i++)
        if (op->text.length == strlen(PLANTS[i].text) && memcmp(op->text.start, PLANTS[i].text, op->text.length) == 0)
            PLANTS[i].run(machine);
}
#endif
