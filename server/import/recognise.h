/* server/import/recognise.h - what a trace is, by its first bytes and lines: at most 64 KiB of them. Stands on the readers
 * of lines, and on foreign. */
#pragma once
#include "server/import/import.h"

/* Sets summary->format and format_reason; where it is none that is read, format is FORMAT_AUTO and refusal has the rest.
 * asked  FORMAT_AUTO, or what the caller says it is: then only the text that is there is looked at, and this stays. */
void trace_recognise(struct input *input, enum trace_format asked, struct import_summary *summary);

/* Is the line nothing, or a comment, in every format? */
bool trace_line_is_remark(const char *line, size_t length);
