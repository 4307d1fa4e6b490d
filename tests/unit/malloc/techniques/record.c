/* Runs a script of heap_script.h against the C library that this program is linked with, and prints its lines with their
 * results. So the .res files beside it were made, with glibc 2.36 of Debian 12 (2.36-9+deb12u14):
 *
 *      cc -O1 -I. -o record tests/unit/malloc/techniques/record.c tests/lib/heap_script.c
 *      cut -f1 NAME.res | setarch -R ./record
 *
 * Lines of the script are read from stdin. The heap starts where a simulated program's does, so this program's own
 * variables must be few. When the library ends the process, the last line says how, in the library's words. */
#include "tests/lib/heap_script.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEAP_START UINT64_C(0x555555561000)
#define TEXT_MAX 65536u
#define AREA_BYTES 0x10000

static int complaints[2]; /* a pipe: what the library prints when it gives up */

static void say(const char *words)
{
    (void)!write(1, words, strlen(words));
}

static void ended(int signal)
{
    static char words[512];
    ssize_t length = 0;
    if (signal == SIGABRT)
        length = read(complaints[0], words, sizeof words - 1);
    words[length < 0 ? 0 : length] = 0;
    words[strcspn(words, "\n")] = 0;
    say("\t= ");
    say(words);
    say(signal == SIGABRT ? ": SIGABRT\n" : "SIGSEGV\n");
    _exit(0);
}

static bool call_library(void *target, char function, uint64_t a, uint64_t b, uint64_t *result)
{
    void *given = (void *)(uintptr_t)a, *block = given;
    (void)target;
    switch (function) {
    case 'm':
        block = malloc(a);
        break;
    case 'c':
        block = calloc(a, b);
        break;
    case 'r':
        block = realloc(given, b);
        break;
    case 'a':
        block = memalign(a, b);
        break;
    default:
        free(given);
        break;
    }
    *result = (uint64_t)(uintptr_t)block;
    return true;
}

static bool write_memory(void *target, uint64_t at, uint64_t value, uint32_t nr_bytes)
{
    (void)target;
    memcpy((void *)(uintptr_t)at, &value, nr_bytes);
    return true;
}

static bool read_memory(void *target, uint64_t at, uint64_t *value)
{
    (void)target;
    memcpy(value, (void *)(uintptr_t)at, sizeof *value);
    return true;
}

static void *map(size_t nr_bytes)
{
    return mmap(NULL, nr_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Where the library's first mapping starts, as /proc/self/maps has it. */
static uint64_t find_libc(void)
{
    char *maps = map(TEXT_MAX);
    int fd = (int)syscall(SYS_open, "/proc/self/maps", 0);
    (void)!read(fd, maps, TEXT_MAX - 1);
    close(fd);
    char *at = strstr(maps, "libc.so.6");
    while (at && at > maps && at[-1] != '\n')
        at--;
    return at ? strtoull(at, NULL, 16) : 0;
}

int main(void)
{
    struct heap_script *script = map(sizeof *script);
    char *text = map(TEXT_MAX), out[128];
    size_t length = 0;
    ssize_t more;
    while ((more = read(0, text + length, TEXT_MAX - 1 - length)) > 0)
        length += (size_t)more;
    if (brk((void *)HEAP_START))
        return 1;
    void *area =
        mmap((void *)0x20000000, AREA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    *script = (struct heap_script){ .heap = (uint64_t)(uintptr_t)sbrk(0),
                                    .libc = find_libc(),
                                    .area = (uint64_t)(uintptr_t)area,
                                    .thread = (uint64_t)(uintptr_t)__builtin_thread_pointer() & ~UINT64_C(0xfff),
                                    .call = call_library,
                                    .write = write_memory,
                                    .read = read_memory };
    if (pipe(complaints) || dup2(complaints[1], 2) < 0)
        return 1;
    (void)signal(SIGABRT, ended);
    (void)signal(SIGSEGV, ended);
    for (char *line = text, *next; line && *line; line = next) {
        char result[64] = "";
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        say(line);
        if (*line && *line != '#')
            heap_script_line(script, line, result);
        (void)snprintf(out, sizeof out, "%s%s\n", *result ? "\t= " : "", result);
        say(out);
    }
    return 0;
}
