/*
 * Lab 6's checks: each case is brought about on the machine. What the guest sees is the exception
 * it takes; whether the hypervisor was at work, the time: an access takes an instruction or two, a
 * visit of the hypervisor some hundreds. (The lab runs where time is the number of instructions.)
 */
#include "guests/labs/6-gstage/lab.h"

#include "guests/labs/lab.h"
#include "guests/lib/board.h"
#include "guests/lib/print.h"
#include "guests/lib/trap.h"

#define VA	 0x0000001000000000ul
#define MEGAPAGE 0x200000ul
#define HOLE_AT	 0x18000000ul
#define TICKS	 2 /* of 100 instructions */

static struct space space;
static uint64_t next_ram, next_file;

/* time before and behind one access; the two registers hold what the access needs. */
asm(".text\n"
    "timed_load: rdtime t0\n ld t2, 0(a0)\n rdtime t1\n sub a0, t1, t0\n ret\n"
    "timed_store: rdtime t0\n sd a1, 0(a0)\n rdtime t1\n sub a0, t1, t0\n ret\n"
    "timed_load_byte: rdtime t0\n lb t2, 0(a0)\n rdtime t1\n sub a0, t1, t0\n ret\n"
    "timed_store_byte: rdtime t0\n sb a1, 0(a0)\n rdtime t1\n sub a0, t1, t0\n ret\n"
    "timed_fetch: rdtime t0\n mv t3, ra\n jalr a0\n rdtime t1\n sub a0, t1, t0\n jr t3\n");
uint64_t timed_load(uint64_t at, uint64_t unused);
uint64_t timed_store(uint64_t at, uint64_t value);
uint64_t timed_load_byte(uint64_t at, uint64_t unused);
uint64_t timed_store_byte(uint64_t at, uint64_t value);
uint64_t timed_fetch(uint64_t at, uint64_t unused);

static code_fn *const accesses[] = {
	[FETCH] = timed_fetch, [LOAD] = timed_load, [STORE] = timed_store
};
static code_fn *const byte_accesses[] = {
	[FETCH] = timed_fetch, [LOAD] = timed_load_byte, [STORE] = timed_store_byte
};

static void map_to(uint64_t pa, uint64_t flags)
{
	space_map(&space, VA, pa, 0, flags);
	sfence_vma();
}

/* Where @place is; what it says of the past has happened then. */
static uint64_t bring_about(enum place place)
{
	uint64_t at;

	switch (place) {
	case NEW_RAM:
	case USED_RAM:
		at = next_ram;
		next_ram += MEGAPAGE;
		if (place == USED_RAM) {
			map_to(at, PTE_KERNEL);
			*(volatile uint32_t *)VA = 0x8082; /* ret */
		}
		return at;
	case FILE_PAGE:
		at = next_file;
		next_file += MEGAPAGE;
		return at;
	case DEVICE:
		return UART_BASE;
	case HOLE:
	default:
		return HOLE_AT;
	}
}

static bool agrees(uint64_t flags, enum place place, enum access access)
{
	static const char *const place_names[] = { "new RAM", "used RAM", "the initrd", "a device",
						   "a hole" };
	static const char *const access_names[] = { "fetch", "load", "store" };
	struct answer yours = { NOBODY, 0 };
	bool visited, works_out;
	struct trap t;

	map_to(bring_about(place), flags | PTE_A | PTE_D);
	t = probe(place == DEVICE ? byte_accesses[access] : accesses[access],
		  VA + (place == DEVICE ? UART_SCR : 0), 0x8082);
	LAB_CALL(explain, flags | PTE_A | PTE_D, place, access, &yours);
	visited = !t.taken && t.value >= TICKS;
	works_out = yours.seen == (t.taken ? t.cause : 0);
	if (t.taken)
		works_out = works_out &&
			    yours.faults == (t.cause >= CAUSE_FETCH_PAGE ? VS_STAGE : G_STAGE);
	else
		works_out = works_out && yours.faults == (visited ? G_STAGE : NOBODY);
	if (works_out)
		return true;
	print("     a %s, to %s, through a leaf with %c%c%c%c%c: you say stage %c, scause %lu\n",
	      access_names[access], place_names[place], (flags & PTE_V) != 0 ? 'V' : '-',
	      (flags & PTE_R) != 0 ? 'R' : '-', (flags & PTE_W) != 0 ? 'W' : '-',
	      (flags & PTE_X) != 0 ? 'X' : '-', (flags & PTE_U) != 0 ? 'U' : '-',
	      "-VG?"[yours.faults & 3], yours.seen);
	return false;
}

static bool vs_stage(void)
{
	static const uint64_t leaves[] = { 0, PTE_V | PTE_R, PTE_V | PTE_R | PTE_W, PTE_V | PTE_X,
					   PTE_USER & ~(PTE_A | PTE_D) };

	space = space_identity(SATP_MODE_SV39);
	next_ram = RAM_BASE + 2 * MEGAPAGE;
	next_file = board.initrd;
	space_enter(&space);
	(void)bring_about(USED_RAM); /* the tables are there now */
	for (unsigned n = 0; n < 5; n++)
		for (unsigned access = FETCH; access <= STORE; access++) {
			uint64_t need = access == FETCH ? PTE_X : access == LOAD ? PTE_R : PTE_W;

			if ((leaves[n] & (PTE_V | need | PTE_U)) != (PTE_V | need) &&
			    (!agrees(leaves[n], HOLE, (enum access)access) ||
			     !agrees(leaves[n], DEVICE, (enum access)access)))
				return false;
		}
	return true;
}

static bool places_agree(const enum place *places, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned access = LOAD; access <= STORE; access++)
			if (!agrees(PTE_V | PTE_RWX, places[i], (enum access)access))
				return false;
	return true;
}

static bool ram(void)
{
	static const enum place places[] = { NEW_RAM, USED_RAM };

	return places_agree(places, 2) && agrees(PTE_V | PTE_RWX, USED_RAM, FETCH);
}

static bool no_ram(void)
{
	static const enum place places[] = { HOLE, DEVICE };

	return places_agree(places, 2) && agrees(PTE_V | PTE_RWX, HOLE, FETCH) &&
	       agrees(PTE_V | PTE_RWX, DEVICE, FETCH);
}

static bool files(void)
{
	static const enum place places[] = { FILE_PAGE, FILE_PAGE };

	return board.initrd != 0 && places_agree(places, 2);
}

int main(void)
{
	static const struct step steps[] = {
		{ "what the guest's own table forbids is the VS-stage's fault",
		  "the VS-stage is asked first; its fault is a page fault, 12, 13 or 15, whatever "
		  "lies behind. A kernel has no right to a leaf with U",
		  vs_stage },
		{ "RAM: the first touch is the G-stage's fault, and the guest sees nothing",
		  "a guest page fault (20, 21, 23) goes to the hypervisor, who maps the RAM and "
		  "lets the guest try again; seen is 0 then",
		  ram },
		{ "devices and holes: the G-stage has nothing there, ever",
		  "a device is played, without the guest's knowledge, but nobody executes there; "
		  "of a hole the guest hears as a real machine would tell it: access fault, 1, 5, "
		  "7",
		  no_ram },
		{ "a file's page is mapped without W, and copied at the first store",
		  "so a store faults in the G-stage, whatever the guest's own table says; a load "
		  "doesn't",
		  files },
	};

	return lab_steps(6, steps, sizeof(steps) / sizeof(steps[0]));
}
