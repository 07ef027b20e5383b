/*
 * The disk and network half of `make bench`: PID 1 of a RAM disk that holds nothing else but
 * Debian's modules for virtio. Reads and writes its disk past the page cache, speaks TCP with the
 * bench's server on the host, prints a line a figure, and powers off.
 *
 * Invariant: only the operations lie between two readings of the clock, and each of them is over
 * when the second one is read: the disk has answered, the peer has acknowledged in its own words.
 * Read next: tests/bench/devices.py, which runs this, is the server, and compares.
 */
#define _GNU_SOURCE /* O_DIRECT */

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/mark.h"

#define KIB 1024UL
#define MIB (1024UL * KIB)

#define DISK_BYTES  (256 * MIB) /* devices.py makes it */
#define SMALL	    (4 * KIB)
#define LARGE	    MIB
#define NET_BYTES   (64 * KIB) /* of one write to the socket, or read from it */
#define ADDRESS	    "10.0.2.15"
#define SERVER	    "10.0.2.2" /* the host, as QEMU's user network has it */
#define RANDOM_STEP 0x9e3779b97f4a7c15U

/* Figures: what is done, how often; bytes of each operation. */
struct item {
	const char *name;
	void (*run)(unsigned long count);
	unsigned long count, bytes;
};

static int disk, peer;
static char *buffer;

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
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void check(int result, const char *what)
{
	if (result < 0)
		die(what);
}

/* --- the disk --- */

typedef ssize_t mover(int fd, void *data, size_t bytes, off_t at);

static ssize_t put(int fd, void *data, size_t bytes, off_t at)
{
	return pwrite(fd, data, bytes, at);
}

static void move(mover *way, size_t bytes, unsigned long place)
{
	off_t at = (off_t)(place % (DISK_BYTES / bytes) * bytes);

	if (way(disk, buffer, bytes, at) != (ssize_t)bytes)
		die("disk");
}

/* Places that no read-ahead foresees, the same ones every time. */
static void scattered(mover *way, unsigned long count)
{
	while (count--)
		move(way, SMALL, count * RANDOM_STEP >> 32);
}

static void in_order(mover *way, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		move(way, LARGE, i);
}

static void read_small(unsigned long count)
{
	scattered(pread, count);
}

static void write_small(unsigned long count)
{
	scattered(put, count);
}

static void read_large(unsigned long count)
{
	in_order(pread, count);
}

static void write_large(unsigned long count)
{
	in_order(put, count);
}

/* --- the network --- */

static void send_all(size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = write(peer, buffer, bytes - done);

		if (n <= 0)
			die("send");
		done += (size_t)n;
	}
}

static void receive_all(size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = read(peer, buffer, bytes - done < NET_BYTES ? bytes - done : NET_BYTES);

		if (n <= 0)
			die("receive");
		done += (size_t)n;
	}
}

/* What devices.py's server is to do next, with so many bytes. */
static void order(char what, uint64_t bytes)
{
	char line[16] = { what };

	memcpy(line + 8, &bytes, sizeof(bytes));
	if (write(peer, line, sizeof(line)) != (ssize_t)sizeof(line))
		die("order");
}

static void bounce(unsigned long count)
{
	order('e', count);
	while (count--) {
		send_all(1);
		receive_all(1);
	}
}

static void give(unsigned long count)
{
	order('s', count * NET_BYTES);
	while (count--)
		send_all(NET_BYTES);
	receive_all(1);
}

static void take(unsigned long count)
{
	order('g', count * NET_BYTES);
	receive_all(count * NET_BYTES);
}

/* --- set-up --- */

static void load(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	check(fd, path);
	check((int)syscall(SYS_finit_module, fd, "", 0), path);
	close(fd);
}

static struct sockaddr_in address(const char *text, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
		die(text);
	return a;
}

static void set_up_interface(int s)
{
	struct sockaddr_in own = address(ADDRESS, 0), mask = address("255.255.255.0", 0);
	struct ifreq request = { .ifr_name = "eth0" };

	memcpy(&request.ifr_addr, &own, sizeof(own));
	check(ioctl(s, SIOCSIFADDR, &request), "address");
	memcpy(&request.ifr_netmask, &mask, sizeof(mask));
	check(ioctl(s, SIOCSIFNETMASK, &request), "netmask");
	check(ioctl(s, SIOCGIFFLAGS, &request), "flags");
	request.ifr_flags |= IFF_UP;
	check(ioctl(s, SIOCSIFFLAGS, &request), "up");
}

static void set_up_network(const char *port)
{
	struct sockaddr_in server = address(SERVER, (uint16_t)atoi(port));
	int one = 1;

	peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(peer, "socket");
	set_up_interface(peer);
	check(setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "nodelay");
	check(connect(peer, (const struct sockaddr *)&server, sizeof(server)), "connect");
}

static void set_up_disk(void)
{
	check(mount("none", "/dev", "devtmpfs", 0, NULL), "devtmpfs");
	disk = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
	check(disk, "/dev/vda");
	if (posix_memalign((void **)&buffer, LARGE, LARGE))
		die("memory");
	memset(buffer, 0x5a, LARGE);
}

static void set_up(void)
{
	static const char *const modules[] = { "virtio_mmio", "virtio_blk", "failover",
					       "net_failover", "virtio_net" };
	const char *port = getenv("bench_port");

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		load(modules[i]);
	if (!port)
		die("no bench_port");
	set_up_disk();
	set_up_network(port);
}

static const struct item items[] = {
	{ "read_small", read_small, 1000, SMALL }, { "write_small", write_small, 1000, SMALL },
	{ "read_large", read_large, 256, LARGE },  { "write_large", write_large, 256, LARGE },
	{ "round_trip", bounce, 1000, 1 },	   { "send", give, 1024, NET_BYTES },
	{ "receive", take, 1024, NET_BYTES },
};

static uint64_t measure(const struct item *item)
{
	uint64_t start;

	/* The first time finds caches cold, the guest's and the host's. */
	item->run(item->count / 4);
	mark(MARK_ITEM);
	start = now();
	item->run(item->count);
	start = now() - start;
	mark(MARK_ITEM_END);
	return start;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	set_up();
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		const struct item *item = &items[i];
		uint64_t ticks = measure(item);

		printf("bench %s %llu ticks, %lu times, %lu bytes\n", item->name,
		       (unsigned long long)ticks, item->count, item->bytes);
	}
	fflush(stdout);
	order('q', 0);
	reboot(RB_POWER_OFF);
	die("reboot");
}
