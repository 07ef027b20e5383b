/*
 * hello: who am I? What a kernel can learn in its first moments.
 * Invariant: only what the boot protocol promises is used: a0, a1 and SBI BASE.
 * Read next: guests/lib/start.S for how it got here, then guests/ticks/.
 */
#include "guests/lib/board.h"
#include "guests/lib/hart.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"

static const char *const impl_names[] = {
	"Berkeley Boot Loader",
	"OpenSBI",
	"Xvisor",
	"KVM",
	"RustSBI",
	"Diosix",
	"Coffer",
	"Xen",
	"PolarFire HSS",
	"coreboot",
	"oreboot",
	"bhyve",
};

static const struct {
	uint64_t ext;
	const char *name;
} extensions[] = {
	{ SBI_EXT_TIME, "TIME" }, { SBI_EXT_IPI, "IPI" },   { SBI_EXT_RFENCE, "RFENCE" },
	{ SBI_EXT_HSM, "HSM" },	  { SBI_EXT_SRST, "SRST" }, { SBI_EXT_DBCN, "DBCN" },
};

static uint64_t base(uint64_t function)
{
	return sbi_call(SBI_EXT_BASE, function, 0, 0, 0, 0, 0).value;
}

static const char *impl_name(uint64_t id)
{
	if (id == SBI_IMPL_ID_GNOMON)
		return "Gnomon";
	return id < sizeof(impl_names) / sizeof(impl_names[0]) ? impl_names[id]
							       : "someone I do not know";
}

int main(void)
{
	uint64_t spec = base(SBI_BASE_GET_SPEC_VERSION), id = base(SBI_BASE_GET_IMPL_ID);

	print("Hello from a guest in S-mode.\n");
	print("  I run on hart %u of %u.\n", board.boot_hart, board.hart_count);
	print("  Below me is SBI %lu.%lu, by %s (id %lu), its version %lx.\n", spec >> 24 & 0x7f,
	      spec & 0xffffff, impl_name(id), id,
	      base(SBI_BASE_GET_IMPL_VERSION));
	print("  It offers");
	for (unsigned i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if (sbi_probe(extensions[i].ext) != 0)
			print(" %s", extensions[i].name);
	print(".\n");
	print("  My memory is %lu MiB at %lx, my code is at %lx.\n", board.ram_bytes >> 20,
	      board.ram_base, (uint64_t)main & ~0x1ffffful);
	print("  My instructions are %s.\n", board.isa);
	print("Goodbye.\n");
	return 0;
}
