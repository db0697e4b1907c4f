/*
 * migrate.c - brings the database's schema to what this binary knows.
 *
 * Each migration is one transaction; all run under a session advisory lock, so replicas that start
 * together take turns. schema_migrations remembers the checksum: an edited migration, or a database
 * from a newer release that does not say it is compatible, stops the start with ERR_CONFLICT before
 * anything is touched.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db_internal.h"
#include "steward/failpoint.h"
#include "steward/mem.h"
#include "steward/str.h"

#define LOCK_WAIT_MS      60000
#define MIGRATION_WAIT_MS 3600000               /* a big table may take its time */
#define ADVISORY_KEY      "7311158020420158067" /* "eward": any constant of ours */

#define COMPATIBLE_MARK "-- compatible-with:"

struct migrate {
    PGconn *pg;
    const struct migration *table;
    size_t n;
    bool *is_applied; /* parallel to table */
    int highest_applied;
    struct err *e;
};

static enum err_code failed(struct migrate *m, const struct db_failure *f, const char *what)
{
    err_set(m->e, f->err.code == ERR_UNAVAILABLE ? ERR_UNAVAILABLE : ERR_INTERNAL,
            "the database schema: %s failed", what);
    return err_detail(m->e, "%s", f->err.detail);
}

static enum err_code run_sql(struct migrate *m, const char *sql, const char *what)
{
    struct db_failure f;
    AUTO_PGRES PGresult *r = db_exec(m->pg, sql, MIGRATION_WAIT_MS, &f);

    return r ? OK : failed(m, &f, what);
}

/* The lowest binary schema number that may run with this migration: a comment line at the top says
 * it. */
static enum err_code compatible_with(struct migrate *m, const struct migration *step, int *out)
{
    const char *line = step->sql;
    int64_t number;

    *out = step->number;
    while (str_starts(line, "--")) {
        size_t n = strcspn(line, "\n");

        if (str_starts(line, COMPATIBLE_MARK)) {
            const char *value = line + strlen(COMPATIBLE_MARK);
            AUTO_FREE char *text =
                xstrndup(value + strspn(value, " "), strcspn(value + strspn(value, " "), " \r\n"));

            if (!str_to_i64(text, 0, step->number, &number))
                return err_set(m->e, ERR_INTERNAL,
                               "migration %04d_%s: \"%s\" wants a number from 0 to %d",
                               step->number, step->name, COMPATIBLE_MARK, step->number);
            *out = (int) number;
        }
        line += n + (line[n] == '\n');
    }
    return OK;
}

static const struct migration *find(const struct migrate *m, int number)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->table[i].number == number)
            return &m->table[i];
    return NULL;
}

static void checksum(const struct migration *step, char out[HEX_SHA256])
{
    sha256_hex(step->sql, strlen(step->sql), out);
}

/* One row of schema_migrations: number, name, sha256, compatible_with. */
static enum err_code check_row(struct migrate *m, const PGresult *r, int row)
{
    int number = (int) strtol(PQgetvalue(r, row, 0), NULL, 10);
    int needs = (int) strtol(PQgetvalue(r, row, 3), NULL, 10);
    int ours = m->n ? m->table[m->n - 1].number : 0;
    const struct migration *step = find(m, number);
    char sum[HEX_SHA256];

    m->highest_applied = number; /* rows come in order */
    if (!step && number < ours)
        return err_set(m->e, ERR_CONFLICT,
                       "the database has migration %04d_%s, which this binary lacks though it has "
                       "later ones: it belongs "
                       "to another line of releases",
                       number, PQgetvalue(r, row, 1));
    if (!step && needs > ours)
        return err_set(m->e, ERR_CONFLICT,
                       "the database is newer than this binary supports: it has migration %04d_%s, "
                       "which needs a binary "
                       "with schema %d, this one has %d; run the newer release",
                       number, PQgetvalue(r, row, 1), needs, ours);
    if (!step)
        return OK;
    checksum(step, sum);
    if (!str_eq(sum, PQgetvalue(r, row, 2)))
        return err_set(m->e, ERR_CONFLICT,
                       "migration %04d_%s was changed after it had been applied to this database; "
                       "restore the file, and "
                       "put the change into a new migration",
                       number, step->name);
    m->is_applied[step - m->table] = true;
    return OK;
}

static enum err_code check_applied(struct migrate *m)
{
    static const struct db_stmt rows = {
        "", "SELECT number, name, sha256, compatible_with FROM schema_migrations ORDER BY number", 0
    };
    struct db_failure f;
    AUTO_PGRES PGresult *r = db_exec_params(m->pg, &(struct db_op){ .stmt = &rows }, &f);

    if (!r)
        return failed(m, &f, "reading schema_migrations");
    for (int row = 0; row < PQntuples(r); row++)
        TRY(check_row(m, r, row));
    for (size_t i = 0; i < m->n; i++)
        if (!m->is_applied[i] && m->table[i].number < m->highest_applied)
            return err_set(m->e, ERR_CONFLICT,
                           "the database lacks migration %04d_%s though it has later ones: it "
                           "belongs to another line of "
                           "releases",
                           m->table[i].number, m->table[i].name);
    return OK;
}

static enum err_code apply(struct migrate *m, const struct migration *step)
{
    static const struct db_stmt insert = { "",
                                           "INSERT INTO schema_migrations (number, name, sha256, "
                                           "compatible_with) VALUES ($1, $2, $3, $4)",
                                           4 };
    AUTO_FREE char *what = xasprintf("migration %04d_%s", step->number, step->name);
    struct db_op op = { .stmt = &insert };
    char number[16], needs[16], sum[HEX_SHA256];
    struct db_failure f;
    int compatible;

    TRY(compatible_with(m, step, &compatible));
    (void) snprintf(number, sizeof number, "%d", step->number);
    (void) snprintf(needs, sizeof needs, "%d", compatible);
    checksum(step, sum);
    op.params[0] = number;
    op.params[1] = step->name;
    op.params[2] = sum;
    op.params[3] = needs;
    FP("pg.migrate_step");
    TRY(run_sql(m, "BEGIN", what));
    if (run_sql(m, step->sql, what) == OK) {
        AUTO_PGRES PGresult *r = db_exec_params(m->pg, &op, &f);

        FP("pg.migrate_before_commit");
        if (r)
            return run_sql(m, "COMMIT", what);
        (void) failed(m, &f, what);
    }
    PQclear(db_exec(m->pg, "ROLLBACK", DB_ANSWER_TIMEOUT_MS,
                    &f)); /* when even this fails the session ends, as good */
    return m->e->code;
}

static enum err_code migrate_locked(struct migrate *m, int *applied)
{
    TRY(run_sql(
        m,
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " number int PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
        " compatible_with int NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())",
        "creating schema_migrations"));
    TRY(check_applied(m));
    for (size_t i = 0; i < m->n; i++) {
        if (m->is_applied[i])
            continue;
        TRY(apply(m, &m->table[i]));
        ++*applied;
    }
    return OK;
}

static enum err_code migrate_session(struct migrate *m, int *applied)
{
    static const char lock[] = "SELECT set_config('statement_timeout', '0', false), "
                               "set_config('lock_timeout', '%d', false);"
                               "SELECT pg_advisory_lock(" ADVISORY_KEY ")";
    AUTO_FREE char *sql = xasprintf(lock, LOCK_WAIT_MS);
    struct db_failure f;
    enum err_code rc;

    TRY(run_sql(m, sql, "waiting for another server's migration"));
    rc = migrate_locked(m, applied);
    PQclear(
        db_exec(m->pg, "SELECT pg_advisory_unlock(" ADVISORY_KEY ")", DB_ANSWER_TIMEOUT_MS, &f));
    return rc;
}

enum err_code db_migrate_table(struct db_conn *c, struct migration_table table, int *applied,
                               struct err *e)
{
    AUTO_FREE bool *is_applied = xcalloc(table.n, sizeof *is_applied);
    struct migrate m = { .table = table.rows, .n = table.n, .is_applied = is_applied, .e = e };
    enum err_code rc;

    *applied = 0;
    TRY(db_conn_ensure(c, e));
    m.pg = db_conn_raw(c);
    if (!PQexitPipelineMode(m.pg))
        return err_set(e, ERR_INTERNAL, "the connection is busy");
    rc = migrate_session(&m, applied);
    db_conn_reset(
        c); /* other settings, maybe a half-open transaction: the next use starts a new session */
    return rc;
}

enum err_code db_migrate(struct db_conn *c, int *applied, struct err *e)
{
    return db_migrate_table(c, (struct migration_table){ migrations, n_migrations }, applied, e);
}
