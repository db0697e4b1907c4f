/*
 * cut_test.c - connections cut around the commit: what is unknown is said to be unknown, and a
 * read-back settles it.
 *
 * Twenty cuts of each kind; every row must be there exactly once in the end (the table has no key
 * that would hide a double).
 */
#include "cut_proxy.h"

#include "steward/clock.h"

#define CUTS 20

static char *url, *proxied;
static struct cut_proxy proxy;

static const struct db_stmt insert = { "c_insert", "INSERT INTO rows (id) VALUES ($1)", 1 };
static const struct db_stmt find = { "c_find", "SELECT count(*) FROM rows WHERE id = $1", 1 };

static struct db_conn *c;

static bool is_there(const char *id)
{
    struct db_op op = { .stmt = &find, .params = { id } };
    struct err e;
    PGresult *r;
    bool found;

    assert_ok(db_query(c, &op, &r, &e), &e);
    found = strcmp(PQgetvalue(r, 0, 0), "0") != 0;
    PQclear(r);
    return found;
}

/* Inserts once, whatever happens to the connection. */
static enum err_code insert_surely(const char *id, enum cut cut)
{
    struct db_op op = { .stmt = &insert, .params = { id } };
    struct err e;
    enum err_code first;

    proxy.cut = cut;
    first = db_query(c, &op, NULL, &e);
    assert_int_equal(first, ERR_UNKNOWN_OUTCOME);
    assert_false(db_conn_is_alive(c));
    if (!is_there(id))
        assert_ok(db_query(c, &op, NULL, &e), &e);
    return first;
}

static void cut_many(enum cut cut, int n)
{
    struct err e;
    char id[16];

    admin(url, "TRUNCATE rows");
    assert_ok(db_conn_open(proxied, "cut", &c, &e), &e);
    assert_false(is_there("0"));
    assert_ok(db_query(c, &(struct db_op){ .stmt = &insert, .params = { "0" } }, NULL, &e),
              &e); /* everything is prepared */
    for (int i = 1; i <= n; i++) {
        (void) snprintf(id, sizeof id, "%d", i);
        (void) insert_surely(id, cut);
    }
    db_conn_close(c);
    assert_int_equal(admin_number(url, "SELECT count(*) FROM rows"), n + 1);
    assert_int_equal(admin_number(url, "SELECT count(DISTINCT id) FROM rows"), n + 1);
}

static void test_cut_before_the_server_has_the_sync(void **state)
{
    (void) state;
    cut_many(CUT_BEFORE_SYNC, CUTS);
}

static void test_cut_after_the_commit(void **state)
{
    (void) state;
    cut_many(CUT_AFTER_COMMIT, CUTS);
}

/* No reset, no end: only silence. It is noticed after 6 s. */
static void test_silence_after_the_commit(void **state)
{
    int64_t start = clock_mono_ms();

    (void) state;
    cut_many(CUT_SILENT, 1);
    assert_in_range(clock_mono_ms() - start, 5500, 30000);
}

/* Reading twice does no harm: a lost answer is just unavailable. */
static void test_a_cut_read_is_unavailable(void **state)
{
    struct db_op op = { .stmt = &find, .params = { "1" } };
    struct err e;

    (void) state;
    assert_ok(db_conn_open(proxied, "cut", &c, &e), &e);
    assert_ok(db_query(c, &op, NULL, &e), &e);
    proxy.cut = CUT_AFTER_COMMIT;
    assert_int_equal(db_query(c, &op, NULL, &e), ERR_UNAVAILABLE);
    assert_ok(db_query(c, &op, NULL, &e), &e);
    db_conn_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_before_the_server_has_the_sync),
        cmocka_unit_test(test_cut_after_the_commit),
        cmocka_unit_test(test_silence_after_the_commit),
        cmocka_unit_test(test_a_cut_read_is_unavailable),
    };
    int failures;

    url = fresh_database("cut_test");
    if (!strstr(url, "host=/")) {
        (void) fprintf(stderr, "skipped: the test server has no unix socket\n");
        return 77;
    }
    admin(url, "CREATE TABLE rows (id int)");
    proxied = cut_proxy_start(&proxy, url);
    failures = cmocka_run_group_tests(tests, NULL, NULL);
    cut_proxy_stop(&proxy);
    free(url);
    free(proxied);
    return failures;
}
