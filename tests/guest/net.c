/*
 * Two network devices of one guest, on one switch, and the host's network behind it: what one sends
 * the other gets, in every form that was agreed on; and a driver that breaks the rules, of sending
 * or of receiving, harms nobody: after a reset both work as before.
 *
 * Run with two nets; with fewer all is skipped. Nothing here waits without a limit: that a packet
 * doesn't come is known when one that was sent after it has come.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/string.h"
#include "tests/guest/tap.h"
#include "tests/guest/vdrv.h"

#define ID_NET 1

enum { RX, TX };

#define F_CSUM	     (1ul << 0)
#define F_GUEST_CSUM (1ul << 1)
#define F_HOST_TSO4  (1ul << 11)
#define F_MRG_RXBUF  (1ul << 15)

#define SIZE   16
#define BUFFER 2048

static struct rings {
	VDRV_RINGS(SIZE);
} rings[2][2];
static struct desc table[SIZE] __attribute__((aligned(4096)));

struct header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, buffers;
};

static uint8_t received[2][SIZE][BUFFER] __attribute__((aligned(4096)));
static uint8_t sent[8192] __attribute__((aligned(4096)));
static uint8_t got[8192];

static unsigned slots[2];
static uint64_t features[2];
static uint16_t heard[2]; /* used entries that were looked at */
static uint8_t mac[2][6];

static void offer(unsigned i, unsigned queue, unsigned head)
{
	vdrv_offer(&rings[i][queue], SIZE, head);
}

/* Let device @i have a buffer to receive into, of @bytes. */
static void listen(unsigned i, unsigned n, uint32_t bytes)
{
	rings[i][RX].desc[n] = (struct desc){ (uint64_t)received[i][n], bytes, WRITE, 0 };
	offer(i, RX, n);
}

static void listen_to_all(unsigned i)
{
	for (unsigned n = 0; n < SIZE; n++)
		listen(i, n, BUFFER);
	vdrv_set(slots[i], R_NOTIFY, RX);
}

/* Reset device @i and start it with @wanted, as far as it has that; without buffers to receive. */
static void start(unsigned i, uint64_t wanted)
{
	features[i] = vdrv_begin(slots[i], wanted);
	vdrv_set_queue(slots[i], RX, &rings[i][RX], SIZE);
	vdrv_set_queue(slots[i], TX, &rings[i][TX], SIZE);
	vdrv_go(slots[i]);
	heard[i] = 0;
}

static unsigned header_bytes(unsigned i)
{
	return features[i] & (F_VERSION_1 | F_MRG_RXBUF) ? 12 : 10;
}

static uint64_t soon(void)
{
	return csr_read(CSR_TIME) + board.timebase / 2;
}

/* Notify and wait until all that was offered is sent, or the device gives up. */
static bool settle(unsigned i)
{
	vdrv_set(slots[i], R_NOTIFY, TX);
	return vdrv_settle(slots[i], &rings[i][TX], SIZE);
}

/* A packet of @bytes from @i in sent[], behind its header; what it carries counts up from @mark. */
static uint8_t *make(unsigned i, const uint8_t *to, unsigned bytes, unsigned mark)
{
	uint8_t *p = sent + header_bytes(i);

	mem_set(sent, 0, header_bytes(i));
	for (unsigned n = 14; n < bytes; n++)
		p[n] = (uint8_t)(mark + n - 14);
	mem_copy(p, to, 6);
	mem_copy(p + 6, mac[i], 6);
	p[12] = 0x88; /* for experiments */
	p[13] = 0xb5;
	return p;
}

/* In front of device 0's packet. */
static void put_header(const struct header *h)
{
	mem_copy(sent, h, header_bytes(0));
}

static void queue_up(unsigned i, unsigned bytes)
{
	rings[i][TX].desc[0] = (struct desc){ (uint64_t)sent, header_bytes(i) + bytes, 0, 0 };
	offer(i, TX, 0);
}

static bool send(unsigned i, unsigned bytes)
{
	queue_up(i, bytes);
	return settle(i);
}

/* The next packet that @i has got, without its header, into got[]. Returns its bytes; 0: none came
 * in time. */
static unsigned hear_any(unsigned i, struct header *h)
{
	struct rings *r = &rings[i][RX];
	unsigned n = 0, buffers = 1, skip = header_bytes(i);
	uint64_t end = soon();

	for (unsigned k = 0; k < buffers; k++) {
		uint32_t id, bytes;

		while (r->used.n == heard[i] && csr_read(CSR_TIME) < end)
			continue;
		if (r->used.n == heard[i])
			return 0;
		vdrv_barrier();
		id = r->used.entry[heard[i] % SIZE].id % SIZE;
		bytes = r->used.entry[heard[i]++ % SIZE].bytes;
		if (k == 0) {
			mem_copy(h, received[i][id], skip);
			/* Without that QEMU 7.2 leaves what stood there. */
			buffers = features[i] & F_MRG_RXBUF ? h->buffers : 1;
		}
		mem_copy(got + n, received[i][id] + skip, bytes - skip);
		n += bytes - skip;
		skip = 0;
	}
	return n;
}

/* The same, of our own packets alone. */
static unsigned hear(unsigned i, struct header *h)
{
	unsigned n;

	do
		n = hear_any(i, h);
	while (n && (got[12] != 0x88 || got[13] != 0xb5));
	return n;
}

static bool is_same(const uint8_t *a, const uint8_t *b, unsigned bytes)
{
	while (bytes && *a == *b) {
		a++;
		b++;
		bytes--;
	}
	return !bytes;
}

static bool is_as_sent(unsigned from, unsigned bytes)
{
	return is_same(got, sent + header_bytes(from), bytes);
}

static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static bool passes(unsigned from, unsigned to, unsigned bytes)
{
	struct header h;

	(void)make(from, mac[to], bytes, bytes);
	return send(from, bytes) && hear(to, &h) == bytes && is_as_sent(from, bytes);
}

static void start_both(uint64_t wanted)
{
	for (unsigned i = 0; i < 2; i++) {
		start(i, wanted);
		listen_to_all(i);
	}
}

static bool works(void)
{
	start_both(F_MRG_RXBUF);
	return passes(0, 1, 100) && passes(1, 0, 1514);
}

static void test_configuration(void)
{
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned n = 0; n < 6; n++)
			mac[i][n] = vdrv_get_byte(slots[i], R_CONFIG + n);
		test_is(mac[i][0] & 3, 2, "net %u: an address of one device, given locally", i);
		test_ok(vdrv_offered(slots[i]) >> 5 & 1, "net %u: it tells its address", i);
	}
	test_ok(!is_same(mac[0], mac[1], 6), "two addresses");
}

static void test_sending(void)
{
	static const unsigned sizes[] = { 60, 61, 100, 511, 1000, 1513, 1514 };
	struct header h;

	start_both(0);
	for (unsigned n = 0; n < COUNT(sizes); n++) {
		test_ok(passes(0, 1, sizes[n]), "there: %u bytes", sizes[n]);
		test_ok(passes(1, 0, sizes[n]), "back: %u bytes", sizes[n]);
	}
	start_both(0);
	(void)make(0, everybody, 200, 1);
	test_ok(send(0, 200) && hear(1, &h) == 200 && is_as_sent(0, 200), "to everybody");
	(void)make(0, mac[1], 90, 2);
	test_ok(send(0, 90) && hear(1, &h) == 90 && got[14] == 2, "in order");
	test_is(rings[0][RX].used.n, 0, "nothing comes back to its sender");
}

/* Its header by itself, its bytes in several parts, the last one in an indirect table. */
static void test_parts(void)
{
	unsigned skip;
	struct header h;

	start_both(F_INDIRECT);
	skip = header_bytes(0);
	(void)make(0, mac[1], 1000, 9);
	table[0] = (struct desc){ (uint64_t)sent, skip, NEXT, 1 };
	table[1] = (struct desc){ (uint64_t)sent + skip, 3, NEXT, 2 };
	table[2] = (struct desc){ (uint64_t)sent + skip + 3, 500, NEXT, 3 };
	table[3] = (struct desc){ (uint64_t)sent + skip + 503, 497, 0, 0 };
	for (unsigned n = 0; n < 4; n++)
		rings[0][TX].desc[n] = table[n];
	offer(0, TX, 0);
	test_ok(settle(0) && hear(1, &h) == 1000 && is_as_sent(0, 1000), "in parts");
	if (!(features[0] & F_INDIRECT)) {
		test_skip("no INDIRECT_DESC");
		return;
	}
	rings[0][TX].desc[5] = (struct desc){ (uint64_t)table, 64, INDIRECT, 0 };
	offer(0, TX, 5);
	test_ok(settle(0) && hear(1, &h) == 1000 && is_as_sent(0, 1000), "by a table");
}

static void test_merging(void)
{
	struct header h = { 0 };

	start(0, 0);
	start(1, F_MRG_RXBUF);
	if (!(features[1] & F_MRG_RXBUF)) {
		test_skip("no MRG_RXBUF");
		return;
	}
	for (unsigned n = 0; n < 8; n++)
		listen(1, n, 300);
	vdrv_set(slots[1], R_NOTIFY, RX);
	test_ok(passes(0, 1, 1000), "merged");
	test_is(rings[1][RX].used.n, 4, "over four buffers");
	(void)make(0, mac[1], 70, 3);
	test_ok(send(0, 70) && hear(1, &h) == 70 && h.buffers == 1, "one that fits isn't");
}

static unsigned sum_of(const uint8_t *at, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += i & 1 ? at[i] : (unsigned)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* What is left to the device is done, for who doesn't take it half done. */
static void test_checksum(void)
{
	struct header h;
	uint8_t *p;

	start(0, F_CSUM);
	if (!(features[0] & F_CSUM)) {
		test_skip("no CSUM");
		return;
	}
	for (unsigned takes = 0; takes < 2; takes++) {
		start(1, takes ? F_GUEST_CSUM : 0);
		listen_to_all(1);
		p = make(0, mac[1], 401, 5);
		p[50] = p[51] = 0;
		put_header(&(struct header){ .flags = 1, .csum_start = 34, .csum_offset = 16 });
		test_ok(send(0, 401) && hear(1, &h) == 401, "a packet to be summed");
		test_is(h.flags & 1, takes, "it comes as agreed on");
		if (takes)
			test_is(got[50] << 8 | got[51], 0, "not summed");
		else
			test_is(sum_of(got + 34, 401 - 34), 0xffff, "summed");
	}
}

/* Three segments of 500 bytes and one of 100, made by the device. */
static void test_segments(void)
{
	struct header h;
	unsigned n, segments = 0, payload = 0;
	uint8_t *p;

	start(0, F_CSUM | F_HOST_TSO4);
	if (!(features[0] & F_HOST_TSO4)) {
		test_skip("no HOST_TSO4");
		return;
	}
	start(1, 0);
	listen_to_all(1);
	p = make(0, mac[1], 54 + 1600, 6);
	mem_set(p + 14, 0, 40);
	p[12] = 8;
	p[13] = 0;
	p[14] = 0x45;
	p[23] = 6;
	p[46] = 0x50;
	put_header(&(struct header){
		.flags = 1, .gso_type = 1, .gso_size = 500, .csum_start = 34, .csum_offset = 16 });
	test_ok(send(0, 54 + 1600), "a packet to be cut");
	while (payload < 1600 && (n = hear_any(1, &h))) {
		if (got[12] != 8 || got[23] != 6)
			continue;
		test_is((unsigned)(got[40] << 8 | got[41]), payload, "segment: its number");
		test_is((unsigned)(got[16] << 8 | got[17]), n - 14, "segment: its length");
		test_is(sum_of(got + 14, 20), 0xffff, "segment: IP's sum");
		test_ok(is_same(got + 54, p + 54 + payload, n - 54), "segment: its bytes");
		payload += n - 54;
		segments++;
	}
	test_is(segments, 4, "four segments");
}

/* Nobody hears of what is sent with another's address. */
static void test_spoofing(void)
{
	struct header h;
	uint8_t *p;

	if (on_opensbi()) {
		test_skip("QEMU lets it pass");
		return;
	}
	start_both(0);
	p = make(0, mac[1], 100, 1);
	mem_copy(p + 6, mac[1], 6);
	test_ok(send(0, 100), "with the other's address: taken");
	p = make(0, mac[1], 101, 1);
	p[11] ^= 1;
	test_ok(send(0, 101), "with nobody's address: taken");
	p = make(0, mac[1], 102, 1);
	test_ok(send(0, 102) && hear(1, &h) == 102, "neither arrives");
}

/* What finds no buffer is lost, and nothing else. */
static void test_no_buffers(void)
{
	struct header h;

	start_both(F_MRG_RXBUF);
	start(1, F_MRG_RXBUF);
	(void)make(0, mac[1], 100, 1);
	test_ok(send(0, 100), "sent to who has no buffers");
	listen_to_all(1);
	if (on_opensbi())
		(void)hear(1, &h); /* QEMU keeps it */
	(void)make(0, mac[1], 103, 1);
	test_ok(send(0, 103) && hear(1, &h) == 103, "the next one arrives");
}

/* Whether an interrupt of @i comes; then it is acknowledged. */
static bool interrupts(unsigned i)
{
	uint32_t status = 0;

	for (uint64_t end = soon(); !status && csr_read(CSR_TIME) < end;)
		status = vdrv_get(slots[i], R_INTERRUPT);
	vdrv_set(slots[i], R_ACK, status);
	return status == 1;
}

static void test_events(void)
{
	start_both(F_EVENT_IDX);
	if (!(features[1] & F_EVENT_IDX)) {
		test_skip("no EVENT_IDX");
		return;
	}
	test_ok(passes(0, 1, 99) && interrupts(1), "EVENT_IDX: an interrupt for the first");
	rings[1][RX].avail.used_event = 2; /* the third */
	test_ok(passes(0, 1, 100), "EVENT_IDX: the second");
	test_is(vdrv_get(slots[1], R_INTERRUPT), 0, "EVENT_IDX: no interrupt");
	test_ok(passes(0, 1, 101), "EVENT_IDX: the third");
	test_ok(interrupts(1), "EVENT_IDX: an interrupt for it");
}

/* The host's own network: it answers who asks for its gateway. */
static void test_uplink(void)
{
	static const uint8_t ask[] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	static const uint8_t from[] = { 10, 0, 2, 77 }, gateway[] = { 10, 0, 2, 2 };
	struct header h;
	uint8_t *p;
	unsigned n;

	start_both(0);
	p = make(0, everybody, 60, 0);
	mem_set(p + 14, 0, 46);
	p[12] = 8;
	p[13] = 6;
	mem_copy(p + 14, ask, 8);
	mem_copy(p + 22, mac[0], 6);
	mem_copy(p + 28, from, 4);
	mem_copy(p + 38, gateway, 4);
	test_ok(send(0, 60), "who is the gateway?");
	do
		n = hear_any(0, &h);
	while (n && (got[12] != 8 || got[13] != 6 || got[21] != 2));
	test_ok(n >= 42 && is_same(got + 28, gateway, 4), "it answers");
	test_ok(is_same(got, mac[0], 6), "to who asked");
}

/* How the chain of a good packet, at descriptor 0, is spoilt. */
enum where { AS_IT_IS, BEHIND_RAM, OVER_THE_END, WRAPPING, IN_TABLE };
#define SAME ~0u

static const struct bad {
	const char *name;
	enum where where;
	uint32_t bytes;
	uint16_t toggles, next; /* flags */
	uint16_t head, jump;	/* in the available ring; how far its index is ahead */
	bool qemu_aborts;
} bad[] = {
	{ "a loop", AS_IT_IS, SAME, NEXT, 0, 0, 0, false },
	{ "next outside the table", AS_IT_IS, SAME, NEXT, 0xffff, 0, 0, false },
	{ "a head outside the table", AS_IT_IS, SAME, 0, 0, SIZE, 0, false },
	{ "an index that jumps", AS_IT_IS, SAME, 0, 0, 0, SIZE + 5, false },
	{ "bytes behind RAM", BEHIND_RAM, SAME, 0, 0, 0, 0, false },
	{ "bytes over the end of RAM", OVER_THE_END, SAME, 0, 0, 0, 0, false },
	{ "bytes that wrap", WRAPPING, SAME, 0, 0, 0, 0, false },
	{ "4 GiB", AS_IT_IS, 0xfffffff0, 0, 0, 0, 0, false },
	{ "no header", AS_IT_IS, 5, 0, 0, 0, 0, true },
	{ "no bytes", AS_IT_IS, 0, 0, 0, 0, 0, true },
	{ "read for written", AS_IT_IS, SAME, WRITE, 0, 0, 0, false },
	{ "a table that loops", IN_TABLE, sizeof(table), INDIRECT, 0, 0, 0, false },
};

static void spoil(struct rings *r, const struct bad *b)
{
	uint64_t end = board.ram_base + board.ram_bytes;
	uint64_t at[] = { r->desc[0].at, end, end - 64, ~0ul - 63, (uint64_t)table };
	uint16_t flags = r->desc[0].flags;

	for (unsigned i = 0; i < SIZE; i++)
		table[i] = (struct desc){ (uint64_t)received, 8, (uint16_t)(NEXT | flags),
					  (uint16_t)((i + 1) % SIZE) };
	r->desc[0] = (struct desc){ at[b->where], b->bytes == SAME ? r->desc[0].bytes : b->bytes,
				    (uint16_t)(flags ^ b->toggles), b->next };
	r->avail.id[0] = b->head;
	r->avail.n = (uint16_t)(r->avail.n + b->jump);
	vdrv_barrier();
}

static void test_bad(void)
{
	for (unsigned i = 0; i < COUNT(bad); i++) {
		if (bad[i].qemu_aborts && on_opensbi()) {
			test_skip("QEMU aborts");
			continue;
		}
		start_both(F_INDIRECT);
		(void)make(0, mac[1], 100, 1);
		queue_up(0, 100);
		spoil(&rings[0][TX], &bad[i]);
		(void)settle(0);
		test_ok(works(), "sending: %s: works after a reset", bad[i].name);
		start(0, 0);
		start(1, F_INDIRECT | F_MRG_RXBUF);
		listen(1, 0, BUFFER);
		spoil(&rings[1][RX], &bad[i]);
		vdrv_set(slots[1], R_NOTIFY, RX);
		(void)make(0, mac[1], 100, 1);
		(void)send(0, 100);
		test_ok(works(), "receiving: %s: works after a reset", bad[i].name);
	}
}

/* Headers that promise what isn't so: the packet is lost, the device goes on. */
static void test_bad_headers(void)
{
	static const struct header headers[] = {
		{ .flags = 1, .csum_start = 0, .csum_offset = 6 },
		{ .flags = 1, .csum_start = 65535, .csum_offset = 65535 },
		{ .flags = 1, .csum_start = 90, .csum_offset = 9 },
		{ .flags = 1, .gso_type = 1, .gso_size = 0, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 1, .gso_type = 1, .gso_size = 1, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 1, .gso_type = 77, .gso_size = 1000, .csum_start = 34 },
	};
	struct header h;

	start(0, F_CSUM | F_HOST_TSO4);
	if (!(features[0] & F_HOST_TSO4)) {
		test_skip("no offloads");
		return;
	}
	start(1, 0);
	listen_to_all(1);
	for (unsigned n = 0; n < COUNT(headers); n++) {
		(void)make(0, mac[1], 100, n);
		put_header(&headers[n]);
		test_ok(send(0, 100), "header %u: taken", n);
		(void)make(0, mac[1], 104, n);
		test_ok(send(0, 104) && hear(1, &h) == 104, "header %u: goes no further", n);
	}
}

static void test_reset_in_the_middle(void)
{
	for (unsigned k = 0; k < 100; k++) {
		start_both(F_INDIRECT);
		(void)make(0, k & 1 ? mac[1] : everybody, 1000, k);
		for (unsigned n = 0; n < SIZE; n++)
			queue_up(0, 1000);
		vdrv_set(slots[0], R_NOTIFY, TX);
		vdrv_set(slots[k >> 1 & 1], R_STATUS, 0);
	}
	test_ok(works(), "works after resets in the middle");
}

int main(void)
{
	slots[0] = vdrv_find(0, ID_NET);
	slots[1] = vdrv_find(slots[0] + 1, ID_NET);
	if (slots[1] >= VDRV_SLOTS) {
		test_skip("no two nets");
		return test_done();
	}
	test_configuration();
	test_sending();
	test_parts();
	test_merging();
	test_checksum();
	test_segments();
	test_spoofing();
	test_no_buffers();
	test_events();
	test_uplink();
	test_bad();
	test_bad_headers();
	test_reset_in_the_middle();
	return test_done();
}
