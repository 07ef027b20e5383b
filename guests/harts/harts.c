/*
 * harts: start every hart, let an interrupt travel round, and fence a page away from all of them.
 *
 * Invariant: a hart reports through its own slot; only the boot hart prints, so the transcript does
 * not depend on who was faster. Read next: guests/lib/hart.c, then guests/faults/.
 */
#include "guests/lib/hart.h"

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "guests/lib/trap.h"

#define WINDOW 0x1000000000ul /* a virtual page that every hart looks through */

enum command { NONE, LOOK, LEAVE };

static struct slot {
	volatile uint64_t command;
	volatile uint64_t seen;
	volatile uint64_t ipis;
} slots[MAX_HARTS];

static struct space space;

static const char *state_name(uint64_t hart)
{
	static const char *const names[] = {
		"started",   "stopped",		"start pending",  "stop pending",
		"suspended", "suspend pending", "resume pending",
	};

	return names[sbi_hart_status(hart).value];
}

static unsigned hart_after(unsigned hart)
{
	do
		hart = (hart + 1) % 64;
	while ((board.harts >> hart & 1) == 0);
	return hart;
}

/* The interrupt goes round: whoever gets it passes it on, until it is back at the boot hart. */
static void ipi_arrives(struct frame *f)
{
	unsigned self = (unsigned)hart_self()->id;

	(void)f;
	csr_clear(CSR_SIP, 1ul << IRQ_S_SOFT);
	slots[self].ipis = slots[self].ipis + 1;
	if (self != board.boot_hart)
		sbi_send_ipi(1ul << hart_after(self), 0);
}

static void listen(void)
{
	csr_set(CSR_SIE, 1ul << IRQ_S_SOFT);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
}

static void secondary(uint64_t arg)
{
	struct slot *slot = &slots[hart_self()->id];

	(void)arg;
	space_enter(&space);
	listen();
	slot->seen = *(volatile uint64_t *)WINDOW;
	while (slot->command != LEAVE) {
		if (slot->command != LOOK)
			continue;
		slot->seen = *(volatile uint64_t *)WINDOW;
		__atomic_store_n(&slot->command, NONE, __ATOMIC_RELEASE);
	}
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	space_leave();
}

static void each_secondary(void (*fn)(unsigned hart))
{
	for (unsigned hart = hart_after(board.boot_hart); hart != board.boot_hart;
	     hart = hart_after(hart))
		fn(hart);
}

static void start_one(unsigned hart)
{
	print("  hart %u is %s", hart, state_name(hart));
	hart_start(hart, secondary, 0);
	while (slots[hart].seen == 0)
		;
	print(", now %s; through its window it sees page %lu\n", state_name(hart),
	      slots[hart].seen);
}

static void look_one(unsigned hart)
{
	__atomic_store_n(&slots[hart].command, LOOK, __ATOMIC_RELEASE);
	while (__atomic_load_n(&slots[hart].command, __ATOMIC_ACQUIRE) != NONE)
		;
	print("  hart %u sees page %lu\n", hart, slots[hart].seen);
}

static void stop_one(unsigned hart)
{
	slots[hart].command = LEAVE;
	hart_await(hart, SBI_HSM_STOPPED);
	print("  hart %u is %s\n", hart, state_name(hart));
}

static int check_one_page(uint64_t want)
{
	int wrong = 0;

	for (unsigned hart = 0; hart < MAX_HARTS; hart++)
		if ((board.harts >> hart & 1) != 0 && hart != board.boot_hart)
			wrong |= slots[hart].seen != want;
	return wrong;
}

int main(void)
{
	uint64_t *first = page_alloc(), *second = page_alloc();
	int wrong;

	*first = 1;
	*second = 2;
	space = space_identity(SATP_MODE_SV39);
	space_map(&space, WINDOW, (uint64_t)first, 0, PTE_KERNEL);
	irq_handler(IRQ_S_SOFT, ipi_arrives);

	if (board.hart_count == 1)
		print("I am the only hart; give me more to see more.\n");
	else
		print("I am one of %u harts. Starting the others:\n", board.hart_count);
	each_secondary(start_one);

	print("An interrupt goes round");
	listen();
	sbi_send_ipi(1ul << hart_after(board.boot_hart), 0);
	while (slots[board.boot_hart].ipis == 0)
		;
	for (unsigned hart = 0; hart < MAX_HARTS; hart++)
		if (slots[hart].ipis != 0 && hart != board.boot_hart)
			print(", hart %u", hart);
	print(", and is back.\n");

	print("I put page 2 behind the window and send a remote fence:\n");
	space_map(&space, WINDOW, (uint64_t)second, 0, PTE_KERNEL);
	sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, board.harts, 0, WINDOW, 4096, 0);
	each_secondary(look_one);
	wrong = check_one_page(2);

	print("Stopping them again:\n");
	each_secondary(stop_one);
	print(wrong ? "A stale page was seen!\n" : "All as it should be.\n");
	return wrong;
}
