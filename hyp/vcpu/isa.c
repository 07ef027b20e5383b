/*
 * The guest's ISA. One table says which extensions of a host work inside a VM, and what must be
 * switched on for each.
 *
 * Invariant: an extension that isn't shown is switched off where there is a switch for it. What
 * has no row here isn't shown: hypervisor, machine and debug extensions, those whose state isn't
 * switched, those of interrupt controllers the board doesn't have. Vector subsets (Zve*) have their
 * state switched with V only, so they are shown with V only.
 */
#include "hyp/vcpu/isa.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/lib/string.h"

struct isa_row {
	const char *name;  /* a trailing * stands for any ending */
	const char *needs; /* shown only if this one is, too; it comes earlier in ISA strings */
	uint64_t henvcfg;
};

static const struct isa_row rows[] = {
	{ "i", NULL, 0 },
	{ "m", NULL, 0 },
	{ "a", NULL, 0 },
	{ "f", NULL, 0 },
	{ "d", "f", 0 },
	{ "c", NULL, 0 },
	{ "v", "d", 0 },
	{ "b", NULL, 0 },
	/* unprivileged, no state beyond x, f and v */
	{ "zicsr", NULL, 0 },
	{ "zicntr", NULL, 0 },
	{ "zifencei", NULL, 0 },
	{ "zicond", NULL, 0 },
	{ "zihintpause", NULL, 0 },
	{ "zihintntl", NULL, 0 },
	{ "zimop", NULL, 0 },
	{ "zcmop", NULL, 0 },
	{ "zawrs", NULL, 0 },
	{ "zicbop", NULL, 0 },
	{ "zicbom", NULL, HENVCFG_CBIE | HENVCFG_CBCFE },
	{ "zicboz", NULL, HENVCFG_CBZE },
	{ "zaamo", NULL, 0 },
	{ "zalrsc", NULL, 0 },
	{ "zacas", NULL, 0 },
	{ "zabha", NULL, 0 },
	{ "za64rs", NULL, 0 },
	{ "za128rs", NULL, 0 },
	{ "zca", NULL, 0 },
	{ "zcb", NULL, 0 },
	{ "zcd", "d", 0 },
	{ "zfa", "f", 0 },
	{ "zfh", "f", 0 },
	{ "zfhmin", "f", 0 },
	{ "zfbfmin", "f", 0 },
	{ "zba", NULL, 0 },
	{ "zbb", NULL, 0 },
	{ "zbc", NULL, 0 },
	{ "zbs", NULL, 0 },
	{ "zbk*", NULL, 0 },
	{ "zkn*", NULL, 0 },
	{ "zks*", NULL, 0 },
	{ "zkt", NULL, 0 },
	{ "zve*", "v", 0 },
	{ "zvb*", "v", 0 },
	{ "zvf*", "v", 0 },
	{ "zvk*", "v", 0 },
	{ "zvl*", "v", 0 },
	/* supervisor: what VS-mode has of its own under H, and what can be done as well without */
	{ "sstc", NULL, HENVCFG_STCE },
	{ "svade", NULL, 0 },
	{ "svadu", NULL, HENVCFG_ADUE },
	{ "svinval", NULL, 0 },
	{ "svnapot", NULL, 0 },
	{ "svpbmt", NULL, HENVCFG_PBMTE },
	{ "svvptc", NULL, 0 },
	{ "ssccptr", NULL, 0 },
	{ "sscounterenw", NULL, 0 },
	{ "sstvala", NULL, 0 },
	{ "sstvecd", NULL, 0 },
	{ "ssu64xl", NULL, 0 },
	{ "ssstateen", NULL, 0 },
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

static bool is_masked(const char *name, const char *mask, size_t mask_bytes)
{
	for (size_t at = 0; at < mask_bytes; at += strlen(mask + at) + 1)
		if (strcmp(mask + at, name) == 0)
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

uint64_t isa_probe_henvcfg(void)
{
	csr_write(CSR_HENVCFG, ~UINT64_C(0));
	return csr_read(CSR_HENVCFG);
}

void isa_init(struct isa *isa, const char *from, const char *mask, size_t mask_bytes, uint64_t can)
{
	char name[ISA_NAME_MAX];

	memset(isa, 0, sizeof(*isa));
	memcpy(isa->string, "rv64", sizeof("rv64"));
	for (size_t at = 0; (at = isa_next(from, at, name)) != 0;) {
		const struct isa_row *row = row_of(name);

		if (!row || is_masked(name, mask, mask_bytes) || (row->henvcfg & ~can) ||
		    (row->needs && !isa_has(isa->string, row->needs)))
			continue;
		append(isa, name);
		isa->henvcfg |= row->henvcfg;
	}
	isa->host_has_stateen = isa_has(from, "smstateen") || isa_has(from, "ssstateen");
	isa->hstateen0 =
		HSTATEEN0_SENVCFG | (isa_has(isa->string, "ssstateen") ? HSTATEEN0_SE0 : 0);
	isa->has_sstc = isa_has(isa->string, "sstc");
	isa->has_f = isa_has(isa->string, "f");
	isa->has_v = isa_has(isa->string, "v");
	isa->host_has_svnapot = isa_has(from, "svnapot");
	isa->has_svnapot = isa_has(isa->string, "svnapot");
	isa->has_svpbmt = isa_has(isa->string, "svpbmt");
	isa->has_svinval = isa_has(isa->string, "svinval");
	/* Hosts older than the name Zicntr have the counters all the same. */
	if (!is_masked("zicntr", mask, mask_bytes))
		isa->hcounteren = COUNTEREN_CY | COUNTEREN_TM | COUNTEREN_IR;
	/* With both named, software sets A and D until it asks otherwise (the device tree's
	 * binding), and there is nothing here to ask. */
	if (isa_has(isa->string, "svade"))
		isa->henvcfg &= ~HENVCFG_ADUE;
	/* A host that names neither scheme sets A and D itself, whatever henvcfg says. */
	isa->adue = (isa->henvcfg & HENVCFG_ADUE) ||
		    !(isa_has(from, "svade") || isa_has(from, "svadu"));
}
