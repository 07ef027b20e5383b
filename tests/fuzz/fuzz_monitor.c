/*
 * Any bytes typed at the monitor's terminal and sent to its control port, however slowly its
 * answers are read: each line of the control port's is one valid answer, and everything read is
 * taken.
 *
 * Input: a byte of how much is read at a time, then chunks: a byte, of which bit 7 says for whom
 * and the others how many bytes, and these.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hyp/lib/string.h"
#include "hyp/monitor/monitor.h"
#include "tests/fake/fake.h"
#include "tests/unit/monitor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The end of the machine, `quit`, would be the fuzzer's. */
static bool may_quit(const uint8_t *data, size_t n)
{
	return memchr(data, 'q', n) != NULL;
}

static void type(const uint8_t *bytes, size_t n)
{
	memcpy(played.typed, bytes, n);
	played.typed_n = n;
	played.typed_at = 0;
	do {
		played.said_n = 0;
		played.room += 997;
		monitor_terminal();
	} while (played.typed_at < n);
}

static void send(const uint8_t *bytes, size_t n, uint64_t *lines)
{
	size_t before;

	memcpy(played.sent, bytes, n);
	played.sent_n = n;
	played.sent_at = played.answered_n = 0;
	do {
		before = played.answered_n;
		monitor_control();
	} while (played.sent_at < n || played.answered_n != before);
	for (size_t i = 0; i < n; i++)
		*lines += bytes[i] == '\n';
	for (size_t i = 0; i < played.answered_n; i++)
		*lines -= played.answered[i] == '\n';
	if (*lines || !json_lines_are_valid(played.answered, played.answered_n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static bool begun;
	uint64_t lines = 0;

	if (!bytes || bytes > sizeof(played.typed) || may_quit(data, bytes))
		return 0;
	fake_reset();
	play();
	if (!begun)
		monitor_init();
	begun = true;
	played.room = 0;
	played.takes = 1u + *data * 16u;
	data++;
	bytes--;
	while (bytes) {
		size_t n = *data & 0x7f;
		bool is_control = *data >> 7;

		data++;
		bytes--;
		if (n > bytes)
			n = bytes;
		if (is_control)
			send(data, n, &lines);
		else
			type(data, n);
		fake.csr[CSR_TIME] += 10000000;
		monitor_tick();
		data += n;
		bytes -= n;
	}
	played.is_closed = true;
	monitor_control();
	return 0;
}
