/*
 * runs_read.c - runs as the API shows them: one statement per answer, its JSON built by PostgreSQL.
 */
#include "shapes.h"
#include "steward/runs_store.h"

/* SQL has its own layout. */
/* clang-format off */
/*
 * The version of rows: what their JSON is made of changes with xmin and ctid; updated_at is in it for
 * a standby that took over and may give the same ones again. Steps and edges of a finished run do
 * not change. A statement of its own: making the JSON inside a CASE costs 75 us when it is not made.
 */
#define HASH_OF(column) "hash_array_extended(array_agg(" column "), 0)"
#define RUN_VERSION                                                                                \
    "concat(extract(epoch FROM r.updated_at), r.xmin, r.ctid, CASE WHEN r.finished_at IS NULL THEN" \
    " (SELECT " HASH_OF("s.xmin") "::text || " HASH_OF("s.ctid") " FROM steps s"                    \
    " WHERE s.run_id = r.id) END)"
#define RUN_VERSION_ROW RUN_VERSION " AS version, r.finished_at IS NOT NULL AS is_final FROM runs r WHERE r.id = "
#define RUN_ROW                                                                                    \
    "concat(" SQL_RUN_OPEN ", ',\"steps\":[', (SELECT string_agg(" SQL_STEP_TEXT ", ',' ORDER BY"   \
    " s.ordinal) FROM steps s LEFT JOIN " SQL_STEP_NEEDS " e ON e.step_id = s.id"                  \
    " WHERE s.run_id = r.id), ']}') AS json, r.finished_at IS NOT NULL AS is_final, "              \
    RUN_VERSION " AS version FROM runs r WHERE r.id = "
/* One row by its key at a time, whatever the statistics say: OFFSET 0 keeps it from becoming a join
   that reads a table whole. */
#define FOR_EACH_KEY(row)                                                                          \
    " FROM unnest($1::text[]) WITH ORDINALITY k(id, at) CROSS JOIN LATERAL (SELECT " row "k.id OFFSET 0) x"
static const struct db_stmt run_versions = {
    "api_run_versions", "SELECT x.version, x.is_final, k.at" FOR_EACH_KEY(RUN_VERSION_ROW), 1
};
static const struct db_stmt run_version = {
    "api_run_version", "SELECT " RUN_VERSION_ROW "$1", 1
};
static const struct db_stmt runs_read = {
    "api_runs_read", "SELECT x.json, x.is_final, x.version, k.at" FOR_EACH_KEY(RUN_ROW), 1
};
static const struct db_stmt run_read = { "api_run_read", "SELECT " RUN_ROW "$1", 1 };
static const struct db_stmt run_state = { "api_run_state", "SELECT state FROM runs WHERE id ="
    " $1", 1 };
static const struct db_stmt run_summary = { "api_run_summary",
                                            "SELECT r.state, " SQL_RUN_TEXT " FROM runs r WHERE r.id"
    " = $1", 1 };
static const struct db_stmt run_answer = {
    "api_run_answer",
    "SELECT set_config('steward.answer', (SELECT " SQL_RUN_TEXT " FROM runs r WHERE r.id = $1),"
    " true)", 1
};

#define RUNS_FILTER                                                                                \
    " ($1::text IS NULL OR r.id < $1::text)" \
    " AND ($2::text IS NULL OR " RUN_STATUS_OF("r") " = ANY ($2::text[]))" \
    " AND ($3::text IS NULL OR r.kind = ANY ($3::text[]))" \
    " AND ($4::text IS NULL OR r.trigger = ANY ($4::text[]))" \
    " AND ($5::text IS NULL OR r.schedule_id = $5)" \
    " AND ($6::timestamptz IS NULL OR r.created_at > $6::timestamptz)" \
    " AND ($7::timestamptz IS NULL OR r.created_at < $7::timestamptz)"

/* Two statements, so that the plan of each fits: one walks the primary key, the other runs_by_config.
   */
static const struct db_stmt runs_page = { "api_runs_page",
                                          "SELECT r.id, " SQL_RUN_TEXT " FROM runs r WHERE" RUNS_FILTER
                                          " ORDER BY r.id DESC LIMIT $8::int",
                                          8 };
#define NEWEST_VERSION                                                                             \
    "(SELECT concat(max(extract(epoch FROM p.updated_at)), " HASH_OF("p.xmin") ", " HASH_OF("p.ctid") ")" \
    " FROM (SELECT x.xmin, x.ctid, x.updated_at FROM runs x ORDER BY x.id DESC LIMIT $1::int) p)"
static const struct db_stmt runs_newest_version = { "api_runs_newest_version",
                                                    "SELECT " NEWEST_VERSION, 1 };
static const struct db_stmt runs_page_newest = {
    "api_runs_page_newest",
    "SELECT string_agg(p.json, ',') FILTER (WHERE p.at < $1::int),"
    " CASE WHEN count(*) >= $1::int THEN max(p.id) FILTER (WHERE p.at = $1::int - 1) END,"
    " " NEWEST_VERSION " FROM (SELECT r.id, " SQL_RUN_TEXT " AS json, row_number() OVER (ORDER BY"
    " r.id DESC) AS at FROM runs r ORDER BY r.id DESC LIMIT $1::int) p",
    1
};
static const struct db_stmt runs_page_of_config = {
    "api_runs_page_of_config",
    "SELECT r.id, " SQL_RUN_TEXT " FROM runs r WHERE r.config = $9 AND" RUNS_FILTER
    " ORDER BY r.id DESC LIMIT $8::int",
    9
};
static const struct db_stmt open_counts = {
    "api_open_counts",
    "SELECT 'run', state::text, count(*) FROM runs WHERE state = 'queued' GROUP BY 2"
    " UNION ALL SELECT 'run', state::text, count(*) FROM runs WHERE state IN ('running',"
    " 'cancelling')"
    " GROUP BY 2 UNION ALL SELECT 'step', state::text, count(*) FROM steps"
    " WHERE state IN ('ready', 'waiting') GROUP BY 2"
    " UNION ALL SELECT 'orphan', w.owner, (SELECT count(*) FROM orphans o WHERE o.owner = w.owner)"
    " FROM unnest(ARRAY['nobody', 'us', 'other']) AS w(owner)"
    " UNION ALL SELECT 'halt', '', count(*) FROM server_identity WHERE halted_until > clock_timestamp()"
    " UNION ALL SELECT m.what, e.kind, sum(m.n) FROM endpoints e CROSS JOIN LATERAL (VALUES"
    "  ('pending', (SELECT count(*) FROM deliveries d WHERE d.endpoint_id = e.id"
    "   AND d.state = 'pending')),"
    "  ('dead', (SELECT count(*) FROM deliveries d WHERE d.endpoint_id = e.id"
    "   AND d.state = 'dead')),"
    "  ('failing', (e.failing_since IS NOT NULL)::int),"
    "  ('delivered', e.delivered), ('failed', e.failed)) AS m(what, n) GROUP BY 1, 2",
    0
};
/* clang-format on */

void runs_store_version(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &run_version, .params = { id }, .many = &run_versions };
}

void runs_store_read(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &run_read, .params = { id }, .many = &runs_read };
}

void runs_store_state(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &run_state, .params = { id } };
}

void runs_store_summary(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &run_summary, .params = { id } };
}

void runs_store_answer(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &run_answer, .params = { id } };
}

bool runs_filter_is_plain(const struct runs_filter *f)
{
    return !f->config && !f->statuses && !f->kinds && !f->triggers && !f->schedule_id &&
           !f->created_after && !f->created_before && !f->before_id;
}

void runs_store_newest_version(const char *limit, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &runs_newest_version, .params = { limit } };
}

void runs_store_newest(const char *limit, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &runs_page_newest, .params = { limit } };
}

void runs_store_page(const struct runs_filter *f, struct db_op *op)
{
    *op = (struct db_op){ .stmt = f->config ? &runs_page_of_config : &runs_page,
                          .params = { f->before_id, f->statuses, f->kinds, f->triggers,
                                      f->schedule_id, f->created_after, f->created_before, f->limit,
                                      f->config } };
}

void runs_store_open_counts(struct db_op *op)
{
    *op = (struct db_op){ .stmt = &open_counts };
}
