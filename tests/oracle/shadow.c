/*
 * See shadow.h.
 *
 * The guest obeys the specification: after an edit, and before an access whose answer counts, it
 * fences what the edit was, by page, by ASID or all. What the shadows owe is less where a table
 * page is protected: there the answer counts at once. The harts remember translations (a TLB), and
 * forget them only when they are told to.
 *
 * Invariant: whatever a hart remembers is the G-stage's, and writable where no table is protected.
 */
#include "tests/oracle/shadow.h"

#include <stdio.h>
#include <string.h>

#include "hyp/drv/host.h"
#include "hyp/mm/phys.h"
#include "sbi/abi.h"
#include "tests/fake/shadow.h"
#include "tests/oracle/world.h"

#define VCPUS	   3
#define ROOTS	   5
#define REMEMBERED 16
#define WORKED	   16
/* What vcpus can hold at once: two spaces each, of six roles, root and two stems; and one fault. */
#define FEW_TABLES (VCPUS * 2 * 6 * 3 + 20)

/* What the guest has to fence before accesses count, for the shadows. */
enum owed { NOTHING, PAGES, TABLES_TOO, GLOBAL_TOO };

struct remembered {
	bool valid;
	uint64_t asid; /* of the shadow's satp */
	uint64_t at;
	gpa_t from;
	pte_t leaf;
	unsigned level;
};

struct query {
	unsigned vcpu;
	struct regime r;
	gva_t at;
	enum access want;
};

static struct {
	struct world w;
	struct shadow shadow;
	struct shadow_view view[VCPUS];
	struct shadow_absence known[VCPUS];
	struct remembered tlb[VCPUS][REMEMBERED];
	uint64_t atp[ROOTS];
	struct query worked[WORKED]; /* accesses that did: they are tried again more often */
	unsigned worked_n;
	struct regime traits; /* what is the same for all accesses */
	enum owed owed;
	bool harts_owed; /* the same, for what the harts remember */
	unsigned host_mode;
	struct bits *b;
	struct shadow_coverage *c;
} v;

static bool chance(unsigned percent)
{
	return bits_chance(v.b, percent);
}

static uint64_t below(uint64_t n)
{
	return bits_below(v.b, n);
}

static struct shadow_gfn *gfn_of(uint64_t at)
{
	return shadow_gfn_of(v.shadow.state, gpa(at));
}

/* --- what harts remember --- */

static void forget(unsigned hart)
{
	memset(v.tlb[hart], 0, sizeof(v.tlb[hart]));
}

static bool covers(const struct remembered *t, uint64_t at)
{
	return t->valid && align_down(at, pt_span(t->level)) == t->at;
}

static void on_fence(enum fake_fence_kind kind, uint64_t at)
{
	struct remembered *tlb = v.tlb[fake.hart->index];

	if (kind == FAKE_SFENCE_ALL)
		forget(fake.hart->index);
	for (unsigned i = 0; kind == FAKE_SFENCE_PAGE && i < REMEMBERED; i++)
		if (covers(&tlb[i], at))
			tlb[i].valid = false;
}

static void on_call(const struct fake_sbi_call *call)
{
	if (call->ext == SBI_EXT_RFENCE && call->fid == SBI_RFENCE_SFENCE_VMA &&
	    call->a[0] == 1 && call->a[1] < VCPUS && call->a[2] == 0 && call->a[3] == UINT64_MAX)
		forget((unsigned)call->a[1]);
}

static uint64_t asid_now(const struct query *q)
{
	return shadow_satp(&v.shadow, &v.view[q->vcpu], &q->r) >> SATP_ASID_SHIFT & SATP_ASID_MASK;
}

static void remember(const struct query *q, const struct fake_walk *f, uint64_t to)
{
	uint64_t span = pt_span(f->level);

	v.tlb[q->vcpu][below(REMEMBERED)] =
		(struct remembered){ true,    asid_now(q), align_down(q->at.v, span),
				     gpa(align_down(to, span)), f->leaf, f->level };
}

static bool is_remembered(const struct query *q, struct fake_walk *f)
{
	static const uint64_t needs[] = { PTE_X, PTE_R, PTE_W };
	uint64_t asid = asid_now(q);

	for (unsigned i = 0; i < REMEMBERED; i++) {
		const struct remembered *t = &v.tlb[q->vcpu][i];

		if (!covers(t, q->at.v) || t->asid != asid || !(t->leaf & needs[q->want]))
			continue;
		f->to = hpa(pte_address(t->leaf) + (q->at.v & (pt_span(t->level) - 1)));
		f->leaf = t->leaf;
		f->level = t->level;
		return true;
	}
	return false;
}

/* No fence of the guest's is needed for this much. */
static void check_remembered(void)
{
	for (unsigned i = 0; i < VCPUS * REMEMBERED; i++) {
		const struct remembered *t = &v.tlb[i / REMEMBERED][i % REMEMBERED];
		struct gstage_entry g;
		bool protected;

		if (!t->valid)
			continue;
		g = gstage_lookup(&v.w.gs, t->from);
		if (g.to.v != pte_address(t->leaf) || ((t->leaf & PTE_W) && !(g.pte & PTE_W)))
			world_fail(&v.w, "a hart remembers memory that isn't the VM's any more");
		protected = t->level ?
				    shadow_region_of(v.shadow.state, t->level, t->from)->special :
				    gfn_of(t->from.v)->is_protected;
		if ((t->leaf & PTE_W) && protected)
			world_fail(&v.w, "a hart remembers a protected page with W");
	}
}

static void check_all(void)
{
	const char *wrong = fake_shadow_wrong(v.shadow.state);

	v.c->checks++;
	if (wrong)
		world_fail(&v.w, wrong);
}

/* --- accesses --- */

/* One that worked once, by another vcpu or role at times. */
static struct query query_again(void)
{
	struct query q = v.worked[below(v.worked_n)];

	if (chance(30))
		q.vcpu = (unsigned)below(VCPUS);
	if (chance(30))
		q.want = (enum access)below(3);
	if (chance(15))
		q.r.user = !q.r.user;
	if (chance(15))
		q.r.sum = !q.r.sum;
	if (chance(15))
		q.r.mxr = !q.r.mxr;
	if (chance(20))
		q.at.v ^= UINT64_C(8) << below(30);
	return q;
}

static struct query random_query(void)
{
	struct query q = { .vcpu = (unsigned)below(VCPUS),
			   .r = v.traits,
			   .want = (enum access)below(3) };
	uint64_t flags = bits_next(v.b);

	if (v.worked_n && chance(60))
		return query_again();
	q.r.atp = v.atp[below(ROOTS)];
	q.r.user = flags & 1;
	q.r.sum = flags & 2;
	q.r.mxr = flags & 4;
	q.at = gva(world_address(v.b, &v.w, q.r.atp >> ATP_MODE_SHIFT == ATP_MODE_SV39 ? 3 : 4));
	if (chance(3)) {
		q.r.atp = 0;
		q.at = gva(world_target(v.b, &v.w) & ~UINT64_C(7));
	}
	return q;
}

static struct fake_access run_shadow(const struct query *q)
{
	struct fake_access a = { .answer = { .what = SHADOW_RESUME } };

	fake.hart = &fake.harts[q->vcpu];
	if (chance(70))
		shadow_foresee(&v.shadow, &v.view[q->vcpu], v.view[q->vcpu].pc);
	if (!v.harts_owed && chance(50) && is_remembered(q, &a.walk)) {
		v.c->remembered++;
		return a;
	}
	return fake_access(&v.shadow, &v.view[q->vcpu], &q->r, q->at, q->want);
}

/* The store is carried out, as it would write what is there; or whoever can't do that lifts the
 * protection, and then it works by itself. */
static const char *serve_store(const struct query *q, struct fake_access *a)
{
	gpa_t to = gpa(align_down(a->answer.to.v, 8));
	uint64_t there;

	if (v.shadow.policy == SHADOW_LAZY || q->want != ACCESS_STORE)
		return "a store that isn't trapped";
	if (!gfn_of(to.v)->is_protected || gstage_read(&v.w.gs, to, &there, 8) != OK)
		return "a store to a page that isn't protected";
	if (chance(70)) {
		shadow_store(&v.shadow, to, there, 8);
		a->walk.to = gstage_lookup(&v.w.gs, a->answer.to).to;
		return NULL;
	}
	shadow_unprotect(&v.shadow, a->answer.to);
	v.c->lifted++;
	*a = fake_access(&v.shadow, &v.view[q->vcpu], &q->r, q->at, q->want);
	return a->answer.what == SHADOW_RESUME ? NULL : "a store whose page's protection was lifted";
}

static enum shadow_what expected(const struct oracle_answer *o, enum access want)
{
	if (o->result == ORACLE_OK)
		return SHADOW_RESUME;
	if (o->result == ORACLE_PAGE_FAULT)
		return SHADOW_PAGE;
	if (o->implicit || want == ACCESS_FETCH || !gstage_device_at(&v.w.gs, gpa(o->gpa)))
		return SHADOW_ACCESS;
	return SHADOW_DEVICE;
}

static const char *compare_shadow(const struct query *q, const struct oracle_answer *o,
				  struct fake_access *a)
{
	enum shadow_what what = a->answer.what;
	const char *wrong;

	v.c->what[v.shadow.policy][what]++;
	if (a->faults > FAKE_FAULTS_MAX)
		return "an access that never ends";
	if (what == SHADOW_STORE && a->answer.to.v != o->gpa)
		return "where a store goes";
	if (what == SHADOW_STORE) {
		if (o->result != ORACLE_OK)
			return "a store that isn't allowed";
		wrong = serve_store(q, a);
		if (wrong)
			return wrong;
		what = SHADOW_RESUME;
	}
	if (what != expected(o, q->want))
		return "the shadow's answer";
	if (what == SHADOW_DEVICE && a->answer.to.v != o->gpa)
		return "the device's address";
	return NULL;
}

/* What the access has left behind: A and D, and perhaps a copied page of the bundle, which moved
 * what the oracle saw before. */
static const char *compare_after(const struct query *q, const struct oracle_machine *m,
				 const struct oracle_answer *o, const struct fake_access *a,
				 bool copied)
{
	struct oracle_answer now = world_oracle(&v.w, m, q->at.v, (enum oracle_access)q->want);

	if (o->result != ORACLE_OK)
		return NULL;
	if (a->walk.to.v != now.hpa)
		return "the shadow's hpa";
	if (now.updates)
		return "A and D, which aren't set";
	if (o->updates && !copied &&
	    memcmp(m->memory + (o->pte_at - m->base), &o->pte, sizeof(o->pte)) != 0)
		return "the entry with A and D set";
	return NULL;
}

static const char *compare_walk(const struct oracle_answer *o, const struct walk *s)
{
	if (o->result == ORACLE_ACCESS_FAULT)
		return "hardware that leaves the machine's RAM";
	if (o->result == ORACLE_PAGE_FAULT)
		return s->result == WALK_PAGE ? NULL : "the walk's page fault";
	if (o->implicit)
		return s->result == WALK_ACCESS ? NULL : "the walk's access fault";
	return s->result == WALK_OK && s->at.v == o->gpa ? NULL : "the walk's gpa";
}

static void report(const struct query *q, const struct oracle_answer *o,
		    const struct fake_access *a, const struct walk *s)
{
	fprintf(stderr,
		"%s on host mode %u: vcpu %u va %016lx access %u satp %016lx user %d sum %d mxr %d\n"
		"oracle: result %d why %d gpa %lx hpa %lx level %u/%u implicit %d updates %d\n"
		"shadow: what %d to %lx faults %u; hpa %lx leaf %lx level %u\n"
		"walk:   result %d gpa %lx pte %lx\n",
		shadow_policy_names[v.shadow.policy], v.host_mode, q->vcpu, q->at.v,
		(unsigned)q->want, q->r.atp, q->r.user, q->r.sum, q->r.mxr, (int)o->result,
		(int)o->why, o->gpa, o->hpa, o->level, o->g_level, o->implicit, o->updates,
		(int)a->answer.what, a->answer.to.v, a->faults, a->walk.to.v, a->walk.leaf,
		a->walk.level, (int)s->result, s->at.v, s->pte);
}

static void count(const struct query *q, const struct oracle_answer *o,
		  const struct fake_access *a)
{
	v.c->updates += o->updates;
	v.c->unfenced += v.harts_owed;
	if (a->answer.what != SHADOW_RESUME)
		return;
	v.c->bare += !q->r.atp;
	v.c->level[a->walk.level]++;
	if (q->r.atp)
		v.worked[v.worked_n < WORKED ? v.worked_n++ : below(WORKED)] = *q;
	remember(q, &a->walk, o->gpa);
}

/* An access whose answer counts. The three don't disturb each other, in either order. */
static void ask(const struct query *q)
{
	static uint64_t before[TABLES * PT_ENTRIES], after[TABLES * PT_ENTRIES];
	bool look = below(64) == 0, walk_first = chance(30);
	struct oracle_machine m = world_machine(&v.w, &q->r);
	struct oracle_answer o;
	struct fake_access a;
	struct walk s;
	const char *wrong;
	uint64_t copies;

	if (look)
		world_read(&v.w, (uint8_t *)before);
	if (walk_first)
		s = vsstage_walk(&v.w.gs, &q->r, q->at, q->want);
	o = world_oracle(&v.w, &m, q->at.v, (enum oracle_access)q->want);
	copies = v.w.gs.cow_copies;
	a = run_shadow(q);
	wrong = compare_shadow(q, &o, &a);
	if (!wrong)
		wrong = compare_after(q, &m, &o, &a, v.w.gs.cow_copies != copies);
	if (!walk_first)
		s = vsstage_walk(&v.w.gs, &q->r, q->at, q->want);
	if (!wrong)
		wrong = compare_walk(&o, &s);
	if (!wrong && look) {
		world_read(&v.w, (uint8_t *)after);
		wrong = world_compare(before, after, q->r.adue);
	}
	if (wrong) {
		report(q, &o, &a, &s);
		world_fail(&v.w, wrong);
	}
	count(q, &o, &a);
}

/* --- edits --- */

static bool is_pointer(uint64_t e)
{
	return pte_is_valid(e) && !pte_is_leaf(e);
}

static enum owed owed_for(uint64_t old, uint64_t now)
{
	if ((old | now) & PTE_G)
		return GLOBAL_TOO;
	return is_pointer(old) || is_pointer(now) ? TABLES_TOO : PAGES;
}

static uint64_t read_word(uint64_t at)
{
	uint64_t e = 0;

	if (gstage_read(&v.w.gs, gpa(at), &e, 8) != OK)
		world_fail(&v.w, "a table can't be read");
	return e;
}

static bool is_mirrored(uint64_t at)
{
	for (uint32_t n = gfn_of(at)->tables; n; n = shadow_table_of(v.shadow.state, n)->same)
		if (table_mirrors(shadow_table_of(v.shadow.state, n)))
			return true;
	return false;
}

static void store_narrow(uint64_t at, uint64_t e)
{
	unsigned width = 1 + (unsigned)below(7), offset = (unsigned)below(9 - width);

	shadow_store(&v.shadow, gpa(at + offset), e >> 8 * offset, width);
	v.c->narrow++;
}

static void store_amo(uint64_t at, uint64_t old, uint64_t e)
{
	unsigned width = chance(50) ? 8 : 4;
	unsigned funct5 = chance(40) ? 0x01 : 4 * (1 + (unsigned)below(7));
	uint64_t got = shadow_amo(&v.shadow, gpa(at), funct5, e, width);

	if (got != (width == 8 ? old : (uint64_t)(int64_t)(int32_t)old))
		world_fail(&v.w, "what an AMO returns");
	v.c->amos++;
}

/* By whatever instruction the guest chooses, and the hypervisor can. */
static void store_protected(uint64_t at, uint64_t old, uint64_t e)
{
	unsigned way = (unsigned)below(100);

	if (way < 50) {
		shadow_store(&v.shadow, gpa(at), e, 8);
		v.c->stores++;
	} else if (way < 65) {
		store_narrow(at, e);
	} else {
		store_amo(at, old, e);
	}
}

static void guest_store(uint64_t at, uint64_t e)
{
	uint64_t old = read_word(at), now;
	bool trapped;

	fake.hart = &fake.harts[below(VCPUS)];
	if (gfn_of(at)->is_protected && chance(15)) {
		shadow_unprotect(&v.shadow, gpa(at));
		v.c->lifted++;
	}
	trapped = gfn_of(at)->is_protected;
	if (trapped)
		store_protected(at, old, e);
	else if (gstage_write(&v.w.gs, gpa(at), &e, 8) != OK)
		world_fail(&v.w, "a table can't be written");
	now = read_word(at);
	v.c->edits++;
	v.harts_owed = true;
	if (old != now && !trapped && is_mirrored(at) && owed_for(old, now) > v.owed)
		v.owed = owed_for(old, now);
}

/* A mapping of table pages, through which they can be stored to. */
static uint64_t window(unsigned level)
{
	uint64_t at = v.w.table[below(TABLES)];

	return pte_make(align_down(at, pt_span(level)),
			PTE_V | PTE_R | PTE_W | PTE_A | PTE_D | (chance(50) ? PTE_U : 0));
}

static uint64_t edited(uint64_t old, unsigned level)
{
	static const uint64_t flips[] = { PTE_A, PTE_D, PTE_A | PTE_D, PTE_V, PTE_R, PTE_W,
					  PTE_X, PTE_U, PTE_W | PTE_D };

	if (chance(10) && level < 3)
		return window(level);
	if (chance(40))
		return world_entry(v.b, &v.w, level);
	if (chance(60))
		return old ^ flips[below(sizeof(flips) / sizeof(flips[0]))];
	if (chance(5))
		return old ^ PTE_G;
	return (old & ~PTE_PPN_MASK) | (world_entry(v.b, &v.w, level) & PTE_PPN_MASK);
}

static bool is_table(unsigned t)
{
	return gstage_is_ram(&v.w.gs, gpa(v.w.table[t]));
}

/* The page becomes data; another one, which may have been data, takes its place. */
static void recycle(unsigned t)
{
	for (unsigned i = 0; i < 8; i++)
		guest_store(v.w.table[t] + 8 * below(PT_ENTRIES), bits_next(v.b) & ~PTE_G);
	v.w.table[t] = chance(50) ? world_page(v.b, &v.w) : v.w.table[below(TABLES)];
	for (unsigned i = 0; i < INDICES && is_table(t); i++)
		guest_store(v.w.table[t] + 8 * v.w.index[i],
			    world_entry(v.b, &v.w, world_level(t)));
	v.c->recycled++;
}

static void choose_root(unsigned i)
{
	bool wide = v.host_mode == HOST_SV57 && chance(50);
	unsigned mode = wide ? ATP_MODE_SV48 : ATP_MODE_SV39;

	v.atp[i] = BITS(mode, ATP_MODE_SHIFT) | (uint64_t)(i + 1) << SATP_ASID_SHIFT |
		   world_table(v.b, &v.w, wide ? 3 : 2) >> PAGE_SHIFT;
}

/* An entry that an access went through which worked: others hardly matter. */
static void edit_used(void)
{
	const struct query *q = &v.worked[below(v.worked_n)];
	struct explain_ref ref[PT_MAX_LEVELS], *one;
	unsigned n = guest_references(&v.w.gs, &q->r, q->at, q->want, ref);

	if (!n)
		return;
	one = &ref[chance(70) ? n - 1 : below(n)];
	guest_store(one->gpa.v, edited(one->pte, one->level));
}

/* The guest may mend what an access of @vcpu's missed, and go on with it. */
static void mend(unsigned vcpu)
{
	struct shadow_miss m = v.view[vcpu].miss;
	struct explain_ref ref[PT_MAX_LEVELS];
	unsigned n = guest_references(&v.w.gs, &m.r, m.at, m.want, ref);

	if (n && ref[n - 1].level == 0)
		guest_store(ref[n - 1].gpa.v, world_entry(v.b, &v.w, 0) | PTE_V | PTE_A);
	shadow_foresee(&v.shadow, &v.view[vcpu], m.pc);
}

static void edit(void)
{
	unsigned t = (unsigned)below(TABLES);
	uint64_t at = v.w.table[t] + 8 * v.w.index[below(INDICES)];

	if (chance(3)) { /* for everybody, and without a fence of the guest's */
		v.c->discarded += world_discard(v.b, &v.w);
		check_remembered();
	} else if (v.worked_n && chance(40)) {
		edit_used();
	} else if (chance(20)) {
		mend((unsigned)below(VCPUS));
	} else if (!is_table(t)) {
		return;
	} else if (chance(3)) {
		recycle(t);
	} else if (chance(3)) {
		choose_root((unsigned)below(ROOTS));
		v.c->new_roots++;
	} else {
		guest_store(at, edited(read_word(at), world_level(t)));
	}
}

/* --- fences --- */

/* The harts' own part is the caller's. */
static void fence(const gva_t *at, const uint64_t *asid)
{
	if (at && asid)
		v.c->absent += fake_fence_page(&v.shadow, *at, *asid, &v.known[fake.hart->index]);
	else
		shadow_fence(&v.shadow, at, asid);
	memset(v.tlb, 0, sizeof(v.tlb));
	v.c->fences[(at ? 1 : 0) + (asid ? 2 : 0)]++;
}

/* Where only leaves changed, a fence of one page is enough for that page. */
static void fence_page(void)
{
	struct query q = random_query();
	uint64_t asid = q.r.atp >> SATP_ASID_SHIFT & SATP_ASID_MASK;
	bool one = q.r.atp && chance(50);

	for (uint64_t row = one ? below(4) : 0; row; row--)
		fence(&(gva_t){ q.at.v ^ below(PT_ENTRIES) * PAGE_SIZE }, &asid);
	fence(&q.at, one ? &asid : NULL);
	for (unsigned i = 0; i < 4; i++) {
		struct query again = random_query();

		again.at = gva(q.at.v ^ 8 * below(512));
		again.r.atp = q.r.atp;
		ask(&again);
	}
}

static void fence_all_that_is_owed(void)
{
	while (v.owed == PAGES && chance(60))
		fence_page();
	if (v.owed == NOTHING && chance(50))
		return; /* and the answers count all the same */
	if (v.owed == GLOBAL_TOO || chance(40))
		fence(NULL, NULL);
	else
		for (uint64_t asid = 1; asid <= ROOTS; asid++)
			fence(NULL, &asid);
	v.owed = NOTHING;
	v.harts_owed = false;
}

/* Edits, accesses whose answer may be old or new, then the fence. */
static void edit_and_fence(void)
{
	do {
		edit();
		if (chance(20)) {
			struct query q = random_query();

			fake.hart = &fake.harts[q.vcpu];
			if (fake_access(&v.shadow, &v.view[q.vcpu], &q.r, q.at, q.want).faults >
			    FAKE_FAULTS_MAX)
				world_fail(&v.w, "an access before the fence never ends");
			v.c->before++;
		}
	} while (chance(60));
	fence_all_that_is_owed();
}

/* --- a world --- */

static void begin(void)
{
	static struct frame_pool own;

	memset(v.view, 0, sizeof(v.view));
	memset(v.tlb, 0, sizeof(v.tlb));
	v.worked_n = 0;
	v.owed = NOTHING;
	v.harts_owed = false;
	v.host_mode = HOST_SV39 + (unsigned)below(HOST_MODES);
	/* What the hardware's satp can name as physical addresses, in Bare mode. */
	world_init(v.b, &v.w, pt_address_bits(&host_modes[v.host_mode]) - 1);
	own = (struct frame_pool){ .owner = 2 };
	fake_host_mode(&host_modes[v.host_mode], &own);
	host.harts = VCPUS;
	for (unsigned i = 0; i < VCPUS; i++) {
		host.hart_id[i] = i;
		v.view[i].vcpu = i;
	}
	v.w.gs.harts = (1 << VCPUS) - 1;
	if (shadow_init(&v.shadow, &v.w.gs, (enum shadow_policy)below(SHADOW_CACHING), false) != OK)
		world_fail(&v.w, "no shadows");
	if (chance(30))
		v.shadow.state->tables_max = FEW_TABLES;
	v.shadow.state->cold_after = 1 + (uint32_t)below(4);
	v.shadow.state->batch = 1 + (uint32_t)below(8);
	v.traits = (struct regime){ .adue = chance(70), .napot = chance(70), .pbmt = chance(50) };
	for (unsigned i = 0; i < ROOTS; i++)
		choose_root(i);
	fake.fenced = on_fence;
	fake.called = on_call;
}

void shadow_world(struct bits *b, unsigned steps, struct shadow_coverage *c)
{
	v.b = b;
	v.c = c;
	begin();
	for (unsigned i = 1; i <= steps; i++) {
		if (chance(15))
			edit_and_fence();
		else
			ask((struct query[]){ random_query() });
		if (i % 8 == 0)
			check_remembered();
		if (i % 128 == 0 && v.w.ram_bytes < GIB(1))
			check_all();
	}
	check_all();
	v.w.number++;
	c->changes += v.shadow.stats.changes;
	c->unshadows += v.shadow.stats.unshadows;
	c->evicted += v.shadow.stats.evicted;
	c->foreseen += v.shadow.stats.foreseen;
	c->flushes += v.shadow.stats.flushes;
	c->copied += v.w.gs.cow_copies;
}
