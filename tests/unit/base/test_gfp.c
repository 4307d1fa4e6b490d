/* GFP flags by name: as Linux 6.1 prints them, and read back. */
#include "pagoda/gfp.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void flags_come_in_the_kernels_order(void **state)
{
    (void)state;
    static const struct {
        uint32_t gfp;
        const char *text;
    } PRINTED[] = {
        { 0x40dc0, "GFP_KERNEL|__GFP_COMP|__GFP_ZERO" },
        { 0x10dc0, "GFP_KERNEL|__GFP_NORETRY|__GFP_ZERO" },
        { 0xcc1, "GFP_KERNEL|GFP_DMA" },
        { 0xcc4, "GFP_KERNEL|GFP_DMA32" },
        { 0x2dc0, "GFP_KERNEL|__GFP_NOWARN|__GFP_ZERO" },
        { 0x140dca, "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO" },
        { 0x400dc0, "GFP_KERNEL_ACCOUNT|__GFP_ZERO" },
        { 0xa20, "GFP_ATOMIC" },
        { 0x820, "GFP_NOWAIT|__GFP_HIGH" },
        { 0x400, "__GFP_DIRECT_RECLAIM" },
        { 0xc50, "GFP_NOFS|__GFP_RECLAIMABLE" },
        { 0x1000000, "0x1000000" }, /* it has a name with KASAN in hardware alone */
        { 0x1000cc0, "GFP_KERNEL|0x1000000" },
        { 0, "none" },
    };
    char text[512];
    for (size_t i = 0; i < sizeof PRINTED / sizeof PRINTED[0]; i++) {
        assert_int_equal(gfp_format(PRINTED[i].gfp, "none", text, sizeof text), strlen(PRINTED[i].text));
        assert_string_equal(text, PRINTED[i].text);
    }
}

static void what_is_printed_is_read(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    char text[512];
    uint32_t read;
    for (unsigned i = 0; i < 5000; i++) {
        uint32_t gfp = (uint32_t)fixture_random_below(&random, UINT64_C(1) << 32) & GFP_ALL_BITS;
        size_t length = gfp_format(gfp, "0", text, sizeof text);
        assert_int_equal(gfp_parse(text, length, &read, NULL), PAGODA_OK);
        assert_int_equal(read, gfp);
    }
    assert_int_equal(gfp_parse("__GFP_RECLAIM|__GFP_DMA", 23, &read, NULL), PAGODA_OK);
    assert_int_equal(read, 0xc01);
    assert_int_equal(gfp_format(GFP_ALL_BITS, "", text, 40) < 40, true); /* what does not fit is left out */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_come_in_the_kernels_order),
        cmocka_unit_test(what_is_printed_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
