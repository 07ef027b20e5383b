/*
 * What a guest's harts can do: the extensions of the host that work in a VM, less what its
 * description hides; and the switches that make the hardware agree with what is shown.
 */
#ifndef HYP_VCPU_ISA_H
#define HYP_VCPU_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISA_STRING_MAX 512
#define ISA_NAME_MAX   32

struct isa {
	char string[ISA_STRING_MAX]; /* for riscv,isa: "rv64imafdc_zicsr_..." */
	uint64_t henvcfg;	     /* what the extensions shown need there */
	uint64_t hstateen0;
	bool has_sstc;	   /* the guest uses stimecmp directly */
	bool has_f, has_v; /* floating-point, vector state: exists and is switched */
	uint64_t hcounteren;
	bool host_has_stateen;
	bool host_has_svnapot; /* there is no switch: with H any guest has it, shown or not */
	bool has_svnapot, has_svpbmt, has_svinval;
	bool adue; /* hardware sets A and D for this guest */
};

/* What of henvcfg sticks on a core with H: OpenSBI's menvcfg may hold bits back. No guest is loaded. */
uint64_t isa_probe_henvcfg(void);

/**
 * Work out the guest's ISA from the host's ISA string @from.
 * @mask: names of extensions to hide, each ended by 0, @mask_bytes in all; may be NULL.
 * @can: what can be switched on for it, as henvcfg has it: an extension that needs more is hidden.
 * Without H there is no henvcfg, and .henvcfg merely tells what the guest was shown.
 */
void isa_init(struct isa *isa, const char *from, const char *mask, size_t mask_bytes, uint64_t can);

/**
 * The extensions that ISA string @isa names, one after the other.
 * @at: 0 for the first, then what the last call returned; 0 is returned after the last.
 * @name: gets the name, at least ISA_NAME_MAX bytes; a longer one is cut.
 */
size_t isa_next(const char *isa, size_t at, char *name);

#endif
