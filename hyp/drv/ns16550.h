/*
 * The 16550A serial port: register numbers and bits, for the driver of the host's and for the
 * guest's own.
 *
 * Source: National Semiconductor's PC16550D data sheet.
 */
#ifndef HYP_DRV_NS16550_H
#define HYP_DRV_NS16550_H

enum {
	NS_DATA = 0, /* read: receiver, write: transmitter; with LCR_DLAB the divisor's low byte */
	NS_IER = 1,  /* with LCR_DLAB the divisor's high byte */
	NS_IIR = 2,  /* read */
	NS_FCR = 2,  /* write */
	NS_LCR = 3,
	NS_MCR = 4,
	NS_LSR = 5,
	NS_MSR = 6,
	NS_SCR = 7,
	NS_REGISTERS,
};

#define NS_FIFO 16

/* Interrupts enabled. */
#define NS_IER_RX    0x01
#define NS_IER_THRE  0x02
#define NS_IER_LINE  0x04
#define NS_IER_MODEM 0x08

/* Which interrupt is pending, the most urgent first; and whether the FIFOs are on. */
#define NS_IIR_LINE    0x06
#define NS_IIR_RX      0x04
#define NS_IIR_TIMEOUT 0x0c
#define NS_IIR_THRE    0x02
#define NS_IIR_NONE    0x01
#define NS_IIR_FIFO    0xc0

#define NS_FCR_FIFO	  0x01
#define NS_FCR_RX_RESET	  0x02
#define NS_FCR_TX_RESET	  0x04
#define NS_FCR_DMA	  0x08
#define NS_FCR_TRIGGER	  0xc0 /* when the receiver interrupts: 1, 4, 8 or 14 bytes */
#define NS_FCR_TRIGGER_8  0x80
#define NS_FCR_TRIGGER_AT 6

#define NS_LCR_DLAB 0x80

#define NS_MCR_DTR  0x01
#define NS_MCR_RTS  0x02
#define NS_MCR_OUT1 0x04
#define NS_MCR_OUT2 0x08
#define NS_MCR_LOOP 0x10
#define NS_MCR_MASK 0x1f

#define NS_LSR_DATA    0x01
#define NS_LSR_OVERRUN 0x02
#define NS_LSR_THRE    0x20
#define NS_LSR_TEMT    0x40

#define NS_MSR_CTS 0x10
#define NS_MSR_DSR 0x20
#define NS_MSR_RI  0x40
#define NS_MSR_DCD 0x80

#endif
