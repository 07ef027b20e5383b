/*
 * The guest of `make stress`: PID 1 of a RAM disk that holds nothing else. For `seconds` it forks,
 * executes, maps and unmaps, moves pages under other threads' hands and passes blocks around, on
 * all processors at once, checking every word it wrote; then it says what came of it, powers off.
 *
 * Invariant: workers share nothing but `board`; a worker that finds wrong data counts it and goes
 * on, one that can't go on stops counting, which the first process notices.
 * Read next: tests/stress/stress, which starts this and judges what it says.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	      4096UL
#define WORDS	      (PAGE / sizeof(uint64_t))
#define WORKERS	      9
#define BLOCK_WORDS   64
#define STRIDE	      16 /* words apart that are written and looked at */
#define THREADS	      4
#define LOOK_SECONDS  5
#define STALL_SECONDS 60
#define LOG_BYTES     (1 << 20)
#define READ_ALL      3 /* klogctl */

/* Seen by all processes. */
struct board {
	_Atomic uint64_t progress[WORKERS];
	_Atomic uint64_t wrong[WORKERS];
	_Atomic int end;
};
static struct board *board;
static unsigned self; /* which worker this process is */
static unsigned cpu_count;

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 11;
}

static void step(void)
{
	atomic_fetch_add(&board->progress[self], 1);
}

static void expect(int good)
{
	if (!good)
		atomic_fetch_add(&board->wrong[self], 1);
}

static int running(void)
{
	return !atomic_load(&board->end);
}

static _Noreturn void die(const char *what)
{
	printf("stress: worker %u: %s: %s\n", self, what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* Go to another processor. */
static void wander(uint64_t *seed)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(random_next(seed) % cpu_count, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *pages(unsigned long count)
{
	void *at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static uint64_t word_of(uint64_t tag, uint64_t i)
{
	return (tag + i) * 0x9e3779b97f4a7c15 ^ tag << 32;
}

static void fill(uint64_t *at, unsigned long count, uint64_t tag)
{
	for (uint64_t i = 0; i < count * WORDS; i += STRIDE)
		at[i] = word_of(tag, i);
}

/* Number of words that aren't what fill() wrote. */
static unsigned long differ(const uint64_t *at, unsigned long count, uint64_t tag)
{
	unsigned long n = 0;

	for (uint64_t i = 0; i < count * WORDS; i += STRIDE)
		n += at[i] != word_of(tag, i);
	return n;
}

static void await(pid_t child, int want)
{
	int status;

	if (child < 0)
		die("fork");
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	expect(WIFEXITED(status) && WEXITSTATUS(status) == want);
}

/* Children see the parent's pages, change their own, and the parent's stay. */
static void fork_storm(uint64_t seed)
{
	const unsigned long count = 32;
	uint64_t *area = pages(count);

	for (uint64_t tag = seed; running(); tag++) {
		pid_t child[3];

		fill(area, count, tag);
		for (unsigned i = 0; i < 3; i++) {
			child[i] = fork();
			if (child[i] == 0) {
				int bad = differ(area, count, tag) != 0;

				fill(area, count, ~tag + i);
				_exit(bad || differ(area, count, ~tag + i) != 0);
			}
		}
		for (unsigned i = 0; i < 3; i++)
			await(child[i], 0);
		expect(differ(area, count, tag) == 0);
		wander(&seed);
		step();
	}
}

/* The program again, with a sum to check. */
static void exec_storm(uint64_t seed)
{
	char number[24], want[24];

	while (running()) {
		uint64_t n = random_next(&seed);
		pid_t child;

		snprintf(number, sizeof(number), "%lu", (unsigned long)n);
		snprintf(want, sizeof(want), "%lu", (unsigned long)(n % 41));
		child = fork();
		if (child == 0) {
			execl("/init", "init", "sum", number, want, (char *)NULL);
			_exit(1);
		}
		await(child, (int)(n % 41) + 7);
		step();
	}
}

/* What the executed program does: its memory is fresh, its arguments are those it was given. */
static int sum(char **argv)
{
	unsigned long n = strtoul(argv[2], NULL, 10), want = strtoul(argv[3], NULL, 10);
	static uint64_t zeros[8 * WORDS];
	uint64_t *area = malloc(16 * PAGE);

	for (unsigned i = 0; i < 8 * WORDS; i++)
		if (zeros[i] != 0)
			return 1;
	fill(area, 16, n);
	return differ(area, 16, n) == 0 && n % 41 == want ? (int)want + 7 : 1;
}

/* --- threads of one process --- */

/* A page of the window holds generations; a reader may never see one older than was announced. */
static uint64_t *window;
static _Atomic uint64_t announced;
static __thread sigjmp_buf unmapped;
static __thread volatile int may_fault;

static void on_fault(int signal)
{
	(void)signal;
	if (!may_fault)
		die("a fault");
	siglongjmp(unmapped, 1);
}

/* Replace the page in the window by a new one, whose generation is then announced. */
static void replace_window(uint64_t generation)
{
	uint64_t *fresh = pages(1);

	fill(fresh, 1, generation);
	fresh[0] = generation;
	if (mremap(fresh, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, window) == MAP_FAILED)
		die("mremap");
	atomic_store(&announced, generation);
}

static void *replacer(void *arg)
{
	uint64_t seed = (uint64_t)arg;

	for (uint64_t generation = 2; running(); generation++) {
		replace_window(generation);
		if (generation % 64 == 0)
			wander(&seed);
		step();
	}
	return NULL;
}

static void read_window(void)
{
	uint64_t least = atomic_load(&announced);

	may_fault = 1;
	if (sigsetjmp(unmapped, 0) == 0) {
		uint64_t seen = *(volatile uint64_t *)window;

		expect(seen >= least);
	}
	may_fault = 0;
}

/* A store to a page that was just made read-only must fault. */
static void store_must_fault(uint64_t *at)
{
	may_fault = 1;
	if (sigsetjmp(unmapped, 0) == 0) {
		*(volatile uint64_t *)at = 0;
		expect(0);
	}
	may_fault = 0;
}

static void *mapper(void *arg)
{
	const unsigned long count = 24;
	uint64_t seed = (uint64_t)arg;

	for (uint64_t tag = seed; running(); tag++) {
		uint64_t *area = pages(count), *half = area + count / 2 * WORDS;

		fill(area, count, tag);
		if (mprotect(area, count * PAGE, PROT_READ) != 0)
			die("mprotect");
		expect(differ(area, count, tag) == 0);
		store_must_fault(area + random_next(&seed) % (count * WORDS));
		if (mprotect(half, PAGE, PROT_READ | PROT_WRITE) != 0 ||
		    munmap(area, count / 2 * PAGE) != 0)
			die("munmap");
		half[0] = tag;
		expect(half[0] == tag && half[WORDS] == word_of(tag, count / 2 * WORDS + WORDS));
		for (unsigned i = 0; i < 20; i++)
			read_window();
		if (munmap(half, count / 2 * PAGE) != 0)
			die("munmap");
		if (tag % 16 == 0)
			wander(&seed);
		step();
	}
	return NULL;
}

static void threads(uint64_t seed)
{
	struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	pthread_t thread[THREADS];

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	window = pages(1);
	replace_window(1);
	for (unsigned i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, i == 0 ? replacer : mapper,
				   (void *)(seed + i)) != 0)
			die("pthread_create");
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

/* --- one process's memory --- */

/* Pages change places, are given back and come anew as zeros. */
static void patterns(uint64_t seed)
{
	const unsigned long count = 1024;
	uint64_t *area = pages(count), *spare = pages(1);
	uint64_t tags[1024];

	for (unsigned long i = 0; i < count; i++)
		fill(area + i * WORDS, 1, tags[i] = i);
	while (running()) {
		unsigned long i = random_next(&seed) % count, j = random_next(&seed) % count;
		uint64_t *at = area + i * WORDS, *to = area + j * WORDS;

		expect(differ(at, 1, tags[i]) == 0);
		if (seed % 3 == 0) {
			madvise(at, PAGE, MADV_DONTNEED);
			for (unsigned w = 0; w < WORDS; w++)
				expect(at[w] == 0);
			fill(at, 1, tags[i] = random_next(&seed));
		} else if (i != j) {
			memcpy(spare, at, PAGE);
			if (mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to ||
			    mmap(at, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
				die("mremap");
			expect(memcmp(to, spare, PAGE) == 0);
			tags[j] = tags[i];
			fill(at, 1, tags[i] = random_next(&seed));
		}
		if (seed % 512 == 0)
			wander(&seed);
		step();
	}
}

/* --- pipes --- */

/* Whether a block came in and is the one of that turn. */
static int receive(int from, uint64_t turn)
{
	uint64_t block[BLOCK_WORDS];

	if (read(from, block, sizeof(block)) != sizeof(block))
		return 0;
	for (uint64_t i = 0; i < BLOCK_WORDS; i++)
		expect(block[i] == word_of(turn, i));
	return 1;
}

static int transmit(int to, uint64_t turn)
{
	uint64_t block[BLOCK_WORDS];

	for (uint64_t i = 0; i < BLOCK_WORDS; i++)
		block[i] = word_of(turn, i);
	return write(to, block, sizeof(block)) == sizeof(block);
}

static void answer_blocks(int from, int to, uint64_t seed)
{
	for (uint64_t turn = 1; receive(from, turn) && transmit(to, ~turn); turn++)
		if (turn % 128 == 0)
			wander(&seed);
}

/* Two processes pass blocks to and fro. */
static void pipes(uint64_t seed)
{
	int there[2], back[2];
	pid_t child;

	if (pipe(there) != 0 || pipe(back) != 0)
		die("pipe");
	child = fork();
	if (child == 0) {
		close(there[1]);
		close(back[0]);
		answer_blocks(there[0], back[1], seed + 1);
		_exit(0);
	}
	close(there[0]);
	close(back[1]);
	for (uint64_t turn = 1; running(); turn++) {
		if (!transmit(there[1], turn) || !receive(back[0], ~turn))
			die("the other end of a pipe");
		if (turn % 256 == 0)
			wander(&seed);
		step();
	}
	close(there[1]);
	await(child, 0);
}

/* --- the first process --- */

static const struct worker {
	const char *name;
	void (*work)(uint64_t seed);
} workers[WORKERS] = {
	{ "fork", fork_storm }, { "exec", exec_storm }, { "threads", threads },
	{ "memory", patterns }, { "pipe", pipes },	{ "fork", fork_storm },
	{ "exec", exec_storm }, { "threads", threads }, { "memory", patterns },
};

static void start_workers(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0) {
			self = i;
			workers[i].work(i * 7919 + 12345);
			_exit(0);
		}
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Print how far everybody is; returns how many made no step for too long. */
static unsigned look_around(double start)
{
	static uint64_t last[WORKERS];
	static double moved[WORKERS];
	unsigned stalled = 0;

	printf("stress: %3.0f s:", now() - start);
	for (unsigned i = 0; i < WORKERS; i++) {
		uint64_t progress = atomic_load(&board->progress[i]);

		printf(" %s %lu", workers[i].name, (unsigned long)progress);
		if (progress != last[i] || moved[i] == 0)
			moved[i] = now();
		last[i] = progress;
		stalled += now() - moved[i] > STALL_SECONDS;
	}
	printf("\n");
	return stalled;
}

/* How many words of trouble the kernel's log has; the first is shown. */
static unsigned kernel_complaints(void)
{
	static const char *const words[] = {
		"WARNING",    "BUG",	  "Oops",
		"stall",      "lockup",	  "Call Trace",
		"unexpected", "spurious", "unhandled signal",
	};
	char *log = calloc(1, LOG_BYTES + 1);
	unsigned count = 0;

	if (log == NULL || klogctl(READ_ALL, log, LOG_BYTES) < 0)
		die("the kernel's log");
	for (char *line = strtok(log, "\n"); line != NULL; line = strtok(NULL, "\n"))
		for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strstr(line, words[i]) != NULL && count++ == 0)
				printf("stress: the kernel says: %s\n", line);
	return count;
}

/* Wait for the workers to end by themselves; returns how many didn't, or not well. */
static unsigned gather(void)
{
	double until = now() + STALL_SECONDS;
	unsigned lost = WORKERS;
	int status;

	while (lost > 0 && now() < until) {
		if (waitpid(-1, &status, WNOHANG) > 0)
			lost -= WIFEXITED(status) && WEXITSTATUS(status) == 0;
		else
			usleep(10000);
	}
	return lost;
}

static void supervise(double seconds)
{
	double start = now();
	unsigned stalled = 0, lost, complaints;
	unsigned long steps = 0, wrong = 0;

	start_workers();
	while (now() - start < seconds && stalled == 0) {
		sleep(LOOK_SECONDS);
		stalled = look_around(start);
	}
	atomic_store(&board->end, 1);
	lost = gather();
	complaints = kernel_complaints();
	for (unsigned i = 0; i < WORKERS; i++) {
		steps += atomic_load(&board->progress[i]);
		wrong += atomic_load(&board->wrong[i]);
	}
	printf("stress: %s: %lu steps, %lu wrong, %u stalled, %u lost, %u complaints\n",
	       wrong + stalled + lost + complaints == 0 ? "passed" : "FAILED", steps, wrong,
	       stalled, lost, complaints);
}

int main(int argc, char **argv)
{
	const char *seconds = getenv("seconds");
	cpu_set_t set;

	if (argc == 4 && strcmp(argv[1], "sum") == 0)
		return sum(argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sched_getaffinity(0, sizeof(set), &set);
	cpu_count = (unsigned)CPU_COUNT(&set);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (board == MAP_FAILED)
		die("mmap");
	printf("stress: %u processors\n", cpu_count);
	supervise(seconds != NULL ? atof(seconds) : 180);
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
