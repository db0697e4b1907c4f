/*
 * id.h - identifiers: "run_" + 26 characters of Crockford base32 over a UUID version 7.
 *
 * Time-ordered, so that "newest first" is an index scan. Random bits come from getrandom(2).
 */
#ifndef STEWARD_ID_H
#define STEWARD_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_BYTES   36 /* prefix of 3, '_', 26 characters, NUL; room to spare */
#define UUID_BYTES 37

/* prefix: "run", "stp", "pln", "sch", "evt", "whk", "dlv", "trg", "tok", … (3 lower-case letters).
 */
void id_new(const char *prefix, char out[ID_BYTES]);
/* True when text is prefix + '_' + 26 Crockford base32 characters (upper case). */
bool id_is_valid(const char *prefix, const char *text);
/* A random UUID (version 4) as text. */
void uuid_new(char out[UUID_BYTES]);
/* Fills with random bytes; exits the process when the kernel has none (never on Linux after boot).
 */
void random_bytes(void *out, size_t n);
/* Uniform in [0, bound); bound > 0. Not for secrets. */
uint64_t random_below(uint64_t bound);

#endif
