/*
 * Which vcpu runs on which hart, and when: any number of vcpus over any number of harts.
 *
 *   place    NOWHERE --woken--> QUEUED --picked--> LOADED --> QUEUED   (its slice is over)
 *               ^                                    |------> ASLEEP   (until an interrupt, or .deadline)
 *               '------------------------------------'  (stopped, paused, parked)
 *
 * One queue for all harts, in order of virtual time: that goes on while a vcpu runs, faster the
 * smaller its VM's weight and the more of the VM's vcpus want to run. Who has had least is next,
 * on whatever hart is free: no hart is idle while a vcpu that may run there waits.
 *
 * A vcpu that waits stays loaded where it is until its hart has another one to run; so one that is
 * alone on its hart is woken by that hart's own interrupts, and at no cost.
 */
#ifndef HYP_SCHED_SCHED_H
#define HYP_SCHED_SCHED_H

#include "hyp/vcpu/vcpu.h"

/* Longest run of one vcpu while others wait, and shortest before one that was woken takes over. */
#define SLICE_MS 10
#define GRAIN_MS 1

#define WEIGHT_DEFAULT 100

/* A VM, as far as its vcpus' turns go. */
struct sched_group {
	unsigned weight;   /* its share of busy harts, relative to others'; not 0 */
	_Atomic bool runs; /* whether its vcpus may; they are kicked, or woken, when that changes */
	unsigned ready;	   /* sched.c: vcpus that want to run */
};

/* Times in units of `time`. */
struct sched_account {
	uint64_t ran, waited; /* waited: ready to run, while others did ("steal") */
	uint64_t switches;    /* times it was loaded */
	int hart;	      /* the index of the one it runs on, or -1 */
	const char *place;    /* "runs", "ready", "waits", "off" */
};

struct sched_hart_account {
	uint64_t busy, idle, switches;
	const struct vcpu *vcpu; /* which runs there, or NULL */
};

/* This hart takes part from now on. Once. */
void sched_begin(void);

/* A new vcpu of @group, that may run on the harts of set @affinity; it is nowhere until it is woken. */
void sched_add(struct vcpu *v, struct sched_group *group, uint64_t affinity);

/**
 * @v, which was parked and not started since, is to be forgotten. When this returns no hart has it
 * in mind.
 */
void sched_remove(struct vcpu *v);

/* Time that its hart spent for @v's sake while @v was nowhere, up to now: @v has had it. */
void sched_charge(struct vcpu *v, uint64_t since);

enum sched_word {
	SCHED_RUN,    /* *@v, loaded and ready to be entered */
	SCHED_WAIT,   /* nobody: wait for an interrupt and ask again */
	SCHED_PARKED, /* *@v has left its guest, as VCPU_REQ_PARK asked: tell its VM and ask again */
};

/**
 * Carry out what was asked of this hart's vcpu, and choose who runs.
 */
enum sched_word sched_next(struct vcpu **v);

/* Whether nothing but interrupts was asked of @v, which runs here: they are pending now, and there is
 * nothing to choose. */
bool sched_stays(struct vcpu *v);

/* The hart was interrupted by another: whether its vcpu, or what it waits for, is to be chosen anew. */
bool sched_was_called(void);

/* This hart's vcpu @v can't go on before another one has run: let the others go first. */
void sched_give_way(struct vcpu *v);

void sched_account(const struct vcpu *v, struct sched_account *a);
void sched_hart_account(unsigned hart, struct sched_hart_account *a);

#endif
