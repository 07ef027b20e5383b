/*
 * The timer: SBI TIME, the legacy call and stimecmp all set the same thing: an interrupt that is
 * pending from the moment `time` reaches it, until a later moment is set.
 *
 * Invariant: nothing here depends on how late an interrupt is, only on its never being early and on
 * its coming at all (a lost one hangs, which the harness's time limit turns into a failure).
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/sbi.h"
#include "tests/guest/tap.h"

#define STIP  (1ul << IRQ_S_TIMER)
#define NEVER UINT64_MAX

static void legacy_set_timer(uint64_t time)
{
	sbi_call(SBI_LEGACY_SET_TIMER, 0, time, 0, 0, 0, 0);
}

static void stimecmp_set(uint64_t time)
{
	csr_write(CSR_STIMECMP, time);
}

static const struct {
	const char *name;
	void (*set)(uint64_t time);
	const char *isa;
} timers[] = {
	{ "TIME", sbi_set_timer, 0 },
	{ "legacy", legacy_set_timer, 0 },
	{ "stimecmp", stimecmp_set, "sstc" },
};

static volatile unsigned count;
static volatile uint64_t deadline;
static volatile bool early;
static uint64_t period;
static unsigned last;
static void (*set)(uint64_t time);

static void tick(struct frame *f)
{
	(void)f;
	if (csr_read(CSR_TIME) < deadline)
		early = true;
	count = count + 1;
	deadline = csr_read(CSR_TIME) + period;
	set(count < last ? deadline : NEVER);
}

static bool pending(void)
{
	return irq_is_pending(IRQ_S_TIMER);
}

static void wait_until(uint64_t time)
{
	while (csr_read(CSR_TIME) < time)
		;
}

/* Let @n ticks come, @ticks apart. */
static void take(unsigned n, uint64_t ticks)
{
	count = 0;
	last = n;
	early = false;
	period = ticks;
	deadline = csr_read(CSR_TIME) + ticks;
	set(deadline);
	csr_write(CSR_SIE, STIP);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	while (count < n)
		;
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	csr_write(CSR_SIE, 0);
}

static void test_pending(const char *name)
{
	uint64_t now;

	set(NEVER);
	test_ok(!pending(), "%s: never: not pending", name);
	set(0);
	while (!pending())
		;
	test_ok(true, "%s: long ago: pending", name);
	set(NEVER);
	test_ok(!pending(), "%s: never: taken back", name);
	now = csr_read(CSR_TIME);
	set(now + 20000);
	while (!pending())
		;
	test_ok(csr_read(CSR_TIME) >= now + 20000, "%s: soon: not early", name);
	set(NEVER);
	/* 50 ms: QEMU 7.2 lets one that goes off while it is being taken back come all the same. */
	set(csr_read(CSR_TIME) + 500000);
	set(NEVER);
	wait_until(csr_read(CSR_TIME) + 600000);
	test_ok(!pending(), "%s: soon, then never: does not come", name);
	now = csr_read(CSR_TIME);
	set(NEVER - 1);
	set(now + 1000);
	while (!pending())
		;
	test_ok(csr_read(CSR_TIME) >= now + 1000, "%s: far away, then soon: comes", name);
	set(NEVER);
}

static void test_interrupts(const char *name)
{
	take(1, 1000);
	test_ok(!early, "%s: one interrupt, not early", name);
	take(1000, 200);
	test_is(count, 1000, "%s: a thousand interrupts", name);
	test_ok(!early, "%s: none of them early", name);
	wait_until(csr_read(CSR_TIME) + 5000);
	csr_write(CSR_SIE, STIP);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	wait_until(csr_read(CSR_TIME) + 5000);
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	csr_write(CSR_SIE, 0);
	test_is(count, 1000, "%s: and no more", name);
}

/* wfi with interrupts off ends when one becomes pending that sie names. */
static void test_wfi(const char *name)
{
	uint64_t now = csr_read(CSR_TIME);

	csr_write(CSR_SIE, STIP);
	set(now + 50000);
	while (!pending())
		wfi();
	test_ok(csr_read(CSR_TIME) >= now + 50000, "%s: wfi sleeps until the timer", name);
	wfi();
	test_ok(true, "%s: wfi with one pending returns", name);
	set(NEVER);
	csr_write(CSR_SIE, 0);
}

/* U spins on a word; in U-mode SIE doesn't matter, the interrupt comes and U goes on where it was.
 */
asm("spin_for_tick: ld t0, 0(a0)\n beqz t0, spin_for_tick\n li a0, 0x77\n ecall\n");
extern char spin_for_tick[];
static volatile uint64_t ticked;

static void tick_once(struct frame *f)
{
	early = csr_read(CSR_TIME) < deadline || (f->sstatus & SSTATUS_SPP) != 0;
	ticked = 1;
	set(NEVER);
}

static void test_in_user_mode(const char *name)
{
	struct frame f;

	irq_handler(IRQ_S_TIMER, tick_once);
	ticked = 0;
	frame_init(&f, (uint64_t)spin_for_tick);
	f.sstatus &= ~SSTATUS_SPP;
	f.x[10] = (uint64_t)&ticked;
	deadline = csr_read(CSR_TIME) + 5000;
	set(deadline);
	csr_write(CSR_SIE, STIP);
	run(&f);
	csr_write(CSR_SIE, 0);
	irq_handler(IRQ_S_TIMER, tick);
	test_is(f.cause, CAUSE_ECALL_U, "%s: U goes on after the interrupt", name);
	test_is(f.x[10], 0x77, "%s: with its registers", name);
	test_ok(!early, "%s: the interrupt came from U and not early", name);
}

int main(void)
{
	irq_handler(IRQ_S_TIMER, tick);
	for (unsigned i = 0; i < COUNT(timers); i++) {
		if (timers[i].isa != 0 && !board_has_isa(timers[i].isa)) {
			test_skip("no %s", timers[i].name);
			continue;
		}
		set = timers[i].set;
		test_pending(timers[i].name);
		test_interrupts(timers[i].name);
		test_wfi(timers[i].name);
		test_in_user_mode(timers[i].name);
	}
	return test_done();
}
