/* server/http/request_log.c - see request_log.h. */
#include "server/http/request_log.h"
#include "server/base/clock.h"

#include <stdio.h>

#define TEXT_MAX 2000u /* bytes of a path that are shown */

/* Printable ASCII stays; everything else, and the backslash, is \xNN. */
static void log_put_escaped(struct buffer *out, const char *text)
{
    for (size_t i = 0; i < TEXT_MAX && text[i]; i++) {
        unsigned char letter = (unsigned char)text[i];
        if (letter > ' ' && letter < 0x7f && letter != '\\')
            buffer_add(out, &text[i], 1);
        else
            buffer_print(out, "\\x%02x", letter);
    }
}

void request_log(const struct request *request)
{
    struct buffer line = { 0 };
    log_put_escaped(&line, request->method);
    buffer_text(&line, " ");
    log_put_escaped(&line, request->url);
    buffer_print(&line, " %u %lld us\n", request->reply.status,
                 (long long)((int64_t)(clock_ns() / 1000) - request->started_us));
    if (!line.failed)
        fwrite(line.data, 1, line.length, stderr);
    buffer_clear(&line);
}
