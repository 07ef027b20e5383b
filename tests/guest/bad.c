/*
 * A guest that nobody wants as a neighbour. It does on all harts what its command line says:
 *
 *   crash          jumps to where nothing is, with a stvec where nothing is either
 *   spin           never lets an interrupt in again
 *   flood          talks without end, through every console there is
 *   reset          resets itself as soon as it has begun
 *   calls          calls the SBI with any extension, function and arguments, at random
 *   scribble       writes everywhere: each device's registers, then all memory, itself included
 *   fill           the latter alone
 *   disk           reads a disk without end, many requests at once
 *
 * Invariant: it never asks for its own end, but for `calls`, about once in 5000 calls. Next to
 * read: good.c, who must not notice; tests/system/test_hostile.py.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "guests/lib/string.h"
#include "tests/guest/crew.h"
#include "tests/guest/tap.h"
#include "tests/guest/vdrv.h"

#define NOWHERE 0x10ul /* no RAM and no device, on this board */
#define SCRATCH 0x10000ul

#define ID_BLOCK 2

/* --- a number of one's own for each hart --- */

static uint64_t seeds[MAX_HARTS];

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed * 0x2545f4914f6cdd1dul >> 16;
}

/* --- crash, spin, flood, reset --- */

static void crash(uint64_t number)
{
	code_fn *nothing = (code_fn *)NOWHERE;

	(void)number;
	csr_write(CSR_STVEC, NOWHERE);
	nothing(0, 0);
}

static void spin(uint64_t number)
{
	(void)number;
	csr_write(CSR_SIE, 0);
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	for (;;)
		;
}

static void flood(uint64_t number)
{
	static char text[4096];

	for (unsigned n = 0; n < sizeof(text); n++)
		text[n] = (char)(n * 7);
	for (uint64_t n = number;; n++) {
		mmio_write8(UART_BASE + UART_THR, (uint8_t)n);
		sbi_call(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_WRITE, sizeof(text), (uint64_t)text, 0, 0,
			 0);
		sbi_call(SBI_LEGACY_CONSOLE_PUTCHAR, 0, '\n', 0, 0, 0, 0);
	}
}

static void reset(uint64_t number)
{
	if (number == 0)
		sbi_call(SBI_EXT_SRST, SBI_SRST_SYSTEM_RESET, SBI_SRST_COLD_REBOOT, 0, 0, 0, 0);
	for (;;)
		;
}

/* --- calls --- */

static const uint64_t extensions[] = {
	0, 1, 2, 3, 4, 5, 6, 7, 9, SBI_EXT_BASE, SBI_EXT_TIME, SBI_EXT_IPI, SBI_EXT_RFENCE,
	SBI_EXT_HSM, SBI_EXT_DBCN, SBI_EXT_STA, 0x0a000000, 0x08000000,
};

static uint8_t scratch[SCRATCH] __attribute__((aligned(4096)));

/* What arguments are made of: numbers of harts, edges, addresses that are one's own, anything. */
static uint64_t argument(uint64_t *seed)
{
	uint64_t r = next(seed);

	switch (next(seed) % 8) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX - r % 3;
	case 2:
		return r % 16;
	case 3:
		return 1ul << r % 64;
	case 4:
		return (uint64_t)scratch + r % SCRATCH;
	case 5:
		return ((uint64_t)scratch + r % SCRATCH) & ~63ul;
	case 6:
		return csr_read(CSR_TIME) + r % 100000;
	default:
		return r;
	}
}

static void make_call(uint64_t *seed)
{
	uint64_t ext = extensions[next(seed) % COUNT(extensions)], fid = next(seed) % 8;
	uint64_t a[5];

	for (unsigned n = 0; n < COUNT(a); n++)
		a[n] = argument(seed);
	if (next(seed) % 4 == 0)
		fid = argument(seed);
	if (next(seed) % 5000 == 0)
		ext = SBI_EXT_SRST;
	/* The boot hart goes on, so that some hart does. */
	if (ext == SBI_EXT_HSM && (fid == SBI_HSM_HART_STOP || fid == SBI_HSM_HART_SUSPEND) &&
	    hart_self()->id == board.boot_hart)
		return;
	sbi_call(ext, fid, a[0], a[1], a[2], a[3], a[4]);
}

static void call(uint64_t number)
{
	uint64_t *seed = &seeds[hart_self()->id];

	*seed = csr_read(CSR_TIME) << 8 | (number + 1);
	for (;;) {
		make_call(seed);
		/* Those that have stopped since come back. */
		if (number == 0 && next(seed) % 64 == 0)
			for (unsigned hart = 0; hart < board.hart_count; hart++)
				hart_start(hart, call, hart + 1);
	}
}

/* --- scribble --- */

static const struct {
	uint64_t at, bytes;
} devices[] = {
	{ UART_BASE, 0x100 },
	{ RTC_BASE, 0x1000 },
	{ PLIC_BASE, 0x3000 },
	{ PLIC_BASE + 0x200000, 0x4000 },
};

static void store(uint64_t at, unsigned width, uint64_t value)
{
	static const uint32_t stores[] = { 0x00b50023, 0x00b51023, 0x00b52023, 0x00b53023 };

	probe_insn(stores[width], at, value); /* sb, sh, sw, sd a1, (a0) */
}

static void scribble_devices(uint64_t *seed)
{
	for (unsigned n = 0; n < COUNT(devices); n++)
		for (uint64_t at = 0; at < devices[n].bytes; at += 1 + next(seed) % 8)
			store(devices[n].at + at, (unsigned)next(seed) % 4, next(seed));
	for (unsigned n = 0; n < 1000; n++) {
		uint64_t value = next(seed), low = value & 0xffff;

		if (low != FINISHER_PASS && low != FINISHER_FAIL && low != FINISHER_RESET)
			store(FINISHER_BASE + next(seed) % 0x1000, 2, value);
	}
}

/* All of it but the page that this runs in, which is the last thing to go. */
static void scribble_memory(uint64_t value)
{
	uint64_t own = (uint64_t)scribble_memory & ~0xffful, end = board.ram_base + board.ram_bytes;

	for (uint64_t at = board.ram_base; at < own; at += 8)
		*(volatile uint64_t *)at = value += at;
	for (uint64_t at = own + 0x2000; at < end; at += 8)
		*(volatile uint64_t *)at = value += at;
	for (uint64_t at = own;; at += 8)
		*(volatile uint64_t *)at = value += at;
}

static void scribble(uint64_t number)
{
	uint64_t seed = number + 1;

	if (number == 0)
		scribble_devices(&seed);
	crew_meet();
	scribble_memory(seed);
}

static void fill(uint64_t number)
{
	scribble_memory(number + 1);
}

#define READS	   16
#define READ_BYTES 0x100000
#define RING	   64

/* Hart 0 does, the others spin. */
static void disk(uint64_t number)
{
	static struct {
		VDRV_RINGS(RING);
	} rings;
	static struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	static uint8_t status, data[READ_BYTES];
	unsigned slot = vdrv_find(0, ID_BLOCK);
	uint16_t seen = 0;

	if (number != 0)
		spin(number);
	vdrv_begin(slot, 0);
	vdrv_set_queue(slot, 0, &rings, RING);
	vdrv_go(slot);
	for (unsigned i = 0; i < 3 * READS; i += 3) {
		rings.desc[i] = (struct desc){ (uint64_t)&header, 16, NEXT, (uint16_t)(i + 1) };
		rings.desc[i + 1] = (struct desc){ (uint64_t)data, READ_BYTES, NEXT | WRITE,
						   (uint16_t)(i + 2) };
		rings.desc[i + 2] = (struct desc){ (uint64_t)&status, 1, WRITE, 0 };
		vdrv_offer(&rings, RING, i);
	}
	for (;;) {
		vdrv_set(slot, R_NOTIFY, 0);
		while (seen == rings.used.n)
			;
		vdrv_barrier();
		for (; seen != rings.used.n; seen++)
			vdrv_offer(&rings, RING, rings.used.entry[seen % RING].id);
	}
}

static const struct {
	const char *name;
	hart_fn *act;
} acts[] = {
	{ "crash", crash }, { "spin", spin },  { "flood", flood },
	{ "reset", reset }, { "calls", call }, { "scribble", scribble },
	{ "fill", fill },   { "disk", disk },
};

int main(void)
{
	for (unsigned n = 0; n < COUNT(acts); n++)
		if (str_equal(acts[n].name, board.bootargs)) {
			print("%s\n", acts[n].name);
			crew_run(acts[n].act);
		}
	print("\"%s\"? I can't do that.\n", board.bootargs);
	return 2;
}
