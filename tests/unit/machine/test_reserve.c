/* Host memory for an operation is reserved before it begins. Here are those that need the most of it: blocks that M_PERTURB
 * fills when they are handed out or freed, long writes, page tables of long ranges. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct scene {
    struct machine *m;
    uint32_t pid;
};

static struct scene scene_open(const struct machine_config *config)
{
    struct scene scene = { .m = fixture_machine_of(config) };
    scene.pid = fixture_apply(scene.m, fixture_op(OP_SPAWN))->pid;
    return scene;
}

static const struct op_result *scene_apply(struct scene *scene, struct op op)
{
    op.pid = scene->pid;
    op.given |= OP_BIT(PID);
    const struct op_result *result = fixture_apply(scene->m, op);
    fixture_check(scene->m);
    return result;
}

static void scene_perturb(struct scene *scene)
{
    struct op op = fixture_op(OP_MALLOPT);
    op.option = MALLOPT_PERTURB;
    op.value = 1;
    op.given |= OP_BIT(OPTION) | OP_BIT(VALUE);
    assert_int_equal(scene_apply(scene, op)->outcome, OUTCOME_OK);
}

static uint64_t scene_take(struct scene *scene, enum op_kind kind, uint64_t size)
{
    struct op op = fixture_alloc(kind, size, 0);
    if (op_info(kind)->needed & OP_BIT(ALIGN)) {
        op.align = 4096;
        op.given |= OP_BIT(ALIGN);
    }
    if (op_info(kind)->needed & OP_BIT(N)) {
        op.n = 1024;
        op.size = size / 1024;
        op.given |= OP_BIT(N);
    }
    return scene_apply(scene, op)->address;
}

static struct op range_op(enum op_kind kind, uint64_t address, uint64_t length)
{
    struct op op = fixture_free(kind, address);
    op.length = length;
    op.given |= OP_BIT(LENGTH);
    return op;
}

static const struct machine_config CONFIGS[] = {
    { .profile = PROFILE_CLASSIC, .memory = 16 << 20 },
    { .profile = PROFILE_LINUX_6_1, .memory = 64 << 20 },
    { .profile = PROFILE_LINUX_6_1, .memory = 256 << 20, .swap = 64 << 20 },
    { .profile = PROFILE_LINUX_6_1, .memory = 48 << 20, .swap = 200 << 20, .cpus = 2 },
};
#define NR_CONFIGS (sizeof CONFIGS / sizeof CONFIGS[0])

/* Above and below the threshold of mmap, from the top and from a bin. */
static void blocks_that_are_filled(void **state)
{
    (void)state;
    static const enum op_kind KINDS[] = { OP_MALLOC, OP_CALLOC,         OP_ALIGNED_ALLOC, OP_MEMALIGN,
                                          OP_VALLOC, OP_POSIX_MEMALIGN, OP_PVALLOC };
    static const uint64_t SIZES[] = { 100000, 1 << 20, 8 << 20, 30 << 20 };
    for (size_t c = 0; c < NR_CONFIGS; c++)
        for (size_t k = 0; k < sizeof KINDS / sizeof KINDS[0]; k++) {
            struct scene scene = scene_open(&CONFIGS[c]);
            scene_perturb(&scene);
            for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
                uint64_t block = scene_take(&scene, KINDS[k], SIZES[i]);
                if (block)
                    scene_apply(&scene, fixture_free(OP_FREE, block));
            }
            machine_destroy(scene.m);
        }
}

/* The block was never touched; M_PERTURB comes before it goes. */
static void blocks_that_are_filled_when_they_go(void **state)
{
    (void)state;
    for (size_t c = 0; c < NR_CONFIGS; c++) {
        struct scene scene = scene_open(&CONFIGS[c]);
        struct op threshold = fixture_op(OP_MALLOPT);
        threshold.option = MALLOPT_MMAP_THRESHOLD;
        threshold.value = 30 << 20;
        threshold.given |= OP_BIT(OPTION) | OP_BIT(VALUE);
        scene_apply(&scene, threshold);
        uint64_t first = scene_take(&scene, OP_MALLOC, 6 << 20), second = scene_take(&scene, OP_MALLOC, 5 << 20);
        uint64_t third = scene_take(&scene, OP_MALLOC, 4 << 20);
        scene_take(&scene, OP_MALLOC, 100);
        scene_perturb(&scene);
        struct op smaller = fixture_alloc(OP_REALLOC, 100, 0);
        smaller.address = first;
        smaller.given |= OP_BIT(ADDRESS);
        scene_apply(&scene, smaller);
        scene_apply(&scene, fixture_free(OP_FREE, second));
        scene_apply(&scene, fixture_op(OP_MALLOC_TRIM));
        scene_apply(&scene, fixture_free(OP_FREE, third + 4096)); /* whatever the bytes there say */
        machine_destroy(scene.m);
    }
}

static void long_ranges(void **state)
{
    (void)state;
    static const uint64_t LENGTHS[] = { 3 << 20, 40 << 20, 180 << 20, UINT64_C(900) << 20 };
    for (size_t c = 0; c < NR_CONFIGS; c++)
        for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
            struct scene scene = scene_open(&CONFIGS[c]);
            struct op map = fixture_op(OP_MMAP);
            map.length = LENGTHS[i];
            map.given |= OP_BIT(LENGTH);
            uint64_t start = scene_apply(&scene, map)->address;
            struct op fill = range_op(OP_WRITE, start, LENGTHS[i]);
            fill.fill = 7;
            fill.given |= OP_BIT(FILL);
            struct op move = range_op(OP_MREMAP, start, LENGTHS[i]);
            move.new_length = LENGTHS[i] + (1 << 20);
            move.given |= OP_BIT(NEW_LENGTH);
            struct op sbrk = fixture_op(OP_SBRK);
            sbrk.increment = (int64_t)LENGTHS[i];
            sbrk.given |= OP_BIT(INCREMENT);
            if (start) {
                scene_apply(&scene, fill);
                scene_apply(&scene, move);
                scene_apply(&scene, sbrk);
            }
            machine_destroy(scene.m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_that_are_filled),
        cmocka_unit_test(blocks_that_are_filled_when_they_go),
        cmocka_unit_test(long_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
