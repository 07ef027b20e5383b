/*
 * Whether text is JSON as answers are: for tests and fuzzers of hyp/monitor/.
 */
#ifndef TESTS_UNIT_JSON_H
#define TESTS_UNIT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* RFC 8259, but for depth and white space, of which answers have neither. Returns what follows, or
 * NULL. */
static inline const char *json_value(const char *p, const char *end, unsigned depth);

static inline const char *json_string(const char *p, const char *end)
{
	if (p == end || *p++ != '"')
		return NULL;
	for (; p < end && *p != '"'; p++) {
		if (*p < ' ' || *p > '~')
			return NULL;
		if (*p != '\\')
			continue;
		if (++p < end && (*p == '"' || *p == '\\'))
			continue;
		if (end - p < 5 || *p != 'u' || strspn(p + 1, "0123456789abcdef") < 4)
			return NULL;
		p += 4;
	}
	return p < end ? p + 1 : NULL;
}

static inline const char *json_number(const char *p, const char *end)
{
	const char *begin = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	if (p == begin || (*begin == '0' && p - begin > 1))
		return NULL;
	if (p < end && *p == '.')
		for (begin = ++p; p < end && *p >= '0' && *p <= '9';)
			p++;
	return p > begin ? p : NULL;
}

static inline const char *json_list(const char *p, const char *end, char close, unsigned depth)
{
	if (p < end && *p == close)
		return p + 1;
	for (; p; p++) {
		if (close == '}') {
			p = json_string(p, end);
			if (!p || p == end || *p++ != ':')
				return NULL;
		}
		p = json_value(p, end, depth - 1);
		if (!p || p == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p != ',')
			return NULL;
	}
	return NULL;
}

static inline const char *json_value(const char *p, const char *end, unsigned depth)
{
	static const char *const words[] = { "true", "false", "null" };

	if (p == end || !depth)
		return NULL;
	if (*p == '"')
		return json_string(p, end);
	if (*p == '{' || *p == '[')
		return json_list(p + 1, end, *p == '{' ? '}' : ']', depth);
	for (unsigned i = 0; i < 3; i++)
		if ((size_t)(end - p) >= strlen(words[i]) &&
		    strncmp(p, words[i], strlen(words[i])) == 0)
			return p + strlen(words[i]);
	return json_number(p, end);
}

/* Whether @text is lines, each an object. */
static inline bool json_lines_are_valid(const char *text, size_t n)
{
	const char *end = text + n;

	while (text < end) {
		const char *line = memchr(text, '\n', (size_t)(end - text));

		if (!line || *text != '{' || json_value(text, line, 8) != line)
			return false;
		text = line + 1;
	}
	return true;
}

#endif
