/*
 * Telling harts that a G-stage table changed. For hyp/g-stage/ alone; see fence.c.
 */
#ifndef HYP_G_STAGE_FENCE_H
#define HYP_G_STAGE_FENCE_H

#include "hyp/g-stage/gstage.h"

/**
 * Returns when no hart holds a translation of [@at, @at + @bytes) older than the table's stores
 * before this call, nor stale instructions from the memory that stood there.
 */
void gstage_fence(struct gstage *gs, gpa_t at, uint64_t bytes);

#endif
