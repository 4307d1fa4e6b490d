/* The checks that op_check() makes of an operation before a machine sees it: the small numbers, each for itself and beside
 * neighbours that are out of range. */
#include "pagoda/op.h"
#include "pagoda/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *name;
    size_t offset;
    unsigned max;
} BYTES[] = {
    { "order", offsetof(struct op, order), 63 },
    { "context", offsetof(struct op, context), NR_CONTEXTS - 1 },
    { "fill", offsetof(struct op, fill), 255 },
    { "touch", offsetof(struct op, touch), NR_TOUCHES - 1 },
    { "prot", offsetof(struct op, prot), NR_PROTS - 1 },
    { "advice", offsetof(struct op, advice), NR_ADVICES - 1 },
    { "resource", offsetof(struct op, resource), NR_RESOURCES - 1 },
    { "option", offsetof(struct op, option), NR_MALLOPT_OPTIONS - 1 },
};
#define NR_BYTES (sizeof BYTES / sizeof BYTES[0])

static void set(struct op *op, unsigned field, unsigned value)
{
    ((uint8_t *)op)[BYTES[field].offset] = (uint8_t)value;
}

static void test_every_value_of_every_byte(void **state)
{
    (void)state;
    for (unsigned field = 0; field < NR_BYTES; field++)
        for (unsigned value = 0; value < 256; value++) {
            struct op op = op_default(OP_TICK);
            struct problem why = { 0 };
            set(&op, field, value);
            enum pagoda_error err = op_check(&op, &why);
            assert_int_equal(err, value <= BYTES[field].max ? PAGODA_OK : PAGODA_ERR_INVALID);
            if (err)
                assert_string_equal(why.field, BYTES[field].name);
        }
}

static void test_pairs_of_neighbours(void **state)
{
    (void)state;
    for (unsigned field = 0; field + 1 < NR_BYTES; field++)
        for (unsigned both = 0; both < 65536; both++) {
            struct op op = op_default(OP_TICK);
            struct problem why = { 0 };
            unsigned low = both & 255, high = both >> 8;
            set(&op, field, low);
            set(&op, field + 1, high);
            bool good = low <= BYTES[field].max && high <= BYTES[field + 1].max;
            assert_int_equal(op_check(&op, &why), good ? PAGODA_OK : PAGODA_ERR_INVALID);
        }
}

/* What an operation makes and what its frames are is published by GET /ops; the pages take it from there. */
static void test_what_the_table_says_of_memory(void **state)
{
    static const enum op_kind MAKERS[] = {
        OP_KMALLOC,       OP_KZALLOC,      OP_KCALLOC,        OP_ALLOC_PAGES, OP_KMEM_CACHE_ALLOC, OP_VMALLOC,
        OP_VZALLOC,       OP_VMALLOC_HUGE, OP_KVMALLOC,       OP_MALLOC,      OP_CALLOC,           OP_MMAP,
        OP_ALIGNED_ALLOC, OP_MEMALIGN,     OP_POSIX_MEMALIGN, OP_VALLOC,      OP_PVALLOC,
    };
    (void)state;
    for (unsigned kind = 0; kind < NR_OPS; kind++) {
        bool makes = false;
        for (size_t i = 0; i < sizeof MAKERS / sizeof *MAKERS; i++)
            makes |= MAKERS[i] == (enum op_kind)kind;
        assert_int_equal(op_makes_allocation((enum op_kind)kind), makes);
    }
    static const struct {
        enum op_kind op;
        enum frame_kind frames;
    } KINDS[] = {
        { OP_KFREE, FRAME_SLAB },         { OP_KMEM_CACHE_SHRINK, FRAME_SLAB },
        { OP_ALLOC_PAGES, FRAME_KERNEL }, { OP_VFREE, FRAME_VMALLOC },
        { OP_FORK, FRAME_PGTABLE },       { OP_MUNLOCK, FRAME_ANON },
        { OP_WRITE, FRAME_NONE },         { OP_MARK, FRAME_NONE },
    };
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        assert_int_equal(frame_kind_of_group(op_info(KINDS[i].op)->group), KINDS[i].frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_value_of_every_byte),
        cmocka_unit_test(test_pairs_of_neighbours),
        cmocka_unit_test(test_what_the_table_says_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
