/* server/import/foreign.c - see foreign.h. Recordings are known by their magic bytes; text by how its lines begin. A remedy
 * is the command that makes of it what is read, where there is one. */
#include "server/import/foreign.h"
#include "server/import/ftrace_cursor.h"

#define TAR_MAGIC_AT 257u
#define LINES_OF_TABLE 3u
#define SYSLOG_HEAD_MAX 100u

#define PERF_SCRIPT "Print it: perf script -i FILE"
#define TRACE_CMD_REPORT "Print it: trace-cmd report -i FILE"
#define BABELTRACE "Print it: babeltrace2 DIRECTORY"
#define MALLOC_TOOLS                                                                                                       \
    "Record the calls instead: ltrace -f -e malloc+free+calloc+realloc -o FILE PROGRAM, or mtrace (MALLOC_TRACE=FILE "     \
    "LD_PRELOAD=libc_malloc_debug.so.0 PROGRAM)"
#define KMEM_EVENTS "Record events: trace-cmd record -e kmem, then trace-cmd report"
#define UNPACK_GZIP "Unpack it first; gzip and zstd are unpacked here"

#define FOREIGN(text, name, remedy)                                                                                        \
    {                                                                                                                      \
        name, remedy, text, sizeof text - 1                                                                                \
    }

static const struct foreign STARTS[] = {
    FOREIGN("PERFILE2", "perf.data, perf's binary recording", PERF_SCRIPT),
    FOREIGN("PERFFILE", "perf.data, an old perf's binary recording", PERF_SCRIPT),
    FOREIGN("2ELIFREP", "perf.data of a machine of the other byte order", PERF_SCRIPT),
    FOREIGN("\x17\x08\x44tracing", "trace.dat, trace-cmd's binary recording", TRACE_CMD_REPORT),
    FOREIGN("\xc1\x1f\xfc\xc1", "a CTF stream, as LTTng writes it", BABELTRACE),
    FOREIGN("\xc1\xfc\x1f\xc1", "a CTF stream, as LTTng writes it", BABELTRACE),
    FOREIGN("\x57\x1d\xd1\x75", "CTF metadata, as LTTng writes it", BABELTRACE),
    FOREIGN("\x75\xd1\x1d\x57", "CTF metadata, as LTTng writes it", BABELTRACE),
    FOREIGN("/* CTF ", "CTF metadata, as LTTng writes it", BABELTRACE),
    FOREIGN("\xd4\xc3\xb2\xa1", "a pcap file of network packets", NULL),
    FOREIGN("\xa1\xb2\xc3\xd4", "a pcap file of network packets", NULL),
    FOREIGN("\x4d\x3c\xb2\xa1", "a pcap file of network packets", NULL),
    FOREIGN("\x0a\x0d\x0d\x0a", "a pcapng file of network packets", NULL),
    FOREIGN("\x7f"
            "ELF",
            "a program (ELF)", MALLOC_TOOLS),
    FOREIGN("SQLite format 3", "an SQLite file", "Serve it, if it is a store of Pagoda: pagodad serve --store FILE"),
    FOREIGN("PK\x03\x04", "a zip archive", UNPACK_GZIP),
    FOREIGN("PK\x05\x06", "a zip archive", UNPACK_GZIP),
    FOREIGN("\xfd"
            "7zXZ",
            "xz data", "Unpack it: xz -dc FILE; gzip and zstd are unpacked here"),
    FOREIGN("BZh", "bzip2 data", "Unpack it: bzip2 -dc FILE; gzip and zstd are unpacked here"),
    FOREIGN("\x04\x22\x4d\x18", "lz4 data", "Unpack it: lz4 -dc FILE; gzip and zstd are unpacked here"),
    FOREIGN("LZIP", "lzip data", UNPACK_GZIP),
    FOREIGN("\x1f\x9d", "data of compress", "Unpack it: zcat FILE; gzip and zstd are unpacked here"),
    FOREIGN("7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK_GZIP),
    FOREIGN("Rar!", "a rar archive", UNPACK_GZIP),
    FOREIGN("%PDF", "a PDF document", NULL),
    FOREIGN("\x89PNG", "a picture (PNG)", NULL),
    FOREIGN("\xff\xd8\xff", "a picture (JPEG)", NULL),
    FOREIGN("GIF8", "a picture (GIF)", NULL),
    FOREIGN("LPKSHHRH", "a journal of systemd", "Print its kernel messages: journalctl -k --file FILE"),
    FOREIGN("KDUMP ", "a dump of the kernel's memory", NULL),
    FOREIGN("JAVA PROFILE ", "a heap dump of Java", NULL),
    FOREIGN("memray", "a recording of memray", MALLOC_TOOLS),
    FOREIGN("gmon", "a profile of gprof", NULL),
    FOREIGN("Ftrace!", "a recording of uftrace", MALLOC_TOOLS),
    FOREIGN("heap profile:", "a heap profile of tcmalloc (gperftools)", MALLOC_TOOLS),
    FOREIGN("heap_v2/", "a heap profile of jemalloc", MALLOC_TOOLS),
    FOREIGN("___ Begin jemalloc statistics", "statistics of jemalloc", MALLOC_TOOLS),
    FOREIGN("--- Begin jemalloc statistics", "statistics of jemalloc", MALLOC_TOOLS),
    FOREIGN("{\"jemalloc\"", "statistics of jemalloc", MALLOC_TOOLS),
    FOREIGN("{\"dhatFileVersion\"", "a profile of DHAT (valgrind)", MALLOC_TOOLS),
    FOREIGN("{\"traceEvents\"", "a Chrome trace (Perfetto)", KMEM_EVENTS),
    FOREIGN("desc: ", "a profile of massif (valgrind)", MALLOC_TOOLS),
    FOREIGN("# callgrind format", "a profile of callgrind (valgrind)", MALLOC_TOOLS),
    FOREIGN("-- Metadata", "an output of valgrind's cg_annotate", MALLOC_TOOLS),
    FOREIGN("slabinfo - version", "a copy of /proc/slabinfo", KMEM_EVENTS),
    FOREIGN("Page block order:", "a copy of /proc/pagetypeinfo", KMEM_EVENTS),
    FOREIGN("MemTotal:", "a copy of /proc/meminfo", KMEM_EVENTS),
};

#define STATE_REMEDY "Start from it: pagodad replay --state FILE TRACE"
#define STRACE_REMEDY "strace sees system calls, not malloc's. " MALLOC_TOOLS

static const struct foreign LINES[] = {
    FOREIGN("==", "a report of valgrind or of a sanitizer", "valgrind --trace-malloc=yes prints the calls; those are read"),
    FOREIGN("execve(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("brk(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("mmap(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("munmap(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("mprotect(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("openat(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("newfstatat(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("fstat(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("rt_sigaction(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("futex(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("epoll_wait(", "a trace of strace", STRACE_REMEDY),
    FOREIGN("___ Begin jemalloc statistics", "statistics of jemalloc", MALLOC_TOOLS),
    FOREIGN("--- Begin jemalloc statistics", "statistics of jemalloc", MALLOC_TOOLS),
    FOREIGN("Massif arguments:", "a report of massif (valgrind)", MALLOC_TOOLS),
    FOREIGN("% time ", "a summary of strace", STRACE_REMEDY),
    FOREIGN("snapshot=", "a profile of massif (valgrind)", MALLOC_TOOLS),
    FOREIGN("unreferenced object 0x", "a report of kmemleak", KMEM_EVENTS),
    FOREIGN("Page allocated via order", "a dump of page_owner", KMEM_EVENTS),
    FOREIGN("Memory not freed:", "the report of mtrace(1)", "Give the file that MALLOC_TRACE named"),
    FOREIGN("ZONE\tname=", "a recorded state of the page allocator", STATE_REMEDY),
    FOREIGN("ZONE\t", "a recorded state of the page allocator", STATE_REMEDY),
    FOREIGN("STATE", "a recorded state of the page allocator", STATE_REMEDY),
    FOREIGN("Node 0, zone", "a copy of a file in /proc", KMEM_EVENTS),
    FOREIGN("@[", "maps of bpftrace", "Print each event: printf(\"kmalloc: call_site=%p ptr=%p bytes_req=%d ...\")"),
    FOREIGN("MALLOCPROF", "a heap profile", MALLOC_TOOLS),
};

#define PERF_TRACE "an output of perf trace"
#define PERF_RECORD "Record and print events: perf record -e 'kmem:*', perf script"

static const struct foreign INSIDE[] = {
    FOREIGN(" ms): ", PERF_TRACE, PERF_RECORD),
    FOREIGN(" kmem:kmalloc(", PERF_TRACE, PERF_RECORD),
    FOREIGN(" kmem:kfree(", PERF_TRACE, PERF_RECORD),
    FOREIGN(" stacks with outstanding allocations", "a report of memleak (bcc)", MALLOC_TOOLS),
    FOREIGN("us [", "an output of uftrace",
            "Have it print arguments: uftrace replay -A malloc@arg1/u -R malloc@retval/x ..."),
};

static const struct foreign HEAPTRACK = { "a recording of heaptrack", MALLOC_TOOLS, NULL, 0 };
static const struct foreign TAR = { "a tar archive", "Give a file out of it: tar -xOf ARCHIVE FILE", NULL, 0 };
static const struct foreign UTF32 = { "text in UTF-32", "Convert it: iconv -f UTF-32 -t UTF-8", NULL, 0 };
static const struct foreign PAGODA_CSV = { "a table that Pagoda exported (csv)", "Export ndjson or ftrace instead", NULL,
                                           0 };
static const struct foreign CSV = { "a table (CSV)", NULL, NULL, 0 };
static const struct foreign JSON = { "JSON, but not one operation a line",
                                     "Write one object a line, as jq -c '.[]' does: {\"op\":\"kmalloc\",\"size\":64}", NULL,
                                     0 };
static const struct foreign MARKUP = { "a web page or XML", NULL, NULL, 0 };
static const struct foreign BINARY = { "binary data of a kind that is not known", NULL, NULL, 0 };
static const struct foreign PLAIN = { "text of a kind that is not known", NULL, NULL, 0 };
static const struct foreign NOTHING = { "empty", NULL, NULL, 0 };
const struct foreign FOREIGN_CALLS = { "a trace of calls (ltrace, strace) without any of malloc", MALLOC_TOOLS, NULL, 0 };
const struct foreign FOREIGN_KERNEL_LOG = { "a kernel log without events of kmem",
                                            "Boot with trace_event=kmem:kmalloc,kmem:kfree tp_printk to have them in it",
                                            NULL, 0 };

static bool bytes_begin(const char *text, size_t length, const char *start, size_t nr)
{
    return length >= nr && memcmp(text, start, nr) == 0;
}

/* "v 10400 3": a version, in hex, with the number of the file's format. Then comes "x", "X" or "I". */
static bool is_heaptrack(const char *text, size_t length)
{
    const char *newline = memchr(text, '\n', length);
    return bytes_begin(text, length, "v 1", 3) && newline && (size_t)(newline - text) + 2 < length && newline[1] &&
           strchr("xXIsS", newline[1]) && newline[2] == ' ';
}

const struct foreign *foreign_find_start(const char *text, size_t length)
{
    if (bytes_begin(text, length, "\xff\xfe\0\0", 4) || bytes_begin(text, length, "\0\0\xfe\xff", 4))
        return &UTF32;
    for (size_t i = 0; i < sizeof STARTS / sizeof STARTS[0]; i++)
        if (bytes_begin(text, length, STARTS[i].start, STARTS[i].length))
            return &STARTS[i];
    if (length > TAR_MAGIC_AT + 5 && memcmp(text + TAR_MAGIC_AT, "ustar", 5) == 0)
        return &TAR;
    return is_heaptrack(text, length) ? &HEAPTRACK : NULL;
}

/* Past "[pid 77]", "77", a time. */
static void foreign_skip_head(struct cursor *c)
{
    for (;;) {
        skip_blanks(c);
        struct cursor behind = *c;
        struct text word = take_word(&behind);
        if (!word.length || (!is_digit(*word.start) && !BEGINS(word, "[pid") && !is_digit(word.start[word.length / 2])))
            return;
        if (memchr(word.start, '(', word.length))
            return;
        *c = behind;
    }
}

/* By a text in the middle of a line. */
static const struct foreign *foreign_find_inside(const char *line, size_t length)
{
    for (size_t i = 0; i < sizeof INSIDE / sizeof INSIDE[0]; i++)
        if (memmem(line, length, INSIDE[i].start, INSIDE[i].length))
            return &INSIDE[i];
    return NULL;
}

const struct foreign *foreign_find_line(const char *line, size_t length)
{
    struct cursor c = { line, line + length };
    for (int past_head = 0; past_head < 2; past_head++) {
        for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
            if (bytes_begin(c.at, (size_t)(c.end - c.at), LINES[i].start, LINES[i].length))
                return &LINES[i];
        foreign_skip_head(&c);
    }
    return foreign_find_inside(line, length);
}

static bool has_control_bytes(const char *text, size_t length)
{
    size_t nr = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        nr += byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r' && byte != 0x1b;
    }
    return nr > length / 16;
}

static unsigned count_commas(const char *line, const char *end)
{
    unsigned nr = 0;
    for (; line < end; line++)
        nr += *line == ',' || *line == ';' || *line == '\t';
    return nr;
}

/* The first lines have as many commas, and some. */
static bool is_table(const char *text, size_t length)
{
    const char *end = text + length;
    unsigned nr_columns = 0;
    for (unsigned i = 0; i < LINES_OF_TABLE; i++) {
        const char *newline = text < end ? memchr(text, '\n', (size_t)(end - text)) : NULL;
        if (!newline)
            return i > 1;
        unsigned nr = count_commas(text, newline);
        if (nr == 0 || (i && nr != nr_columns))
            return false;
        nr_columns = nr;
        text = newline + 1;
    }
    return true;
}

/* "[   12.345678] ", "<6>[   12.345678] ", "Dec  1 10:11:12 host kernel: [   12.345678] ", "host kernel: " */
bool foreign_is_kernel_message(const char *text, size_t length)
{
    const char *syslog = memmem(text, length < SYSLOG_HEAD_MAX ? length : SYSLOG_HEAD_MAX, " kernel: ", 9);
    struct cursor c = { text, text + length };
    if (syslog)
        return true;
    if (TAKE(&c, "<")) {
        take_number(&c);
        (void)TAKE(&c, ">");
    }
    if (!TAKE(&c, "["))
        return false;
    skip_blanks(&c);
    take_number(&c);
    return TAKE(&c, ".") && take_number(&c) < 1000000 && TAKE(&c, "]");
}

const struct foreign *foreign_guess(const char *text, size_t length)
{
    while (length && (is_blank(*text) || *text == '\r' || *text == '\n')) {
        text++;
        length--;
    }
    if (!length)
        return &NOTHING;
    if (has_control_bytes(text, length))
        return &BINARY;
    if (foreign_is_kernel_message(text, length))
        return &FOREIGN_KERNEL_LOG;
    if (*text == '{' || (*text == '[' && length > 1 && strchr("{[\"\n\r 0123456789", text[1])))
        return &JSON;
    if (*text == '<')
        return &MARKUP;
    if (bytes_begin(text, length, "seq,op,", 7))
        return &PAGODA_CSV;
    return is_table(text, length) ? &CSV : &PLAIN;
}
