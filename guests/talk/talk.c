/*
 * talk: says back what is typed, and who it is: name=WORD of its command line. With several of them
 * one sees who has the terminal. "bye" ends it.
 *
 * Invariant: it sleeps until something is typed. Read next: guests/lib/serial.c.
 */
#include "guests/lib/board.h"
#include "guests/lib/print.h"
#include "guests/lib/serial.h"
#include "guests/lib/string.h"

int main(void)
{
	char name[32], line[128];

	board_word("name", "talk", name, sizeof(name));
	serial_begin();
	print("I am %s. Type something; bye ends me.\n", name);
	for (;;) {
		print("%s> ", name);
		serial_line(line, sizeof(line));
		if (str_equal(line, "bye"))
			break;
		print("%s heard \"%s\"\n", name, line);
	}
	print("%s says goodbye.\n", name);
	return 0;
}
