/*
 * A trace: what happens to one VM, event by event, in a ring of memory.
 *
 *   writers   any harts, each for the vcpu that is loaded there; none waits for another
 *   reader    one at a time (the monitor); what was overwritten before it came is counted
 *
 * A hart that runs a vcpu whose VM is traced has the ring in hart->trace, and nobody else has: off,
 * a trace is one look at that pointer, at places that are seldom reached; exits aren't looked at at
 * all, since a vcpu that is traced leaves its guest by a vector of its own (hyp/trap/timed.c).
 *
 * docs/trace.md says what each event means and which of them each backend can show.
 */
#ifndef HYP_LIB_TRACE_H
#define HYP_LIB_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "hyp/arch/cpu.h"

enum trace_kind {
	TRACE_EXIT,
	TRACE_FAULT,
	TRACE_FILL,
	TRACE_FENCE,
	TRACE_SATP,
	TRACE_INJECT,
	TRACE_PT_STORE,
	TRACE_SYNC,
	TRACE_UNSHADOW,
	TRACE_EVICT,
	TRACE_KINDS,		   /* that can be asked for */
	TRACE_ENTER = TRACE_KINDS, /* comes with TRACE_EXIT */
	TRACE_BREAK,		   /* trace_stop() */
	TRACE_NAMES,
};
#define TRACE_ALL ((1u << TRACE_KINDS) - 1)

/* What an event may have, besides what each has. */
enum trace_member {
	TRACE_CAUSE, /* EXIT_ROW's halves: code << 1, 1 for an interrupt */
	TRACE_PC,
	TRACE_AT, /* gva */
	TRACE_GPA,
	TRACE_HPA,
	TRACE_LEVEL,
	TRACE_ENTRY,
	TRACE_IN, /* the gpa of the guest's table that the entry is in, or stands for one of */
	TRACE_ASID,
	TRACE_ATP, /* satp, as the guest has it */
	TRACE_VALUE,
	TRACE_BYTES,
	TRACE_REASON, /* of a fault: hyp/trap/timed.c makes it, the monitor says it */
	TRACE_MEMBERS,
};

/* Why, where the kind alone doesn't say. */
enum trace_why {
	TRACE_NO_WHY,
	TRACE_DEMAND,	/* fill of the G-stage: the first touch */
	TRACE_COPY,	/* fill of the G-stage: the VM's own copy of a bundle's page */
	TRACE_TABLE,	/* fill of a shadow: a pointer to another table */
	TRACE_PAGE,	/* fill of a shadow: a leaf */
	TRACE_SBI,	/* fence: by a call, for other harts too */
	TRACE_SAME,	/* sync: only A or D was set, the shadow stays */
	TRACE_CHANGED,	/* sync: the shadow's entry is taken back */
	TRACE_STORED,	/* unshadow: a store that isn't emulated */
	TRACE_MAPPED,	/* break: the address is mapped, otherwise than before */
	TRACE_UNMAPPED, /* break: it isn't mapped any more */
	TRACE_WALKED,	/* break: the page is on the way of a walk */
	TRACE_DISUSED,	/* unshadow: the page is no table any more */
	TRACE_WHYS,
};

struct trace_value {
	enum trace_member member;
	uint64_t value;
};

struct trace_event {
	uint64_t n; /* 0..: its place among all events of the VM */
	uint64_t time, instret;
	uint8_t kind, why;
	uint16_t hart, vcpu;
	uint16_t has; /* bit n: .value[n] is told */
	uint64_t value[TRACE_MEMBERS];
};

#define TRACE_WORDS (sizeof(struct trace_event) / sizeof(uint64_t) - 1)

/* .stamp: 0 before first use, 2n+1 while event n is being written, 2n+2 when it is there. */
struct trace_slot {
	_Atomic uint64_t stamp;
	_Atomic uint64_t given_up;	    /* n+1: event n found the slot in somebody's hands */
	_Atomic uint64_t word[TRACE_WORDS]; /* the event, but for .n */
};

#define TRACE_SLOTS  14000
#define TRACE_BREAKS 8
#define TRACE_VCPUS  8

/* Pause the VM where .at, a gva, is mapped otherwise than before; or, once, where .at, a page's
 * gpa, is found to be a page table. */
struct trace_break {
	_Atomic uint64_t id; /* 1..: no two are alike, so that what was known of another one isn't
				of this; 0 while it is made */
	_Atomic uint64_t at; /* ~0 of a table that was found: another one may take its place */
	_Atomic uint32_t is_table;
	struct {
		uint64_t id, leaf;
	} seen[TRACE_VCPUS]; /* by vcpu, its own hart's: the leaf that maps .at, for break .id */
};

struct trace {
	_Atomic uint32_t kinds; /* set of those that are written */
	_Atomic uint32_t stops; /* set: the next of these pauses the VM, and empties the set */
	_Atomic uint32_t needs; /* set of those that breaks are found by */
	_Atomic uint64_t hit;	/* .n + 1 of the event for which the VM is to be paused; 0: none */
	_Atomic uint64_t
		stopped_by; /* the same of the last one that it was; 0: none since the last step */
	struct trace_break breaks[TRACE_BREAKS];
	_Atomic uint32_t breaks_n;
	_Atomic uint64_t next; /* events so far */
	uint64_t at, lost;     /* the reader's: the next to read; how many it couldn't */
	uint64_t breaks_made;  /* the monitor's */
	struct trace_slot slot[TRACE_SLOTS];
};

extern const char *const trace_names[TRACE_NAMES];
extern const char *const trace_whys[TRACE_WHYS];

/* Once, on the boot hart: find out whether the hart's instruction counter can be read. */
void trace_probe(void);
bool trace_has_instret(void);

/* @t is memory of any contents: begin with no event, off. */
void trace_init(struct trace *t);

/* The set of kinds that somebody waits for. */
static inline uint32_t trace_watched(const struct trace *t)
{
	return atomic_load_explicit(&t->kinds, memory_order_relaxed) |
	       atomic_load_explicit(&t->stops, memory_order_relaxed) |
	       atomic_load_explicit(&t->needs, memory_order_relaxed);
}

/* And whether anything is left to be done about one of them. */
static inline bool trace_is_on(const struct trace *t)
{
	return t && (trace_watched(t) != 0 || atomic_load(&t->hit) != 0);
}

/* Whether events of @kind of the vcpu that is loaded on this hart are to be told. */
static inline bool trace_wants(enum trace_kind kind)
{
	const struct trace *t = this_hart()->trace;

	return __builtin_expect(t != NULL, 0) && (trace_watched(t) >> kind & 1) != 0;
}

/* The same of what is about @memory: a hart serves others than its vcpu's VM, too (a packet
 * arrives, a disk answers, a VM is started), and that is none of the vcpu's affair. */
static inline bool trace_wants_of(const struct gstage *memory, enum trace_kind kind)
{
	return trace_wants(kind) && this_hart()->traced_memory == memory;
}

/* Where trace_wants() said so: an event of this hart's vcpu, now, with @n of @values. */
void trace_add(enum trace_kind kind, enum trace_why why, const struct trace_value *values,
	       unsigned n);

/* A TRACE_BREAK of this hart's vcpu, for which its VM is to be paused. */
void trace_stop(enum trace_why why, const struct trace_value *values, unsigned n);

/* From now on: the next event whose kind is in @kinds is one for which the VM is to be paused. */
void trace_step(struct trace *t, uint32_t kinds);

/* Whether the VM of this hart's vcpu is to be paused, and *@by, the number of the event for which;
 * it is told once. trace_stopped(): it was. */
bool trace_take_stop(struct trace *t, uint64_t *by);
void trace_stopped(struct trace *t, uint64_t by);

/* The VM has ended: it is neither stepped nor to be paused any more. NULL: never traced. */
void trace_end(struct trace *t);

/* For the monitor: one more break, or none any more. Returns false where there is no room. */
bool trace_add_break(struct trace *t, bool is_table, uint64_t at);
bool trace_break_is_over(const struct trace_break *b);
void trace_clear_breaks(struct trace *t);

/* Whether there is a break at table @page (~0: none); it is over then. */
bool trace_take_table(struct trace *t, uint64_t page);

/* Write @e, with the .n that it gets, from any hart at any time. */
void trace_write(struct trace *t, struct trace_event *e);

/**
 * What comes next in @t, for its only reader: an event in *@e, with *@lost 0; or *@lost events that
 * are gone, before the next one.
 * Returns false where there is nothing yet.
 */
bool trace_read(struct trace *t, struct trace_event *e, uint64_t *lost);

/* How many events wait to be read; and how many were lost, those included that the reader hasn't
 * come to yet. */
uint64_t trace_unread(const struct trace *t);
uint64_t trace_lost(const struct trace *t);

#endif
