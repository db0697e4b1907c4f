/*
 * channels.c - statements of /channels. Test, replay and deliveries are webhooks.c's.
 */
#include "steward/channels_store.h"

#include "shapes.h"

/* SQL has its own layout. */
/* clang-format off */
#define SQL_COUNT(state)                                                                           \
    "(SELECT count(*) FROM deliveries d WHERE d.endpoint_id = e.id AND d.state = '" state "')"
#define SQL_CHANNEL                                                                                \
    "json_strip_nulls(json_build_object('id', e.id, 'kind', e.kind, 'target', e.settings ->> 'target'," \
    " 'server', e.settings ->> 'server', 'status', CASE WHEN e.disabled_at IS NOT NULL THEN 'off'" \
    " WHEN e.failing_since IS NOT NULL THEN 'failing' ELSE 'active' END,"                          \
    " 'offSince', " SQL_AT("e.disabled_at") ", 'failingSince', " SQL_AT("e.failing_since")         \
    ", 'failures', e.failures, 'lastSuccessAt', " SQL_AT("e.last_success_at")                      \
    ", 'lastFailureAt', " SQL_AT("e.last_failure_at") ", 'lastError', e.last_error, 'pending', "   \
    SQL_COUNT("pending") ", 'dead', " SQL_COUNT("dead") ", 'delivered', e.delivered,"              \
    " 'failedAttempts', e.failed, 'createdAt', " SQL_AT("e.created_at") ", 'updatedAt', "          \
    SQL_AT("e.updated_at") "))"

static const struct db_stmt list = {
    "api_channels",
    "SELECT e.id, " SQL_CHANNEL " FROM endpoints e WHERE e.kind <> 'webhook'"
    " ORDER BY e.kind, e.id LIMIT 200",
    0
};
static const struct db_stmt read_one = {
    "api_channel_read",
    "SELECT " SQL_CHANNEL ", e.id, e.disabled_at IS NOT NULL, (SELECT count(*)"
    " FROM deliveries d WHERE d.endpoint_id = e.id AND d.event_type = 'test.ping'"
    " AND d.created_at > clock_timestamp() - interval '1 minute'), NULL"
    " FROM endpoints e WHERE e.kind <> 'webhook' AND e.id = $1",
    1
};
/* clang-format on */

void channels_store_list(struct db_op *op)
{
    *op = (struct db_op){ .stmt = &list };
}

void channels_store_read(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &read_one, .params = { id } };
}
