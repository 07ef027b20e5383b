/*
 * A balloon: the guest gives memory back while it runs, as the operator asks for it, and tells of its
 * free pages by itself.
 *
 * Source: virtio 1.3, "Traditional Memory Balloon Device".
 */
#ifndef HYP_DEV_VIRTIO_BALLOON_H
#define HYP_DEV_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_BALLOON_PAGE  4096 /* what its numbers count, whatever a guest's pages are */
#define VIRTIO_BALLOON_STATS 16

struct board;

/* struct virtio_balloon_config, up to the last field that a feature of ours brings. */
struct virtio_balloon_config {
	uint32_t num_pages; /* how many the guest is to give */
	uint32_t actual;    /* how many it says it has given */
};

struct virtio_balloon {
	struct virtio_balloon_config config;
	uint64_t memory;	     /* bytes of RAM with nothing in the balloon */
	uint64_t inflated, reported; /* bytes that came back, since the VM was made */
	/* The driver's last statistics; its buffer, where one is in flight, goes back for new ones. */
	uint16_t buffer;
	uint32_t known; /* bit n: .stat[n] is there */
	uint64_t stat[VIRTIO_BALLOON_STATS], stats_at; /* `time` when they came */
};

/* Of RAM, in bytes: what the guest shall have, and by its own word has. */
struct virtio_balloon_size {
	uint64_t target, actual;
};

/**
 * Let the guest of @b shrink, or grow again, to @bytes of RAM; what it was described with is the
 * most. It does so in its own time. Returns false where there is no balloon.
 */
bool virtio_balloon_set_target(struct board *b, uint64_t bytes);

/* Returns false where there is no balloon. */
bool virtio_balloon_size(struct board *b, struct virtio_balloon_size *size);

#endif
