/* What slub_debug says: the words and the layout of mm/slub.c's slab_bug(), print_trailer() and their relatives, put
 * together from what stands in the simulated bytes. An object's dump shows a hundred bytes or so; Linux prints up to a
 * page. */
#include "alloc/slab/slub.h"

#include <string.h>

#define DUMP_MAX 128u /* bytes of one section */
#define LINE 16u
#define VMEMMAP UINT64_C(0xffffea0000000000) /* where struct page of pfn 0 stands; 64 bytes each */
#define PG_SLAB UINT64_C(0x200)
#define PG_HEAD UINT64_C(0x10000)
#define LAST_CPUPID (UINT64_C(0x1fffff) << 30)
#define ZONE_SHIFT 51u
#define NS_PER_JIFFY 4000000u /* CONFIG_HZ=250 */

static void slub_say_taints(struct kmalloc *k)
{
    char flags[] = "G                  "; /* a letter a taint, each in its place */
    if (!k->taints) {
        trace_say(k->trace, "Not tainted");
        return;
    }
    flags[5] = k->taints & TAINT_BAD_PAGE ? 'B' : ' ';
    flags[9] = k->taints & TAINT_WARN ? 'W' : ' ';
    trace_say(k->trace, "Tainted: ");
    trace_say(k->trace, flags);
}

void slub_bug_open(struct kmalloc *k, const struct cache *cache)
{
    struct trace *trace = k->trace;
    if (trace->message_length && trace->message[trace->message_length - 1] != '\n')
        trace_say(trace, "\n");
    trace_bug(trace, "=============================================================================\nBUG ");
    trace_say(trace, cache->name);
    trace_say(trace, " (");
    slub_say_taints(k);
    trace_say(trace, "): ");
}

void slub_bug_close(struct kmalloc *k)
{
    trace_say(k->trace, "\n-----------------------------------------------------------------------------\n\n");
    k->taints |= TAINT_BAD_PAGE;
}

void slub_fix_open(struct kmalloc *k, const struct cache *cache)
{
    trace_say(k->trace, "FIX ");
    trace_say(k->trace, cache->name);
    trace_say(k->trace, ": ");
}

void slub_fix(struct kmalloc *k, const struct cache *cache, const char *what)
{
    slub_fix_open(k, cache);
    trace_say(k->trace, what);
    trace_say(k->trace, "\n");
}

void slub_object_bug(struct kmalloc *k, const struct slab *slab, uint64_t address, const char *what)
{
    slub_bug_open(k, cache_at(k, slab->cache));
    trace_say(k->trace, what);
    slub_bug_close(k);
    slub_say_object(k, slab, address);
}

/* page->flags in words; the zone is told by where the frame lies, as on every x86-64 machine. */
static void slub_say_page_flags(struct trace *trace, const struct slab *slab)
{
    uint64_t zone = slab->pfn < 4096 ? 0 : slab->pfn < (1u << 20) ? 1 : 2;
    trace_say(trace, "0x");
    trace_say_hex(trace, zone << ZONE_SHIFT | LAST_CPUPID | PG_SLAB | (slab->order ? PG_HEAD : 0));
    trace_say(trace, slab->order ? "(slab|head|node=0|zone=" : "(slab|node=0|zone=");
    trace_say_number(trace, zone);
    trace_say(trace, "|lastcpupid=0x1fffff)");
}

void slub_say_slab(struct kmalloc *k, const struct slab *slab)
{
    struct trace *trace = k->trace;
    const struct cache *cache = cache_at(k, slab->cache);
    trace_say(trace, "Slab ");
    kmalloc_say_pointer(trace, VMEMMAP + (uint64_t)slab->pfn * 64);
    trace_say(trace, " objects=");
    trace_say_number(trace, slab->objects);
    trace_say(trace, " used=");
    trace_say_number(trace, slab->inuse);
    trace_say(trace, " fp=");
    kmalloc_say_pointer(trace, slab_free_word(k, cache, slab));
    trace_say(trace, " flags=");
    slub_say_page_flags(trace, slab);
    trace_say(trace, "\n");
}

static void slub_say_line(struct kmalloc *k, const char *title, uint64_t physical, uint32_t length)
{
    struct trace *trace = k->trace;
    uint8_t bytes[LINE];
    char text[LINE + 1] = { 0 };
    frame_read(k->frames, physical, bytes, length);
    trace_say(trace, title);
    trace_say_hex_wide(trace, k->frames->page_offset + physical, 16);
    trace_say(trace, ": ");
    for (uint32_t i = 0; i < LINE; i++) {
        if (i < length)
            trace_say_hex_wide(trace, bytes[i], 2);
        trace_say(trace, i < length ? " " : "   ");
    }
    for (uint32_t i = 0; i < length; i++)
        text[i] = bytes[i] >= ' ' && bytes[i] < 127 ? (char)bytes[i] : '.';
    trace_say(trace, " ");
    trace_say(trace, text);
    trace_say(trace, "\n");
}

void slub_say_section(struct kmalloc *k, const char *title, uint64_t physical, uint32_t length)
{
    uint32_t shown = length < DUMP_MAX ? length : DUMP_MAX;
    for (uint32_t at = 0; at < shown; at += LINE)
        slub_say_line(k, title, physical + at, shown - at < LINE ? shown - at : LINE);
    if (shown == length)
        return;
    trace_say(k->trace, title);
    trace_say(k->trace, "... ");
    trace_say_number(k->trace, length - shown);
    trace_say(k->trace, " bytes more\n");
}

struct stored_track { /* a track as it stands in the bytes */
    uint64_t call_site;
    uint32_t stack, cpu, pid, unused;
    uint64_t when; /* jiffies */
};
_Static_assert(sizeof(struct stored_track) == TRACK_BYTES, "as large as Linux's struct track");

/* Call sites have no addresses here: each word has one made up for it, 16 bytes apart in the kernel's text. */
static uint64_t slub_call_site_address(struct name_ref call_site)
{
    return KERNEL_TEXT + (uint64_t)call_site.index * 16;
}
static void slub_say_call_site(struct kmalloc *k, uint64_t address)
{
    uint64_t index = (address - KERNEL_TEXT) / 16;
    struct name_ref call_site = { (uint32_t)index };
    if (index && index < k->names->pool.nr_used && address == slub_call_site_address(call_site))
        trace_say(k->trace, name_text(k->names, call_site));
    else
        kmalloc_say_pointer(k->trace, address);
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
    struct trace *trace = k->trace;
    struct stored_track track;
    frame_read(k->frames, physical, &track, sizeof track);
    if (!track.call_site)
        return;
    trace_say(trace, what);
    trace_say(trace, " in ");
    slub_say_call_site(k, track.call_site);
    trace_say(trace, " age=");
    trace_say_number(trace, trace->now_ns / NS_PER_JIFFY - track.when);
    trace_say(trace, " cpu=");
    trace_say_number(trace, track.cpu);
    trace_say(trace, " pid=");
    trace_say_number(trace, track.pid);
    trace_say(trace, "\n");
}

void slub_say_tracks(struct kmalloc *k, const struct cache *cache, uint64_t address)
{
    uint64_t tracks = address - k->frames->page_offset + slub_tracks_at(cache);
    if (!(cache->flags & SLAB_STORE_USER))
        return;
    slub_say_track(k, "Allocated", tracks);
    slub_say_track(k, "Freed", tracks + TRACK_BYTES);
}

static void slub_say_place(struct kmalloc *k, const struct slab *slab, uint64_t address)
{
    trace_say(k->trace, "Object ");
    kmalloc_say_pointer(k->trace, address);
    trace_say(k->trace, " @offset=");
    trace_say_number(k->trace, address - frame_address(k->frames, slab->pfn));
}

void slub_say_object(struct kmalloc *k, const struct slab *slab, uint64_t address)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint64_t at = address - k->frames->page_offset, start = (uint64_t)slab->pfn << PAGE_SHIFT;
    uint32_t padding = slub_padding_at(cache), end = cache->size - cache->red_left;
    slub_say_tracks(k, cache, address);
    slub_say_slab(k, slab);
    slub_say_place(k, slab, address);
    trace_say(k->trace, " fp=");
    kmalloc_say_pointer(k->trace, frame_read64(k->frames, at + cache->offset));
    trace_say(k->trace, "\n\n");
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
    slub_bug_open(k, cache);
    trace_say(k->trace, "Objects remaining in ");
    trace_say(k->trace, cache->name);
    trace_say(k->trace, " on __kmem_cache_shutdown()");
    slub_bug_close(k);
    slub_say_slab(k, slab);
    for (uint32_t object = 0; object < slab->objects; object++) {
        if (!track_at(k, slab, object)->live)
            continue;
        slub_say_place(k, slab, object_address(k, cache, slab, object));
        trace_say(k->trace, "\n");
        slub_say_tracks(k, cache, object_address(k, cache, slab, object));
    }
}
