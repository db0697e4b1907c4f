/*
 * offline.c - "steward token reset" and "steward audit verify": for whoever holds the database.
 *
 * Both work on the database itself, with a server running on it or not; a private PostgreSQL that
 * is not up is started for the moment.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve.h"
#include "steward/api.h"
#include "steward/audit_log.h"
#include "steward/data_dir.h"
#include "steward/identity_store.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "steward/str.h"

struct offline_options {
    char *data_dir, *database_url, *expect;
};

#define TEXT(option, member, word, says)                                                       \
    {                                                                                          \
        .name = option, .type = CONF_TEXT, .offset = offsetof(struct offline_options, member), \
        .value = word, .help = says                                                            \
    }
static const struct conf_option table[] = {
    TEXT("data-dir", data_dir, "DIR", "of the server (default: as steward serve)"),
    TEXT("database-url", database_url, "URL", "the database, when the server has none of its own"),
    TEXT("expect", expect, "N:SHA256",
         "audit verify: link N must have this hash, noted at an earlier verification"),
};
static const struct conf_program program = {
    .usage = "usage: steward token reset [options]\n       steward audit verify [options]\n\n"
             "Works on the database itself, with a server running or not.",
    .env_prefix = "STEWARD",
    .options = table,
    .count = ARRAY_LEN(table),
};

struct offline {
    struct offline_options options;
    struct pg_embedded *pg;
    struct db_conn *db;
    int lock_fd;
    bool is_server_running;
};

static enum err_code open_private(struct offline *o, struct err *e)
{
    const struct pg_embedded_options options = { .data_dir = o->options.data_dir,
                                                 .run_as = geteuid() == 0 ? "steward" : NULL };
    AUTO_FREE char *cluster = xasprintf("%s/postgres/PG_VERSION", o->options.data_dir);
    struct stat st;
    enum err_code rc;

    if (stat(cluster, &st) != 0)
        return err_set(e, ERR_INVALID,
                       "There is no database in %s; say --data-dir or --database-url.",
                       o->options.data_dir);
    rc = data_dir_lock(o->options.data_dir, &o->lock_fd, e);
    o->is_server_running = rc == ERR_CONFLICT; /* its PostgreSQL is taken over for the moment */
    if (rc && !o->is_server_running)
        return rc;
    TRY(pg_embedded_start(&options, &o->pg, e));
    return db_conn_open(pg_embedded_url(o->pg), "steward-offline", &o->db, e);
}

static enum err_code open_database(struct offline *o, struct err *e)
{
    if (o->options.database_url)
        return db_conn_open(o->options.database_url, "steward-offline", &o->db, e);
    return open_private(o, e);
}

static void close_database(struct offline *o)
{
    db_conn_close(o->db);
    pg_embedded_stop(o->pg, o->is_server_running);
    if (o->lock_fd >= 0)
        (void) close(o->lock_fd);
    conf_done(&program, &o->options);
}

/* ---- token reset ---- */

static enum err_code reset_token(struct offline *o, struct err *e)
{
    AUTO_ARENA struct arena arena = { 0 };
    struct data_dir dir = { .path = o->options.data_dir, .lock_fd = -1 };
    struct token_text token;
    char line[TOKEN_TEXT_BYTES + 1];

    token_new(&token);
    (void) snprintf(line, sizeof line, "%s\n", token.text);
    data_dir_remove(&dir, "admin.token.new");
    TRY(data_dir_create(&dir, "admin.token.new", line, e));
    TRY(identity_store_reset_token(
        o->db, &arena,
        &(struct token_new){ .id = token.id, .secret_sha256_hex = token.secret_sha256_hex }, e));
    TRY(data_dir_rename(&dir, "admin.token.new", "admin.token", e));
    (void) printf("new admin token: %s/admin.token\nthe one before is revoked; a running server "
                  "refuses it within five seconds\n",
                  o->options.data_dir);
    return OK;
}

/* ---- audit verify ---- */

static enum err_code parse_expect(const char *text, int64_t *number, const char **hash,
                                  struct err *e)
{
    const char *colon = text ? strchr(text, ':') : NULL;
    AUTO_FREE char *head = colon ? xstrndup(text, (size_t) (colon - text)) : NULL;

    *hash = NULL;
    if (!text)
        return OK;
    if (!head || !str_to_i64(head, 1, INT64_MAX, number) || strlen(colon + 1) != 64)
        return err_set(e, ERR_INVALID, "--expect: \"%.80s\" is not NUMBER:SHA256.", text);
    *hash = colon + 1;
    return OK;
}

static enum err_code verify_audit(struct offline *o, struct err *e)
{
    struct audit_verdict v;
    const char *expected;
    int64_t at = 0;

    TRY(parse_expect(o->options.expect, &at, &expected, e));
    TRY(audit_log_verify(o->db, at, &v, e));
    if (v.bad_seq)
        return err_set(e, ERR_CONFLICT, "The audit log was edited: link %" PRId64 ": %s.",
                       v.bad_seq, v.why);
    if (v.loose_id)
        return err_set(e, ERR_CONFLICT,
                       "The audit log was edited: the link of row %" PRId64 " is gone.",
                       v.loose_id);
    if (expected && !str_eq(expected, v.sha256_at))
        return err_set(e, ERR_CONFLICT, "The audit log was edited: link %" PRId64 " %s.", at,
                       *v.sha256_at ? "has another hash than the one that was noted" : "is gone");
    (void) printf("the audit log holds: %" PRId64 " links, %" PRId64 " rows not linked yet\nnote "
                  "for the next time: --expect %" PRId64 ":%s\n",
                  v.links, v.pending, v.links, v.last_sha256);
    return OK;
}

static int offline_run(char *const argv[], const char *word,
                       enum err_code (*work)(struct offline *o, struct err *e))
{
    struct offline o = { .lock_fd = -1 };
    struct conf_list rest = { 0 };
    bool is_help = false;
    struct err e = { 0 };
    enum err_code rc = conf_parse(&program, argv, &o.options, &rest, &is_help, &e);
    bool is_word = rest.count == 1 && str_eq(rest.items[0], word);

    free(rest.items);
    log_init(LOG_ERROR, false);
    if (rc == OK && is_help) {
        conf_done(&program, &o.options);
        return EXIT_GOOD;
    }
    if (rc == OK && !is_word)
        rc = err_set(&e, ERR_INVALID, "the one argument is \"%s\"; --help tells more.", word);
    if (rc == OK && !o.options.data_dir)
        o.options.data_dir = serve_default_data_dir();
    if (rc == OK)
        rc = open_database(&o, &e);
    if (rc == OK)
        rc = work(&o, &e);
    close_database(&o);
    if (rc)
        (void) fprintf(stderr, "steward: %s\n", e.message);
    return rc == OK ? EXIT_GOOD : rc == ERR_INVALID ? EXIT_USAGE : EXIT_TROUBLE;
}

int offline_token(char *const argv[])
{
    return offline_run(argv, "reset", reset_token);
}

int offline_audit(char *const argv[])
{
    return offline_run(argv, "verify", verify_audit);
}
