/*
 * auth.c - who is asking, and may they: before any object is looked up.
 *
 * A verified token is remembered for five seconds, so a revocation takes effect on every replica
 * within them. Comparisons of secrets' hashes take the same time whatever they find, also for an id
 * that does not exist.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "api_private.h"
#include "steward/clock.h"
#include "steward/tokens_store.h"

#define CACHE_SLOTS 1024
#define CACHE_MS    5000

struct auth_entry {
    struct principal who;
    char secret_sha256_hex[65];
    int64_t until_ms;
};

struct auth_cache {
    struct auth_entry slots[CACHE_SLOTS];
};

/* What the phases of one check hand on. */
struct auth_check {
    struct token_text token;
    phase_fn next;
};

static const char *const scope_names[SCOPE_COUNT] = {
    [SCOPE_OPEN] = "open",   [SCOPE_READ] = "read",   [SCOPE_OPERATE] = "operate",
    [SCOPE_APPLY] = "apply", [SCOPE_ADMIN] = "admin", [SCOPE_METRICS] = "metrics",
};

const char *scope_name(enum scope scope)
{
    return scope_names[scope];
}

bool scope_find(const char *name, enum scope *out)
{
    for (unsigned i = SCOPE_READ; i <= SCOPE_ADMIN; i++)
        if (str_eq(scope_names[i], name))
            return *out = (enum scope) i, true;
    return false;
}

struct auth_cache *auth_cache_new(void)
{
    return xcalloc(1, sizeof(struct auth_cache));
}

void auth_cache_free(struct auth_cache *cache)
{
    if (cache)
        OPENSSL_cleanse(cache, sizeof *cache);
    free(cache);
}

static struct auth_entry *slot_of(struct auth_cache *cache, const char *id)
{
    uint32_t h = 2166136261U;

    for (; *id; id++)
        h = (h ^ (uint8_t) *id) * 16777619U;
    return &cache->slots[h % CACHE_SLOTS];
}

void auth_forget(struct api *api, const char *token_id)
{
    struct auth_entry *slot = slot_of(api->auth, token_id);

    if (str_eq(slot->who.token_id, token_id))
        slot->until_ms = 0;
}

/* A scope holds those before it: admin > apply > operate > read. */
static unsigned scopes_parse(const char *words)
{
    unsigned scopes = 0;

    for (unsigned i = SCOPE_READ; i <= SCOPE_ADMIN; i++) {
        size_t n = strlen(scope_names[i]);

        for (const char *p = strstr(words, scope_names[i]); p; p = strstr(p + 1, scope_names[i]))
            if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
                for (unsigned k = SCOPE_READ; k <= i; k++)
                    scopes |= 1U << k;
    }
    return scopes;
}

static bool is_same_hash(const char *a, const char *b)
{
    return CRYPTO_memcmp(a, b, 64) == 0;
}

static void admit(struct call *c, phase_fn next)
{
    enum scope wanted = c->route->scope == SCOPE_METRICS ? SCOPE_READ : c->route->scope;

    if (!(c->who.scopes >> wanted & 1)) {
        audit_refusal(c, 403, c->who.token_id);
        answer_problemf(c, 403, "forbidden",
                        "This token lacks the scope \"%s\"; ask whoever holds an admin token for "
                        "one that has it.",
                        scope_name(wanted));
        return;
    }
    if (rate_admit(c))
        next(c);
}

static void touched(const struct db_reply *reply, void *user)
{
    (void) user;
    (void) reply; /* a missing last-used time is worth no answer */
}

/* The row is (hash, scopes, is_live, is_old_use, hash of the secret before or NULL). */
static void token_read(struct call *c)
{
    static const char nobody[65] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    struct auth_check *check = c->state;
    struct auth_entry *slot = slot_of(c->api->auth, check->token.id);
    const char *hash = rows_text(c->reply, 0, 0, 0), *before = rows_text(c->reply, 0, 0, 4);
    bool is_new = is_same_hash(hash ? hash : nobody, check->token.secret_sha256_hex);
    bool is_old = is_same_hash(before ? before : nobody, check->token.secret_sha256_hex);
    phase_fn next = check->next;

    c->state = NULL;
    if (!hash || !(is_new || (before && is_old)) || !rows_bool(c->reply, 0, 0, 2)) {
        refuse_unauthenticated(c, "This token is unknown, expired or revoked.");
        return;
    }
    if (rows_bool(c->reply, 0, 0, 3)) {
        struct db_op op;

        tokens_store_touch(check->token.id, &op);
        db_submit(c->api->db, DB_WRITE, &op, 1, touched, NULL);
    }
    memcpy(slot->who.token_id, check->token.id, sizeof slot->who.token_id);
    memcpy(slot->secret_sha256_hex, check->token.secret_sha256_hex, sizeof slot->secret_sha256_hex);
    slot->who.scopes = scopes_parse(rows_text(c->reply, 0, 0, 1));
    slot->until_ms = clock_mono_ms() + CACHE_MS;
    c->who = slot->who;
    admit(c, next);
}

void auth_check(struct call *c, phase_fn next)
{
    const char *header = http_header(c->rq, "Authorization");
    struct auth_check *check;
    struct auth_entry *slot;
    struct db_op op;

    if (!header) {
        refuse_unauthenticated(
            c, "Send \"Authorization: Bearer TOKEN\"; the first token is in admin.token in the "
               "server's data directory.");
        return;
    }
    check = arena_alloc(c->arena, sizeof *check);
    if (strncasecmp(header, "Bearer ", 7) != 0 ||
        !token_parse(header + 7 + strspn(header + 7, " "), &check->token)) {
        refuse_unauthenticated(
            c, "The Authorization header holds no well-formed token (Bearer stw_…); was it cut "
               "when copied?");
        return;
    }
    slot = slot_of(c->api->auth, check->token.id);
    if (slot->until_ms > clock_mono_ms() && str_eq(slot->who.token_id, check->token.id) &&
        is_same_hash(slot->secret_sha256_hex, check->token.secret_sha256_hex)) {
        c->who = slot->who;
        admit(c, next);
        return;
    }
    check->next = next;
    c->state = check;
    tokens_store_find(check->token.id, &op);
    call_read(c, &op, 1, token_read);
}
