/*
 * Commands: one row each, in a table; a line becomes a call.
 *
 * A row's usage is also its grammar. Words in lower case are the command's name, and stand for
 * themselves; a|b is one of these; what is in upper case is an argument of that kind; what is in
 * brackets may be left out:
 *
 *   "vm show VM"   "exits [VM] [on|off|reset]"   "vcpu regs VM[.N]"   "quit [STATUS]"
 */
#ifndef HYP_MONITOR_COMMAND_H
#define HYP_MONITOR_COMMAND_H

#include "hyp/monitor/answer.h"
#include "hyp/vm/vm.h"

#define COMMAND_MOST 256 /* bytes of a line */
#define VCPU_NAME    64	 /* bytes of "VM.N", with its end; a longer name of a VM is cut */

/* What a line has besides the command's name. What was left out is NULL, or -1. */
struct arguments {
	struct vm *vm;
	struct vcpu *vcpu; /* VM[.N]: that one, or the first */
	const char *name;  /* NAME: any word */
	const char *word, *second; /* of a|b: the one that was given, and where there are two */
	uint64_t address;
	bool has_address;
	const char *rest;  /* COMMAND: all that follows; "": nothing */
	uint32_t events;   /* EVENTS: a set of enum trace_kind; 0: none was given */
	int status;	   /* STATUS */
	uint64_t size;	   /* SIZE: bytes */
};

typedef void command_run(const struct arguments *args, struct answer *a);

struct command {
	const char *usage, *help;
	command_run *run;
};

/* By kind of command; each ends with a row of NULL. */
extern const struct command machine_commands[], vm_commands[], vcpu_commands[], cost_commands[],
	net_commands[], xlate_commands[], map_commands[], trace_commands[];

/* "VM.N", in @to. Returns @to. */
const char *vcpu_name(const struct vcpu *v, char to[VCPU_NAME]);

/* A value of @a: the shadow policy of @vm's description; none where it has no shadows. */
void answer_policy(const struct vm *vm, struct answer *a);

/* The @index-th command of all, or NULL. */
const struct command *command_at(unsigned index);

/* Whether @c's name begins with the words of @name. */
bool command_has_name(const struct command *c, const char *name);

/**
 * Carry out @line (ended by 0, at most COMMAND_MOST bytes) and answer, with an error where it isn't
 * a command. @a is begun; the caller ends it.
 */
void command_run_line(const char *line, struct answer *a);

/* How the word that ends @n bytes of a line can go on. */
struct completion {
	char common[64]; /* what all of them add to it; with a space where there is only one */
	unsigned count;
	struct text *list; /* all of them, two spaces between; NULL: not wanted */
};
void command_complete(const char *line, unsigned n, struct completion *c);

#endif
