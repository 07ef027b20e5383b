/*
 * Lab 9: what student.c is given, and what it is asked for: the G-stage of a hypervisor. The check
 * is the rest of it: it puts hgatp and hstatus as you say, enters the guest, and calls g_fault()
 * when that comes back with a guest page fault.
 */
#ifndef GUESTS_LABS_9_HYPERVISOR_LAB_H
#define GUESTS_LABS_9_HYPERVISOR_LAB_H

#include "guests/lib/csr.h"
#include "guests/lib/paging.h"

#define CAUSE_FETCH_GUEST_PAGE 20
#define CAUSE_LOAD_GUEST_PAGE  21
#define CAUSE_STORE_GUEST_PAGE 23

#define HGATP_MODE_SV39X4 8ul
#define HGATP_MODE_SHIFT  60
#define HSTATUS_SPV	  (1ul << 7) /* sret goes to V=1 */
#define HSTATUS_SPVP	  (1ul << 8)

/* A zeroed page for a table. */
uint64_t *given_page(void);

/* The host page behind guest page @gpa; 0: the guest has none there. Whether it may be stored to.
 */
uint64_t given_host_page(uint64_t gpa);
bool given_is_writable(uint64_t gpa);

/** Yours: what hgatp is to be for the table at @root (16 KiB, at a multiple of that); VMID 0. */
uint64_t hgatp_of(const uint64_t *root);

/** Yours: what hstatus is to be, so that sret enters the guest's kernel. @now is what it is. */
uint64_t hstatus_of_guest(uint64_t now);

/** Yours: map the 4 KiB page @gpa to @hpa in the Sv39x4 table at @root, for R, W and X in @rights.
 */
void g_map(uint64_t *root, uint64_t gpa, uint64_t hpa, uint64_t rights);

/**
 * Yours: the guest took a guest page fault, @cause. htval is the guest physical address >> 2.
 * Map what the guest has there. Returns whether it can go on; not where it has nothing there, or
 * where it stored to what isn't writable. Pages that aren't writable are mapped without W.
 */
bool g_fault(uint64_t *root, uint64_t cause, uint64_t htval);

#endif
