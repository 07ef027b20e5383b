/*
 * hyp/dev/virtio.c, virtio_mmio.c, virtio_rng.c: what a driver sees, in order and out of it.
 */
#include "tests/unit/virtio.h"

#include <stdlib.h>

#include "hyp/lib/random.h"
#include "hyp/vcpu/irq.h"

#define RNG  7
#define SIZE 16

static bool line; /* the hart's external interrupt */

void irq_set_external(struct vcpu *v, bool high)
{
	assert_ptr_equal(v, &vcpu);
	line = high;
}

/* Let the line of @slot through the PLIC. */
static void enable_interrupt(unsigned slot)
{
	struct mmio priority = {
		.offset = 4 * (1 + slot), .width = 4, .is_store = true, .value = 1
	};
	struct mmio enable = {
		.offset = 0x2080, .width = 4, .is_store = true, .value = 2u << slot
	};

	assert_int_equal(board_access(&board, &board_devices[BOARD_PLIC], &priority), MMIO_OK);
	assert_int_equal(board_access(&board, &board_devices[BOARD_PLIC], &enable), MMIO_OK);
}

static int set_up(void **state)
{
	(void)state;
	virtio_board();
	virtio_rng_attach(&board, RNG, &gs);
	board.uart.port.history = calloc(1, PORT_HISTORY);
	board_reset(&board, vcpus, 1);
	enable_interrupt(RNG);
	random_seed("seed", 4);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(board.uart.port.history);
	return 0;
}

static void places(void **state)
{
	(void)state;
	for (unsigned slot = 0; slot < 8; slot++) {
		assert_int_equal(get(slot, 0), 0x74726976);
		assert_int_equal(get(slot, 4), 2);
		assert_int_equal(get(slot, 8), slot == RNG ? 4 : 0);
		assert_int_equal(get(slot, 12), 0x554d4551);
	}
	for (unsigned at = 0; at < 0x200; at += 4) {
		assert_int_equal(put(3, at, UINT32_MAX), MMIO_OK);
		if (at > 12)
			assert_int_equal(get(3, at), 0);
	}
	assert_int_equal(put(3, 0x200, 0), MMIO_FAULT);
	assert_int_equal(put(7, 0xffc, 0), MMIO_FAULT);
}

static void widths(void **state)
{
	(void)state;
	assert_int_equal(get_wide(RNG, 0, 1), 0);
	assert_int_equal(get_wide(RNG, 0, 2), 0);
	assert_int_equal(get_wide(RNG, 0, 8), UINT64_C(0x274726976));
	put_wide(RNG, STATUS, 1, 1);
	assert_int_equal(get(RNG, STATUS), 0);
	put_wide(RNG, STATUS, 8, 1);
	assert_int_equal(get(RNG, STATUS), 1);
	assert_int_equal(put_wide(RNG, STATUS + 2, 4, 1), MMIO_FAULT);
}

static void features(void **state)
{
	uint64_t have;
	(void)state;

	have = offered(RNG);
	assert_int_equal(have, VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 |
				       VIRTIO_F_IN_ORDER | VIRTIO_F_RING_RESET);
	put(RNG, FEATURES_SEL, 2);
	assert_int_equal(get(RNG, FEATURES), 0);
	put(RNG, STATUS, ACKNOWLEDGE | DRIVER);
	accept(RNG, have | 1);
	put(RNG, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(get(RNG, STATUS), ACKNOWLEDGE | DRIVER);
	accept(RNG, have & ~VIRTIO_F_VERSION_1);
	put(RNG, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_int_equal(get(RNG, STATUS), ACKNOWLEDGE | DRIVER);
	put(RNG, ACCEPTED_SEL, 7);
	put(RNG, ACCEPTED, 1);
	accept(RNG, VIRTIO_F_VERSION_1);
	put(RNG, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(get(RNG, STATUS), ACKNOWLEDGE | DRIVER | FEATURES_OK);
	accept(RNG, 1); /* too late */
	put(RNG, STATUS, FEATURES_OK | DRIVER_OK);
	assert_int_equal(get(RNG, STATUS), 15);
	put(RNG, STATUS, NEEDS_RESET | 0x100 | FAILED);
	assert_int_equal(get(RNG, STATUS), 15 | FAILED);
	put(RNG, STATUS, 0);
	assert_int_equal(get(RNG, STATUS), 0);
}

static void queues(void **state)
{
	(void)state;
	assert_int_equal(get(RNG, QUEUE_MAX), 256);
	put(RNG, QUEUE_SEL, 1);
	assert_int_equal(get(RNG, QUEUE_MAX), 0);
	put(RNG, QUEUE_READY, 1);
	assert_int_equal(get(RNG, QUEUE_READY), 0);
	put(RNG, QUEUE_SEL, UINT32_MAX);
	put(RNG, QUEUE_SIZE, 8);
	put(RNG, QUEUE_RESET, 1);
	set_queue(RNG, 16); /* before FEATURES_OK */
	assert_int_equal(get(RNG, QUEUE_READY), 0);
	start(RNG, 0, 16);
	assert_int_equal(get(RNG, QUEUE_READY), 1);
	assert_int_equal(board.virtio[RNG].queue[0].size, 16);
	set_queue(RNG, 64); /* it is ready */
	put(RNG, QUEUE_DESC, 0);
	assert_int_equal(board.virtio[RNG].queue[0].size, 16);
	assert_int_equal(board.virtio[RNG].queue[0].desc, DESC);
	put(RNG, QUEUE_READY, 0);
	assert_int_equal(get(RNG, QUEUE_READY), 0);
	put(RNG, QUEUE_SIZE, 3);
	put(RNG, QUEUE_SIZE, 0);
	put(RNG, QUEUE_SIZE, 256);
	put(RNG, QUEUE_SIZE, 65536 + 8);
	assert_int_equal(board.virtio[RNG].queue[0].size, 256);
	put(RNG, QUEUE_READY, 1); /* at address 0 */
	assert_int_equal(get(RNG, QUEUE_READY), 0);
}

static void request(unsigned n, uint64_t at, uint32_t bytes)
{
	put_desc(DESC, 0, at, bytes, WRITE, 0);
	offer(SIZE, n, 0);
}

static void random_comes(void **state)
{
	uint8_t a[64], b[64];
	(void)state;

	start(RNG, 0, SIZE);
	request(0, BUFFERS, 64);
	assert_int_equal(put(RNG, NOTIFY, 0), MMIO_OK);
	assert_int_equal(get16(USED + 2), 1);
	assert_int_equal(get32(USED + 8), 64);
	guest_get(BUFFERS, a, 64);
	assert_true(line);
	assert_int_equal(get(RNG, INTERRUPT), 1);
	put(RNG, ACK, 2);
	assert_int_equal(get(RNG, INTERRUPT), 1);
	put(RNG, ACK, 1);
	assert_int_equal(get(RNG, INTERRUPT), 0);
	request(1, BUFFERS, 64);
	put(RNG, NOTIFY, 0);
	guest_get(BUFFERS, b, 64);
	assert_memory_not_equal(a, b, 64);
	assert_memory_not_equal(a, a + 32, 32);
	request(2, BUFFERS, 100000);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get32(USED + 8 + 16), 4096);
	put_desc(DESC, 0, BUFFERS, 4, 0, 0); /* nothing to write to */
	offer(SIZE, 3, 0);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get32(USED + 8 + 24), 0);
	assert_int_equal(get(RNG, STATUS), 15);
}

/* Nothing is looked at before DRIVER_OK, after FAILED, of another queue, or of one that isn't
 * ready. */
static void when_it_serves(void **state)
{
	(void)state;
	put(RNG, STATUS, ACKNOWLEDGE | DRIVER);
	accept(RNG, VIRTIO_F_VERSION_1);
	put(RNG, STATUS, FEATURES_OK);
	set_queue(RNG, SIZE);
	request(0, BUFFERS, 8);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get16(USED + 2), 0);
	put(RNG, STATUS, DRIVER_OK);
	put(RNG, NOTIFY, 1);
	put(RNG, NOTIFY, UINT32_MAX);
	assert_int_equal(get16(USED + 2), 0);
	put(RNG, QUEUE_READY, 0);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get16(USED + 2), 0);
	set_queue(RNG, SIZE);
	put(RNG, STATUS, FAILED);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get16(USED + 2), 0);
	assert_false(line);
}

static void needs_reset(void **state)
{
	(void)state;
	start(RNG, 0, SIZE);
	put_desc(DESC, 0, RAM - 4, 8, WRITE, 0);
	offer(SIZE, 0, 0);
	assert_int_equal(put(RNG, NOTIFY, 0), MMIO_OK);
	assert_int_equal(get(RNG, STATUS), 15 | NEEDS_RESET);
	assert_int_equal(get(RNG, INTERRUPT), 2);
	assert_true(line);
	request(0, BUFFERS, 8);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get16(USED + 2), 0);
	put(RNG, QUEUE_READY, 0);
	set_queue(RNG, SIZE);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get16(USED + 2), 0);
	put(RNG, STATUS, 0);
	assert_int_equal(get(RNG, INTERRUPT), 0);
	start(RNG, 0, SIZE);
	request(0, BUFFERS, 8);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get16(USED + 2), 1);
}

static void queue_reset(void **state)
{
	(void)state;
	start(RNG, 0, SIZE);
	put(RNG, QUEUE_RESET, 1); /* wasn't agreed on */
	assert_int_equal(get(RNG, QUEUE_READY), 1);
	start(RNG, VIRTIO_F_RING_RESET, SIZE);
	request(0, BUFFERS, 8);
	put(RNG, NOTIFY, 0);
	put(RNG, QUEUE_RESET, 1);
	assert_int_equal(get(RNG, QUEUE_RESET), 0);
	assert_int_equal(get(RNG, QUEUE_READY), 0);
	put16(USED + 2, 0);
	set_queue(RNG, 8);
	request(0, BUFFERS, 8);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get16(USED + 2), 1);
}

/* What takes long is done in parts, each at most a ring's worth and about as many bytes. */
static void in_parts(void **state)
{
	unsigned parts = 1;
	(void)state;

	start(RNG, VIRTIO_F_EVENT_IDX, 128);
	put_desc(DESC, 0, BUFFERS, 4096, WRITE, 0);
	for (unsigned n = 0; n < 128; n++)
		offer(128, n, 0);
	while (put(RNG, NOTIFY, 0) == MMIO_AGAIN) {
		assert_in_range(get16(USED + 2), parts * 8, parts * 32);
		parts++;
	}
	assert_int_equal(get16(USED + 2), 128);
	assert_in_range(parts, 4, 16);
	assert_int_equal(get16(USED + 4 + 8 * 128), 128); /* avail_event */
}

/* Each request makes the next one available: its bytes are what the driver's index is made of. */
static void a_guest_that_never_stops(void **state)
{
	(void)state;
	start(RNG, 0, SIZE);
	put_desc(DESC, 0, AVAIL + 2, 2, WRITE, 0);
	offer(SIZE, 0, 0);
	for (unsigned i = 0; i < 1000 && get(RNG, STATUS) == 15; i++)
		(void)put(RNG, NOTIFY, 0);
	assert_int_equal(get(RNG, STATUS), 15 | NEEDS_RESET);
}

static void board_resets(void **state)
{
	(void)state;
	start(RNG, 0, SIZE);
	request(0, BUFFERS, 8);
	put(RNG, NOTIFY, 0);
	board_reset(&board, vcpus, 1);
	assert_false(line);
	assert_int_equal(get(RNG, STATUS), 0);
	assert_int_equal(get(RNG, INTERRUPT), 0);
	assert_int_equal(get(RNG, QUEUE_READY), 0);
	assert_int_equal(get(RNG, DEVICE_ID), 4);
}

/* Version 1: page numbers, one ring behind the other, no FEATURES_OK. */
static void legacy(void **state)
{
	const uint64_t rings = RAM + 0x5000, avail = rings + 16 * SIZE;
	uint16_t one = 1;

	(void)state;
	board.virtio_is_legacy = true;
	virtio_rng_attach(&board, RNG, &gs);
	assert_int_equal(get(RNG, 4), 1);
	assert_int_equal(get(0, 4), 1);
	assert_int_equal(offered(RNG),
			 VIRTIO_F_ANY_LAYOUT | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
	put(RNG, 0x28, 4096); /* Linux says it before the reset */
	put(RNG, STATUS, 0);
	put(RNG, STATUS, ACKNOWLEDGE | DRIVER);
	put(RNG, QUEUE_SIZE, SIZE);
	put(RNG, QUEUE_READY, 1); /* isn't there */
	put(RNG, QUEUE_DESC, (uint32_t)RAM);
	put(RNG, 0x3c, 3);
	put(RNG, 0x40, (uint32_t)(rings / 4096));
	assert_int_equal(get(RNG, 0x40), 0);
	put(RNG, 0x3c, 4096);
	put(RNG, 0x40, UINT32_MAX);
	assert_int_equal(get(RNG, 0x40), 0);
	put(RNG, 0x40, (uint32_t)(rings / 4096));
	assert_int_equal(get(RNG, 0x40), rings / 4096);
	assert_int_equal(get(RNG, QUEUE_READY), 0);
	put_desc(rings, 0, BUFFERS, 32, WRITE, 0);
	guest_put(avail + 2, &one, 2);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get16(rings + 0x1002), 0);
	put(RNG, STATUS, ACKNOWLEDGE | DRIVER | DRIVER_OK);
	assert_int_equal(get(RNG, STATUS), 7);
	put(RNG, NOTIFY, 0);
	assert_int_equal(get16(rings + 0x1002), 1);
	assert_int_equal(get32(rings + 0x1008), 32);
	put(RNG, 0x40, 0);
	assert_int_equal(get(RNG, 0x40), 0);
	put(RNG, STATUS, 0);
	assert_int_equal(get(RNG, STATUS), 0);
}

/* What is shown of the rng, and of the PLIC, is what loads would give. */
static void assert_shown(void)
{
	for (unsigned at = 0; at < 0x200; at += 4)
		assert_int_equal(board.shown[RNG].word[at / 4], get(RNG, at));
}

static uint32_t plic_word(uint64_t at, const uint32_t *store)
{
	struct mmio m = { .offset = at, .width = 4, .is_store = store != NULL };

	if (store)
		m.value = *store;
	assert_int_equal(board_access(&board, &board_devices[BOARD_PLIC], &m), MMIO_OK);
	return (uint32_t)m.value;
}

static void assert_read_only(uint64_t at)
{
	struct gstage_entry e = gstage_lookup(&gs, gpa(at));

	assert_true(pte_is_leaf(e.pte) && e.level == 0);
	assert_int_equal(e.pte & (PTE_R | PTE_W | PTE_X), PTE_R);
}

static void shown(void **state)
{
	static const unsigned stores[] = { FEATURES_SEL, ACCEPTED,  ACCEPTED_SEL, QUEUE_SEL,
					   QUEUE_SIZE,	 QUEUE_READY, STATUS,	  ACK,
					   NOTIFY };
	uint64_t seed = 3;

	(void)state;
	start(RNG, 0, SIZE);
	while (board.virtio[RNG].shown.loads < SHOWN_AFTER) {
		assert_false(pte_is_valid(gstage_lookup(&gs, gpa(0x10001000 + RNG * 0x1000)).pte));
		(void)get(RNG, INTERRUPT);
	}
	assert_read_only(0x10001000 + RNG * 0x1000);
	assert_shown();
	put_desc(DESC, 0, RAM - 4, 8, WRITE, 0);
	for (unsigned n = 0; n < 3000; n++) {
		unsigned reg = stores[random_next(&seed) % (sizeof(stores) / sizeof(stores[0]))];

		if (reg == NOTIFY)
			offer(SIZE, n, 0); /* it breaks the queue, if that is ready */
		put(RNG, reg, (uint32_t)random_next(&seed) % 17);
		if (n % 100 == 0)
			start(RNG, 0, SIZE);
		assert_shown();
	}
	board_reset(&board, vcpus, 1);
	assert_null(board.virtio[RNG].shown.word);
}

/* Enable bits of a hart that isn't there are none; neither are those past the last source. */
static void plic_shown(void **state)
{
	uint64_t seed = 4;

	(void)state;
	vcpu.gstage = &gs;
	for (unsigned n = 0; n < SHOWN_AFTER; n++)
		(void)plic_word(0x2080, NULL);
	assert_read_only(0x0c002000);
	for (unsigned n = 0; n < 300; n++) {
		uint32_t v = (uint32_t)random_next(&seed);

		(void)plic_word(0x2000 + random_next(&seed) % 0x400 / 4 * 4, &v);
		for (unsigned at = 0; at < 0x1000; at += 4)
			assert_int_equal(board.shown[VIRTIO_SLOTS].word[at / 4],
					 plic_word(0x2000 + at, NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(places, set_up, tear_down),
		cmocka_unit_test_setup_teardown(widths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(features, set_up, tear_down),
		cmocka_unit_test_setup_teardown(queues, set_up, tear_down),
		cmocka_unit_test_setup_teardown(random_comes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(when_it_serves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(needs_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(queue_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_guest_that_never_stops, set_up, tear_down),
		cmocka_unit_test_setup_teardown(board_resets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(legacy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(plic_shown, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
