/*
 * migrate_test.c - migrations: applied once, in order, whole or not at all; edited and newer
 * schemas are refused.
 */
#include "support.h"

#include <pthread.h>

#include "db/db_internal.h"

static char *url;

static const struct migration steps[] = {
    { 1, "first", "-- the first\nCREATE TABLE one (id int); INSERT INTO one VALUES (1);" },
    { 2, "second", "-- compatible-with: 1\nALTER TABLE one ADD COLUMN two int;" },
    { 4, "fourth", "-- no promise\nCREATE TABLE four (id int)" },
};

static enum err_code migrate(const struct migration *table, size_t n, int *applied, struct err *e)
{
    struct db_conn *c;
    enum err_code rc = db_conn_open(url, "migrate", &c, e);

    if (rc)
        return rc;
    rc = db_migrate_table(c, (struct migration_table){ table, n }, applied, e);
    db_conn_close(c);
    return rc;
}

static int setup(void **state)
{
    (void) state;
    free(url);
    url = fresh_database("migrate_test");
    return 0;
}

static void test_applied_once_and_in_order(void **state)
{
    struct err e;
    int applied = 0;

    (void) state;
    assert_ok(migrate(steps, 2, &applied, &e), &e);
    assert_int_equal(applied, 2);
    assert_ok(migrate(steps, 2, &applied, &e), &e);
    assert_int_equal(applied, 0);
    assert_ok(migrate(steps, 3, &applied, &e), &e);
    assert_int_equal(applied, 1);
    assert_int_equal(admin_number(url, "SELECT count(*) FROM one"), 1);
    assert_int_equal(
        admin_number(url, "SELECT compatible_with FROM schema_migrations WHERE number = 2"), 1);
    assert_int_equal(
        admin_number(url, "SELECT compatible_with FROM schema_migrations WHERE number = 4"), 4);
    assert_int_equal(admin_number(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
                     0);
}

static void test_an_older_binary_runs_only_when_told_so(void **state)
{
    struct err e;
    int applied = 0;

    (void) state;
    assert_ok(migrate(steps, 2, &applied, &e), &e);
    assert_ok(migrate(steps, 1, &applied, &e), &e); /* 2 is compatible with 1 */
    assert_ok(migrate(steps, 3, &applied, &e), &e);
    assert_int_equal(migrate(steps, 2, &applied, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.message, "newer"));
    assert_non_null(strstr(e.message, "0004_fourth"));
}

static void test_an_edited_migration_is_refused(void **state)
{
    struct migration edited[3];
    struct err e;
    int applied = 0;

    (void) state;
    memcpy(edited, steps, sizeof steps);
    assert_ok(migrate(steps, 2, &applied, &e), &e);
    edited[0].sql = "CREATE TABLE one (id bigint)";
    assert_int_equal(migrate(edited, 3, &applied, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.message, "0001_first"));
    assert_int_equal(admin_number(url, "SELECT count(*) FROM schema_migrations"),
                     2); /* nothing was touched */
}

static void test_a_failing_migration_leaves_nothing(void **state)
{
    static const struct migration bad[] = {
        { 1, "first", "CREATE TABLE one (id int)" },
        { 2, "bad", "CREATE TABLE half (id int); SELECT 1/0; CREATE TABLE never (id int)" },
        { 3, "third", "CREATE TABLE three (id int)" },
    };
    static const struct migration mark[] = { { 1, "first", "-- compatible-with: soon\nSELECT 1" } };
    struct err e;
    int applied = 0;

    (void) state;
    assert_int_equal(migrate(mark, 1, &applied, &e), ERR_INTERNAL);
    assert_int_equal(migrate(bad, 3, &applied, &e), ERR_INTERNAL);
    assert_non_null(strstr(e.message, "0002_bad"));
    assert_non_null(strstr(e.detail, "division by zero"));
    assert_int_equal(applied, 1);
    assert_int_equal(
        admin_number(
            url, "SELECT count(*) FROM pg_tables WHERE tablename IN ('half', 'never', 'three')"),
        0);
    assert_int_equal(admin_number(url, "SELECT max(number) FROM schema_migrations"), 1);
}

static void test_a_hole_is_refused(void **state)
{
    static const struct migration other[] = {
        { 1, "first", "-- the first\nCREATE TABLE one (id int); INSERT INTO one VALUES (1);" },
        { 3, "third", "SELECT 3" },
        { 5, "fifth", "SELECT 5" },
    };
    struct err e;
    int applied = 0;

    (void) state;
    assert_ok(migrate(steps, 3, &applied, &e), &e);
    assert_int_equal(migrate(other, 3, &applied, &e), ERR_CONFLICT);
    assert_int_equal(admin_number(url, "SELECT max(number) FROM schema_migrations"), 4);
}

struct racer {
    pthread_t thread;
    int applied;
    enum err_code rc;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct err e;

    r->rc = migrate(steps, 3, &r->applied, &e);
    return NULL;
}

static void test_replicas_take_turns(void **state)
{
    struct racer racers[4] = { 0 };
    int sum = 0;

    (void) state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        assert_int_equal(racers[i].rc, OK);
        sum += racers[i].applied;
    }
    assert_int_equal(sum, 3);
}

/* The connection that migrated serves ordinary statements afterwards, with the ordinary settings.
 */
static void test_the_connection_is_usable_afterwards(void **state)
{
    static const struct db_stmt shown = { "m_shown", "SELECT current_setting('statement_timeout')",
                                          0 };
    struct db_conn *c;
    struct err e;
    PGresult *r;
    int applied = 0;

    (void) state;
    assert_ok(db_conn_open(url, "migrate", &c, &e), &e);
    assert_ok(db_migrate_table(c, (struct migration_table){ steps, 3 }, &applied, &e), &e);
    assert_ok(db_query(c, &(struct db_op){ .stmt = &shown }, &r, &e), &e);
    assert_string_equal(PQgetvalue(r, 0, 0), "5s");
    PQclear(r);
    db_conn_close(c);
}

/* The real ones: numbers rise, and an empty database takes them all. */
static void test_the_compiled_in_migrations_apply(void **state)
{
    struct db_conn *c;
    struct err e;
    int applied = 0;

    (void) state;
    for (size_t i = 1; i < n_migrations; i++)
        assert_true(migrations[i].number > migrations[i - 1].number);
    assert_ok(db_conn_open(url, "migrate", &c, &e), &e);
    assert_ok(db_migrate(c, &applied, &e), &e);
    assert_int_equal(applied, n_migrations);
    db_conn_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_applied_once_and_in_order, setup),
        cmocka_unit_test_setup(test_an_older_binary_runs_only_when_told_so, setup),
        cmocka_unit_test_setup(test_an_edited_migration_is_refused, setup),
        cmocka_unit_test_setup(test_a_failing_migration_leaves_nothing, setup),
        cmocka_unit_test_setup(test_a_hole_is_refused, setup),
        cmocka_unit_test_setup(test_replicas_take_turns, setup),
        cmocka_unit_test_setup(test_the_connection_is_usable_afterwards, setup),
        cmocka_unit_test_setup(test_the_compiled_in_migrations_apply, setup),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);

    free(url);
    return failures;
}
