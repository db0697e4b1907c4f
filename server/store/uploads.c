/*
 * uploads.c - statements of uploads to S3.
 *
 * A message of the queue, an object as it was seen and an upload that waits are rows; the statement
 * that writes one of them writes what follows from it, for those rows only that it has changed.
 */
#include "steward/uploads_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "row.h"
#include "steward/configs_store.h"
#include "steward/json.h"
#include "steward/schedules_store.h"
#include "steward/str.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt sources = {
    "uploads_sources",
    "SELECT c.name, v.document -> 'deployment' ->> 'bucket' AS bucket, v.document -> 'deployment' ->> 'prefix' AS prefix,"
    " jsonb_path_query_array((v.document -> 'datasets')::jsonb, '$.**.dataLocation ? (@.type() == \"string\")')::text AS places"
    " FROM configs c JOIN config_versions v ON v.config = c.name AND v.version = c.version ORDER BY c.name", 0
};

#define PUT_QUIET(from, kind, seconds)                                                                          \
    "INSERT INTO quiet_runs AS q (key, config, kind, is_buying, due_at)"                                        \
    "  SELECT 'upload/' || x.name, x.name, " kind ", true, clock_timestamp() + " seconds "::float8 * interval '1 second'" \
    "  FROM (SELECT DISTINCT d.name FROM " from ") x JOIN configs c ON c.name = x.name"                         \
    "  WHERE " kind " IS NOT NULL ORDER BY x.name"                                                              \
    "  ON CONFLICT (key) DO UPDATE SET count = q.count + 1, kind = excluded.kind,"                              \
    "  due_at = least(excluded.due_at, q.first_at + 10 * (excluded.due_at - clock_timestamp()))"

static const struct db_stmt queue = {
    "uploads_queue",
    "WITH fresh AS (INSERT INTO queue_messages (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1),"
    " f AS (INSERT INTO uploads (id, bucket, key, mark) SELECT u.id, u.bucket, u.key, u.mark FROM"
    "  json_to_recordset($2::json) AS u(id text, bucket text, key text, mark text) WHERE EXISTS (SELECT FROM fresh)"
    "  ON CONFLICT DO NOTHING),"
    " r AS (" PUT_QUIET("json_array_elements_text($3::json) AS d(name) WHERE EXISTS (SELECT FROM fresh)", "$4::text", "$5::text") ")"
    " SELECT count(*) FROM fresh", 5
};
/* Whose turn it is: the row moves on for everybody. */
static const struct db_stmt watch_due = {
    "uploads_watch_due",
    "INSERT INTO s3_watches AS w (bucket, prefix, next_at) VALUES ($1, $2, clock_timestamp() + $3::text::float8 * interval '1 second')"
    " ON CONFLICT (bucket, prefix) DO UPDATE SET next_at = excluded.next_at WHERE w.next_at <= clock_timestamp()"
    " RETURNING passes = 0 AS first", 3
};
static const struct db_stmt watch_page = {
    "uploads_watch_page",
    "WITH s AS MATERIALIZED (SELECT * FROM json_to_recordset($2::json) AS s(id text, key text, version text, file boolean, configs json)),"
    " changed AS (INSERT INTO s3_objects AS o (bucket, key, version) SELECT $1, s.key, s.version FROM s ORDER BY s.key"
    "  ON CONFLICT (bucket, key) DO UPDATE SET version = excluded.version, seen_at = clock_timestamp()"
    "  WHERE o.version <> excluded.version RETURNING o.key),"
    " f AS (INSERT INTO uploads (id, bucket, key, mark, is_first_look) SELECT s.id, $1, s.key, s.version, $3::boolean"
    "  FROM s JOIN changed USING (key) WHERE s.file ON CONFLICT DO NOTHING),"
    " r AS (" PUT_QUIET("s JOIN changed USING (key) CROSS JOIN LATERAL json_array_elements_text(s.configs) AS d(name)"
                        " WHERE NOT $3::boolean", "$4::text", "$5::text") ")"
    " SELECT count(*) FROM changed", 5
};
/* What was deleted is forgotten, so that it is new when it comes back. */
static const struct db_stmt watch_done = {
    "uploads_watch_done",
    "WITH w AS (UPDATE s3_watches SET passes = passes + 1 WHERE bucket = $1 AND prefix = $2)"
    " DELETE FROM s3_objects o WHERE o.bucket = $1 AND starts_with(o.key, $2)"
    " AND o.key NOT IN (SELECT k FROM json_array_elements_text($3::json) AS j(k))", 3
};
static const struct db_stmt claim = {
    "uploads_claim",
    "UPDATE uploads SET wake_at = clock_timestamp() + interval '1 minute', lease_owner = $1 WHERE id = (SELECT id FROM uploads"
    "  WHERE state = 'pending' AND wake_at <= (SELECT clock_timestamp()) ORDER BY wake_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING id, bucket, key, mark, only_config, is_first_look, failures", 1
};
static const struct db_stmt settle = {
    "uploads_settle",
    "WITH hit AS (UPDATE uploads SET state = $3, reason = $4, finished_at = clock_timestamp(), lease_owner = NULL"
    "  WHERE id = $1 AND state = 'pending' AND lease_owner = $2 RETURNING delivery_id, trigger_id),"
    " d AS (UPDATE trigger_deliveries d SET state = CASE WHEN $3 = 'refused' THEN 'failed' ELSE 'started' END,"
    "  code = CASE WHEN $3 = 'refused' THEN 'invalid-file' END, reason = CASE WHEN $5::text IS NULL THEN $4 END, run_id = $5"
    "  FROM hit WHERE d.id = hit.delivery_id),"
    " t AS (UPDATE triggers t SET last_started_at = clock_timestamp(), last_run_id = $5 FROM hit"
    "  WHERE t.id = hit.trigger_id AND $5::text IS NOT NULL)"
    " SELECT CASE WHEN NOT EXISTS (SELECT FROM hit) THEN api_fence('ST001', 'the upload was taken by somebody else') END", 5
};
static const struct db_stmt own_run = {
    "uploads_own_run",
    "UPDATE runs SET trigger_id = u.trigger_id FROM uploads u WHERE u.id = $1 AND runs.id = $2 AND u.trigger_id IS NOT NULL", 2
};
/* 2 s, 4 s, 8 s, … up to ten minutes. */
static const struct db_stmt postpone = {
    "uploads_postpone",
    "UPDATE uploads SET failures = failures + 1, reason = $2, lease_owner = NULL, wake_at = clock_timestamp()"
    " + least(interval '10 minutes', power(2, least(failures + 1, 12)) * interval '1 second') WHERE id = $1 AND state = 'pending'", 2
};
/* clang-format on */

static void seconds_of(int64_t ms, char out[32])
{
    (void) snprintf(out, 32, "%.3f", (double) ms / 1000.0);
}

static const char **read_places(struct row r, struct arena *arena)
{
    AUTO_JSON json_t *list = row_json(r, "places");
    const char **out = arena_alloc(arena, (json_array_size(list) + 1) * sizeof *out);
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item)
        out[i] = arena_strdup(arena, json_string_value(item));
    return out;
}

enum err_code uploads_store_sources(struct db_conn *c, struct arena *arena,
                                    struct upload_sources *out, struct err *e)
{
    const struct db_op op = { .stmt = &sources };
    AUTO_PGRES PGresult *r = NULL;

    *out = (struct upload_sources){ 0 };
    TRY(db_query(c, &op, &r, e));
    out->count = (size_t) PQntuples(r);
    out->items = arena_alloc(arena, (out->count + 1) * sizeof *out->items);
    for (size_t i = 0; i < out->count; i++) {
        const struct row row = { r, (int) i };

        out->items[i] = (struct upload_source){ .config = row_keep(row, "name", arena),
                                                .bucket = row_keep(row, "bucket", arena),
                                                .prefix = row_keep(row, "prefix", arena),
                                                .locations = read_places(row, arena) };
    }
    return OK;
}

enum err_code uploads_store_queue(struct db_conn *c, const struct queue_effect *x,
                                  const struct upload_rule *rule, bool *is_new, struct err *e)
{
    AUTO_FREE char *files = json_compact(x->files);
    AUTO_FREE char *configs = json_compact(x->configs);
    AUTO_PGRES PGresult *r = NULL;
    char seconds[32];
    const struct db_op op = { .stmt = &queue,
                              .params = { x->message_id, files, configs, rule->kind, seconds } };

    seconds_of(rule->quiet_ms, seconds);
    TRY(db_query(c, &op, &r, e));
    *is_new = str_eq(PQgetvalue(r, 0, 0), "1");
    return OK;
}

enum err_code uploads_store_watch_due(struct db_conn *c, const struct upload_watch *w, bool *is_due,
                                      bool *is_first, struct err *e)
{
    AUTO_PGRES PGresult *r = NULL;
    char seconds[32];
    const struct db_op op = { .stmt = &watch_due, .params = { w->bucket, w->prefix, seconds } };

    seconds_of(w->every_ms, seconds);
    TRY(db_query(c, &op, &r, e));
    *is_due = PQntuples(r) > 0;
    *is_first = *is_due && row_bool((struct row){ r, 0 }, "first");
    return OK;
}

enum err_code uploads_store_watch_page(struct db_conn *c, const struct watch_page *page,
                                       const struct upload_rule *rule, size_t *changed,
                                       struct err *e)
{
    AUTO_FREE char *objects = json_compact(page->objects);
    AUTO_PGRES PGresult *r = NULL;
    char seconds[32];
    const struct db_op op = { .stmt = &watch_page,
                              .params = { page->watch->bucket, objects,
                                          page->is_first ? "true" : "false", rule->kind,
                                          seconds } };

    seconds_of(rule->quiet_ms, seconds);
    TRY(db_query(c, &op, &r, e));
    *changed = strtoul(PQgetvalue(r, 0, 0), NULL, 10);
    return OK;
}

enum err_code uploads_store_watch_done(struct db_conn *c, const struct upload_watch *w,
                                       const json_t *keys, struct err *e)
{
    AUTO_FREE char *list = json_compact(keys);
    const struct db_op op = { .stmt = &watch_done, .params = { w->bucket, w->prefix, list } };

    return db_query(c, &op, NULL, e);
}

enum err_code uploads_store_claim(struct db_conn *c, const char *owner, struct arena *arena,
                                  struct upload_file *out, struct err *e)
{
    const struct db_op op = { .stmt = &claim, .params = { owner } };
    AUTO_PGRES PGresult *r = NULL;
    struct row row;

    *out = (struct upload_file){ 0 };
    TRY(db_query(c, &op, &r, e));
    if (PQntuples(r) == 0)
        return OK;
    row = (struct row){ r, 0 };
    *out = (struct upload_file){ .id = row_keep(row, "id", arena),
                                 .bucket = row_keep(row, "bucket", arena),
                                 .key = row_keep(row, "key", arena),
                                 .mark = row_keep(row, "mark", arena),
                                 .only_config = row_keep(row, "only_config", arena),
                                 .is_first_look = row_bool(row, "is_first_look"),
                                 .failures = (int) row_int(row, "failures") };
    return OK;
}

static const char *keep(const PGresult *r, int column, struct arena *arena)
{
    if (PQntuples(r) == 0 || PQgetisnull(r, 0, column))
        return NULL;
    return arena_strdup(arena, PQgetvalue(r, 0, column));
}

// NOLINTNEXTLINE(readability-function-size): whose, what, where to: each its own thing
enum err_code uploads_store_config(struct db_conn *c, struct arena *arena,
                                   const char *const args[2], struct upload_config *out,
                                   struct err *e)
{
    struct db_op ops[4];
    PGresult *r[ARRAY_LEN(ops)] = { 0 };

    configs_store_current(args[0], &ops[0]);
    configs_store_foreign(args[0], args[1], &ops[1]);
    schedules_store_owned(args[0], &ops[2]);
    configs_store_now(&ops[3]);
    *out = (struct upload_config){ 0 };
    TRY(db_run(c, ops, ARRAY_LEN(ops), r, e));
    out->version = keep(r[0], 0, arena);
    out->sha256 = keep(r[0], 1, arena);
    out->sync = keep(r[0], 2, arena);
    out->apply = keep(r[0], 3, arena);
    out->foreign_key = keep(r[1], 0, arena);
    out->foreign_config = keep(r[1], 1, arena);
    out->schedules = json_object();
    for (int i = 0; i < PQntuples(r[2]); i++)
        json_object_set_new(out->schedules, PQgetvalue(r[2], i, 0),
                            json_string(PQgetvalue(r[2], i, 1)));
    out->now_s = strtoll(PQgetvalue(r[3], 0, 0), NULL, 10);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        PQclear(r[i]);
    return OK;
}

void uploads_store_settle(const struct upload_end *x, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &settle,
                          .params = { x->id, x->owner, x->state, x->reason, x->run_id } };
}

void uploads_store_own_run(const char *id, const char *run_id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &own_run, .params = { id, run_id } };
}

enum err_code uploads_store_postpone(struct db_conn *c, const char *id, const char *reason,
                                     struct err *e)
{
    const struct db_op op = { .stmt = &postpone, .params = { id, reason } };

    return db_query(c, &op, NULL, e);
}
