/*
 * Start-up's own: how a secondary hart is told where to begin.
 */
#ifndef HYP_BOOT_BOOT_H
#define HYP_BOOT_BOOT_H

/* Offsets in struct boot_hart, for head.S. */
#define BOOT_HART_SATP 0
#define BOOT_HART_SP   8
#define BOOT_HART_PC   16
#define BOOT_HART_ARG  24
#define BOOT_HART_ID1  32 /* the hart's id + 1 */
#define BOOT_HART_BYTES 40

#define BOOT_STACK_BYTES 8192

#endif
