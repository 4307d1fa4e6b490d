/* pagoda/exact.h - structs without padding. What lies in a machine's state is copied, hashed and saved as bytes. Padding
 * would be bytes that nobody sets: a copy may or may not take them along, and then equal machines have unequal hashes.
 * Between STATE_STRUCTS and STATE_STRUCTS_END a struct with padding does not compile. */
#pragma once

#define STATE_STRUCTS _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic error \"-Wpadded\"")
#define STATE_STRUCTS_END _Pragma("GCC diagnostic pop")
