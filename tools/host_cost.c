/* What the steps of the cost model take on this host, as far as a program in user space can tell: the source of the numbers
 * in COST_MAP that say "host_cost". Each figure is the best of several runs; differences of two figures isolate a step.
 * Steps that only a kernel could time (list edits of the page allocator, the tree of areas) are timed in the engine, which
 * makes the same edits to the same structures. Run with: make bench-cost */
#include "alloc/vmalloc/vmap_area.h"
#include "tests/lib/floor_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define RUNS 7
#define MIB (1u << 20)
#define CHASE_PAGES 16384u

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double best_of(double (*measure)(void))
{
    double best = 1e18;
    for (int run = 0; run < RUNS; run++) {
        double ns = measure();
        best = ns < best ? ns : best;
    }
    return best;
}

static void *map_pages(size_t bytes)
{
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || madvise(start, bytes, MADV_NOHUGEPAGE))
        abort();
    return start;
}

static void print(const char *step, double ns, const char *how)
{
    printf("%-34s %10.1f ns   %s\n", step, ns, how);
}

/* --- bytes --- */

static char *field; /* larger than the caches next to the core: pages that were just allocated are cold */
#define FIELD (64 * MIB)

static double zero_pages(void)
{
    double start = now_ns();
    for (size_t at = 0; at < FIELD; at += PAGE_SIZE) {
        memset(field + at, 0, PAGE_SIZE);
        __asm__ volatile("" ::: "memory");
    }
    return (now_ns() - start) / ((double)FIELD / PAGE_SIZE);
}

static double copy_pages(void)
{
    double start = now_ns();
    for (size_t at = 0; at < FIELD / 2; at += PAGE_SIZE) {
        memcpy(field + FIELD / 2 + at, field + at, PAGE_SIZE);
        __asm__ volatile("" ::: "memory");
    }
    return (now_ns() - start) / ((double)FIELD / 2 / PAGE_SIZE);
}

/* --- system calls, mappings, faults --- */

static double system_call(void)
{
    double start = now_ns();
    for (int i = 0; i < 200000; i++)
        syscall(SYS_getppid);
    return (now_ns() - start) / 200000;
}

static double map_and_unmap(void)
{
    double start = now_ns();
    for (int i = 0; i < 50000; i++)
        munmap(mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE_SIZE);
    return (now_ns() - start) / 50000;
}

static double fault_pages(void)
{
    volatile char *pages = map_pages(FIELD);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double start = now_ns();
    for (size_t at = 0; at < FIELD; at += PAGE_SIZE)
        pages[at] = 1;
    double took = now_ns() - start;
    getrusage(RUSAGE_SELF, &after);
    munmap((void *)pages, FIELD);
    return took / (double)(after.ru_minflt - before.ru_minflt);
}

static double protect(size_t bytes, int times)
{
    double start = now_ns();
    for (int i = 0; i < times; i++) {
        mprotect(field, bytes, PROT_READ);
        mprotect(field, bytes, PROT_READ | PROT_WRITE);
        field[0] = 1;
    }
    return (now_ns() - start) / times;
}
static double protect_page(void)
{
    return protect(PAGE_SIZE, 20000);
}

/* Moves each page from the active to the inactive list, as reclaim does with a page that it looked at. */
static double scan_pages(void)
{
    double start;
    for (size_t at = 0; at < FIELD; at += PAGE_SIZE)
        field[at]++;
    start = now_ns();
    madvise(field, FIELD, MADV_COLD);
    return (now_ns() - start) / ((double)FIELD / PAGE_SIZE);
}

static void nothing(void)
{
}
static double call_function(void)
{
    void (*volatile function)(void) = nothing;
    double start = now_ns();
    for (int i = 0; i < 2000000; i++)
        function();
    return (now_ns() - start) / 2000000;
}

static atomic_bool stop;
static void *spin(void *unused)
{
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        ;
    return unused;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/* The same, while a thread of this process runs on the other CPU and has to be interrupted. */
static double protect_page_shared(void)
{
    pthread_t other;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(1, &set);
    atomic_store(&stop, false);
    if (pthread_create(&other, NULL, spin, NULL))
        abort();
    pthread_setaffinity_np(other, sizeof set, &set);
    double ns = protect(PAGE_SIZE, 20000);
    atomic_store(&stop, true);
    pthread_join(other, NULL);
    return ns;
}

/* --- TLB misses: as many cache lines, on as few or as many pages as that takes --- */

static double chase(size_t stride)
{
    size_t order[CHASE_PAGES];
    uint64_t random = 1;
    for (size_t i = 0; i < CHASE_PAGES; i++)
        order[i] = i;
    for (size_t i = CHASE_PAGES - 1; i > 0; i--) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t j = (random >> 33) % (i + 1), at = order[i];
        order[i] = order[j];
        order[j] = at;
    }
    for (size_t i = 0; i < CHASE_PAGES; i++) { /* lines spread over all cache sets in both cases */
        size_t from = order[i], to = order[(i + 1) % CHASE_PAGES];
        *(void **)(void *)(field + from * stride + (stride > 64 ? from % 64 * 64 : 0)) =
            field + to * stride + (stride > 64 ? to % 64 * 64 : 0);
    }
    void **at = (void **)(void *)(field + order[0] * stride + (stride > 64 ? order[0] % 64 * 64 : 0));
    double best = 1e18;
    for (int run = 0; run < 4; run++) {
        double start = now_ns();
        for (size_t i = 0; i < 4 * CHASE_PAGES; i++)
            at = *(void **volatile *)(void *)at;
        double ns = (now_ns() - start) / (4 * CHASE_PAGES);
        best = ns < best ? ns : best;
    }
    return best;
}
static double chase_dense(void)
{
    return chase(64);
}
static double chase_sparse(void)
{
    return chase(PAGE_SIZE);
}

/* --- heap, disk --- */

static double heap_pair(void)
{
    double start = now_ns();
    for (int i = 0; i < 2000000; i++) {
        void *volatile block = malloc(64);
        free(block);
    }
    return (now_ns() - start) / 2000000;
}

static double read_disk(void)
{
    static const char PATH[] = "host_cost.tmp";
    int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
    if (fd < 0)
        return 0;
    double took = 0;
    bool ok = true;
    for (off_t at = 0; ok && at < 16 * (off_t)MIB; at += MIB)
        ok = pwrite(fd, field, MIB, at) == MIB;
    (void)fsync(fd);
    for (uint64_t i = 0; ok && i < 500; i++) {
        off_t at = (off_t)(i * 2654435761u % (16 * MIB / PAGE_SIZE)) * PAGE_SIZE;
        double start = now_ns();
        ok = pread(fd, field, PAGE_SIZE, at) == PAGE_SIZE;
        took += now_ns() - start;
    }
    close(fd);
    unlink(PATH);
    return ok ? took / 500 : 0;
}

/* --- the allocator's own edits, in the engine --- */

static struct page_floor *floor_now;

static double pages_pair(uint32_t order)
{
    double start = now_ns();
    for (int i = 0; i < 200000; i++)
        page_free(&floor_now->pages, page_alloc_fast(&floor_now->pages, GFP_KERNEL, order), order);
    return (now_ns() - start) / 200000;
}
static double pcp_pair(void)
{
    return pages_pair(0);
}
static double buddy_pair(void) /* a largest block: neither split nor merged */
{
    return pages_pair(10);
}
static double split_pair(void) /* split five times, merged five times; order 5 has no per-CPU list */
{
    return pages_pair(5);
}

static double area_edits(void)
{
    enum { LIVE = 1000 };
    static struct trace trace;
    struct vmap_space space;
    struct vmap_area_ref live[LIVE];
    uint32_t seed = 1;
    vmap_space_shape(&space, LIVE, 0);
    space.trace = &trace;
    space.start = 4096;
    space.end = UINT64_C(1) << 40;
    if (!floor_map_pool(&space.areas) || !floor_map_pool(&space.extents))
        abort();
    vmap_space_start(&space, 4096, UINT64_C(1) << 40);
    for (int i = 0; i < LIVE; i++)
        live[i] = vmap_area_alloc(&space, 5 * PAGE_SIZE, PAGE_SIZE);
    double start = now_ns();
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1664525 + 1013904223;
        struct vmap_area_ref *at = &live[(seed >> 8) % LIVE];
        vmap_area_free_now(&space, *at);
        *at = vmap_area_alloc(&space, 5 * PAGE_SIZE, PAGE_SIZE);
    }
    double ns = (now_ns() - start) / 200000 / 2;
    floor_unmap_pool(&space.areas);
    floor_unmap_pool(&space.extents);
    return ns;
}

static void describe_host(void)
{
    struct utsname name;
    char line[256], model[256] = "?";
    FILE *cpuinfo = fopen("/proc/cpuinfo", "r");
    while (cpuinfo && fgets(line, sizeof line, cpuinfo))
        if (sscanf(line, "model name : %255[^\n]", model) == 1)
            break;
    if (cpuinfo)
        (void)fclose(cpuinfo);
    uname(&name);
    printf("host: %s, Linux %s, %ld CPUs\n", model, name.release, sysconf(_SC_NPROCESSORS_ONLN));
}

int main(void)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1 };
    struct problem why = { 0 };
    describe_host();
    if (machine_config_complete(&config, &why) || !(floor_now = page_floor_open(&config)))
        return 1;
    pin(0);
    field = map_pages(FIELD);
    memset(field, 1, FIELD);
    double call = best_of(system_call), zero = best_of(zero_pages), fault = best_of(fault_pages);
    double alone = best_of(protect_page), shared = best_of(protect_page_shared);
    double dense = best_of(chase_dense), sparse = best_of(chase_sparse);
    double buddy = best_of(buddy_pair), split = best_of(split_pair);
    print("zero one page", zero, "memset of 4096 bytes, 64 MiB in turn");
    print("copy one page", best_of(copy_pages), "memcpy of 4096 bytes, 64 MiB in turn");
    print("system call", call, "getppid");
    print("VMA edit", best_of(map_and_unmap) / 2 - call, "half of mmap + munmap of an untouched page, without the calls");
    print("page fault", fault - zero, "first write to each page of 64 MiB, without zeroing");
    print("interrupt to another CPU", (shared - alone) / 2,
          "mprotect of a page with and without a thread on the other CPU");
    print("page walk, one table", (sparse - dense) / 4, "pointer chase, 16384 lines on 16384 pages less that on 256 pages");
    print("reclaim scan of one page", best_of(scan_pages), "madvise(MADV_COLD) of 64 MiB");
    print("swap transfer of one page", best_of(read_disk), "pread of 4096 bytes, O_DIRECT, in the working directory");
    print("user heap operation", best_of(heap_pair) / 2, "half of malloc(64) + free");
    print("the call itself", best_of(call_function), "a function that does nothing");
    print("per-CPU page list", best_of(pcp_pair) / 2, "engine: half of alloc + free of order 0");
    print("buddy list operation", buddy / 2, "engine: half of alloc + free of order 10");
    print("split or merge", (split - buddy) / 10, "engine: alloc + free of order 5 less that of order 10");
    print("vmalloc area search and insert", best_of(area_edits), "engine: half of free + alloc among 1000 areas");
    page_floor_close(floor_now);
    return 0;
}
