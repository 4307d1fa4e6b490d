/* A small printf. A format is read once, from left to right. What stands between the verbs is copied as a run of bytes. */
#include "alloc/base/text.h"

#include <stdbool.h>
#include <string.h>

struct verb { /* "%-08.16jx", taken apart */
    bool is_left, has_zeroes;
    uint32_t width, precision; /* precision: UINT32_MAX when none is given */
    char size, letter;         /* size: 'j', 'z' or 0 */
};

static void text_copy(struct text_out *out, const char *from, size_t length)
{
    if (out->length + 1 < out->capacity) {
        size_t room = out->capacity - 1 - out->length, n = length < room ? length : room;
        memcpy(out->start + out->length, from, n);
        out->start[out->length + n] = '\0';
    }
    out->length += length;
}

static void text_repeat(struct text_out *out, char letter, size_t count)
{
    while (count--)
        text_copy(out, &letter, 1);
}

static void text_pad(struct text_out *out, const struct verb *verb, const char *from, size_t length)
{
    size_t missing = length < verb->width ? verb->width - length : 0;
    if (!verb->is_left)
        text_repeat(out, verb->has_zeroes ? '0' : ' ', missing);
    text_copy(out, from, length);
    if (verb->is_left)
        text_repeat(out, ' ', missing);
}

uint32_t text_digits(char digits[TEXT_DIGITS_MAX], uint64_t number, uint32_t base)
{
    char backwards[TEXT_DIGITS_MAX];
    uint32_t at = TEXT_DIGITS_MAX;
    do
        backwards[--at] = "0123456789abcdef"[number % base];
    while (number /= base);
    memcpy(digits, backwards + at, TEXT_DIGITS_MAX - at);
    return TEXT_DIGITS_MAX - at;
}

static void text_add_number(struct text_out *out, const struct verb *verb, uint64_t number)
{
    char digits[TEXT_DIGITS_MAX];
    text_pad(out, verb, digits, text_digits(digits, number, verb->letter == 'x' ? 16 : 10));
}

static void text_add_signed(struct text_out *out, const struct verb *verb, int64_t number)
{
    char digits[TEXT_DIGITS_MAX + 1] = "-";
    uint32_t sign = number < 0, length = text_digits(digits + sign, number < 0 ? -(uint64_t)number : (uint64_t)number, 10);
    text_pad(out, verb, digits, sign + length);
}

static void text_add_string(struct text_out *out, const struct verb *verb, const char *from)
{
    const char *end = memchr(from, '\0', verb->precision);
    text_pad(out, verb, from, end ? (size_t)(end - from) : verb->precision);
}

/* "12" or "*" */
static uint32_t verb_number(const char **at, va_list *args)
{
    uint32_t number = 0;
    if (**at == '*') {
        ++*at;
        return (uint32_t)va_arg(*args, int);
    }
    for (; **at >= '0' && **at <= '9'; ++*at)
        number = number * 10 + (uint32_t)(**at - '0');
    return number;
}

static struct verb verb_read(const char **at, va_list *args)
{
    struct verb verb = { .precision = UINT32_MAX };
    for (; **at == '-' || **at == '0'; ++*at) {
        verb.is_left = verb.is_left || **at == '-';
        verb.has_zeroes = verb.has_zeroes || **at == '0';
    }
    verb.width = verb_number(at, args);
    if (**at == '.') {
        ++*at;
        verb.precision = verb_number(at, args);
    }
    if (**at == 'j' || **at == 'z')
        verb.size = *(*at)++;
    verb.letter = *(*at)++;
    return verb;
}

static uint64_t verb_argument(const struct verb *verb, va_list *args)
{
    if (verb->size == 'j')
        return va_arg(*args, uintmax_t);
    return verb->size == 'z' ? va_arg(*args, size_t) : va_arg(*args, unsigned);
}

static void text_add_verb(struct text_out *out, const struct verb *verb, va_list *args)
{
    char letter;
    switch (verb->letter) {
    case 's':
        text_add_string(out, verb, va_arg(*args, const char *));
        break;
    case 'c':
        letter = (char)va_arg(*args, int);
        text_pad(out, verb, &letter, 1);
        break;
    case 'd':
        text_add_signed(out, verb, verb->size == 'j' ? va_arg(*args, intmax_t) : va_arg(*args, int));
        break;
    case 'u':
    case 'x':
        text_add_number(out, verb, verb_argument(verb, args));
        break;
    default: /* a percent sign */
        text_copy(out, "%", 1);
    }
}

void text_add_v(struct text_out *out, const char *format, va_list args)
{
    va_list rest;
    va_copy(rest, args);
    for (const char *at = format; *at;) {
        const char *percent = strchr(at, '%');
        size_t plain = percent ? (size_t)(percent - at) : strlen(at);
        text_copy(out, at, plain);
        at += plain;
        if (!percent)
            break;
        at++;
        struct verb verb = verb_read(&at, &rest);
        text_add_verb(out, &verb, &rest);
    }
    va_end(rest);
}

void text_add(struct text_out *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_add_v(out, format, args);
    va_end(args);
}

size_t text_print(char *out, size_t capacity, const char *format, ...)
{
    struct text_out text = { .start = out, .capacity = capacity };
    va_list args;
    if (capacity)
        out[0] = '\0';
    va_start(args, format);
    text_add_v(&text, format, args);
    va_end(args);
    return text.length;
}
