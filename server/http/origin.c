/* server/http/origin.c - is this request meant for us, and does it come from our own pages?
 *
 * A page of another site can make a browser send requests here, and can give its own name our address (DNS rebinding) so
 * that the browser takes the answers for its own. So the Host header must bear a name that cannot be rebound: a loopback
 * name or address, the address we listen on, or a name given with --host; and a write must not carry another site's Origin.
 */
#include "server/http/origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* "name:port", "[::1]:port" -> the name without port and brackets. */
static bool split_host(const char *host, char *name, size_t capacity)
{
    const char *end, *start = host;
    if (host[0] == '[') {
        start = host + 1;
        end = strchr(start, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
    } else {
        end = strchr(host, ':');
        end = end ? end : host + strlen(host);
    }
    size_t length = (size_t)(end - start);
    if (length == 0 || length >= capacity)
        return false;
    memcpy(name, start, length);
    name[length] = '\0';
    return true;
}

static bool is_address(const char *name)
{
    unsigned char address[16];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static bool is_loopback(const char *name)
{
    unsigned char address[4];
    size_t length = strlen(name);
    if (strcasecmp(name, "localhost") == 0 || strcmp(name, "::1") == 0)
        return true;
    if (length > 10 && strcasecmp(name + length - 10, ".localhost") == 0)
        return true;
    return inet_pton(AF_INET, name, address) == 1 && address[0] == 127;
}

static bool host_is_ours(const struct options *options, const char *host)
{
    char name[256], own[256];
    if (!split_host(host, name, sizeof name))
        return false;
    if (is_loopback(name))
        return true;
    if (split_host(options->listen, own, sizeof own)) {
        bool is_any = strcmp(own, "0.0.0.0") == 0 || strcmp(own, "::") == 0;
        if (strcasecmp(name, own) == 0 || (is_any && is_address(name)))
            return true;
    }
    for (size_t i = 0; i < options->nr_hosts; i++)
        if (strcasecmp(name, options->hosts[i]) == 0)
            return true;
    return false;
}

static bool is_write(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "OPTIONS") != 0;
}

unsigned origin_check(const struct request *request, struct problem *why)
{
    const char *host = request_header(request, "Host");
    if (!host || !host_is_ours(request->app->options, host)) {
        problem_say(why, "", "this server does not go by the name %.80s (see --host)", host ? host : "(none)");
        return 421;
    }
    if (!is_write(request->method))
        return 0;
    const char *site = request_header(request, "Sec-Fetch-Site"), *origin = request_header(request, "Origin");
    const char *authority = origin ? strstr(origin, "://") : NULL;
    bool is_foreign = (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0) ||
                      (origin && (!authority || strcasecmp(authority + 3, host) != 0));
    if (is_foreign)
        problem_say(why, "", "requests that change something are taken from this server's own pages only");
    return is_foreign ? 403 : 0;
}
