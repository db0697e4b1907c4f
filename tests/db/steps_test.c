/*
 * steps_test.c - the engine's half of the store against a real PostgreSQL: creation of runs,
 * admission, claims, fencing, marks, checkpoints, the sequencer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "steward/json.h"
#include "steward/run_store.h"
#include "steward/step_store.h"
#include "steward/str.h"
#include "steward/timeline_store.h"

static struct db_conn *db;

static void ok(enum err_code rc, const struct err *e)
{
    if (rc)
        fail_msg("%s (%s)", e->message, e->detail);
}

static PGresult *sql(const char *text)
{
    static char names[64][24];
    static int n;
    static struct db_stmt stmts[64];
    struct db_op op = { .stmt = &stmts[n % 64] };
    PGresult *r = NULL;
    struct err e;

    (void) snprintf(names[n % 64], sizeof names[0], "test_%d", n);
    stmts[n % 64] = (struct db_stmt){ names[n % 64], text, 0 };
    n++;
    ok(db_query(db, &op, &r, &e), &e);
    return r;
}

static void assert_sql(const char *text, const char *expected)
{
    AUTO_PGRES PGresult *r = sql(text);

    assert_int_equal(PQntuples(r), 1);
    assert_string_equal(PQgetvalue(r, 0, 0), expected);
}

static void run_sql(const char *text)
{
    PQclear(sql(text));
}

static int setup(void **state)
{
    const char *url = getenv("STEWARD_TEST_DATABASE_URL");
    struct timeline here;
    struct err e;
    int applied;

    (void) state;
    if (!url)
        exit(77);
    ok(db_conn_open(url, "steps_test", &db, &e), &e);
    run_sql("DROP SCHEMA public CASCADE");
    run_sql("CREATE SCHEMA public");
    ok(db_migrate(db, &applied, &e), &e);
    assert_true(applied >= 1);
    run_sql("INSERT INTO configs (name, version) VALUES ('shop', 1)");
    run_sql("INSERT INTO server_identity (deployment_id) VALUES ('steps-test')");
    ok(timeline_store_check(db, 1000, &here, &e), &e);
    assert_false(here.is_new);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    db_conn_close(db);
    return 0;
}

/* A plan of n steps, each needing the one before. */
static void make_plan(struct plan *p, size_t n, enum kind_id kind, const char *prefix)
{
    *p = (struct plan){ 0 };
    p->steps = arena_alloc(&p->arena, n * sizeof *p->steps);
    p->n_steps = n;
    for (size_t i = 0; i < n; i++) {
        struct plan_step *s = &p->steps[i];

        s->kind = kind;
        s->name = arena_printf(&p->arena, "%s%zu", prefix, i);
        s->key = arena_printf(&p->arena, "%s/%s", kinds[kind].name, s->name);
        s->pointer = "/x";
        s->request = json_pack("{s:s}", "name", s->name);
        s->tags = json_array();
        s->refs = i ? json_pack("{s:s}", "parentArn", p->steps[i - 1].key) : json_object();
        s->options = json_object();
        if (i)
            s->needs[s->n_needs++] = i - 1;
    }
}

static void create_run(char id[ID_BYTES], size_t n, enum kind_id kind, const char *prefix)
{
    struct arena arena = { 0 };
    struct run_new run = { .config = "shop",
                           .config_version = 1,
                           .kind = RUN_KIND_APPLY,
                           .trigger = "api",
                           .overlap = "queue" };
    struct db_op ops[RUN_STORE_OPS];
    struct plan plan;
    struct err e;

    make_plan(&plan, n, kind, prefix);
    id_new("run", run.id);
    ok(db_run(db, ops, run_store_insert(&arena, &run, &plan, ops), NULL, &e), &e);
    memcpy(id, run.id, ID_BYTES);
    plan_done(&plan);
    arena_done(&arena);
}

static struct claim claim(const char *owner, struct arena *arena, int limit)
{
    struct claim_wish wish = { .limit = limit, .lease_ms = 30000, .arena = arena };
    struct claim c;
    struct err e;

    ok(step_store_claim(db, owner, &wish, &c, &e), &e);
    return c;
}

static int quotas[KIND_COUNT];

static void admit(void)
{
    size_t changed;
    struct err e;

    ok(step_store_admit(db, quotas, &changed, &e), &e);
}

/* Writes one step's end (or wait) as the worker does. */
static size_t write_down(const char *owner, const struct step_row *row, const char *state,
                         const char *arn)
{
    char event[ID_BYTES];
    struct checkpoint cp = { .events = json_array(), .has_config = true };
    struct err e;
    bool is_final = !str_eq(state, "waiting");

    id_new("evt", event);
    cp.steps =
        json_pack("[{s:s, s:s, s:I, s:s, s:b, s:b, s:b, s:b, s:i, s:s?, s:i, s:s, s:o}]", "id",
                  row->id, "run_id", row->run_id, "token", (json_int_t) row->token, "state", state,
                  "is_saved", arn != NULL, "is_refund", 0, "is_retry", 0, "is_ambiguous", 0,
                  "sends", row->step.sends, "arn", arn, "failures", 0, "aws_status", "ACTIVE",
                  "wake_ms", is_final ? json_null() : json_integer(0));
    if (str_eq(state, "succeeded"))
        json_object_set_new(json_array_get(cp.steps, 0), "result", json_string("created"));
    cp.run_events = json_pack("[{s:s, s:s}]", "run_id", row->run_id, "event_id", event);
    ok(step_store_checkpoint(db, owner, &cp, &e), &e);
    json_decref(cp.steps);
    json_decref(cp.events);
    json_decref(cp.run_events);
    return cp.lost;
}

static void done(struct claim *c, struct arena *arena)
{
    for (size_t i = 0; i < c->count; i++)
        step_row_done(&c->rows[i]);
    arena_done(arena);
}

static void test_chain_to_the_end(void **state)
{
    char id[ID_BYTES];

    (void) state;
    create_run(id, 3, KIND_SOLUTION, "chain");
    assert_sql("SELECT count(*) FROM steps WHERE state = 'blocked'", "3");
    admit();
    for (int i = 0; i < 3; i++) {
        struct arena arena = { 0 };
        struct claim c = claim("me", &arena, 10);

        assert_int_equal(c.count, 1);
        assert_int_equal(c.rows[0].ordinal, i);
        if (i) {
            const char *expected = i == 1 ? "arn:0" : "arn:1";

            assert_string_equal(json_text(c.rows[0].arns, "parentArn"), expected);
        }
        assert_int_equal(write_down("me", &c.rows[0], "succeeded",
                                    i == 0   ? "arn:0"
                                    : i == 1 ? "arn:1"
                                             : "arn:2"),
                         0);
        done(&c, &arena);
    }
    assert_sql("SELECT state || ' ' || result || ' ' || open_steps FROM runs",
               "succeeded changed 0");
    assert_sql("SELECT count(*) FROM run_claims", "0");
    assert_sql("SELECT sync || ' ' || health FROM configs", "synced healthy");
    assert_sql("SELECT count(*) FROM resources WHERE status = 'ACTIVE'", "3");
    assert_sql("SELECT string_agg(type, ',' ORDER BY time) FROM events WHERE step_id IS NULL",
               "run.queued,run.started,run.succeeded");
}

/* A stale worker's checkpoint, mark and renewal change nothing: its token is old. */
static void test_lost_lease_is_fenced(void **state)
{
    struct arena arena = { 0 }, arena2 = { 0 };
    char id[ID_BYTES];
    struct claim stale, fresh;
    struct mark mark;
    struct mark_terms terms = {
        .owner = "me", .lease_ms = 30000, .fuse_per_solution = 4, .fuse_per_account = 20
    };
    struct err e;

    (void) state;
    create_run(id, 1, KIND_CAMPAIGN, "fence");
    admit();
    stale = claim("old", &arena, 1);
    assert_int_equal(stale.count, 1);
    run_sql("UPDATE steps SET wake_at = now() - interval '1 s' WHERE state = 'ready'"); /* the lease
                                                                                           lapsed */
    fresh = claim("new", &arena2, 1);
    assert_int_equal(fresh.count, 1);
    assert_true(fresh.rows[0].token > stale.rows[0].token);
    mark = (struct mark){
        .row = &stale.rows[0], .op = OP_CREATE, .intent_name = "x", .request = stale.rows[0].request
    };
    terms.owner = "old";
    ok(step_store_mark(db, &terms, &mark, 1, &e), &e);
    assert_int_equal(mark.result, OUT_MARK_LOST);
    assert_sql("SELECT sends FROM steps WHERE name = 'fence0'", "0");
    assert_int_equal(write_down("old", &stale.rows[0], "succeeded", "arn:old"), 1);
    assert_sql("SELECT state FROM steps WHERE name = 'fence0'", "ready");
    assert_sql("SELECT count(*) FROM events WHERE type = 'run.succeeded' AND run_id = (SELECT "
               "max(id) FROM runs)",
               "0");
    mark.row = &fresh.rows[0];
    terms.owner = "new";
    ok(step_store_mark(db, &terms, &mark, 1, &e), &e);
    assert_int_equal(mark.result, OUT_MARKED);
    assert_int_equal(mark.sends, 1);
    assert_int_equal(write_down("new", &fresh.rows[0], "succeeded", "arn:new"), 0);
    assert_sql("SELECT state || ' ' || arn FROM steps WHERE name = 'fence0'", "succeeded arn:new");
    done(&stale, &arena);
    done(&fresh, &arena2);
}

static void test_cancel_wins_over_mark(void **state)
{
    struct arena arena = { 0 };
    char id[ID_BYTES];
    struct claim c;
    struct mark mark;
    struct mark_terms terms = {
        .owner = "me", .lease_ms = 30000, .fuse_per_solution = 4, .fuse_per_account = 20
    };
    struct err e;

    (void) state;
    create_run(id, 1, KIND_FILTER, "cancel");
    admit();
    c = claim("me", &arena, 1);
    run_sql("UPDATE runs SET cancel_requested_at = now(), state = 'cancelling' WHERE state = "
            "'running'");
    mark = (struct mark){
        .row = &c.rows[0], .op = OP_CREATE, .intent_name = "x", .request = c.rows[0].request
    };
    ok(step_store_mark(db, &terms, &mark, 1, &e), &e);
    assert_int_equal(mark.result, OUT_MARK_CANCELLED);
    assert_int_equal(write_down("me", &c.rows[0], "cancelled", NULL), 0);
    assert_sql("SELECT state FROM runs ORDER BY id DESC LIMIT 1", "cancelled");
    done(&c, &arena);
}

/* Another history than the one on record: whoever holds a lease of before marks nothing, the halt
 * is put on record once, and every open step is to be looked at again. */
static void test_a_restore_stops_marks(void **state)
{
    struct arena arena = { 0 };
    char id[ID_BYTES];
    struct claim c;
    struct mark mark;
    struct mark_terms terms = {
        .owner = "me", .lease_ms = 30000, .fuse_per_solution = 4, .fuse_per_account = 20
    };
    struct timeline t;
    struct err e;

    (void) state;
    create_run(id, 1, KIND_CAMPAIGN, "restored");
    admit();
    c = claim("me", &arena, 1);
    mark = (struct mark){
        .row = &c.rows[0], .op = OP_CREATE, .intent_name = "x", .request = c.rows[0].request
    };
    run_sql("UPDATE server_identity SET timeline = '7/1/2'");
    ok(step_store_mark(db, &terms, &mark, 1, &e), &e);
    assert_int_equal(mark.result, OUT_MARK_HALTED); /* before anybody has noticed, too */
    ok(timeline_store_check(db, 60000, &t, &e), &e);
    assert_true(t.is_new);
    ok(step_store_mark(db, &terms, &mark, 1, &e), &e);
    assert_int_equal(mark.result, OUT_MARK_LOST); /* leases of the other history are void */
    assert_sql("SELECT is_restored AND lease_owner IS NULL AND wake_at > clock_timestamp() + "
               "interval '50 s' FROM steps WHERE name = 'restored0'",
               "t");
    ok(timeline_store_check(db, 60000, &t, &e), &e);
    assert_false(t.is_new);
    done(&c, &arena);
    run_sql("UPDATE server_identity SET halted_until = clock_timestamp()");
    run_sql("UPDATE steps SET wake_at = clock_timestamp() WHERE name = 'restored0'");
    c = claim("me", &arena, 1);
    assert_true(c.rows[0].is_restored);
    mark.row = &c.rows[0];
    mark.request = c.rows[0].request;
    ok(step_store_mark(db, &terms, &mark, 1, &e), &e);
    assert_int_equal(mark.result, OUT_MARKED);
    assert_int_equal(write_down("me", &c.rows[0], "succeeded", "arn:restored"), 0);
    done(&c, &arena);
}

static enum outcome_type mark_training(const struct mark_terms *terms)
{
    struct arena arena = { 0 };
    char id[ID_BYTES];
    struct claim c;
    struct mark mark;
    struct err e;

    create_run(id, 1, KIND_SOLUTION_VERSION, "fused");
    admit();
    c = claim("me", &arena, 1);
    assert_int_equal(c.count, 1);
    mark = (struct mark){
        .row = &c.rows[0], .op = OP_CREATE, .intent_name = "x", .request = c.rows[0].request
    };
    ok(step_store_mark(db, terms, &mark, 1, &e), &e);
    if (mark.result == OUT_MARK_FUSE)
        assert_true(mark.until_ms > c.db_now_ms + 23 * 3600 * 1000);
    assert_int_equal(write_down("me", &c.rows[0], "succeeded", "arn:version"), 0);
    done(&c, &arena);
    return mark.result;
}

/* I12: the fuse is counted in the mark itself, and says when its window frees. */
static void test_fuse(void **state)
{
    struct mark_terms terms = {
        .owner = "me", .lease_ms = 30000, .fuse_per_solution = 1, .fuse_per_account = 20
    };

    (void) state;
    assert_int_equal(mark_training(&terms), OUT_MARKED);
    assert_int_equal(mark_training(&terms), OUT_MARK_FUSE);
    /* Trainings that schedules started today raise the limit of a solution: one of them, so 1 + 2
     * may be begun. */
    run_sql("INSERT INTO schedules (id, config, kind, expression) VALUES ('sch_fuse', 'shop', "
            "'train', 'rate(1 day)')");
    run_sql("INSERT INTO schedule_fires (schedule_id, generation, nominal_local, nominal_at, "
            "outcome, run_id)"
            " SELECT 'sch_fuse', 1, 'x', now(), 'started', min(run_id) FROM steps WHERE name = "
            "'fused0'");
    assert_int_equal(mark_training(&terms), OUT_MARKED);
    run_sql(
        "UPDATE steps SET spent = 3 WHERE id = (SELECT max(id) FROM steps WHERE name = 'fused0')");
    assert_int_equal(mark_training(&terms), OUT_MARK_FUSE);
    run_sql("DELETE FROM schedules WHERE id = 'sch_fuse'");
    run_sql("UPDATE steps SET spent = 0");
}

/* Thousands of runs behind one resource once hid the younger ones behind another: admission looked
   at the oldest 2,000 queued runs only. */
static void test_a_long_queue_hides_nobody(void **state)
{
    struct arena arena = { 0 };
    char holder[ID_BYTES], stranger[ID_BYTES];
    struct claim c;

    (void) state;
    create_run(holder, 1, KIND_SOLUTION, "crowd");
    admit();
    run_sql("INSERT INTO runs (id, config, kind, claims, created_at, open_steps, total_steps)"
            " SELECT 'run_crowd' || n, 'shop', 'apply', '{solution/crowd0}', now() + n * interval "
            "'1 ms', 1, 1"
            " FROM generate_series(1, 3000) n");
    create_run(stranger, 1, KIND_SOLUTION, "stranger");
    run_sql("UPDATE runs SET created_at = now() + interval '1 hour' WHERE id = (SELECT max(run_id) "
            "FROM steps WHERE name = "
            "'stranger0')");
    admit();
    assert_sql(
        "SELECT r.state FROM runs r JOIN steps s ON s.run_id = r.id WHERE s.name = 'stranger0'",
        "running");
    assert_sql("SELECT count(*) FROM runs WHERE state = 'queued'", "3000");
    assert_sql("SELECT count(*) FROM runs WHERE state = 'queued' AND reason LIKE 'Waits for run_%'",
               "200");
    run_sql("DELETE FROM runs WHERE id LIKE 'run_crowd%'");
    assert_sql("SELECT count(*) FROM run_wants", "0");
    c = claim("me", &arena, 10);
    for (size_t i = 0; i < c.count; i++)
        assert_int_equal(write_down("me", &c.rows[i], "succeeded", "arn:crowd"), 0);
    done(&c, &arena);
}

static enum outcome_type mark_import(const struct step_row *row, struct mark *m)
{
    const struct mark_terms terms = {
        .owner = "me", .lease_ms = 30000, .fuse_per_solution = 4, .fuse_per_account = 20
    };
    struct err e;

    *m = (struct mark){
        .row = row, .op = OP_CREATE, .intent_name = "x", .request = row->request, .quota = 2
    };
    ok(step_store_mark(db, &terms, m, 1, &e), &e);
    return m->result;
}

/* Three imports of one config and then one of another, and room for two: the third waits in line,
   the other config's goes before it when one ends, and nobody is woken before. */
static void test_quota_is_shared_fairly(void **state)
{
    struct arena arena = { 0 }, again = { 0 };
    char id[ID_BYTES];
    struct claim c, woken;
    struct mark m;

    (void) state;
    run_sql("INSERT INTO configs (name, version) VALUES ('other', 1)");
    for (int i = 0; i < 4; i++) {
        create_run(id, 1, KIND_DATASET_IMPORT_JOB,
                   i == 0   ? "qa"
                   : i == 1 ? "qb"
                   : i == 2 ? "qc"
                            : "qd");
        admit();
    }
    run_sql("UPDATE runs SET config = 'other' WHERE id = (SELECT run_id FROM steps WHERE name = "
            "'qd0')");
    run_sql("UPDATE steps SET wake_at = now() - (10 - length(name)) * interval '1 s' WHERE name "
            "LIKE 'q_0'");
    c = claim("me", &arena, 10);
    assert_int_equal(c.count, 4);
    for (size_t i = 0; i < c.count; i++) {
        assert_int_equal(mark_import(&c.rows[i], &m), i < 2 ? OUT_MARKED : OUT_MARK_QUOTA);
        run_sql("UPDATE steps SET state = 'waiting' WHERE name LIKE 'q_0'");
    }
    run_sql("UPDATE steps SET lease_owner = NULL, wake_at = now() + interval '10 min' WHERE name "
            "IN ('qc0', 'qd0')");
    quotas[KIND_DATASET_IMPORT_JOB] = 2;
    admit();
    assert_sql("SELECT count(*) FROM steps WHERE name LIKE 'q_0' AND wake_at <= clock_timestamp()",
               "0");
    assert_int_equal(write_down("me", &c.rows[0], "succeeded", "arn:q"), 0);
    admit();
    assert_sql("SELECT string_agg(name, ',') FROM steps WHERE state = 'waiting' AND wake_at <= "
               "clock_timestamp()",
               "qd0");
    woken = claim("me", &again, 10);
    assert_int_equal(woken.count, 1);
    assert_int_equal(mark_import(&woken.rows[0], &m), OUT_MARKED);
    assert_sql("SELECT count(*) FROM steps WHERE quota_since IS NOT NULL", "1");
    quotas[KIND_DATASET_IMPORT_JOB] = 0;
    run_sql("DELETE FROM runs WHERE id IN (SELECT run_id FROM steps WHERE name LIKE 'q_0')");
    run_sql("DELETE FROM configs WHERE name = 'other'");
    done(&c, &arena);
    done(&woken, &again);
}

/* Two runs that want the same resource: the younger waits, and starts when the older one ends. A
 * stranger does not wait. */
static void test_mutual_exclusion(void **state)
{
    struct arena arena = { 0 };
    char first[ID_BYTES], second[ID_BYTES], stranger[ID_BYTES];
    struct claim c;

    (void) state;
    create_run(first, 1, KIND_SOLUTION, "excl");
    create_run(second, 1, KIND_SOLUTION, "excl");
    create_run(stranger, 1, KIND_SOLUTION, "other");
    admit();
    assert_sql("SELECT count(*) FROM runs WHERE state = 'queued'", "1");
    c = claim("me", &arena, 10);
    assert_int_equal(c.count, 2);
    for (size_t i = 0; i < c.count; i++)
        assert_int_equal(write_down("me", &c.rows[i], "succeeded", "arn:e"), 0);
    done(&c, &arena);
    admit();
    c = claim("me", &arena, 10);
    assert_int_equal(c.count, 1);
    assert_string_equal(c.rows[0].run_id, second);
    assert_int_equal(write_down("me", &c.rows[0], "succeeded", "arn:e"), 0);
    done(&c, &arena);
}

/* Two runs that hold no claims (observations) put the same resource into one checkpoint: the insert
   met its own row, and the whole checkpoint of a worker was refused again and again. */
static void test_two_steps_on_one_resource_in_one_checkpoint(void **state)
{
    struct arena arena = { 0 };
    struct checkpoint cp = { .has_config = true };
    char first[ID_BYTES], second[ID_BYTES], event[2][ID_BYTES];
    struct claim c;
    struct err e;

    (void) state;
    create_run(first, 1, KIND_SOLUTION, "same");
    admit();
    create_run(second, 1, KIND_SOLUTION, "same");
    run_sql("UPDATE runs SET claims = '{}' WHERE state = 'queued'");
    admit();
    c = claim("me", &arena, 10);
    assert_int_equal(c.count, 2);
    cp.steps = json_array();
    cp.events = json_array();
    cp.run_events = json_array();
    for (size_t i = 0; i < 2; i++) {
        id_new("evt", event[i]);
        json_array_append_new(
            cp.steps,
            json_pack("{s:s, s:s, s:I, s:s, s:b, s:b, s:b, s:b, s:i, s:s, s:i, s:s, s:s, s:n}",
                      "id", c.rows[i].id, "run_id", c.rows[i].run_id, "token",
                      (json_int_t) c.rows[i].token, "state", "succeeded", "is_saved", 0,
                      "is_refund", 0, "is_retry", 0, "is_ambiguous", 0, "sends", 0, "arn",
                      "arn:same", "failures", 0, "aws_status", "ACTIVE", "result", "unchanged",
                      "wake_ms"));
        json_array_append_new(cp.run_events, json_pack("{s:s, s:s}", "run_id", c.rows[i].run_id,
                                                       "event_id", event[i]));
    }
    ok(step_store_checkpoint(db, "me", &cp, &e), &e);
    assert_int_equal(cp.lost, 0);
    assert_int_equal(cp.ended, 2);
    json_decref(cp.steps);
    json_decref(cp.events);
    json_decref(cp.run_events);
    done(&c, &arena);
}

static void test_failure_skips_what_hangs_below(void **state)
{
    struct arena arena = { 0 };
    char id[ID_BYTES];
    struct claim c;

    (void) state;
    create_run(id, 4, KIND_SOLUTION, "below");
    admit();
    c = claim("me", &arena, 10);
    assert_int_equal(write_down("me", &c.rows[0], "failed", NULL), 0);
    done(&c, &arena);
    assert_sql("SELECT count(*) FROM steps WHERE name LIKE 'below%' AND state = 'skipped'", "3");
    assert_sql("SELECT state || ' ' || reason FROM runs ORDER BY id DESC LIMIT 1",
               "failed solution below0: failed");
    assert_sql("SELECT sync || ' ' || health FROM configs", "outOfSync degraded");
}

static void test_sequencer_numbers_without_gaps(void **state)
{
    struct err e;
    size_t count, total = 0;

    (void) state;
    do {
        ok(event_store_sequence(db, &count, &e), &e);
        total += count;
    } while (count);
    assert_true(total > 10);
    assert_sql("SELECT (max(seq) = count(*) AND min(seq) = 1)::text FROM events", "true");
    assert_sql("SELECT count(*) FROM events WHERE seq IS NULL", "0");
    /* Within a run, sequence follows time. */
    assert_sql("SELECT count(*) FROM events a JOIN events b ON a.run_id = b.run_id AND a.seq < "
               "b.seq AND a.time > b.time",
               "0");
}

static int64_t due_entries_read(void)
{
    AUTO_PGRES PGresult *r = NULL;

    run_sql("SELECT pg_stat_force_next_flush()");
    r = sql("SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'steps_due'");
    return strtoll(PQgetvalue(r, 0, 0), NULL, 10);
}

/* The plan of a checkpoint went through everything that was due or waited, and through all of its
   own items for each: with a backlog of thousands the engine read it whole for every few steps. */
static void test_a_checkpoint_reads_its_own_steps_only(void **state)
{
    struct arena arena = { 0 };
    char id[ID_BYTES];
    struct claim c;
    int64_t before;

    (void) state;
    run_sql("INSERT INTO runs (id, kind) VALUES ('run_w', 'apply')");
    run_sql("INSERT INTO steps (id, run_id, ordinal, kind, verb, name, resource_key, state,"
            " wake_at) SELECT 'stp_w' || g, 'run_w', g, 'solution', 'ensure', 'w', 'w', 'waiting',"
            " now() + interval '1 day' FROM generate_series(1, 5000) g");
    create_run(id, 2, KIND_SOLUTION, "own");
    admit();
    c = claim("me", &arena, 10);
    assert_int_equal(c.count, 1);
    before = due_entries_read();
    assert_int_equal(write_down("me", &c.rows[0], "waiting", "arn:own"), 0);
    assert_true(due_entries_read() - before < 500);
    done(&c, &arena);
    run_sql("DELETE FROM runs WHERE id IN (SELECT run_id FROM steps WHERE name = 'w' OR name LIKE "
            "'own%')");
}

/* The two queries every replica runs all the time must use their indexes (100,000 waiting rows: 22
 * ms against 0.025 ms). */
static void test_due_query_uses_index(void **state)
{
    AUTO_PGRES PGresult *r = NULL;
    bool is_index = false;

    (void) state;
    run_sql(
        "INSERT INTO runs (id, kind) SELECT 'run_x' || g, 'apply' FROM generate_series(1, 20) g");
    run_sql(
        "INSERT INTO steps (id, run_id, ordinal, kind, verb, name, resource_key, state, wake_at)"
        " SELECT 'stp_x' || g, 'run_x' || (g % 20 + 1), g, 'solution', 'ensure', 'x', 'x', "
        "'waiting',"
        " now() + interval '1 day' FROM generate_series(1, 20000) g");
    run_sql("ANALYZE steps");
    r = sql("EXPLAIN SELECT id FROM steps WHERE state IN ('ready', 'waiting') AND wake_at <= "
            "(SELECT clock_timestamp())"
            " ORDER BY wake_at LIMIT 64 FOR UPDATE SKIP LOCKED");
    for (int i = 0; i < PQntuples(r); i++)
        is_index |= strstr(PQgetvalue(r, i, 0), "Index Cond") != NULL;
    assert_true(is_index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_to_the_end),
        cmocka_unit_test(test_lost_lease_is_fenced),
        cmocka_unit_test(test_cancel_wins_over_mark),
        cmocka_unit_test(test_a_restore_stops_marks),
        cmocka_unit_test(test_fuse),
        cmocka_unit_test(test_a_long_queue_hides_nobody),
        cmocka_unit_test(test_quota_is_shared_fairly),
        cmocka_unit_test(test_mutual_exclusion),
        cmocka_unit_test(test_two_steps_on_one_resource_in_one_checkpoint),
        cmocka_unit_test(test_failure_skips_what_hangs_below),
        cmocka_unit_test(test_sequencer_numbers_without_gaps),
        cmocka_unit_test(test_a_checkpoint_reads_its_own_steps_only),
        cmocka_unit_test(test_due_query_uses_index),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
