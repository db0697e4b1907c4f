/*
 * lanes_test.c - the asynchronous lanes: shared Syncs, failing neighbours, atomic writes, lost
 * connections, deadlines.
 */
#include "support.h"

#include <signal.h>

#include "steward/clock.h"

#define MANY 64

static char *url;
static uv_loop_t loop;
static struct db *db;
static bool is_closed, is_up;
static int n_ups, n_downs;
static char notes[512];

static const struct db_stmt echo = { "l_echo", "SELECT $1::text", 1 };
static const struct db_stmt divide = { "l_divide", "SELECT 1 / $1::int", 1 };
static const struct db_stmt insert = { "l_insert", "INSERT INTO t (id, v) VALUES ($1, $2)", 2 };
static const struct db_stmt deferred = { "l_deferred", "INSERT INTO child (parent) VALUES ($1)",
                                         1 };
static const struct db_stmt sleep_s = { "l_sleep", "SELECT pg_sleep($1::float8)", 1 };
static const struct db_stmt missing = { "l_missing", "SELECT * FROM not_there", 0 };
static const struct db_stmt star = { "l_star", "SELECT * FROM star", 0 };
static const struct db_stmt notify = { "l_notify", "SELECT pg_notify('house', $1)", 1 };
static const struct db_stmt up = { "l_up", "UPDATE t SET v = v || '+' WHERE id = $1", 1 };

static const struct db_stmt chance = { "l_chance", "SELECT $1 || random()::text", 1 };
/* A row for every key but 7; 0 fails. */
static const struct db_stmt one_of = { "l_one_of", "SELECT 'one ' || 100 / $1::int WHERE $1 <> '7'",
                                       1 };
static const struct db_stmt many_of = {
    "l_many_of",
    "SELECT 'many ' || 100 / k.id::int, k.at FROM unnest($1::text[]) WITH ORDINALITY k(id, at)"
    " WHERE k.id <> '7' ORDER BY k.at DESC",
    1
};

/* One answer, kept. */
struct seen {
    int calls;
    enum err_code code;
    char sqlstate[6], value[64], constraint[64];
    int64_t at_ms;
    struct err err;
};
static int n_answers;

static void on_reply(const struct db_reply *reply, void *user)
{
    struct seen *s = user;

    n_answers++;
    s->calls++;
    s->code = reply->err.code;
    s->err = reply->err;
    s->at_ms = clock_mono_ms();
    memcpy(s->sqlstate, reply->sqlstate, sizeof s->sqlstate);
    memcpy(s->constraint, reply->constraint, sizeof s->constraint);
    if (reply->err.code == OK) {
        const PGresult *last = reply->results[reply->n_results - 1];

        if (PQntuples(last) > 0 && reply->rows_max > 0)
            (void) snprintf(s->value, sizeof s->value, "%s",
                            PQgetvalue(last, (int) reply->first_row, 0));
    } else {
        assert_null(reply->results);
    }
}

static void submit(enum db_lane lane, const struct db_stmt *stmt, const char *param, struct seen *s)
{
    struct db_op op = { .stmt = stmt, .params = { param, "v" } };

    db_submit(db, lane, &op, 1, on_reply, s);
}

static void on_late(uv_timer_t *timer)
{
    *(bool *) timer->data = true;
}

/* Turns the loop until the condition holds. */
#define run_until(condition)                                           \
    do {                                                               \
        bool is_late = false;                                          \
        uv_timer_t late;                                               \
                                                                       \
        assert_int_equal(uv_timer_init(&loop, &late), 0);              \
        late.data = &is_late;                                          \
        assert_int_equal(uv_timer_start(&late, on_late, 30000, 0), 0); \
        while (!(condition) && !is_late)                               \
            (void) uv_run(&loop, UV_RUN_ONCE);                         \
        if (is_late)                                                   \
            fail_msg("waited too long for %s", #condition);            \
        uv_close((uv_handle_t *) &late, NULL);                         \
        (void) uv_run(&loop, UV_RUN_NOWAIT);                           \
    } while (0)

static void on_state(bool state, void *user)
{
    assert_ptr_equal(user, notes);
    is_up = state;
    n_ups += state;
    n_downs += !state;
}

static void on_notify(const char *channel, const char *payload, void *user)
{
    size_t n = strlen(user);

    (void) snprintf((char *) user + n, sizeof notes - n, "%s=%s ", channel, payload);
}

static void open_db(const char *to, int64_t statement_timeout_ms)
{
    static const char *const channels[] = { "house", NULL };
    struct db_options options = { .url = to,
                                  .application = "lanes",
                                  .statement_timeout_ms = statement_timeout_ms,
                                  .lock_timeout_ms = 2000,
                                  .channels = channels,
                                  .on_notify = on_notify,
                                  .on_state = on_state,
                                  .user = notes };
    struct err e;

    assert_int_equal(uv_loop_init(&loop), 0);
    is_closed = is_up = false;
    n_answers = n_ups = n_downs = 0;
    notes[0] = '\0';
    assert_ok(db_open(&loop, &options, &db, &e), &e);
}

static void on_closed(void *user)
{
    *(bool *) user = true;
}

static int setup(void **state)
{
    (void) state;
    open_db(url, 0);
    run_until(is_up && *notes);
    assert_true(db_is_up(db));
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    db_close(db, on_closed, &is_closed);
    run_until(is_closed);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0); /* nothing was left open */
    return 0;
}

static void test_reads_of_a_turn(void **state)
{
    struct seen seen[MANY] = { 0 };
    char text[MANY][32];

    (void) state;
    for (int round = 0; round < 3; round++) {
        n_answers = 0;
        for (int i = 0; i < MANY; i++) {
            (void) snprintf(text[i], sizeof text[i], "r%d-%d", round, i);
            submit(i % 2 ? DB_READ : DB_LIST, &echo, text[i], &seen[i]);
            memset(text[i], 'x', 2); /* the lanes have their own copy */
        }
        assert_int_equal(n_answers, 0); /* never from inside */
        assert_int_equal(db_queued(db), MANY);
        run_until(n_answers == MANY);
        for (int i = 0; i < MANY; i++) {
            (void) snprintf(text[i], sizeof text[i], "r%d-%d", round, i);
            assert_int_equal(seen[i].code, OK);
            assert_string_equal(seen[i].value, text[i]);
            assert_int_equal(seen[i].calls, round + 1);
        }
    }
    assert_int_equal(db_queued(db), 0);
}

/* Reads share a Sync: one that fails aborts the rest of the batch, which must not be seen by
 * anybody else. */
static void test_a_failing_neighbour(void **state)
{
    struct seen seen[MANY] = { 0 };

    (void) state;
    for (int i = 0; i < MANY; i++) {
        if (i == 7 || i == 30)
            submit(DB_READ, &divide, "0", &seen[i]);
        else if (i == 50)
            submit(DB_READ, &missing, NULL, &seen[i]);
        else
            submit(DB_READ, &echo, "fine", &seen[i]);
    }
    run_until(n_answers == MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(seen[i].calls, 1);
        if (i == 7 || i == 30) {
            assert_int_equal(seen[i].code, ERR_INVALID);
            assert_string_equal(seen[i].sqlstate, "22012");
        } else if (i == 50) {
            assert_int_equal(seen[i].code, ERR_INTERNAL);
            assert_string_equal(seen[i].sqlstate, "42P01");
        } else {
            assert_int_equal(seen[i].code, OK);
            assert_string_equal(seen[i].value, "fine");
        }
    }
    assert_true(db_is_up(db));
}

static void test_writes_are_atomic(void **state)
{
    struct seen seen[4] = { 0 };
    struct db_op good[] = { { .stmt = &insert, .params = { "1", "a" } },
                            { .stmt = &insert, .params = { "2", "b" } } };
    struct db_op bad[] = { { .stmt = &insert, .params = { "3", "c" } },
                           { .stmt = &insert, .params = { "1", "again" } },
                           { .stmt = &echo, .params = { "x" } } };
    struct db_op at_commit = { .stmt = &deferred, .params = { "99" } };
    struct db_op after = { .stmt = &insert, .params = { "4", "d" } };

    (void) state;
    db_submit(db, DB_WRITE, good, 2, on_reply, &seen[0]);
    run_until(n_answers == 1);
    /* all three in one turn, on several connections: each has its own Sync */
    db_submit(db, DB_WRITE, bad, 3, on_reply, &seen[1]);
    db_submit(db, DB_WRITE, &at_commit, 1, on_reply, &seen[2]);
    db_submit(db, DB_WRITE, &after, 1, on_reply, &seen[3]);
    run_until(n_answers == 4);
    assert_int_equal(seen[0].code, OK);
    assert_int_equal(seen[1].code, ERR_CONFLICT);
    assert_string_equal(seen[1].sqlstate, "23505");
    assert_string_equal(seen[1].constraint, "t_pkey");
    assert_int_equal(seen[2].code, ERR_CONFLICT); /* only its commit failed */
    assert_string_equal(seen[2].sqlstate, "23503");
    assert_int_equal(seen[3].code, OK);
    assert_int_equal(admin_number(url, "SELECT count(*) FROM t WHERE id <= 4"), 3);
}

static void test_reading_lanes_do_not_write(void **state)
{
    struct seen seen[2] = { 0 };

    (void) state;
    submit(DB_READ, &insert, "77", &seen[0]);
    submit(DB_LIST, &insert, "78", &seen[1]);
    run_until(n_answers == 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(seen[i].code, ERR_INTERNAL);
        assert_string_equal(seen[i].sqlstate, "25006");
    }
}

/* Two that ask the same get the same throw of the dice; another, and one that comes later, their
 * own. */
static void test_reads_that_ask_the_same_are_asked_once(void **state)
{
    struct seen seen[4] = { 0 };

    (void) state;
    submit(DB_READ, &chance, "x", &seen[0]);
    submit(DB_READ, &chance, "y", &seen[1]);
    submit(DB_READ, &chance, "x", &seen[2]);
    run_until(n_answers == 3);
    submit(DB_READ, &chance, "x", &seen[3]);
    run_until(n_answers == 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen[i].calls, 1);
    assert_string_equal(seen[0].value, seen[2].value);
    assert_string_not_equal(seen[0].value + 1, seen[1].value + 1);
    assert_string_not_equal(seen[0].value, seen[3].value);
}

static void submit_keys(const char *const *keys, size_t n, struct seen *seen)
{
    n_answers = 0;
    for (size_t i = 0; i < n; i++) {
        struct db_op op = { .stmt = &one_of, .params = { keys[i] }, .many = &many_of };

        db_submit(db, DB_READ, &op, 1, on_reply, &seen[i]);
    }
    run_until(n_answers == (int) n);
}

/* Each gets its own row or none, and whose key fails fails alone. */
static void test_reads_by_key_travel_together(void **state)
{
    static const char *const good[] = { "1", "2", "7", "2", "50" };
    static const char *const bad[] = { "4", "0", "5", "0" };
    static const char *const values[] = { "many 100", "many 50", "", "many 50", "many 2" };
    struct seen seen[5] = { 0 }, mixed[4] = { 0 }, single = { 0 };

    (void) state;
    submit_keys(good, ARRAY_LEN(good), seen);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(seen[i].code, OK);
        assert_string_equal(seen[i].value, values[i]);
    }
    submit_keys(bad, ARRAY_LEN(bad), mixed);
    assert_string_equal(mixed[0].value, "one 25");
    assert_string_equal(mixed[1].sqlstate, "22012");
    assert_string_equal(mixed[2].value, "one 20");
    assert_string_equal(mixed[3].sqlstate, "22012");
    submit_keys(good, 1, &single);
    assert_string_equal(single.value, "one 100");
}

static void terminate_all(void)
{
    admin(url, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
               "application_name = 'lanes'");
}

static void on_terminate(uv_timer_t *timer)
{
    (void) timer;
    terminate_all();
}

/* What the server had not executed when it said good-bye goes out again on the next connection. */
static void test_lost_connections_come_back(void **state)
{
    struct seen seen[4] = { 0 };
    struct db_op slow[] = { { .stmt = &insert, .params = { "20", "x" } },
                            { .stmt = &sleep_s, .params = { "0.4" } } };
    uv_timer_t timer;

    (void) state;
    for (int round = 0; round < 3; round++) {
        terminate_all();
        run_until(!is_up);
        run_until(is_up);
        submit(DB_READ, &echo, "again", &seen[0]);
        run_until(n_answers == round + 1);
        assert_int_equal(seen[0].code, OK);
    }
    assert_true(n_downs >= 3);
    n_answers = 0;
    db_submit(db, DB_WRITE, slow, 2, on_reply, &seen[1]);
    submit(DB_WRITE, &insert, "21", &seen[2]); /* stands behind the slow one */
    submit(DB_READ, &sleep_s, "0.4", &seen[3]);
    assert_int_equal(uv_timer_init(&loop, &timer), 0);
    assert_int_equal(uv_timer_start(&timer, on_terminate, 200, 0), 0);
    run_until(n_answers == 3);
    uv_close((uv_handle_t *) &timer, NULL);
    for (int i = 1; i < 4; i++)
        if (seen[i].code != OK)
            fail_msg("%d: %s (%s)", i, seen[i].err.message, seen[i].err.detail);
    assert_int_equal(admin_number(url, "SELECT count(*) FROM t WHERE id IN (20, 21)"), 2);
    run_until(is_up);
}

static void test_notifications_and_missed_ones(void **state)
{
    struct seen seen = { 0 };

    (void) state;
    assert_string_equal(notes, "house= "); /* LISTEN was established */
    submit(DB_WRITE, &notify, "hello", &seen);
    run_until(strstr(notes, "house=hello"));
    admin(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
               "'lanes' AND query LIKE "
               "'%LISTEN%'");
    notes[0] = '\0';
    run_until(strstr(notes, "house= ")); /* something may have been missed */
    admin(url, "NOTIFY house, 'back'");
    run_until(strstr(notes, "house=back"));
}

static void test_a_changed_table(void **state)
{
    struct seen seen[3] = { 0 };

    (void) state;
    submit(DB_READ, &star, NULL, &seen[0]);
    run_until(n_answers == 1);
    admin(url, "ALTER TABLE star ADD COLUMN b int");
    submit(DB_READ, &star, NULL, &seen[1]);
    submit(DB_READ, &echo, "beside", &seen[2]);
    run_until(n_answers == 3);
    assert_int_equal(seen[1].code, OK);
    assert_int_equal(seen[2].code, OK);
    run_until(is_up);
}

static void test_deadlocks_are_repeated(void **state)
{
    struct seen seen = { 0 };
    struct db_op ops[] = { { .stmt = &up, .params = { "51" } },
                           { .stmt = &sleep_s, .params = { "0.3" } },
                           { .stmt = &up, .params = { "52" } } };
    PGconn *other = PQconnectdb(url);

    (void) state;
    admin(url, "INSERT INTO t VALUES (51, ''), (52, '')");
    /* this side waits without deadlock detection of its own, so that the lane is the one who loses
     */
    PQclear(PQexec(other, "SET deadlock_timeout = '20s'"));
    PQclear(PQexec(other, "BEGIN; UPDATE t SET v = v || 'o' WHERE id = 52"));
    db_submit(db, DB_WRITE, ops, 3, on_reply, &seen);
    for (int64_t end = clock_mono_ms() + 150; clock_mono_ms() < end;)
        (void) uv_run(&loop, UV_RUN_NOWAIT), usleep(1000);
    assert_int_equal(PQsendQuery(other, "UPDATE t SET v = v || 'o' WHERE id = 51; COMMIT"), 1);
    (void) PQflush(other);
    run_until(n_answers == 1);
    assert_int_equal(seen.code, OK);
    PQfinish(other);
    assert_int_equal(admin_number(url, "SELECT sum(length(v)) FROM t WHERE id IN (51, 52)"), 4);
}

/* Lock and statement timeouts of the server come back in its words, before our own deadline. */
static void test_locked_rows(void **state)
{
    struct seen seen[2] = { 0 };
    PGconn *other = PQconnectdb(url);
    int64_t start = clock_mono_ms();

    admin(url, "INSERT INTO t VALUES (61, '')");
    (void) state;
    PQclear(PQexec(other, "BEGIN; UPDATE t SET v = 'o' WHERE id = 61"));
    submit(DB_WRITE, &up, "61", &seen[0]);
    submit(DB_READ, &sleep_s, "30", &seen[1]);
    run_until(n_answers == 2);
    assert_int_equal(seen[0].code, ERR_UNAVAILABLE);
    assert_string_equal(seen[0].sqlstate, "55P03");
    assert_in_range(seen[0].at_ms - start, 1900, 4900);
    assert_int_equal(seen[1].code, ERR_UNAVAILABLE);
    assert_string_equal(seen[1].sqlstate, "57014");
    PQfinish(other);
    assert_true(is_up && n_downs == 0);
}

static long backend(const char *query_like)
{
    char *sql = xasprintf(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'lanes' AND query LIKE '%s'"
        " ORDER BY backend_start LIMIT 1",
        query_like);
    long pid = admin_number(url, sql);

    free(sql);
    return pid;
}

/* A server that stops answering without a word (SIGSTOP stands for a black hole on the way). */
static void test_a_silent_server(void **state)
{
    struct seen seen[4] = { 0 };
    int64_t start;
    long reader, writer;

    (void) state;
    submit(DB_READ, &echo, "a", &seen[0]);
    submit(DB_WRITE, &up, "61", &seen[1]);
    run_until(n_answers == 2);
    reader = backend("SELECT $1::text");
    writer = backend("UPDATE t SET%");
    if (kill((pid_t) reader, SIGSTOP) != 0 || kill((pid_t) writer, SIGSTOP) != 0) {
        print_message("no right to stop the server's processes: not tested\n");
        return;
    }
    start = clock_mono_ms();
    submit(DB_READ, &echo, "b", &seen[2]);
    submit(DB_WRITE, &up, "61", &seen[3]);
    run_until(n_answers == 4);
    assert_int_equal(seen[2].code, ERR_UNAVAILABLE);
    assert_int_equal(seen[3].code, ERR_UNKNOWN_OUTCOME);
    assert_in_range(seen[2].at_ms - start, 4900, 9000);
    run_until(!is_up);
    assert_in_range(clock_mono_ms() - start, 5000, 10000);
    run_until(is_up);
    submit(DB_READ, &echo, "c", &seen[2]);
    run_until(n_answers == 5);
    assert_int_equal(seen[2].code, OK);
    (void) kill((pid_t) reader, SIGCONT);
    (void) kill((pid_t) writer, SIGCONT);
}

static void test_a_full_queue(void **state)
{
    static struct seen seen[6000];
    int ok = 0, full = 0;

    (void) state;
    for (int i = 0; i < 6000; i++)
        submit(DB_READ, &echo, "x", &seen[i]);
    run_until(n_answers == 6000);
    for (int i = 0; i < 6000; i++) {
        assert_int_equal(seen[i].calls, 1);
        ok += seen[i].code == OK;
        full += seen[i].code == ERR_UNAVAILABLE && strstr(seen[i].err.detail, "full") != NULL;
    }
    assert_int_equal(ok, 4096);
    assert_int_equal(full, 6000 - 4096);
}

/* A chain of phases: each answer submits the next, as handlers do. */
static int n_chain;
static void next_link(const struct db_reply *reply, void *user)
{
    assert_int_equal(reply->err.code, OK);
    n_answers++;
    if (--n_chain > 0)
        db_submit(db, DB_READ, &(struct db_op){ .stmt = &echo, .params = { "x" } }, 1, next_link,
                  user);
}

static void test_answers_that_submit(void **state)
{
    (void) state;
    n_chain = 2000;
    db_submit(db, DB_READ, &(struct db_op){ .stmt = &echo, .params = { "x" } }, 1, next_link, NULL);
    run_until(n_answers == 2000);
}

static void test_closing_answers_everybody(void **state)
{
    static struct seen seen[100];

    (void) state;
    open_db(url, 0);
    run_until(is_up);
    memset(seen, 0, sizeof seen);
    submit(DB_WRITE, &sleep_s, "1", &seen[0]);
    for (int i = 0; i < 20; i++)
        (void) uv_run(&loop, UV_RUN_NOWAIT);
    for (int i = 1; i < 100; i++)
        submit(i % 2 ? DB_READ : DB_LIST, &sleep_s, "1", &seen[i]);
    (void) teardown(NULL);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(seen[i].calls, 1);
        assert_int_equal(seen[i].code, i == 0 ? ERR_UNKNOWN_OUTCOME : ERR_UNAVAILABLE);
    }
    open_db(url, 0); /* and right after opening, with the connections still being made */
    submit(DB_READ, &echo, "x", &seen[0]);
    (void) teardown(NULL);
    assert_int_equal(seen[0].code, ERR_UNAVAILABLE);
}

static void test_no_server(void **state)
{
    struct seen seen[2] = { 0 };
    int64_t start = clock_mono_ms();

    (void) state;
    open_db("host=/nowhere dbname=x", 0);
    submit(DB_READ, &echo, "x", &seen[0]);
    run_until(n_answers == 1);
    assert_int_equal(seen[0].code, ERR_UNAVAILABLE);
    assert_in_range(seen[0].at_ms - start, 1500,
                    6000); /* a restart of the server may be that short */
    start = clock_mono_ms();
    submit(DB_WRITE, &insert, "1", &seen[1]);
    run_until(n_answers == 2);
    assert_int_equal(seen[1].code, ERR_UNAVAILABLE);
    assert_true(seen[1].at_ms - start < 1000); /* it is known to be away */
    assert_false(db_is_up(db));
    (void) teardown(NULL);
}

#define lane_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        lane_test(test_reads_of_a_turn),
        lane_test(test_a_failing_neighbour),
        lane_test(test_writes_are_atomic),
        lane_test(test_reading_lanes_do_not_write),
        lane_test(test_reads_that_ask_the_same_are_asked_once),
        lane_test(test_reads_by_key_travel_together),
        lane_test(test_lost_connections_come_back),
        lane_test(test_notifications_and_missed_ones),
        lane_test(test_a_changed_table),
        lane_test(test_deadlocks_are_repeated),
        lane_test(test_locked_rows),
        lane_test(test_a_silent_server),
        lane_test(test_a_full_queue),
        lane_test(test_answers_that_submit),
        cmocka_unit_test(test_closing_answers_everybody),
        cmocka_unit_test(test_no_server),
    };
    int failures;

    url = fresh_database("lanes_test");
    admin(url, "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE star (a int);"
               "CREATE TABLE parent (id int PRIMARY KEY);"
               "CREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
    failures = cmocka_run_group_tests(tests, NULL, NULL);
    free(url);
    return failures;
}
