/*
 * hyp/mm/map.c: the hypervisor's own table, walked as the hardware would.
 */
#include "tests/unit/unit.h"

#include "hyp/lib/check.h"
#include "hyp/mm/image.h"
#include "hyp/mm/map.h"

#define IMAGE	   ((uint64_t)(uintptr_t)image_start)
#define TEXT_END   ((uint64_t)(uintptr_t)image_text_end)
#define CONST_END  ((uint64_t)(uintptr_t)image_const_end)

/* The leaf for virtual address @va, 0 where there is none. Tables are at their own addresses. */
static pte_t leaf_for(struct map map, const struct pt_mode *m, uint64_t va, unsigned *level)
{
	uint64_t table = (map.satp & ATP_PPN_MASK) << PAGE_SHIFT;

	for (*level = m->levels - 1u;; --*level) {
		pte_t e = ((pte_t *)table)[pt_index(m, *level, va)];

		if (!pte_is_valid(e) || pte_is_leaf(e) || *level == 0)
			return e;
		table = pte_address(e);
	}
}

/* The modes are checked in a process each, where a CHECK() that fails ends the fake machine. */
static void check_memory(const struct pt_mode *m)
{
	static const uint64_t at[] = {
		0x1000, 0x10000000, 0x80000000, GIB(100) + 0x123000, MAP_BYTES - PAGE_SIZE
	};
	struct map map = map_build(m);
	unsigned level;

	CHECK(map.satp >> ATP_MODE_SHIFT == m->atp_mode);
	CHECK(map.offset == ~UINT64_C(0) << (pt_address_bits(m) - 1));
	for (unsigned k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
		pte_t e = leaf_for(map, m, map.offset + at[k], &level);

		/* Under Sv39 a guest may have its own things at these addresses. */
		CHECK((e & 0xff) == (PTE_V | PTE_R | PTE_W | PTE_A | PTE_D |
				     (m->levels > 3 ? PTE_G : 0)));
		CHECK(pte_address(e) + (at[k] & (pt_span(level) - 1)) == at[k]);
	}
	/* Not a byte more (Sv39's upper half ends there), and nothing in the lower half. */
	if (m->levels > 3)
		CHECK(!pte_is_valid(leaf_for(map, m, map.offset + MAP_BYTES, &level)));
	CHECK(!pte_is_valid(leaf_for(map, m, 0x80000000, &level)));
}

static void check_image(const struct pt_mode *m)
{
	struct map map = map_build(m);

	for (uint64_t at = IMAGE - MIB(2); at < IMAGE + MIB(8); at += PAGE_SIZE) {
		unsigned level;
		pte_t e = leaf_for(map, m, map.offset + at, &level);
		uint64_t rights = PTE_W;

		if (at >= IMAGE && at < CONST_END)
			rights = at < TEXT_END ? PTE_X : 0;
		CHECK((e & (PTE_R | PTE_W | PTE_X | PTE_U)) == (PTE_R | rights));
		CHECK(pte_address(e) + (at & (pt_span(level) - 1)) == at);
	}
}

/* A hart that lacks a mode gets a narrower one: nothing of the wider may be left. */
static void check_rebuilt(const struct pt_mode *m)
{
	for (unsigned i = HOST_MODES; &host_modes[--i] != m;)
		map_build(&host_modes[i]);
	check_memory(m);
	check_image(m);
}

/* What hyp/shadow/ is told of the table. */
static void check_accessors(const struct pt_mode *m)
{
	struct map map = map_build(m);
	const pte_t *root = map_root();

	CHECK(map_satp == map.satp && map_mode() == m);
	CHECK((uint64_t)(uintptr_t)root == (map.satp & ATP_PPN_MASK) << PAGE_SHIFT);
	for (unsigned i = 0; i < PT_ENTRIES / 2; i++)
		CHECK(!pte_is_valid(root[i]));
	CHECK(pte_is_valid(root[PT_ENTRIES / 2]));
}

/* The lower half is one table again and again, the upper half what it was. */
static void check_lower_half(const struct pt_mode *m)
{
	static pte_t table[PT_ENTRIES] __attribute__((aligned(PAGE_SIZE)));
	struct map map = map_build(m);
	unsigned level;

	table[PT_ENTRIES - 1] = pte_make(0, PTE_V);
	map_set_lower_half(table);
	for (unsigned i = 0; i < PT_ENTRIES / 2; i++)
		CHECK(map_root()[i] == pte_make((uint64_t)(uintptr_t)table, PTE_V));
	for (uint64_t at = 0; at < MAP_BYTES; at += GIGAPAGE)
		CHECK(pte_address(leaf_for(map, m, map.offset + at, &level)) == at);
}

static void all_of_physical_memory(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HOST_MODES; i++) {
		fake_reset();
		assert_int_equal(FAKE_STATUS(check_memory(&host_modes[i])), -1);
	}
}

static void image_is_write_xor_execute(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HOST_MODES; i++) {
		fake_reset();
		assert_int_equal(FAKE_STATUS(check_image(&host_modes[i])), -1);
	}
}

static void narrower_after_wider(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HOST_MODES; i++) {
		fake_reset();
		assert_int_equal(FAKE_STATUS(check_rebuilt(&host_modes[i])), -1);
	}
}

static void root_for_shadows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HOST_MODES; i++) {
		fake_reset();
		assert_int_equal(FAKE_STATUS(check_accessors(&host_modes[i])), -1);
	}
}

static void lower_half(void **state)
{
	(void)state;
	fake_reset();
	assert_int_equal(FAKE_STATUS(check_lower_half(&host_modes[HOST_SV39])), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_physical_memory),
		cmocka_unit_test(image_is_write_xor_execute),
		cmocka_unit_test(narrower_after_wider),
		cmocka_unit_test(root_for_shadows),
		cmocka_unit_test(lower_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
