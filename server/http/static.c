/* server/http/static.c - the pages: files below --web, and nothing else.
 *
 * A path is taken apart into segments; one that is empty or starts with a dot ends the search, and openat2()-style escapes
 * by symbolic link are closed by O_NOFOLLOW on every step. "/lab/abc" is a page route: it shows lab.html. */
#include "server/http/static.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTENT_POLICY                                                                                                     \
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors "   \
    "'none'"

static const struct {
    const char *suffix, *type;
} TYPES[] = {
    { ".html", "text/html; charset=utf-8" },
    { ".js", "text/javascript; charset=utf-8" },
    { ".css", "text/css; charset=utf-8" },
    { ".svg", "image/svg+xml" },
    { ".json", "application/json" },
    { ".map", "application/json" },
    { ".png", "image/png" },
    { ".ico", "image/x-icon" },
    { ".woff2", "font/woff2" },
    { ".wasm", "application/wasm" },
    { ".txt", "text/plain; charset=utf-8" },
    { ".md", "text/plain; charset=utf-8" },
    { ".webmanifest", "application/manifest+json" },
};

static const char *type_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (strcmp(dot, TYPES[i].suffix) == 0)
            return TYPES[i].type;
    return "application/octet-stream";
}

/* Walks down from the root directory, one segment at a time. -1: there is no such regular file. */
static int open_below(int root, const char *path, struct stat *status)
{
    int directory = dup(root);
    while (directory >= 0) {
        size_t length = strcspn(path, "/");
        char segment[256];
        if (length == 0 || length >= sizeof segment || path[0] == '.')
            break;
        memcpy(segment, path, length);
        segment[length] = '\0';
        bool is_last = path[length] == '\0';
        int next = openat(directory, segment, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (is_last ? 0 : O_DIRECTORY));
        close(directory);
        directory = next;
        path += length + 1;
        if (!is_last || directory < 0)
            continue;
        if (fstat(directory, status) == 0 && S_ISREG(status->st_mode))
            return directory;
        break;
    }
    if (directory >= 0)
        close(directory);
    return -1;
}

/* "/" -> index.html, "/lab/abc" -> lab.html, "/docs" -> docs.html; paths with a suffix are files. */
static void choose_file(const char *url, char *path, size_t capacity)
{
    const char *last = strrchr(url, '/');
    size_t first_length = strcspn(url + 1, "/");
    if (strcmp(url, "/") == 0)
        snprintf(path, capacity, "index.html");
    else if (strchr(last, '.'))
        snprintf(path, capacity, "%s", url + 1);
    else
        snprintf(path, capacity, "%.*s.html", (int)(first_length < 100 ? first_length : 100), url + 1);
}

/* Names with a content hash ("main-8f3a09bc.js") never change their content. */
static bool has_hash(const char *path)
{
    const char *dash = strrchr(path, '-'), *dot = strrchr(path, '.');
    if (!dash || !dot || dot < dash + 9)
        return false;
    bool has_digit = false;
    for (const char *at = dash + 1; at < dot; at++) {
        bool is_digit = *at >= '0' && *at <= '9';
        bool is_letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        if (!is_digit && !is_letter)
            return false;
        has_digit |= is_digit || (*at >= 'A' && *at <= 'Z');
    }
    return has_digit;
}

static struct reply no_pages(void)
{
    struct reply reply = reply_empty(200);
    reply.content_type = "text/plain; charset=utf-8";
    buffer_text(&reply.body, "This is pagodad. No pages are installed (see --web); the API is at /api/v1, described by "
                             "/api/v1/openapi.json.\n");
    return reply;
}

static struct reply file_reply(int fd, const struct stat *status, const char *path, const struct request *request)
{
    struct reply reply = reply_empty(200);
    reply.content_type = type_of(path);
    reply.cache_control = has_hash(path) ? "public, max-age=31536000, immutable" : "no-cache";
    snprintf(reply.etag, sizeof reply.etag, "\"%llx-%llx\"", (unsigned long long)status->st_size,
             (unsigned long long)status->st_mtim.tv_sec * 1000000000 + (unsigned long long)status->st_mtim.tv_nsec);
    if (etag_matches(request, reply.etag)) {
        close(fd);
        reply.status = 304;
        return reply;
    }
    reply.response = MHD_create_response_from_fd64((uint64_t)status->st_size, fd); /* closes it */
    if (!reply.response)
        return reply_say(503, "", "out of memory");
    MHD_add_response_header(reply.response, "Content-Security-Policy", CONTENT_POLICY);
    MHD_add_response_header(reply.response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(reply.response, "Cross-Origin-Opener-Policy", "same-origin");
    return reply;
}

struct reply static_get(struct app *app, struct request *request)
{
    char path[512];
    struct stat status;
    if (app->web_fd < 0)
        return strcmp(request->url, "/") == 0 ? no_pages() : reply_say(404, "", "there is nothing at %.120s", request->url);
    choose_file(request->url, path, sizeof path);
    int fd = open_below(app->web_fd, path, &status);
    if (fd < 0)
        return reply_say(404, "", "there is nothing at %.120s", request->url);
    return file_reply(fd, &status, path, request);
}
