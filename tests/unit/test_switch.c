/*
 * hyp/dev/switch.c: who reaches whom, who may speak with which address, what is learned and forgotten.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "hyp/arch/cpu.h"
#include "hyp/dev/switch.h"
#include "hyp/drv/host.h"

#define MAC(n)	  (UINT64_C(0x525400000000) + (n))
#define OUTSIDE	  UINT64_C(0x52550a000202)
#define BROADCAST UINT64_C(0xffffffffffff)
#define BIT(port) (UINT64_C(1) << (port))
#define TICKS	  10

static struct virtio_device *const somebody = (struct virtio_device *)&somebody;

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	memset(switch_ports, 0, sizeof(switch_ports));
	switch_used = 0;
	memset(&host, 0, sizeof(host));
	host.timebase = TICKS;
	switch_add_uplink();
	return 0;
}

static unsigned join(struct switch_rules rules)
{
	unsigned port;

	assert_int_equal(switch_add(somebody, &rules, &port), OK);
	assert_ptr_equal(switch_ports[port].device, somebody);
	return port;
}

static void put(uint8_t *at, uint64_t mac)
{
	for (unsigned i = 0; i < 6; i++)
		at[i] = (uint8_t)(mac >> 8 * (5 - i));
}

static bool spoofed;

static uint64_t send(unsigned port, uint64_t to, uint64_t from)
{
	uint8_t addresses[12];

	put(addresses, to);
	put(addresses + 6, from);
	return switch_route(port, addresses, &spoofed);
}

static void pass(unsigned seconds)
{
	fake.csr[CSR_TIME] += seconds * TICKS;
}

static void test_unicast(void **state)
{
	unsigned a = join((struct switch_rules){ .mac = MAC(1) });
	unsigned b = join((struct switch_rules){ .mac = MAC(2) });

	(void)state;
	assert_int_equal(send(a, MAC(2), MAC(1)), BIT(b));
	assert_int_equal(send(b, MAC(1), MAC(2)), BIT(a));
	assert_int_equal(send(a, MAC(1), MAC(1)), 0); /* to itself */
	assert_int_equal(send(a, OUTSIDE, MAC(1)), BIT(SWITCH_UPLINK));
	assert_int_equal(send(SWITCH_UPLINK, MAC(2), OUTSIDE), BIT(b));
	assert_int_equal(send(SWITCH_UPLINK, MAC(3), OUTSIDE), 0); /* nobody here has it */
}

static void test_groups(void **state)
{
	unsigned a = join((struct switch_rules){ .mac = MAC(1) });
	unsigned b = join((struct switch_rules){ .mac = MAC(2) });

	(void)state;
	assert_int_equal(send(a, BROADCAST, MAC(1)), BIT(b) | BIT(SWITCH_UPLINK));
	assert_int_equal(send(b, UINT64_C(0x333300000001), MAC(2)), BIT(a) | BIT(SWITCH_UPLINK));
	assert_int_equal(send(SWITCH_UPLINK, BROADCAST, OUTSIDE), BIT(a) | BIT(b));
}

static void test_isolated(void **state)
{
	unsigned a = join((struct switch_rules){ .mac = MAC(1) });
	unsigned c = join((struct switch_rules){ .mac = MAC(3), .is_isolated = true });
	unsigned d = join((struct switch_rules){ .mac = MAC(4), .is_isolated = true });

	(void)state;
	assert_int_equal(send(a, MAC(3), MAC(1)), 0);
	assert_int_equal(send(c, MAC(1), MAC(3)), 0);
	assert_int_equal(send(c, MAC(4), MAC(3)), 0);
	assert_int_equal(send(c, BROADCAST, MAC(3)), BIT(SWITCH_UPLINK));
	assert_int_equal(send(a, BROADCAST, MAC(1)), BIT(SWITCH_UPLINK));
	assert_int_equal(send(c, OUTSIDE, MAC(3)), BIT(SWITCH_UPLINK));
	assert_int_equal(send(SWITCH_UPLINK, MAC(4), OUTSIDE), BIT(d));
}

static void test_private(void **state)
{
	unsigned a = join((struct switch_rules){ .mac = MAC(1) });
	unsigned p = join((struct switch_rules){ .mac = MAC(3), .is_private = true });

	(void)state;
	assert_int_equal(send(p, MAC(1), MAC(3)), BIT(a));
	assert_int_equal(send(p, BROADCAST, MAC(3)), BIT(a));
	assert_int_equal(send(p, OUTSIDE, MAC(3)), 0);
	assert_int_equal(send(SWITCH_UPLINK, MAC(3), OUTSIDE), 0);
	assert_int_equal(send(SWITCH_UPLINK, BROADCAST, OUTSIDE), BIT(a));
}

/* Nobody gets what is for another by speaking with his address. */
static void test_spoofing(void **state)
{
	unsigned a = join((struct switch_rules){ .mac = MAC(1) });
	unsigned b = join((struct switch_rules){ .mac = MAC(2) });
	unsigned any = join((struct switch_rules){ .mac = MAC(3), .any_mac = true });
	static const uint64_t bad[] = { MAC(2), MAC(9), OUTSIDE, 0, BROADCAST };

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(send(a, BROADCAST, bad[i]), 0);
		assert_true(spoofed);
	}
	assert_int_equal(send(any, BROADCAST, MAC(2)), 0);
	assert_true(spoofed);
	assert_int_equal(send(SWITCH_UPLINK, MAC(2), MAC(1)), 0);
	assert_true(spoofed);
	assert_int_equal(send(a, MAC(2), MAC(1)), BIT(b));
	assert_false(spoofed);
	/* Who was heard outside stays there, until it is silent for long. */
	assert_int_equal(send(SWITCH_UPLINK, MAC(1), OUTSIDE), BIT(a));
	assert_int_equal(send(any, MAC(1), OUTSIDE), 0);
	assert_true(spoofed);
	pass(SWITCH_AGE_S - 1);
	assert_int_equal(send(any, MAC(1), OUTSIDE), 0);
	pass(1);
	assert_int_equal(send(any, MAC(1), OUTSIDE), BIT(a));
	assert_int_equal(send(a, OUTSIDE, MAC(1)), BIT(any));
	/* And the uplink takes back what a guest got before it. */
	assert_int_equal(send(SWITCH_UPLINK, MAC(1), OUTSIDE), BIT(a));
	assert_false(spoofed);
	assert_int_equal(send(a, OUTSIDE, MAC(1)), BIT(SWITCH_UPLINK));
}

static void test_learning(void **state)
{
	unsigned a = join((struct switch_rules){ .mac = MAC(1) });
	unsigned any = join((struct switch_rules){ .mac = MAC(3), .any_mac = true });
	unsigned other = join((struct switch_rules){ .mac = MAC(4), .any_mac = true });

	(void)state;
	assert_int_equal(send(a, MAC(100), MAC(1)), BIT(SWITCH_UPLINK) | BIT(any) | BIT(other));
	assert_int_equal(send(any, MAC(1), MAC(100)), BIT(a));
	assert_int_equal(send(a, MAC(100), MAC(1)), BIT(any));
	assert_int_equal(send(other, MAC(1), MAC(100)), 0);
	/* More than can be learned: the oldest goes, and nobody else's. */
	assert_int_equal(send(other, MAC(1), MAC(200)), BIT(a));
	for (unsigned i = 1; i <= SWITCH_LEARNS; i++) {
		pass(1);
		assert_int_equal(send(any, MAC(1), MAC(100 + i)), BIT(a));
	}
	assert_int_equal(send(a, MAC(100), MAC(1)), BIT(SWITCH_UPLINK) | BIT(any) | BIT(other));
	assert_int_equal(send(a, MAC(101), MAC(1)), BIT(any));
	assert_int_equal(send(a, MAC(200), MAC(1)), BIT(other));
	/* A device's own address was never learned. */
	assert_int_equal(join((struct switch_rules){ .mac = MAC(101) }), 4);
	assert_int_equal(send(a, MAC(101), MAC(1)), BIT(4));
	assert_int_equal(send(any, MAC(1), MAC(101)), 0);
}

static void test_joining(void **state)
{
	struct switch_rules rules = { .mac = MAC(1) };
	unsigned port;

	(void)state;
	assert_int_equal(join(rules), 1);
	assert_int_equal(switch_add(somebody, &rules, &port), ERR_OVERLAP);
	rules.mac = BROADCAST;
	assert_int_equal(switch_add(somebody, &rules, &port), ERR_RANGE);
	rules.mac = 0;
	assert_int_equal(switch_add(somebody, &rules, &port), ERR_RANGE);
	for (unsigned i = 2; i < SWITCH_PORTS; i++)
		assert_int_equal(join((struct switch_rules){ .mac = MAC(i) }), i);
	rules.mac = MAC(SWITCH_PORTS);
	assert_int_equal(switch_add(somebody, &rules, &port), ERR_FULL);
	switch_remove(7);
	assert_null(switch_ports[7].device);
	assert_int_equal(send(1, MAC(7), MAC(1)), BIT(SWITCH_UPLINK));
	assert_int_equal(join(rules), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_unicast, set_up),
		cmocka_unit_test_setup(test_groups, set_up),
		cmocka_unit_test_setup(test_isolated, set_up),
		cmocka_unit_test_setup(test_private, set_up),
		cmocka_unit_test_setup(test_spoofing, set_up),
		cmocka_unit_test_setup(test_learning, set_up),
		cmocka_unit_test_setup(test_joining, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
