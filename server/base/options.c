/* server/base/options.c - see options.h. One table: each option's name, the commands that take it, its environment variable
 * (PAGODA_ and the name in capitals, '_' for '-'), its default, and what help says of it. The command line wins over the
 * environment. */
#include "server/base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value_kind { VALUE_TEXT, VALUE_LIST, VALUE_FLAG };
enum { SERVE = 1, REPLAY = 2, CHECK = 4, BACKUP = 8 };

static const struct option {
    const char *name, *value, *fallback, *help;
    size_t offset;
    enum value_kind kind;
    int commands;
} OPTIONS[] = {
#define AT(field) offsetof(struct options, field)
    { "listen", "ADDRESS:PORT", "127.0.0.1:8080", "where to listen", AT(listen), VALUE_TEXT, SERVE },
    { "store", "FILE", "var/pagoda.db", "the SQLite file that holds labs and operations", AT(store), VALUE_TEXT, SERVE },
    { "key-file", "FILE", NULL, "the key by which images of machines are known; STORE.key, made where there is none",
      AT(key_file), VALUE_TEXT, SERVE | CHECK },
    { "web", "DIR", NULL, "serve the pages in DIR", AT(web), VALUE_TEXT, SERVE },
    { "host", "NAME", NULL, "a further name that requests may use for this server (repeatable)", AT(hosts), VALUE_LIST,
      SERVE },
    { "budget", "SIZE", NULL, "host memory for all labs that are awake; half of the host's", AT(budget), VALUE_TEXT,
      SERVE },
    { "lab-memory", "SIZE", NULL, "host memory for one machine of a lab; a quarter of the budget, at least 1G",
      AT(lab_memory), VALUE_TEXT, SERVE },
    { "max-memory", "SIZE", "64G", "the largest memory that a lab may simulate", AT(max_memory), VALUE_TEXT, SERVE },
    { "idle", "SECONDS", "600", "an unused lab leaves memory after this; 0: only for others", AT(idle), VALUE_TEXT, SERVE },
    { "upload", "SIZE", "1G", "the longest body that may be imported, as it is sent", AT(upload), VALUE_TEXT, SERVE },
    { "unpacked", "SIZE", "2G", "the same, unpacked", AT(unpacked), VALUE_TEXT, SERVE },
    { "patience", "SECONDS", "10", "for the head of a request; then also for a body below 1 KiB/s", AT(patience),
      VALUE_TEXT, SERVE },
    { "log", NULL, NULL, "one line a request to stderr", AT(log), VALUE_FLAG, SERVE },
    { "profile", "NAME", NULL, "machine profile; linux-6.1 for ftrace, else classic", AT(profile), VALUE_TEXT, REPLAY },
    { "memory", "SIZE", NULL, "memory of the machine, e.g. 256M", AT(memory), VALUE_TEXT, REPLAY },
    { "cpus", "N", NULL, "CPUs of the machine", AT(cpus), VALUE_TEXT, REPLAY },
    { "format", "FORMAT", "auto", "auto, ndjson, ftrace, ltrace, malloc-log, mtrace, rep or ops", AT(format), VALUE_TEXT,
      REPLAY },
    { "state", "FILE", NULL, "start from a recorded state of the page allocator (as GET /labs/ID/state gives it)",
      AT(state), VALUE_TEXT, REPLAY },
    { "save-state", "FILE", NULL, "write the state at the end, in the same format", AT(save_state), VALUE_TEXT, REPLAY },
    { "check", NULL, NULL, "exit 1 when the machine differs from the recording", AT(check), VALUE_FLAG, REPLAY },
    { "json", NULL, NULL, "print the summary as JSON", AT(json), VALUE_FLAG, REPLAY },
    { "salvage", "OUT", NULL, "copy what can still be read into a new store", AT(salvage), VALUE_TEXT, CHECK },
#undef AT
};
#define NR_OPTIONS (sizeof OPTIONS / sizeof OPTIONS[0])

static const struct command {
    const char *name;
    int bit;
    const char *files[2]; /* what stands behind the options */
    const char *synopsis, *help;
} COMMANDS[] = {
    { "serve", SERVE, { NULL }, "", "Hosts labs: simulated Linux machines whose memory can be watched." },
    { "replay",
      REPLAY,
      { "FILE, or - for standard input" },
      " FILE|-",
      "Replays a trace (plain, gzip or zstd) in a fresh machine and says what came of it." },
    { "check",
      CHECK,
      { "STORE" },
      " STORE",
      "Verifies a store: the file, and every lab replayed against its recorded results; exit 1 for damage. A lab of other\n"
      "  rules whose results differ is no damage." },
    { "backup", BACKUP, { "STORE", "FILE" }, "STORE FILE", "Copies a store at one moment; it may be served meanwhile." },
};
#define NR_COMMANDS (sizeof COMMANDS / sizeof COMMANDS[0])

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < NR_COMMANDS; i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

static bool options_complain(const char *command, const char *problem, const char *what)
{
    fprintf(stderr, "pagodad %s: %s %s (see: pagodad help %s)\n", command, problem, what, command);
    return false;
}

static bool option_set(struct options *options, const struct option *option, const char *value)
{
    char *field = (char *)options + option->offset;
    bool on = true;
    switch (option->kind) {
    case VALUE_TEXT:
        memcpy(field, &value, sizeof value);
        return true;
    case VALUE_FLAG:
        memcpy(field, &on, sizeof on);
        return true;
    case VALUE_LIST:
        if (options->nr_hosts == HOSTS_MAX)
            return false;
        options->hosts[options->nr_hosts++] = value;
    }
    return true;
}

/* The value of PAGODA_NAME: the option's name in capitals. Shells take no dash in a variable's name, so it is an underscore
 * there. Before that was so, a variable with the dash could be set by env(1); it is still read, as the second choice. */
static const char *option_variable(const struct option *option)
{
    char name[40];
    int length = snprintf(name, sizeof name, "PAGODA_%s", option->name);
    for (int k = 0; k < length; k++)
        name[k] = (char)(name[k] >= 'a' && name[k] <= 'z' ? name[k] & ~0x20 : name[k]);
    const char *with_dashes = getenv(name);
    for (char *dash = name; (dash = strchr(dash, '-'));)
        *dash = '_';
    const char *value = getenv(name);
    return value ? value : with_dashes;
}

static void options_read_environment(struct options *options, int command)
{
    for (size_t i = 0; i < NR_OPTIONS; i++) {
        const char *value = OPTIONS[i].commands & command ? option_variable(&OPTIONS[i]) : NULL;
        if (value && value[0] && !(OPTIONS[i].kind == VALUE_FLAG && strcmp(value, "0") == 0))
            option_set(options, &OPTIONS[i], value);
        else if (OPTIONS[i].fallback)
            option_set(options, &OPTIONS[i], OPTIONS[i].fallback);
    }
}

static const struct option *option_find(const char *name, size_t length, int command)
{
    for (size_t i = 0; i < NR_OPTIONS; i++)
        if ((OPTIONS[i].commands & command) && strlen(OPTIONS[i].name) == length &&
            memcmp(OPTIONS[i].name, name, length) == 0)
            return &OPTIONS[i];
    return NULL;
}

/* One argument that starts with "--"; takes the next one as its value when there is no "=". */
static bool option_read(struct options *options, const struct command *command, char **argv, int argc, int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *option = option_find(name, length, command->bit);
    if (!option)
        return options_complain(command->name, "there is no option", argv[*at]);
    const char *value = equals ? equals + 1 : NULL;
    if (option->kind == VALUE_FLAG && value)
        return options_complain(command->name, "no value belongs to", argv[*at]);
    if (option->kind != VALUE_FLAG && !value) {
        if (*at + 1 >= argc)
            return options_complain(command->name, "a value is missing after", argv[*at]);
        value = argv[++*at];
    }
    return option_set(options, option, value) || options_complain(command->name, "too many of", argv[*at]);
}

/* What stands behind the options: "file", then "target". */
static bool command_take_file(struct options *options, const struct command *command, const char *argument)
{
    if (command->files[0] && !options->file)
        options->file = argument;
    else if (command->files[1] && !options->target)
        options->target = argument;
    else
        return options_complain(command->name, "does not take", argument);
    return true;
}

bool options_read(struct options *options, const char *name, int argc, char **argv)
{
    const struct command *command = command_find(name);
    *options = (struct options){ 0 };
    options_read_environment(options, command->bit);
    for (int i = 0; i < argc; i++) {
        bool is_option = strncmp(argv[i], "--", 2) == 0 && argv[i][2];
        if (!(is_option ? option_read(options, command, argv, argc, &i) : command_take_file(options, command, argv[i])))
            return false;
    }
    if (command->files[0] && !options->file)
        return options_complain(name, "needs", command->files[0]);
    if (command->files[1] && !options->target)
        return options_complain(name, "needs", command->files[1]);
    return true;
}

static void options_print(int command)
{
    for (size_t i = 0; i < NR_OPTIONS; i++) {
        if (!(OPTIONS[i].commands & command))
            continue;
        char left[48];
        snprintf(left, sizeof left, "--%s %s", OPTIONS[i].name, OPTIONS[i].value ? OPTIONS[i].value : "");
        printf("  %-24s %s", left, OPTIONS[i].help);
        if (OPTIONS[i].fallback)
            printf(" (%s)", OPTIONS[i].fallback);
        putchar('\n');
    }
}

void options_print_help(const char *command)
{
    for (size_t i = 0; i < NR_COMMANDS; i++) {
        const struct command *each = &COMMANDS[i];
        if (command && strcmp(command, each->name) != 0)
            continue;
        printf("pagodad %s %s%s\n  %s\n", each->name, each->bit == BACKUP ? "" : "[OPTION]...", each->synopsis, each->help);
        options_print(each->bit);
    }
    if (!command)
        puts("pagodad routes\n  Prints the routes of the HTTP API.\n"
             "pagodad help [COMMAND]\npagodad --version\n"
             "Each option can be given as an environment variable too: PAGODA_LISTEN, PAGODA_STORE, ...");
}
