/* server/cmd/replay.c - see replay.h. Events are switched off; time and peak use are measured beside the machine. */
#include "server/cmd/replay.h"
#include "pagoda/view.h"
#include "server/base/clock.h"
#include "server/base/guard.h"
#include "server/base/host_memory.h"
#include "server/base/number.h"
#include "server/import/import.h"
#include "server/base/problem.h"
#include "server/import/replay_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE_EVERY 4096u                    /* operations between two looks at the frames in use */
#define STATE_MEMORY_STEP (UINT64_C(1) << 20) /* of a machine that a state is to fit into */
#define FTRACE_MEMORY (UINT64_C(512) << 20)

struct run {
    struct machine *machine;
    uint64_t nr_frames, peak_frames, nr_ops;
};

static uint64_t replay_frames_in_use(const struct machine *machine)
{
    uint64_t counts[NR_FRAME_KINDS] = { 0 }, used = 0;
    view_kind_counts(machine, counts);
    for (unsigned i = 0; i < NR_FRAME_KINDS; i++)
        if (i != FRAME_NONE && i != FRAME_FREE && i != FRAME_PCP && i != FRAME_RESERVED)
            used += counts[i];
    return used;
}

static void replay_sample(struct run *run)
{
    uint64_t used = replay_frames_in_use(run->machine);
    run->peak_frames = used > run->peak_frames ? used : run->peak_frames;
}

static enum pagoda_error replay_apply(void *context, const struct op *op, struct op_result *result, struct problem *why)
{
    struct run *run = context;
    if (run->nr_ops++ % SAMPLE_EVERY == 0)
        replay_sample(run);
    return guard_apply(run->machine, op, result, why);
}

static bool replay_read_config(const struct options *options, enum trace_format format, struct machine_config *config,
                               struct problem *why)
{
    bool is_modern = format != FORMAT_NDJSON || options->state;
    const char *name = options->profile ? options->profile : is_modern ? "linux-6.1" : "classic";
    const struct profile *profile = profile_find(name, strlen(name));
    uint64_t cpus = 1;
    *config = (struct machine_config){ 0 };
    if (!profile) {
        problem_say(why, "profile", "there is no profile %s", name);
        return false;
    }
    config->profile = profile->id;
    config->memory = profile->id == PROFILE_LINUX_6_1 ? FTRACE_MEMORY : 0;
    if (options->memory && !size_parse(options->memory, strlen(options->memory), &config->memory))
        problem_say(why, "memory", "--memory must be a size such as 256M");
    if (options->cpus && (!number_parse(options->cpus, strlen(options->cpus), &cpus) || cpus == 0 || cpus > UINT32_MAX))
        problem_say(why, "cpus", "--cpus must be a whole number");
    config->cpus = (uint32_t)cpus;
    return !why->text[0];
}

/* ---- the summary for people ---- */

static void replay_print_events(const struct import_summary *summary)
{
    printf("%-28s %10s %10s %10s\n", "event", "read", "applied", "skipped");
    for (uint32_t i = 0; i < summary->nr_by_event; i++) {
        const struct import_event *event = &summary->by_event[i];
        printf("%-28s %10llu %10llu %10llu\n", event->event, (unsigned long long)event->read,
               (unsigned long long)event->applied, (unsigned long long)event->skipped);
        for (unsigned k = 0; k < IMPORT_REASONS_MAX && event->reasons[k].count; k++)
            printf("  %10llu %s (first: line %llu)\n", (unsigned long long)event->reasons[k].count,
                   event->reasons[k].reason, (unsigned long long)event->reasons[k].first_line);
    }
}

static void replay_print_summary(const struct run *run, const struct import_summary *summary, double seconds)
{
    if (!summary->format)
        return; /* the refusal says all */
    printf("%s: %s\n", trace_format_name(summary->format), summary->format_reason);
    replay_print_events(summary);
    printf("\noperations       %llu: %llu ok, %llu null, %llu bug\n", (unsigned long long)summary->operations,
           (unsigned long long)summary->outcomes[OUTCOME_OK], (unsigned long long)summary->outcomes[OUTCOME_NULL],
           (unsigned long long)summary->outcomes[OUTCOME_BUG]);
    if (summary->kmalloc_compared)
        printf("kmalloc sizes    %llu of %llu as recorded\n", (unsigned long long)summary->kmalloc_agree,
               (unsigned long long)summary->kmalloc_compared);
    if (summary->blocks_compared)
        printf("malloc blocks    %llu of %llu where the trace has them\n", (unsigned long long)summary->blocks_agree,
               (unsigned long long)summary->blocks_compared);
    if (summary->first_difference[0])
        printf("first difference %s\n", summary->first_difference);
    if (summary->slab_pages_compared)
        printf("slab pages       %llu of %llu known by their flags and by their place alike\n",
               (unsigned long long)summary->slab_pages_agree, (unsigned long long)summary->slab_pages_compared);
    printf("frames in use    %llu at the end, %llu at most (sampled), of %llu\n",
           (unsigned long long)replay_frames_in_use(run->machine), (unsigned long long)run->peak_frames,
           (unsigned long long)view_nr_frames(run->machine));
    printf("time             %.3f s, %.0f events/s\n", seconds, (double)summary->events_read / seconds);
    if (summary->problem[0])
        printf("input            %s\n", summary->problem);
}

static void replay_print_json(const struct run *run, const struct import_summary *summary, double seconds)
{
    struct buffer out = { 0 };
    import_summary_encode(&out, summary, machine_seq(run->machine), seconds);
    out.length--; /* reopen the object for what only replay knows */
    put_field_u64(&out, "peak_frames", run->peak_frames);
    put_field_u64(&out, "frames_in_use", replay_frames_in_use(run->machine));
    put_field_u64(&out, "nr_frames", view_nr_frames(run->machine));
    put_key(&out, "events_per_second");
    put_double(&out, (double)summary->events_read / seconds);
    put_close(&out, '}');
    puts(buffer_terminate(&out));
    buffer_clear(&out);
}

static bool replay_is_different(const struct import_summary *summary)
{
    bool had_null = summary->outcomes[OUTCOME_NULL] && !summary->pid;        /* a trace of malloc may well record NULL */
    bool had_refusal = summary->format == FORMAT_NDJSON && summary->skipped; /* such as a kfree of what is freed already */
    return summary->kmalloc_agree != summary->kmalloc_compared || summary->blocks_agree != summary->blocks_compared ||
           had_null || had_refusal || summary->outcomes[OUTCOME_BUG] || summary->failed;
}

/* The exit status. Who replays a trace of which nothing is applied has not got what they came for. */
static int replay_judge(const struct options *options, const struct import_summary *summary)
{
    if (summary->refusal[0])
        fprintf(stderr, "pagodad replay: %s: %s\n", options->file, summary->refusal);
    return summary->refusal[0] || (options->check && replay_is_different(summary)) ? 1 : 0;
}

static int replay_complain(const char *text)
{
    fprintf(stderr, "pagodad replay: %s\n", text);
    return 2;
}

static const struct machine *replay_look(void *context)
{
    return ((struct run *)context)->machine;
}

/* From the recorded state, in a machine as large as it, unless the options say otherwise. */
static enum pagoda_error replay_start_from_state(const struct options *options, struct machine_config *config,
                                                 struct machine **machine, struct problem *why)
{
    size_t length;
    uint64_t memory;
    uint32_t cpus;
    char *text = state_read(options->state, &length, &memory, &cpus, why);
    if (!text)
        return PAGODA_ERR_INVALID;
    if (!options->memory)
        config->memory = (memory + STATE_MEMORY_STEP - 1) / STATE_MEMORY_STEP * STATE_MEMORY_STEP;
    if (!options->cpus && cpus)
        config->cpus = cpus;
    enum pagoda_error error = machine_create_from_state(config, text, length, &HOST_MEMORY, machine, why);
    if (error && why->offset)
        fprintf(stderr, "pagodad replay: %s, line %zu of its first state:\n", options->state, why->offset);
    free(text);
    return error;
}

/* One run, from its start to its report. */
struct replaying {
    const struct options *options;
    struct input *input;
    enum trace_format format;
    struct machine_config config;
    struct run run;
    struct import_summary summary;
    enum pagoda_error error;
    struct problem why;
    int status;
};

/* Within a guard, as what follows. */
static void replay_start(void *context)
{
    struct replaying *all = context;
    struct machine **machine = &all->run.machine;
    all->error = all->options->state ? replay_start_from_state(all->options, &all->config, machine, &all->why)
                                     : machine_create(&all->config, &HOST_MEMORY, machine, &all->why);
}

static void replay_report(struct replaying *all, double seconds)
{
    const struct options *options = all->options;
    replay_sample(&all->run);
    (options->json ? replay_print_json : replay_print_summary)(&all->run, &all->summary, seconds);
    all->status = replay_judge(options, &all->summary);
    if (options->save_state && !state_write(all->run.machine, options->save_state, &all->why))
        all->status = replay_complain(all->why.text);
}

static void replay_go_through(void *context)
{
    struct replaying *all = context;
    machine_record_events(all->run.machine, false);
    const struct import_sink sink = { replay_apply, replay_look, &all->run, machine_config(all->run.machine)->cpus };
    double begun = clock_s();
    all->error = import_run(all->input, all->format, &sink, &all->summary);
    if (!all->error)
        replay_report(all, clock_s() - begun);
}

static int replay_fail(const struct replaying *all)
{
    return replay_complain(all->why.text[0] ? all->why.text : pagoda_error_text(all->error));
}

/* A machine that breaks down is said on stderr by its guard; it has no log to be rebuilt from. */
static int replay_fail_broken(void)
{
    (void)replay_complain("the machine broke down");
    return 1;
}

static int replay_run_guarded(struct replaying *all)
{
    if (!replay_read_config(all->options, all->format, &all->config, &all->why))
        return replay_complain(all->why.text);
    if (guard_run(NULL, replay_start, all))
        return replay_fail_broken();
    if (all->error)
        return replay_fail(all);
    if (guard_run(all->run.machine, replay_go_through, all) || all->error == PAGODA_ERR_FAULT)
        all->status = replay_fail_broken();
    else if (all->error)
        all->status = replay_fail(all);
    machine_destroy(all->run.machine);
    return all->status;
}

static int replay_run_trace(const struct options *options, struct input *input, enum trace_format format)
{
    struct replaying *all = calloc(1, sizeof *all);
    if (!all)
        return replay_complain("out of memory");
    *all = (struct replaying){ .options = options, .input = input, .format = format };
    int status = replay_run_guarded(all);
    free(all);
    return status;
}

int replay(const struct options *options)
{
    enum trace_format format;
    if (!trace_format_find(options->format, &format))
        return replay_complain("format must be " TRACE_FORMATS_TEXT);
    bool is_stdin = strcmp(options->file, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(options->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "pagodad replay: cannot open %s: %m\n", options->file);
        return 2;
    }
    struct stat file;
    if (fstat(fd, &file) == 0 && S_ISDIR(file.st_mode)) {
        fprintf(stderr, "pagodad replay: %s is a directory; if LTTng wrote it, print it: babeltrace2 %s\n", options->file,
                options->file);
        close(fd);
        return 1;
    }
    guard_install();
    struct input *input = input_open(source_of_file(&fd));
    int status = input ? replay_run_trace(options, input, format) : replay_complain("out of memory");
    input_close(input);
    if (!is_stdin)
        close(fd);
    return status;
}
