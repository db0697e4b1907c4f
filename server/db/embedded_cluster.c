/*
 * embedded_cluster.c - the folder of the embedded PostgreSQL: initdb, configuration, passwords,
 * roles.
 *
 * Rule: every step may be cut off by kill -9 and is taken up or repeated by the next start. initdb
 * works in a folder of another name, which is renamed when it is whole; files are written aside and
 * renamed.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embedded.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/id.h"
#include "steward/mem.h"
#include "steward/str.h"

#define INITDB_TIMEOUT_MS 120000
#define SOCKET_DIR_MAX    80 /* a socket's path holds 107 bytes */
#define FILE_MAX_BYTES    65536
#define COMPLETE \
    "steward: complete" /* comment on the database: roles and rights are as they should be */

/* ---- files ---- */

static enum err_code trouble(struct err *e, const char *what, const char *path)
{
    return err_set(e, ERR_UNAVAILABLE, "the embedded database: cannot %s %s: %s", what, path,
                   strerror(errno));
}

char *pg_read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_FREE char *text = xmalloc(FILE_MAX_BYTES + 1);
    ssize_t n = fd < 0 ? -1 : read(fd, text, FILE_MAX_BYTES);

    if (fd >= 0)
        (void) close(fd);
    if (n < 0 || n == FILE_MAX_BYTES)
        return NULL;
    text[n] = '\0';
    return TAKE(text);
}

static void sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void) fsync(fd);
        (void) close(fd);
    }
}

enum err_code pg_write_file(const char *path, const char *text, const struct pg_user *owner,
                            struct err *e)
{
    AUTO_FREE char *aside = xasprintf("%s.new", path);
    AUTO_FREE char *dir = xstrdup(path);
    size_t n = strlen(text);
    int fd;

    *strrchr(dir, '/') = '\0';
    (void) unlink(aside);
    fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return trouble(e, "make", aside);
    if (write(fd, text, n) != (ssize_t) n ||
        (owner && owner->is_other && fchown(fd, owner->uid, owner->gid) != 0) || fsync(fd) != 0) {
        (void) trouble(e, "write", aside);
        (void) close(fd);
        return e->code;
    }
    (void) close(fd);
    if (rename(aside, path) != 0)
        return trouble(e, "rename", aside);
    sync_folder(dir);
    return OK;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void) st, (void) type, (void) at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void) nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool cluster_exists(const struct pg_embedded *pg)
{
    AUTO_FREE char *version = xasprintf("%s/PG_VERSION", pg->cluster);

    return access(version, F_OK) == 0;
}

/* ---- programs ---- */

static bool has_programs(const char *bin)
{
    AUTO_FREE char *initdb = xasprintf("%s/initdb", bin);
    AUTO_FREE char *postgres = xasprintf("%s/postgres", bin);

    return access(initdb, X_OK) == 0 && access(postgres, X_OK) == 0;
}

/* The folder of the highest version, or of exactly the wanted one. */
static char *search_bin(int64_t wanted)
{
    glob_t found = { 0 };
    char *best = NULL;
    int64_t best_version = 0;

    if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            AUTO_FREE char *number = xstrdup(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"));
            int64_t version;

            number[strcspn(number, "/")] = '\0';
            if (!str_to_i64(number, 1, 1000, &version) || version <= best_version ||
                (wanted && version != wanted) || !has_programs(found.gl_pathv[i]))
                continue;
            best_version = version;
            free(best);
            best = xstrdup(found.gl_pathv[i]);
        }
    }
    globfree(&found);
    return best;
}

enum err_code pg_find_bin(struct pg_embedded *pg, struct err *e)
{
    const char *given = getenv("STEWARD_PG_BIN");
    AUTO_FREE char *path = xasprintf("%s/PG_VERSION", pg->cluster);
    AUTO_FREE char *version = pg_read_file(path);
    int64_t wanted = version ? strtol(version, NULL, 10) : 0;

    if (!str_is_empty(given)) {
        if (!has_programs(given))
            return err_set(e, ERR_UNAVAILABLE,
                           "STEWARD_PG_BIN=%s has no programs initdb and postgres", given);
        pg->bin = xstrdup(given);
        return OK;
    }
    pg->bin = search_bin(wanted);
    if (pg->bin)
        return OK;
    if (wanted)
        return err_set(e, ERR_UNAVAILABLE,
                       "the data folder was made by PostgreSQL %d, which is not installed: install "
                       "postgresql-%d, or move "
                       "the data with pg_upgrade",
                       (int) wanted, (int) wanted);
    return err_set(e, ERR_UNAVAILABLE,
                   "no PostgreSQL server found in /usr/lib/postgresql: install postgresql "
                   "(script/bootstrap does), set "
                   "STEWARD_PG_BIN, or give the URL of a database");
}

/* ---- passwords ---- */

enum err_code pg_prepare_passwords(struct pg_embedded *pg, struct err *e)
{
    static const char *const roles[] = { PG_ADMIN, PG_OWNER, PG_APP };
    AUTO_BUF struct buf text = { 0 };

    if (access(pg->passfile, F_OK) == 0)
        return OK;
    if (cluster_exists(pg))
        return err_set(
            e, ERR_UNAVAILABLE,
            "the password file %s of the embedded database is missing: restore it from a backup",
            pg->passfile);
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        uint8_t secret[32];
        char hex[HEX_SHA256];

        random_bytes(secret, sizeof secret);
        hex_encode(secret, sizeof secret, hex);
        buf_printf(&text, "*:*:*:%s:%s\n", roles[i], hex);
    }
    return pg_write_file(pg->passfile, text.data, NULL, e);
}

/* The caller owns the password; NULL when the file lacks the role. */
static char *password_of(const struct pg_embedded *pg, const char *role)
{
    AUTO_FREE char *text = pg_read_file(pg->passfile);
    AUTO_FREE char *mark = xasprintf("*:*:*:%s:", role);
    const char *at = text ? strstr(text, mark) : NULL;

    return at ? xstrndup(at + strlen(mark), strcspn(at + strlen(mark), "\n")) : NULL;
}

/* ---- initdb ---- */

void pg_remove_leftovers(const struct pg_embedded *pg)
{
    AUTO_FREE char *pattern = xasprintf("%s.new-*", pg->cluster);
    glob_t found = { 0 };

    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            remove_tree(found.gl_pathv[i]);
    globfree(&found);
}

static enum err_code run_initdb(struct pg_embedded *pg, const char *dir, const char *pwfile,
                                struct err *e)
{
    AUTO_FREE char *program = xasprintf("%s/initdb", pg->bin);
    AUTO_FREE char *data = xasprintf("--pgdata=%s", dir);
    AUTO_FREE char *password = xasprintf("--pwfile=%s", pwfile);
    char *const argv[] = { program,
                           data,
                           password,
                           "--username",
                           PG_ADMIN,
                           "--auth=scram-sha-256",
                           "--encoding=UTF8",
                           "--no-locale",
                           "--data-checksums",
                           "--no-instructions",
                           NULL };
    off_t from = pg_log_size(pg);
    int64_t deadline_ms = clock_mono_ms() + INITDB_TIMEOUT_MS;
    int status = -1;
    pid_t pid;

    pid = pg_spawn(pg, argv, true, e);
    if (pid < 0)
        return e->code;
    FP("pg.initdb_mid");
    while ((status = pg_exit_status(pid)) < 0 && clock_mono_ms() < deadline_ms)
        pg_pause_ms(10);
    if (status == 0)
        return OK;
    if (status < 0) {
        (void) kill(pid, SIGKILL);
        (void) pg_wait_gone(pid, -1, 5000);
    }
    AUTO_FREE char *tail = pg_log_tail(pg, from);
    char line[200];

    db_one_line(tail, line, sizeof line);
    err_set(e, ERR_UNAVAILABLE, "initdb %s: %s", status < 0 ? "did not end in time" : "failed",
            line);
    return err_detail(e, "%s", tail);
}

static enum err_code make_cluster_in(struct pg_embedded *pg, const char *dir, struct err *e)
{
    static const char conf[] =
        "# Made by steward. What it needs is in steward.conf, written anew at each start;\n"
        "# settings of your own go into local.conf, which is read last.\n"
        "include 'steward.conf'\n"
        "include_if_exists 'local.conf'\n";
    AUTO_FREE char *pwfile = xasprintf("%s.password", dir);
    AUTO_FREE char *conf_path = xasprintf("%s/postgresql.conf", dir);
    AUTO_FREE char *password = password_of(pg, PG_ADMIN);
    enum err_code rc;

    if (!password)
        return err_set(e, ERR_UNAVAILABLE, "the password file %s lacks the role %s", pg->passfile,
                       PG_ADMIN);
    if (pg->user.is_other && chown(dir, pg->user.uid, pg->user.gid) != 0)
        return trouble(e, "give away", dir);
    rc = pg_write_file(pwfile, password, &pg->user, e);
    if (rc == OK)
        rc = run_initdb(pg, dir, pwfile, e);
    (void) unlink(pwfile);
    if (rc == OK)
        rc = pg_write_file(conf_path, conf, &pg->user, e);
    FP("pg.initdb_rename");
    if (rc == OK && rename(dir, pg->cluster) != 0)
        rc = trouble(e, "rename", dir);
    if (rc == OK)
        sync_folder(pg->data_dir);
    return rc;
}

enum err_code pg_prepare_cluster(struct pg_embedded *pg, struct err *e)
{
    AUTO_FREE char *dir = xasprintf("%s.new-XXXXXX", pg->cluster);
    struct stat st;
    enum err_code rc;

    pg_remove_leftovers(pg);
    if (cluster_exists(pg)) {
        if (stat(pg->cluster, &st) == 0 && st.st_uid != pg->user.uid)
            return err_set(e, ERR_UNAVAILABLE,
                           "the database in %s belongs to user id %u, the server would run as %u: "
                           "start it as before, or "
                           "chown -R the folder",
                           pg->cluster, (unsigned) st.st_uid, (unsigned) pg->user.uid);
        return OK;
    }
    if (!mkdtemp(dir))
        return trouble(e, "make", dir);
    rc = make_cluster_in(pg, dir, e);
    if (rc)
        remove_tree(dir);
    return rc;
}

/* ---- runtime folder and configuration ---- */

/* libpq's quoting: 'it\'s' */
static void add_keyword(struct buf *b, const char *keyword, const char *value)
{
    buf_printf(b, "%s%s='", b->length ? " " : "", keyword);
    for (const char *p = value; *p; p++) {
        if (*p == '\'' || *p == '\\')
            buf_addc(b, '\\');
        buf_addc(b, *p);
    }
    buf_addc(b, '\'');
}

static char *url_for(const struct pg_embedded *pg, const char *role, const char *database)
{
    struct buf b = { 0 };

    add_keyword(&b, "host", pg->runtime_dir);
    add_keyword(&b, "port", PG_PORT);
    add_keyword(&b, "user", role);
    add_keyword(&b, "dbname", database);
    add_keyword(&b, "passfile", pg->passfile);
    return buf_take(&b);
}

void pg_set_runtime(struct pg_embedded *pg, const char *dir)
{
    char *copy;

    if (str_eq(pg->runtime_dir, dir))
        return; /* callers hold the URLs */
    copy = xstrdup(dir);
    free(pg->runtime_dir);
    free(pg->url);
    free(pg->owner_url);
    free(pg->admin_url);
    pg->runtime_dir = copy;
    pg->url = url_for(pg, PG_APP, PG_DATABASE);
    pg->owner_url = url_for(pg, PG_OWNER, PG_DATABASE);
    pg->admin_url = url_for(pg, PG_ADMIN, "postgres");
}

/* A folder that only the server's user can enter: nobody else can put a socket of his own there. */
static bool is_private(const struct pg_embedded *pg, const char *dir)
{
    struct stat st;

    return strlen(dir) <= SOCKET_DIR_MAX && lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == pg->user.uid && (st.st_mode & 077) == 0;
}

static enum err_code make_runtime(struct pg_embedded *pg, const char *record, struct err *e)
{
    const char *session = getenv("XDG_RUNTIME_DIR");
    char dir[SOCKET_DIR_MAX + 1];
    const char *bases[] = { geteuid() == 0 ? "/run" : session ? session : "", "/tmp" };

    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        if (bases[i][0] != '/' ||
            (size_t) snprintf(dir, sizeof dir, "%s/steward-XXXXXX", bases[i]) >= sizeof dir ||
            !mkdtemp(dir))
            continue;
        if (pg->user.is_other && chown(dir, pg->user.uid, pg->user.gid) != 0)
            return trouble(e, "give away", dir);
        pg_set_runtime(pg, dir);
        return pg_write_file(record, dir, NULL, e);
    }
    return trouble(e, "make a runtime folder in", "/run or /tmp");
}

static enum err_code write_conf(struct pg_embedded *pg, struct err *e)
{
    static const char conf[] =
        "# Written by steward at each start; settings of your own go into local.conf.\n"
        "listen_addresses = ''\n"
        "unix_socket_directories = '%s'\n"
        "unix_socket_permissions = 0700\n"
        "port = " PG_PORT "\n"
        "password_encryption = 'scram-sha-256'\n"
        "max_connections = 100\n"
        "shared_buffers = 64MB\n"
        "fsync = on\nfull_page_writes = on\nsynchronous_commit = on\n"
        "wal_compression = on\nmax_wal_size = 512MB\nmin_wal_size = 64MB\n"
        "jit = off\nrandom_page_cost = 1.1\n"
        "timezone = 'UTC'\nlog_timezone = 'UTC'\n"
        "logging_collector = off\nlog_destination = 'stderr'\nlog_line_prefix = '%%m [%%p] '\n"
        /* refused statements are our answers to clients, not news; values never belong into a log
         */
        "log_min_messages = log\nlog_checkpoints = off\n"
        "log_parameter_max_length = 0\nlog_parameter_max_length_on_error = 0\n";
    AUTO_FREE char *text = xasprintf(conf, pg->runtime_dir);
    AUTO_FREE char *path = xasprintf("%s/steward.conf", pg->cluster);

    return pg_write_file(path, text, &pg->user, e);
}

enum err_code pg_prepare_runtime(struct pg_embedded *pg, struct err *e)
{
    AUTO_FREE char *record = xasprintf("%s/postgres.runtime", pg->data_dir);
    AUTO_FREE char *dir = pg_read_file(record);

    if (dir && is_private(pg, dir))
        pg_set_runtime(pg, dir);
    else
        TRY(make_runtime(pg, record, e));
    return write_conf(pg, e);
}

void pg_remove_runtime(struct pg_embedded *pg)
{
    AUTO_FREE char *record = xasprintf("%s/postgres.runtime", pg->data_dir);

    if (rmdir(pg->runtime_dir) == 0) /* empty once the server has removed its socket */
        (void) unlink(record);
}

/* ---- the running server ---- */

static enum err_code refused(struct err *e, const struct db_failure *f, const char *what)
{
    err_set(e, f->err.code == ERR_UNAVAILABLE ? ERR_UNAVAILABLE : ERR_INTERNAL,
            "the embedded database: %s failed", what);
    return err_detail(e, "%s", f->err.detail);
}

static enum err_code check_identity(struct pg_embedded *pg, const char *system_id, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/postgres.system-id", pg->data_dir);
    AUTO_FREE char *recorded = pg_read_file(path);

    if (!recorded)
        return pg_write_file(path, system_id, NULL, e);
    if (str_eq(recorded, system_id))
        return OK;
    return err_set(e, ERR_CONFLICT,
                   "the database in %s is not the one this data folder was made with (system "
                   "identifier %s, recorded %s); "
                   "when that is meant, remove %s",
                   pg->cluster, system_id, recorded, path);
}

static enum err_code make_roles(struct pg_embedded *pg, PGconn *admin, struct err *e)
{
    static const char *const roles[] = { PG_OWNER, PG_APP };
    struct db_failure f;

    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        AUTO_FREE char *password = password_of(pg, roles[i]);
        AUTO_FREE char *sql = NULL;
        AUTO_PGRES PGresult *r = NULL;

        if (!password)
            return err_set(e, ERR_UNAVAILABLE, "the password file %s lacks the role %s",
                           pg->passfile, roles[i]);
        sql = xasprintf("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%s') "
                        "THEN CREATE ROLE %s; END IF;"
                        " END $$; ALTER ROLE %s LOGIN PASSWORD '%s'",
                        roles[i], roles[i], roles[i], password);
        r = db_exec(admin, sql, INITDB_TIMEOUT_MS, &f);
        if (!r)
            return refused(e, &f, "making its roles");
    }
    return OK;
}

/* Runs inside the new database. The mark comes last. */
static enum err_code make_rights(struct pg_embedded *pg, struct err *e)
{
    static const char sql[] =
        "REVOKE ALL ON DATABASE " PG_DATABASE " FROM PUBLIC;"
        "GRANT CONNECT, TEMPORARY ON DATABASE " PG_DATABASE " TO " PG_APP ";"
        "GRANT USAGE ON SCHEMA public TO " PG_APP ";"
        "ALTER DEFAULT PRIVILEGES FOR ROLE " PG_OWNER
        " GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO " PG_APP ";"
        "ALTER DEFAULT PRIVILEGES FOR ROLE " PG_OWNER
        " GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO " PG_APP ";"
        "COMMENT ON DATABASE " PG_DATABASE " IS '" COMPLETE "'";
    AUTO_FREE char *url = url_for(pg, PG_ADMIN, PG_DATABASE);
    struct db_target *target;
    struct db_failure f;
    PGconn *conn;
    PGresult *r;

    TRY(db_target_new(url, "steward-setup", &target, e));
    conn = db_connect(target, &(struct db_session){ 0 }, e);
    db_target_free(target);
    if (!conn)
        return e->code;
    r = db_exec(conn, sql, INITDB_TIMEOUT_MS, &f);
    PQfinish(conn);
    if (!r)
        return refused(e, &f, "granting its rights");
    PQclear(r);
    return OK;
}

static enum err_code check_with(struct pg_embedded *pg, PGconn *admin, struct err *e)
{
    static const char question[] =
        "SELECT system_identifier::text, current_setting('fsync') || ' ' || "
        "current_setting('full_page_writes') || ' ' ||"
        " current_setting('data_checksums') || ' [' || current_setting('listen_addresses') || ']',"
        " (SELECT count(*) FROM pg_database WHERE datname = '" PG_DATABASE "'),"
        " (SELECT count(*) FROM pg_database WHERE datname = '" PG_DATABASE "'"
        " AND shobj_description(oid, 'pg_database') = '" COMPLETE "') FROM pg_control_system()";
    struct db_failure f;
    AUTO_PGRES PGresult *r = db_exec(admin, question, DB_ANSWER_TIMEOUT_MS, &f);

    if (!r)
        return refused(e, &f, "reading its settings");
    TRY(check_identity(pg, PQgetvalue(r, 0, 0), e));
    if (!str_eq(PQgetvalue(r, 0, 1), "on on on []"))
        return err_set(e, ERR_UNAVAILABLE,
                       "the embedded database is not safe: fsync, full_page_writes, checksums "
                       "[addresses] are \"%s\", must "
                       "be \"on on on []\"; correct %s/local.conf",
                       PQgetvalue(r, 0, 1), pg->cluster);
    if (str_eq(PQgetvalue(r, 0, 3), "1"))
        return OK;
    FP("pg.roles");
    TRY(make_roles(pg, admin, e));
    if (str_eq(PQgetvalue(r, 0, 2), "0")) {
        AUTO_PGRES PGresult *made = db_exec(
            admin, "CREATE DATABASE " PG_DATABASE " OWNER " PG_OWNER, INITDB_TIMEOUT_MS, &f);

        if (!made)
            return refused(e, &f, "making the database " PG_DATABASE);
    }
    FP("pg.rights");
    return make_rights(pg, e);
}

enum err_code pg_check_server(struct pg_embedded *pg, struct err *e)
{
    struct db_target *target;
    PGconn *admin;
    enum err_code rc;

    TRY(db_target_new(pg->admin_url, "steward-setup", &target, e));
    admin = db_connect(target, &(struct db_session){ 0 }, e);
    db_target_free(target);
    if (!admin)
        return e->code;
    rc = check_with(pg, admin, e);
    PQfinish(admin);
    return rc;
}
