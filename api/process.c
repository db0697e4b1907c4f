/*
 * process.c - what the process says about itself: alive, ready, version, contract.
 */
#include "api_private.h"
#include "openapi.h"

void api_livez(struct call *c)
{
    answer_text(c, 200, "{\"status\":\"ok\"}", 15);
}

void api_readyz(struct call *c)
{
    AUTO_JSON json_t *reasons = json_object();
    AUTO_JSON json_t *answer = NULL;

    c->api->options.host.not_ready(c->api->options.host.user, reasons);
    /* What the start says about the database is more than we know. */
    if (!c->api->db && !json_object_get(reasons, "database"))
        json_object_set_new(reasons, "database", json_string("starting"));
    if (c->api->db && !db_is_up(c->api->db))
        json_object_set_new(reasons, "database",
                            json_string("not connected; it is tried again and again"));
    if (c->api->is_quiescing)
        json_object_set_new(reasons, "server", json_string("stopping"));
    answer = json_pack("{s:s, s:O}", "status", json_object_size(reasons) ? "notReady" : "ready",
                       "waitingFor", reasons);
    if (json_object_size(reasons))
        http_set_header(c->rq, "Retry-After", "1");
    answer_json(c, json_object_size(reasons) ? 503 : 200, answer);
}

void api_version(struct call *c)
{
    AUTO_JSON json_t *answer =
        json_pack("{s:s, s:s, s:s, s:b}", "name", "steward", "version", c->api->options.version,
                  "commit", c->api->options.commit, "simulated", c->api->options.is_simulated);

    answer_json(c, 200, answer);
}

void api_openapi_yaml(struct call *c)
{
    http_set_header(c->rq, "Cache-Control", "no-cache");
    http_respond_static(c->rq, 200, "application/yaml", openapi_yaml, openapi_yaml_length);
}

void api_openapi_json(struct call *c)
{
    http_set_header(c->rq, "Cache-Control", "no-cache");
    http_respond(c->rq, 200, "application/json", openapi_json, openapi_json_length);
}

void api_docs(struct call *c)
{
    http_set_header(c->rq, "Cache-Control", "no-cache");
    http_respond(c->rq, 200, "text/html; charset=utf-8", openapi_page, openapi_page_length);
}

void api_docs_style(struct call *c)
{
    http_set_header(c->rq, "Cache-Control", "no-cache");
    http_respond(c->rq, 200, "text/css; charset=utf-8", openapi_style, openapi_style_length);
}

void api_root(struct call *c)
{
    AUTO_JSON json_t *answer =
        json_pack("{s:s, s:s, s:b, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "name", "steward", "version",
                  c->api->options.version, "simulated", c->api->options.is_simulated, "links",
                  "configs", "/configs", "runs", "/runs", "events", "/events", "docs", "/docs",
                  "openapi", "/openapi.yaml", "ready", "/readyz");

    answer_json(c, 200, answer);
}
