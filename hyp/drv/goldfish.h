/*
 * The goldfish RTC: register numbers, for the driver of the host's and for the guest's own. The time
 * is nanoseconds since 1970, in two halves of 32 bits.
 *
 * Source: Android's goldfish virtual hardware; QEMU's "hw/rtc/goldfish_rtc.c".
 */
#ifndef HYP_DRV_GOLDFISH_H
#define HYP_DRV_GOLDFISH_H

enum {
	GOLDFISH_TIME_LOW = 0x00, /* reading it latches TIME_HIGH */
	GOLDFISH_TIME_HIGH = 0x04,
	GOLDFISH_ALARM_LOW = 0x08, /* writing it sets the alarm */
	GOLDFISH_ALARM_HIGH = 0x0c,
	GOLDFISH_IRQ_ENABLED = 0x10,
	GOLDFISH_CLEAR_ALARM = 0x14,
	GOLDFISH_ALARM_STATUS = 0x18,
	GOLDFISH_CLEAR_INTERRUPT = 0x1c,
	GOLDFISH_BYTES = 0x24,
};

#endif
