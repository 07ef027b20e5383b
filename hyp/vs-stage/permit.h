/*
 * Which leaf entries allow which access: the permission rules of the VS-stage, as one table.
 *
 * Source: privileged specification, "Addressing and Memory Protection" and "Supervisor Status
 * Register" (SUM, MXR).
 */
#ifndef HYP_VS_STAGE_PERMIT_H
#define HYP_VS_STAGE_PERMIT_H

#include "hyp/vs-stage/walk.h"

/**
 * Whether valid leaf @e lets regime @r make access @want. A and D are not looked at.
 */
bool permit(pte_t e, const struct regime *r, enum access want);

#endif
