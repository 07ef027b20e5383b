/*
 * Lab 8: what student.c is given, and what it is asked for. Tables lie in real memory; all leaves
 * allow everything, permissions are no subject here.
 */
#ifndef GUESTS_LABS_8_WALK_LAB_H
#define GUESTS_LABS_8_WALK_LAB_H

#include "guests/lib/paging.h"

struct stages {
	unsigned vs_levels; /* 3, 4, 5: Sv39, Sv48, Sv57 */
	uint64_t vs_root;   /* guest physical */
	unsigned g_levels;  /* 3, 4, 5: Sv39x4, ... */
	uint64_t g_root;    /* host physical */
};

/* The 8 bytes at host physical @hpa: one memory reference. The check writes down each. */
uint64_t given_read(uint64_t hpa);

/** Yours: the host physical address of guest physical @gpa, by the references a hart makes. */
uint64_t walk_gstage(const struct stages *s, uint64_t gpa);

/** Yours: that of guest virtual @gva. */
uint64_t walk_both(const struct stages *s, uint64_t gva);

/**
 * Yours: how many references walk_both() makes where the VS-stage's leaf is at @vs_leaf (0: 4 KiB,
 * 1: 2 MiB, ...) and all leaves of the G-stage at @g_leaf. No reading here.
 */
unsigned count(unsigned vs_levels, unsigned vs_leaf, unsigned g_levels, unsigned g_leaf);

#endif
