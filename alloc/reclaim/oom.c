/* The OOM killer. Linux v6.1 mm/oom_kill.c. It kills the process whose death gives back the most memory: resident pages,
 * swapped pages and page tables count (oom_score_adj is 0 for all). The victim's pages are reaped at once. When the victim
 * is the process that asks, it may use the reserves instead. The machine ends the process after the operation.
 *
 * Linux 2.0 does not choose: there the process dies that could not get its page. */
#include "alloc/reclaim/reclaim_internal.h"

static struct reclaim_task oom_task_of(const struct reclaim *reclaim, struct space_ref space)
{
    return reclaim->task_of ? reclaim->task_of(reclaim->world, space) : (struct reclaim_task){ .name = "" };
}

static uint64_t oom_entry_slot(const struct profile *profile, uint32_t table, uint32_t index)
{
    return ((uint64_t)table << PAGE_SHIFT) + (uint64_t)index * (profile->word_bits / 8);
}

/* Entries of a table of that level that belong to user space. Of the top table it is the lower part. */
static uint32_t oom_nr_user_entries(const struct profile *profile, uint32_t level)
{
    uint32_t nr = 1u << profile->pgtable_bits;
    uint32_t shift = PAGE_SHIFT + (profile->pgtable_levels - 1) * profile->pgtable_bits;
    uint64_t user = (profile->user_end + (UINT64_C(1) << shift) - 1) >> shift;
    return level == 0 && user < nr ? (uint32_t)user : nr;
}

/* Tables below the top one, as mm_pgtables_bytes() counts them. */
static uint64_t oom_count_tables(const struct reclaim *reclaim, uint32_t table, uint32_t level)
{
    const struct profile *profile = reclaim->profile;
    uint64_t nr = 0;
    if (level + 1 == profile->pgtable_levels || !frame_peek(reclaim->frames, table))
        return 0;
    for (uint32_t i = 0; i < oom_nr_user_entries(profile, level); i++) {
        uint64_t entry = pte_load(reclaim->frames, profile, oom_entry_slot(profile, table, i));
        if (entry & PTE_PRESENT)
            nr += 1 + oom_count_tables(reclaim, pte_pfn(entry), level + 1);
    }
    return nr;
}

static uint64_t oom_nr_tables(const struct reclaim *reclaim, const struct reclaim_space *space)
{
    return oom_count_tables(reclaim, space->root, 0);
}

static bool oom_is_candidate(const struct reclaim_space *space)
{
    return space->root && !space->oom_victim;
}

/* oom_badness() */
static uint64_t oom_badness(const struct reclaim *reclaim, const struct reclaim_space *space)
{
    return space->rss_pages + space->swap_pages + oom_nr_tables(reclaim, space);
}

/* select_bad_process(): the worst. Of two alike, the younger one. */
static struct space_ref oom_choose_victim(const struct reclaim *reclaim)
{
    struct space_ref victim = SPACE_NONE;
    uint64_t worst = 0;
    for (struct space_ref i = { 1 }; i.index < reclaim->spaces.nr_used; i.index++) {
        const struct reclaim_space *space = reclaim_space_at(reclaim, i);
        uint64_t points = oom_is_candidate(space) ? oom_badness(reclaim, space) : 0;
        bool is_younger = victim.index && points == worst && space->pid > reclaim_space_at(reclaim, victim)->pid;
        if (points && (points > worst || is_younger)) {
            worst = points;
            victim = i;
        }
    }
    for (struct space_ref i = { 1 }; reclaim->trace->recording && i.index < reclaim->spaces.nr_used; i.index++)
        if (oom_is_candidate(reclaim_space_at(reclaim, i)))
            TRACE_EVENT(reclaim->trace, .kind = EV_OOM_BADNESS, .pid = reclaim_space_at(reclaim, i)->pid,
                        .a = oom_badness(reclaim, reclaim_space_at(reclaim, i)), .ok = i.index == victim.index);
    return victim;
}

/* --- the report --- */

/* dump_task(). uid: root. */
static void oom_print_task(struct reclaim *reclaim, struct space_ref index)
{
    const struct reclaim_space *space = reclaim_space_at(reclaim, index);
    struct reclaim_task task = oom_task_of(reclaim, index);
    trace_print(reclaim->trace, "[%7u] %5u %5u %8ju %8ju %8ju %8ju %13u %s\n", space->pid, 0u, space->pid, task.total_vm,
                space->rss_pages, oom_nr_tables(reclaim, space) * PAGE_SIZE, space->swap_pages, 0u, task.name);
}

/* dump_header(), without the call trace */
static void oom_print_header(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    char names[512];
    gfp_format(gfp, "", names, sizeof names);
    trace_print(reclaim->trace, "%s invoked oom-killer: gfp_mask=0x%x(%s), order=%u, oom_score_adj=0\n",
                show_task_name(reclaim), gfp, names, order);
    show_mem(reclaim);
    trace_print(reclaim->trace, "Tasks state (memory values in pages):\n"
                                "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n");
    for (struct space_ref i = { 1 }; i.index < reclaim->spaces.nr_used; i.index++)
        if (oom_is_candidate(reclaim_space_at(reclaim, i)))
            oom_print_task(reclaim, i);
}

/* dump_oom_summary() and __oom_kill_process() */
static void oom_print_killed(struct reclaim *reclaim, struct space_ref victim)
{
    const struct reclaim_space *space = reclaim_space_at(reclaim, victim);
    struct reclaim_task task = oom_task_of(reclaim, victim);
    trace_print(reclaim->trace,
                "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,"
                "task=%s,pid=%u,uid=0\n",
                task.name, space->pid);
    trace_print(reclaim->trace,
                "Out of memory: Killed process %u (%s) total-vm:%jukB, anon-rss:%jukB, file-rss:0kB, shmem-rss:0kB, UID:0 "
                "pgtables:%jukB oom_score_adj:0\n",
                space->pid, task.name, pages_kb(task.total_vm), pages_kb(space->rss_pages),
                pages_kb(oom_nr_tables(reclaim, space)));
}

/* --- the deed --- */

static void oom_drop_entry(struct reclaim *reclaim, struct space_ref victim, uint64_t slot)
{
    struct reclaim_space *space = reclaim_space_at(reclaim, victim);
    uint64_t entry = pte_load(reclaim->frames, reclaim->profile, slot);
    bool is_present = (entry & PTE_PRESENT) != 0;
    if (!entry || (is_present && frame_at(reclaim->frames, pte_pfn(entry))->kind != FRAME_ANON))
        return; /* the zero page */
    pte_store(reclaim->frames, reclaim->profile, slot, 0);
    if (is_present) {
        space->rss_pages--;
        reclaim_drop_mapping(reclaim, pte_pfn(entry), victim);
    } else {
        space->swap_pages--;
        reclaim_put_slot(reclaim, pte_pfn(entry));
    }
}

/* What the OOM reaper and the end of the process do: its pages and swap slots are given back; the tables follow when the
 * machine ends it. */
static void oom_reap(struct reclaim *reclaim, struct space_ref victim, uint32_t table, uint32_t level)
{
    const struct profile *profile = reclaim->profile;
    for (uint32_t i = 0; i < oom_nr_user_entries(profile, level) && frame_peek(reclaim->frames, table); i++) {
        uint64_t slot = oom_entry_slot(profile, table, i);
        if (level + 1 == profile->pgtable_levels)
            oom_drop_entry(reclaim, victim, slot);
        else if (pte_load(reclaim->frames, profile, slot) & PTE_PRESENT)
            oom_reap(reclaim, victim, pte_pfn(pte_load(reclaim->frames, profile, slot)), level + 1);
    }
}

static void oom_kill_space(struct reclaim *reclaim, struct space_ref victim)
{
    struct reclaim_space *space = reclaim_space_at(reclaim, victim);
    bool is_current = space->pid == reclaim->trace->pid;
    space->oom_victim = 1;
    reclaim->nr_oom_kills++;
    reclaim_count(reclaim, VM_oom_kill, 1);
    uint64_t rss = space->rss_pages;
    space->generation++; /* no access goes on by what was found before */
    if (!is_current) {
        oom_reap(reclaim, victim, space->root, 0);
        page_alloc_drain_all(reclaim->pages); /* what it gave back is there for everybody */
    }
    TRACE_EVENT(reclaim->trace, .kind = EV_OOM_KILL, .pid = space->pid, .count = (uint32_t)(rss - space->rss_pages));
}

static struct space_ref oom_find_space(const struct reclaim *reclaim, uint32_t pid)
{
    for (struct space_ref i = { 1 }; pid && i.index < reclaim->spaces.nr_used; i.index++)
        if (reclaim_space_at(reclaim, i)->root && reclaim_space_at(reclaim, i)->pid == pid)
            return i;
    return SPACE_NONE;
}

bool oom_is_victim(const struct reclaim *reclaim, uint32_t pid)
{
    struct space_ref space = oom_find_space(reclaim, pid);
    return space.index && reclaim_space_at(reclaim, space)->oom_victim;
}

bool oom_kill(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    trace_step(reclaim->trace, PATH_out_of_memory);
    struct space_ref victim = oom_choose_victim(reclaim);
    oom_print_header(reclaim, gfp, order);
    if (!victim.index) {
        trace_print(reclaim->trace, "Out of memory and no killable processes...\n"
                                    "Kernel panic - not syncing: System is deadlocked on memory\n");
        return false;
    }
    oom_print_killed(reclaim, victim);
    oom_kill_space(reclaim, victim);
    return true;
}

bool oom_kill_current(struct reclaim *reclaim)
{
    struct space_ref victim = oom_find_space(reclaim, reclaim->trace->pid);
    if (!victim.index || reclaim_space_at(reclaim, victim)->oom_victim)
        return false;
    trace_print(reclaim->trace, "Out of memory for %s.\n", oom_task_of(reclaim, victim).name);
    oom_kill_space(reclaim, victim);
    return true;
}
