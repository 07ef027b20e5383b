/*
 * The Linux half of `make bench`: PID 1 of a RAM disk that holds nothing else. Measures what a
 * program pays for the kernel's common services, prints one line each, and powers off.
 *
 * Invariant: only the operation itself lies between two readings of the clock; printing, which
 * is itself dear under a hypervisor, never does. Under QEMU's -icount a tick of the clock is 100
 * instructions.
 * Read next: tests/bench/bench, which runs this and compares; mark.h and count.c for marks.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/mark.h"

#define INSTRUCTIONS_PER_TICK 100
#define PAGE		      4096UL
#define TOUCH_PAGES	      2048UL
#define RUN_PAGES	      64UL
#define SETTLE_SECONDS	      1

/** One row per figure: @prepare and @finish are outside the measured time; either may be NULL. */
struct item {
	const char *name;
	void (*prepare)(void);
	void (*run)(unsigned long count);
	void (*finish)(void);
	unsigned long count;
};

static char *area;
static int ping[2], pong[2];
static pid_t partner;

static uint64_t now(void)
{
	uint64_t t;

	__asm__ volatile("rdtime %0" : "=r"(t) : : "memory");
	return t;
}

static void die(const char *what)
{
	perror(what);
	fflush(stdout);
	/* PID 1 must not return: the kernel would panic and hide the reason. */
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	_exit(1);
}

static void run_syscall(unsigned long count)
{
	while (count--)
		syscall(SYS_getppid);
}

static void await(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		die("child");
}

static void run_fork(unsigned long count)
{
	while (count--) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		await(child);
	}
}

static void run_exec(unsigned long count)
{
	while (count--) {
		pid_t child = fork();

		if (child == 0) {
			execl("/init", "init", "exit", (char *)NULL);
			_exit(1);
		}
		await(child);
	}
}

static void map_area(void)
{
	area = mmap(NULL, TOUCH_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (area == MAP_FAILED || madvise(area, TOUCH_PAGES * PAGE, MADV_NOHUGEPAGE) != 0)
		die("mmap");
}

static void run_touch(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		*(volatile char *)(area + i * PAGE) = 1;
}

static void map_touched(void)
{
	map_area();
	run_touch(TOUCH_PAGES);
}

static void run_unmap(unsigned long count)
{
	if (munmap(area, count * PAGE) != 0)
		die("munmap");
}

static void unmap_area(void)
{
	run_unmap(TOUCH_PAGES);
}

/* Both changes of one round: to read-only and back. */
static void toggle(unsigned long count, unsigned long bytes)
{
	while (count--) {
		if (mprotect(area, bytes, PROT_READ) != 0 ||
		    mprotect(area, bytes, PROT_READ | PROT_WRITE) != 0)
			die("mprotect");
	}
}

static void run_protect_page(unsigned long count)
{
	toggle(count, PAGE);
}

static void run_protect_run(unsigned long count)
{
	toggle(count, RUN_PAGES * PAGE);
}

static void pass(int to, int from)
{
	char byte = 0;

	if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
		die("pipe");
}

static void answer(void)
{
	char byte;

	close(ping[1]);
	while (read(ping[0], &byte, 1) == 1)
		if (write(pong[1], &byte, 1) != 1)
			_exit(1);
	_exit(0);
}

static void start_partner(void)
{
	if (pipe(ping) != 0 || pipe(pong) != 0)
		die("pipe");
	partner = fork();
	if (partner == 0)
		answer();
	/* The first round pays for the partner's start. */
	pass(ping[1], pong[0]);
}

static void run_pingpong(unsigned long count)
{
	while (count--)
		pass(ping[1], pong[0]);
}

static void stop_partner(void)
{
	close(ping[1]);
	await(partner);
	close(ping[0]);
	close(pong[0]);
	close(pong[1]);
}

static const struct item items[] = {
	{ "syscall", NULL, run_syscall, NULL, 20000 },
	{ "fork_exit", NULL, run_fork, NULL, 200 },
	{ "exec", NULL, run_exec, NULL, 100 },
	{ "mmap_touch", map_area, run_touch, unmap_area, TOUCH_PAGES },
	{ "munmap", map_touched, run_unmap, NULL, TOUCH_PAGES },
	{ "mprotect_1", map_touched, run_protect_page, unmap_area, 2000 },
	{ "mprotect_64", map_touched, run_protect_run, unmap_area, 1000 },
	{ "pipe_pingpong", start_partner, run_pingpong, stop_partner, 2000 },
};

/* The first time fills the allocator's lists and the page cache. */
static void warm(const struct item *item)
{
	if (item->prepare)
		item->prepare();
	item->run(item->count);
	if (item->finish)
		item->finish();
}

static uint64_t measure(const struct item *item)
{
	uint64_t start, end;

	if (item->prepare)
		item->prepare();
	mark(MARK_ITEM);
	start = now();
	item->run(item->count);
	end = now();
	mark(MARK_ITEM_END);
	if (item->finish)
		item->finish();
	return end - start;
}

static void measure_all(void)
{
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		const struct item *item = &items[i];
		uint64_t ticks;

		warm(item);
		ticks = measure(item);
		printf("bench %s %lu instructions/op, %lu times\n", item->name,
		       (unsigned long)(ticks * INSTRUCTIONS_PER_TICK / item->count), item->count);
	}
}

int main(int argc, char **argv)
{
	/* What the kernel still does beside the first programs is over by then. */
	const struct timespec settle = { .tv_sec = SETTLE_SECONDS };
	uint64_t start = now();

	(void)argv;
	if (argc > 1)
		return 0;
	mark(MARK_INIT);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("bench init_ticks %lu ticks\n", (unsigned long)start);
	nanosleep(&settle, NULL);
	measure_all();
	fflush(stdout);
	mark(MARK_END);
	reboot(RB_POWER_OFF);
	die("reboot");
}
