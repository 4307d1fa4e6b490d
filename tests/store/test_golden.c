/* Golden stores: what people's labs hold leads where it led, or machine_rules() says that it does not.
 *
 * golden/rules-N.db.zst is a store made by the engine of rules revision N (make_golden.mjs), rules-N.results.gz a digest of
 * each full result and of /proc at each lab's end. Every operation is applied again. While machine_rules() is N, all must
 * be equal. When it is higher, CHANGELOG.md must name each revision, and rules-N.under must hold a line with today's
 * revision and the digest of all that the store gives under it, so that it cannot change once more unseen. */
#include "server/base/host_memory.h"
#include "server/json/result_json.h"
#include "pagoda/procfs.h"
#include "tests/store/store_fixture.h"

#include <ctype.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#define GOLDEN "tests/store/golden/rules-1"
#define GOLDEN_RULES 1u
#define SAID_MAX 12u /* differences that are printed */

/* As in make_golden.mjs. */
static const char *const FIELDS[] = {
    "op",
    "outcome",
    "address",
    "requested",
    "allocated",
    "cache",
    "pid",
    "frames",
    "nr_frame_runs",
    "physically_contiguous",
    "cost_ns",
    "slept_ns",
    "now_ns",
    "cost",
    "tlb",
    "nr_reclaimed",
    "reclaimed_from",
    "hex",
    "path",
    "events",
    "events_dropped",
    "message",
};

static uint32_t digest_more(uint32_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x01000193u;
    return hash;
}

/* ---- one lab under today's engine ---- */

struct golden {
    struct store_fixture store;
    gzFile results;
    struct lab_row row;
    struct machine *machine;
    uint64_t all; /* over all that the store gives today */
    unsigned nr_ops, nr_different;
    uint64_t differs_at; /* the lab's first operation that leads elsewhere today; 0: none */
};

static bool next_line(struct golden *golden, char *line, size_t capacity)
{
    if (!gzgets(golden->results, line, (int)capacity))
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

static void differ(struct golden *golden, uint64_t seq, const char *what, uint64_t recorded, uint64_t today)
{
    if (golden->nr_different++ < SAID_MAX)
        fprintf(stderr, "lab \"%s\", operation %llu: %s was 0x%llx, is 0x%llx\n", golden->row.name, (unsigned long long)seq,
                what, (unsigned long long)recorded, (unsigned long long)today);
}

static void expect(struct golden *golden, uint64_t seq, const char *what, uint64_t recorded, uint64_t today)
{
    golden->all = (golden->all ^ today) * UINT64_C(0x100000001b3);
    if (recorded != today)
        differ(golden, seq, what, recorded, today);
}

static uint32_t result_digest(const struct op_result *result)
{
    struct buffer out = { 0 };
    uint32_t hash = 0x811c9dc5;
    result_encode(&out, result, false, NULL);
    json_t *root = json_loadb(out.data, out.length, 0, NULL);
    assert_non_null(root);
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        json_t *value = json_object_get(root, FIELDS[i]);
        char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        if (i)
            hash = digest_more(hash, "\n", 1);
        hash = digest_more(hash, text ? text : "null", strlen(text ? text : "null"));
        free(text);
    }
    json_decref(root);
    buffer_clear(&out);
    return hash;
}

static bool apply_again(void *context, const struct log_entry *entry)
{
    struct golden *golden = context;
    struct op_result result = { 0 };
    struct problem why = { 0 };
    char line[32];
    enum pagoda_error error = machine_apply(golden->machine, &entry->op, &result, &why);
    assert_true(error == PAGODA_OK || error == PAGODA_ERR_INVALID);
    assert_true(next_line(golden, line, sizeof line));
    expect(golden, entry->seq, "the refusal", 0, error);
    if (error)
        return false;
    bool leads_elsewhere =
        entry->outcome != result.outcome || entry->address != result.address || entry->allocated != result.allocated;
    if (leads_elsewhere && !golden->differs_at)
        golden->differs_at = entry->seq;
    expect(golden, entry->seq, "its number", entry->seq, result.seq);
    expect(golden, entry->seq, "the outcome", entry->outcome, result.outcome);
    expect(golden, entry->seq, "the address", entry->address, result.address);
    expect(golden, entry->seq, "the size allocated", entry->allocated, result.allocated);
    expect(golden, entry->seq, "the cost", entry->cost_ns, result.cost_ns);
    expect(golden, entry->seq, "the time slept", entry->slept_ns, result.slept_ns);
    expect(golden, entry->seq, "the digest of the result", strtoul(line, NULL, 16), result_digest(&result));
    golden->nr_ops++;
    return true;
}

/* What a user sees of the lab: it goes on, or it is read-only from the first operation on that leads elsewhere. */
static void expect_engine_word(struct golden *golden)
{
    struct lab *lab = lab_get(golden->store.labs, golden->row.id);
    struct lab_hold hold;
    struct op op = op_default(OP_DRAIN_PAGES);
    struct op_result result;
    struct problem why = { 0 };
    assert_non_null(lab);
    assert_int_equal(lab_take(lab, &hold), PAGODA_OK);
    assert_int_equal(lab_differs_at(lab), golden->differs_at);
    assert_int_equal(hold.seq, golden->differs_at ? golden->differs_at - 1 : golden->row.seq);
    enum pagoda_error error = lab_apply(&hold, &op, NULL, &result, &why);
    assert_int_equal(error, golden->differs_at ? PAGODA_ERR_RULES : PAGODA_OK);
    lab_release(&hold);
    lab_put(lab);
}

static void take_text(void *context, const char *bytes, size_t nr_bytes)
{
    uint32_t *hash = context;
    *hash = digest_more(*hash, bytes, nr_bytes);
}

static void take_named_row(void *context, const struct lab_row *row)
{
    struct golden *golden = context;
    if (strcmp(row->name, golden->row.name) == 0)
        golden->row = *row;
}

static void open_lab(struct golden *golden, const char *line)
{
    struct problem why = { 0 };
    char *name;
    uint64_t seq = strtoull(line, &name, 10);
    golden->row = (struct lab_row){ 0 };
    snprintf(golden->row.name, sizeof golden->row.name, "%s", name + 1);
    assert_int_equal(store_list_labs(golden->store.store, take_named_row, golden, &why), PAGODA_OK);
    assert_true(golden->row.number > 0);
    assert_int_equal(golden->row.seq, seq);
    assert_int_equal(golden->row.made, GOLDEN_RULES);
    machine_destroy(golden->machine);
    assert_int_equal(machine_create(&golden->row.config, &HOST_MEMORY, &golden->machine, &why), PAGODA_OK);
    golden->differs_at = 0;
    assert_int_equal(store_read_ops(golden->store.store, golden->row.number, 1, seq, apply_again, golden), PAGODA_OK);
    expect_engine_word(golden);
}

static void compare_proc(struct golden *golden, const char *line)
{
    char name[32];
    unsigned recorded;
    uint32_t hash = 0x811c9dc5;
    const struct procfs_out out = { take_text, &hash };
    assert_int_equal(sscanf(line, "%31s %x", name, &recorded), 2);
    assert_true(procfs_read(golden->machine, name, &out));
    expect(golden, machine_seq(golden->machine), name, recorded, hash);
}

/* ---- the files ---- */

static void unpack(const char *from, const char *to)
{
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    struct buffer packed = { 0 };
    char block[4096];
    for (size_t nr; (nr = fread(block, 1, sizeof block, file)) > 0;)
        buffer_add(&packed, block, nr);
    fclose(file);
    size_t nr_bytes = (size_t)ZSTD_getFrameContentSize(packed.data, packed.length);
    void *bytes = malloc(nr_bytes);
    assert_non_null(bytes);
    assert_int_equal(ZSTD_decompress(bytes, nr_bytes, packed.data, packed.length), nr_bytes);
    file = fopen(to, "wb");
    assert_int_equal(fwrite(bytes, 1, nr_bytes, file), nr_bytes);
    fclose(file);
    free(bytes);
    buffer_clear(&packed);
}

/* A line of CHANGELOG.md that names the revision: "rules revision 2". */
static bool is_in_changelog(unsigned rules)
{
    FILE *file = fopen("CHANGELOG.md", "r");
    char line[1024], wanted[40];
    bool is_there = false;
    snprintf(wanted, sizeof wanted, "rules revision %u", rules);
    while (file && fgets(line, sizeof line, file)) {
        for (char *at = line; *at; at++)
            *at = (char)tolower((unsigned char)*at);
        const char *at = strstr(line, wanted);
        is_there = is_there || (at && !isdigit((unsigned char)at[strlen(wanted)]));
    }
    if (file)
        fclose(file);
    return is_there;
}

/* The digest that was written down for the revision; 0: none. */
static uint64_t noted_digest(unsigned rules)
{
    FILE *file = fopen(GOLDEN ".under", "r");
    unsigned revision;
    unsigned long long digest, found = 0;
    while (file && fscanf(file, "%u %llx", &revision, &digest) == 2)
        if (revision == rules)
            found = digest;
    if (file)
        fclose(file);
    return found;
}

/* ---- tests ---- */

static struct golden replay_golden(void)
{
    struct golden golden = { .all = UINT64_C(0xcbf29ce484222325) };
    char line[160];
    store_fixture_make(&golden.store);
    unpack(GOLDEN ".db.zst", golden.store.path);
    store_fixture_must_open(&golden.store); /* migrates it */
    golden.results = gzopen(GOLDEN ".results.gz", "rb");
    assert_non_null(golden.results);
    while (next_line(&golden, line, sizeof line)) {
        if (strncmp(line, "lab ", 4) == 0)
            open_lab(&golden, line + 4);
        else if (strncmp(line, "proc ", 5) == 0)
            compare_proc(&golden, line + 5);
        /* else: of a lab that ended before, by a refusal */
    }
    gzclose(golden.results);
    machine_destroy(golden.machine);
    store_fixture_close(&golden.store);
    store_fixture_remove(&golden.store);
    return golden;
}

static void test_results_are_those_recorded(void **state)
{
    (void)state;
    struct golden golden = replay_golden();
    assert_true(golden.nr_ops > 5000 || golden.nr_different);
    if (machine_rules() == GOLDEN_RULES && golden.nr_different)
        fail_msg("%u results are not those recorded under rules revision %u: if that is meant, raise machine_rules() and "
                 "say in CHANGELOG.md what \"rules revision %u\" corrects",
                 golden.nr_different, GOLDEN_RULES, GOLDEN_RULES + 1);
    if (machine_rules() > GOLDEN_RULES && noted_digest(machine_rules()) != golden.all)
        fail_msg("rules revision %u: the golden store gives %016llx, which is not in " GOLDEN ".under: if this revision is "
                 "new, add \"%u %016llx\" there; if it has served labs, raise machine_rules()",
                 machine_rules(), (unsigned long long)golden.all, machine_rules(), (unsigned long long)golden.all);
}

static void test_the_changelog_names_the_revision(void **state)
{
    (void)state;
    for (unsigned rules = 1; rules <= machine_rules(); rules++)
        if (!is_in_changelog(rules))
            fail_msg("CHANGELOG.md has no line about rules revision %u", rules);
    assert_false(is_in_changelog(machine_rules() + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_are_those_recorded),
        cmocka_unit_test(test_the_changelog_names_the_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
