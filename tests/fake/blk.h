/*
 * A virtio-blk device of the host's, as hyp/drv/blk.c finds one: registers, a queue, a disk of
 * memory. It carries a request out when it is told to, in the order it is told; or it breaks the
 * rules.
 */
#ifndef TESTS_FAKE_BLK_H
#define TESTS_FAKE_BLK_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_BLK_REGS UINT64_C(0x10001000)
#define FAKE_BLK_IRQ  1
#define FAKE_BLK_MAX  512 /* requests under way */

struct fake_blk {
	/* What it is; set after fake_blk_reset(), before blk_init(). */
	uint8_t *disk;
	uint64_t sectors;
	uint64_t features;
	const char *serial;
	uint32_t seg_max, blk_size, queue_max;
	bool is_asleep; /* it does nothing by itself; else it is done when it is notified */

	/* What was done with it. */
	unsigned resets, notified, reads, writes, flushes, discards, zeroes;
	unsigned since_flush; /* writes */
	unsigned parts;	      /* of the last request's data */

	/* Its registers and its queue. */
	uint64_t accepted, area[3];
	uint32_t features_sel, accepted_sel, num, ready, status, irq;
	uint16_t seen, used, head[FAKE_BLK_MAX];
	unsigned waiting; /* in .head */
};

extern struct fake_blk fake_blk;

/* No disk yet: a device without requests, with what QEMU's has. */
void fake_blk_reset(uint8_t *disk, uint64_t sectors);

/* Carry out the @n-th of those that wait. Returns whether there is one. */
bool fake_blk_do(unsigned n);

/* All that wait; and the interrupt, as the hart would see it. */
void fake_blk_do_all(void);

/* Say that chain @id is through, without doing anything. */
void fake_blk_say_used(uint32_t id, uint32_t bytes);

#endif
