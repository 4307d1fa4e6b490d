/* The frame array. A frame without contents reads as zeroes. So a page is zeroed by giving its contents away. */
#include "alloc/memory/frame.h"
#include "alloc/base/invariant.h"

#include <string.h>

void frames_shape(struct frames *frames, uint32_t nr_frames, uint32_t nr_swap_pages, uint64_t page_offset)
{
    memset(frames, 0, sizeof *frames);
    frames->nr = nr_frames;
    frames->page_offset = page_offset;
    pool_shape(&frames->pool, sizeof(struct frame), nr_frames);
    pool_shape(&frames->contents, PAGE_SIZE, nr_frames + nr_swap_pages + 1);
}

uint32_t frames_pools(struct frames *frames, struct pool **pools)
{
    pools[0] = &frames->pool;
    pools[1] = &frames->contents;
    return 2;
}

uint32_t frame_head(const struct frames *frames, uint32_t pfn)
{
    for (uint32_t order = 0; order < VIEW_ORDERS; order++) {
        uint32_t head = pfn & ~((1u << order) - 1);
        const struct frame *frame = frame_at(frames, head);
        if (frame->kind != FRAME_NONE)
            return head + (1u << frame->order) > pfn ? head : pfn;
    }
    return pfn;
}

uint8_t *frame_bytes(struct frames *frames, uint32_t pfn)
{
    struct frame *frame = frame_at(frames, pfn);
    if (!frame->contents)
        frame->contents = pool_take(&frames->contents);
    INVARIANT(&frames->contents, frame->contents);
    return pool_at(&frames->contents, frame->contents);
}

const uint8_t *frame_peek(const struct frames *frames, uint32_t pfn)
{
    uint32_t contents = frame_at(frames, pfn)->contents;
    return contents ? pool_at(&frames->contents, contents) : NULL;
}

void frame_zero(struct frames *frames, uint32_t pfn, uint32_t nr_frames)
{
    for (uint32_t i = 0; i < nr_frames; i++) {
        struct frame *frame = frame_at(frames, pfn + i);
        if (!frame->contents)
            continue;
        pool_give(&frames->contents, frame->contents);
        frame->contents = 0;
    }
}

void frame_copy(struct frames *frames, uint32_t to_pfn, uint32_t from_pfn)
{
    const uint8_t *from = frame_peek(frames, from_pfn);
    if (from)
        memcpy(frame_bytes(frames, to_pfn), from, PAGE_SIZE);
    else
        frame_zero(frames, to_pfn, 1);
}

/* Bytes from physical to the end of its page, at most length. */
static size_t frame_bytes_in_page(uint64_t physical, size_t length)
{
    size_t room = PAGE_SIZE - (size_t)(physical & (PAGE_SIZE - 1));
    return length < room ? length : room;
}

void frame_read(const struct frames *frames, uint64_t physical, void *out, size_t length)
{
    uint8_t *to = out;
    for (size_t n; length; physical += n, to += n, length -= n) {
        n = frame_bytes_in_page(physical, length);
        const uint8_t *from = frame_peek(frames, (uint32_t)(physical >> PAGE_SHIFT));
        if (from)
            memcpy(to, from + (physical & (PAGE_SIZE - 1)), n);
        else
            memset(to, 0, n);
    }
}

void frame_write(struct frames *frames, uint64_t physical, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    for (size_t n; length; physical += n, from += n, length -= n) {
        n = frame_bytes_in_page(physical, length);
        memcpy(frame_bytes(frames, (uint32_t)(physical >> PAGE_SHIFT)) + (physical & (PAGE_SIZE - 1)), from, n);
    }
}

void frame_fill(struct frames *frames, uint64_t physical, uint8_t byte, size_t length)
{
    for (size_t n; length; physical += n, length -= n) {
        n = frame_bytes_in_page(physical, length);
        uint32_t pfn = (uint32_t)(physical >> PAGE_SHIFT);
        if (byte == 0 && !frame_at(frames, pfn)->contents)
            continue;
        if (byte == 0 && n == PAGE_SIZE)
            frame_zero(frames, pfn, 1);
        else
            memset(frame_bytes(frames, pfn) + (physical & (PAGE_SIZE - 1)), byte, n);
    }
}
