/* server/base/plant.h - faults that are planted, for tests. There are some only in checked builds (PAGODA_CHECKED), and
 * when PAGODA_PLANT is in the environment: a mark whose text is one of those in plant.c brings its fault about. */
#pragma once
#include "pagoda/machine.h"

#ifdef PAGODA_CHECKED
void plant_fault(struct machine *machine, const struct op *op);
void plant_fault_in_look(const struct machine *machine);
bool plant_refuses_memory(void); /* does the host refuse to commit? */
#else
static inline void plant_fault(struct machine *machine, const struct op *op)
{
    (void)machine;
    (void)op;
}
static inline void plant_fault_in_look(const struct machine *machine)
{
    (void)machine;
}
static inline bool plant_refuses_memory(void)
{
    return false;
}
#endif
