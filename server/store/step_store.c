/*
 * step_store.c - claims, marks, leases.
 *
 * The lease of a step is (lease_owner, lease_token) with wake_at as its time. The database's clock
 * is the only one that counts, written as a sub-select so that the index is used. The checkpoint
 * and admission are next door (checkpoint_store.c, admission_store.c).
 */
#include "steward/step_store.h"

#include <stdlib.h>
#include <string.h>

#include "by_key.h"
#include "quota_line.h"
#include "row.h"
#include "shapes.h"
#include "steward/json.h"
#include "steward/str.h"

#define CLAIMS_MAX 20

static const struct db_stmt claim_due = {
    "step_claim",
    "WITH due AS MATERIALIZED ("
    "  SELECT id FROM steps WHERE state IN ('ready', 'waiting') AND wake_at <= (SELECT "
    "clock_timestamp())"
    "  ORDER BY wake_at LIMIT $1::int FOR UPDATE SKIP LOCKED),"
    " claimed AS (UPDATE steps s SET wake_at = clock_timestamp() + make_interval(secs => "
    "$3::float8),"
    "  lease_owner = $2, lease_token = s.lease_token + 1, claims = s.claims + 1"
    "  FROM due WHERE s.id = due.id RETURNING s.*)"
    " SELECT c.id, c.run_id, r.config, r.kind AS run_kind, c.ordinal, c.kind, c.verb, c.name, "
    "c.resource_key, c.state,"
    "  c.lease_token, c.claims, c.request, c.tags, c.options, c.attempt, c.intent_state, "
    "c.intent_op, c.intent_name,"
    "  c.intent_request, c.sends, (extract(epoch FROM c.last_mark_at) * 1000)::bigint AS "
    "last_mark_ms,"
    /* What is to be deleted may still be made again by an uncertain create of a run before. */
    "  (extract(epoch FROM greatest(c.ambiguous_at, CASE WHEN c.verb IN ('delete', 'retire') THEN "
    "(SELECT max(p.ambiguous_at) FROM runs q JOIN steps p ON p.run_id = q.id WHERE q.config = "
    "r.config AND p.resource_key = c.resource_key AND p.intent_op = 'create' AND q.finished_at > "
    "clock_timestamp() - interval '1 hour') END)) * 1000)::bigint AS ambiguous_ms, c.baseline, "
    "c.failures, c.arn, c.waiting_for,"
    "  c.details, c.is_restored, (extract(epoch FROM c.started_at) * 1000)::bigint AS started_ms,"
    "  (r.cancel_requested_at IS NOT NULL) AS is_cancelled, r.cancel_stops,"
    "  (SELECT json_object_agg(f.key, coalesce("
    "    (SELECT p.arn FROM steps p WHERE p.run_id = c.run_id AND p.resource_key = f.value AND "
    "p.state = 'succeeded' ORDER BY p.ordinal DESC LIMIT 1),"
    "    (SELECT q.arn FROM resources q WHERE q.key = f.value))) FROM jsonb_each_text(c.refs) f) "
    "AS arns,"
    "  (SELECT q.arn FROM resources q WHERE q.key = c.resource_key) AS known_arn,"
    "  CASE WHEN c.options ->> 'autoTraining' = 'restore' THEN (SELECT p.result FROM steps p WHERE "
    "p.run_id = c.run_id AND p.resource_key = c.resource_key AND p.ordinal < c.ordinal "
    "ORDER BY p.ordinal DESC LIMIT 1) WHEN c.kind = 'approval' THEN (SELECT p.result FROM steps p "
    "WHERE p.run_id = c.run_id AND p.kind = 'solutionVersion' AND p.resource_key = c.refs ->> "
    "'solutionVersionArn' ORDER BY p.ordinal DESC LIMIT 1) END AS earlier_result,"
    "  (SELECT json_build_object('config', q.config, 'details', live_details(q.details), 'drift', "
    "q.drift, "
    "'created_ms',"
    "    (extract(epoch FROM q.aws_created_at) * 1000)::bigint, 'took_ms', CASE WHEN q.status IN "
    "('ACTIVE', 'COMPLETED') THEN "
    "(extract(epoch FROM q.aws_updated_at - q.aws_created_at) * 1000)::bigint END) FROM resources "
    "q WHERE q.key = "
    "c.resource_key) AS known,"
    "  CASE WHEN c.options ->> 'onlyIfNewer' = 'true' THEN (SELECT (extract(epoch FROM "
    "max(q.aws_updated_at)) * 1000)::bigint FROM resources q WHERE q.config = r.config AND q.kind "
    "IN ('datasetImportJob', 'dataDeletionJob') AND q.status IN ('ACTIVE', 'COMPLETED')) END AS "
    "data_ms,"
    "  (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms"
    " FROM claimed c JOIN runs r ON r.id = c.run_id ORDER BY c.run_id, c.ordinal",
    3
};
static const struct db_stmt next_due = {
    "step_next_due",
    /* not min(): a plan of an empty table must not walk through a backlog later */
    "SELECT (SELECT (extract(epoch FROM wake_at - clock_timestamp()) * 1000)::bigint FROM steps"
    "  WHERE state IN ('ready', 'waiting') AND wake_at < 'infinity' ORDER BY wake_at LIMIT 1),"
    " (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    0
};

/* FOR SHARE on the runs first: a cancel that committed before is seen by the statement after, one
 * that comes later waits. */
static const struct db_stmt mark_lock_runs = {
    "mark_lock_runs",
    "SELECT r.id FROM runs r WHERE r.id = ANY (ARRAY(SELECT u.run_id FROM "
    "json_to_recordset($1::json) AS u(run_id text)))"
    " ORDER BY r.id FOR SHARE",
    1
};
/* A pause that committed before is seen by the statement after, one that comes later waits. */
static const struct db_stmt mark_lock_pause = { "mark_lock_pause",
                                                "SELECT pg_advisory_xact_lock_shared(7410025)", 0 };
static const struct db_stmt mark_lock_fuse = { "mark_lock_fuse",
                                               "SELECT pg_advisory_xact_lock(7410002)", 0 };
/* SQL has its own layout. */
/* clang-format off */
/* A place in line for a quota, in the transaction of the mark: whoever's place is beyond what is free stays in it. */
static const struct db_stmt mark_quota = {
    "step_mark_quota",
    "WITH wish AS (SELECT s.id, s.kind, coalesce(r.config, '') AS config, u.quota,"
    "   coalesce(s.quota_since, clock_timestamp()) AS since"
    "  FROM json_to_recordset($1::json) AS u(id text, token bigint, quota int)"
    "  JOIN steps s ON s.id = u.id AND s.lease_token = u.token AND s.lease_owner = $2 JOIN runs r ON r.id = s.run_id"
    "  WHERE u.quota > 0 AND s.state::text IN ('ready', 'waiting') AND s.intent_state <> 'maybe_sent'),"
    " used AS (" QUOTA_USED(" AND s.kind IN (SELECT kind FROM wish)") "),"
    " line AS (SELECT id, kind, config, since FROM wish UNION ALL " QUOTA_LINE(
    " AND s.kind IN (SELECT kind FROM wish) AND s.id NOT IN (SELECT id FROM wish)") "),"
    " placed AS (" QUOTA_PLACES "),"
    " judged AS (UPDATE steps s SET quota_since = CASE WHEN p.place <= w.quota THEN NULL ELSE w.since END"
    "  FROM wish w JOIN placed p ON p.id = w.id WHERE s.id = w.id RETURNING s.kind, w.config, s.quota_since)"
    " INSERT INTO quota_turns (kind, config, served_at)"
    " SELECT kind, config, max(clock_timestamp()) FROM judged WHERE quota_since IS NULL GROUP BY kind, config"
    " ON CONFLICT (kind, config) DO UPDATE SET served_at = excluded.served_at",
    2
};
#define FUSE_SPENT(condition)                                                         \
    "(SELECT coalesce(sum(f.spent), 0) FROM steps f WHERE f.kind = 'solutionVersion'" \
    " AND f.last_mark_at > clock_timestamp() - interval '24 hours'" condition ")"
#define OF_SOLUTION " AND f.resource_key = s.resource_key"
/* More than the limit when the schedules of the day ask for more: fires are unique by their nominal time, so no repetition of
   ours widens it. */
#define FUSE_OF_SOLUTION                                                                                    \
    "(SELECT 2 + nullif(count(*), 0) FROM schedule_fires x JOIN steps t ON t.run_id = x.run_id"             \
    " AND t.kind = 'solutionVersion' AND t.resource_key = s.resource_key"                                   \
    " WHERE x.outcome = 'started' AND x.nominal_at > clock_timestamp() - interval '24 hours')"
static const struct db_stmt mark = {
    "step_mark",
    "UPDATE steps s SET intent_state = 'maybe_sent', intent_op = u.op, intent_name = u.name, intent_request = u.request,"
    " baseline = coalesce(u.baseline, s.baseline), quota_since = NULL,"
    " ambiguous_at = CASE WHEN s.intent_state = 'maybe_sent' THEN s.last_mark_at ELSE s.ambiguous_at END,"
    " sends = s.sends + 1, spent = s.spent + CASE WHEN u.op = 'stop' THEN 0 ELSE 1 END, last_mark_at = clock_timestamp(),"
    " wake_at = clock_timestamp() + make_interval(secs => $3::float8), started_at = coalesce(s.started_at, clock_timestamp())"
    " FROM json_to_recordset($1::json) AS u(id text, token bigint, op text, name text, request json, baseline text,"
    "  is_fused boolean, quota int, buys boolean), runs r"
    /* As text, lest all that is due is gone through for each of ours. */
    " WHERE s.id = u.id AND s.lease_token = u.token AND s.lease_owner = $2 AND s.state::text IN ('ready', 'waiting')"
    " AND r.id = s.run_id AND (r.cancel_requested_at IS NULL OR (u.op = 'stop' AND r.cancel_stops)) AND (u.quota = 0 OR s.quota_since IS NULL)"
    " AND NOT (u.buys AND server_is_paused()) AND (u.op = 'stop' OR (SELECT server_may_send()))"
    " AND (NOT u.is_fused OR ((" FUSE_SPENT(OF_SOLUTION) " < $4::int OR " FUSE_SPENT(OF_SOLUTION) " < " FUSE_OF_SOLUTION ")"
    "  AND " FUSE_SPENT("") " + (SELECT count(*) FROM json_to_recordset($1::json) AS b(id text, is_fused boolean)"
    "   WHERE b.is_fused AND b.id < u.id) < $5::int))"
    " RETURNING s.id, (extract(epoch FROM s.last_mark_at) * 1000)::bigint, s.sends",
    5
};
#define FUSE_FREES(condition)                                                                                \
    "(SELECT min(f.last_mark_at) + interval '24 hours' FROM steps f WHERE f.kind = 'solutionVersion'"        \
    " AND f.spent > 0 AND f.last_mark_at > clock_timestamp() - interval '24 hours'" condition ")"
static const struct db_stmt mark_why_not = {
    "step_mark_why_not",
    "SELECT s.id, (s.lease_token = u.token AND s.lease_owner = $2 AND s.state IN ('ready', 'waiting')),"
    " (r.cancel_requested_at IS NOT NULL AND NOT (u.op = 'stop' AND r.cancel_stops)),"
    " (extract(epoch FROM CASE WHEN " FUSE_SPENT("") " < $3::int THEN " FUSE_FREES(OF_SOLUTION)
    " ELSE " FUSE_FREES("") " END) * 1000)::bigint, (u.buys AND server_is_paused()),"
    " (SELECT (extract(epoch FROM until_at) * 1000)::bigint FROM server_pause),"
    " (SELECT 'Spending is stopped' || coalesce(': ' || reason, '') || '.' FROM server_pause),"
    " (u.quota > 0 AND s.quota_since IS NOT NULL), (u.op <> 'stop' AND (SELECT server_may_send()) IS NOT TRUE),"
    " (SELECT (extract(epoch FROM halted_until) * 1000)::bigint FROM server_identity),"
    " (SELECT 'The database was restored or failed over, or its clock was set, at ' || " SQL_AT("halted_at")
    " || ', so what was sent before may be unknown: nothing is sent until ' || " SQL_AT("halted_until") " || '.' FROM server_identity)"
    " FROM json_to_recordset($1::json) AS u(id text, token bigint, op text, quota int, buys boolean) JOIN steps s ON s.id = u.id"
    " JOIN runs r ON r.id = s.run_id",
    3
};
/* clang-format on */
static const struct db_stmt renew = {
    "step_renew",
    "UPDATE steps SET wake_at = clock_timestamp() + make_interval(secs => $3::float8)"
    " FROM json_to_recordset($1::json) AS u(id text, token bigint)"
    " WHERE steps.id = u.id AND lease_token = u.token AND lease_owner = $2 AND state::text IN "
    "('ready', 'waiting')",
    3
};
static const struct db_stmt release = {
    "step_release",
    "UPDATE steps SET wake_at = clock_timestamp(), lease_owner = NULL, claims = greatest(claims - "
    "1, 0)"
    " FROM json_to_recordset($1::json) AS u(id text, token bigint)"
    " WHERE steps.id = u.id AND lease_token = u.token AND lease_owner = $2 AND state::text IN "
    "('ready', 'waiting')",
    2
};

/* ---- claims ---- */

void step_row_done(struct step_row *r)
{
    json_decref(r->request);
    json_decref(r->tags);
    json_decref(r->options);
    json_decref(r->arns);
    json_decref(r->intent_request);
    json_decref(r->details);
    json_decref(r->known);
    *r = (struct step_row){ 0 };
}

static const char *const op_names[] = { [OP_NONE] = "none",
                                        [OP_CREATE] = "create",
                                        [OP_UPDATE] = "update",
                                        [OP_DELETE] = "delete",
                                        [OP_STOP] = "stop" };

static enum op op_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(op_names); i++)
        if (str_eq(op_names[i], name))
            return (enum op) i;
    return OP_NONE;
}

static enum goal goal_of(enum verb verb)
{
    switch (verb) {
    case VERB_DELETE:
    case VERB_RETIRE:
        return GOAL_ABSENT;
    case VERB_RELEASE:
        return GOAL_RELEASED;
    case VERB_STOP:
        return GOAL_IDLE;
    case VERB_OBSERVE:
    case VERB_IMPORT:
    case VERB_AUDIT:
        return GOAL_SEEN;
    case VERB_APPROVE:
        return GOAL_ANSWERED;
    case VERB_ENSURE:
    case VERB_RENEW:
    case VERB_COUNT:
        break;
    }
    return GOAL_PRESENT;
}

static void read_question(struct row r, struct step_row *out)
{
    const char *verdict = json_text(json_object_get(out->options, "answer"), "verdict");
    int64_t asked_ms = out->started_ms ? out->started_ms : row_int(r, "now_ms");

    out->step.answer = str_eq(verdict, "approved")     ? ANSWER_APPROVED
                       : str_eq(verdict, "rejected")   ? ANSWER_REJECTED
                       : str_eq(verdict, "superseded") ? ANSWER_SUPERSEDED
                                                       : ANSWER_NONE;
    out->step.deadline_ms = asked_ms + json_int_or(out->options, "holdForSeconds", 0) * 1000;
}

static void read_step(struct row r, struct step_row *out)
{
    struct step *s = &out->step;

    if (!step_state_find(row_text(r, "state"), &s->state) ||
        !intent_state_find(row_text(r, "intent_state"), &s->intent))
        abort(); /* the SQL enum and CHECK forbid it */
    s->op = op_find(row_text(r, "intent_op"));
    s->goal = goal_of(out->verb);
    s->is_per_run = out->kind->is_per_run;
    s->needs_quiescence = out->kind->needs_quiescence;
    s->is_cancelled = row_bool(r, "is_cancelled");
    s->stops = row_bool(r, "cancel_stops") && out->kind->stop_op && !out->kind->start_op;
    s->is_ours = s->intent == INTENT_SAVED || (s->op == OP_STOP && s->goal == GOAL_PRESENT);
    s->attempt = (int) row_int(r, "attempt");
    s->max_attempts = s->attempt > 2 ? s->attempt : 2;
    s->sends = (int) row_int(r, "sends");
    s->failures = (int) row_int(r, "failures");
    s->last_mark_ms = row_int(r, "last_mark_ms");
    s->ambiguous_ms = row_int(r, "ambiguous_ms");
    s->poll_ms = out->kind->poll_ms;
    if (s->goal == GOAL_ANSWERED)
        read_question(r, out);
}

static bool read_row(struct row r, struct arena *arena, struct step_row *out)
{
    out->kind = kind_find(row_text(r, "kind"));
    if (!out->kind || !verb_find(row_text(r, "verb"), &out->verb))
        return false;
    out->id = row_keep(r, "id", arena);
    out->run_id = row_keep(r, "run_id", arena);
    out->config = row_keep(r, "config", arena);
    out->run_kind = row_keep(r, "run_kind", arena);
    out->name = row_keep(r, "name", arena);
    out->key = row_keep(r, "resource_key", arena);
    out->ordinal = (int) row_int(r, "ordinal");
    out->token = row_int(r, "lease_token");
    out->claims = (int) row_int(r, "claims");
    out->is_restored = row_bool(r, "is_restored");
    out->request = row_json(r, "request");
    out->tags = row_json(r, "tags");
    out->options = row_json(r, "options");
    out->arns = row_json(r, "arns");
    out->intent_name = row_keep(r, "intent_name", arena);
    out->intent_request = row_json(r, "intent_request");
    out->baseline = row_keep(r, "baseline", arena);
    out->arn = row_keep(r, "arn", arena);
    out->waiting_for = row_keep(r, "waiting_for", arena);
    out->details = row_json(r, "details");
    out->earlier_result = row_keep(r, "earlier_result", arena);
    out->known_arn = row_keep(r, "known_arn", arena);
    out->known = row_json(r, "known");
    out->data_ms = row_int(r, "data_ms");
    out->started_ms = row_int(r, "started_ms");
    read_step(r, out);
    out->quarantine = step_check(&out->step);
    if (!out->quarantine && out->claims > CLAIMS_MAX)
        out->quarantine = "it was taken up too often without an end";
    return true;
}

enum err_code step_store_claim(struct db_conn *c, const char *owner, const struct claim_wish *wish,
                               struct claim *out, struct err *e)
{
    char limit[16], lease[32];
    const struct db_op ops[] = { { .stmt = &claim_due, .params = { limit, owner, lease } },
                                 { .stmt = &next_due } };
    PGresult *results[2] = { 0 };
    int n;

    (void) snprintf(limit, sizeof limit, "%d", wish->limit);
    (void) snprintf(lease, sizeof lease, "%.3f", (double) wish->lease_ms / 1000.0);
    *out = (struct claim){ .next_due_ms = -1 };
    TRY(db_run(c, ops, 2, results, e));
    n = PQntuples(results[0]);
    out->rows = arena_alloc(wish->arena, ((size_t) n + 1) * sizeof *out->rows);
    for (int i = 0; i < n; i++)
        if (read_row((struct row){ results[0], i }, wish->arena, &out->rows[out->count]))
            out->count++;
        else
            out->unreadable++;
    if (!PQgetisnull(results[1], 0, 0))
        out->next_due_ms = strtoll(PQgetvalue(results[1], 0, 0), NULL, 10);
    out->db_now_ms = strtoll(PQgetvalue(results[1], 0, 1), NULL, 10);
    PQclear(results[0]);
    PQclear(results[1]);
    return OK;
}

/* ---- marks ---- */

/* What already may have a place needs none in line: it is counted. */
static int quota_of(const struct mark *m)
{
    return m->op == OP_CREATE && m->row->step.intent != INTENT_MAYBE_SENT ? m->quota : 0;
}

static char *marks_json(const struct mark *marks, size_t n)
{
    AUTO_JSON json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct mark *m = &marks[i];

        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:I, s:s, s:s?, s:O, s:s?, s:b, s:i, s:b}", "id", m->row->id,
                      "run_id", m->row->run_id, "token", (json_int_t) m->row->token, "op",
                      op_names[m->op], "name", m->intent_name, "request", m->request, "baseline",
                      m->baseline, "is_fused", (int) (m->op == OP_CREATE && m->row->kind->is_fused),
                      "quota", quota_of(m), "buys", (int) m->buys));
    }
    return json_compact(list);
}

static struct mark *find_mark(struct mark *marks, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(marks[i].row->id, id))
            return &marks[i];
    return NULL;
}

static void read_marked(PGresult *marked, PGresult *why_not, struct mark *marks, size_t n)
{
    for (int i = 0; i < PQntuples(why_not); i++) {
        struct mark *m = find_mark(marks, n, PQgetvalue(why_not, i, 0));

        if (!m)
            continue;
        if (PQgetvalue(why_not, i, 1)[0] != 't') {
            m->result = OUT_MARK_LOST;
        } else if (PQgetvalue(why_not, i, 2)[0] == 't') {
            m->result = OUT_MARK_CANCELLED;
        } else if (PQgetvalue(why_not, i, 4)[0] == 't') {
            m->result = OUT_MARK_PAUSED;
            m->until_ms = strtoll(PQgetvalue(why_not, i, 5), NULL, 10);
            (void) str_copy(m->why, sizeof m->why, PQgetvalue(why_not, i, 6));
        } else if (PQgetvalue(why_not, i, 8)[0] == 't') {
            m->result = OUT_MARK_HALTED;
            m->until_ms = strtoll(PQgetvalue(why_not, i, 9), NULL, 10);
            (void) str_copy(m->why, sizeof m->why, PQgetvalue(why_not, i, 10));
        } else if (PQgetvalue(why_not, i, 7)[0] == 't') {
            m->result = OUT_MARK_QUOTA;
        } else {
            m->result = OUT_MARK_FUSE;
            m->until_ms = strtoll(PQgetvalue(why_not, i, 3), NULL, 10);
        }
    }
    for (int i = 0; i < PQntuples(marked); i++) {
        struct mark *m = find_mark(marks, n, PQgetvalue(marked, i, 0));

        if (!m)
            continue;
        m->result = OUT_MARKED;
        m->mark_ms = strtoll(PQgetvalue(marked, i, 1), NULL, 10);
        m->sends = (int) strtol(PQgetvalue(marked, i, 2), NULL, 10);
    }
}

enum err_code step_store_mark(struct db_conn *c, const struct mark_terms *terms, struct mark *marks,
                              size_t n, struct err *e)
{
    char lease[32], per_solution[16], per_account[16];
    AUTO_FREE char *text = marks_json(marks, n);
    const struct db_op pause = { .stmt = &mark_lock_pause };
    const struct db_op lock = { .stmt = &mark_lock_fuse },
                       line = { .stmt = &mark_quota, .params = { text, terms->owner } };
    bool is_fused = false, is_in_line = false, buys = false;
    struct db_op ops[7];
    PGresult *results[ARRAY_LEN(ops)] = { 0 };
    size_t k = 0;
    enum err_code rc;

    for (size_t i = 0; i < n; i++) {
        marks[i].result = OUT_MARK_UNKNOWN;
        is_fused |= marks[i].op == OP_CREATE && marks[i].row->kind->is_fused;
        is_in_line |= quota_of(&marks[i]) > 0;
        buys |= marks[i].buys;
    }
    (void) snprintf(lease, sizeof lease, "%.3f", (double) terms->lease_ms / 1000.0);
    (void) snprintf(per_solution, sizeof per_solution, "%d", terms->fuse_per_solution);
    (void) snprintf(per_account, sizeof per_account, "%d", terms->fuse_per_account);
    ops[k++] = (struct db_op){ .stmt = &store_by_key };
    if (is_fused || is_in_line)
        ops[k++] = lock; /* fuse and quotas are counted under a lock */
    if (buys)
        ops[k++] = pause;
    ops[k++] = (struct db_op){ .stmt = &mark_lock_runs, .params = { text } };
    if (is_in_line)
        ops[k++] = line;
    ops[k++] = (struct db_op){ .stmt = &mark,
                               .params = { text, terms->owner, lease, per_solution, per_account } };
    ops[k++] =
        (struct db_op){ .stmt = &mark_why_not, .params = { text, terms->owner, per_account } };
    rc = db_run(c, ops, k, results, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++)
        marks[i].result = OUT_MARK_LOST;
    read_marked(results[k - 2], results[k - 1], marks, n);
    for (size_t i = 0; i < k; i++)
        PQclear(results[i]);
    return OK;
}

/* ---- leases ---- */

enum err_code step_store_renew(struct db_conn *c, const char *owner, const char *leases,
                               int64_t lease_ms, struct err *e)
{
    char lease[32];
    const struct db_op op = { .stmt = &renew, .params = { leases, owner, lease } };

    (void) snprintf(lease, sizeof lease, "%.3f", (double) lease_ms / 1000.0);
    return db_query(c, &op, NULL, e);
}

enum err_code step_store_release(struct db_conn *c, const char *owner, const char *leases,
                                 struct err *e)
{
    const struct db_op op = { .stmt = &release, .params = { leases, owner } };

    return db_query(c, &op, NULL, e);
}
