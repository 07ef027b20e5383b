/*
 * The micro guest of `make bench`: what single operations cost a guest, bare and under Gnomon.
 *
 * Invariant: an operation's loop holds nothing but the operation, so that the cost of the empty
 * loop can be subtracted; and its trap vector touches no register, so that the guest's own share
 * is next to nothing. Under QEMU's -icount a tick of the clock is 100 instructions.
 * Read next: tests/bench/bench, which runs this and compares; guests/lib/ for the kit.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/paging.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "tests/bench/mark.h"

#define INSTRUCTIONS_PER_TICK 100
#define ROUNDS		      1000
#define NEVER		      UINT64_MAX
#define PAGE		      4096ul
#define FRESH_OFFSET	      (64ul << 20) /* from the start of RAM; nothing loads that high */
#define FRESH_BYTES	      (32ul << 20)
#define UNMAPPED	      (128ul << 30)
#define SLEEP_TICKS	      1000

/** One row per figure; @wants names the ISA extension it needs, or is NULL. */
struct item {
	const char *name;
	const char *wants;
	uint64_t (*run)(unsigned count); /* ticks for all rounds */
	unsigned count;
};

/* Interrupt: mask all, take a software interrupt back. Exception: skip a 4-byte instruction. */
asm(".pushsection .text\n"
    ".balign 4\n"
    "interrupt_vector:\n"
    "	csrw	sie, zero\n"
    "	csrci	sip, 2\n"
    "	sret\n"
    ".balign 4\n"
    "skip_vector:\n"
    "	csrrw	t0, sscratch, t0\n"
    "	csrr	t0, sepc\n"
    "	addi	t0, t0, 4\n"
    "	csrw	sepc, t0\n"
    "	csrrw	t0, sscratch, t0\n"
    "	sret\n"
    ".popsection\n");

extern const char interrupt_vector[], skip_vector[];

static inline uint64_t now(void)
{
	return csr_read(CSR_TIME);
}

/* The kit's sbi_call() moves more registers than an SBI call needs. */
static inline int64_t ecall(uint64_t ext, uint64_t fid, uint64_t arg0, uint64_t arg1, uint64_t arg2,
			    uint64_t arg3)
{
	register uint64_t a0 asm("a0") = arg0;
	register uint64_t a1 asm("a1") = arg1;
	register uint64_t a2 asm("a2") = arg2;
	register uint64_t a3 asm("a3") = arg3;
	register uint64_t a6 asm("a6") = fid;
	register uint64_t a7 asm("a7") = ext;

	asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
	return (int64_t)a0;
}

static uint64_t run_empty(unsigned count)
{
	uint64_t start = now();

	for (unsigned i = 0; i < count; i++)
		asm volatile("" : : : "memory");
	return now() - start;
}

static uint64_t run_null_call(unsigned count)
{
	uint64_t start = now();

	for (unsigned i = 0; i < count; i++)
		ecall(SBI_EXT_BASE, SBI_BASE_GET_SPEC_VERSION, 0, 0, 0, 0);
	return now() - start;
}

/* Everything masked again means the interrupt was taken. */
static inline void await_interrupt(void)
{
	while (csr_read(CSR_SIE) != 0)
		;
}

/* One round is two calls, as in any kernel: arm for at once, and take it back when it came. */
static uint64_t run_set_timer(unsigned count)
{
	uint64_t start;

	ecall(SBI_EXT_TIME, SBI_TIME_SET_TIMER, NEVER, 0, 0, 0);
	start = now();
	for (unsigned i = 0; i < count; i++) {
		csr_write(CSR_SIE, 1ul << IRQ_S_TIMER);
		ecall(SBI_EXT_TIME, SBI_TIME_SET_TIMER, now(), 0, 0, 0);
		await_interrupt();
		ecall(SBI_EXT_TIME, SBI_TIME_SET_TIMER, NEVER, 0, 0, 0);
	}
	return now() - start;
}

static uint64_t run_stimecmp(unsigned count)
{
	uint64_t start;

	csr_write(CSR_STIMECMP, NEVER);
	start = now();
	for (unsigned i = 0; i < count; i++) {
		csr_write(CSR_SIE, 1ul << IRQ_S_TIMER);
		csr_write(CSR_STIMECMP, now());
		await_interrupt();
		csr_write(CSR_STIMECMP, NEVER);
	}
	return now() - start;
}

static uint64_t run_self_ipi(unsigned count)
{
	uint64_t self = 1ul << board.boot_hart, start = now();

	for (unsigned i = 0; i < count; i++) {
		csr_write(CSR_SIE, 1ul << IRQ_S_SOFT);
		ecall(SBI_EXT_IPI, SBI_IPI_SEND_IPI, self, 0, 0, 0);
		await_interrupt();
	}
	return now() - start;
}

static uint64_t run_remote_fence(unsigned count)
{
	uint64_t self = 1ul << board.boot_hart, start = now();

	for (unsigned i = 0; i < count; i++)
		ecall(SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, self, 0, RAM_BASE, PAGE);
	return now() - start;
}

static uint64_t run_uart_read(unsigned count)
{
	uint64_t start = now();

	for (unsigned i = 0; i < count; i++)
		mmio_read8(UART_BASE + UART_LSR);
	return now() - start;
}

static uint64_t run_first_touch(unsigned count)
{
	uint64_t at = board.ram_base + FRESH_OFFSET, start = now();

	for (unsigned i = 0; i < count; i++)
		*(volatile uint8_t *)(at + i * PAGE) = 1;
	return now() - start;
}

static inline void load_word(uint64_t at)
{
	asm volatile(".option push\n"
		     ".option norvc\n"
		     "lw	zero, 0(%0)\n"
		     ".option pop"
		     :
		     : "r"(at)
		     : "memory");
}

/* The guest's own table has no entry: a fault that the guest's own handler serves. */
static uint64_t run_page_fault(unsigned count)
{
	struct space space = space_identity(SATP_MODE_SV39);
	uint64_t start, end;

	space_enter(&space);
	csr_write(CSR_STVEC, (uint64_t)skip_vector);
	start = now();
	for (unsigned i = 0; i < count; i++)
		load_word(UNMAPPED);
	end = now();
	space_leave();
	return end - start;
}

/* How late a sleeping hart goes on: from the deadline, not from the call. */
static uint64_t run_wfi(unsigned count)
{
	uint64_t late = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t deadline = now() + SLEEP_TICKS;

		ecall(SBI_EXT_TIME, SBI_TIME_SET_TIMER, deadline, 0, 0, 0);
		csr_write(CSR_SIE, 1ul << IRQ_S_TIMER);
		while (csr_read(CSR_SIE) != 0)
			wfi();
		late += now() - deadline;
	}
	ecall(SBI_EXT_TIME, SBI_TIME_SET_TIMER, NEVER, 0, 0, 0);
	return late;
}

static const struct item items[] = {
	{ "sbi_null", NULL, run_null_call, ROUNDS },
	{ "set_timer", NULL, run_set_timer, ROUNDS },
	{ "stimecmp", "sstc", run_stimecmp, ROUNDS },
	{ "self_ipi", NULL, run_self_ipi, ROUNDS },
	{ "remote_fence", NULL, run_remote_fence, ROUNDS },
	{ "uart_read", NULL, run_uart_read, ROUNDS },
	{ "first_touch", NULL, run_first_touch, FRESH_BYTES / PAGE },
	{ "page_fault", NULL, run_page_fault, ROUNDS },
	{ "wfi_late", NULL, run_wfi, ROUNDS },
};

/* Rounded to whole instructions, with the empty loop's share taken off. */
static uint64_t measure(const struct item *item)
{
	uint64_t kit_vector = csr_read(CSR_STVEC), empty, ticks;

	csr_write(CSR_STVEC, (uint64_t)interrupt_vector);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	empty = run_empty(item->count);
	mark(MARK_ITEM);
	ticks = item->run(item->count);
	mark(MARK_ITEM_END);
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	csr_write(CSR_STVEC, kit_vector);
	ticks -= ticks < empty ? ticks : empty;
	return (ticks * INSTRUCTIONS_PER_TICK + item->count / 2) / item->count;
}

static bool fresh_ram_is_free(void)
{
	uint64_t from = board.ram_base + FRESH_OFFSET, to = from + FRESH_BYTES;

	return board.ram_bytes >= FRESH_OFFSET + FRESH_BYTES && board_heap() <= from &&
	       (board.dtb >= to || board.dtb + board.dtb_bytes <= from);
}

int main(void)
{
	if (!fresh_ram_is_free()) {
		print("micro: needs %lu MiB of RAM, the device tree not in the last %lu of them\n",
		      (FRESH_OFFSET + FRESH_BYTES) >> 20, FRESH_BYTES >> 20);
		return 1;
	}
	for (unsigned i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		if (items[i].wants == NULL || board_has_isa(items[i].wants))
			print("bench %s %lu instructions/op, %u times\n", items[i].name,
			      measure(&items[i]), items[i].count);
	return 0;
}
