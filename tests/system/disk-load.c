/*
 * disk-load DEVICE WORKERS TIMES: a program for a Linux guest that keeps a disk as busy as it
 * can, past all caches, and knows what must be on it.
 *
 * Each worker, a process, has REGION bytes of the disk for itself, zero at first. TIMES times it
 * writes or reads what chance says, up to 1.5 MiB at once, to and from many places of its memory of
 * which no two are neighbours, so that Linux makes requests of as many segments as the disk takes.
 * Every sector says where it belongs and how often it was written; whoever reads one compares all
 * of it. At the end each worker reads its whole region. Status 0: everything was as it must be.
 *
 * Read next: test_disks.py.
 */
#define _GNU_SOURCE /* O_DIRECT */

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB	    1024UL
#define MIB	    (1024UL * KIB)
#define SECTOR	    512UL
#define WORDS	    (SECTOR / sizeof(uint64_t))
#define REGION	    (4 * MIB)
#define MOST	    (3 * MIB / 2) /* bytes of an operation */
#define CHECKED	    MIB
#define PIECE_MOST  (8 * KIB)
#define PIECES_MOST 1024 /* IOV_MAX */
#define MIX	    0x9e3779b97f4a7c15U

struct worker {
	int disk;
	uint64_t first; /* sector of its region */
	uint64_t random;
	uint8_t *memory;		   /* where pieces are: twice MOST and their gaps */
	uint32_t written[REGION / SECTOR]; /* how often; 0: still zero */
	struct iovec pieces[PIECES_MOST];
};

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t draw(struct worker *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random * MIX % below;
}

static uint64_t word_of(const struct worker *w, uint64_t sector, unsigned n)
{
	uint32_t times = w->written[sector];

	return times ? ((w->first + sector) << 32 | (uint64_t)times << 6 | n) * MIX : 0;
}

static void fill(const struct worker *w, uint64_t sector, uint64_t *to)
{
	for (unsigned n = 0; n < WORDS; n++)
		to[n] = word_of(w, sector, n);
}

static void check(const struct worker *w, uint64_t sector, const uint64_t *got)
{
	for (unsigned n = 0; n < WORDS; n++) {
		uint64_t want = word_of(w, sector, n);

		if (got[n] == want)
			continue;
		printf("sector %lu, written %u times, word %u: got %lx want %lx\n",
		       w->first + sector, w->written[sector], n, got[n], want);
		exit(1);
	}
}

/* @sectors in pieces of up to @most bytes, with a sector's gap at least between any two; returns
 * how many pieces that are, and *@sectors, for how many there was room. */
static int cut(struct worker *w, uint64_t *sectors, uint64_t most)
{
	uint8_t *at = w->memory;
	uint64_t left = *sectors;
	int n = 0;

	for (; left && n < PIECES_MOST; n++) {
		uint64_t some = 1 + draw(w, most / SECTOR);

		if (some > left)
			some = left;
		w->pieces[n] = (struct iovec){ at, some * SECTOR };
		at += (some + 1 + draw(w, some)) * SECTOR;
		left -= some;
	}
	*sectors -= left;
	return n;
}

static void each(struct worker *w, uint64_t sector, int pieces, bool is_write)
{
	for (int i = 0; i < pieces; i++) {
		uint8_t *at = w->pieces[i].iov_base;

		for (uint64_t done = 0; done < w->pieces[i].iov_len; done += SECTOR, sector++)
			if (is_write)
				fill(w, sector, (uint64_t *)(void *)(at + done));
			else
				check(w, sector, (uint64_t *)(void *)(at + done));
	}
}

static void move(struct worker *w, uint64_t sector, uint64_t sectors, uint64_t most, bool is_write)
{
	int pieces = cut(w, &sectors, most);
	off_t at = (off_t)((w->first + sector) * SECTOR);
	ssize_t got;

	if (is_write) {
		for (uint64_t s = 0; s < sectors; s++)
			w->written[sector + s]++;
		each(w, sector, pieces, true);
		got = pwritev(w->disk, w->pieces, pieces, at);
	} else {
		memset(w->memory, 0xa5, 2 * MOST);
		got = preadv(w->disk, w->pieces, pieces, at);
	}
	if (got != (ssize_t)(sectors * SECTOR))
		die(is_write ? "pwritev" : "preadv");
	if (!is_write)
		each(w, sector, pieces, false);
}

static void check_region(struct worker *w)
{
	for (uint64_t sector = 0; sector < REGION / SECTOR; sector += CHECKED / SECTOR)
		move(w, sector, CHECKED / SECTOR, PIECE_MOST, false);
}

static void work(struct worker *w, int times)
{
	for (; times; times--) {
		uint64_t most = draw(w, 4) ? MOST : 8 * SECTOR; /* small ones come in between */
		uint64_t sectors = 1 + draw(w, most / SECTOR);
		uint64_t sector = draw(w, REGION / SECTOR - sectors + 1);

		move(w, sector, sectors, draw(w, 2) ? PIECE_MOST : 4 * KIB, draw(w, 2));
		if (!draw(w, 16) && fdatasync(w->disk))
			die("fdatasync");
	}
	check_region(w);
	exit(0);
}

static void begin(const char *path, unsigned number, int times)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		die("memory");
	w->disk = open(path, O_RDWR | O_DIRECT);
	if (w->disk < 0)
		die(path);
	w->first = number * (REGION / SECTOR);
	w->random = (number + 1) * MIX;
	w->memory =
		mmap(NULL, 2 * MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->memory == MAP_FAILED)
		die("memory");
	work(w, times);
}

int main(int arguments, char **argument)
{
	unsigned workers = arguments == 4 ? (unsigned)atoi(argument[2]) : 0;
	int times = arguments == 4 ? atoi(argument[3]) : 0, status, failures = 0;

	if (!workers || times <= 0) {
		fprintf(stderr, "usage: disk-load DEVICE WORKERS TIMES\n");
		return 2;
	}
	for (unsigned i = 0; i < workers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			begin(argument[1], i, times);
	}
	while (wait(&status) > 0)
		failures += status != 0;
	printf("%u workers, %d failed\n", workers, failures);
	return failures != 0;
}
