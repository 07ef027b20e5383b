/*
 * Floating-point and vector state of a guest hart. It stays in the hart's registers until another
 * vcpu needs them, and is written to memory only if the guest has changed it since (FS, VS dirty).
 */
#ifndef HYP_VCPU_FP_H
#define HYP_VCPU_FP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* hyp/vcpu/fp_state.S knows the offsets. */
struct fp_state {
	uint64_t f[32];
	uint64_t fcsr;
	uint64_t vstart, vcsr, vl, vtype;
	uint64_t v[]; /* 32 registers of vlenb bytes each, where the guest has V */
};

struct vcpu;

/* Once, on the boot hart, before any vcpu is loaded; @has_v: whether the core has the V extension. */
void fp_probe(bool has_v);

/* Bytes of a state on this host; @has_v: with vector registers. */
size_t fp_state_bytes(bool has_v);

/* Put @v's state into this hart's registers unless it is there already. */
void fp_load(struct vcpu *v);

/* Write @v's state to memory if it is here and changed. */
void fp_save(struct vcpu *v);

/* Forget @v's state: all zero, as at reset. */
void fp_reset(struct vcpu *v);

/* The loaded @v's state, the vector part of it as it is now; VS is on. vstart in the hart is 0 then,
 * and to be written. */
const struct fp_state *fp_read_vector(struct vcpu *v);
void v_register_write_vstart(uint64_t value);

/* One f register of the loaded vcpu, raw bits: for loads and stores on devices. */
uint64_t fp_register_read(unsigned n);
void fp_register_write(unsigned n, uint64_t bits);

#endif
