/* Recorded states: gathered line by line, loaded into a page allocator of the size they speak of, written out again,
 * compared. A file that holds nothing but states is checked by itself: each must load, keep every invariant, and come out
 * as it went in. */
#include "tests/truth/truth_state.h"
#include "alloc/page/state_dump.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_MACHINE (UINT64_C(32) << 20)

void truth_differ(struct truth_report *report, const char *format, ...)
{
    if (report->first_difference[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(report->first_difference, sizeof report->first_difference, format, arguments);
    va_end(arguments);
}

static void note_size(struct state_text *state, const char *line)
{
    int64_t start = 0, spanned = 0, cpu = 0;
    if (strncmp(line, "ZONE\t", 5) == 0 && truth_key(line, "start_pfn", &start) && truth_key(line, "spanned", &spanned) &&
        start + spanned > state->nr_frames && start + spanned < UINT32_MAX / 2)
        state->nr_frames = (uint32_t)(start + spanned);
    if (strncmp(line, "ZSTAT\t", 6) == 0 && truth_key(line, "cpu", &cpu) && cpu >= state->nr_cpus && cpu < CPUS_MAX)
        state->nr_cpus = (uint32_t)cpu + 1;
}

void state_text_add(struct state_text *state, const char *line)
{
    size_t length = strlen(line);
    if (state->length + length + 2 > state->capacity) {
        state->capacity = (state->length + length + 2) * 2;
        state->text = realloc(state->text, state->capacity);
        if (!state->text)
            abort();
    }
    memcpy(state->text + state->length, line, length);
    state->length += length;
    state->text[state->length++] = '\n';
    state->text[state->length] = '\0';
    state->nr_lines++;
    note_size(state, line);
}

void state_text_clear(struct state_text *state)
{
    free(state->text);
    memset(state, 0, sizeof *state);
}

static bool load_lines(struct page_floor *floor, char *text, struct truth_report *report)
{
    state_load_begin(&floor->pages);
    for (char *line = truth_field(&text, '\n'); line && *line; line = truth_field(&text, '\n')) {
        if (state_load_line(&floor->pages, line))
            continue;
        truth_differ(report, "state line not understood: %.120s", line);
        return false;
    }
    state_load_end(&floor->pages);
    return true;
}

struct page_floor *state_text_load(const struct state_text *state, struct truth_report *report)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .cpus = state->nr_cpus };
    config.memory = (uint64_t)state->nr_frames * PAGE_SIZE;
    if (config.memory < SMALLEST_MACHINE)
        config.memory = SMALLEST_MACHINE;
    struct page_floor *floor = state->nr_lines && state->nr_cpus ? page_floor_open(&config) : NULL;
    if (!floor) {
        truth_differ(report, "no state of a machine that the host has memory for");
        return NULL;
    }
    char *copy = strdup(state->text);
    if (!copy)
        abort();
    if (!load_lines(floor, copy, report)) {
        page_floor_close(floor);
        floor = NULL;
    }
    free(copy);
    return floor;
}

char *state_text_of(const struct page_floor *floor)
{
    size_t length = state_dump(&floor->pages, NULL, 0);
    char *text = malloc(length + 1);
    if (!text)
        abort();
    state_dump(&floor->pages, text, length + 1);
    return text;
}

bool state_texts_are_equal(char *want, char *got, struct truth_report *report)
{
    while (want || got) {
        char *a = truth_field(&want, '\n'), *b = truth_field(&got, '\n');
        if (a && b && strcmp(a, b) == 0)
            continue;
        size_t at = 0;
        while (a && b && a[at] && a[at] == b[at])
            at++;
        size_t from = at > 40 ? at - 40 : 0;
        truth_differ(report, "state, %.24s at byte %zu: expected ...%.120s got ...%.120s", a ? a : "(no line)", at,
                     a ? a + from : "", b ? b + from : "");
        return false;
    }
    return true;
}

static void check_state(const struct state_text *state, struct truth_report *report)
{
    char why[256];
    struct page_floor *floor = state_text_load(state, report);
    report->nr_operations += state->nr_lines;
    if (!floor)
        return;
    if (!page_alloc_check(&floor->pages, why, sizeof why))
        truth_differ(report, "%.200s", why);
    char *want = strdup(state->text), *got = state_text_of(floor);
    if (!want)
        abort();
    if (state_texts_are_equal(want, got, report) && !report->first_difference[0])
        report->nr_identical += state->nr_lines;
    free(want);
    free(got);
    page_floor_close(floor);
}

int truth_state(const char *path, struct truth_report *report)
{
    struct truth_file *file = truth_open(path);
    struct state_text state = { 0 };
    bool inside = false;
    char *line;
    size_t length;
    memset(report, 0, sizeof *report);
    while (file && truth_next_line(file, &line, &length)) {
        if (strncmp(line, "STATE\t", 6) == 0)
            inside = true;
        else if (inside && strncmp(line, "ENDSTATE\t", 9) == 0) {
            check_state(&state, report);
            state_text_clear(&state);
            inside = false;
        } else if (inside)
            state_text_add(&state, line);
    }
    bool ok = file && !truth_is_damaged(file) && !inside && report->nr_operations;
    report->end_state_identical = ok && report->nr_identical == report->nr_operations;
    (void)snprintf(report->note, sizeof report->note, "%s",
                   ok ? "lines of states, loaded and written again" : "cannot be read");
    state_text_clear(&state);
    truth_close(file);
    return ok ? 0 : -1;
}
