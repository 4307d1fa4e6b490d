/* What slub_debug says, in the words and the layout of mm/slub.c: slab_bug(), slab_fix(), print_trailer() and others. It is
 * read from the simulated bytes. A report looks so:
 *
 *      =============================================================================
 *      BUG kmalloc-64 (Not tainted): Right Redzone overwritten              slub_bug()
 *      -----------------------------------------------------------------------------
 *
 *      0xffff...-0xffff... @offset=64. First byte 0x41 instead of 0xcc      the caller
 *      Allocated in f age=0 cpu=0 pid=0                                     slub_say_tracks()
 *      Slab 0xffffea... objects=21 used=1 fp=0x... flags=0x...              slub_say_slab()
 *      Object 0xffff... @offset=64 fp=0x...                                 slub_say_object()
 *
 *      Redzone  ffff...: cc cc cc cc ...                                    slub_say_section()
 *      FIX kmalloc-64: Restoring Right Redzone 0xffff...-0xffff...=0xcc     slub_fix()
 *
 * A section shows 128 bytes at most; Linux prints up to a page. */
#include "alloc/slab/slub.h"

#define DUMP_MAX 128u /* bytes of one section */
#define LINE 16u
#define VMEMMAP UINT64_C(0xffffea0000000000) /* where the struct page of pfn 0 is; each has 64 bytes */
#define PG_SLAB UINT64_C(0x200)
#define PG_HEAD UINT64_C(0x10000)
#define LAST_CPUPID (UINT64_C(0x1fffff) << 30)
#define ZONE_SHIFT 51u
#define NS_PER_JIFFY 4000000u /* CONFIG_HZ=250 */

#define TAINTS_MAX 32u

static const char *slub_taints(const struct kmalloc *k, char text[TAINTS_MAX])
{
    if (!k->taints)
        return "Not tainted";
    /* A letter a taint, each in its place. */
    text_print(text, TAINTS_MAX, "Tainted: G    %c   %c         ", k->taints & TAINT_BAD_PAGE ? 'B' : ' ',
               k->taints & TAINT_WARN ? 'W' : ' ');
    return text;
}

void slub_bug(struct kmalloc *k, const struct cache *cache, const char *format, ...)
{
    struct trace *trace = k->trace;
    char taints[TAINTS_MAX];
    va_list args;
    trace_end_line(trace);
    trace_bug(trace,
              "=============================================================================\nBUG %s (%s): ", cache->name,
              slub_taints(k, taints));
    va_start(args, format);
    trace_print_v(trace, format, args);
    va_end(args);
    trace_print(trace, "\n-----------------------------------------------------------------------------\n\n");
    k->taints |= TAINT_BAD_PAGE;
}

void slub_fix(struct kmalloc *k, const struct cache *cache, const char *format, ...)
{
    va_list args;
    trace_print(k->trace, "FIX %s: ", cache->name);
    va_start(args, format);
    trace_print_v(k->trace, format, args);
    va_end(args);
    trace_print(k->trace, "\n");
}

void slub_object_bug(struct kmalloc *k, const struct slab *slab, uint64_t address, const char *what)
{
    slub_bug(k, cache_at(k, slab->cache), "%s", what);
    slub_say_object(k, slab, address);
}

void slub_say_slab(struct kmalloc *k, const struct slab *slab)
{
    /* The zone follows from where the frame lies, as on every x86-64 machine. */
    uint64_t zone = slab->pfn < 4096 ? 0 : slab->pfn < (1u << 20) ? 1 : 2;
    uint64_t flags = zone << ZONE_SHIFT | LAST_CPUPID | PG_SLAB | (slab->order ? PG_HEAD : 0);
    trace_print(k->trace,
                "Slab 0x%016jx objects=%u used=%u fp=0x%016jx flags=0x%jx(slab%s|node=0|zone=%ju|lastcpupid=0x1fffff)\n",
                VMEMMAP + (uint64_t)slab->pfn * 64, slab->objects, slab->inuse,
                slab_free_word(k, cache_at(k, slab->cache), slab), flags, slab->order ? "|head" : "", zone);
}

static void slub_say_line(struct kmalloc *k, const char *title, uint64_t physical, uint32_t length)
{
    uint8_t bytes[LINE];
    char hex[3 * LINE + 1], text[LINE + 1] = { 0 };
    struct text_out out = { .start = hex, .capacity = sizeof hex };
    frame_read(k->frames, physical, bytes, length);
    for (uint32_t i = 0; i < length; i++) {
        text_add(&out, "%02x ", bytes[i]);
        text[i] = bytes[i] >= ' ' && bytes[i] < 127 ? (char)bytes[i] : '.';
    }
    trace_print(k->trace, "%s%016jx: %-48s %s\n", title, k->frames->page_offset + physical, hex, text);
}

void slub_say_section(struct kmalloc *k, const char *title, uint64_t physical, uint32_t length)
{
    uint32_t shown = length < DUMP_MAX ? length : DUMP_MAX;
    for (uint32_t at = 0; at < shown; at += LINE)
        slub_say_line(k, title, physical + at, shown - at < LINE ? shown - at : LINE);
    if (shown < length)
        trace_print(k->trace, "%s... %u bytes more\n", title, length - shown);
}

struct stored_track { /* a track in the bytes behind an object */
    uint64_t call_site;
    uint32_t stack, cpu, pid, unused;
    uint64_t when; /* jiffies */
};
_Static_assert(sizeof(struct stored_track) == TRACK_BYTES, "as large as Linux's struct track");

const char *slub_call_site_text(const struct kmalloc *k, uint64_t address, char digits[POINTER_TEXT_MAX])
{
    uint64_t index = (address - KERNEL_TEXT) / 16;
    struct name_ref call_site = { (uint32_t)index };
    if (index && index < k->names->pool.nr_used && address == slub_call_site_address(call_site))
        return name_text(k->names, call_site);
    text_print(digits, POINTER_TEXT_MAX, "0x%016jx", address);
    return digits;
}

void slub_write_track(struct kmalloc *k, const struct cache *cache, uint64_t physical, enum track_kind kind,
                      struct name_ref call_site)
{
    const struct trace *trace = k->trace;
    struct stored_track track = { .call_site = slub_call_site_address(call_site), .cpu = trace->cpu, .pid = trace->pid };
    track.when = trace->now_ns / NS_PER_JIFFY;
    frame_write(k->frames, physical + slub_tracks_at(cache) + (uint32_t)kind * TRACK_BYTES, &track, sizeof track);
}

static void slub_say_track(struct kmalloc *k, const char *what, uint64_t physical)
{
    struct stored_track track;
    char digits[POINTER_TEXT_MAX];
    frame_read(k->frames, physical, &track, sizeof track);
    if (track.call_site)
        trace_print(k->trace, "%s in %s age=%ju cpu=%u pid=%u\n", what, slub_call_site_text(k, track.call_site, digits),
                    k->trace->now_ns / NS_PER_JIFFY - track.when, track.cpu, track.pid);
}

void slub_say_tracks(struct kmalloc *k, const struct cache *cache, uint64_t address)
{
    uint64_t tracks = address - k->frames->page_offset + slub_tracks_at(cache);
    if (!(cache->flags & SLAB_STORE_USER))
        return;
    slub_say_track(k, "Allocated", tracks);
    slub_say_track(k, "Freed", tracks + TRACK_BYTES);
}

void slub_say_object(struct kmalloc *k, const struct slab *slab, uint64_t address)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint64_t at = address - k->frames->page_offset, start = (uint64_t)slab->pfn << PAGE_SHIFT;
    uint32_t padding = slub_padding_at(cache), end = cache->size - cache->red_left;
    slub_say_tracks(k, cache, address);
    slub_say_slab(k, slab);
    trace_print(k->trace, "Object 0x%016jx @offset=%ju fp=0x%016jx\n\n", address, at - start,
                frame_read64(k->frames, at + cache->offset));
    if (cache->flags & SLAB_RED_ZONE)
        slub_say_section(k, "Redzone  ", at - cache->red_left, cache->red_left);
    else if (at > start + LINE)
        slub_say_section(k, "Bytes b4 ", at - LINE, LINE);
    slub_say_section(k, "Object   ", at, cache->object_size);
    if (cache->flags & SLAB_RED_ZONE)
        slub_say_section(k, "Redzone  ", at + cache->object_size, cache->inuse - cache->object_size);
    if (padding != end)
        slub_say_section(k, "Padding  ", at + padding, end - padding);
}

void slub_say_remaining(struct kmalloc *k, const struct slab *slab)
{
    const struct cache *cache = cache_at(k, slab->cache);
    slub_bug(k, cache, "Objects remaining in %s on __kmem_cache_shutdown()", cache->name);
    slub_say_slab(k, slab);
    for (uint32_t object = 0; object < slab->objects; object++) {
        uint64_t address = object_address(k, cache, slab, object);
        if (!track_at(k, slab, object)->live)
            continue;
        trace_print(k->trace, "Object 0x%016jx @offset=%ju\n", address, address - frame_address(k->frames, slab->pfn));
        slub_say_tracks(k, cache, address);
    }
}
