/* server/base/buffer.h - a growable byte buffer, and JSON written straight into it.
 *
 * Answers are written once and sent once, so they are built as text and not as a tree: no allocation per value. A failed
 * allocation is remembered and every later call is a no-op; callers look at .failed once, at the end. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    char *data; /* not NUL-terminated unless buffer_terminate() was called */
    size_t length, capacity;
    bool failed;
};

void buffer_clear(struct buffer *buffer);                  /* gives the memory back */
char *buffer_grow(struct buffer *buffer, size_t nr_bytes); /* room for that many more, or NULL; length is unchanged */
void buffer_add(struct buffer *buffer, const void *bytes, size_t nr_bytes);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_print(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *buffer_terminate(struct buffer *buffer); /* as a C string; "" after a failure */

/* JSON. Commas set themselves: a value that follows a value gets one. */
void put_open(struct buffer *out, char bracket); /* '{' or '[' */
void put_close(struct buffer *out, char bracket);
void put_key(struct buffer *out, const char *key);
void put_u64(struct buffer *out, uint64_t value);
void put_i64(struct buffer *out, int64_t value);
void put_bool(struct buffer *out, bool value);
void put_null(struct buffer *out);
void put_double(struct buffer *out, double value);
void put_text(struct buffer *out, const char *text);                       /* NULL: null */
void put_text_n(struct buffer *out, const char *text, size_t length);      /* bytes that are not UTF-8 become U+FFFD */
void put_hex64(struct buffer *out, uint64_t value);                        /* "0xffff888000000000" */
void put_bytes(struct buffer *out, const uint8_t *bytes, size_t nr_bytes); /* "00ff…" */

static inline void put_field_u64(struct buffer *out, const char *key, uint64_t value)
{
    put_key(out, key);
    put_u64(out, value);
}
static inline void put_field_text(struct buffer *out, const char *key, const char *text)
{
    put_key(out, key);
    put_text(out, text);
}
static inline void put_field_bool(struct buffer *out, const char *key, bool value)
{
    put_key(out, key);
    put_bool(out, value);
}
static inline void put_field_hex64(struct buffer *out, const char *key, uint64_t value)
{
    put_key(out, key);
    put_hex64(out, value);
}
/* 0 is no address: null. */
static inline void put_field_address(struct buffer *out, const char *key, uint64_t address)
{
    put_key(out, key);
    if (address)
        put_hex64(out, address);
    else
        put_null(out);
}
/* A field of a struct under its own name, as its type says: a truth, a text or a number. C and JSON have one word for it,
 * and so a name cannot be misspelt in one of the two. Addresses are numbers in C: PUT_HEX64 writes them as JSON has them.
 */
#define PUT_FIELD(out, from, field)                                                                                        \
    (put_key((out), #field), _Generic((from)->field,                                                                       \
         bool: put_bool,                                                                                                   \
         char *: put_text,                                                                                                 \
         const char *: put_text,                                                                                           \
         default: put_u64)((out), (from)->field))
#define PUT_HEX64(out, from, field) put_field_hex64((out), #field, (from)->field)

static inline void put_field_array(struct buffer *out, const char *key)
{
    put_key(out, key);
    put_open(out, '[');
}
static inline void put_field_object(struct buffer *out, const char *key)
{
    put_key(out, key);
    put_open(out, '{');
}
