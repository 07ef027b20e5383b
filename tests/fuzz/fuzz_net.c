/*
 * Any drivers of two network devices, and any host: register accesses, rings, packets, and what the
 * host's device writes to its own rings, in any order. What may not come of it: a crash, a
 * notification or an interrupt that never ends, a byte outside the guest's memory or the driver's
 * buffers touched, a packet from an address that its sender doesn't have, or half a checksum where
 * none was agreed on.
 *
 * An input is a list of steps of 8 bytes: what, where, and with what.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/uplink.h"

#include "hyp/drv/plic.h"
#include "hyp/drv/net.c"
#include "hyp/dev/board.h"
#include "hyp/dev/virtio_net.h"
#include "hyp/vcpu/irq.h"

#define HOST_RAM   UINT64_C(0x40000000)
#define HOST_BYTES MIB(12)
#define RAM	   UINT64_C(0x80000000)
#define RAM_BYTES  MIB(2)
#define AGAIN_MAX  4096

/* In the RAM of a device's own 64 KiB: rings of both queues, and data. */
enum { DESC = 0, AVAIL = 0x1000, USED = 0x2000, TX = 0x4000, TABLE = 0x8000, DATA = 0x9000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct step {
	uint8_t what, slot;
	uint16_t at;
	uint32_t value;
};

static struct board board;
static struct vcpu vcpu;
static struct vcpu *const vcpus[] = { &vcpu };
static struct gstage gs;
static struct frame_pool guest_pool, fixed;
static uint8_t history[PORT_HISTORY];

void irq_set_external(struct vcpu *v, bool high)
{
	(void)v;
	(void)high;
}

static enum mmio_result store(unsigned slot, unsigned at, unsigned width, uint64_t value)
{
	struct mmio m = {
		.offset = slot * 0x1000 + at, .width = width, .is_store = true, .value = value
	};

	return board_access(&board, &board_devices[BOARD_VIRTIO], &m);
}

static void notify(unsigned slot, uint32_t queue)
{
	unsigned n = 0;

	while (store(slot, 0x50, 4, queue) == MMIO_AGAIN)
		if (++n == AGAIN_MAX)
			abort();
}

static uint64_t own(unsigned slot, uint64_t at)
{
	return RAM + 0x10000 * slot + at;
}

static void write_guest(uint64_t at, const void *from, uint64_t bytes)
{
	if (gstage_write(&gs, gpa(at), from, bytes))
		abort();
}

/* As a good driver would, with features of any kind. */
static void start(unsigned slot, uint32_t value)
{
	(void)store(slot, 0x70, 4, 0);
	(void)store(slot, 0x70, 4, 3);
	(void)store(slot, 0x24, 4, 0);
	(void)store(slot, 0x20, 4, value & 0x3001bbab);
	(void)store(slot, 0x24, 4, 1);
	(void)store(slot, 0x20, 4, 1);
	(void)store(slot, 0x70, 4, 11);
	for (unsigned queue = 0; queue < 2; queue++) {
		uint64_t at = own(slot, queue * TX);

		(void)store(slot, 0x30, 4, queue);
		(void)store(slot, 0x38, 4, 1u << (value >> 28) % 8);
		(void)store(slot, 0x80, 4, at + DESC);
		(void)store(slot, 0x90, 4, at + AVAIL);
		(void)store(slot, 0xa0, 4, at + USED);
		(void)store(slot, 0x44, 4, 1);
	}
	(void)store(slot, 0x70, 4, 15);
}

static void put_desc(unsigned slot, const struct step *s)
{
	struct virtio_desc d = { own(slot, DATA + s->value % 0x7000), s->at % 0x2fff,
				 (uint16_t)(s->value >> 24 & 7), (uint16_t)(s->value >> 20 & 15) };

	if ((s->value & 0xe0000000) == 0)
		d.at = RAM + RAM_BYTES - s->value % 64;
	write_guest(own(slot, (s->value >> 28 & 1 ? TABLE : (s->at >> 15) * TX + DESC)) +
			    16 * (s->value >> 16 & 15),
	    &d, sizeof(d));
}

/* The addresses and headers that a packet needs to get anywhere. */
static void make_packet(uint8_t *p, const struct step *s)
{
	bool v6 = s->value & 1, to_host = s->value & 2, spoofs = (s->value & 0x700) == 0;

	memset(p, (uint8_t)s->at, 80);
	p[0] = (uint8_t)s->value & 0xf1;
	p[1] = (uint8_t[]){ 0, 0, 1, 4, 0x81, 0x84, 3, 1 }[s->value >> 12 & 7];
	p[4] = (uint8_t)(s->value >> 16);
	p[5] = (uint8_t)(s->value >> 24 & 7);
	p[6] = (uint8_t)(s->value >> 4 & 4 ? s->at : v6 ? 54 : 34);
	p[7] = 0;
	p[8] = 16;
	p[9] = 0;
	p[10] = s->value >> 27 & 3;
	p[11] = 0;
	memcpy(p + 12, (uint8_t[]){ 0x52, 0x54, 0, 0, to_host, (uint8_t)(s->slot ^ 1) & 1 }, 6);
	memcpy(p + 18, (uint8_t[]){ 0x52, 0x54, 0, 0, 0, (uint8_t)((s->slot & 1) ^ spoofs) }, 6);
	if (s->value & 0x800)
		memset(p + 12, 0xff, 6);
	memcpy(p + 24, v6 ? "\x86\xdd\x60" : "\x08\x00\x45", 3);
	p[v6 ? 32 : 35] = 6;
	p[(v6 ? 66 : 46) + 12] = 0x50;
}

static void send(const struct step *s)
{
	unsigned slot = s->slot & 1;
	uint8_t p[80];
	uint64_t at = own(slot, DATA + s->at % 0x4000);
	struct virtio_desc d = { at, s->value >> 8 & 0x2fff, 0, 0 };
	uint16_t n, id = 0;

	make_packet(p, s);
	write_guest(at, p, sizeof(p));
	write_guest(own(slot, TX + DESC), &d, sizeof(d));
	if (gstage_read16(&gs, gpa(own(slot, TX + AVAIL + 2)), &n))
		abort();
	write_guest(own(slot, TX + AVAIL + 4 + 2u * (n % 128)), &id, 2);
	n++;
	write_guest(own(slot, TX + AVAIL + 2), &n, 2);
	notify(slot, 1);
}

static void uplink_interrupts(void)
{
	unsigned n = 0;

	if (!net_interrupt(DEV_IRQ))
		return;
	while (virtio_net_uplink())
		if (++n == AGAIN_MAX)
			abort();
}

static void bring(const struct step *s)
{
	static uint8_t p[4000];

	make_packet(p, s);
	memset(p + 18, 7, 6);
	p[18] = 0x52;
	(void)uplink_brings(p, 12 + s->at % 3900);
	if (s->value & 0x10000000)
		uplink_interrupts();
}

/* What the host's device gets has a sender's own address, and no more to be done than it agreed to. */
static void host_takes(void)
{
	static uint8_t p[NET_PARTS_MAX * NET_BUFFER];
	uint32_t n;

	while ((n = uplink_takes(p, sizeof(p)))) {
		if (n < 26 || memcmp(p + 18, "\x52\x54\0\0\0", 5) || p[23] > 1)
			abort();
		if ((p[0] & 1 && !(net_features() & NET_F_CSUM)) ||
		    (p[1] && !(net_features() & NET_HOST_TSO)))
			abort();
	}
}

static void join(unsigned slot)
{
	struct switch_rules rules = { .mac = UINT64_C(0x525400000000) + slot,
				      .any_mac = false };

	if (virtio_net_attach(&board, slot, &gs, &rules, &fixed))
		abort();
}

static void take(const struct step *s)
{
	unsigned slot = s->slot & 1;
	uint16_t half = (uint16_t)s->value;

	switch (s->what % 12) {
	case 0:
		start(slot, s->value);
		break;
	case 1:
		(void)store(slot, s->at % 0x140, 1u << (s->value >> 30), s->value);
		break;
	case 2:
		notify(slot, s->value & 3);
		break;
	case 3:
	case 4:
		put_desc(slot, s);
		break;
	case 5:
		write_guest(own(slot, (s->slot & 2 ? TX : 0u) + AVAIL + s->at % 300u / 2 * 2), &half, 2);
		break;
	case 6:
	case 7:
		send(s);
		break;
	case 8:
		bring(s);
		break;
	case 9:
		dev_used(0, s->value >> 16, half);
		uplink_interrupts();
		break;
	case 10:
		host_takes();
		break;
	default:
		board_reset(&board, vcpus, 1);
		break;
	}
}

static void set_up(uint64_t host_features)
{
	fake_reset();
	fake_ram(HOST_RAM, HOST_BYTES);
	if (frame_add_ram((struct frame_range){ HOST_RAM, HOST_BYTES }, NULL, 0, true))
		abort();
	memset(&host, 0, sizeof(host));
	memset(&board, 0, sizeof(board));
	memset(&net, 0, sizeof(net));
	memset(switch_ports, 0, sizeof(switch_ports));
	switch_used = 0;
	host.harts = 1;
	host.timebase = 10;
	dev_plug(VIRTIO_NET, 256, host_features | VIRTIO_F_VERSION_1);
	guest_pool = (struct frame_pool){ .owner = 1 };
	fixed = (struct frame_pool){ .owner = 2 };
	if (gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &guest_pool, gpa(RAM), RAM_BYTES))
		abort();
	net_init();
	virtio_net_begin_uplink();
	join(0);
	join(1);
	board.uart.port.history = history;
	board_reset(&board, vcpus, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct step s;

	/* The byte behind the steps says what the host can do. */
	set_up(bytes % sizeof(s) ? (uint64_t)(data[bytes - 1] & 0x7f) << 7 |
					   (data[bytes - 1] & 0x80 ? VIRTIO_F_EVENT_IDX | 0x8003 : 0)
				 : NET_F_MRG_RXBUF | VIRTIO_F_EVENT_IDX);
	for (size_t at = 0; at + sizeof(s) <= bytes && at < 200 * sizeof(s); at += sizeof(s)) {
		memcpy(&s, data + at, sizeof(s));
		take(&s);
	}
	if (gs.pins[0] || gs.pins[1])
		abort();
	virtio_detach(&board);
	return 0;
}
