/* server/options.c - see options.h. One table: each option's name, the commands that take it, its environment variable
 * (PAGODA_ and the name in capitals), its default, and what help says of it. The command line wins over the environment. */
#include "server/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value_kind { VALUE_TEXT, VALUE_LIST, VALUE_FLAG };
enum { SERVE = 1, REPLAY = 2 };

static const struct option {
    const char *name, *value, *fallback, *help;
    size_t offset;
    enum value_kind kind;
    int commands;
} OPTIONS[] = {
#define AT(field) offsetof(struct options, field)
    { "listen", "ADDRESS:PORT", "127.0.0.1:8080", "where to listen", AT(listen), VALUE_TEXT, SERVE },
    { "store", "FILE", "var/pagoda.db", "the SQLite file that holds labs and operations", AT(store), VALUE_TEXT, SERVE },
    { "web", "DIR", NULL, "serve the pages in DIR", AT(web), VALUE_TEXT, SERVE },
    { "host", "NAME", NULL, "a further name that requests may use for this server (repeatable)", AT(hosts), VALUE_LIST,
      SERVE },
    { "log", NULL, NULL, "one line a request to stderr", AT(log), VALUE_FLAG, SERVE },
    { "profile", "NAME", NULL, "machine profile; linux-6.1 for ftrace, else classic", AT(profile), VALUE_TEXT, REPLAY },
    { "memory", "SIZE", NULL, "memory of the machine, e.g. 256M", AT(memory), VALUE_TEXT, REPLAY },
    { "cpus", "N", NULL, "CPUs of the machine", AT(cpus), VALUE_TEXT, REPLAY },
    { "format", "FORMAT", "auto", "auto, ftrace or ndjson", AT(format), VALUE_TEXT, REPLAY },
    { "check", NULL, NULL, "exit 1 when the machine differs from the recording", AT(check), VALUE_FLAG, REPLAY },
    { "json", NULL, NULL, "print the summary as JSON", AT(json), VALUE_FLAG, REPLAY },
#undef AT
};
#define NR_OPTIONS (sizeof OPTIONS / sizeof OPTIONS[0])

static int command_bit(const char *command)
{
    return strcmp(command, "serve") == 0 ? SERVE : strcmp(command, "replay") == 0 ? REPLAY : 0;
}

static bool complain(const char *command, const char *problem, const char *what)
{
    fprintf(stderr, "pagodad %s: %s %s (see: pagodad help %s)\n", command, problem, what, command);
    return false;
}

static bool set(struct options *options, const struct option *option, const char *value)
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

static void read_environment(struct options *options, int command)
{
    for (size_t i = 0; i < NR_OPTIONS; i++) {
        char name[40];
        int length = snprintf(name, sizeof name, "PAGODA_%s", OPTIONS[i].name);
        for (int k = 7; k < length; k++)
            name[k] = (char)(name[k] >= 'a' && name[k] <= 'z' ? name[k] & ~0x20 : name[k]);
        const char *value = OPTIONS[i].commands & command ? getenv(name) : NULL;
        if (value && value[0] && !(OPTIONS[i].kind == VALUE_FLAG && strcmp(value, "0") == 0))
            set(options, &OPTIONS[i], value);
        else if (OPTIONS[i].fallback)
            set(options, &OPTIONS[i], OPTIONS[i].fallback);
    }
}

static const struct option *find_option(const char *name, size_t length, int command)
{
    for (size_t i = 0; i < NR_OPTIONS; i++)
        if ((OPTIONS[i].commands & command) && strlen(OPTIONS[i].name) == length &&
            memcmp(OPTIONS[i].name, name, length) == 0)
            return &OPTIONS[i];
    return NULL;
}

/* One argument that starts with "--"; takes the next one as its value when there is no "=". */
static bool read_option(struct options *options, const char *command, char **argv, int argc, int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *option = find_option(name, length, command_bit(command));
    if (!option)
        return complain(command, "there is no option", argv[*at]);
    const char *value = equals ? equals + 1 : NULL;
    if (option->kind == VALUE_FLAG && value)
        return complain(command, "no value belongs to", argv[*at]);
    if (option->kind != VALUE_FLAG && !value) {
        if (*at + 1 >= argc)
            return complain(command, "a value is missing after", argv[*at]);
        value = argv[++*at];
    }
    return set(options, option, value) || complain(command, "too many of", argv[*at]);
}

bool options_read(struct options *options, const char *command, int argc, char **argv)
{
    *options = (struct options){ 0 };
    read_environment(options, command_bit(command));
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2]) {
            if (!read_option(options, command, argv, argc, &i))
                return false;
        } else if (command_bit(command) == REPLAY && !options->file) {
            options->file = argv[i];
        } else {
            return complain(command, "does not take", argv[i]);
        }
    }
    if (command_bit(command) == REPLAY && !options->file)
        return complain(command, "needs", "FILE, or - for standard input");
    return true;
}

static void print_options(int command)
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
    if (!command || strcmp(command, "serve") == 0) {
        puts("pagodad serve [OPTION]...\n  Hosts labs: simulated Linux machines whose memory can be watched.");
        print_options(SERVE);
    }
    if (!command || strcmp(command, "replay") == 0) {
        puts("pagodad replay [OPTION]... FILE|-\n  Replays a trace (plain, gzip or zstd) in a fresh machine and says what "
             "came of it.");
        print_options(REPLAY);
    }
    if (!command)
        puts("pagodad routes\n  Prints the routes of the HTTP API.\n"
             "pagodad help [COMMAND]\npagodad --version\n"
             "Each option can be given as an environment variable too: PAGODA_LISTEN, PAGODA_STORE, ...");
}
