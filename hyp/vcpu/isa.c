/*
 * The guest's ISA. One table says which extensions of a host work inside a VM, and what must be
 * switched on for each.
 *
 * Invariant: an extension that isn't shown is switched off where there is a switch for it. What
 * has no row here isn't shown: hypervisor, machine and debug extensions, those whose state isn't
 * switched, those of interrupt controllers the board doesn't have.
 */
#include "hyp/vcpu/isa.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/lib/string.h"

struct isa_row {
	const char *name; /* a trailing * stands for any ending */
	uint64_t henvcfg;
};

static const struct isa_row rows[] = {
	{ "i", 0 },
	{ "m", 0 },
	{ "a", 0 },
	{ "f", 0 },
	{ "d", 0 },
	{ "c", 0 },
	{ "v", 0 },
	{ "b", 0 },
	/* unprivileged, no state beyond x, f and v */
	{ "zicsr", 0 },
	{ "zicntr", 0 },
	{ "zifencei", 0 },
	{ "zicond", 0 },
	{ "zihintpause", 0 },
	{ "zihintntl", 0 },
	{ "zimop", 0 },
	{ "zcmop", 0 },
	{ "zawrs", 0 },
	{ "zicbop", 0 },
	{ "zicbom", HENVCFG_CBIE | HENVCFG_CBCFE },
	{ "zicboz", HENVCFG_CBZE },
	{ "zaamo", 0 },
	{ "zalrsc", 0 },
	{ "zacas", 0 },
	{ "zabha", 0 },
	{ "za64rs", 0 },
	{ "za128rs", 0 },
	{ "zca", 0 },
	{ "zcb", 0 },
	{ "zcd", 0 },
	{ "zfa", 0 },
	{ "zfh", 0 },
	{ "zfhmin", 0 },
	{ "zfbfmin", 0 },
	{ "zba", 0 },
	{ "zbb", 0 },
	{ "zbc", 0 },
	{ "zbs", 0 },
	{ "zbk*", 0 },
	{ "zkn*", 0 },
	{ "zks*", 0 },
	{ "zkt", 0 },
	{ "zve*", 0 },
	{ "zvb*", 0 },
	{ "zvf*", 0 },
	{ "zvk*", 0 },
	{ "zvl*", 0 },
	/* supervisor: what VS-mode has of its own under H */
	{ "sstc", HENVCFG_STCE },
	{ "svade", 0 },
	{ "svadu", HENVCFG_ADUE },
	{ "svinval", 0 },
	{ "svnapot", 0 },
	{ "svpbmt", HENVCFG_PBMTE },
	{ "svvptc", 0 },
	{ "ssccptr", 0 },
	{ "sscounterenw", 0 },
	{ "sstvala", 0 },
	{ "sstvecd", 0 },
	{ "ssu64xl", 0 },
	{ "ssstateen", 0 },
};

static bool row_names(const char *row, const char *name)
{
	size_t n = strlen(row);

	return row[n - 1] == '*' ? strncmp(row, name, n - 1) == 0 : strcmp(row, name) == 0;
}

static const struct isa_row *row_of(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (row_names(rows[i].name, name))
			return &rows[i];
	return NULL;
}

/* Hiding v hides what is built on it. */
static bool is_masked(const char *name, const char *mask, size_t mask_bytes)
{
	for (size_t at = 0; at < mask_bytes; at += strlen(mask + at) + 1)
		if (strcmp(mask + at, name) == 0 ||
		    (strcmp(mask + at, "v") == 0 && string_starts(name, "zv")))
			return true;
	return false;
}

/* Single letters stand together after "rv64", longer names after an underscore each. */
size_t isa_next(const char *isa, size_t at, char *name)
{
	size_t n = 0;

	if (at == 0)
		at = strlen("rv64");
	if (isa[at] != '_') {
		name[n++] = isa[at];
		at++;
	} else {
		for (at++; isa[at] && isa[at] != '_'; at++)
			if (n + 1 < ISA_NAME_MAX)
				name[n++] = isa[at];
	}
	name[n] = 0;
	return n && name[0] ? at : 0;
}

static void append(struct isa *isa, const char *name)
{
	size_t n = strlen(isa->string), add = strlen(name);

	if (n + add + 2 > sizeof(isa->string))
		return; /* shown less than there is: safe */
	if (add > 1)
		isa->string[n++] = '_';
	memcpy(isa->string + n, name, add + 1);
}

/* What of henvcfg sticks: OpenSBI's menvcfg may hold bits back. */
static uint64_t henvcfg_keep(uint64_t wanted)
{
	csr_write(CSR_HENVCFG, wanted);
	return csr_read(CSR_HENVCFG) & wanted;
}

void isa_init(struct isa *isa, const char *from, const char *mask, size_t mask_bytes)
{
	char name[ISA_NAME_MAX];
	uint64_t can = henvcfg_keep(~UINT64_C(0));

	memset(isa, 0, sizeof(*isa));
	memcpy(isa->string, "rv64", sizeof("rv64"));
	for (size_t at = 0; (at = isa_next(from, at, name)) != 0;) {
		const struct isa_row *row = row_of(name);

		if (!row || is_masked(name, mask, mask_bytes) || (row->henvcfg & ~can))
			continue;
		append(isa, name);
		isa->henvcfg |= row->henvcfg;
	}
	isa->host_has_stateen = isa_has(from, "smstateen") || isa_has(from, "ssstateen");
	isa->host_has_sstc = isa_has(from, "sstc") && (can & HENVCFG_STCE);
	isa->hstateen0 =
		HSTATEEN0_SENVCFG | (isa_has(isa->string, "ssstateen") ? HSTATEEN0_SE0 : 0);
	isa->has_sstc = isa_has(isa->string, "sstc");
	isa->has_f = isa_has(isa->string, "f");
	isa->has_v = isa_has(isa->string, "v");
	isa->has_svnapot = isa_has(isa->string, "svnapot");
	isa->has_svpbmt = isa_has(isa->string, "svpbmt");
	/* Hosts older than the name Zicntr have the counters all the same. */
	if (!is_masked("zicntr", mask, mask_bytes))
		isa->hcounteren = COUNTEREN_CY | COUNTEREN_TM | COUNTEREN_IR;
	/* A host that names neither scheme sets A and D itself, whatever henvcfg says. */
	isa->adue = (isa->henvcfg & HENVCFG_ADUE) ||
		    !(isa_has(from, "svade") || isa_has(from, "svadu"));
}
