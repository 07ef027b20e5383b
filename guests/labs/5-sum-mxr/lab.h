/* Lab 5: what student.c is asked for. It runs in S-mode, in a space with pages for both. */
#ifndef GUESTS_LABS_5_SUM_MXR_LAB_H
#define GUESTS_LABS_5_SUM_MXR_LAB_H

#include "guests/lib/csr.h"
#include "guests/lib/paging.h"

/** Yours: copy @bytes bytes from the user's memory at @from. sstatus is then as it was. */
void copy_from_user(uint8_t *to, const uint8_t *from, uint64_t bytes);

/** Yours: read the instruction at @at, in a user's page with X alone; sstatus likewise. */
uint32_t read_code(const uint32_t *at);

enum access { FETCH, LOAD, STORE };

/** Yours: whether a leaf with flags @flags (V, A and D are set) allows @access. */
bool may(uint64_t flags, enum access access, bool user, uint64_t sstatus);

#endif
