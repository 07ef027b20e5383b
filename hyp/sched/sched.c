/*
 * From what vcpus want to who runs. See sched.h.
 *
 * Invariant: with the lock free, a vcpu is in the one list that its place says; one that is in none,
 * NOWHERE or ASLEEP, has no request open; and a hart is in .idle exactly while it waits, or is about
 * to, with nothing in the queue that may run on it.
 *
 * Requests are taken before the state is looked at, so that a kick between the two leads to one
 * more round, never to a lost wake-up. One that is chosen has that hart for its .hart before its
 * requests are taken: who kicks it after that tells the hart that will run it.
 * Next to read: hyp/vcpu/vcpu.c, vcpu_kick().
 */
#include "hyp/sched/sched.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/lock.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/timer.h"
#include "sbi/call/call.h"

enum sched_place { NOWHERE, QUEUED, LOADED, ASLEEP };

struct sched_hart {
	struct hart *hart;
	struct vcpu *sleepers; /* that ran here last, by the time they wake at */
	struct vcpu *chosen;   /* its place is LOADED */
	bool runs;	       /* .chosen does, or is about to; else the hart waits */
	bool yields;	       /* .chosen lets the next one go first */
	bool called;	       /* and hasn't looked yet */
	uint64_t slice_end;
	uint64_t since, busy, idle, switches;
};

static struct lock lock;    /* all below, and each vcpu's .sched */
static struct vcpu *queue;  /* by virtual time */
static struct sched_hart sched_harts[HOST_HARTS_MAX];
static uint64_t idle_harts; /* bit n: hart n waits, and nobody has called it */
static uint64_t last_vtime; /* the latest that vtime_now() came to */
static unsigned vcpus_n, bound_n; /* that exist; of them, that may not run everywhere */

static uint64_t ticks(unsigned ms)
{
	return host.timebase / 1000 * ms;
}

static uint64_t bit(unsigned hart)
{
	return UINT64_C(1) << hart;
}

static struct sched_hart *hart_of(const struct vcpu *v)
{
	return &sched_harts[atomic_load(&v->hart)->index];
}

/* --- lists --- */

static void insert(struct vcpu **list, struct vcpu *v, uint64_t key)
{
	struct vcpu *before = NULL, *after = *list;

	while (after && after->sched.key <= key) {
		before = after;
		after = after->sched.next;
	}
	v->sched.key = key;
	v->sched.prev = before;
	v->sched.next = after;
	*(before ? &before->sched.next : list) = v;
	if (after)
		after->sched.prev = v;
}

static void take_out(struct vcpu **list, struct vcpu *v)
{
	*(v->sched.prev ? &v->sched.prev->sched.next : list) = v->sched.next;
	if (v->sched.next)
		v->sched.next->sched.prev = v->sched.prev;
}

static struct vcpu *first_for(unsigned hart)
{
	struct vcpu *v = queue;

	while (v && !(v->sched.affinity & bit(hart)))
		v = v->sched.next;
	return v;
}

/* --- virtual time --- */

/* @ran as virtual time. A group's weight is shared by those of its vcpus that want to run. */
static uint64_t as_vtime(const struct vcpu *v, uint64_t ran)
{
	const struct sched_group *g = v->sched.group;

	return ran * WEIGHT_DEFAULT * (g->ready ? g->ready : 1) / g->weight;
}

/* What passed up to @now is accounted for. Clocks of two harts may differ by a tick. */
static void account(struct sched_hart *s, uint64_t now)
{
	uint64_t passed = now > s->since ? now - s->since : 0;

	if (s->runs) {
		s->chosen->sched.ran += passed;
		s->chosen->sched.vtime += as_vtime(s->chosen, passed);
	}
	*(s->runs ? &s->busy : &s->idle) += passed;
	s->since += passed;
}

static void set_ready(struct vcpu *v, bool ready)
{
	if (ready != v->sched.is_ready)
		v->sched.group->ready += ready ? 1 : -1u;
	v->sched.is_ready = ready;
}

/* The virtual time of those that want to run: of whoever has had least. */
static uint64_t vtime_now(uint64_t now)
{
	uint64_t least = queue ? queue->sched.vtime : UINT64_MAX;

	for (unsigned i = 0; i < host.harts; i++) {
		struct sched_hart *s = &sched_harts[i];

		if (!s->runs)
			continue;
		account(s, now);
		if (s->chosen->sched.vtime < least)
			least = s->chosen->sched.vtime;
	}
	if (least != UINT64_MAX && least > last_vtime)
		last_vtime = least;
	return last_vtime;
}

/*
 * @v is to be queued. Whoever slept doesn't get the time back, but for a slice, so that it is served
 * at once; and whoever ran while nobody else wanted to doesn't pay for it later, but for two. Where
 * others wait it does: one with a hart for itself, by a great weight, may be far behind them all.
 */
static void catch_up(struct vcpu *v, uint64_t now)
{
	uint64_t slice = ticks(SLICE_MS), at = vtime_now(now), most = at;

	if (queue && queue->sched.vtime > most)
		most = queue->sched.vtime;
	most += as_vtime(v, 2 * slice);
	if (v->sched.vtime + slice < at)
		v->sched.vtime = at - slice;
	if (v->sched.vtime > most)
		v->sched.vtime = most;
}

static void enqueue(struct vcpu *v, uint64_t now)
{
	set_ready(v, true);
	catch_up(v, now);
	v->sched.place = QUEUED;
	v->sched.since = now;
	insert(&queue, v, v->sched.vtime);
}

/* --- telling other harts --- */

/* It is to look, and not idle for anybody else. This hart does anyway. */
static void call(struct sched_hart *s)
{
	idle_harts &= ~bit(s->hart->index);
	if (s->hart == this_hart())
		return;
	s->called = true;
	__atomic_store_n(&s->hart->is_called, 1, __ATOMIC_SEQ_CST);
	sbi_send_ipi((struct sbi_harts){ 1, s->hart->id });
}

/* The hart whose vcpu has had most, if that is more than @v by a grain; not one that is to look
 * already, for another one. */
static struct sched_hart *find_victim(const struct vcpu *v, uint64_t now)
{
	struct sched_hart *worst = NULL;
	uint64_t most = v->sched.vtime + ticks(GRAIN_MS);

	for (unsigned i = 0; i < host.harts; i++) {
		struct sched_hart *s = &sched_harts[i];

		if (!(v->sched.affinity & bit(i)) || !s->runs || s->called)
			continue;
		account(s, now);
		if (s->chosen->sched.vtime > most) {
			most = s->chosen->sched.vtime;
			worst = s;
		}
	}
	return worst;
}

/* One that has become ready: somebody who can run it is to look. */
static void call_for(const struct vcpu *v, uint64_t now)
{
	uint64_t can = idle_harts & v->sched.affinity;
	uint64_t last = bit(atomic_load(&v->hart)->index);
	struct sched_hart *s;

	if (can)
		s = &sched_harts[bit_lowest(can & last ? last : can)];
	else
		s = find_victim(v, now);
	if (s)
		call(s);
}

/* A hart that was called for one may have taken another, who could only run there. */
static void call_for_the_rest(void)
{
	for (const struct vcpu *v = queue; v && idle_harts; v = v->sched.next) {
		uint64_t can = idle_harts & v->sched.affinity;

		if (can)
			call(&sched_harts[bit_lowest(can)]);
	}
}

/* --- waking --- */

/* What a stopped hart is told is of no account, but for its VM's end. */
static bool may_run(const struct vcpu *v, uint32_t asked)
{
	uint32_t state = atomic_load(&v->state);

	return (asked & VCPU_REQ_PARK) ||
	       (atomic_load(&v->sched.group->runs) && state != VCPU_STOPPED &&
		state != VCPU_CLAIMED);
}

/* Take @v's requests, but for the one that whoever loads it must see. */
static uint32_t take_requests(struct vcpu *v)
{
	uint32_t asked = atomic_exchange(&v->requests, 0);

	if (asked & VCPU_REQ_PARK)
		atomic_fetch_or(&v->requests, VCPU_REQ_PARK);
	return asked;
}

/* @v is in no list and loaded nowhere: where it belongs now. */
static void put(struct vcpu *v, bool may_sleep, uint64_t now)
{
	uint32_t asked = take_requests(v);
	uint64_t deadline;

	if (!may_run(v, asked)) {
		set_ready(v, false);
		v->sched.place = NOWHERE;
		return;
	}
	deadline = may_sleep && !asked ? v->backend->deadline(v) : 0;
	if (deadline <= now) {
		enqueue(v, now);
		call_for(v, now);
		return;
	}
	set_ready(v, false);
	v->sched.place = ASLEEP;
	insert(&hart_of(v)->sleepers, v, deadline);
}

static void wake(struct vcpu *v, uint64_t now)
{
	if (v->sched.place == LOADED)
		call(hart_of(v));
	if (v->sched.place == LOADED || v->sched.place == QUEUED)
		return;
	if (v->sched.place == ASLEEP)
		take_out(&hart_of(v)->sleepers, v);
	put(v, false, now);
}

static void take_woken(struct hart *h, uint64_t now)
{
	struct vcpu *next;

	for (struct vcpu *v = vcpu_take_woken(h); v; v = next) {
		next = v->woken_next;
		atomic_store(&v->is_woken, 0);
		wake(v, now);
	}
}

static void wake_sleepers(struct sched_hart *s, uint64_t now)
{
	while (s->sleepers && s->sleepers->sched.key <= now)
		wake(s->sleepers, now);
}

/* --- this hart's vcpu --- */

/* A suspended hart wakes for any interrupt it has enabled ("Hart Suspend"). */
static void end_suspend(struct vcpu *v)
{
	if (!irq_is_pending(v))
		return;
	if (v->start.pc != VCPU_START_HERE)
		vcpu_begin(v, v->start);
	atomic_store(&v->state, VCPU_STARTED);
}

/* Whether its WFI, if it is in one, goes on waiting. */
static bool waits(struct vcpu *v)
{
	if (v->waiting && irq_is_pending(v))
		v->waiting = false;
	return v->waiting;
}

static void unload(void)
{
	if (this_hart()->vcpu)
		vcpu_unload();
}

/* What was raised while nothing was loaded here becomes pending now. */
static void begin(struct vcpu *v)
{
	unload();
	v->steal = gpa(0);
	vcpu_reset_csrs(v);
	vcpu_load(v);
	vcpu_begin(v, v->start);
	atomic_store(&v->state, VCPU_STARTED);
}

/*
 * Carry out what was asked of the chosen @v. Returns whether it can run; it is loaded then. It is
 * loaded, too, while it waits for an interrupt, and not otherwise: WFI would not sleep while an
 * interrupt that the guest has enabled is pending in the registers.
 */
static bool settle(struct vcpu *v)
{
	uint32_t asked = take_requests(v);

	if ((asked & VCPU_REQ_PARK) || !may_run(v, asked)) {
		unload();
		return false;
	}
	if (atomic_load(&v->state) == VCPU_STARTING)
		begin(v);
	else if (!this_hart()->vcpu)
		vcpu_load(v);
	else if (asked & VCPU_REQ_IRQ)
		irq_sync(v);
	if (asked & VCPU_REQ_WATCH)
		vcpu_watch(v);
	if (atomic_load(&v->state) == VCPU_SUSPENDED)
		end_suspend(v);
	return atomic_load(&v->state) == VCPU_STARTED && !waits(v);
}

/* --- choosing --- */

/* Alone on its hart for as long as it likes, if each vcpu can have one. */
static bool has_rivals(void)
{
	return vcpus_n > host.harts || bound_n;
}

/* A hart with a slice, or a sleeper to wake, interrupts its guest at least once a slice. */
static void set_timer(struct sched_hart *s, uint64_t now)
{
	uint64_t when = s->sleepers ? s->sleepers->sched.key : TIMER_NEVER;

	if (s->runs && (has_rivals() || s->sleepers) && s->slice_end < when)
		when = s->slice_end > now ? s->slice_end : now + ticks(SLICE_MS);
	timer_host_set(TIMER_SCHED, when);
}

static bool goes_first(const struct sched_hart *s, const struct vcpu *next, uint64_t now)
{
	uint64_t had = s->chosen->sched.vtime;

	if (!next || s->yields)
		return next != NULL;
	return now >= s->slice_end ? next->sched.vtime < had
				   : next->sched.vtime + ticks(GRAIN_MS) < had;
}

/* From here on a kick is for this hart, which hasn't looked at the requests yet; one for the hart
 * that it was on last would be handed on to nobody. */
static void choose(struct sched_hart *s, struct vcpu *v, uint64_t now)
{
	take_out(&queue, v);
	atomic_store(&v->hart, s->hart);
	v->sched.place = LOADED;
	v->sched.waited += now - v->sched.since;
	v->sched.switches++;
	s->chosen = v;
	s->runs = true;
	s->yields = false;
	s->switches++;
	s->slice_end = now + ticks(SLICE_MS);
}

/* Whoever is due more than a whole hart doesn't save what he can't get, nor does he who waited while
 * he had one for himself. */
static void lose_lead(struct vcpu *v, const struct vcpu *next)
{
	uint64_t lead = as_vtime(next, ticks(2 * SLICE_MS));

	if (v->sched.vtime + lead < next->sched.vtime)
		v->sched.vtime = next->sched.vtime - lead;
}

/* Who was chosen stays, and may sleep here; @next, if there is one, waits for this hart. */
static void stay(struct sched_hart *s, bool runs, const struct vcpu *next, uint64_t now)
{
	if (s->chosen)
		set_ready(s->chosen, runs);
	if (runs && next)
		lose_lead(s->chosen, next);
	if (runs && now >= s->slice_end)
		s->slice_end = now + ticks(SLICE_MS);
	s->runs = runs;
	s->yields = false;
	if (runs)
		idle_harts &= ~bit(s->hart->index);
	else
		idle_harts |= bit(s->hart->index);
}

/* Who was chosen has turned out to have nothing to do anywhere. */
static void drop(struct sched_hart *s, uint64_t now)
{
	struct vcpu *v = s->chosen;

	s->chosen = NULL;
	s->runs = false;
	put(v, false, now);
}

/*
 * Whoever is to run here: the chosen one, which can where @runs says so; another, who is in the
 * queue; or nobody. Returns whether that is settled; else the chosen one has to go first.
 */
static bool decide(struct sched_hart *s, bool runs)
{
	const struct vcpu *next;
	uint64_t now;
	bool stays;

	lock_take(&lock);
	now = csr_read(CSR_TIME); /* not before: others account for this hart, too */
	s->called = false;
	account(s, now);
	if (s->chosen && !s->hart->vcpu)
		drop(s, now);
	take_woken(s->hart, now);
	wake_sleepers(s, now);
	next = first_for(s->hart->index);
	stays = !next || (runs && !goes_first(s, next, now));
	if (stays)
		stay(s, runs, next, now);
	call_for_the_rest();
	set_timer(s, now);
	lock_release(&lock);
	return stays;
}

/* Who was chosen leaves this hart, and the next one is chosen, if nobody else has taken it. */
static void leave(struct sched_hart *s, bool runs)
{
	struct vcpu *v = s->chosen, *next;
	uint64_t now;

	unload();
	lock_take(&lock);
	now = csr_read(CSR_TIME);
	account(s, now);
	s->chosen = NULL;
	s->runs = false;
	idle_harts &= ~bit(s->hart->index);
	next = first_for(s->hart->index);
	if (next && v && s->yields && v->sched.vtime < next->sched.vtime)
		v->sched.vtime = next->sched.vtime;
	if (v)
		put(v, !runs, now);
	next = first_for(s->hart->index);
	if (next)
		choose(s, next, now);
	lock_release(&lock);
}

/* It is nowhere from here on, and whoever asked for that may do with it what he likes. */
static struct vcpu *park(struct sched_hart *s)
{
	struct vcpu *v = s->chosen;

	unload();
	lock_take(&lock);
	account(s, csr_read(CSR_TIME));
	atomic_store(&v->requests, 0);
	atomic_store(&v->state, VCPU_STOPPED);
	s->chosen = NULL;
	s->runs = false;
	set_ready(v, false);
	v->sched.place = NOWHERE;
	lock_release(&lock);
	return v;
}

/* They are taken only if nothing else has been asked for meanwhile: whoever did saw that this hart was
 * to answer, and didn't tell it. */
bool sched_stays(struct vcpu *v)
{
	uint32_t asked = VCPU_REQ_IRQ;

	if (v->waiting || atomic_load(&v->state) != VCPU_STARTED ||
	    !atomic_compare_exchange_strong(&v->requests, &asked, 0))
		return false;
	irq_sync(v);
	return true;
}

enum sched_word sched_next(struct vcpu **v)
{
	struct sched_hart *s = &sched_harts[this_hart()->index];
	bool runs;

	for (;;) {
		runs = s->chosen && settle(s->chosen);
		if (s->chosen && (atomic_load(&s->chosen->requests) & VCPU_REQ_PARK)) {
			*v = park(s);
			return SCHED_PARKED;
		}
		if (decide(s, runs)) {
			*v = s->chosen;
			return s->runs ? SCHED_RUN : SCHED_WAIT;
		}
		leave(s, runs);
	}
}

bool sched_was_called(void)
{
	struct hart *h = this_hart();

	return __atomic_exchange_n(&h->is_called, 0, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&h->woken, __ATOMIC_SEQ_CST);
}

void sched_give_way(struct vcpu *v)
{
	sched_harts[this_hart()->index].yields = true;
	atomic_fetch_or(&v->requests, VCPU_REQ_SCHED);
}

/* --- coming and going --- */

void sched_begin(void)
{
	struct sched_hart *s = &sched_harts[this_hart()->index];

	lock_take(&lock);
	s->since = csr_read(CSR_TIME);
	s->hart = this_hart();
	lock_release(&lock);
}

/* This hart has changed something while its vcpu runs: it is to look before that goes on. */
static void look_again(void)
{
	struct vcpu *v = this_hart()->vcpu;

	if (v)
		atomic_fetch_or(&v->requests, VCPU_REQ_SCHED);
}

/* Harts that ran without a slice may need one. */
static void count(const struct vcpu *v, unsigned more)
{
	bool had_rivals = has_rivals();

	vcpus_n += more;
	if (v->sched.affinity != bit(host.harts) - 1)
		bound_n += more;
	if (had_rivals || !has_rivals())
		return;
	for (unsigned i = 0; i < host.harts; i++)
		if (sched_harts[i].runs)
			call(&sched_harts[i]);
	look_again();
}

void sched_add(struct vcpu *v, struct sched_group *group, uint64_t affinity)
{
	lock_take(&lock);
	v->sched = (struct vcpu_sched){ .group = group,
					.affinity = affinity & (bit(host.harts) - 1),
					.vtime = vtime_now(csr_read(CSR_TIME)) };
	count(v, 1);
	lock_release(&lock);
}

/* It is nowhere, since its VM's end parked it; but it may have been woken since. */
void sched_remove(struct vcpu *v)
{
	lock_take(&lock);
	for (unsigned i = 0; i < host.harts; i++)
		if (sched_harts[i].hart)
			take_woken(sched_harts[i].hart, csr_read(CSR_TIME));
	count(v, -1u);
	look_again();
	lock_release(&lock);
}

/* From where it would go on: what it had before that doesn't count any more. */
void sched_charge(struct vcpu *v, uint64_t since)
{
	uint64_t now, from;

	lock_take(&lock);
	now = csr_read(CSR_TIME);
	from = vtime_now(now);
	if (v->sched.vtime < from)
		v->sched.vtime = from;
	v->sched.vtime += as_vtime(v, now - since);
	lock_release(&lock);
}

/* --- what it came to --- */

void sched_account(const struct vcpu *v, struct sched_account *a)
{
	const struct sched_hart *s;
	uint64_t now;

	lock_take(&lock);
	now = csr_read(CSR_TIME);
	s = v->sched.place == LOADED ? hart_of(v) : NULL;
	*a = (struct sched_account){ .ran = v->sched.ran,
				     .waited = v->sched.waited,
				     .switches = v->sched.switches,
				     .hart = -1,
				     .place = "off" };
	if (v->sched.place == QUEUED) {
		a->place = "ready";
		a->waited += now - v->sched.since;
	} else if (s && s->chosen == v && s->runs) {
		a->place = "runs";
		a->ran += now - s->since;
		a->hart = (int)s->hart->index;
	} else if (s || v->sched.place == ASLEEP) {
		a->place = "waits";
	}
	lock_release(&lock);
}

void sched_hart_account(unsigned hart, struct sched_hart_account *a)
{
	const struct sched_hart *s = &sched_harts[hart];
	uint64_t passed;

	lock_take(&lock);
	passed = csr_read(CSR_TIME) - s->since;
	*a = (struct sched_hart_account){ .busy = s->busy + (s->runs ? passed : 0),
					  .idle = s->idle + (s->runs ? 0 : passed),
					  .switches = s->switches,
					  .vcpu = s->runs ? s->chosen : NULL };
	lock_release(&lock);
}
