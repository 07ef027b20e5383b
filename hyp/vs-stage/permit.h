/*
 * Which leaf entries allow which access: the permission rules of the VS-stage, as one table.
 *
 * Source: privileged specification, "Addressing and Memory Protection" and "Supervisor Status
 * Register" (SUM, MXR).
 */
#ifndef HYP_VS_STAGE_PERMIT_H
#define HYP_VS_STAGE_PERMIT_H

#include "hyp/vs-stage/walk.h"

/* The bit among PTE_R, PTE_W and PTE_X that an access needs. */
static const uint8_t permit_right_for[] = {
	[ACCESS_FETCH] = PTE_X, [ACCESS_LOAD] = PTE_R, [ACCESS_STORE] = PTE_W
};

/**
 * The accesses that valid leaf @e lets regime @r make, as the sum of those bits. A and D are not
 * looked at.
 */
uint8_t permit_rights(pte_t e, const struct regime *r);

/**
 * The same of one access.
 */
bool permit(pte_t e, const struct regime *r, enum access want);

#endif
