/*
 * The legacy calls, for teaching kernels. "Legacy Extensions". Hart masks are read from the
 * guest's virtual memory; a null pointer means every hart.
 */
#include "hyp/g-stage/gstage.h"
#include "hyp/lib/exit.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/timer.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

/* One aligned word of the guest's memory at virtual address @at. */
static enum {
	MASK_READ,
	MASK_BAD,
	MASK_AGAIN
} read_mask(struct vcpu *v, uint64_t at, uint64_t *mask)
{
	struct regime r = vcpu_regime(v);
	struct walk w;

	*mask = UINT64_MAX >> (64 - v->vm->vcpus_n);
	if (!at)
		return MASK_READ;
	if (!is_aligned(at, sizeof(*mask)))
		return MASK_BAD;
	w = vsstage_walk(v->gstage, &r, gva(at), ACCESS_LOAD);
	if (w.result == WALK_AGAIN)
		return MASK_AGAIN;
	if (w.result != WALK_OK || gstage_read(v->gstage, w.at, mask, sizeof(*mask)) != OK)
		return MASK_BAD;
	return MASK_READ;
}

static struct sbi_ret on_harts(struct vcpu *v, uint64_t ext)
{
	uint64_t mask, set, at = sbi_arg(v, 1), bytes = sbi_arg(v, 2), asid = sbi_arg(v, 3);

	switch (read_mask(v, sbi_arg(v, 0), &mask)) {
	case MASK_AGAIN:
		return sbi_again(v);
	case MASK_BAD:
		return sbi_fail(SBI_ERR_FAILED);
	case MASK_READ:
	default:
		break;
	}
	if (!sbi_targets(v, mask, 0, &set))
		return sbi_fail(SBI_ERR_FAILED);
	if (ext == SBI_LEGACY_SEND_IPI)
		serve_ipi_to(v, set);
	else if (ext == SBI_LEGACY_REMOTE_FENCE_I)
		serve_fence_i_on(v, set);
	else
		serve_sfence_on(v, set, at, bytes,
				ext == SBI_LEGACY_REMOTE_SFENCE_VMA ? NULL : &asid);
	return sbi_ok(0);
}

static struct sbi_ret put_char(struct vcpu *v)
{
	uint8_t byte = (uint8_t)sbi_arg(v, 0);

	return port_put(&v->vm->board.uart.port, byte) ? sbi_ok(0) : sbi_again(v);
}

static struct sbi_ret get_char(struct vcpu *v)
{
	return (struct sbi_ret){ uart_take(&v->vm->board), 0 };
}

struct sbi_ret serve_legacy(struct vcpu *v, uint64_t ext)
{
	switch (ext) {
	case SBI_LEGACY_SET_TIMER:
		timer_set(v, sbi_arg(v, 0));
		return sbi_ok(0);
	case SBI_LEGACY_CONSOLE_PUTCHAR:
		return put_char(v);
	case SBI_LEGACY_CONSOLE_GETCHAR:
		return get_char(v);
	case SBI_LEGACY_CLEAR_IPI:
		return (struct sbi_ret){ irq_clear_software(v), 0 };
	case SBI_LEGACY_SHUTDOWN:
		vm_end(v->vm, VM_SHUTDOWN, EXIT_OK);
		return sbi_ok(0);
	default:
		return on_harts(v, ext);
	}
}
