/*
 * routes.c - the table of routes: what there is, who may, what a request may carry, and who
 * answers.
 *
 * Deny by default: a row without a scope that somebody chose does not pass routes_check(), which
 * runs at start. A system test compares this table with openapi.yaml both ways.
 */
#include <assert.h>
#include <string.h>

#include "api_private.h"

/* clang-format off */
const struct api_route api_routes[] = {
    { "GET",    "/configs",                       "listConfigs",            SCOPE_READ,    api_configs_list,
      BODY_NONE, 0, { "limit", "cursor" } },
    { "POST",   "/configs",                       "createConfig",           SCOPE_APPLY,   api_config_post,
      BODY_DOCUMENT, 0, { "message", "revision", "url", "prune" } },
    { "POST",   "/configs/validate",              "validateConfig",         SCOPE_READ,    api_config_validate,
      BODY_DOCUMENT, 0, { NULL } },
    { "GET",    "/configs/{name}",                "getConfig",              SCOPE_READ,    api_config_get,
      BODY_NONE, 0, { "view" } },
    { "PUT",    "/configs/{name}",                "replaceConfig",          SCOPE_APPLY,   api_config_put,
      BODY_DOCUMENT, 0, { "message", "revision", "url", "prune" } },
    { "POST",   "/configs/plan",                  "planConfig",             SCOPE_READ,    api_config_plan_post,
      BODY_DOCUMENT, ROUTE_TEXT, { "prune" } },
    { "POST",   "/configs/import",                "importConfig",           SCOPE_APPLY,   api_config_import,
      BODY_JSON, ROUTE_UNMETERED, { NULL } },
    { "GET",    "/configs/{name}/plan",           "getConfigPlan",          SCOPE_READ,    api_config_plan_get,
      BODY_NONE, ROUTE_UNMETERED | ROUTE_TEXT, { "prune" } },
    { "PATCH",  "/configs/{name}",                "patchConfig",            SCOPE_APPLY,   api_config_patch,
      BODY_JSON, 0, { "message", "revision", "url", "prune" } },
    { "PATCH",  "/configs/{name}/campaigns/{campaign}", "patchCampaign",    SCOPE_APPLY,   api_campaign_patch,
      BODY_JSON, 0, { "message", "revision", "url", "prune" } },
    { "PATCH",  "/configs/{name}/recommenders/{recommender}", "patchRecommender", SCOPE_APPLY, api_recommender_patch,
      BODY_JSON, 0, { "message", "revision", "url", "prune" } },
    { "DELETE", "/configs/{name}",                "deleteConfig",           SCOPE_APPLY,   api_config_delete,
      BODY_NONE, 0, { "resources" } },
    { "POST",   "/configs/{name}/campaigns/{campaign}/promote", "promoteVersion", SCOPE_OPERATE, api_campaign_promote,
      BODY_OPTIONAL, 0, { NULL } },
    { "POST",   "/configs/{name}/campaigns/{campaign}/unpin", "unpinCampaign", SCOPE_OPERATE, api_campaign_unpin,
      BODY_OPTIONAL, 0, { NULL } },
    { "GET",    "/configs/{name}/versions",       "listConfigVersions",     SCOPE_READ,    api_config_versions,
      BODY_NONE, 0, { "limit", "cursor" } },
    { "GET",    "/configs/{name}/versions/{n}",   "getConfigVersion",       SCOPE_READ,    api_config_version,
      BODY_NONE, ROUTE_TEXT, { "view", "diff" } },
    { "POST",   "/configs/{name}/rollback",       "rollbackConfig",         SCOPE_APPLY,   api_config_rollback,
      BODY_JSON, 0, { "message", "revision", "url", "prune" } },
    { "GET",    "/configs/{name}/resources",      "listConfigResources",    SCOPE_READ,    api_config_resources,
      BODY_NONE, 0, { "limit", "cursor" } },
    { "GET",    "/configs/{name}/schedules/{path...}", "getConfigSchedule", SCOPE_READ,   api_config_schedule_get,
      BODY_NONE, 0, { NULL } },
    { "GET",    "/runs",                          "listRuns",               SCOPE_READ,    api_runs_list,
      BODY_NONE, 0, { "limit", "cursor", "config", "status", "kind", "trigger", "scheduleId", "createdAfter", "createdBefore" } },
    { "POST",   "/runs",                          "createRun",              SCOPE_OPERATE, api_run_post, BODY_JSON, ROUTE_STARTS_RUN, { NULL } },
    { "GET",    "/runs/{id}",                     "getRun",                 SCOPE_READ,    api_run_get,
      BODY_NONE, ROUTE_UNMETERED, { "wait" } },
    { "GET",    "/runs/{id}/events",              "listRunEvents",          SCOPE_READ,    api_run_events,
      BODY_NONE, 0, { "limit", "cursor" } },
    { "POST",   "/runs/{id}/cancel",              "cancelRun",              SCOPE_OPERATE, api_run_cancel,
      BODY_OPTIONAL, 0, { NULL } },
    { "POST",   "/runs/{id}/retry",               "retryRun",               SCOPE_OPERATE, api_run_retry,
      BODY_OPTIONAL, ROUTE_STARTS_RUN, { NULL } },
    { "GET",    "/schedules",                     "listSchedules",          SCOPE_READ,    api_schedules_list,
      BODY_NONE, 0, { "limit", "cursor", "config", "kind", "paused" } },
    { "POST",   "/schedules",                     "createSchedule",         SCOPE_OPERATE, api_schedule_post,
      BODY_JSON, 0, { NULL } },
    { "DELETE", "/schedules/{id}",                "deleteSchedule",         SCOPE_OPERATE, api_schedule_delete,
      BODY_NONE, 0, { NULL } },
    { "GET",    "/schedules/{id}",                "getSchedule",            SCOPE_READ,    api_schedule_get,
      BODY_NONE, 0, { NULL } },
    { "GET",    "/schedules/{id}/fires",          "listScheduleFires",      SCOPE_READ,    api_schedule_fires,
      BODY_NONE, 0, { "limit", "cursor", "count", "from", "to" } },
    { "PATCH",  "/schedules/{id}",                "patchSchedule",          SCOPE_OPERATE, api_schedule_patch,
      BODY_JSON, 0, { NULL } },
    { "POST",   "/schedules/{id}/run",            "runSchedule",            SCOPE_OPERATE, api_schedule_run,
      BODY_OPTIONAL, ROUTE_STARTS_RUN, { NULL } },
    { "GET",    "/pause",                         "getPause",               SCOPE_READ,    api_pause_get,
      BODY_NONE, 0, { NULL } },
    { "POST",   "/pause",                         "pauseServer",            SCOPE_OPERATE, api_pause_post,
      BODY_OPTIONAL, 0, { NULL } },
    { "POST",   "/resume",                        "resumeServer",           SCOPE_OPERATE, api_resume_post,
      BODY_OPTIONAL, 0, { NULL } },
    { "POST",   "/plans",                         "savePlan",               SCOPE_READ,    api_plan_post,
      BODY_JSON, 0, { "message", "revision", "url", "prune" } },
    { "GET",    "/plans/{id}",                    "getPlan",                SCOPE_READ,    api_plan_get,
      BODY_NONE, ROUTE_UNMETERED | ROUTE_TEXT, { "wait" } },
    { "POST",   "/plans/{id}/apply",              "applyPlan",              SCOPE_APPLY,   api_plan_apply,
      BODY_OPTIONAL, ROUTE_UNMETERED, { NULL } },
    { "GET",    "/solutions/{name}/versions",     "listSolutionVersions",   SCOPE_READ,    api_solution_versions,
      BODY_NONE, 0, { "limit", "cursor" } },
    { "GET",    "/events",                        "listEvents",             SCOPE_READ,    api_events,
      BODY_NONE, ROUTE_UNMETERED | ROUTE_STREAM, { "limit", "cursor", "after", "type", "config", "run" } },
    { "GET",    "/overview",                      "getOverview",            SCOPE_READ,    api_overview,
      BODY_NONE, 0, { NULL } },
    { "GET",    "/problems",                      "listProblems",           SCOPE_READ,    api_problems,
      BODY_NONE, 0, { "config" } },
    { "GET",    "/orphans",                       "listOrphans",            SCOPE_READ,    api_orphans,
      BODY_NONE, ROUTE_UNMETERED, { "limit", "cursor", "kind", "owner", "config" } },
    { "GET",    "/recipes",                       "listRecipes",            SCOPE_READ,    api_recipes, BODY_NONE, 0, { NULL } },
    { "GET",    "/quotas",                        "listQuotas",             SCOPE_READ,    api_quotas, BODY_NONE, 0, { NULL } },
    { "GET",    "/event-types",                   "listEventTypes",         SCOPE_READ,    api_event_types,
      BODY_NONE, 0, { NULL } },
    { "GET",    "/event-types/{type}",            "getEventType",           SCOPE_READ,    api_event_type_get,
      BODY_NONE, ROUTE_SCHEMA, { NULL } },
    { "GET",    "/schemas",                       "listSchemas",            SCOPE_READ,    api_schemas,
      BODY_NONE, 0, { NULL } },
    { "GET",    "/schemas/parameter-file.json",   "getParameterFileSchema", SCOPE_READ,    api_schema_parameter_file,
      BODY_NONE, ROUTE_SCHEMA, { NULL } },
    { "GET",    "/webhooks",                      "listWebhooks",           SCOPE_READ,    api_webhooks_list,
      BODY_NONE, 0, { "limit", "cursor" } },
    { "POST",   "/webhooks",                      "createWebhook",          SCOPE_OPERATE, api_webhook_post,
      BODY_JSON, 0, { NULL } },
    { "GET",    "/webhooks/{id}",                 "getWebhook",             SCOPE_READ,    api_webhook_get,
      BODY_NONE, 0, { NULL } },
    { "PATCH",  "/webhooks/{id}",                 "patchWebhook",           SCOPE_OPERATE, api_webhook_patch,
      BODY_JSON, 0, { NULL } },
    { "DELETE", "/webhooks/{id}",                 "deleteWebhook",          SCOPE_OPERATE, api_webhook_delete,
      BODY_NONE, 0, { NULL } },
    { "POST",   "/webhooks/{id}/rotate",          "rotateWebhookSecret",    SCOPE_OPERATE, api_webhook_rotate,
      BODY_OPTIONAL, 0, { NULL } },
    { "GET",    "/webhooks/{id}/deliveries",      "listDeliveries",         SCOPE_READ,    api_webhook_deliveries,
      BODY_NONE, 0, { "limit", "cursor", "status" } },
    { "POST",   "/webhooks/{id}/test",            "testWebhook",            SCOPE_OPERATE, api_webhook_test,
      BODY_OPTIONAL, 0, { NULL } },
    { "POST",   "/webhooks/{id}/replay",          "replayWebhook",          SCOPE_OPERATE, api_webhook_replay,
      BODY_JSON, 0, { NULL } },
    { "GET",    "/triggers",                      "listTriggers",           SCOPE_READ,    api_triggers_list,
      BODY_NONE, 0, { "limit", "cursor", "config" } },
    { "POST",   "/triggers",                      "createTrigger",          SCOPE_OPERATE, api_trigger_post,
      BODY_JSON, 0, { NULL } },
    { "GET",    "/triggers/{id}",                 "getTrigger",             SCOPE_READ,    api_trigger_get,
      BODY_NONE, 0, { NULL } },
    { "PATCH",  "/triggers/{id}",                 "patchTrigger",           SCOPE_OPERATE, api_trigger_patch,
      BODY_JSON, 0, { NULL } },
    { "DELETE", "/triggers/{id}",                 "deleteTrigger",          SCOPE_OPERATE, api_trigger_delete,
      BODY_NONE, 0, { NULL } },
    { "POST",   "/triggers/{id}/rotate",          "rotateTriggerSecret",    SCOPE_OPERATE, api_trigger_rotate,
      BODY_OPTIONAL, 0, { NULL } },
    { "GET",    "/triggers/{id}/deliveries",      "listTriggerDeliveries",  SCOPE_READ,    api_trigger_deliveries,
      BODY_NONE, 0, { "limit", "cursor", "status" } },
    { "POST",   "/triggers/{id}/test",            "testTrigger",            SCOPE_OPERATE, api_trigger_test,
      BODY_OPTIONAL, 0, { NULL } },
    { "POST",   "/hooks/{triggerId}",             "deliverToTrigger",       SCOPE_OPEN,    api_hook_post,
      BODY_ANY, 0, { NULL } },
    { "GET",    "/tokens",                        "listTokens",             SCOPE_ADMIN,   api_tokens_list,
      BODY_NONE, 0, { "limit", "cursor" } },
    { "POST",   "/tokens",                        "createToken",            SCOPE_ADMIN,   api_token_post,
      BODY_JSON, 0, { NULL } },
    { "GET",    "/tokens/{id}",                   "getToken",               SCOPE_ADMIN,   api_token_get,
      BODY_NONE, 0, { NULL } },
    { "DELETE", "/tokens/{id}",                   "revokeToken",            SCOPE_ADMIN,   api_token_delete,
      BODY_NONE, 0, { NULL } },
    { "POST",   "/tokens/{id}/rotate",            "rotateToken",            SCOPE_ADMIN,   api_token_rotate,
      BODY_OPTIONAL, 0, { NULL } },
    { "GET",    "/audit",                         "listAudit",              SCOPE_ADMIN,   api_audit,
      BODY_NONE, 0, { "limit", "cursor", "token", "method", "status", "path", "createdAfter", "createdBefore" } },
    { "POST",   "/login-tickets",                 "createLoginTicket",      SCOPE_READ,    api_login_ticket_post,
      BODY_OPTIONAL, 0, { NULL } },
    { "POST",   "/login",                         "login",                  SCOPE_OPEN,    api_login_post,
      BODY_JSON, 0, { NULL } },
    { "GET",    "/livez",                         "livez",                  SCOPE_OPEN,    api_livez,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
    { "GET",    "/healthz",                       "healthz",                SCOPE_OPEN,    api_livez,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
    { "GET",    "/readyz",                        "readyz",                 SCOPE_OPEN,    api_readyz,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
    { "GET",    "/version",                       "version",                SCOPE_OPEN,    api_version,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
    { "GET",    "/metrics",                       "metrics",                SCOPE_METRICS, api_metrics,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
    { "GET",    "/openapi.yaml",                  "openapiYaml",            SCOPE_OPEN,    api_openapi_yaml,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
    { "GET",    "/openapi.json",                  "openapiJson",            SCOPE_OPEN,    api_openapi_json,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
    { "GET",    "/docs",                          "docs",                   SCOPE_OPEN,    api_docs,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
    { "GET",    "/docs/style.css",                "docsStyle",              SCOPE_OPEN,    api_docs_style,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
    { "GET",    "/",                              "root",                   SCOPE_OPEN,    api_root,
      BODY_NONE, ROUTE_DATALESS, { NULL } },
};
/* clang-format on */
const size_t n_api_routes = ARRAY_LEN(api_routes);

/* As openapi.yaml writes it, which has no word for a parameter that takes the rest. */
static json_t *contract_path(const char *path)
{
    const char *rest = strstr(path, "...}");

    return rest ? json_sprintf("%.*s}", (int) (rest - path), path) : json_string(path);
}

void api_print_routes(FILE *to)
{
    AUTO_JSON json_t *list = json_array();
    AUTO_FREE char *text = NULL;

    for (size_t i = 0; i < n_api_routes; i++) {
        const struct api_route *r = &api_routes[i];
        json_t *query = json_array();

        for (size_t k = 0; k < ARRAY_LEN(r->query) && r->query[k]; k++)
            json_array_append_new(query, json_string(r->query[k]));
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s, s:b, s:o}", "method", r->method,
                                              "path", contract_path(r->path), "operation",
                                              r->operation, "scope", scope_name(r->scope), "body",
                                              r->body != BODY_NONE, "query", query));
    }
    text = json_dumps(list, JSON_INDENT(2));
    (void) fprintf(to, "%s\n", text);
}
