/*
 * The specification's two-stage translation. See oracle.h.
 *
 * The text describes one algorithm, and the G-stage by what differs from it; so does this file:
 * struct stage holds the differences, walk() is the nine steps. It favours closeness to the text
 * over everything else.
 */
#include "tests/oracle/oracle.h"

#include <string.h>

#define PAGESIZE 4096
#define PTESIZE	 8

/* One of the two uses of the algorithm. */
struct stage {
	bool is_g;
	unsigned levels; /* 0: Bare */
	uint64_t root_ppn;
	bool in_u_mode, sum, mxr, svade, napot, pbmt;
};

/* What one stage says of an address. */
struct verdict {
	enum oracle_result result; /* a G-stage's page faults count as ORACLE_PAGE_FAULT here */
	enum oracle_why why;
	uint64_t pa;
	unsigned level;
	bool updates;
	uint64_t pte_at, pte; /* pte_at: host physical */
	/* A VS-stage whose own reference to a table failed in the G-stage: */
	bool implicit, implicit_store;
	uint64_t implicit_gpa;
};

static uint64_t field(uint64_t v, unsigned high, unsigned low)
{
	return v >> low & (~UINT64_C(0) >> (63 - (high - low)));
}

static unsigned levels_of_mode(uint64_t atp)
{
	switch (field(atp, 63, 60)) {
	case 8:
		return 3;
	case 9:
		return 4;
	case 10:
		return 5;
	default:
		return 0;
	}
}

static struct stage g_stage(const struct oracle_machine *m)
{
	/* "the current privilege mode is always taken to be U-mode"; vsstatus.MXR "does not
	 * override guest-physical page protections". Gnomon presets A and D: Svade is as good. */
	return (struct stage){
		.is_g = true,
		.levels = levels_of_mode(m->hgatp),
		.root_ppn = field(m->hgatp, 43, 0),
		.in_u_mode = true,
		.svade = true,
	};
}

static struct stage vs_stage(const struct oracle_machine *m)
{
	return (struct stage){
		.levels = levels_of_mode(m->vsatp),
		.root_ppn = field(m->vsatp, 43, 0),
		.in_u_mode = m->vu,
		.sum = m->sum,
		.mxr = m->vs_mxr,
		.svade = !m->adue,
		.napot = m->napot,
		.pbmt = m->pbmt,
	};
}

/* "bits 63-39 all equal to bit 38"; for a G-stage "bits 63:41 must all be zeros". */
static bool address_fits(const struct stage *s, uint64_t va)
{
	unsigned bits = 12 + 9 * s->levels;
	uint64_t above;

	if (s->is_g)
		return field(va, 63, bits + 2) == 0;
	above = field(va, 63, bits - 1);
	return above == 0 || above == field(~UINT64_C(0), 63, bits - 1);
}

/* va.vpn[i]; the G-stage's highest is two bits wider. */
static uint64_t vpn(const struct stage *s, uint64_t va, unsigned i)
{
	unsigned low = 12 + 9 * i, high = low + 8;

	return field(va, s->is_g && i == s->levels - 1 ? high + 2 : high, low);
}

static bool is_pointer(uint64_t pte)
{
	return field(pte, 1, 1) == 0 && field(pte, 3, 3) == 0;
}

/* Step 3, with what chapters Svnapot and Svpbmt and the format's own section reserve. */
static enum oracle_why reserved(const struct stage *s, uint64_t pte, unsigned i)
{
	bool n = field(pte, 63, 63) == 1;
	uint64_t pbmt = field(pte, 62, 61);

	if (field(pte, 0, 0) == 0)
		return WHY_INVALID;
	if (field(pte, 1, 1) == 0 && field(pte, 2, 2) == 1)
		return WHY_WRITE_ONLY;
	if (field(pte, 60, 54) != 0)
		return WHY_RESERVED;
	if (is_pointer(pte)) {
		/* "For non-leaf PTEs, the D, A, and U bits are reserved"; "bits 62-61 are
		 * reserved"; N has no meaning but in a leaf. */
		bool odd = field(pte, 7, 6) != 0 || field(pte, 4, 4) != 0 || pbmt != 0 || n;

		return odd ? WHY_POINTER_BITS : WHY_NOTHING;
	}
	if (n && !s->napot)
		return WHY_NAPOT;
	if (n && (i > 0 || field(pte, 13, 10) != 8)) /* ppn[0] = x xxxx 1000 */
		return WHY_NAPOT;
	if (pbmt != 0 && !s->pbmt)
		return WHY_PBMT;
	if (pbmt == 3)
		return WHY_PBMT;
	return WHY_NOTHING;
}

/* Step 6. */
static enum oracle_why u_bit(const struct stage *s, uint64_t pte, enum oracle_access access)
{
	bool u = field(pte, 4, 4) == 1;

	if (s->in_u_mode)
		return u ? WHY_NOTHING : WHY_SUPERVISOR_PAGE;
	if (!u)
		return WHY_NOTHING;
	if (access == ORACLE_FETCH)
		return WHY_USER_FETCH;
	return s->sum ? WHY_NOTHING : WHY_USER_PAGE;
}

/* Step 8 of the text (7 is for shadow stacks). */
static bool rights_allow(const struct stage *s, uint64_t pte, enum oracle_access access)
{
	bool r = field(pte, 1, 1) == 1, w = field(pte, 2, 2) == 1, x = field(pte, 3, 3) == 1;

	switch (access) {
	case ORACLE_FETCH:
		return x;
	case ORACLE_LOAD:
		return r || (s->mxr && x);
	case ORACLE_STORE:
		return w;
	}
	return false;
}

/* Steps 4 to 8 for a leaf at level i. */
static enum oracle_why leaf_refuses(const struct stage *s, uint64_t pte, unsigned i,
				    enum oracle_access access)
{
	enum oracle_why why;

	if (i > 0 && field(pte, 10 + 9 * i - 1, 10) != 0)
		return WHY_MISALIGNED;
	why = u_bit(s, pte, access);
	if (why)
		return why;
	return rights_allow(s, pte, access) ? WHY_NOTHING : WHY_RIGHTS;
}

/* The last step: pa from the leaf's ppn and va. An implicit read of a NAPOT entry sees the low four
 * bits of ppn[0] replaced by those of vpn[0]. */
static uint64_t physical(uint64_t pte, unsigned i, uint64_t va)
{
	uint64_t ppn = field(pte, 53, 10);
	unsigned from_va = 9 * i;

	if (field(pte, 63, 63) == 1)
		from_va = 4;
	if (from_va > 0)
		ppn = ppn >> from_va << from_va | field(va, 12 + from_va - 1, 12);
	return ppn * PAGESIZE + field(va, 11, 0);
}

static struct verdict walk(const struct oracle_machine *m, const struct stage *s, uint64_t va,
			   enum oracle_access access);

static struct verdict fails(enum oracle_result result, enum oracle_why why)
{
	return (struct verdict){ .result = result, .why = why };
}

/* Where the entry at @at (an address of what the stage yields) lies in host physical memory, for a
 * read or an update. false: *@v says why it can't be reached. */
static bool reach_entry(const struct oracle_machine *m, const struct stage *s, uint64_t at,
			bool update, uint64_t *host, struct verdict *v)
{
	*host = at;
	if (!s->is_g) {
		/* An update goes where the read has just been: no entry is read for it again. */
		struct oracle_machine untraced = *m;
		struct stage g = g_stage(m);
		struct verdict below;

		untraced.trace = NULL;
		below = walk(update ? &untraced : m, &g, at, update ? ORACLE_STORE : ORACLE_LOAD);

		if (below.result != ORACLE_OK) {
			*v = below;
			v->implicit = true;
			v->implicit_store = update;
			v->implicit_gpa = at;
			return false;
		}
		*host = below.pa;
	}
	if (*host < m->base || *host - m->base > m->bytes - PTESIZE) {
		*v = fails(ORACLE_ACCESS_FAULT, WHY_NOTHING);
		return false;
	}
	return true;
}

static uint64_t read_entry(const struct oracle_machine *m, uint64_t host)
{
	uint64_t pte;

	if (m->trace)
		m->trace->at[m->trace->n++] = host;
	memcpy(&pte, m->memory + (host - m->base), sizeof(pte));
	return pte;
}

/* Step 9. */
static void update_entry(const struct oracle_machine *m, const struct stage *s, uint64_t at,
			 uint64_t pte, enum oracle_access access, struct verdict *v)
{
	uint64_t wanted = pte | UINT64_C(1) << 6 |
			  (access == ORACLE_STORE ? UINT64_C(1) << 7 : 0);
	uint64_t host;

	if (wanted == pte)
		return;
	if (s->svade) {
		*v = fails(ORACLE_PAGE_FAULT, field(pte, 6, 6) ? WHY_DIRTY : WHY_ACCESSED);
		return;
	}
	if (!reach_entry(m, s, at, true, &host, v))
		return;
	v->updates = true;
	v->pte_at = host;
	v->pte = wanted;
}

static struct verdict walk(const struct oracle_machine *m, const struct stage *s, uint64_t va,
			   enum oracle_access access)
{
	struct verdict v = { .result = ORACLE_OK, .pa = va };
	uint64_t a = s->root_ppn * PAGESIZE;

	if (s->levels == 0)
		return v;
	if (!address_fits(s, va))
		return fails(ORACLE_PAGE_FAULT, WHY_ADDRESS);
	for (unsigned i = s->levels; i-- > 0;) {
		uint64_t at = a + vpn(s, va, i) * PTESIZE, host, pte;
		enum oracle_why why;

		if (!reach_entry(m, s, at, false, &host, &v))
			return v;
		pte = read_entry(m, host);
		why = reserved(s, pte, i);
		if (why)
			return fails(ORACLE_PAGE_FAULT, why);
		if (is_pointer(pte)) {
			a = field(pte, 53, 10) * PAGESIZE;
			continue;
		}
		why = leaf_refuses(s, pte, i, access);
		if (why)
			return fails(ORACLE_PAGE_FAULT, why);
		v.pa = physical(pte, i, va);
		v.level = i;
		update_entry(m, s, at, pte, access, &v);
		return v;
	}
	return fails(ORACLE_PAGE_FAULT, WHY_NO_LEAF);
}

struct oracle_answer oracle_translate(const struct oracle_machine *m, uint64_t va,
				      enum oracle_access access)
{
	struct stage vs = vs_stage(m), g = g_stage(m);
	struct verdict first = walk(m, &vs, va, access), second;
	struct oracle_answer r = { .result = first.result, .why = first.why, .gpa = first.pa };

	if (first.implicit) {
		r.result = first.result == ORACLE_PAGE_FAULT ? ORACLE_GUEST_PAGE_FAULT :
							       first.result;
		r.implicit = true;
		r.implicit_store = first.implicit_store;
		r.gpa = first.implicit_gpa;
		return r;
	}
	if (first.result != ORACLE_OK)
		return r;
	r.level = first.level;
	r.updates = first.updates;
	r.pte_at = first.pte_at;
	r.pte = first.pte;
	second = walk(m, &g, first.pa, access);
	r.result = second.result == ORACLE_PAGE_FAULT ? ORACLE_GUEST_PAGE_FAULT : second.result;
	r.why = second.why;
	r.hpa = second.pa;
	r.g_level = second.level;
	return r;
}
