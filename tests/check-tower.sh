#!/bin/sh
# The floors of alloc/, bottom up: a file may include the headers of its own floor and of floors below. Public headers stand
# below everything. A file that belongs to no floor is an error, so that new files get their place.
set -eu
floor_of() {
    case $1 in
    pool | trace | vmstat | label | rbtree | names | gfp | op | config) echo 1 ;;
    frame) echo 2 ;;
    page_alloc* | zone | buddy | pcp | fallback | state_dump) echo 3 ;;
    pte | tlb) echo 3 ;;
    reclaim* | lru | swap | compaction | oom | show_mem) echo 4 ;;
    pgtable*) echo 5 ;;
    kmalloc* | slab* | slub* | bucket) echo 6 ;;
    vmalloc* | vmap_area) echo 7 ;;
    process* | vma | vma_tree | fault) echo 7 ;;
    malloc*) echo 8 ;;
    machine* | view_* | procfs*) echo 9 ;;
    *) echo 0 ;;
    esac
}
bad=0
for file in alloc/*.c alloc/*.h; do
    name=$(basename "$file" | sed 's/\.[ch]$//')
    own=$(floor_of "$name")
    [ "$own" != 0 ] || { echo "$file: has no floor in tests/check-tower.sh"; bad=1; }
    for header in $(sed -n 's/^#include "alloc\/\(.*\)\.h"$/\1/p' "$file"); do
        [ "$(floor_of "$header")" -le "$own" ] || { echo "$file: includes alloc/$header.h, a floor above"; bad=1; }
    done
    if grep -nE '^#include "(server|web|tests)/' "$file"; then bad=1; fi
done
for file in server/*.c server/*.h; do
    if grep -nE '^#include "alloc/' "$file"; then echo "$file: the engine's only door is include/pagoda"; bad=1; fi
done
exit $bad
