/*
 * Reading from the serial port, asleep until something is typed.
 */
#ifndef GUESTS_LIB_SERIAL_H
#define GUESTS_LIB_SERIAL_H

#include <stddef.h>

/** Let the port interrupt this hart, which alone may read from then on. */
void serial_begin(void);

/** The next byte that is typed. */
char serial_read(void);

/**
 * Read a line into @to, at most @bytes - 1 characters, and end it with 0. It is echoed; Backspace
 * takes the last character back; what doesn't fit is not taken.
 */
void serial_line(char *to, size_t bytes);

#endif
