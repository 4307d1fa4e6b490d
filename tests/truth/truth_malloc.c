/* Replays malloc scripts and compares, line by line, with what the real glibc 2.36 answered: every address, usable size,
 * break, number of mappings and their places, and every dump of the allocator's state. A script has one operation a line. A
 * file of results has the lines "S ..." of the dumps that "s" asks for, then one line an operation, then the dump at the
 * end. */
#include "alloc/malloc/malloc_heap.h"
#include "alloc/malloc/malloc_chunk.h"
#include "pagoda/heap_view.h"
#include "tests/truth/truth.h"
#include "tests/truth/truth_world.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAPS_MAX 4096
#define RECORDER_STACK (256u << 10) /* of the recorder's threads */

struct slot {
    uint64_t mem;
    uint32_t map; /* number of its mapping */
};
/* A text that grows. */
struct line {
    char *text;
    size_t length, capacity;
};
struct replay {
    struct truth_world world;
    struct heaps heaps;
    struct libc libc;
    struct pagoda_host host;
    const struct libc_rules *rules;
    struct slot *slots;
    size_t nr_slots;
    uint64_t live_maps, next_map, seq, acting;
    uint64_t arenas[HEAPS_MAX]; /* heaps of thread arenas, in order of first appearance */
    uint32_t nr_arenas;
    bool has_stack[HEAP_THREADS_MAX];
    bool has_states, is_threaded, has_other_places;
    struct truth_file *states, *results;
    struct line line;
    struct truth_report *report;
    uint64_t nr_state_lines, nr_state_identical;
};

/* --- the heaps' pools in host memory --- */

static bool host_commit(void *context, void *start, size_t nr_bytes)
{
    (void)context;
    return mprotect(start, nr_bytes, PROT_READ | PROT_WRITE) == 0;
}

static bool start_heaps(struct replay *r)
{
    struct pool *pools[8];
    heaps_shape(&r->heaps, NULL, r->world.profile);
    r->heaps.processes = r->world.processes;
    r->heaps.trace = r->world.trace;
    r->heaps.profile = r->world.profile;
    r->heaps.names = r->world.names;
    r->heaps.libc = &r->libc;
    uint32_t nr = heaps_pools(&r->heaps, pools);
    for (uint32_t i = 0; i < nr; i++) {
        void *at = mmap(NULL, pool_span(pools[i]), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED)
            return false;
        pools[i]->items = at;
    }
    r->host = (struct pagoda_host){ .commit = host_commit };
    return heaps_reserve(&r->heaps, &r->host, 1) == PAGODA_OK;
}

static void end_heaps(struct replay *r)
{
    struct pool *pools[8];
    uint32_t nr = heaps_pools(&r->heaps, pools);
    for (uint32_t i = 0; i < nr; i++)
        if (pools[i]->items)
            munmap(pools[i]->items, pool_span(pools[i]));
}

static struct heap *heap(const struct replay *r)
{
    return heap_at(&r->heaps, process_at(r->world.processes, r->world.process)->heap);
}

/* --- formatting --- */

static void put_text(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_text(struct line *line, const char *format, ...)
{
    if (line->capacity - line->length < 512) {
        size_t capacity = line->capacity ? 2 * line->capacity : 4096;
        char *bigger = realloc(line->text, capacity);
        if (!bigger)
            abort();
        line->text = bigger;
        line->capacity = capacity;
    }
    va_list list;
    va_start(list, format);
    int written = vsnprintf(line->text + line->length, 512, format, list);
    va_end(list);
    line->length += (size_t)written;
}

static uint32_t arena_number(struct replay *r, uint64_t address)
{
    uint64_t base = address & ~(r->rules->heap_max - 1);
    for (uint32_t i = 0; i < r->nr_arenas; i++)
        if (r->arenas[i] == base)
            return i;
    if (r->nr_arenas == HEAPS_MAX)
        return HEAPS_MAX;
    r->arenas[r->nr_arenas] = base;
    return r->nr_arenas++;
}

static uint64_t word_at(const struct replay *r, uint64_t address)
{
    uint64_t word = 0;
    if (process_peek(r->world.processes, r->world.process, address, &word, r->rules->word) != r->rules->word)
        return 0;
    return word;
}

static uint64_t offset_of(const struct replay *r, uint64_t address)
{
    return address - r->world.heap_start;
}

static uint64_t break_of(const struct replay *r)
{
    return process_at(r->world.processes, r->world.process)->brk;
}

static void put_place(struct replay *r, uint64_t address)
{
    if (address >= r->world.heap_start && address <= break_of(r))
        put_text(&r->line, "%" PRIx64, offset_of(r, address));
    else
        put_text(&r->line, "arena:%" PRIu32 ":%" PRIx64, arena_number(r, address), address & (r->rules->heap_max - 1));
}

static void put_chunk(struct replay *r, uint64_t chunk, uint64_t field)
{
    put_text(&r->line, " ");
    put_place(r, chunk);
    put_text(&r->line, "+%" PRIx64, field & ~(uint64_t)SIZE_BITS);
}

/* --- comparing --- */

static void differ(struct replay *r, struct truth_file *file, const char *expected)
{
    if (r->report->first_difference[0])
        return;
    const char *got = r->line.text;
    size_t same = 0;
    while (expected[same] && expected[same] == got[same])
        same++;
    size_t from = same > 120 ? same - 120 : 0;
    snprintf(r->report->first_difference, sizeof r->report->first_difference,
             "line %" PRIu64 ": expected ...%.200s got ...%.200s", truth_line_number(file), expected + from, got + from);
}

/* The next line of a reader that begins with S, or that does not. */
static char *next_line(struct truth_file *file, bool state)
{
    char *line;
    size_t length;
    while (truth_next_line(file, &line, &length))
        if (line[0] != '#' && (line[0] == 'S') == state)
            return line;
    return NULL;
}

static bool compare(struct replay *r, struct truth_file *file, bool state)
{
    const char *expected = next_line(file, state);
    bool same = expected && strcmp(expected, r->line.text) == 0;
    if (!same)
        differ(r, file, expected ? expected : "(end of file)");
    return same;
}

static void compare_state(struct replay *r)
{
    r->nr_state_lines++;
    r->nr_state_identical += compare(r, r->states, true);
    r->line.length = 0;
}

static void start_state_line(struct replay *r)
{
    r->line.length = 0;
    put_text(&r->line, "S %" PRIu64, r->seq);
}

/* --- state dumps --- */

static void dump_totals(struct replay *r)
{
    struct heap_view heap_state;
    struct arena_view main;
    uint64_t cursor = 0;
    if (!heap_look(&r->heaps, r->world.process, &heap_state) ||
        !heap_next_arena(&r->heaps, r->world.process, &cursor, &main))
        return;
    start_state_line(r);
    put_text(&r->line, " state top=");
    put_place(r, main.top);
    put_text(&r->line, "+%" PRIx64 " last_remainder=", main.top_size);
    put_text(&r->line, main.last_remainder ? "%" PRIx64 : "-", offset_of(r, main.last_remainder));
    put_text(&r->line, " system_mem=%" PRIx64 " max_system_mem=%" PRIx64 " have_fast=%u", main.system_mem,
             main.max_system_mem, (unsigned)main.have_fast);
    for (uint32_t i = 0; i < BINMAP_WORDS; i++)
        put_text(&r->line, "%s%x", i ? "," : " binmap=", (unsigned)main.binmap[i]);
    put_text(&r->line,
             " mmap_threshold=%" PRIx64 " trim_threshold=%" PRIx64 " top_pad=%" PRIx64 " no_dyn=%d n_mmaps=%" PRIu64,
             heap_state.mmap_threshold, heap_state.trim_threshold, heap_state.top_pad, heap_state.thresholds_fixed,
             heap_state.n_mmaps);
    put_text(&r->line, " max_n_mmaps=%" PRIu64 " mmapped_mem=%" PRIx64 " max_mmapped_mem=%" PRIx64, heap_state.max_n_mmaps,
             heap_state.mmapped_mem, heap_state.max_mmapped_mem);
    compare_state(r);
}

/* The recordings have the lists of the main thread and the main arena. */
static void dump_lists(struct replay *r)
{
    struct heap_list_view list;
    struct listed_chunk_view chunk;
    for (uint64_t cursor = 0; heap_next_list(&r->heaps, r->world.process, &cursor, &list);) {
        if (list.tid || (list.arena && list.arena != heap(r)->main_arena))
            continue;
        bool is_cache = list.kind[0] == 't', is_fast = list.kind[0] == 'f';
        start_state_line(r);
        if (is_cache || is_fast)
            put_text(&r->line, " %s %" PRIx64, list.kind, list.min_size);
        else if (list.kind[0] == 'u')
            put_text(&r->line, " unsorted");
        else
            put_text(&r->line, " bin %" PRIu32, list.index);
        if (is_cache)
            put_text(&r->line, " %" PRIu32, list.count);
        for (uint64_t at = 0; heap_next_listed(&r->heaps, r->world.process, &list, &at, &chunk);) {
            put_text(&r->line, " ");
            put_place(r, chunk.address);
            if (!is_cache && !is_fast)
                put_text(&r->line, "+%" PRIx64, chunk.size);
        }
        compare_state(r);
    }
}

static void dump_walk(struct replay *r)
{
    uint64_t top = word_at(r, heap(r)->main_arena + r->rules->at_top), chunk = (r->world.heap_start + 15) & ~15ull;
    start_state_line(r);
    put_text(&r->line, " walk");
    while (chunk >= r->world.heap_start && chunk <= top) {
        uint64_t field = word_at(r, chunk + r->rules->word), size = field & ~(uint64_t)SIZE_BITS;
        put_chunk(r, chunk, field);
        if (!(field & PREV_INUSE))
            put_text(&r->line, "!");
        if (chunk == top || size < 16)
            break;
        chunk += size;
    }
    compare_state(r);
}

static void dump_state(struct replay *r)
{
    if (!r->has_states)
        return;
    if (!process_at(r->world.processes, r->world.process)->heap || !word_at(r, heap(r)->data + r->rules->at_sbrk_base)) {
        start_state_line(r);
        put_text(&r->line, " unavailable");
        compare_state(r);
        return;
    }
    dump_totals(r);
    dump_lists(r);
    dump_walk(r);
}

/* --- operations --- */

struct script_op {
    char kind;
    uint64_t id, a, b;
};

static bool is_mapped(const struct replay *r, uint64_t mem)
{
    return mem && word_at(r, mem - r->rules->word) & IS_MMAPPED;
}

static int posix_align_error(const struct replay *r, uint64_t align)
{
    return !align || align % r->rules->word || (align & (align - 1)) ? EINVAL : 0;
}

/* The call itself: the pointer, or errno. */
static uint64_t run(struct replay *r, const struct script_op *op, const struct slot *slot, int *error)
{
    struct heaps *h = &r->heaps;
    struct process_ref p = r->world.process;
    uint64_t at_once;
    *error = ENOMEM;
    switch (op->kind) {
    case 'a':
        at_once = heap_malloc_at_once(h, p, op->a, NAME_NONE);
        return at_once ? at_once : heap_malloc(h, p, op->a, NAME_NONE);
    case 'c':
        return heap_calloc(h, p, op->a, op->b, NAME_NONE);
    case 'r':
        *error = op->a || !slot->mem ? ENOMEM : 0;
        return heap_realloc(h, p, slot->mem, op->a, NAME_NONE);
    case 'm':
        *error = op->a > UINT64_C(1) << 63 ? EINVAL : ENOMEM;
        return heap_memalign(h, p, op->a, op->b, NAME_NONE);
    case 'g':
        *error = posix_align_error(r, op->a) ? EINVAL : ENOMEM;
        return heap_posix_memalign(h, p, op->a, op->b, NAME_NONE);
    case 'v':
        return heap_valloc(h, p, op->a, NAME_NONE);
    case 'p':
        return heap_pvalloc(h, p, op->a, NAME_NONE);
    case 'f':
        if (!heap_free_at_once(h, p, slot->mem))
            (void)heap_free(h, p, slot->mem);
        return 0;
    default:
        return 0;
    }
}

/* Takes glibc's number of the option. An unknown one changes nothing, and is answered with 1. */
static bool mallopt_as_recorded(struct replay *r, int32_t number, int32_t value)
{
    static const int32_t NUMBERS[NR_MALLOPT_OPTIONS] = { 1, -1, -2, -3, -4, -6, -7, -8 };
    for (uint32_t i = 0; i < NR_MALLOPT_OPTIONS; i++)
        if (NUMBERS[i] == number)
            return heap_mallopt(&r->heaps, r->world.process, (enum mallopt_option)i, value);
    return true;
}

/* Operations that answer with a number. */
static long run_number(struct replay *r, const struct script_op *op)
{
    switch (op->kind) {
    case 't':
        return heap_trim(&r->heaps, r->world.process, op->a);
    case 'o':
        return mallopt_as_recorded(r, (int32_t)op->a, (int32_t)op->b);
    default:
        return process_sbrk(r->world.processes, r->world.process, (int64_t)op->a) == UINT64_MAX ? -1 : 0;
    }
}

static void finish_line(struct replay *r)
{
    put_text(&r->line, " %" PRIx64 " %" PRIu64, offset_of(r, break_of(r)), r->live_maps);
}

/* A block was handed out: its address in the recorder's terms, and its usable size. */
static void put_block(struct replay *r, struct slot *slot, uint64_t mem, bool was_mapped, char kind)
{
    uint64_t field = word_at(r, mem - r->rules->word), size = field & ~(uint64_t)SIZE_BITS,
             lead = word_at(r, mem - r->rules->header);
    if (!(field & IS_MMAPPED)) {
        r->live_maps -= was_mapped;
        if (field & NON_MAIN_ARENA)
            put_text(&r->line, "arena:%" PRIu32 ":%" PRIx64, arena_number(r, mem), mem & (r->rules->heap_max - 1));
        else
            put_text(&r->line, "%" PRIx64, offset_of(r, mem));
        put_text(&r->line, " %" PRIu64, heap_usable(&r->heaps, r->world.process, mem));
        finish_line(r);
        return;
    }
    if (kind != 'r' || !was_mapped) {
        slot->map = (uint32_t)r->next_map++;
        r->live_maps++;
    }
    put_text(&r->line, "mmap:%" PRIu32 ":%" PRIu64 " %" PRIu64, slot->map, mem % PAGE_SIZE,
             heap_usable(&r->heaps, r->world.process, mem));
    finish_line(r);
    put_text(&r->line, " %" PRIx64 "+%" PRIx64, r->world.floor - (mem - r->rules->header - lead), lead + size);
}

static void put_call(struct replay *r, const struct script_op *op, struct slot *slot)
{
    bool was_mapped = is_mapped(r, slot->mem);
    int error;
    uint64_t mem = run(r, op, slot, &error);
    if (mem) {
        put_block(r, slot, mem, was_mapped, op->kind);
        slot->mem = mem;
        return;
    }
    if (op->kind == 'f' || (op->kind == 'r' && !op->a && slot->mem)) {
        r->live_maps -= was_mapped;
        slot->mem = 0;
    }
    if (op->kind == 'f')
        put_text(&r->line, "- -");
    else
        put_text(&r->line, "null:%d -", error);
    finish_line(r);
}

/* The recorder maps a stack for each new thread, and keeps it. */
static void switch_thread(struct replay *r, uint32_t thread)
{
    if (thread && thread < HEAP_THREADS_MAX && !r->has_stack[thread]) {
        r->has_stack[thread] = true;
        (void)process_mmap(r->world.processes, r->world.process, RECORDER_STACK, 0, NAME_NONE);
    }
    heap_switch_thread(&r->heaps, r->world.process, thread);
}

static void run_op(struct replay *r, const struct script_op *op)
{
    trace_start(r->world.trace, (uint32_t)r->seq, 0);
    if (heaps_reserve(&r->heaps, &r->host, 1) != PAGODA_OK)
        abort();
    r->line.length = 0;
    put_text(&r->line, "%" PRIu64 " %c ", r->seq, op->kind);
    if (op->kind == 'T' || op->kind == 'X') {
        r->is_threaded = true;
        if (op->kind == 'T')
            switch_thread(r, (uint32_t)op->a);
        else
            heap_end_thread(&r->heaps, r->world.process, (uint32_t)op->a);
        put_text(&r->line, "- -");
        finish_line(r);
    } else if (strchr("tok", op->kind)) {
        put_text(&r->line, "ret:%ld -", run_number(r, op));
        finish_line(r);
    } else {
        put_call(r, op, &r->slots[op->id]);
    }
}

/* With threads, places of mappings also depend on what else the recorder mapped: a difference in them alone does not count.
 */
static bool differs_in_place_only(struct replay *r, char *expected)
{
    char *lines[] = { expected, r->line.text };
    for (int i = 0; i < 2; i++) {
        char *last = strrchr(lines[i], ' ');
        if (last && strchr(last, '+'))
            *last = '\0';
    }
    r->has_other_places |= strcmp(expected, r->line.text) == 0;
    return strcmp(expected, r->line.text) == 0;
}

static void compare_op(struct replay *r)
{
    char *expected = next_line(r->results, false);
    r->report->nr_operations++;
    if (expected && (strcmp(expected, r->line.text) == 0 || (r->is_threaded && differs_in_place_only(r, expected))))
        r->report->nr_identical++;
    else
        differ(r, r->results, expected ? expected : "(end of file)");
}

/* --- scripts --- */

static bool read_op(char *text, struct script_op *op)
{
    static const struct {
        char kind;
        int has_id, nr_numbers;
    } FORMS[] = { { 'a', 1, 1 }, { 'r', 1, 1 }, { 'v', 1, 1 }, { 'p', 1, 1 }, { 'c', 1, 2 }, { 'm', 1, 2 }, { 'g', 1, 2 },
                  { 'f', 1, 0 }, { 't', 0, 1 }, { 'k', 0, 1 }, { 'T', 0, 1 }, { 'X', 0, 1 }, { 'o', 0, 2 }, { 's', 0, 0 } };
    *op = (struct script_op){ .kind = *text++ };
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        if (FORMS[i].kind != op->kind)
            continue;
        uint64_t *numbers[3] = { &op->id, &op->a, &op->b };
        for (int n = FORMS[i].has_id ? 0 : 1; n <= FORMS[i].nr_numbers; n++) {
            char *end;
            *numbers[n] = strtoull(text, &end, 0);
            if (end == text)
                return false;
            text = end;
        }
        return op->id < UINT32_MAX / 2;
    }
    return false;
}

static bool make_slot(struct replay *r, uint64_t id)
{
    if (id < r->nr_slots)
        return true;
    size_t nr = 2 * id + 64;
    struct slot *slots = realloc(r->slots, nr * sizeof *slots);
    if (!slots)
        return false;
    memset(slots + r->nr_slots, 0, (nr - r->nr_slots) * sizeof *slots);
    r->slots = slots;
    r->nr_slots = nr;
    return true;
}

/* One operation of the script, compared. False: the line cannot be read. */
static bool step(struct replay *r, const struct script_op *op)
{
    if (!make_slot(r, op->id))
        return false;
    if (op->kind == 's') {
        dump_state(r);
    } else {
        run_op(r, op);
        compare_op(r);
    }
    r->seq++;
    return true;
}

static bool replay_ops(struct replay *r, struct truth_file *script)
{
    char *line;
    size_t length;
    while (truth_next_line(script, &line, &length)) {
        struct script_op op;
        line += strspn(line, " \t");
        if (!*line || *line == '#' || *line == '\r')
            continue;
        if (!read_op(line, &op) || !step(r, &op))
            return false;
    }
    return !truth_is_damaged(script);
}

/* CS:APP: four header lines, then a, r, f. Ids were raised by one, so that slot 0 stays empty. */
static bool replay_rep(struct replay *r, struct truth_file *script)
{
    char *line;
    size_t length;
    for (int header = 0; header < 4; header++)
        if (!truth_next_line(script, &line, &length))
            return false;
    while (truth_next_line(script, &line, &length)) {
        struct script_op op;
        if (!strchr("arf", *line) || !*line)
            continue;
        if (!read_op(line, &op))
            return false;
        op.id++;
        if (!step(r, &op))
            return false;
    }
    return !truth_is_damaged(script);
}

/* The first line of a result file names the tunables: "... tunables glibc.malloc.a=1:glibc.malloc.b=2 heap_start_mod_64M n
 * ..." */
static bool set_up(struct replay *r, char *header)
{
    uint32_t word_bits = strstr(header, " word_bits 32") ? 32 : 64;
    r->rules = &LIBC_RULES[word_bits == 32 ? LIBC_GLIBC_2_36_I386 : LIBC_GLIBC_2_36];
    r->has_states = word_bits == 64;
    if (!truth_world_start(&r->world, word_bits) || !start_heaps(r) || !make_slot(r, 0))
        return false;
    char *at = strstr(header, " heap_start_mod_64M ");
    if (at) {
        uint64_t lead = strtoull(at + strlen(" heap_start_mod_64M "), NULL, 16);
        (void)process_sbrk(r->world.processes, r->world.process, (int64_t)lead);
        r->world.heap_start += lead;
    }
    heap_of_process(&r->heaps, r->world.process)->nr_cpus = 2; /* of the machine that recorded */
    char *list = strstr(header, "tunables ");
    if (!list)
        return true;
    list += strlen("tunables ");
    heap_tune(&r->heaps, r->world.process, (struct text){ list, (uint32_t)strcspn(list, " ") });
    return true;
}

/* --- files --- */

static int replay_files(const char *script_path, const char *result_path, bool is_rep, struct truth_report *report)
{
    struct replay *r = calloc(1, sizeof *r);
    struct truth_file *script = truth_open(script_path);
    char *header;
    size_t length;
    int rc = -1;
    memset(report, 0, sizeof *report);
    if (!r || !script)
        goto end;
    r->report = report;
    r->states = truth_open(result_path);
    r->results = truth_open(result_path);
    if (!r->states || !r->results || !truth_next_line(r->results, &header, &length) || !set_up(r, header))
        goto end;
    if (!(is_rep ? replay_rep(r, script) : replay_ops(r, script))) {
        snprintf(report->note, sizeof report->note, "line %" PRIu64 " of the script cannot be read",
                 truth_line_number(script));
        goto end;
    }
    dump_state(r);
    report->end_state_identical = r->nr_state_identical == r->nr_state_lines && !next_line(r->states, true);
    if (next_line(r->results, false))
        report->end_state_identical = false;
    if (r->has_other_places)
        snprintf(report->note, sizeof report->note, "places of mappings differ: they depend on the recorder's threads");
    rc = truth_is_damaged(r->results) ? -1 : 0;
end:
    if (r) {
        end_heaps(r);
        truth_close(r->states);
        truth_close(r->results);
        free(r->line.text);
        free(r->slots);
    }
    truth_close(script);
    free(r);
    return rc;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* directory/stem.kind, or the same compressed; false: neither is there. */
static bool find_file(char *out, size_t capacity, const char *directory, const char *stem, const char *kind)
{
    static const char *const PACKED[] = { "", ".gz" };
    for (int i = 0; i < 2; i++) {
        snprintf(out, capacity, "%s%s.%s%s", directory, stem, kind, PACKED[i]);
        if (access(out, R_OK) == 0)
            return true;
    }
    return false;
}

/* Splits a path into its directory (with the slash) and the name without its last endings. */
static void split_path(const char *path, char *directory, char *stem, size_t capacity)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    snprintf(directory, capacity, "%.*s", (int)(name - path), path);
    snprintf(stem, capacity, "%s", name);
    if (ends_with(stem, ".gz"))
        stem[strlen(stem) - 3] = '\0';
    char *dot = strrchr(stem, '.');
    if (dot)
        *dot = '\0';
}

/* The script of a result file: beside it, or, for those of tunables/setNN/, among the others of the collection. */
static bool find_script(char *out, size_t capacity, const char *directory, const char *stem)
{
    static const char *const PLACES[] = { "", "../../edge/", "../../random/", "../../traces/" };
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        char place[1200];
        snprintf(place, sizeof place, "%s%s", directory, PLACES[i]);
        if (find_file(out, capacity, place, stem, "ops"))
            return true;
    }
    return false;
}

int truth_ops(const char *path, struct truth_report *report)
{
    char directory[1024], stem[1024], script[2400], result[2400];
    split_path(path, directory, stem, sizeof stem);
    bool is_result = ends_with(path, ".res") || ends_with(path, ".res.gz");
    bool found = is_result ? find_script(script, sizeof script, directory, stem)
                           : find_file(result, sizeof result, directory, stem, "res");
    if (!found) {
        memset(report, 0, sizeof *report);
        snprintf(report->note, sizeof report->note, is_result ? "there is no script to it" : "there are no results to it");
        return -1;
    }
    return replay_files(is_result ? script : path, is_result ? path : result, false, report);
}

int truth_rep(const char *path, struct truth_report *report)
{
    char directory[1024], stem[1024], result[2400];
    split_path(path, directory, stem, sizeof stem);
    if (!find_file(result, sizeof result, directory, stem, "res")) {
        memset(report, 0, sizeof *report);
        snprintf(report->note, sizeof report->note, "there are no results to it");
        return -1;
    }
    return replay_files(path, result, true, report);
}

static void add_report(struct truth_report *sum, const struct truth_report *one, const char *name)
{
    sum->nr_operations += one->nr_operations;
    sum->nr_identical += one->nr_identical;
    sum->end_state_identical = sum->end_state_identical && one->end_state_identical;
    if (one->first_difference[0] && !sum->first_difference[0])
        snprintf(sum->first_difference, sizeof sum->first_difference, "%.80s: %.400s", name, one->first_difference);
    if (one->note[0] && !sum->note[0])
        snprintf(sum->note, sizeof sum->note, "%.60s: %.60s", name, one->note);
}

int truth_tunables(const char *path, struct truth_report *report)
{
    char directory[1024], stem[1024], result[2400];
    struct dirent **entries;
    int failed = 0, nr;
    memset(report, 0, sizeof *report);
    report->end_state_identical = true;
    split_path(path, directory, stem, sizeof stem);
    nr = scandir(directory, &entries, NULL, alphasort);
    for (int i = 0; i < nr; i++) {
        const char *name = entries[i]->d_name;
        struct truth_report one;
        if (ends_with(name, ".res") || ends_with(name, ".res.gz")) {
            snprintf(result, sizeof result, "%s%s", directory, name);
            failed |= truth_ops(result, &one);
            add_report(report, &one, name);
        }
        free(entries[i]);
    }
    if (nr >= 0)
        free(entries);
    return nr < 0 ? -1 : failed;
}
