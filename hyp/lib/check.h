/*
 * CHECK(): for what only a bug of ours can break. Never for anything a guest can cause.
 */
#ifndef HYP_LIB_CHECK_H
#define HYP_LIB_CHECK_H

#define CHECK(claim)                                                                               \
	do {                                                                                       \
		if (!(claim))                                                                      \
			panic("%s:%d: %s", __FILE__, __LINE__, #claim);                            \
	} while (0)

/**
 * Say why, and end the machine with PANIC_STATUS.
 */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
