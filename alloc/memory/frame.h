/* alloc/memory/frame.h - the frame array (Linux: mem_map, struct page), lazily backed contents, lists of frames.
 *
 * The head of a block says what the block is: kind, order, owner. The other frames of the block have kind FRAME_NONE. So
 * 2^order frames are allocated and freed in constant time, and host memory inside large free blocks stays untouched.
 *
 *      pfn      8        9          10         11         12
 *      frame    SLAB,2   NONE       NONE       NONE       FREE,0
 *               [-------------- a block -------------]    [ another ]
 *
 * contents belongs to the single frame, and stays when the frame is freed: there stale data lives. A frame whose bytes were
 * all set to one value has no page of its own: it shares the page of that value. So a large fill costs next to nothing.
 * Stands on: base. */
#pragma once
#include "alloc/base/index_list.h"
#include "alloc/base/pool.h"
#include "alloc/base/trace.h"
#include "pagoda/view.h"

/* index of an anonymous frame: the virtual page number in the lower bits, the number of mappings above. */
#define ANON_VPN_BITS 40u
#define ANON_MAPPING (UINT64_C(1) << ANON_VPN_BITS) /* one more mapping */
#define ANON_VPN(index) ((index) & (ANON_MAPPING - 1))
#define ANON_MAPPINGS(index) ((uint32_t)((index) >> ANON_VPN_BITS))

enum { MT_UNMOVABLE, MT_MOVABLE, MT_RECLAIMABLE, MT_HIGHATOMIC, MT_ISOLATE, NR_MIGRATETYPES };

enum frame_flag {
    FRAME_LOCKED = 1, /* mlock: never swapped */
    FRAME_ACTIVE = 2, /* on the active LRU list */
    FRAME_REFERENCED = 4,
    FRAME_DRIVER_MOVABLE = 8, /* counts as movable when a pageblock is stolen (recorded LRU ranges) */
    FRAME_LAZYFREE = 16,      /* MADV_FREE: reclaim drops it, unless it has been written to since */
};

/* In a number of contents: the page is that of a byte value (frames.same), and is read only. */
#define CONTENTS_SHARED (UINT32_C(1) << 31)

STATE_STRUCTS
struct frame {
    uint32_t next, prev; /* links of the list that the head is on: free, pcp, LRU; pfns, 0 ends */
    /* anon: virtual page number | mappings << 40. vmalloc: page of the area. pgtable: physical address of the entry that
     * leads to it. slab: struct slab_frame. kernel: LARGE_KMALLOC and size, or 0 for alloc_pages. */
    uint64_t index;
    uint32_t contents; /* page of bytes in the contents pool, perhaps with CONTENTS_SHARED; 0: all zero */
    /* anon: struct space_ref. vmalloc: struct vmap_area_ref. pgtable: level. slab: struct slab_ref. kernel: struct
     * name_ref. reserved: enum reserved_owner. */
    uint32_t owner;
    uint32_t born; /* low 32 bits of the number of the operation that allocated the block */
    uint8_t kind, order, migratetype, flags;
};
_Static_assert(sizeof(struct frame) == 32, "a page frame costs 32 bytes, half of Linux's struct page");

struct frames {
    struct pool pool;                    /* struct frame, item = pfn */
    struct pool contents;                /* PAGE_SIZE each */
    uint32_t nr, unused;                 /* pfns 0 .. nr-1 */
    uint64_t page_offset;                /* of the direct map */
    uint64_t kind_count[NR_FRAME_KINDS]; /* frames (not blocks) by kind; kept by frame_set_kind() */
    uint32_t same[256];                  /* page of contents whose bytes all have that value; 0: none yet */
};
STATE_STRUCTS_END

/* nr_swap_pages: so many pages of contents may lie outside frames. */
void frames_shape(struct frames *frames, uint32_t nr_frames, uint32_t nr_swap_pages, uint64_t page_offset);
uint32_t frames_pools(struct frames *frames, struct pool **pools);

static inline struct frame *frame_at(const struct frames *frames, uint32_t pfn)
{
    return (struct frame *)(void *)frames->pool.items + pfn;
}
/* Makes pfn the head of a block of that kind and order, and keeps the counts. FRAME_NONE: it heads no block any more. */
static inline void frame_set_kind(struct frames *frames, uint32_t pfn, enum frame_kind kind, uint32_t order)
{
    struct frame *frame = frame_at(frames, pfn);
    frames->kind_count[frame->kind] -= frame->kind == FRAME_NONE ? 0 : UINT64_C(1) << frame->order;
    frame->kind = (uint8_t)kind;
    frame->order = (uint8_t)order;
    frames->kind_count[kind] += kind == FRAME_NONE ? 0 : UINT64_C(1) << order;
}
/* Head of the block that holds pfn: the frame itself, or the nearest aligned head below it whose block reaches it. pfn must
 * exist. A frame of no block is its own head. */
uint32_t frame_head(const struct frames *frames, uint32_t pfn);

static inline uint64_t frame_address(const struct frames *frames, uint32_t pfn)
{
    return frames->page_offset + ((uint64_t)pfn << PAGE_SHIFT);
}
/* The pfn of an address of the direct map. UINT32_MAX: no memory is there. */
static inline uint32_t frame_of_address(const struct frames *frames, uint64_t address)
{
    uint64_t pfn = (address - frames->page_offset) >> PAGE_SHIFT;
    return address >= frames->page_offset && pfn < frames->nr ? (uint32_t)pfn : UINT32_MAX;
}

/* Contents. A frame that nobody has written to reads as zeroes. A range may go on from one frame into the next. The machine
 * reserves pages of contents before an operation, so that writing cannot fail. */
static inline bool contents_are_own(uint32_t contents)
{
    return contents - 1 < CONTENTS_SHARED - 1; /* neither 0 nor shared */
}
static inline uint8_t *contents_own_at(const struct frames *frames, uint32_t contents)
{
    return frames->contents.items + (size_t)contents * PAGE_SIZE;
}
uint8_t *frame_take_contents(struct frames *frames, uint32_t pfn); /* a page of its own, for a frame that has none */
/* The whole page, to write to. */
static inline uint8_t *frame_bytes(struct frames *frames, uint32_t pfn)
{
    uint32_t contents = frame_at(frames, pfn)->contents;
    return contents_are_own(contents) ? contents_own_at(frames, contents) : frame_take_contents(frames, pfn);
}
static inline uint8_t *contents_at(const struct frames *frames, uint32_t contents)
{
    return contents_own_at(frames, contents & ~CONTENTS_SHARED);
}
void contents_give(struct frames *frames, uint32_t contents);             /* nobody needs them any more; 0 is allowed */
const uint8_t *frame_peek(const struct frames *frames, uint32_t pfn);     /* NULL: all zero */
void frame_zero(struct frames *frames, uint32_t pfn, uint32_t nr_frames); /* gives the backing away */
void frame_set_contents(struct frames *frames, uint32_t pfn, uint32_t contents); /* copies them, or shares what is shared */
void frame_copy(struct frames *frames, uint32_t to_pfn, uint32_t from_pfn);
void frame_read(const struct frames *frames, uint64_t physical, void *out, size_t length);
void frame_write(struct frames *frames, uint64_t physical, const void *bytes, size_t length);
void frame_fill(struct frames *frames, uint64_t physical, uint8_t byte, size_t length);
/* One machine word inside a frame, for free chains and page tables: little-endian, aligned. */
static inline uint64_t frame_read64(const struct frames *frames, uint64_t physical)
{
    uint64_t word;
    frame_read(frames, physical, &word, sizeof word);
    return word;
}
static inline void frame_write64(struct frames *frames, uint64_t physical, uint64_t word)
{
    frame_write(frames, physical, &word, sizeof word);
}

/* Lists of frames: see index_list.h. */
_Static_assert(offsetof(struct frame, next) == 0 && offsetof(struct frame, prev) == 4, "links stand first");
static inline struct index_items frame_items(const struct frames *frames)
{
    return (struct index_items){ .start = frames->pool.items, .item_size = sizeof(struct frame) };
}
static inline void frame_list_push_head(struct frames *frames, struct index_list *list, uint32_t pfn)
{
    index_list_push_head(frame_items(frames), list, pfn);
}
static inline void frame_list_push_tail(struct frames *frames, struct index_list *list, uint32_t pfn)
{
    index_list_push_tail(frame_items(frames), list, pfn);
}
static inline void frame_list_remove(struct frames *frames, struct index_list *list, uint32_t pfn)
{
    index_list_remove(frame_items(frames), list, pfn);
}
