/* server/base/host_memory.c - struct pagoda_host over mmap.
 *
 *      | account |  the machine's range, one mapping  | a page that nobody may touch |
 *
 * The whole range can be read and written at once, and is NORESERVE: it costs address space, and the kernel gives frames
 * (zeroed) on the first touch. So commit only counts. A host with vm.overcommit_memory=2 counts by itself whatever can be
 * written to; there the range starts inaccessible, and commit opens parts of it, at the price of more mappings.
 *
 * No range becomes huge pages by the kernel's own doing: a table that is used sparsely would cost its full size. Where they
 * pay, in pools that have grown, commit asks for them one by one. The advice is taken back at once, so that the range stays
 * one mapping; the page stays huge. */
#include "server/base/host_memory.h"
#include "server/base/guard.h"
#include "server/base/plant.h"
#include "server/base/problem.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOST_PAGE 4096u
#define HUGE_PAGE (2u * 1024u * 1024u)   /* large pools grow by these: alloc/base/pool.c */
#define HUGE_COMMIT_MAX (8u * HUGE_PAGE) /* who asks for more at once may not touch all of it */

/* Of one machine, in the page before its range. Guarded by whoever has the machine. */
struct account {
    uint64_t committed; /* bytes */
};

enum refusal { REFUSED_BY_HOST, REFUSED_BY_MACHINE_LIMIT, REFUSED_BY_BUDGET };

static _Atomic uint64_t limit_machine = UINT64_MAX, limit_all = UINT64_MAX, committed_all;
static bool (*shortage_make_room)(void *context);
static void *shortage_context;
static _Thread_local enum refusal last_refusal;
static _Thread_local bool is_replaying;

static pthread_once_t strict_once = PTHREAD_ONCE_INIT;
static bool is_strict; /* vm.overcommit_memory is 2 */

static void host_read_strict(void)
{
    char mode = '0';
    int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    is_strict = read(fd, &mode, 1) == 1 && mode == '2';
    close(fd);
}

/* ---- counting ---- */

static bool host_make_room(enum refusal refusal)
{
    last_refusal = refusal;
    return shortage_make_room && shortage_make_room(shortage_context);
}

/* Counts bytes that are about to be committed. False: a limit is in the way. */
static bool account_take(struct account *account, uint64_t nr_bytes)
{
    if (!is_replaying && account->committed + nr_bytes > atomic_load_explicit(&limit_machine, memory_order_relaxed)) {
        last_refusal = REFUSED_BY_MACHINE_LIMIT;
        return false;
    }
    while (atomic_fetch_add(&committed_all, nr_bytes) + nr_bytes > atomic_load(&limit_all)) {
        atomic_fetch_sub(&committed_all, nr_bytes);
        if (!host_make_room(REFUSED_BY_BUDGET))
            return false;
    }
    account->committed += nr_bytes;
    return true;
}

static void account_give(struct account *account, uint64_t nr_bytes)
{
    account->committed -= nr_bytes;
    atomic_fetch_sub(&committed_all, nr_bytes);
}

/* ---- the hook ---- */

/* A mapping and, behind it, a page that nobody may touch: who runs out of one range does not come into the next. NULL: the
 * kernel has no room. */
static void *host_map(size_t nr_bytes, int access)
{
    char *start = mmap(NULL, nr_bytes + HOST_PAGE, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    if (!mprotect(start + nr_bytes, HOST_PAGE, PROT_NONE))
        return start;
    munmap(start, nr_bytes + HOST_PAGE);
    return NULL;
}

static void *host_reserve(void **context, size_t nr_bytes)
{
    pthread_once(&strict_once, host_read_strict);
    size_t all = nr_bytes + HOST_PAGE;
    int access = is_strict ? PROT_NONE : PROT_READ | PROT_WRITE;
    char *start = host_map(all, access);
    while (!start && host_make_room(REFUSED_BY_HOST))
        start = host_map(all, access);
    if (!start)
        return NULL;
    if (is_strict && mprotect(start, HOST_PAGE, PROT_READ | PROT_WRITE)) {
        munmap(start, all + HOST_PAGE);
        return NULL;
    }
    (void)madvise(start, all, MADV_NOHUGEPAGE); /* a wish */
    *context = start;
    guard_note_range(start + HOST_PAGE, nr_bytes + HOST_PAGE);
    return start + HOST_PAGE;
}

static void host_make_huge(volatile char *start, size_t nr_bytes)
{
    if ((uintptr_t)start % HUGE_PAGE || nr_bytes < HUGE_PAGE || nr_bytes > HUGE_COMMIT_MAX)
        return;
    if (madvise((void *)start, nr_bytes, MADV_HUGEPAGE))
        return;
    for (size_t at = 0; at + HUGE_PAGE <= nr_bytes; at += HUGE_PAGE)
        start[at] = 0; /* nobody has used it yet */
    (void)madvise((void *)start, nr_bytes, MADV_NOHUGEPAGE);
}

static bool host_open(void *start, size_t nr_bytes)
{
    while (mprotect(start, nr_bytes, PROT_READ | PROT_WRITE))
        if (!host_make_room(REFUSED_BY_HOST))
            return false;
    return true;
}

static bool host_commit(void *context, void *start, size_t nr_bytes)
{
    struct account *account = context;
    if (plant_refuses_memory()) {
        last_refusal = REFUSED_BY_HOST;
        return false;
    }
    if (!account_take(account, nr_bytes))
        return false;
    if (is_strict && !host_open(start, nr_bytes)) {
        account_give(account, nr_bytes);
        return false;
    }
    host_make_huge(start, nr_bytes);
    return true;
}

/* What is not needed was never touched, so it costs nothing but its place in the count. */
static void host_decommit(void *context, void *start, size_t nr_bytes)
{
    (void)start;
    account_give(context, nr_bytes);
}

static void host_release(void *context, void *start, size_t nr_bytes)
{
    struct account *account = context;
    (void)start;
    account_give(account, account->committed);
    munmap(account, nr_bytes + 2 * HOST_PAGE);
}

const struct pagoda_host HOST_MEMORY = {
    .reserve = host_reserve, .commit = host_commit, .decommit = host_decommit, .release = host_release, .fault = guard_fault
};

/* ---- limits ---- */

void host_memory_limit(const struct host_limits *limits)
{
    atomic_store(&limit_machine, limits->machine);
    atomic_store(&limit_all, limits->all);
}

uint64_t host_memory_committed(void)
{
    return atomic_load(&committed_all);
}

void host_memory_replay(bool is_replay)
{
    is_replaying = is_replay;
}

void host_memory_on_shortage(bool (*make_room)(void *context), void *context)
{
    shortage_make_room = make_room;
    shortage_context = context;
}

enum pagoda_error host_memory_explain(enum pagoda_error error, struct problem *why)
{
    const unsigned mib = 1u << 20;
    if (error != PAGODA_ERR_NOMEM || last_refusal == REFUSED_BY_HOST)
        return error;
    if (last_refusal == REFUSED_BY_MACHINE_LIMIT) {
        if (why)
            problem_say(why, "", "%s: %llu MiB each (--lab-memory)", pagoda_error_text(PAGODA_ERR_LAB_MEMORY),
                        (unsigned long long)atomic_load(&limit_machine) / mib);
        return PAGODA_ERR_LAB_MEMORY;
    }
    if (why)
        problem_say(why, "", "%s: %llu of %llu MiB are in use (--budget)", pagoda_error_text(PAGODA_ERR_BUDGET),
                    (unsigned long long)host_memory_committed() / mib, (unsigned long long)atomic_load(&limit_all) / mib);
    return PAGODA_ERR_BUDGET;
}
