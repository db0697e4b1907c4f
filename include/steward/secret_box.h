/*
 * secret_box.h - secrets that must be readable again, sealed with a key from a file.
 *
 * AES-256-GCM; a sealed text names its key: "v1.<key id>.<base64 of nonce, ciphertext and tag>". A
 * dump of the database alone opens nothing. The file has one key a line, "<id> <64 hex digits>";
 * the first seals, all open. It is read again when it changes. Thread-safe.
 */
#ifndef STEWARD_SECRET_BOX_H
#define STEWARD_SECRET_BOX_H

#include <stdbool.h>
#include <stddef.h>

#include "steward/err.h"

#define SECRET_BOX_KEYS_MAX 16
#define SECRET_BOX_ID_BYTES 17

struct secret_box;
/* Makes the file (0600, one new key) when it is missing. ERR_INVALID: malformed, or readable for
 * others than its owner. */
MUST_USE enum err_code secret_box_open(const char *path, struct secret_box **out, struct err *e);
void secret_box_close(struct secret_box *box); /* NULL is fine */

/* context: what the secret belongs to; it opens with the same one only. Caller owns the text. */
char *secret_box_seal(struct secret_box *box, const char *context, const void *plain, size_t n);
/* *plain: n bytes and a NUL; the caller wipes and frees it (secret_wipe). */
MUST_USE enum err_code secret_box_unseal(struct secret_box *box, const char *context,
                                         const char *sealed, char **plain, struct err *e);
/* Sealed by the key that seals now. */
bool secret_box_is_current(struct secret_box *box, const char *sealed);
/* Ids of all keys, the current one first; how many. */
size_t secret_box_ids(struct secret_box *box, char ids[SECRET_BOX_KEYS_MAX][SECRET_BOX_ID_BYTES]);
/* Overwrites a text before it is freed. NULL is fine. */
void secret_wipe(char *text);
/* Cleanup attribute's. */
static inline void secret_wipe_p(char **text)
{
    secret_wipe(*text);
}
#define AUTO_SECRET __attribute__((cleanup(secret_wipe_p)))

/* Offline: puts a new key first, keeps the others. id gets the new one's. */
MUST_USE enum err_code secret_box_rotate(const char *path, char id[SECRET_BOX_ID_BYTES],
                                         struct err *e);

#endif
