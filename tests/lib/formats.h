/* tests/lib/formats.h - the lines that messages may hold: tests/truth/formats.tsv, each with its source. */
#pragma once
#include <stdbool.h>

/* Fails the test unless every line of the message is one of the table's.
 * message  NULL: there is none, which is right */
void formats_check(const char *message);
/* Is the line one that the text stands for? Numbers stand where the text has their conversions, anything where it has %s.
 */
bool formats_match(const char *text, const char *line);
