/* alloc/malloc/malloc_words.h - words of the process, read and written by address. Stands on: heap.
 *
 * struct libc knows the host's places of the pages used last, so that nearly every access is one comparison and one load. A
 * call is dead once a check has failed or an address was not mapped: reads give 0 then, writes do nothing, and loops end.
 * The machine floor ends the process after the call. */
#pragma once
#include "alloc/malloc/malloc_heap.h"
#include <string.h>

/* Ends the call because a check failed.
 * text  glibc's words; the process is to end by SIGABRT. */
void libc_die(struct libc *c, const char *text);
/* Forgets the places of all pages. */
void libc_forget_pages(struct libc *c);
/* The host's place of a page that the process has written to, which is faulted in if need be; NULL: it has not, or may not
 * any more. */
uint8_t *libc_own_page(struct libc *c, uint64_t page);
/* Faults the page of address in. Returns the host's place of that byte; NULL: the call is dead. */
uint8_t *libc_fault(struct libc *c, uint64_t address, bool write);
uint64_t libc_get_slow(struct libc *c, uint64_t address, uint32_t nr_bytes);
void libc_put_slow(struct libc *c, uint64_t address, uint32_t nr_bytes, uint64_t value);
void libc_fill(struct libc *c, uint64_t address, uint8_t byte, uint64_t length);
void libc_copy(struct libc *c, uint64_t to, uint64_t from, uint64_t length);
/* Before each step of a walk through lists or chunks, which may be as long as the process likes: host memory for the pages
 * that one step may reach, and for the tables on the way to them. */
#define LIBC_STEP_PAGES 32u
static inline void libc_walk_on(const struct libc *c)
{
    pool_need(&c->heaps->processes->frames->contents, LIBC_STEP_PAGES);
}
/* A system call came between: pages that the process has lost are not known any more. */
static inline void libc_look_again(struct libc *c)
{
    if (c->space->generation != c->generation)
        libc_forget_pages(c);
}

/* The host's place of an aligned word; NULL: its page is not known. One comparison does: a word that is not aligned equals
 * no page. Pages that the process has not written to are never known. */
#define LIBC_EPOCH_SHIFT 3u
#define LIBC_LAST_EPOCH (PAGE_SIZE - 8)
static inline uint8_t *libc_at_hand(const struct libc *c, uint64_t address, uint32_t nr_bytes)
{
    const struct libc_page *page = &c->pages[(address >> PAGE_SHIFT) % LIBC_PAGES];
    uint64_t known = (address & (~(uint64_t)(PAGE_SIZE - 1) | (nr_bytes - 1))) + c->epoch;
    return known == page->known ? (uint8_t *)(page->host + (uintptr_t)address) : NULL;
}

/* --- in host memory --- */

static inline uint64_t libc_load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint32_t libc_load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint16_t libc_load16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline void libc_store64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}
static inline void libc_store32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}
static inline void libc_store16(uint8_t *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}
/* A word of the process has 4 or 8 bytes. */
static inline uint64_t libc_load_word(const struct libc *c, const uint8_t *at)
{
    return c->word_shift == 3 ? libc_load64(at) : libc_load32(at);
}
static inline void libc_store_word(const struct libc *c, uint8_t *at, uint64_t value)
{
    if (c->word_shift == 3)
        libc_store64(at, value);
    else
        libc_store32(at, (uint32_t)value);
}

/* --- by address --- */

static inline uint32_t libc_get32(struct libc *c, uint64_t address)
{
    const uint8_t *at = libc_at_hand(c, address, 4);
    return at ? libc_load32(at) : (uint32_t)libc_get_slow(c, address, 4);
}
static inline void libc_put32(struct libc *c, uint64_t address, uint32_t value)
{
    uint8_t *at = libc_at_hand(c, address, 4);
    if (at)
        libc_store32(at, value);
    else
        libc_put_slow(c, address, 4, value);
}
static inline uint16_t libc_get16(struct libc *c, uint64_t address)
{
    const uint8_t *at = libc_at_hand(c, address, 2);
    return at ? libc_load16(at) : (uint16_t)libc_get_slow(c, address, 2);
}
static inline void libc_put16(struct libc *c, uint64_t address, uint16_t value)
{
    uint8_t *at = libc_at_hand(c, address, 2);
    if (at)
        libc_store16(at, value);
    else
        libc_put_slow(c, address, 2, value);
}
/* A word of four bytes, or one that is not at hand. */
uint64_t libc_get_other(struct libc *c, uint64_t address);
void libc_put_other(struct libc *c, uint64_t address, uint64_t value);

static inline uint64_t libc_get(struct libc *c, uint64_t address)
{
    const uint8_t *at = c->word_shift == 3 ? libc_at_hand(c, address, 8) : NULL;
    return at ? libc_load64(at) : libc_get_other(c, address);
}
static inline void libc_put(struct libc *c, uint64_t address, uint64_t value)
{
    uint8_t *at = c->word_shift == 3 ? libc_at_hand(c, address, 8) : NULL;
    if (at)
        libc_store64(at, value);
    else
        libc_put_other(c, address, value);
}
