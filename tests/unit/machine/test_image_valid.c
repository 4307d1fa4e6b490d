/* Images that lie. Each case changes one thing of a sound machine; saved, it has a right hash, and the loader must refuse
 * it all the same. */
#include "alloc/machine/machine_state.h"
#include "alloc/malloc/malloc_notes.h"
#include "alloc/slab/slab_record.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FAR UINT32_C(0x7ffffff0)

static struct frame *frame_of_kind(struct machine *m, enum frame_kind kind)
{
    for (uint32_t pfn = 1; pfn < m->state.frames.nr; pfn++)
        if (frame_at(&m->state.frames, pfn)->kind == kind)
            return frame_at(&m->state.frames, pfn);
    fail();
    return NULL;
}

static struct frame *frame_with_bytes(struct machine *m, enum frame_kind kind)
{
    for (uint32_t pfn = 1; pfn < m->state.frames.nr; pfn++)
        if (frame_at(&m->state.frames, pfn)->kind == kind && contents_are_own(frame_at(&m->state.frames, pfn)->contents))
            return frame_at(&m->state.frames, pfn);
    fail();
    return NULL;
}

static uint32_t table_pfn(struct machine *m, uint32_t level)
{
    const struct frames *frames = &m->state.frames;
    for (uint32_t pfn = 1; pfn < frames->nr; pfn++) {
        const struct frame *frame = frame_at(frames, pfn);
        if (frame->kind == FRAME_PGTABLE && frame->owner == level && frame_peek(frames, pfn))
            return pfn;
    }
    fail();
    return 0;
}
static uint64_t *table_of_level(struct machine *m, uint32_t level)
{
    return (uint64_t *)(void *)frame_bytes(&m->state.frames, table_pfn(m, level));
}

static struct process *process_of(struct machine *m)
{
    return process_at(&m->state.processes, (struct process_ref){ 1 });
}
static struct cache *some_cache(struct machine *m)
{
    return cache_at(&m->state.kmalloc, m->state.kmalloc.kmalloc_caches[0][5]);
}
static struct slab *some_slab(struct machine *m)
{
    return slab_at(&m->state.kmalloc, (struct slab_ref){ 1 });
}
static struct heap *some_heap(struct machine *m)
{
    return heap_at(&m->state.heaps, process_of(m)->heap);
}
static struct vma *root_vma(struct machine *m)
{
    return vma_at(&m->state.processes, (struct vma_ref){ process_of(m)->root_vma });
}

static void owner_of_slab_frame(struct machine *m)
{
    frame_of_kind(m, FRAME_SLAB)->owner = FAR;
}
static void owner_of_anon_frame(struct machine *m)
{
    frame_of_kind(m, FRAME_ANON)->owner = FAR;
}
static void owner_of_vmalloc_frame(struct machine *m)
{
    frame_of_kind(m, FRAME_VMALLOC)->owner = FAR;
}
static void kind_of_frame(struct machine *m)
{
    frame_of_kind(m, FRAME_ANON)->kind = 200;
}
static void order_of_frame(struct machine *m)
{
    frame_of_kind(m, FRAME_FREE)->order = 31;
}
static void link_of_free_frame(struct machine *m)
{
    frame_of_kind(m, FRAME_FREE)->next = FAR;
}
static void contents_beyond(struct machine *m)
{
    frame_of_kind(m, FRAME_ANON)->contents = FAR;
}
static void contents_of_two(struct machine *m)
{
    frame_of_kind(m, FRAME_ANON)->contents = frame_with_bytes(m, FRAME_PGTABLE)->contents;
}
static void contents_shared_wrongly(struct machine *m)
{
    frame_with_bytes(m, FRAME_ANON)->contents |= CONTENTS_SHARED;
}
static void page_of_a_value(struct machine *m)
{
    m->state.frames.same[0x33] = frame_with_bytes(m, FRAME_ANON)->contents;
}
static void count_of_kind(struct machine *m)
{
    m->state.frames.kind_count[FRAME_ANON]++;
}
static void free_list_goes_round(struct machine *m)
{
    struct pool *pool = &m->state.frames.contents;
    assert_true(pool->nr_free >= 1);
    memcpy(pool_at(pool, pool->first_free), &pool->first_free, sizeof(uint32_t));
}
static void free_list_leads_out(struct machine *m)
{
    m->state.frames.contents.first_free = FAR;
}
static void entry_beyond_memory(struct machine *m)
{
    table_of_level(m, 3)[17] = pte_make(FAR >> 4, PTE_PRESENT | PTE_USER);
}
static void entry_to_own_table(struct machine *m)
{
    uint64_t *table = table_of_level(m, 1);
    for (unsigned i = 0; i < 512; i++)
        if (!(table[i] & PTE_PRESENT))
            table[i] = pte_make(table_pfn(m, 1), PTE_TABLE);
}
static void entry_to_swap(struct machine *m)
{
    table_of_level(m, 3)[18] = pte_make(500, PTE_SWAP);
}
static void vma_twice_in_tree(struct machine *m)
{
    root_vma(m)->node.left = root_vma(m)->node.right;
}
static void vma_link(struct machine *m)
{
    root_vma(m)->next.index = FAR;
}
static void vma_file(struct machine *m)
{
    root_vma(m)->file = 77;
}
static void soft_tlb(struct machine *m)
{
    for (unsigned i = 0; i < SOFT_TLB_SIZE; i++)
        process_of(m)->tlb[i].pfn++;
}
static void pid_chain(struct machine *m)
{
    process_of(m)->next_in_bucket.index = 1;
}
static void data_of_library(struct machine *m)
{
    process_of(m)->libc_data += 8;
}
static void heap_number(struct machine *m)
{
    process_of(m)->heap = FAR;
}
static void data_of_heap(struct machine *m)
{
    some_heap(m)->data += 8;
}
static void cache_of_thread(struct machine *m)
{
    some_heap(m)->threads[0].tcache_at += 4;
}
static void thread_of_heap(struct machine *m)
{
    some_heap(m)->thread = 256;
}
static void stacks_of_heap(struct machine *m)
{
    some_heap(m)->nr_kept_stacks = 264;
}
static void flag_of_heap(struct machine *m)
{
    memset(&some_heap(m)->is_written, 7, 1);
}
static void note_chain(struct machine *m)
{
    for (uint32_t i = 1; i < m->state.heaps.notes.nr_used; i++)
        if (note_at(&m->state.heaps, i)->address)
            note_at(&m->state.heaps, i)->link = i;
}
static void note_buckets(struct machine *m)
{
    m->state.heaps.nr_buckets *= 2;
}
static void name_without_end(struct machine *m)
{
    memset(name_at(&m->state.names, (struct name_ref){ 1 })->text, 'a', NAME_TEXT_MAX + 1);
}
static void name_chain(struct machine *m)
{
    name_at(&m->state.names, (struct name_ref){ 1 })->link.index = 1;
}
static void cache_size(struct machine *m)
{
    some_cache(m)->size = 0;
}
static void cache_objects(struct machine *m)
{
    some_cache(m)->objects = 60000;
}
static void cache_name(struct machine *m)
{
    memset(some_cache(m)->name, 'a', sizeof some_cache(m)->name);
}
static void cache_list(struct machine *m)
{
    some_cache(m)->partial.first = FAR;
}
static void cache_of_cpu(struct machine *m)
{
    some_cache(m)->cpus[0].slab.index = FAR;
}
static void slab_objects(struct machine *m)
{
    some_slab(m)->objects = 40000;
}
static void slab_tracks(struct machine *m)
{
    some_slab(m)->tracks = FAR;
}
static void slab_track_run(struct machine *m)
{
    some_slab(m)->track_run = 9;
}
static void area_frames(struct machine *m)
{
    vmap_area_at(&m->state.vmalloc.space, (struct vmap_area_ref){ 1 })->first_pfn = FAR;
}
static void extent_tree(struct machine *m)
{
    m->state.vmalloc.space.free_root = FAR;
}
static void zone_span(struct machine *m)
{
    m->state.pages.zones[0].spanned = FAR;
}
static void zone_count(struct machine *m)
{
    m->state.pages.nr_zones = 200;
}
static void cpus_of_pages(struct machine *m)
{
    m->state.pages.nr_cpus = 60000;
}
static void tlb_identifier(struct machine *m)
{
    ((struct tlb_cpu *)pool_at(&m->state.tlb.cpus, 1))->asid = 100;
}
static void tlb_ways(struct machine *m)
{
    m->state.tlb.nr_ways = 0;
}
static void space_root(struct machine *m)
{
    reclaim_space_at(&m->state.reclaim, process_of(m)->space)->root = FAR;
}
static void frames_said(struct machine *m)
{
    m->state.frames.nr *= 2;
}

#define CASE(name)                                                                                                         \
    {                                                                                                                      \
#name, name                                                                                                        \
    }
static const struct {
    const char *name;
    void (*change)(struct machine *m);
} CASES[] = {
    CASE(owner_of_slab_frame),
    CASE(owner_of_anon_frame),
    CASE(owner_of_vmalloc_frame),
    CASE(kind_of_frame),
    CASE(order_of_frame),
    CASE(link_of_free_frame),
    CASE(contents_beyond),
    CASE(contents_of_two),
    CASE(count_of_kind),
    CASE(contents_shared_wrongly),
    CASE(page_of_a_value),
    CASE(free_list_goes_round),
    CASE(free_list_leads_out),
    CASE(entry_beyond_memory),
    CASE(entry_to_own_table),
    CASE(entry_to_swap),
    CASE(vma_twice_in_tree),
    CASE(vma_link),
    CASE(vma_file),
    CASE(soft_tlb),
    CASE(pid_chain),
    CASE(heap_number),
    CASE(data_of_heap),
    CASE(thread_of_heap),
    CASE(cache_of_thread),
    CASE(data_of_library),
    CASE(stacks_of_heap),
    CASE(flag_of_heap),
    CASE(note_chain),
    CASE(note_buckets),
    CASE(name_without_end),
    CASE(name_chain),
    CASE(cache_size),
    CASE(cache_objects),
    CASE(cache_name),
    CASE(cache_list),
    CASE(cache_of_cpu),
    CASE(slab_objects),
    CASE(slab_tracks),
    CASE(slab_track_run),
    CASE(area_frames),
    CASE(extent_tree),
    CASE(zone_span),
    CASE(zone_count),
    CASE(cpus_of_pages),
    CASE(tlb_identifier),
    CASE(tlb_ways),
    CASE(space_root),
    CASE(frames_said),
};

static struct machine *sound_machine(void)
{
    struct machine *m = fixture_machine("linux-6.1", 64 << 20);
    uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid;
    for (unsigned i = 1; i < 9; i++) {
        struct op op = fixture_alloc(OP_KMALLOC, 100 * i, 0);
        op.name = (struct text){ &"abcdefgh"[i - 1], 1 };
        op.given |= OP_BIT(NAME);
        fixture_apply(m, op);
        fixture_apply(m, fixture_alloc(OP_VMALLOC, 5000 * i, 0));
        fixture_apply(m, fixture_user(OP_MALLOC, pid, 3000 * i));
    }
    struct op map = fixture_op(OP_MMAP);
    map.pid = pid;
    map.length = 16 << 12;
    map.given = OP_BIT(PID) | OP_BIT(LENGTH);
    struct op touch = fixture_free(OP_WRITE, fixture_apply(m, map)->address);
    touch.pid = pid;
    touch.length = 16 << 12;
    touch.fill = 1;
    touch.given |= OP_BIT(PID) | OP_BIT(LENGTH) | OP_BIT(FILL);
    fixture_apply(m, touch);
    touch.fill = 2; /* the second page gets bytes of its own, and gives them back */
    touch.length = 4096;
    fixture_apply(m, touch);
    touch.address += 4096;
    touch.length = 100;
    fixture_apply(m, touch);
    touch.length = 4096;
    fixture_apply(m, touch);
    return m;
}

static enum pagoda_error save_and_load(const struct machine *m)
{
    struct machine *loaded = NULL;
    size_t nr_bytes = machine_save(m, NULL, 0);
    void *image = malloc(nr_bytes);
    assert_non_null(image);
    nr_bytes = machine_save(m, image, nr_bytes);
    enum pagoda_error error = machine_load(image, nr_bytes, &m->host, &loaded);
    free(image);
    machine_destroy(loaded);
    return error;
}

static void test_each_lie_is_found(void **state)
{
    (void)state;
    struct machine *m = sound_machine();
    assert_int_equal(save_and_load(m), PAGODA_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct machine *copy;
        assert_int_equal(machine_clone(m, &copy), PAGODA_OK);
        CASES[i].change(copy);
        enum pagoda_error error = save_and_load(copy);
        if (error != PAGODA_ERR_CORRUPT)
            fail_msg("%s: the loader takes it", CASES[i].name);
        machine_destroy(copy);
    }
    machine_destroy(m);
}

static void test_seal(void **state)
{
    (void)state;
    struct machine *m = sound_machine(), *loaded;
    size_t nr_bytes = machine_save(m, NULL, 0);
    uint8_t *image = malloc(nr_bytes);
    assert_non_null(image);
    nr_bytes = machine_save(m, image, nr_bytes);
    uint64_t hash = machine_image_hash(image);
    memset(image + 4 * sizeof(uint64_t), 0, sizeof(uint64_t));
    assert_int_equal(machine_load(image, nr_bytes, &m->host, &loaded), PAGODA_ERR_CORRUPT);
    assert_true(machine_image_seal(image, nr_bytes));
    assert_int_equal(machine_image_hash(image), hash);
    assert_false(machine_image_seal(image, 100));
    free(image);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_lie_is_found),
        cmocka_unit_test(test_seal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
