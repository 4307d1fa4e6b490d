/* The frame array. A frame without contents reads as zeroes. So a page is zeroed by giving its contents away. A
 * page that is set to another value shares the contents of all such pages, until somebody writes to it. */
#include "alloc/memory/frame.h"
#include "alloc/base/invariant.h"

#include <string.h>

void frames_shape(struct frames *frames, uint32_t nr_frames, uint32_t nr_swap_pages, uint64_t page_offset)
{
    memset(frames, 0, sizeof *frames);
    frames->nr = nr_frames;
    frames->page_offset = page_offset;
    pool_shape(&frames->pool, sizeof(struct frame), nr_frames);
    pool_shape(&frames->contents, PAGE_SIZE, nr_frames + nr_swap_pages + 256);
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

void contents_give(struct frames *frames, uint32_t contents)
{
    if (contents_are_own(contents))
        pool_give(&frames->contents, contents);
}

uint8_t *frame_take_contents(struct frames *frames, uint32_t pfn)
{
    struct frame *frame = frame_at(frames, pfn);
    uint32_t before = frame->contents;
    frame->contents = pool_take(&frames->contents);
    INVARIANT(&frames->contents, frame->contents);
    if (before)
        memcpy(contents_at(frames, frame->contents), contents_at(frames, before), PAGE_SIZE);
    return contents_at(frames, frame->contents);
}

/* Sets all bytes of the page. */
static void frame_set_same(struct frames *frames, uint32_t pfn, uint8_t byte)
{
    struct frame *frame = frame_at(frames, pfn);
    contents_give(frames, frame->contents);
    frame->contents = 0;
    if (!byte)
        return;
    if (!frames->same[byte]) {
        frames->same[byte] = pool_take(&frames->contents);
        INVARIANT(&frames->contents, frames->same[byte]);
        memset(contents_at(frames, frames->same[byte]), byte, PAGE_SIZE);
    }
    frame->contents = frames->same[byte] | CONTENTS_SHARED;
}

const uint8_t *frame_peek(const struct frames *frames, uint32_t pfn)
{
    uint32_t contents = frame_at(frames, pfn)->contents;
    return contents ? contents_at(frames, contents) : NULL;
}

void frame_zero(struct frames *frames, uint32_t pfn, uint32_t nr_frames)
{
    for (uint32_t i = 0; i < nr_frames; i++)
        if (frame_at(frames, pfn + i)->contents)
            frame_set_same(frames, pfn + i, 0);
}

void frame_set_contents(struct frames *frames, uint32_t pfn, uint32_t contents)
{
    if (contents_are_own(contents)) {
        memcpy(frame_bytes(frames, pfn), contents_at(frames, contents), PAGE_SIZE);
        return;
    }
    contents_give(frames, frame_at(frames, pfn)->contents);
    frame_at(frames, pfn)->contents = contents;
}

void frame_copy(struct frames *frames, uint32_t to_pfn, uint32_t from_pfn)
{
    frame_set_contents(frames, to_pfn, frame_at(frames, from_pfn)->contents);
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
        if (n == PAGE_SIZE)
            frame_set_same(frames, pfn, byte);
        else
            memset(frame_bytes(frames, pfn) + (physical & (PAGE_SIZE - 1)), byte, n);
    }
}
