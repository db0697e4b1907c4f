/*
 * outbox_store.c - from the numbered log to deliveries, and their life under leases.
 *
 * Expansion and claims are serialised by an advisory lock each, taken in a statement of its own, so
 * that the next statement sees what the one before committed. The database's clock is the only one.
 */
#include "steward/outbox_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "by_key.h"
#include "row.h"
#include "shapes.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/json.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt expand_lock = { "outbox_expand_lock",
                                            "SELECT pg_advisory_xact_lock(7410030)", 0 };
/* The id follows from event and endpoint: whoever expands again makes the same row. What is told
   about an endpoint is not sent to itself, and a ping goes only where it was asked for. */
static const struct db_stmt expand = {
    "outbox_expand",
    "WITH span AS (SELECT ev.seq, ev.id, ev.type, ev.config, ev.subject, ev.data FROM events ev"
    "   WHERE ev.seq > (SELECT last_seq FROM outbox_cursor) ORDER BY ev.seq LIMIT 1000),"
    " made AS (INSERT INTO deliveries (id, endpoint_id, event_id, event_type)"
    "   SELECT " SQL_DELIVERY_ID("s.id", "e.id") ", e.id, s.id, s.type FROM span s JOIN endpoints e"
    "   ON e.is_enabled AND e.disabled_at IS NULL AND e.after_seq < s.seq"
    "   AND (e.patterns = '{}' OR s.type LIKE ANY (e.patterns))"
    "   AND (e.configs = '{}' OR s.config = ANY (e.configs))"
    "   AND s.type <> 'test.ping' AND s.subject <> 'webhooks/' || e.id"
    "   AND " SQL_HEARS("e", "s") " ORDER BY s.seq, e.id"
    "   ON CONFLICT DO NOTHING)"
    " UPDATE outbox_cursor SET last_seq = (SELECT max(seq) FROM span)"
    " WHERE EXISTS (SELECT 1 FROM span) RETURNING (SELECT count(*) FROM span) AS events",
    0
};

static const struct db_stmt claim_lock = { "outbox_claim_lock",
                                           "SELECT pg_advisory_xact_lock(7410031)", 0 };
#define NOW "(SELECT clock_timestamp())"
#define IS_OPEN(e)                                                                       \
    e ".kind = ANY ($2::text[]) AND " e ".is_enabled AND " e ".disabled_at IS NULL"      \
    " AND (" e ".secret IS NULL OR split_part(" e ".secret, '.', 2) = ANY ($3::text[]))"
static const struct db_stmt claim = {
    "outbox_claim",
    "WITH busy AS (SELECT endpoint_id, count(*) AS n FROM deliveries WHERE state = 'pending'"
    "   AND lease_owner IS NOT NULL AND wake_at > " NOW " GROUP BY endpoint_id),"
    " ready AS (SELECT d.id FROM endpoints e LEFT JOIN busy b ON b.endpoint_id = e.id"
    "   CROSS JOIN LATERAL (SELECT y.id, row_number() OVER (ORDER BY y.wake_at, y.event_id) AS turn"
    "     FROM (SELECT x.id, x.wake_at, x.event_id FROM deliveries x WHERE x.endpoint_id = e.id"
    "       AND x.state = 'pending' AND x.wake_at <= " NOW
    "       AND EXISTS (SELECT 1 FROM events n WHERE n.id = x.event_id AND n.seq IS NOT NULL)"
    "       ORDER BY x.wake_at, x.event_id LIMIT greatest(0,"
    "         CASE WHEN e.failing_since IS NULL THEN $5::int ELSE 1 END - coalesce(b.n, 0))) y) d"
    "   WHERE " IS_OPEN("e") " AND (e.not_before IS NULL OR e.not_before <= " NOW ")"
    "   ORDER BY coalesce(b.n, 0) + d.turn LIMIT $1::int),"
    " mine AS (UPDATE deliveries d SET wake_at = clock_timestamp() + $6::bigint * interval '1 ms',"
    "   lease_owner = $4, lease_token = d.lease_token + 1 FROM ready WHERE d.id = ready.id"
    "   RETURNING d.*)"
    " SELECT m.id, m.endpoint_id, m.event_id, m.event_type, m.lease_token, m.attempts + 1 AS"
    " attempt, m.tries + 1 AS tries, e.kind, e.url, e.settings, e.secret,"
    " CASE WHEN e.old_secret_until > clock_timestamp()"
    "   AND split_part(e.old_secret, '.', 2) = ANY ($3::text[]) THEN e.old_secret END AS"
    " old_secret, " SQL_EVENT " AS body FROM mine m JOIN endpoints e ON e.id = m.endpoint_id"
    " JOIN events ev ON ev.id = m.event_id ORDER BY ev.seq",
    6
};
static const struct db_stmt next_due = {
    "outbox_next",
    "SELECT (extract(epoch FROM min(greatest(d.wake_at, e.not_before)) - clock_timestamp()) *"
    " 1000)::bigint FROM endpoints e CROSS JOIN LATERAL (SELECT x.wake_at FROM deliveries x"
    "   WHERE x.endpoint_id = e.id AND x.state = 'pending' ORDER BY x.wake_at LIMIT 1) d"
    " WHERE $1::text IS NOT NULL AND " IS_OPEN("e"),
    3
};

/* One statement: everything is written from the rows whose lease was still ours. The third failure
   in a row is told; days of nothing else switch a webhook off (a channel is the operator's). */
#define WHAT "CASE kind WHEN 'webhook' THEN 'webhook' ELSE 'channel' END"
static const struct db_stmt record = {
    "outbox_record",
    "WITH item AS (SELECT * FROM json_to_recordset($1::json) AS i(id text, token bigint, number"
    " int, state text, reason text, ok boolean, gone boolean, \"waitMs\" bigint, status int,"
    " \"latencyMs\" bigint, class text, excerpt text, at timestamptz, \"retryMs\" bigint,"
    " \"failingId\" text, \"disabledId\" text)),"
    " fenced AS (UPDATE deliveries d SET state = i.state, reason = i.reason, attempts = i.number,"
    "   tries = d.tries + 1, lease_owner = NULL,"
    "   wake_at = clock_timestamp() + coalesce(i.\"waitMs\", 0) * interval '1 ms',"
    "   finished_at = CASE WHEN i.state <> 'pending' THEN clock_timestamp() END"
    "   FROM item i WHERE d.id = i.id AND d.lease_owner = $2 AND d.lease_token = i.token"
    "   AND d.state = 'pending' RETURNING d.endpoint_id, i.*),"
    " logged AS (INSERT INTO delivery_attempts (delivery_id, number, at, is_success, status,"
    "   latency_ms, error_class, excerpt) SELECT id, number, at, ok, status, \"latencyMs\", class,"
    "   excerpt FROM fenced ON CONFLICT DO NOTHING),"
    " sums AS (SELECT endpoint_id, bool_or(ok) AS ok, bool_or(gone) AS gone,"
    "   (count(*) FILTER (WHERE NOT ok))::int AS failed, count(*) FILTER (WHERE ok AND status > 0) AS arrived,"
    "   max(\"retryMs\") AS retry, (array_agg(json_strip_nulls(json_build_object('at', " SQL_AT("at")
    "   , 'errorClass', class, 'status', status, 'response', excerpt, 'delivery', id)))"
    "   FILTER (WHERE NOT ok))[1] AS error,"
    "   min(\"failingId\") AS failing_id, min(\"disabledId\") AS disabled_id"
    "   FROM fenced GROUP BY endpoint_id),"
    " moved AS (UPDATE endpoints e SET"
    "   failing_since = CASE WHEN NOT s.ok THEN coalesce(e.failing_since, clock_timestamp()) END,"
    "   failures = CASE WHEN s.ok THEN 0 ELSE e.failures + s.failed END,"
    "   last_error = coalesce(s.error, e.last_error),"
    "   delivered = e.delivered + s.arrived, failed = e.failed + s.failed,"
    "   last_success_at = CASE WHEN s.ok THEN clock_timestamp() ELSE e.last_success_at END,"
    "   last_failure_at = CASE WHEN s.failed > 0 THEN clock_timestamp() ELSE e.last_failure_at END,"
    "   not_before = CASE WHEN s.retry > 0 THEN clock_timestamp() + s.retry * interval '1 ms' END,"
    "   disabled_at = CASE WHEN e.disabled_at IS NULL AND e.kind = 'webhook' AND (s.gone OR (NOT"
    "     s.ok AND e.failing_since < clock_timestamp() - $3::bigint * interval '1 ms'))"
    "     THEN now() ELSE e.disabled_at END,"
    "   disabled_reason = CASE WHEN e.disabled_at IS NULL AND e.kind = 'webhook' THEN"
    "     CASE WHEN s.gone THEN 'gone' WHEN NOT s.ok AND e.failing_since < clock_timestamp() -"
    "     $3::bigint * interval '1 ms' THEN 'failing' END ELSE e.disabled_reason END"
    "   FROM sums s WHERE e.id = s.endpoint_id RETURNING e.id, e.name, e.kind, e.failures,"
    "   e.failing_since, e.disabled_at = now() AS is_disabled, e.disabled_reason, s.ok, s.failed,"
    "   s.failing_id, s.disabled_id)"
    " INSERT INTO events (id, type, subject, data)"
    " SELECT failing_id, CASE kind WHEN 'webhook' THEN 'webhook.failing' ELSE 'channel.failing' END,"
    "   " WHAT " || 's/' || id, jsonb_strip_nulls("
    "   jsonb_build_object(" WHAT ", id, 'name', name, 'kind', kind, 'failures', failures,"
    "   'failingSince', " SQL_AT("failing_since") ")) FROM moved"
    "   WHERE NOT ok AND failures >= 3 AND failures - failed < 3"
    " UNION ALL SELECT disabled_id, 'webhook.disabled', 'webhooks/' || id, jsonb_strip_nulls("
    "   jsonb_build_object('webhook', id, 'name', name, 'kind', kind, 'reason', disabled_reason))"
    "   FROM moved WHERE is_disabled",
    3
};
/* What an endpoint that was switched off still had to get; an attempt under way ends by itself. */
static const struct db_stmt settle = {
    "outbox_settle",
    "UPDATE deliveries d SET state = 'dead', reason = 'disabled', finished_at = clock_timestamp(),"
    " lease_owner = NULL FROM endpoints e WHERE e.id = d.endpoint_id AND d.state = 'pending'"
    " AND e.disabled_at IS NOT NULL AND (d.lease_owner IS NULL OR d.wake_at < clock_timestamp())",
    0
};
static const struct db_stmt release = {
    "outbox_release",
    "UPDATE deliveries SET wake_at = clock_timestamp(), lease_owner = NULL"
    " WHERE lease_owner = $1 AND state = 'pending'", 1
};
static const struct db_stmt purge = {
    "outbox_purge",
    "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE finished_at <"
    " clock_timestamp() - $1::bigint * interval '1 ms' ORDER BY finished_at LIMIT 5000)", 1
};
/* An event that retention took away can not be sent any more. */
static const struct db_stmt expire = {
    "outbox_expire",
    "UPDATE deliveries d SET state = 'dead', reason = 'expired', finished_at = clock_timestamp()"
    " WHERE d.state = 'pending' AND d.wake_at < clock_timestamp() AND NOT EXISTS (SELECT 1 FROM"
    " events ev WHERE ev.id = d.event_id)", 0
};
static const struct db_stmt put_channel = {
    "outbox_put_channel",
    "INSERT INTO endpoints AS e (id, kind, patterns, settings, after_seq, renewed_at)"
    " VALUES ($1, $2, $3::text[], $4::jsonb, (SELECT last_seq FROM outbox_cursor),"
    " clock_timestamp()) ON CONFLICT (id) DO UPDATE SET patterns = excluded.patterns,"
    " settings = excluded.settings, renewed_at = clock_timestamp(), disabled_at = NULL,"
    " disabled_reason = NULL, updated_at = CASE WHEN e.disabled_at IS NOT NULL"
    " OR (e.patterns, e.settings) IS DISTINCT FROM (excluded.patterns, excluded.settings)"
    " THEN now() ELSE e.updated_at END",
    4
};
/* Servers renew theirs every ten seconds. */
static const struct db_stmt retire_channels = {
    "outbox_retire_channels",
    "UPDATE endpoints SET disabled_at = now(), disabled_reason = 'unconfigured', failing_since ="
    " NULL, failures = 0, updated_at = now() WHERE renewed_at < clock_timestamp() - interval"
    " '1 minute' AND disabled_at IS NULL",
    0
};
static const struct db_stmt forget_channels = {
    "outbox_forget_channels",
    "DELETE FROM endpoints WHERE renewed_at IS NOT NULL AND disabled_at < clock_timestamp() -"
    " $1::bigint * interval '1 ms'",
    1
};
/* clang-format on */

void delivery_free(struct delivery *list)
{
    struct delivery *d;

    while ((d = list)) {
        list = d->next;
        arena_done(&d->arena);
        free(d);
    }
}

enum err_code outbox_store_expand(struct db_conn *c, size_t *count, struct err *e)
{
    const struct db_op ops[] = { { .stmt = &store_by_key },
                                 { .stmt = &expand_lock },
                                 { .stmt = &expand } };
    PGresult *results[ARRAY_LEN(ops)] = { 0 };

    *count = 0;
    TRY(db_run(c, ops, ARRAY_LEN(ops), results, e));
    if (PQntuples(results[2]))
        *count = (size_t) row_int((struct row){ results[2], 0 }, "events");
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        PQclear(results[i]);
    return OK;
}

static struct delivery *read_delivery(struct row r)
{
    struct delivery *d = xcalloc(1, sizeof *d);

    d->id = row_keep(r, "id", &d->arena);
    d->endpoint_id = row_keep(r, "endpoint_id", &d->arena);
    d->kind = row_keep(r, "kind", &d->arena);
    d->event_id = row_keep(r, "event_id", &d->arena);
    d->event_type = row_keep(r, "event_type", &d->arena);
    d->body = row_keep(r, "body", &d->arena);
    d->url = row_keep(r, "url", &d->arena);
    d->settings = row_keep(r, "settings", &d->arena);
    d->secret = row_keep(r, "secret", &d->arena);
    d->old_secret = row_keep(r, "old_secret", &d->arena);
    d->token = row_int(r, "lease_token");
    d->attempt = (int) row_int(r, "attempt");
    d->tries = (int) row_int(r, "tries");
    d->latency_ms = -1;
    return d;
}

enum err_code outbox_store_claim(struct db_conn *c, const struct outbox_wish *wish,
                                 struct delivery **list, int64_t *next_ms, struct err *e)
{
    char limit[24], each[24], lease[24];
    const struct db_op ops[] = {
        { .stmt = &claim_lock },
        { .stmt = &claim,
          .params = { limit, wish->kinds, wish->key_ids, wish->owner, each, lease } },
        { .stmt = &next_due, .params = { "", wish->kinds, wish->key_ids } },
    };
    PGresult *results[ARRAY_LEN(ops)] = { 0 };
    struct delivery **tail = list;

    *list = NULL;
    *next_ms = -1;
    (void) snprintf(limit, sizeof limit, "%d", wish->limit);
    (void) snprintf(each, sizeof each, "%d", wish->per_endpoint);
    (void) snprintf(lease, sizeof lease, "%lld", (long long) wish->lease_ms);
    TRY(db_run(c, ops, ARRAY_LEN(ops), results, e));
    for (int i = 0; i < PQntuples(results[1]); i++) {
        *tail = read_delivery((struct row){ results[1], i });
        tail = &(*tail)->next;
    }
    if (!PQgetisnull(results[2], 0, 0))
        *next_ms = strtoll(PQgetvalue(results[2], 0, 0), NULL, 10);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        PQclear(results[i]);
    return OK;
}

/* What becomes of the delivery: its state, the reason of a dead one, the wait of another try. */
static void add_verdict(const struct outbox_policy *policy, const struct delivery *d, json_t *item)
{
    int64_t wait = d->is_success ? 0 : policy->wait_ms(d->tries, policy->context);
    const char *reason = d->is_success   ? NULL
                         : d->is_gone    ? "gone"
                         : d->is_refused ? "refused"
                         : wait < 0      ? "exhausted"
                                         : NULL;
    const char *state = d->is_success ? "delivered" : reason ? "dead" : "pending";

    if (d->retry_after_ms > wait)
        wait = d->retry_after_ms;
    json_object_set_new(item, "state", json_string(state));
    if (reason)
        json_object_set_new(item, "reason", json_string(reason));
    json_object_set_new(item, "waitMs", json_integer(wait < 0 ? 0 : wait));
}

static json_t *item_of(const struct outbox_policy *policy, const struct delivery *d)
{
    char at[CLOCK_TEXT_BYTES], failing[ID_BYTES], disabled[ID_BYTES];
    json_t *item;

    clock_format_ms(d->at_ms, at);
    id_new("evt", failing);
    id_new("evt", disabled);
    item = json_pack("{s:s, s:I, s:i, s:b, s:b, s:s, s:I, s:s, s:s}", "id", d->id, "token",
                     (json_int_t) d->token, "number", d->attempt, "ok", d->is_success, "gone",
                     d->is_gone, "at", at, "retryMs", (json_int_t) d->retry_after_ms, "failingId",
                     failing, "disabledId", disabled);
    if (d->status)
        json_object_set_new(item, "status", json_integer(d->status));
    if (d->latency_ms >= 0)
        json_object_set_new(item, "latencyMs", json_integer(d->latency_ms));
    if (d->error_class)
        json_object_set_new(item, "class", json_string(d->error_class));
    if (d->excerpt[0])
        json_object_set_new(item, "excerpt", json_string(d->excerpt));
    add_verdict(policy, d, item);
    return item;
}

enum err_code outbox_store_record(struct db_conn *c, const char *owner,
                                  const struct outbox_policy *policy, const struct delivery *list,
                                  struct err *e)
{
    AUTO_JSON json_t *items = json_array();
    AUTO_FREE char *text = NULL;
    char days[24];

    for (const struct delivery *d = list; d; d = d->next)
        json_array_append_new(items, item_of(policy, d));
    text = json_compact(items);
    (void) snprintf(days, sizeof days, "%lld", (long long) policy->disable_after_ms);
    const struct db_op ops[] = {
        { .stmt = &record, .params = { text, owner, days } },
        { .stmt = &settle },
    };
    return db_run(c, ops, ARRAY_LEN(ops), NULL, e);
}

enum err_code outbox_store_release(struct db_conn *c, const char *owner, struct err *e)
{
    const struct db_op op = { .stmt = &release, .params = { owner } };

    return db_query(c, &op, NULL, e);
}

enum err_code outbox_store_upkeep(struct db_conn *c, int64_t keep_ms, struct err *e)
{
    char keep[24];
    const struct db_op ops[] = { { .stmt = &settle },
                                 { .stmt = &expire },
                                 { .stmt = &purge, .params = { keep } } };

    (void) snprintf(keep, sizeof keep, "%lld", (long long) keep_ms);
    return db_run(c, ops, ARRAY_LEN(ops), NULL, e);
}

enum err_code outbox_store_put_channel(struct db_conn *c, const struct outbox_channel *ch,
                                       struct err *e)
{
    const struct db_op op = { .stmt = &put_channel,
                              .params = { ch->id, ch->kind, ch->patterns, ch->settings } };

    return db_query(c, &op, NULL, e);
}

enum err_code outbox_store_retire_channels(struct db_conn *c, int64_t keep_ms, struct err *e)
{
    char keep[24];
    const struct db_op ops[] = { { .stmt = &retire_channels },
                                 { .stmt = &settle },
                                 { .stmt = &forget_channels, .params = { keep } } };

    (void) snprintf(keep, sizeof keep, "%lld", (long long) keep_ms);
    return db_run(c, ops, ARRAY_LEN(ops), NULL, e);
}
