/* truth --boot: boots machines of the sizes that are asked for, and prints what each zone became. tests/truth/boot_model.py
 * works the same lines out independently. In: "PAGES CPUS CMDLINE_LENGTH" a line; out: the same with the zones behind it.
 */
#include "alloc/page/zone.h"
#include "tests/lib/floor_fixture.h"
#include "tests/truth/truth.h"

#include <inttypes.h>
#include <stdio.h>

static void print_zone(const struct zone *zone)
{
    const uint32_t *reserve = zone->lowmem_reserve;
    printf(" | %s %u %u %u %u %u %u %u %u %u %u", zone->name, zone->spanned, zone->present, zone->managed, zone->min,
           zone->low, zone->high, zone->pageset_high, zone->pageset_batch, zone->stat_threshold, zone->drift_mark);
    printf(" %u,%u,%u,%u", reserve[0], reserve[1], reserve[2], reserve[3]);
}

static bool boot_one(const char *line)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1 };
    uint64_t nr_pages;
    if (sscanf(line, "%" SCNu64 " %" SCNu32 " %" SCNu32, &nr_pages, &config.cpus, &config.cmdline_length) != 3)
        return false;
    config.memory = nr_pages << PAGE_SHIFT;
    if (machine_config_complete(&config, NULL))
        return false;
    struct page_floor *floor = page_floor_open(&config);
    char why[256] = "";
    bool is_sound = floor && page_alloc_check(&floor->pages, why, sizeof why);
    printf("%" PRIu64 " %" PRIu32 " %" PRIu32, nr_pages, config.cpus, config.cmdline_length);
    for (uint32_t i = 0; is_sound && i < floor->pages.nr_zones; i++)
        print_zone(&floor->pages.zones[i]);
    printf("%s\n", is_sound ? "" : floor ? why : " the host has no memory");
    page_floor_close(floor);
    return true;
}

int truth_boot_machines(void)
{
    char line[256];
    while (fgets(line, sizeof line, stdin))
        if (!boot_one(line)) {
            fprintf(stderr, "truth --boot: not PAGES CPUS CMDLINE_LENGTH: %s", line);
            return 2;
        }
    return 0;
}
