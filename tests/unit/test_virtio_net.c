/*
 * hyp/dev/virtio_net.c and hyp/drv/net.c: three devices of guests and the host's, and what comes
 * from one to the other, in which form.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fake/eager.h"
#include "tests/fake/uplink.h"

#include "hyp/drv/plic.h"
#include "hyp/drv/net.c"
#include "hyp/dev/board.h"
#include "hyp/dev/virtio_net.h"
#include "hyp/vcpu/irq.h"

#define HOST_RAM   UINT64_C(0x40000000)
#define HOST_BYTES MIB(64)
#define RAM	   UINT64_C(0x80000000)
#define RAM_BYTES  MIB(16)
#define SIZE	   64
#define BUFFER	   2048
#define HDR	   12

enum { A, B, C, GUESTS, HOST = 9 };
enum { RX, TX };
#define GUEST_ALL                                                                                  \
	(NET_F_CSUM | NET_F_GUEST_CSUM | NET_GUEST_TSO | NET_HOST_TSO | NET_F_MRG_RXBUF |          \
	 VIRTIO_F_EVENT_IDX)

static struct board board;
static struct vcpu vcpu;
static struct vcpu *const vcpus[] = { &vcpu };
static struct gstage gs;
static struct frame_pool guest_pool, fixed;
static uint8_t history[PORT_HISTORY];
static uint16_t offered[GUESTS][2], taken[GUESTS][2];
static const uint8_t mac_of[10][6] = { [A] = { 0x52, 0x54, 0, 0, 0, 1 },
				       [B] = { 0x52, 0x54, 0, 0, 0, 2 },
				       [C] = { 0x52, 0x54, 0, 0, 0, 3 },
				       [HOST] = { 0x52, 0x55, 10, 0, 2, 2 } };

void irq_set_external(struct vcpu *v, bool high)
{
	(void)v;
	(void)high;
}

static uint32_t reg(unsigned slot, unsigned at)
{
	struct mmio m = { .offset = slot * 0x1000 + at, .width = 4 };

	assert_int_equal(board_access(&board, &board_devices[BOARD_VIRTIO], &m), MMIO_OK);
	return (uint32_t)m.value;
}

static enum mmio_result set(unsigned slot, unsigned at, uint32_t v)
{
	struct mmio m = { .offset = slot * 0x1000 + at, .width = 4, .is_store = true, .value = v };

	return board_access(&board, &board_devices[BOARD_VIRTIO], &m);
}

static uint64_t area(unsigned slot, unsigned queue)
{
	return RAM + 0x100000 + (slot * 2 + queue) * 0x40000;
}

static void write_guest(uint64_t at, const void *from, uint64_t bytes)
{
	assert_int_equal(gstage_write(&gs, gpa(at), from, bytes), OK);
}

static void write16(uint64_t at, uint16_t v)
{
	write_guest(at, &v, sizeof(v));
}

static uint16_t read16(uint64_t at)
{
	uint16_t v;

	assert_int_equal(gstage_read(&gs, gpa(at), &v, sizeof(v)), OK);
	return v;
}

static void start_queue(unsigned slot, unsigned queue)
{
	uint64_t at = area(slot, queue);

	offered[slot][queue] = taken[slot][queue] = 0;
	write16(at + 0x1002, 0);
	write16(at + 0x2002, 0);
	set(slot, 0x30, queue);
	set(slot, 0x38, SIZE);
	set(slot, 0x80, (uint32_t)at);
	set(slot, 0x90, (uint32_t)at + 0x1000);
	set(slot, 0xa0, (uint32_t)at + 0x2000);
	set(slot, 0x44, 1);
}

static void start(unsigned slot, uint64_t features)
{
	set(slot, 0x70, 0);
	set(slot, 0x70, 3);
	set(slot, 0x24, 0);
	set(slot, 0x20, (uint32_t)features);
	set(slot, 0x24, 1);
	set(slot, 0x20, 1);
	set(slot, 0x70, 11);
	assert_int_equal(reg(slot, 0x70), 11);
	start_queue(slot, RX);
	start_queue(slot, TX);
	set(slot, 0x70, 15);
}

/* Offer a buffer of @bytes, the next of the queue's, where driver and device agree on what it is. */
static void offer(unsigned slot, unsigned queue, uint64_t buffer, uint32_t bytes)
{
	uint64_t at = area(slot, queue);
	uint16_t n = offered[slot][queue]++, i = n % SIZE;
	struct virtio_desc d = { buffer, bytes, queue == RX ? VIRTIO_DESC_WRITE : 0, 0 };

	write_guest(at + 16u * i, &d, sizeof(d));
	write16(at + 0x1004 + 2u * i, i);
	write16(at + 0x1002, (uint16_t)(n + 1));
}

static uint64_t buffer_of(unsigned slot, unsigned n)
{
	return area(slot, RX) + 0x4000 + (n % SIZE) * BUFFER;
}

static void listen(unsigned slot, unsigned buffers)
{
	for (unsigned i = 0; i < buffers; i++)
		offer(slot, RX, buffer_of(slot, offered[slot][RX]), BUFFER);
}

/* What came to @slot next, with the header, into @to. Returns how many bytes; 0: nothing. */
static uint32_t hear(unsigned slot, uint8_t *to)
{
	uint64_t at = area(slot, RX);
	uint32_t n = 0, buffers = 1;

	if (read16(at + 0x2002) == taken[slot][RX])
		return 0;
	for (uint32_t i = 0; i < buffers; i++) {
		uint16_t k = taken[slot][RX]++;
		uint32_t entry[2];

		assert_int_equal(
			gstage_read(&gs, gpa(at + 0x2004 + 8u * (k % SIZE)), entry, sizeof(entry)), OK);
		assert_int_equal(gstage_read(&gs, gpa(buffer_of(slot, entry[0])), to + n, entry[1]),
				 OK);
		n += entry[1];
		if (!i)
			memcpy(&buffers, to + 10, 2), buffers &= 0xffff;
	}
	return n;
}

static uint8_t out[70000], in[70000];

/* A packet of @n bytes behind a header, in out[]; where it is. */
static uint8_t *make(unsigned to, unsigned from, unsigned n)
{
	memset(out, 0, HDR);
	for (unsigned i = 0; i < n; i++)
		out[HDR + i] = (uint8_t)(i * 7 + n);
	memcpy(out + HDR, mac_of[to], 6);
	memcpy(out + HDR + 6, mac_of[from], 6);
	out[HDR + 12] = 0x88;
	out[HDR + 13] = 0xb5;
	return out + HDR;
}

static void queue_up(unsigned from, unsigned n)
{
	uint64_t at = area(from, TX) + 0x4000 + (offered[from][TX] % 4u) * 0x12000 % 0x30000;

	write_guest(at, out, HDR + n);
	offer(from, TX, at, HDR + n);
}

static void send(unsigned from, unsigned n)
{
	queue_up(from, n);
	assert_int_equal(set(from, 0x50, TX), MMIO_OK);
	assert_int_equal(read16(area(from, TX) + 0x2002), offered[from][TX]);
}

static uint64_t drops_out(unsigned slot, enum switch_drop why)
{
	return switch_ports[virtio_net_port(&board.virtio[slot])].drops_out[why];
}

static uint64_t drops_in(unsigned slot, enum switch_drop why)
{
	return switch_ports[virtio_net_port(&board.virtio[slot])].drops_in[why];
}

static void join(unsigned slot, bool isolated)
{
	struct switch_rules rules = { .mac = mac_read(mac_of[slot]), .is_isolated = isolated };

	assert_int_equal(virtio_net_attach(&board, slot, &gs, &rules, &fixed), OK);
}

static void machine(uint64_t host_features)
{
	fake_reset();
	fake_ram(HOST_RAM, HOST_BYTES);
	assert_int_equal(
		frame_add_ram((struct frame_range){ HOST_RAM, HOST_BYTES }, NULL, 0, true), OK);
	memset(&host, 0, sizeof(host));
	memset(&board, 0, sizeof(board));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&net, 0, sizeof(net));
	memset(&eager, 0, sizeof(eager));
	memset(switch_ports, 0, sizeof(switch_ports));
	switch_used = 0;
	host.harts = 1;
	host.timebase = 10;
	dev_plug(VIRTIO_NET, 256, host_features | VIRTIO_F_VERSION_1);
	guest_pool = (struct frame_pool){ .owner = 1 };
	fixed = (struct frame_pool){ .owner = 2 };
	assert_int_equal(
		gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &guest_pool, gpa(RAM), RAM_BYTES),
		OK);
	net_init();
	virtio_net_begin_uplink();
	join(A, false);
	join(B, false);
	join(C, true);
	board.uart.port.history = history;
	board_reset(&board, vcpus, 1);
}

static int set_up(void **state)
{
	(void)state;
	machine(NET_F_MRG_RXBUF | VIRTIO_F_EVENT_IDX);
	return 0;
}

static void interrupt(void)
{
	assert_false(net_interrupt(DEV_IRQ + 1));
	assert_true(net_interrupt(DEV_IRQ));
	assert_false(virtio_net_uplink());
}

static void test_configuration(void **state)
{
	(void)state;
	assert_int_equal(reg(A, 8), 1);
	assert_int_equal(reg(A, 0x100), 0x00005452);
	assert_int_equal(reg(A, 0x104), 0x00010100); /* the address's end, the link is up */
	assert_int_equal(reg(A, 0x108), 1 | 1500 << 16);
	assert_true(net_is_there());
	assert_int_equal(dev.q[0].ready & dev.q[1].ready, 1);
	assert_int_equal(dev.q[0].notified, 1);
}

static void test_guest_to_guest(void **state)
{
	(void)state;
	start(A, GUEST_ALL);
	start(B, GUEST_ALL);
	listen(B, 4);
	for (unsigned n = 14; n < 1518; n += 93) {
		make(B, A, n);
		send(A, n);
		assert_int_equal(hear(B, in), HDR + n);
		assert_memory_equal(in + HDR, out + HDR, n);
		assert_int_equal(in[10], 1);
		assert_int_equal(hear(A, in), 0);
		listen(B, 1);
	}
	assert_int_equal(reg(B, 0x60), 1);
	assert_int_equal(uplink_takes(in, sizeof(in)), 0);
}

static void test_uplink(void **state)
{
	(void)state;
	start(A, GUEST_ALL);
	listen(A, 8);
	make(HOST, A, 1000);
	send(A, 1000);
	assert_int_equal(uplink_takes(in, sizeof(in)), HDR + 1000);
	assert_memory_equal(in, out, HDR + 1000);
	make(A, HOST, 900);
	out[10] = 1;
	assert_true(uplink_brings(out, HDR + 900));
	interrupt();
	assert_int_equal(hear(A, in), HDR + 900);
	assert_memory_equal(in + HDR, out + HDR, 900);
	assert_int_equal(dev.irq, 0);
	/* As often as there are buffers, and more. */
	for (unsigned i = 0; i < 300; i++) {
		send(A, 900 - i);
		assert_int_equal(uplink_takes(in, sizeof(in)), 0); /* not from that address */
		make(HOST, A, 60 + i);
		send(A, 60 + i);
		assert_int_equal(uplink_takes(in, sizeof(in)), HDR + 60 + i);
		make(A, HOST, 60 + i);
		out[10] = 1;
		assert_true(uplink_brings(out, HDR + 60 + i));
		interrupt();
		assert_int_equal(hear(A, in), HDR + 60 + i);
		listen(A, 1);
	}
	assert_int_equal(drops_in(A, DROP_SPOOFED), 300);
}

static void test_uplink_is_full(void **state)
{
	(void)state;
	start(A, 0);
	for (unsigned i = 0; i < NET_BUFFERS + 5; i++) {
		make(HOST, A, 100);
		send(A, 100);
	}
	assert_int_equal(switch_ports[SWITCH_UPLINK].drops_out[DROP_NO_ROOM], 5);
	for (unsigned i = 0; i < NET_BUFFERS; i++)
		assert_int_equal(uplink_takes(in, sizeof(in)), HDR + 100);
	send(A, 100);
	assert_int_equal(uplink_takes(in, sizeof(in)), HDR + 100);
}

static void test_isolated(void **state)
{
	(void)state;
	for (unsigned slot = A; slot <= C; slot++) {
		start(slot, GUEST_ALL);
		listen(slot, 8);
	}
	make(C, A, 100);
	send(A, 100);
	assert_int_equal(hear(C, in), 0);
	make(A, C, 100);
	send(C, 100);
	assert_int_equal(hear(A, in), 0);
	make(HOST, C, 100);
	memset(out + HDR, 0xff, 6);
	send(C, 100);
	assert_int_equal(hear(A, in) | hear(B, in), 0);
	assert_int_equal(uplink_takes(in, sizeof(in)), HDR + 100);
	make(C, HOST, 100);
	out[10] = 1;
	assert_true(uplink_brings(out, HDR + 100));
	interrupt();
	assert_int_equal(hear(C, in), HDR + 100);
}

static void test_nobody_listens(void **state)
{
	(void)state;
	start(A, GUEST_ALL);
	make(B, A, 200);
	send(A, 200);
	assert_int_equal(drops_out(B, DROP_NOT_READY), 1);
	start(B, NET_F_MRG_RXBUF);
	send(A, 200);
	assert_int_equal(drops_out(B, DROP_NO_ROOM), 1);
	/* Half of what it needs is not taken. */
	offer(B, RX, buffer_of(B, 0), 100);
	send(A, 200);
	assert_int_equal(drops_out(B, DROP_NO_ROOM), 2);
	assert_int_equal(hear(B, in), 0);
	offer(B, RX, buffer_of(B, 1), 150);
	send(A, 200);
	assert_int_equal(hear(B, in), HDR + 200);
	assert_int_equal(in[10], 2);
	assert_memory_equal(in + HDR, out + HDR, 200);
	/* Not merged, where that wasn't agreed on. */
	start(B, 0);
	offer(B, RX, buffer_of(B, 0), 100);
	offer(B, RX, buffer_of(B, 1), BUFFER);
	send(A, 200);
	assert_int_equal(hear(B, in), 0);
	make(B, A, 80);
	send(A, 80);
	assert_int_equal(hear(B, in), HDR + 80);
	/* Gone. */
	listen(B, 4);
	set(B, 0x70, 0);
	send(A, 80);
	assert_int_equal(drops_out(B, DROP_NOT_READY), 2);
	virtio_detach(&board);
	send(A, 80);
}

/* A receiver that adds empty chains as fast as they are taken gets nothing, and the sender isn't
 * kept. */
static void test_endless_chains(void **state)
{
	(void)state;
	start(A, GUEST_ALL);
	start(B, GUEST_ALL);
	for (unsigned n = 0; n < SIZE; n++)
		offer(B, RX, buffer_of(B, n), n ? 0 : HDR);
	eager.at = area(B, RX) + 0x1002;
	eager.more = SIZE;
	make(B, A, 200);
	send(A, 200);
	assert_int_equal(drops_out(B, DROP_NO_ROOM), 1);
}

/* A packet with half a checksum comes to nobody who didn't agree to that. */
static void test_checksum(void **state)
{
	struct net_header h = { .flags = 1, .csum_start = 34, .csum_offset = 16 };
	uint32_t sum = 0;

	(void)state;
	start(A, GUEST_ALL);
	start(B, GUEST_ALL);
	listen(B, 4);
	make(B, A, 500);
	memcpy(out, &h, sizeof(h));
	send(A, 500);
	assert_int_equal(hear(B, in), HDR + 500);
	assert_int_equal(in[0], 1);
	assert_memory_equal(in + HDR, out + HDR, 500);
	start(B, GUEST_ALL & ~NET_F_GUEST_CSUM);
	listen(B, 4);
	send(A, 500);
	assert_int_equal(hear(B, in), HDR + 500);
	assert_int_equal(in[0], 0);
	for (unsigned i = 34; i < 500; i += 2)
		sum += i == 50 ? 0u : (uint32_t)(out[HDR + i] << 8 | out[HDR + i + 1]);
	sum += (uint32_t)(out[HDR + 50] << 8 | out[HDR + 51]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(in[HDR + 50] << 8 | in[HDR + 51], ~sum & 0xffff);
	/* Nor may one send it who didn't. */
	start(A, 0);
	send(A, 500);
	assert_int_equal(hear(B, in), 0);
	assert_int_equal(drops_in(A, DROP_MALFORMED), 1);
}

static void make_large(unsigned to, unsigned from, unsigned n)
{
	struct net_header h = { .flags = 1,
				.gso_type = NET_GSO_TCPV4,
				.gso_size = 1448,
				.csum_start = 34,
				.csum_offset = 16 };
	uint8_t *p = make(to, from, n);

	memcpy(out, &h, sizeof(h));
	p[12] = 8;
	p[13] = 0;
	p[14] = 0x45;
	p[23] = 6;
	p[46] = 0x50;
}

static void test_large(void **state)
{
	unsigned n = 20000, done = 0, segments = 0;

	(void)state;
	start(A, GUEST_ALL);
	start(B, GUEST_ALL);
	listen(B, 12);
	make_large(B, A, n);
	send(A, n);
	assert_int_equal(hear(B, in), HDR + n);
	assert_int_equal(in[1], NET_GSO_TCPV4);
	assert_int_equal(in[10], (HDR + n + BUFFER - 1) / BUFFER);
	assert_memory_equal(in + HDR, out + HDR, n);
	/* In segments to who doesn't take it whole: the uplink here, and a simple driver. */
	start(B, 0);
	listen(B, 20);
	send(A, n);
	for (uint32_t got; (got = hear(B, in)); segments++) {
		assert_int_equal(in[0] | in[1], 0);
		assert_memory_equal(in + HDR + 54, out + HDR + 54 + done, got - HDR - 54);
		done += got - HDR - 54;
	}
	assert_int_equal(done, n - 54);
	assert_int_equal(segments, (n - 54 + 1447) / 1448);
	make_large(HOST, A, n);
	send(A, n);
	for (unsigned i = 0; i < segments; i++)
		assert_true(uplink_takes(in, sizeof(in)) > HDR + 54);
	assert_int_equal(uplink_takes(in, sizeof(in)), 0);
}

/* A host that takes large packets, and brings them. */
static void test_large_uplink(void **state)
{
	unsigned n = 60000;
	struct net_header h;

	(void)state;
	machine(NET_F_MRG_RXBUF | NET_F_CSUM | NET_F_GUEST_CSUM | NET_GUEST_TSO | NET_HOST_TSO);
	assert_int_equal(net_features() & NET_GUEST_TSO, NET_GUEST_TSO);
	start(A, GUEST_ALL);
	listen(A, 40);
	make_large(HOST, A, n);
	send(A, n);
	assert_int_equal(uplink_takes(in, sizeof(in)), HDR + n);
	assert_memory_equal(in + HDR, out + HDR, n);
	make_large(A, HOST, n);
	memcpy(&h, out, sizeof(h));
	h.buffers = (uint16_t)((HDR + n + NET_BUFFER - 1) / NET_BUFFER);
	memcpy(out, &h, sizeof(h));
	assert_true(uplink_brings(out, HDR + n));
	interrupt();
	assert_int_equal(hear(A, in), HDR + n);
	assert_memory_equal(in + HDR, out + HDR, n);
	machine(NET_F_CSUM | NET_F_GUEST_CSUM | NET_GUEST_TSO);
	assert_int_equal(net_features() & NET_GUEST_TSO, 0);
}

static void test_bursts(void **state)
{
	(void)state;
	start(A, GUEST_ALL);
	start(B, GUEST_ALL);
	listen(B, 40);
	for (unsigned i = 0; i < 4; i++) {
		make(i & 1 ? HOST : B, A, 100 + i);
		queue_up(A, 100 + i);
	}
	dev.q[1].notified = 0;
	assert_int_equal(set(A, 0x50, TX), MMIO_OK);
	assert_int_equal(dev.q[1].notified, 1);
	assert_int_equal(hear(B, in), HDR + 100);
	assert_int_equal(hear(B, in), HDR + 102);
}

/* A device that lies: of lengths, of numbers, of what belongs together. */
static void test_bad_uplink(void **state)
{
	uint16_t id;

	(void)state;
	start(A, GUEST_ALL);
	listen(A, 8);
	make(A, HOST, 100);
	out[10] = 9; /* buffers that don't come */
	assert_true(uplink_brings(out, HDR + 100));
	interrupt();
	out[10] = 255;
	assert_true(uplink_brings(out, HDR + 100));
	interrupt();
	assert_true(dev_next(0, &id));
	dev_used(0, id, 5);
	dev_used(0, id, 50);
	dev_used(0, 70000, 50);
	interrupt();
	assert_true(dev_next(0, &id));
	dev_used(0, id, 4000000000u); /* what stood there before, and no more */
	interrupt();
	assert_int_equal(hear(A, in), 0);
	out[10] = 0;
	assert_true(uplink_brings(out, HDR + 100));
	interrupt();
	assert_int_equal(hear(A, in), HDR + 100);
}

/* What can't be a network of ours isn't used. */
static void test_no_uplink(void **state)
{
	(void)state;
	machine(0);
	memset(&net, 0, sizeof(net));
	dev.max = 64;
	net_init();
	assert_false(net_is_there());
	dev.kind = 3;
	net_init();
	assert_false(net_is_there());
	assert_false(net_interrupt(DEV_IRQ));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_configuration, set_up),
		cmocka_unit_test_setup(test_guest_to_guest, set_up),
		cmocka_unit_test_setup(test_uplink, set_up),
		cmocka_unit_test_setup(test_uplink_is_full, set_up),
		cmocka_unit_test_setup(test_isolated, set_up),
		cmocka_unit_test_setup(test_nobody_listens, set_up),
		cmocka_unit_test_setup(test_endless_chains, set_up),
		cmocka_unit_test_setup(test_checksum, set_up),
		cmocka_unit_test_setup(test_large, set_up),
		cmocka_unit_test_setup(test_large_uplink, set_up),
		cmocka_unit_test_setup(test_bursts, set_up),
		cmocka_unit_test_setup(test_bad_uplink, set_up),
		cmocka_unit_test_setup(test_no_uplink, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
