/*
 * The board a guest finds: QEMU's `virt` as S-mode sees it, and what its device tree says.
 */
#ifndef GUESTS_LIB_BOARD_H
#define GUESTS_LIB_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINISHER_BASE  0x00100000ul
#define FINISHER_PASS  0x5555u
#define FINISHER_FAIL  0x3333u
#define FINISHER_RESET 0x7777u
#define RTC_BASE       0x00101000ul
#define RTC_TIME_LOW   0x0 /* reading it latches TIME_HIGH */
#define RTC_TIME_HIGH  0x4
#define PLIC_BASE      0x0c000000ul
#define UART_BASE      0x10000000ul
#define UART_IRQ       10
#define RAM_BASE       0x80000000ul

/* ns16550 register offsets; DLL and DLM lie over RBR and IER while LCR.DLAB is set. */
#define UART_RBR      0
#define UART_THR      0
#define UART_DLL      0
#define UART_IER      1
#define UART_DLM      1
#define UART_IIR      2
#define UART_FCR      2
#define UART_LCR      3
#define UART_MCR      4
#define UART_LSR      5
#define UART_MSR      6
#define UART_SCR      7
#define UART_IER_RX   0x01
#define UART_LSR_DR   0x01
#define UART_LSR_THRE 0x20

struct board {
	uint64_t ram_base;
	uint64_t ram_bytes;
	uint64_t harts; /* bit n: hart n is there; the first MAX_HARTS only */
	unsigned hart_count;
	unsigned boot_hart;
	uint64_t timebase;  /* ticks of `time` a second */
	char isa[1024];	    /* riscv,isa of the last hart */
	char bootargs[256]; /* the command line; empty where it is longer */
	uint64_t dtb;
	uint64_t dtb_bytes;
	uint64_t initrd; /* where it is; 0: there is none */
};

extern struct board board;

/** Fill `board` from the device tree at @dtb. Returns false if there is no usable tree. */
bool board_init(uint64_t boot_hart, uint64_t dtb);

/** Whether riscv,isa lists the multi-letter extension @name, or the single letter. */
bool board_has_isa(const char *name);

/**
 * The command line's word @name=VALUE: VALUE, or @otherwise where there is none, as a string of at
 * most @bytes - 1 characters.
 */
void board_word(const char *name, const char *otherwise, char *to, size_t bytes);

/** The same for a decimal number. */
uint64_t board_number(const char *name, uint64_t otherwise);

/** The first page after the image; everything up to the end of RAM is free, the tree excepted. */
uint64_t board_heap(void);

/** A zeroed 4 KiB page. Pages come from the end of the image upwards and are never returned. */
void *page_alloc(void);

/** End the machine through the test finisher: status 0, or the guest's own @code (1..65535). */
_Noreturn void machine_exit(unsigned code);

static inline uint8_t mmio_read8(uint64_t at)
{
	return *(volatile uint8_t *)at;
}

static inline void mmio_write8(uint64_t at, uint8_t value)
{
	*(volatile uint8_t *)at = value;
}

static inline uint32_t mmio_read32(uint64_t at)
{
	return *(volatile uint32_t *)at;
}

static inline void mmio_write32(uint64_t at, uint32_t value)
{
	*(volatile uint32_t *)at = value;
}

#endif
