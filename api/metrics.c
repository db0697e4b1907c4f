/*
 * metrics.c - counters in the text format that Prometheus reads.
 */
#include <stdio.h>
#include <string.h>

#include "api_private.h"
#include "steward/clock.h"
#include "steward/log.h"
#include "steward/runs_store.h"

#define CLASSES  6 /* 0: the client left; 1xx … 5xx */
#define COUNTERS 32

static const int64_t bucket_us[] = { 500,   1000,  2500,   5000,   10000,
                                     25000, 50000, 100000, 250000, 1000000 };
#define BUCKETS ARRAY_LEN(bucket_us)

struct route_metrics {
    uint64_t by_class[CLASSES];
};

struct metrics {
    struct route_metrics *routes; /* one per route, and a last one for what was not routed */
    uint64_t buckets[BUCKETS];
    uint64_t count, sum_us;
    int64_t started_ms;
};

struct metrics *metrics_new(void)
{
    struct metrics *m = xcalloc(1, sizeof *m);

    m->routes = xcalloc(n_api_routes + 1, sizeof *m->routes);
    m->started_ms = clock_mono_ms();
    return m;
}

void metrics_free(struct metrics *m)
{
    if (m)
        free(m->routes);
    free(m);
}

void metrics_count(struct metrics *m, const struct api_route *route, int status, int64_t us)
{
    size_t i = route ? (size_t) (route - api_routes) : n_api_routes;

    m->routes[i].by_class[status / 100 % CLASSES]++;
    if (route && (route->flags & ROUTE_UNMETERED))
        return; /* it waited on purpose */
    for (size_t b = 0; b < BUCKETS; b++)
        m->buckets[b] += us <= bucket_us[b];
    m->count++;
    m->sum_us += us > 0 ? (uint64_t) us : 0;
}

static void print_requests(const struct metrics *m, struct buf *out)
{
    buf_adds(out, "# HELP steward_http_requests_total Answered requests.\n# TYPE "
                  "steward_http_requests_total counter\n");
    for (size_t i = 0; i <= n_api_routes; i++)
        for (size_t k = 0; k < CLASSES; k++)
            if (m->routes[i].by_class[k])
                buf_printf(out,
                           "steward_http_requests_total{operation=\"%s\",class=\"%zuxx\"} %llu\n",
                           i < n_api_routes ? api_routes[i].operation : "none", k,
                           (unsigned long long) m->routes[i].by_class[k]);
    buf_adds(out, "# HELP steward_http_request_seconds Time from the first byte to the answer.\n"
                  "# TYPE steward_http_request_seconds histogram\n");
    for (size_t b = 0; b < BUCKETS; b++)
        buf_printf(out, "steward_http_request_seconds_bucket{le=\"%g\"} %llu\n",
                   (double) bucket_us[b] / 1e6, (unsigned long long) m->buckets[b]);
    buf_printf(out, "steward_http_request_seconds_bucket{le=\"+Inf\"} %llu\n",
               (unsigned long long) m->count);
    buf_printf(out,
               "steward_http_request_seconds_sum %.6f\nsteward_http_request_seconds_count %llu\n",
               (double) m->sum_us / 1e6, (unsigned long long) m->count);
}

static void print_gauge(struct buf *out, const char *name, const char *help, double value)
{
    buf_printf(out, "# HELP steward_%s %s\n# TYPE steward_%s gauge\nsteward_%s %.17g\n", name, help,
               name, name, value);
}

static void print_process(struct call *c, struct buf *out)
{
    const struct api *api = c->api;
    struct api_counter counters[COUNTERS];
    size_t n = api->options.host.counters(api->options.host.user, counters, COUNTERS);

    buf_printf(out,
               "# HELP steward_info What runs here.\n# TYPE steward_info gauge\n"
               "steward_info{version=\"%s\",simulated=\"%s\"} 1\n",
               api->options.version, api->options.is_simulated ? "true" : "false");
    print_gauge(out, "uptime_seconds", "Since the start of the process.",
                (double) (clock_mono_ms() - api->metrics->started_ms) / 1e3);
    print_gauge(out, "http_in_flight", "Requests being worked on.", (double) api->in_flight);
    print_gauge(out, "sse_clients", "Connected event streams.", (double) feed_clients(api->feed));
    print_gauge(out, "events_last_sequence", "Number of the newest event read.",
                (double) feed_last(api->feed));
    print_gauge(out, "database_up", "1 when all lanes are connected.",
                api->db && db_is_up(api->db));
    print_gauge(out, "database_queued", "Submissions without an answer.",
                api->db ? (double) db_queued(api->db) : 0);
    buf_printf(out,
               "# HELP steward_log_lines_dropped_total Log lines that nobody took.\n"
               "# TYPE steward_log_lines_dropped_total counter\n"
               "steward_log_lines_dropped_total %llu\n",
               (unsigned long long) log_dropped());
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "# HELP steward_%s %s\n# TYPE steward_%s counter\nsteward_%s %llu\n",
                   counters[i].name, counters[i].help, counters[i].name, counters[i].name,
                   (unsigned long long) counters[i].value);
}

static void respond(struct call *c, struct buf *out)
{
    size_t n = out->length;

    http_respond_take(c->rq, 200, "text/plain; version=0.0.4; charset=utf-8", buf_take(out), n);
}

/* Rows (what, kind, number) of webhooks and channels. */
static void print_deliveries(struct call *c, struct buf *out)
{
    static const struct {
        const char *what, *name, *type, *help;
    } all[] = {
        { "pending", "deliveries_pending", "gauge", "Deliveries under way or waiting, by kind." },
        { "dead", "deliveries_dead", "gauge", "Deliveries that were given up, kept 30 days." },
        { "failing", "endpoints_failing", "gauge",
          "Webhooks and channels without a success since "
          "their last failure." },
        { "delivered", "deliveries_arrived_total", "counter", "Deliveries that arrived." },
        { "failed", "deliveries_failed_attempts_total", "counter", "Attempts that failed." },
    };

    for (size_t k = 0; k < ARRAY_LEN(all); k++) {
        buf_printf(out, "# HELP steward_%s %s\n# TYPE steward_%s %s\n", all[k].name, all[k].help,
                   all[k].name, all[k].type);
        for (size_t i = 0; i < rows_count(c->reply, 0); i++)
            if (str_eq(rows_text(c->reply, 0, i, 0), all[k].what))
                buf_printf(out, "steward_%s{kind=\"%s\"} %s\n", all[k].name,
                           rows_text(c->reply, 0, i, 1), rows_text(c->reply, 0, i, 2));
    }
}

static void with_counts(struct call *c)
{
    struct buf out = { 0 };

    print_requests(c->api->metrics, &out);
    print_process(c, &out);
    for (int pass = 0; pass < 2; pass++) {
        const char *what = pass ? "step" : "run";

        buf_printf(&out,
                   "# HELP steward_open_%ss Open %ss by status.\n# TYPE steward_open_%ss gauge\n",
                   what, what, what);
        for (size_t i = 0; i < rows_count(c->reply, 0); i++)
            if (str_eq(rows_text(c->reply, 0, i, 0), what))
                buf_printf(&out, "steward_open_%ss{status=\"%s\"} %s\n", what,
                           rows_text(c->reply, 0, i, 1), rows_text(c->reply, 0, i, 2));
    }
    buf_printf(&out, "# HELP steward_orphans_total What the last audit found alive and owned by no "
                     "config, by whose mark it bears.\n# TYPE steward_orphans_total gauge\n");
    for (size_t i = 0; i < rows_count(c->reply, 0); i++)
        if (str_eq(rows_text(c->reply, 0, i, 0), "orphan"))
            buf_printf(&out, "steward_orphans_total{owner=\"%s\"} %s\n",
                       rows_text(c->reply, 0, i, 1), rows_text(c->reply, 0, i, 2));
    for (size_t i = 0; i < rows_count(c->reply, 0); i++)
        if (str_eq(rows_text(c->reply, 0, i, 0), "halt"))
            print_gauge(
                &out, "sends_halted",
                "1 while nothing is sent, because the database was restored or failed over, or its "
                "clock was set.",
                str_eq(rows_text(c->reply, 0, i, 2), "0") ? 0 : 1);
    print_deliveries(c, &out);
    respond(c, &out);
}

void api_metrics(struct call *c)
{
    struct db_op op;

    if (c->api->db && db_is_up(c->api->db)) {
        runs_store_open_counts(&op);
        call_list(c, &op, with_counts);
    } else {
        struct buf out = { 0 };

        print_requests(c->api->metrics, &out);
        print_process(c, &out);
        respond(c, &out);
    }
}
