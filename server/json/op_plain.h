/* server/json/op_plain.h - the JSON of an operation as programs write it, read without making a tree of it. */
#pragma once
#include "pagoda/op.h"

/* One flat object, "op" first, plain texts and whole numbers, nothing given twice. True: *op is what op_decode() would have
 * made of it; its texts lie in the text given. False says nothing: op_decode() knows whether it is right, and if not, why.
 */
bool op_read_plain(const char *text, size_t length, struct op *op);
