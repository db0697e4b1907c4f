/*
 * conn_test.c - the blocking connection: one transaction a run, failures by meaning, lost
 * connections, settings.
 */
#include "support.h"

#include <poll.h>
#include <pthread.h>

#include "steward/clock.h"

static char *url;

static const struct db_stmt insert = { "t_insert", "INSERT INTO t (id, v) VALUES ($1, $2)", 2 };
static const struct db_stmt count = { "t_count", "SELECT count(*) FROM t", 0 };
static const struct db_stmt echo = { "t_echo", "SELECT $1::text, $2::text", 2 };
static const struct db_stmt fence = { "t_fence", "SELECT fence()", 0 };
static const struct db_stmt missing = { "t_missing", "SELECT * FROM not_there", 0 };
static const struct db_stmt sleep_s = { "t_sleep", "SELECT pg_sleep($1::float8)", 1 };
static const struct db_stmt star = { "t_star", "SELECT * FROM star", 0 };
static const struct db_stmt kill_me = { "t_kill", "SELECT pg_terminate_backend(pg_backend_pid())",
                                        0 };
static const struct db_stmt deferred = { "t_deferred", "INSERT INTO child (parent) VALUES ($1)",
                                         1 };
static const struct db_stmt settings = {
    "t_settings",
    "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN "
    "('statement_timeout', "
    "'idle_in_transaction_session_timeout', 'tcp_user_timeout', 'search_path', 'TimeZone', "
    "'synchronous_commit', 'jit')",
    0
};
static const struct db_stmt array = {
    "t_array", "SELECT x FROM unnest($1::text[]) WITH ORDINALITY AS u(x, n) ORDER BY n", 1
};
static const struct db_stmt transfer_up = { "t_up", "UPDATE t SET v = v || '+' WHERE id = $1", 1 };
static const struct db_stmt transfer_pause = { "t_pause", "SELECT pg_sleep(0.05)", 0 };

static struct db_conn *opened(void)
{
    struct db_conn *c;
    struct err e;

    assert_ok(db_conn_open(url, "test", &c, &e), &e);
    return c;
}

static long rows(void)
{
    return admin_number(url, "SELECT count(*) FROM t");
}

static void test_values_come_back(void **state)
{
    struct db_conn *c = opened();
    struct err e;
    PGresult *r;
    struct db_op op = { .stmt = &echo, .params = { "O'Hara \\ \"x\" $1; --", NULL } };

    (void) state;
    for (int i = 0; i < 3; i++) { /* prepared the first time only */
        assert_ok(db_query(c, &op, &r, &e), &e);
        assert_string_equal(PQgetvalue(r, 0, 0), "O'Hara \\ \"x\" $1; --");
        assert_true(PQgetisnull(r, 0, 1));
        PQclear(r);
    }
    db_conn_close(c);
}

static void test_a_run_is_one_transaction(void **state)
{
    struct db_conn *c = opened();
    struct err e;
    PGresult *results[3];
    struct db_op good[] = { { .stmt = &insert, .params = { "1", "a" } },
                            { .stmt = &insert, .params = { "2", "b" } },
                            { .stmt = &count, .params = { 0 } } };
    struct db_op bad[] = { { .stmt = &insert, .params = { "3", "c" } },
                           { .stmt = &insert, .params = { "1", "again" } },
                           { .stmt = &count, .params = { 0 } } };

    (void) state;
    assert_ok(db_run(c, good, 3, results, &e), &e);
    assert_string_equal(PQgetvalue(results[2], 0, 0), "2");
    assert_string_equal(PQcmdTuples(results[0]), "1");
    for (int i = 0; i < 3; i++)
        PQclear(results[i]);
    assert_int_equal(db_run(c, bad, 3, results, &e), ERR_CONFLICT);
    assert_string_equal(db_conn_sqlstate(c), "23505");
    assert_non_null(strstr(e.detail, "t_pkey"));
    for (int i = 0; i < 3; i++)
        assert_null(results[i]);
    assert_int_equal(rows(), 2);
    assert_ok(db_run(c, &good[2], 1, NULL, &e), &e); /* the session is unharmed */
    assert_string_equal(db_conn_sqlstate(c), "");
    db_conn_close(c);
}

static void test_failures_have_meanings(void **state)
{
    struct db_conn *c = opened();
    struct err e;
    struct db_op raise = { .stmt = &fence, .params = { 0 } },
                 number = { .stmt = &insert, .params = { "no number", "v" } },
                 lost = { .stmt = &missing, .params = { 0 } };

    (void) state;
    assert_int_equal(db_query(c, &raise, NULL, &e), ERR_CONFLICT);
    assert_string_equal(e.message, "the version has moved on");
    assert_string_equal(db_conn_sqlstate(c), "ST001");
    assert_int_equal(db_query(c, &number, NULL, &e), ERR_INVALID);
    for (int i = 0; i < 2; i++) { /* a PREPARE that failed is tried again and says the same */
        assert_int_equal(db_query(c, &lost, NULL, &e), ERR_INTERNAL);
        assert_string_equal(db_conn_sqlstate(c), "42P01");
        assert_non_null(strstr(e.detail, "not_there"));
    }
    admin(url, "CREATE TABLE not_there ()");
    assert_ok(db_query(c, &lost, NULL, &e), &e);
    db_conn_close(c);
}

/* Constraints that are checked at the commit fail when the Sync arrives, after every statement said
 * yes. */
static void test_a_failing_commit_is_a_failure(void **state)
{
    struct db_conn *c = opened();
    struct err e;
    struct db_op op = { .stmt = &deferred, .params = { "77" } };

    (void) state;
    assert_int_equal(db_query(c, &op, NULL, &e), ERR_CONFLICT);
    assert_string_equal(db_conn_sqlstate(c), "23503");
    assert_int_equal(admin_number(url, "SELECT count(*) FROM child"), 0);
    assert_ok(db_query(c, &(struct db_op){ .stmt = &count, .params = { 0 } }, NULL, &e), &e);
    db_conn_close(c);
}

static void test_a_slow_statement_is_cut(void **state)
{
    struct db_conn *c = opened();
    struct err e;
    int64_t start = clock_mono_ms();

    (void) state;
    assert_int_equal(db_query(c, &(struct db_op){ .stmt = &sleep_s, .params = { "20" } }, NULL, &e),
                     ERR_UNAVAILABLE);
    assert_string_equal(db_conn_sqlstate(c), "57014");
    assert_in_range(clock_mono_ms() - start, 4000, 15000);
    assert_true(db_conn_is_alive(c));
    db_conn_close(c);
}

/* The session leaves pg_stat_activity before its process closes the socket; waiting for the former
 * made this test fail now and then, as a query sent in between is lost with the session. */
static void wait_for_hangup(const struct db_conn *c)
{
    struct pollfd p = { .fd = db_conn_socket(c), .events = POLLIN };

    for (int i = 0; i < 3000 && !(p.revents & POLLHUP); i++) {
        assert_true(poll(&p, 1, 10) >= 0);
        if (!(p.revents & POLLHUP))
            usleep(10000);
    }
    assert_true(p.revents & POLLHUP);
}

static void test_a_lost_connection_is_made_anew(void **state)
{
    struct db_conn *c = opened();
    struct err e;
    struct db_op one = { .stmt = &count, .params = { 0 } };

    (void) state;
    assert_int_equal(db_conn_generation(c), 1);
    assert_ok(db_query(c, &one, NULL, &e), &e);
    admin(url,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'");
    wait_for_hangup(c);
    assert_ok(db_query(c, &one, NULL, &e), &e);
    assert_int_equal(db_conn_generation(c), 2);
    /* killed in the middle of the work: rolled back for sure, as the server said so before the
     * commit */
    struct db_op ops[] = { { .stmt = &insert, .params = { "50", "x" } },
                           { .stmt = &kill_me, .params = { 0 } } };
    assert_int_equal(db_run(c, ops, 2, NULL, &e), ERR_UNAVAILABLE);
    assert_int_equal(admin_number(url, "SELECT count(*) FROM t WHERE id = 50"), 0);
    assert_ok(db_query(c, &one, NULL, &e), &e);
    db_conn_close(c);
}

/* After ALTER TABLE a prepared SELECT * fails with "cached plan must not change result type": a new
 * session helps. */
static void test_a_changed_table_does_not_break_prepared_statements(void **state)
{
    struct db_conn *c = opened();
    struct err e;
    PGresult *r;
    struct db_op op = { .stmt = &star, .params = { 0 } };

    (void) state;
    assert_ok(db_query(c, &op, NULL, &e), &e);
    admin(url, "ALTER TABLE star ADD COLUMN b int");
    assert_ok(db_query(c, &op, &r, &e), &e);
    assert_int_equal(PQnfields(r), 2);
    PQclear(r);
    db_conn_close(c);
}

static void test_the_session_has_our_settings(void **state)
{
    char *off = xasprintf("%s options='-c synchronous_commit=off'", url);
    struct db_conn *c;
    struct err e;
    PGresult *r;
    struct db_identity id;

    (void) state;
    assert_ok(db_conn_open(off, "test", &c, &e), &e);
    assert_ok(db_query(c, &(struct db_op){ .stmt = &settings, .params = { 0 } }, &r, &e), &e);
    assert_string_equal(
        PQgetvalue(r, 0, 0),
        "TimeZone=UTC idle_in_transaction_session_timeout=5000 jit=off search_path=public, pg_temp "
        "statement_timeout=5000 synchronous_commit=on tcp_user_timeout=0");
    PQclear(r);
    assert_ok(db_conn_identity(c, &id, &e), &e);
    assert_int_equal(id.timeline, 1);
    assert_true(strlen(id.system_id) > 15);
    db_conn_close(c);
    free(off);
}

static void test_arrays(void **state)
{
    static const char *const items[] = { "plain",   "",       NULL,
                                         "NULL",    "a,b{c}", "quote\" back\\slash",
                                         " blank ", "é\n" };
    static const int64_t numbers[] = { 0, -1, INT64_MAX, INT64_MIN };
    struct db_conn *c = opened();
    struct err e;
    PGresult *r;
    char *text = db_text_array(items, ARRAY_LEN(items)), *ints = db_int_array(numbers, 4),
         *empty = db_text_array(NULL, 0);

    (void) state;
    assert_ok(db_query(c, &(struct db_op){ .stmt = &array, .params = { text } }, &r, &e), &e);
    assert_int_equal(PQntuples(r), ARRAY_LEN(items));
    for (int i = 0; i < (int) ARRAY_LEN(items); i++) {
        if (items[i])
            assert_string_equal(PQgetvalue(r, i, 0), items[i]);
        else
            assert_true(PQgetisnull(r, i, 0));
    }
    PQclear(r);
    assert_string_equal(ints, "{0,-1,9223372036854775807,-9223372036854775808}");
    assert_string_equal(empty, "{}");
    free(text);
    free(ints);
    free(empty);
    db_conn_close(c);
}

/* Two threads take the same two rows in opposite order, again and again: deadlocks are repeated,
 * nothing is lost. */
static void *cross(void *arg)
{
    static const char *const order[2][2] = { { "101", "102" }, { "102", "101" } };
    const char *const *ids = order[(intptr_t) arg];
    struct db_conn *c;
    struct err e;

    if (db_conn_open(url, "cross", &c, &e))
        return "cannot connect";
    for (int i = 0; i < 4; i++) {
        struct db_op ops[] = { { .stmt = &transfer_up, .params = { ids[0] } },
                               { .stmt = &transfer_pause, .params = { 0 } },
                               { .stmt = &transfer_up, .params = { ids[1] } } };

        if (db_run(c, ops, 3, NULL, &e)) {
            db_conn_close(c);
            return "a run failed";
        }
    }
    db_conn_close(c);
    return NULL;
}

static void test_deadlocks_are_repeated(void **state)
{
    pthread_t threads[2];

    (void) state;
    admin(url, "INSERT INTO t VALUES (101, ''), (102, '')");
    for (intptr_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, cross, (void *) i), 0);
    for (int i = 0; i < 2; i++) {
        void *trouble;

        assert_int_equal(pthread_join(threads[i], &trouble), 0);
        assert_null(trouble);
    }
    assert_int_equal(admin_number(url, "SELECT sum(length(v)) FROM t WHERE id IN (101, 102)"), 16);
}

static void test_errors_of_connecting(void **state)
{
    struct db_conn *c;
    struct err e;
    int64_t start = clock_mono_ms();

    (void) state;
    assert_int_equal(db_conn_open("host=/nowhere dbname=x", "test", &c, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.detail, "/nowhere"));
    assert_true(clock_mono_ms() - start < 4000);
    assert_int_equal(db_conn_open("postgresql://u:secret@[oops", "test", &c, &e), ERR_INVALID);
    assert_null(strstr(e.message, "secret"));
    assert_null(strstr(e.detail, "secret"));
}

static void test_tls_policy(void **state)
{
    static const struct {
        const char *url;
        enum err_code code;
    } cases[] = {
        { "postgresql://u@db.example.com/x", OK },
        { "postgresql://u@db.example.com/x?sslmode=verify-full", OK },
        { "postgresql://u@db.example.com/x?sslmode=require", ERR_INVALID },
        { "postgresql://u@db.example.com/x?sslmode=disable", ERR_INVALID },
        { "host=localhost,db.example.com sslmode=prefer", ERR_INVALID },
        { "host=localhost,127.0.0.1,/run/pg sslmode=disable", OK },
        { "host=localhost.evil.example sslmode=disable", ERR_INVALID },
        { "host=127.0.0.1 hostaddr=10.0.0.1 sslmode=disable", ERR_INVALID },
        { "dbname=x sslmode=disable", OK },
    };
    struct err e;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(db_url_check(cases[i].url, false, &e), cases[i].code);
        assert_int_equal(db_url_check(cases[i].url, true, &e), OK);
    }
    assert_int_equal(db_url_check("nonsense", true, &e), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_come_back),
        cmocka_unit_test(test_a_run_is_one_transaction),
        cmocka_unit_test(test_failures_have_meanings),
        cmocka_unit_test(test_a_failing_commit_is_a_failure),
        cmocka_unit_test(test_a_slow_statement_is_cut),
        cmocka_unit_test(test_a_lost_connection_is_made_anew),
        cmocka_unit_test(test_a_changed_table_does_not_break_prepared_statements),
        cmocka_unit_test(test_the_session_has_our_settings),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_deadlocks_are_repeated),
        cmocka_unit_test(test_errors_of_connecting),
        cmocka_unit_test(test_tls_policy),
    };
    int failures;

    url = fresh_database("conn_test");
    admin(url, "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE star (a int);"
               "CREATE TABLE parent (id int PRIMARY KEY);"
               "CREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);"
               "CREATE FUNCTION fence() RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
               " RAISE EXCEPTION 'the version has moved on' USING ERRCODE = 'ST001'; END $$;");
    failures = cmocka_run_group_tests(tests, NULL, NULL);
    free(url);
    return failures;
}
