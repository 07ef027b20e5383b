/*
 * Reading kernels. See kernel.h.
 *
 * Source: Linux's Documentation/arch/riscv/boot-image-header.rst; the System V ABI's "Object
 * Files".
 *
 * Invariant: each piece's bytes lie in the file, and no sum of sizes wraps.
 */
#include "hyp/vm/kernel.h"

#include "hyp/lib/string.h"

/* Where every S-mode image of `virt` begins unless it says otherwise: above the firmware's 2 MiB.
 */
#define KERNEL_OFFSET MIB(2)

struct image_header {
	uint32_t code[2];
	uint64_t text_offset, image_size, flags;
	uint32_t version, reserved[3];
	uint64_t magic;
	uint32_t magic2, reserved2;
};
#define IMAGE_MAGIC2 0x05435352u /* "RSC\5" */

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

enum { ELF_CLASS_64 = 2, ELF_LITTLE = 1, ELF_EXEC = 2, ELF_DYN = 3, ELF_RISCV = 243, ELF_LOAD = 1 };

static enum err read_flat(uint64_t bytes, gpa_t ram, struct kernel_layout *l)
{
	gpa_t at = gpa(ram.v + KERNEL_OFFSET);

	*l = (struct kernel_layout){
		.format = "flat", .entry = at, .lowest = at, .end = gpa(at.v + bytes), .pieces = 1
	};
	l->piece[0] = (struct kernel_piece){ at, bytes, 0 };
	return OK;
}

/* image_size counts what the kernel clears for itself after the file's end. */
static enum err read_image(const struct image_header *h, uint64_t bytes, gpa_t ram,
			   struct kernel_layout *l)
{
	uint64_t size = h->image_size > bytes ? h->image_size : bytes;
	gpa_t at = gpa(ram.v + h->text_offset);

	if (h->text_offset > GIB(1) || size > UINT64_C(1) << 48)
		return ERR_FORMAT;
	*l = (struct kernel_layout){
		.format = "Image", .entry = at, .lowest = at, .end = gpa(at.v + size), .pieces = 1
	};
	l->piece[0] = (struct kernel_piece){ at, bytes, 0 };
	return OK;
}

static bool segment_is_good(const struct elf_segment *s, uint64_t bytes)
{
	return range_holds(0, bytes, s->offset, s->filesz) && s->filesz <= s->memsz &&
	       s->paddr <= UINT64_C(1) << 52 && s->memsz <= UINT64_C(1) << 52;
}

static enum err add_segment(const struct elf_segment *s, uint64_t bytes, uint64_t entry,
			    struct kernel_layout *l)
{
	if (!segment_is_good(s, bytes) || l->pieces == KERNEL_PIECES_MAX)
		return ERR_FORMAT;
	if (s->filesz)
		l->piece[l->pieces++] =
			(struct kernel_piece){ gpa(s->paddr), s->filesz, s->offset };
	if (s->paddr < l->lowest.v)
		l->lowest = gpa(s->paddr);
	if (s->paddr + s->memsz > l->end.v)
		l->end = gpa(s->paddr + s->memsz);
	/* A kernel linked high has a virtual entry. */
	if (range_holds(s->vaddr, s->memsz, entry, 1))
		l->entry = gpa(s->paddr + (entry - s->vaddr));
	return OK;
}

static bool elf_is_ours(const struct elf_header *h, uint64_t bytes)
{
	return h->ident[4] == ELF_CLASS_64 && h->ident[5] == ELF_LITTLE &&
	       (h->type == ELF_EXEC || h->type == ELF_DYN) && h->machine == ELF_RISCV &&
	       h->phentsize == sizeof(struct elf_segment) &&
	       range_holds(0, bytes, h->phoff, h->phnum * sizeof(struct elf_segment));
}

/* An entry in no segment: begin at the lowest address, as QEMU does for every ELF kernel. */
static enum err read_elf(const char *file, uint64_t bytes, struct kernel_layout *l)
{
	struct elf_header h;

	memcpy(&h, file, sizeof(h));
	if (!elf_is_ours(&h, bytes))
		return ERR_FORMAT;
	*l = (struct kernel_layout){ .format = "ELF",
				     .entry = gpa(UINT64_MAX),
				     .lowest = gpa(UINT64_MAX) };
	for (unsigned i = 0; i < h.phnum; i++) {
		struct elf_segment s;
		enum err e;

		memcpy(&s, file + h.phoff + i * sizeof(s), sizeof(s));
		if (s.type != ELF_LOAD || !s.memsz)
			continue;
		e = add_segment(&s, bytes, h.entry, l);
		if (e)
			return e;
	}
	if (!l->pieces)
		return ERR_FORMAT;
	if (l->entry.v == UINT64_MAX)
		l->entry = l->lowest;
	return OK;
}

enum err kernel_read(const void *file, uint64_t bytes, gpa_t ram, struct kernel_layout *l)
{
	const struct image_header *image = file;

	if (bytes >= 4 && memcmp(file, "\177ELF", 4) == 0)
		return bytes < sizeof(struct elf_header) ? ERR_FORMAT : read_elf(file, bytes, l);
	if (bytes >= sizeof(*image) && image->magic2 == IMAGE_MAGIC2)
		return read_image(image, bytes, ram, l);
	return read_flat(bytes, ram, l);
}
