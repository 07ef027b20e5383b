/*
 * What Gnomon says of itself, one line at a time, through the firmware's console.
 */
#ifndef HYP_LIB_LOG_H
#define HYP_LIB_LOG_H

enum log_level {
	LOG_ERROR, /* always shown */
	LOG_INFO,  /* shown unless asked to be quiet */
	LOG_DEBUG,
};

/* Show lines up to and including @level; LOG_INFO at start. */
void log_set_level(enum log_level level);

/**
 * Print "gnomon: ", the text and an end of line, unbroken by other harts' lines. A text longer
 * than a line of 200 bytes is cut. The format is hyp/lib/printf.h's. Any hart, no lock needed.
 */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
