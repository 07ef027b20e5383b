/*
 * hyp/lib/string.c beside the host's own C library: the same functions under other names.
 * Included first of all by that file's host build, and by its test.
 */
#ifndef TESTS_FAKE_STRING_NAMES_H
#define TESTS_FAKE_STRING_NAMES_H

#define memcpy	hyp_memcpy
#define memmove hyp_memmove
#define memset	hyp_memset
#define memcmp	hyp_memcmp
#define memchr	hyp_memchr
#define strlen	hyp_strlen
#define strnlen hyp_strnlen
#define strcmp	hyp_strcmp
#define strncmp hyp_strncmp
#define strchr	hyp_strchr
#define strrchr hyp_strrchr
#define strtoul hyp_strtoul

#endif
