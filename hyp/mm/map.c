/*
 * The hypervisor's own table. Never changed once it is in use, but for map_set_lower_half(); see
 * map.h for its shape.
 *
 * Invariant: no page is both writable and executable, none has the U bit. Pointers are physical
 * addresses here, since translation is still off.
 */
#include "hyp/mm/map.h"

#include "hyp/lib/string.h"
#include "hyp/mm/image.h"
#include "hyp/mm/phys.h"

#define MEGA_LEVEL   1
#define GIGA_LEVEL   2
#define IMAGE_TABLES 2 /* 4 MiB of 4 KiB pages; the linker script checks that the image fits */

const struct pt_mode host_modes[HOST_MODES] = {
	[HOST_SV39] = { "sv39", ATP_MODE_SV39, 3, 0 },
	[HOST_SV48] = { "sv48", ATP_MODE_SV48, 4, 0 },
	[HOST_SV57] = { "sv57", ATP_MODE_SV57, 5, 0 },
};

uint64_t phys_offset;
uint64_t map_satp;

static pte_t tables[PT_MAX_LEVELS][PT_ENTRIES] __attribute__((aligned(4096)));
static pte_t image_pages[IMAGE_TABLES][PT_ENTRIES] __attribute__((aligned(4096)));

static uint64_t global; /* PTE_G, or 0 where other roots have other things at our addresses */

static pte_t leaf(uint64_t at, uint64_t rights)
{
	return pte_make(at, PTE_V | PTE_R | PTE_A | PTE_D | global | rights);
}

static pte_t pointer(const void *table)
{
	return pte_make((uint64_t)(uintptr_t)table, PTE_V);
}

static uint64_t rights_at(uint64_t at)
{
	if (at < (uint64_t)(uintptr_t)image_start || at >= (uint64_t)(uintptr_t)image_const_end)
		return PTE_W;
	return at < (uint64_t)(uintptr_t)image_text_end ? PTE_X : 0;
}

/* Cut the gigabyte that holds the image into 2 MiB pages, and the image's own into 4 KiB. */
static void map_image(void)
{
	uint64_t image = (uint64_t)(uintptr_t)image_start;
	uint64_t giga = align_down(image, GIGAPAGE);
	pte_t *mega = tables[MEGA_LEVEL];

	for (unsigned i = 0; i < PT_ENTRIES; i++)
		mega[i] = leaf(giga + i * MEGAPAGE, PTE_W);
	for (unsigned t = 0; t < IMAGE_TABLES; t++) {
		uint64_t base = image + t * MEGAPAGE;

		for (unsigned i = 0; i < PT_ENTRIES; i++)
			image_pages[t][i] =
				leaf(base + i * PAGE_SIZE, rights_at(base + i * PAGE_SIZE));
		mega[(base - giga) / MEGAPAGE] = pointer(image_pages[t]);
	}
}

struct map map_build(const struct pt_mode *m)
{
	unsigned root = m->levels - 1u;
	unsigned address_bits = pt_address_bits(m);
	uint64_t half = PT_ENTRIES / 2; /* the root's entry for the lowest upper-half address */
	uint64_t first = root == GIGA_LEVEL ? half : 0;
	uint64_t image_giga = (uint64_t)(uintptr_t)image_start / GIGAPAGE;

	/* What a wider mode left here would mean other addresses now. */
	memset(tables, 0, sizeof(tables));
	global = root == GIGA_LEVEL ? 0 : PTE_G;
	map_image();
	for (uint64_t i = 0; i < MAP_BYTES / GIGAPAGE; i++)
		tables[GIGA_LEVEL][first + i] = leaf(i * GIGAPAGE, PTE_W);
	tables[GIGA_LEVEL][first + image_giga] = pointer(tables[MEGA_LEVEL]);
	for (unsigned level = GIGA_LEVEL + 1; level <= root; level++)
		tables[level][level == root ? half : 0] = pointer(tables[level - 1]);
	map_satp = (uint64_t)m->atp_mode << ATP_MODE_SHIFT |
		   (uint64_t)(uintptr_t)tables[root] >> PAGE_SHIFT;
	return (struct map){
		.satp = map_satp,
		.offset = ~UINT64_C(0) << (address_bits - 1),
	};
}

const struct pt_mode *map_mode(void)
{
	const struct pt_mode *m = host_modes;

	while (m->atp_mode != map_satp >> ATP_MODE_SHIFT)
		m++;
	return m;
}

const pte_t *map_root(void)
{
	return phys_pointer(hpa((map_satp & ATP_PPN_MASK) << PAGE_SHIFT));
}

void map_set_lower_half(const void *table)
{
	pte_t *root = phys_pointer(hpa((map_satp & ATP_PPN_MASK) << PAGE_SHIFT));

	for (unsigned i = 0; i < PT_ENTRIES / 2; i++)
		root[i] = pte_make(phys_address(table).v, PTE_V);
}
