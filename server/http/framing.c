/* server/http/framing.c - see framing.h.
 *
 * Of two headers that contradict each other, libmicrohttpd looks at one, and a proxy before it perhaps at the other. Then
 * the two see different requests, and a client may smuggle one past the proxy (RFC 9112, 11.2). So headers that say where a
 * request ends, and for whom it is, may come once. */
#include "server/http/framing.h"

#include <string.h>
#include <strings.h>

struct framing {
    unsigned nr_hosts, nr_lengths, nr_codings;
    bool is_chunked;
};

static enum MHD_Result framing_count(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct framing *framing = context;
    framing->nr_hosts += strcasecmp(name, "Host") == 0;
    framing->nr_lengths += strcasecmp(name, "Content-Length") == 0;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        framing->nr_codings++;
        framing->is_chunked = value && strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

unsigned framing_check(const struct request *request, struct problem *why)
{
    struct framing framing = { 0 };
    MHD_get_connection_values(request->connection.mhd, MHD_HEADER_KIND, framing_count, &framing);
    if (framing.nr_lengths > 1)
        problem_say(why, "", "there is more than one Content-Length");
    else if (framing.nr_lengths && framing.nr_codings)
        problem_say(why, "", "there is a Content-Length and a Transfer-Encoding");
    else if (framing.nr_codings > 1 || (framing.nr_codings && !framing.is_chunked))
        problem_say(why, "", "the only Transfer-Encoding taken is chunked, once");
    else if (framing.nr_hosts > 1)
        problem_say(why, "", "there is more than one Host");
    return why->text[0] ? 400 : 0;
}
