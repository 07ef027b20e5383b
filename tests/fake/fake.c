/*
 * The fake machine. See fake.h. Invariant: nothing here does anything that a test can't see.
 */
#include "tests/fake/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hyp/arch/cause.h"
#include "hyp/arch/cpu.h"
#include "hyp/lib/exit.h"
#include "hyp/mm/phys.h"
#include "hyp/vcpu/fp.h"
#include "sbi/call/call.h"

struct fake fake;

/* hyp/trap/entry.S: the addresses are all that is asked. */
void trap_entry(void);
void trap_entry_depriv(void);
void trap_entry_timed(void);
void trap_arrive(void);
void trap_arrive_timed(void);
void trap_from_hypervisor(void);
/* hyp/trap/window.S */
extern const char trap_window[];
extern const char fast_set[], fast_set_immediate[], fast_clear[], fast_clear_immediate[],
	fast_word[], fast_call[], fast_fence_page[], fast_read[], fast_write[], trap_slow[];

/* hyp/vcpu/fp_state.S; hyp/vcpu/fp.c declares the first six for itself. */
void fp_registers_save(struct fp_state *to);
void fp_registers_load(const struct fp_state *from);
void v_registers_save(struct fp_state *to);
void v_registers_load(const struct fp_state *from);
void fp_control_save(struct fp_state *to);
void v_control_save(struct fp_state *to);

#define RETURNED 256 /* beside the statuses 0..255 */

static int end_pipe[2];
static bool end_expected;

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.hgatp_modes = UINT64_C(1) << ATP_MODE_BARE | UINT64_C(1) << ATP_MODE_SV39 |
			   UINT64_C(1) << ATP_MODE_SV48 | UINT64_C(1) << ATP_MODE_SV57;
	fake.hgatp_vmids = HGATP_VMID_MASK;
	for (unsigned i = 0; i < 8; i++)
		fake.harts[i].index = i;
	fake.hart = &fake.harts[0];
}

uint64_t fake_csr_legal(unsigned csr, uint64_t v)
{
	uint64_t dropped = HGATP_VMID_MASK & ~fake.hgatp_vmids;

	if (csr != CSR_HGATP)
		return v;
	if (!(fake.hgatp_modes >> (v >> ATP_MODE_SHIFT) & 1))
		return fake.csr[csr];
	return v & ~(dropped << HGATP_VMID_SHIFT);
}

void fake_fence(enum fake_fence_kind kind, uint64_t at, uint64_t id)
{
	fake.fence[kind] = (struct fake_fences){ fake.fence[kind].n + 1, at, id };
	if (fake.fenced)
		fake.fenced(kind, at);
}

void trap_entry(void)
{
}

const char fast_set[1], fast_set_immediate[1], fast_clear[1], fast_clear_immediate[1], fast_word[1],
	fast_call[1], fast_fence_page[1], fast_read[1], fast_write[1], trap_slow[1];

void trap_entry_depriv(void)
{
}

void trap_entry_timed(void)
{
}

void trap_arrive_timed(void)
{
}

void trap_arrive(void)
{
}

void trap_from_hypervisor(void)
{
}

const char trap_window[PAGE_SIZE] __attribute__((aligned(4096)));

void fp_registers_save(struct fp_state *to)
{
	memcpy(to->f, fake.f, sizeof(fake.f));
	fake.fp_saved++;
}

void fp_registers_load(const struct fp_state *from)
{
	memcpy(fake.f, from->f, sizeof(fake.f));
	fake.fp_loaded++;
}

/* There are no control registers. */
void fp_control_save(struct fp_state *to)
{
	(void)to;
}

void v_control_save(struct fp_state *to)
{
	(void)to;
}

/* There are no vector registers: they have been moved once they are counted. */
void v_registers_save(struct fp_state *to)
{
	(void)to;
	fake.fp_saved++;
}

void v_registers_load(const struct fp_state *from)
{
	(void)from;
	fake.fp_loaded++;
}

uint64_t fp_register_read(unsigned n)
{
	return fake.f[n];
}

void fp_register_write(unsigned n, uint64_t bits)
{
	fake.f[n] = bits;
}

struct guest_fetch guest_fetch_half(gva_t at)
{
	uint16_t value = 0;
	uint64_t fault = CAUSE_FETCH_PAGE;

	if (fake.guest_fetch_fault)
		fault = fake.guest_fetch_fault(at.v, &value);
	if (fault) {
		fake.csr[CSR_SCAUSE] = fault;
		fake.csr[CSR_STVAL] = at.v;
	}
	return (struct guest_fetch){ value, fault != 0 };
}

struct guest_fetch guest_fetch_word(gva_t at)
{
	struct guest_fetch low = guest_fetch_half(at), high;

	if (low.failed)
		return low;
	high = guest_fetch_half(gva(at.v + 2));
	return (struct guest_fetch){ high.value << 16 | low.value, high.failed };
}

struct guest_fetch guest_load_byte(gva_t at)
{
	struct guest_fetch half = guest_fetch_half(gva(at.v & ~UINT64_C(1)));

	half.value = half.value >> (at.v & 1 ? 8 : 0) & 0xff;
	return half;
}

struct sbi_ret sbi_call(uint64_t ext, uint64_t fid, uint64_t a0, uint64_t a1, uint64_t a2,
			uint64_t a3, uint64_t a4)
{
	struct fake_sbi_call call = { ext, fid, { a0, a1, a2, a3, a4 } };

	if (ext == SBI_LEGACY_CONSOLE_PUTCHAR) {
		if (fake.text_n < FAKE_TEXT_MAX - 1)
			fake.text[fake.text_n++] = (char)a0;
		return (struct sbi_ret){ 0, 0 };
	}
	if (fake.sbi_n < FAKE_SBI_MAX)
		fake.sbi[fake.sbi_n] = call;
	fake.sbi_n++;
	if (fake.called)
		fake.called(&call);
	return (struct sbi_ret){ fake.sbi_error, fake.sbi_value };
}

unsigned fake_sbi_count(uint64_t ext, uint64_t fid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake.sbi_n && i < FAKE_SBI_MAX; i++)
		n += fake.sbi[i].ext == ext && fake.sbi[i].fid == fid;
	return n;
}

void fake_ram(uint64_t base, uint64_t bytes)
{
	static void *ram;
	static uint64_t size;

	if (ram)
		munmap(ram, size);
	size = bytes;
	ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (ram == MAP_FAILED) {
		perror("fake RAM");
		exit(1);
	}
	phys_offset = (uint64_t)(uintptr_t)ram - base;
}

void machine_exit_through(volatile uint32_t *regs)
{
	(void)regs;
}

bool fake_begin(void)
{
	pid_t child;

	if (pipe(end_pipe) != 0 || (child = fork()) < 0) {
		perror("fake machine");
		exit(1);
	}
	end_expected = child == 0;
	return end_expected;
}

/* The status and the console go to the test's process. */
static _Noreturn void report_end(unsigned status)
{
	bool sent = write(end_pipe[1], &status, sizeof(status)) == sizeof(status) &&
		    write(end_pipe[1], fake.text, sizeof(fake.text)) == sizeof(fake.text);

	_exit(sent ? 0 : 1);
}

void fake_returned(void)
{
	report_end(RETURNED);
}

int fake_status(void)
{
	unsigned status = 0;
	bool got;

	close(end_pipe[1]);
	got = read(end_pipe[0], &status, sizeof(status)) == sizeof(status) &&
	      read(end_pipe[0], fake.text, sizeof(fake.text)) == sizeof(fake.text);
	close(end_pipe[0]);
	fake.text_n = strlen(fake.text);
	wait(NULL);
	if (!got) {
		fprintf(stderr, "the fake machine crashed\n");
		abort();
	}
	return status == RETURNED ? -1 : (int)status;
}

void machine_exit(unsigned status)
{
	if (end_expected)
		report_end(status);
	fprintf(stderr, "the machine ended with status %u: %s\n", status, fake.text);
	abort();
}
