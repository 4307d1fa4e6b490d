/* Copies, images and hashes of machines.
 *
 * The state is struct machine_state, unwired, and the used part of each pool. A pool is seen in chunks. Most chunks of a
 * large machine are zero, because inside a large free block only the head's frame says anything. Zero chunks are not
 * copied, not written and not hashed. An image holds, for each pool, one bit for each chunk and then the chunks whose bit
 * is set. */
#include "alloc/machine/machine_image.h"
#include "alloc/machine/machine_valid.h"

#include <string.h>

#define IMAGE_MAGIC UINT64_C(0x33304d41474f4150) /* "PAGOAM03" */
#define CHUNK 512u
/* It is raised when bytes of an image come to mean something else, although no field has moved and no rule has changed.
 * What the run of machine_identity() shows needs no raise. */
#define IMAGE_LAYOUT 3u
_Static_assert(CHUNK / sizeof(struct frame) == VALID_FRAMES, "the bitmap of the first pool is one of frames");

uint64_t machine_image_layout(void)
{
    return (uint64_t)machine_rules() << 48 | (uint64_t)IMAGE_LAYOUT << 32 | sizeof(struct machine_state);
}

/* ---- chunks ---- */

/* Bytes that hold something: none while only item 0, which is nobody's, is used. */
static size_t image_used_bytes(const struct pool *pool)
{
    return pool->nr_used > 1 ? (size_t)pool->nr_used * pool->item_size : 0;
}

static size_t image_nr_chunks(size_t bytes)
{
    return (bytes + CHUNK - 1) / CHUNK;
}

static size_t image_chunk_bytes(size_t bytes, size_t chunk)
{
    size_t left = bytes - chunk * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

static bool image_is_zero(const uint8_t *at, size_t length)
{
    for (; length >= 64; at += 64, length -= 64) {
        uint64_t words[8];
        memcpy(words, at, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3]) | (words[4] | words[5] | words[6] | words[7]))
            return false;
    }
    while (length && *at == 0)
        at++, length--;
    return length == 0;
}

/* ---- hashes ---- */

/* A hash for equality, not against an attacker. It multiplies and shifts eight bytes at a time, in four lanes, so that no
 * step waits for the one before. */
struct hash {
    uint64_t lanes[4];
};

static uint64_t hash_mix_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static void hash_mix(struct hash *hash, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint64_t words[4];
    for (; length >= 32; at += 32, length -= 32) {
        memcpy(words, at, 32);
        for (unsigned i = 0; i < 4; i++)
            hash->lanes[i] = hash_mix_word(hash->lanes[i], words[i]);
    }
    memset(words, 0, sizeof words);
    memcpy(words, at, length);
    for (unsigned i = 0; i < 4; i++)
        hash->lanes[i] = hash_mix_word(hash->lanes[i], words[i] + length);
}

static struct hash hash_start(const struct machine_state *unwired)
{
    struct hash hash = { { 1, 2, 3, 4 } };
    hash_mix(&hash, unwired, sizeof *unwired);
    return hash;
}

static void hash_chunk(struct hash *hash, uint32_t pool, size_t chunk, const uint8_t *bytes, size_t length)
{
    hash->lanes[0] = hash_mix_word(hash->lanes[0], (uint64_t)pool << 48 | chunk);
    hash_mix(hash, bytes, length);
}

static uint64_t hash_end(const struct hash *hash)
{
    uint64_t all = IMAGE_MAGIC;
    for (unsigned i = 0; i < 4; i++)
        all = hash_mix_word(all, hash->lanes[i]);
    return all;
}

static void image_copy_state(const struct machine *machine, struct machine_state *state)
{
    memcpy(state, &machine->state, sizeof *state);
    machine_unwire(state);
}

uint64_t machine_hash(const struct machine *machine)
{
    struct machine_state state;
    image_copy_state(machine, &state);
    struct hash hash = hash_start(&state);
    for (uint32_t i = 0; i < machine->nr_pools; i++) {
        const struct pool *pool = machine->pools[i];
        size_t bytes = image_used_bytes(pool);
        for (size_t chunk = 0; chunk < image_nr_chunks(bytes); chunk++)
            if (!image_is_zero(pool->items + chunk * CHUNK, image_chunk_bytes(bytes, chunk)))
                hash_chunk(&hash, i, chunk, pool->items + chunk * CHUNK, image_chunk_bytes(bytes, chunk));
    }
    return hash_end(&hash);
}

/* ---- copies ---- */

static enum pagoda_error image_commit_used(struct machine *m)
{
    for (uint32_t i = 0; i < m->nr_pools; i++) {
        enum pagoda_error err = pool_commit_used(m->pools[i], &m->host);
        if (err)
            return err;
    }
    return pool_reserve(&m->state.reclaim.slots, &m->host, m->state.reclaim.slots.capacity);
}

/* A machine of that state, with room for what the pools hold. The pools are still zero. */
static enum pagoda_error image_make_empty(const struct machine_state *state, const struct pagoda_host *host,
                                          struct machine **out)
{
    enum pagoda_error err = machine_reserve(state, host, out);
    if (err)
        return err;
    err = image_commit_used(*out);
    if (err) {
        machine_destroy(*out);
        *out = NULL;
    }
    return err;
}

enum pagoda_error machine_clone(const struct machine *machine, struct machine **out)
{
    enum pagoda_error err = image_make_empty(&machine->state, &machine->host, out);
    if (err)
        return err;
    struct machine *copy = *out;
    for (uint32_t i = 0; i < copy->nr_pools; i++) {
        const uint8_t *from = machine->pools[i]->items;
        size_t bytes = image_used_bytes(machine->pools[i]);
        for (size_t chunk = 0; chunk < image_nr_chunks(bytes); chunk++)
            if (!image_is_zero(from + chunk * CHUNK, image_chunk_bytes(bytes, chunk)))
                memcpy(copy->pools[i]->items + chunk * CHUNK, from + chunk * CHUNK, image_chunk_bytes(bytes, chunk));
    }
    copy->trace.recording = machine->trace.recording;
    return PAGODA_OK;
}

/* ---- images ---- */

struct image_header {
    uint64_t magic, layout, state_bytes, image_bytes, hash;
};

static size_t image_bitmap_bytes(size_t bytes)
{
    return (image_nr_chunks(bytes) + 7) / 8;
}

static size_t image_most_bytes(const struct machine *machine)
{
    size_t bytes = sizeof(struct image_header) + sizeof(struct machine_state);
    for (uint32_t i = 0; i < machine->nr_pools; i++)
        bytes += image_bitmap_bytes(image_used_bytes(machine->pools[i])) + image_used_bytes(machine->pools[i]);
    return bytes;
}

/* Writes one pool. Returns the place behind it. */
static uint8_t *image_save_pool(const struct pool *pool, uint32_t number, uint8_t *at, struct hash *hash)
{
    size_t bytes = image_used_bytes(pool);
    uint8_t *bitmap = at;
    memset(bitmap, 0, image_bitmap_bytes(bytes));
    at += image_bitmap_bytes(bytes);
    for (size_t chunk = 0; chunk < image_nr_chunks(bytes); chunk++) {
        const uint8_t *from = pool->items + chunk * CHUNK;
        size_t length = image_chunk_bytes(bytes, chunk);
        if (image_is_zero(from, length))
            continue;
        bitmap[chunk / 8] = (uint8_t)(bitmap[chunk / 8] | 1u << chunk % 8);
        memcpy(at, from, length);
        hash_chunk(hash, number, chunk, from, length);
        at += length;
    }
    return at;
}

size_t machine_save(const struct machine *machine, void *out, size_t capacity)
{
    if (image_most_bytes(machine) > capacity)
        return image_most_bytes(machine);
    struct machine_state state;
    image_copy_state(machine, &state);
    struct hash hash = hash_start(&state);
    uint8_t *at = (uint8_t *)out + sizeof(struct image_header);
    memcpy(at, &state, sizeof state);
    at += sizeof state;
    for (uint32_t i = 0; i < machine->nr_pools; i++)
        at = image_save_pool(machine->pools[i], i, at, &hash);
    size_t bytes = (size_t)(at - (uint8_t *)out);
    struct image_header header = { IMAGE_MAGIC, machine_image_layout(), sizeof state, bytes, hash_end(&hash) };
    memcpy(out, &header, sizeof header);
    return bytes;
}

uint64_t machine_image_hash(const void *image)
{
    struct image_header header;
    memcpy(&header, image, sizeof header);
    return header.hash;
}

/* Has the image the shape that its configuration gives here? Else it is not read.
 * fresh  out: the state of a new machine of that configuration. */
static bool image_shape_agrees(struct machine_state *saved, struct machine_state *fresh)
{
    struct machine_config config;
    struct problem why = { 0 };
    memcpy(&config, &saved->config, sizeof config); /* to complete a complete one changes no byte */
    if (machine_config_complete(&config, &why) || memcmp(&config, &saved->config, sizeof config) != 0)
        return false;
    memset(fresh, 0, sizeof *fresh);
    fresh->config = config;
    machine_shape(fresh, profile_get((enum profile_id)config.profile));
    struct pool *expected[POOLS_MAX], *found[POOLS_MAX];
    uint32_t n = machine_list_pools(fresh, expected);
    if (machine_list_pools(saved, found) != n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (found[i]->item_size != expected[i]->item_size || found[i]->capacity != expected[i]->capacity ||
            found[i]->nr_used > found[i]->capacity || found[i]->nr_free >= found[i]->nr_used)
            return false;
    return true;
}

/* Reads one pool; without a place in memory, for its hash alone. Returns the place behind it; NULL: the image ends before.
 */
static const uint8_t *image_load_pool(struct pool *pool, uint32_t number, const uint8_t *at, const uint8_t *end,
                                      struct hash *hash)
{
    size_t bytes = image_used_bytes(pool);
    const uint8_t *bitmap = at;
    if ((size_t)(end - at) < image_bitmap_bytes(bytes))
        return NULL;
    at += image_bitmap_bytes(bytes);
    for (size_t chunk = 0; chunk < image_nr_chunks(bytes); chunk++) {
        size_t length = image_chunk_bytes(bytes, chunk);
        if (!(bitmap[chunk / 8] >> chunk % 8 & 1))
            continue;
        if ((size_t)(end - at) < length)
            return NULL;
        if (pool->items)
            memcpy(pool->items + chunk * CHUNK, at, length);
        hash_chunk(hash, number, chunk, at, length);
        at += length;
    }
    return at;
}

static bool image_load_pools(struct machine *m, const uint8_t *at, const uint8_t *end, struct hash *hash)
{
    for (uint32_t i = 0; at && i < m->nr_pools; i++)
        at = image_load_pool(m->pools[i], i, at, end, hash);
    return at == end;
}

enum pagoda_error machine_load(const void *image, size_t nr_bytes, const struct pagoda_host *host, struct machine **out)
{
    struct image_header header;
    struct machine_state state, fresh;
    *out = NULL;
    if (nr_bytes < sizeof header)
        return PAGODA_ERR_CORRUPT;
    memcpy(&header, image, sizeof header);
    if (header.magic != IMAGE_MAGIC || header.layout != machine_image_layout())
        return PAGODA_ERR_VERSION;
    if (nr_bytes < sizeof header + sizeof state || header.state_bytes != sizeof state || header.image_bytes != nr_bytes)
        return PAGODA_ERR_CORRUPT;
    const uint8_t *at = (const uint8_t *)image + sizeof header;
    memcpy(&state, at, sizeof state);
    if (!image_shape_agrees(&state, &fresh))
        return PAGODA_ERR_CORRUPT;
    struct hash hash = hash_start(&state);
    struct machine *m;
    enum pagoda_error err = image_make_empty(&state, host, &m);
    if (err)
        return err;
    bool is_whole =
        image_load_pools(m, at + sizeof state, (const uint8_t *)image + nr_bytes, &hash) && hash_end(&hash) == header.hash;
    err = is_whole ? machine_is_valid(m, &fresh, at + sizeof state) : PAGODA_ERR_CORRUPT;
    if (err)
        machine_destroy(m);
    else
        *out = m;
    return err;
}

bool machine_image_seal(void *image, size_t nr_bytes)
{
    struct image_header header;
    struct machine_state state;
    struct pool *pools[POOLS_MAX];
    if (nr_bytes < sizeof header + sizeof state)
        return false;
    const uint8_t *end = (const uint8_t *)image + nr_bytes, *at = end - nr_bytes + sizeof header;
    memcpy(&state, at, sizeof state);
    at += sizeof state;
    struct hash hash = hash_start(&state);
    uint32_t nr_pools = machine_list_pools(&state, pools);
    for (uint32_t i = 0; at && i < nr_pools; i++) {
        pools[i]->items = NULL;
        at = image_load_pool(pools[i], i, at, end, &hash);
    }
    memcpy(&header, image, sizeof header);
    header.hash = hash_end(&hash);
    header.image_bytes = nr_bytes;
    memcpy(image, &header, sizeof header);
    return at == end;
}
