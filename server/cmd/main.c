/* server/cmd/main.c - pagodad's commands. */
#include "server/cmd/check.h"
#include "server/base/options.h"
#include "server/cmd/replay.h"
#include "server/cmd/serve.h"

#include <stdio.h>
#include <string.h>

static int run_serve(int argc, char **argv)
{
    struct options options;
    return options_read(&options, "serve", argc, argv) ? serve(&options) : 2;
}

static int run_replay(int argc, char **argv)
{
    struct options options;
    return options_read(&options, "replay", argc, argv) ? replay(&options) : 2;
}

static int run_check(int argc, char **argv)
{
    struct options options;
    return options_read(&options, "check", argc, argv) ? check(&options) : 2;
}

static int run_backup(int argc, char **argv)
{
    struct options options;
    return options_read(&options, "backup", argc, argv) ? backup(&options) : 2;
}

static int run_routes(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    print_routes();
    return 0;
}

static int run_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("pagodad " PAGODA_VERSION);
    return 0;
}

static int run_help(int argc, char **argv)
{
    options_print_help(argc > 0 ? argv[0] : NULL);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} COMMANDS[] = {
    { "serve", run_serve },   { "replay", run_replay }, { "check", run_check }, { "backup", run_backup },
    { "routes", run_routes }, { "help", run_help },     { "--help", run_help }, { "--version", run_version },
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        options_print_help(NULL);
        return 2;
    }
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 2, argv + 2);
    fprintf(stderr, "pagodad: there is no command %s (see: pagodad help)\n", argv[1]);
    return 2;
}
