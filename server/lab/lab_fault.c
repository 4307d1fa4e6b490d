/* server/lab/lab_fault.c - labs whose machine broke down. The machine is thrown away, and made anew from the log when the
 * lab is next wanted. After FAULTS_MAX faults with no operation between that went well, the lab rests until somebody asks
 * for it: what breaks it may be in its log. */
#include "server/lab/lab_internal.h"

#include <stdio.h>

#define FAULTS_MAX 3u

void lab_count_fault(struct lab *lab)
{
    if (atomic_fetch_add(&lab->nr_faults, 1) + 1 == FAULTS_MAX)
        fprintf(stderr, "pagodad: lab %s: %u faults in a row: it rests until POST /labs/%s/wake\n", lab->row.id, FAULTS_MAX,
                lab->row.id);
}

void lab_broke(struct lab_hold *hold)
{
    struct past *past = hold->past;
    if (past) {
        machine_destroy(past->machine);
        *past = (struct past){ 0 };
        hold->machine = NULL;
    } else {
        atomic_store(&hold->lab->is_broken, true); /* dropped before the next turn: this one may hold pointers into it */
    }
    lab_count_fault(hold->lab);
}

uint32_t lab_nr_faults(const struct lab *lab)
{
    return atomic_load(&lab->nr_faults);
}

bool lab_is_quarantined(const struct lab *lab)
{
    return lab_nr_faults(lab) >= FAULTS_MAX;
}

void lab_forgive(struct lab *lab)
{
    atomic_store(&lab->nr_faults, 0);
}
