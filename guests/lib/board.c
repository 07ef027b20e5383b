/*
 * What the device tree says about this machine, a page allocator, and the way out.
 *
 * The reader below is no libfdt: one pass over the structure block, two levels of names kept,
 * enough for memory, cpus and the command line. Invariant: after board_init() the tree is not read
 * again. Read next: start.S, which calls boot_main() here, then any guest's main().
 */
#include "guests/lib/board.h"

#include "guests/lib/hart.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "guests/lib/string.h"

#define FDT_MAGIC      0xd00dfeedu
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE   2
#define FDT_PROP       3
#define FDT_END	       9

struct board board;
static uint64_t heap_next;

extern char image_end[];

static uint32_t be32(const void *at)
{
	const uint8_t *b = at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint64_t be64(const void *at)
{
	return (uint64_t)be32(at) << 32 | be32((const uint8_t *)at + 4);
}

/* @top and @node are the names of the node at depth 1 and 2 that the property belongs to. */
static void take_property(const char *top, const char *node, const char *name, const void *data,
			  uint32_t bytes)
{
	bool in_cpu = str_equal(top, "cpus") && str_starts(node, "cpu@");

	if (str_starts(top, "memory@") && str_equal(name, "reg")) {
		board.ram_base = be64(data);
		board.ram_bytes = be64((const uint8_t *)data + 8);
	} else if (str_equal(top, "cpus") && str_equal(name, "timebase-frequency")) {
		board.timebase = be32(data);
	} else if (in_cpu && str_equal(name, "reg") && be32(data) < MAX_HARTS) {
		board.harts |= 1ul << be32(data);
		board.hart_count++;
	} else if (in_cpu && str_equal(name, "riscv,isa") && bytes <= sizeof(board.isa)) {
		mem_copy(board.isa, data, bytes);
	} else if (str_equal(top, "chosen") && str_equal(name, "bootargs") &&
		   bytes <= sizeof(board.bootargs)) {
		mem_copy(board.bootargs, data, bytes);
	} else if (str_equal(top, "chosen") && str_equal(name, "linux,initrd-start")) {
		board.initrd = bytes == 8 ? be64(data) : be32(data);
	}
}

static void walk_tree(const uint8_t *at, const char *strings)
{
	const char *names[3] = { "", "", "" };
	unsigned depth = 0;

	for (;;) {
		uint32_t token = be32(at);

		at += 4;
		if (token == FDT_END)
			return;
		if (token == FDT_BEGIN_NODE) {
			if (depth < 3)
				names[depth] = (const char *)at;
			depth++;
			at += (str_length((const char *)at) + 4) & ~3ul;
		} else if (token == FDT_END_NODE) {
			depth--;
			if (depth < 3)
				names[depth] = "";
		} else if (token == FDT_PROP) {
			uint32_t bytes = be32(at);

			if (depth <= 3)
				take_property(names[1], names[2], strings + be32(at + 4), at + 8,
					      bytes);
			at += 8 + ((bytes + 3) & ~3u);
		}
	}
}

bool board_init(uint64_t boot_hart, uint64_t dtb)
{
	const uint8_t *tree = (const uint8_t *)dtb;

	if (dtb == 0 || be32(tree) != FDT_MAGIC)
		return false;
	board.boot_hart = (unsigned)boot_hart;
	board.dtb = dtb;
	board.dtb_bytes = be32(tree + 4);
	walk_tree(tree + be32(tree + 8), (const char *)tree + be32(tree + 12));
	heap_next = board_heap();
	return board.ram_bytes != 0 && board.hart_count != 0;
}

bool board_has_isa(const char *name)
{
	const char *isa = board.isa;
	unsigned long bytes = str_length(name);

	if (bytes == 1) {
		for (isa += 4; *isa != '\0' && *isa != '_'; isa++)
			if (*isa == *name)
				return true;
		return false;
	}
	for (; *isa != '\0'; isa++)
		if (*isa == '_' && str_starts(isa + 1, name) &&
		    (isa[1 + bytes] == '_' || isa[1 + bytes] == '\0'))
			return true;
	return false;
}

/* What stands behind "@name=" in the command line, to its end; or NULL. */
static const char *option(const char *name)
{
	unsigned long n = str_length(name);

	for (const char *at = board.bootargs; *at != '\0'; at++)
		if ((at == board.bootargs || at[-1] == ' ') && str_starts(at, name) && at[n] == '=')
			return at + n + 1;
	return NULL;
}

void board_word(const char *name, const char *otherwise, char *to, size_t bytes)
{
	const char *from = option(name);
	size_t n = 0;

	if (from == NULL)
		from = otherwise;
	for (; from[n] != '\0' && from[n] != ' ' && n + 1 < bytes; n++)
		to[n] = from[n];
	to[n] = '\0';
}

uint64_t board_number(const char *name, uint64_t otherwise)
{
	const char *at = option(name);
	uint64_t value = 0;

	if (at == NULL)
		return otherwise;
	for (; *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

uint64_t board_heap(void)
{
	return ((uint64_t)image_end + 4095) & ~4095ul;
}

void *page_alloc(void)
{
	void *page;

	if (heap_next + 4096 > board.dtb && heap_next < board.dtb + board.dtb_bytes)
		heap_next = (board.dtb + board.dtb_bytes + 4095) & ~4095ul;
	page = (void *)heap_next;
	heap_next += 4096;
	mem_set(page, 0, 4096);
	return page;
}

_Noreturn void machine_exit(unsigned code)
{
	mmio_write32(FINISHER_BASE, code == 0 ? FINISHER_PASS : code << 16 | FINISHER_FAIL);
	for (;;)
		asm volatile("wfi");
}

_Noreturn void boot_main(uint64_t hart, uint64_t dtb)
{
	int code;

	if (!board_init(hart, dtb)) {
		print("no device tree at %lx\n", dtb);
		machine_exit(2);
	}
	code = main();
	if (code == 0)
		sbi_shutdown(SBI_SRST_REASON_NONE);
	machine_exit((unsigned)code);
}
