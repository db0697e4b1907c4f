/*
 * secret_box.c - sealing and opening secrets; the file of keys.
 *
 * A rotation is two steps that need no order: a new first line in the file, and whoever holds
 * sealed texts seals them anew when he next sees one of an older key.
 */
#include "steward/secret_box.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "steward/id.h"
#include "steward/mem.h"
#include "steward/private_file.h"
#include "steward/str.h"

#define KEY_BYTES   32
#define NONCE_BYTES 12
#define TAG_BYTES   16
#define FILE_MAX    8192

struct key {
    char id[SECRET_BOX_ID_BYTES];
    uint8_t bytes[KEY_BYTES];
};

struct keys {
    struct key items[SECRET_BOX_KEYS_MAX];
    size_t count;
    struct timespec changed; /* of the file they were read from */
    ino_t inode;
};

struct secret_box {
    uv_mutex_t lock;
    char *path;
    struct keys keys;
};

void secret_wipe(char *text)
{
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_line(const char *line, struct key *key)
{
    size_t n = strcspn(line, " ");

    if (n == 0 || n >= sizeof key->id || line[n] != ' ' ||
        strspn(line, "0123456789abcdefghijklmnopqrstuvwxyz") != n ||
        strlen(line + n + 1) != 2 * (size_t) KEY_BYTES)
        return false;
    memcpy(key->id, line, n);
    key->id[n] = '\0';
    line += n + 1;
    for (size_t i = 0; i < KEY_BYTES; i++) {
        int high = hex_digit(line[2 * i]), low = hex_digit(line[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        key->bytes[i] = (uint8_t) (high << 4 | low);
    }
    return true;
}

static enum err_code parse_keys(const char *path, char *text, struct keys *out, struct err *e)
{
    char *rest = text, *line;
    int number = 0;

    out->count = 0;
    while ((line = strsep(&rest, "\n"))) {
        number++;
        if (*line == '\0' || *line == '#')
            continue;
        if (out->count == SECRET_BOX_KEYS_MAX)
            return err_set(e, ERR_INVALID, "%.150s has more than %d keys.", path,
                           SECRET_BOX_KEYS_MAX);
        if (!parse_line(line, &out->items[out->count]))
            return err_set(e, ERR_INVALID,
                           "%.150s, line %d: a key is \"<id> <64 hex digits>\", in lower case.",
                           path, number);
        out->count++;
    }
    if (out->count == 0)
        return err_set(e, ERR_INVALID, "%.150s has no key.", path);
    return OK;
}

static enum err_code read_keys(const char *path, struct keys *out, struct err *e)
{
    char text[FILE_MAX + 1];
    struct stat st;
    enum err_code rc = private_file_read(path, text, sizeof text, &st, e);

    if (rc == OK) {
        rc = parse_keys(path, text, out, e);
        out->changed = st.st_mtim;
        out->inode = st.st_ino;
    }
    OPENSSL_cleanse(text, sizeof text);
    return rc;
}

static void add_key(struct buf *out, char id[SECRET_BOX_ID_BYTES])
{
    uint8_t key[KEY_BYTES], name[4];
    char hex[2 * KEY_BYTES + 1];

    random_bytes(key, sizeof key);
    random_bytes(name, sizeof name);
    hex_encode(name, sizeof name, id);
    hex_encode(key, sizeof key, hex);
    buf_printf(out, "%s %s\n", id, hex);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(hex, sizeof hex);
}

/* Whole and durable, or not at all. replaces: an existing file; else it must not be there. */
static enum err_code write_file(const char *path, const struct buf *text, bool replaces,
                                struct err *e)
{
    AUTO_FREE char *next = xasprintf("%s.new", path);
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_good =
        fd >= 0 && write(fd, text->data, text->length) == (ssize_t) text->length && fsync(fd) == 0;

    if (fd >= 0)
        (void) close(fd);
    if (is_good)
        is_good = replaces ? rename(next, path) == 0 : link(next, path) == 0 || errno == EEXIST;
    if (!is_good) {
        (void) err_set(e, ERR_UNAVAILABLE, "The key file %.150s can not be written: %s.", path,
                       strerror(errno));
        (void) unlink(next);
        return e->code;
    }
    if (!replaces)
        (void) unlink(next);
    return OK;
}

enum err_code secret_box_open(const char *path, struct secret_box **out, struct err *e)
{
    struct secret_box *box;
    struct keys keys = { 0 };

    if (access(path, F_OK) != 0) {
        AUTO_BUF struct buf text = { 0 };
        char id[SECRET_BOX_ID_BYTES];

        add_key(&text, id);
        TRY(write_file(path, &text, false, e));
        OPENSSL_cleanse(text.data, text.length);
    }
    TRY(read_keys(path, &keys, e));
    box = xcalloc(1, sizeof *box);
    if (uv_mutex_init(&box->lock)) {
        free(box);
        return err_set(e, ERR_UNAVAILABLE, "A lock could not be made.");
    }
    box->path = xstrdup(path);
    box->keys = keys;
    OPENSSL_cleanse(&keys, sizeof keys);
    *out = box;
    return OK;
}

void secret_box_close(struct secret_box *box)
{
    if (!box)
        return;
    uv_mutex_destroy(&box->lock);
    OPENSSL_cleanse(&box->keys, sizeof box->keys);
    free(box->path);
    free(box);
}

/* A copy of the keys as the file has them now; a file in trouble leaves the ones we know. */
static void current_keys(struct secret_box *box, struct keys *out)
{
    struct stat st;
    struct keys fresh;
    struct err ignored;

    uv_mutex_lock(&box->lock);
    if (stat(box->path, &st) == 0 &&
        (st.st_ino != box->keys.inode || st.st_mtim.tv_sec != box->keys.changed.tv_sec ||
         st.st_mtim.tv_nsec != box->keys.changed.tv_nsec)) {
        if (read_keys(box->path, &fresh, &ignored) == OK)
            box->keys = fresh;
        OPENSSL_cleanse(&fresh, sizeof fresh);
    }
    *out = box->keys;
    uv_mutex_unlock(&box->lock);
}

static bool encrypt(const struct key *key, const char *context, const void *plain, size_t n,
                    uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t *body = out + NONCE_BYTES;
    int done, more;
    bool is_good;

    if (!ctx)
        mem_exhausted();
    random_bytes(out, NONCE_BYTES);
    is_good = EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, out) == 1 &&
              EVP_EncryptUpdate(ctx, NULL, &done, (const uint8_t *) context,
                                (int) strlen(context)) == 1 &&
              EVP_EncryptUpdate(ctx, body, &done, plain, (int) n) == 1 &&
              EVP_EncryptFinal_ex(ctx, body + done, &more) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, body + n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return is_good;
}

static bool decrypt(const struct key *key, const char *context, const uint8_t *in, size_t n,
                    char *plain)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const uint8_t *body = in + NONCE_BYTES;
    size_t length = n - NONCE_BYTES - TAG_BYTES;
    int done, more;
    bool is_good;

    if (!ctx)
        mem_exhausted();
    is_good =
        EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, in) == 1 &&
        EVP_DecryptUpdate(ctx, NULL, &done, (const uint8_t *) context, (int) strlen(context)) ==
            1 &&
        EVP_DecryptUpdate(ctx, (uint8_t *) plain, &done, body, (int) length) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, (void *) (body + length)) == 1 &&
        EVP_DecryptFinal_ex(ctx, (uint8_t *) plain + done, &more) == 1;
    EVP_CIPHER_CTX_free(ctx);
    plain[is_good ? length : 0] = '\0';
    return is_good;
}

char *secret_box_seal(struct secret_box *box, const char *context, const void *plain, size_t n)
{
    size_t total = NONCE_BYTES + n + TAG_BYTES;
    AUTO_FREE uint8_t *raw = xcalloc(1, total);
    AUTO_FREE char *coded = NULL;
    struct keys keys;
    char *sealed;

    current_keys(box, &keys);
    if (!encrypt(&keys.items[0], context, plain, n, raw))
        abort(); /* OpenSSL has no AES-GCM: nothing of ours would hold */
    coded = base64_encode(raw, total);
    sealed = xasprintf("v1.%s.%s", keys.items[0].id, coded);
    OPENSSL_cleanse(&keys, sizeof keys);
    return sealed;
}

/* The key a sealed text names, or NULL; *coded gets what follows. */
static const struct key *find_key(const struct keys *keys, const char *sealed, const char **coded)
{
    const char *id = sealed + 3, *dot;

    if (!str_starts(sealed, "v1.") || !(dot = strchr(id, '.')))
        return NULL;
    *coded = dot + 1;
    for (size_t i = 0; i < keys->count; i++)
        if (strlen(keys->items[i].id) == (size_t) (dot - id) &&
            memcmp(keys->items[i].id, id, (size_t) (dot - id)) == 0)
            return &keys->items[i];
    return NULL;
}

enum err_code secret_box_unseal(struct secret_box *box, const char *context, const char *sealed,
                                char **plain, struct err *e)
{
    AUTO_FREE uint8_t *raw = NULL;
    const struct key *key;
    const char *coded = NULL;
    struct keys keys;
    size_t n = 0;
    enum err_code rc = OK;

    *plain = NULL;
    current_keys(box, &keys);
    key = find_key(&keys, sealed, &coded);
    if (!key) {
        rc = err_set(e, ERR_UNAVAILABLE,
                     "The secret was sealed with a key that is not in this server's key file.");
    } else {
        raw = base64_decode(coded, &n);
        if (raw && n >= NONCE_BYTES + TAG_BYTES) {
            *plain = xcalloc(1, n);
            if (!decrypt(key, context, raw, n, *plain)) {
                free(*plain);
                *plain = NULL;
            }
        }
        if (!*plain)
            rc = err_set(e, ERR_INTERNAL, "A sealed secret does not open: it was changed.");
    }
    OPENSSL_cleanse(&keys, sizeof keys);
    return rc;
}

bool secret_box_is_current(struct secret_box *box, const char *sealed)
{
    const char *coded;
    struct keys keys;
    bool is_current;

    current_keys(box, &keys);
    is_current = find_key(&keys, sealed, &coded) == &keys.items[0];
    OPENSSL_cleanse(&keys, sizeof keys);
    return is_current;
}

size_t secret_box_ids(struct secret_box *box, char ids[SECRET_BOX_KEYS_MAX][SECRET_BOX_ID_BYTES])
{
    struct keys keys;
    size_t count;

    current_keys(box, &keys);
    count = keys.count;
    for (size_t i = 0; i < count; i++)
        memcpy(ids[i], keys.items[i].id, SECRET_BOX_ID_BYTES);
    OPENSSL_cleanse(&keys, sizeof keys);
    return count;
}

enum err_code secret_box_rotate(const char *path, char id[SECRET_BOX_ID_BYTES], struct err *e)
{
    AUTO_BUF struct buf text = { 0 };
    struct keys keys = { 0 };
    enum err_code rc;

    TRY(read_keys(path, &keys, e));
    if (keys.count == SECRET_BOX_KEYS_MAX)
        return err_set(e, ERR_CONFLICT, "%.150s has %d keys: take out the oldest lines first.",
                       path, SECRET_BOX_KEYS_MAX);
    add_key(&text, id);
    for (size_t i = 0; i < keys.count; i++) {
        char hex[2 * KEY_BYTES + 1];

        hex_encode(keys.items[i].bytes, KEY_BYTES, hex);
        buf_printf(&text, "%s %s\n", keys.items[i].id, hex);
        OPENSSL_cleanse(hex, sizeof hex);
    }
    rc = write_file(path, &text, true, e);
    OPENSSL_cleanse(text.data, text.length);
    OPENSSL_cleanse(&keys, sizeof keys);
    return rc;
}
