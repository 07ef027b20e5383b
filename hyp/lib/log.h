/*
 * What Gnomon says of itself, one line at a time, through the firmware's console.
 */
#ifndef HYP_LIB_LOG_H
#define HYP_LIB_LOG_H

#include <stddef.h>
#include <stdint.h>

#define LOG_HISTORY 8192 /* bytes, a power of two */
#define LOG_LINE    200	 /* with its end */

struct hart;

enum log_level {
	LOG_ERROR, /* always shown */
	LOG_INFO,  /* shown unless asked to be quiet */
	LOG_DEBUG,
};

/* Show lines up to and including @level; LOG_INFO at start. */
void log_set_level(enum log_level level);

/**
 * Print "gnomon: ", the text and an end of line, unbroken by other harts' lines. A text longer
 * than LOG_LINE is cut. The format is hyp/lib/printf.h's. Any hart, no lock needed.
 */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Keep "gnomon: ", @line and its end in what log_history() tells; it is shown otherwise. */
void log_keep(const char *line);

/**
 * What was printed last, as lines that end in '\n': as much of it as is kept and fits into @room
 * bytes at @to, where the first line may lack its beginning. Returns how many bytes that is.
 */
size_t log_history(char *to, size_t room);

/* What a hart says as an error while it listens to itself: the last line. */
struct log_ear {
	struct log_ear *next;
	const struct hart *hart;
	char said[LOG_LINE]; /* "": nothing */
};

/* From the one to the other, on one hart, @ear hears what that hart says. */
void log_listen(struct log_ear *ear);
void log_ignore(struct log_ear *ear);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
