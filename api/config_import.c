/*
 * config_import.c - a config from what exists in Amazon Personalize.
 *
 * A run reads the dataset group with all it has; the parameter file that comes of it is checked and
 * stored like any other, but no apply is started: nothing in Amazon Personalize is touched. The
 * request waits for the run for half a minute, else the run's address is answered.
 */
#include "api_private.h"
#include "config_write.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/run_store.h"
#include "steward/runs_store.h"

#define WAIT_MS 30000

struct import_call {
    const char *group, *run_id;
    struct feed_waiter waiter;
};

static const struct body_member members[] = {
    { .name = "datasetGroup", .type = JSON_STRING, .is_required = true, .max_length = 63 },
};

static void look(struct call *c);

static void woken(struct feed_waiter *w)
{
    look(w->call);
}

/* The document becomes a config. */
static void store(struct call *c, json_t *document)
{
    struct config_change *w = config_change_new(c);

    w->is_import = true;
    parameter_file_load(document, &w->file);
    if (w->file.errors.count)
        answer_findings(c, 422, "not-expressible", &w->file.errors);
    else
        config_change_begin(c, w);
}

static void over(struct call *c, const json_t *run)
{
    const json_t *step = json_array_get(json_object_get(run, "steps"), 0);
    json_t *document = json_object_get(json_object_get(step, "details"), "document");

    if (document)
        store(c, document);
    else
        answer_field(c, "/datasetGroup", "cannot-import",
                     json_text_or(step, "reason", "The dataset group could not be read."));
}

static void run_read(struct call *c)
{
    struct import_call *s = c->state;
    const char *text = rows_text(c->reply, 0, 0, 0);
    AUTO_JSON json_t *run = NULL;
    struct err e;

    if (!text || json_parse(text, rows_length(c->reply, 0, 0, 0), &run, NULL, &e)) {
        answer_problem(c, 500, "internal", "The run of the import cannot be read.");
    } else if (rows_bool(c->reply, 0, 0, 1)) {
        over(c, run);
    } else if (s->waiter.is_expired || clock_mono_ms() >= s->waiter.deadline_ms) {
        http_set_header(c->rq, "Location", arena_printf(c->arena, "/runs/%s", s->run_id));
        answer_text(c, 202, text, rows_length(c->reply, 0, 0, 0));
    } else {
        s->waiter.call = c;
        s->waiter.run_id = s->run_id;
        s->waiter.wake = woken;
        feed_wait(c->api->feed, &s->waiter);
    }
}

static void look(struct call *c)
{
    const struct import_call *s = c->state;
    struct db_op op;

    runs_store_read(s->run_id, &op);
    call_read(c, &op, 1, run_read);
}

static void begin(struct call *c)
{
    struct import_call *s = c->state;
    struct run_new run = {
        .kind = RUN_KIND_ADOPT, .trigger = "api", .overlap = "queue", .created_by = c->who.token_id
    };
    struct db_op ops[CALL_OPS_MAX];
    struct plan plan;
    size_t n;

    id_new("run", run.id);
    s->run_id = arena_strdup(c->arena, run.id);
    plan_import_group(s->group, &plan);
    n = run_store_insert(c->arena, &run, &plan, ops);
    plan_done(&plan);
    s->waiter.deadline_ms = clock_mono_ms() + WAIT_MS;
    http_extend(c->rq, WAIT_MS + 10000);
    call_write(c, ops, n,
               &(struct write_note){
                   .status = 202,
                   .detail = arena_printf(c->arena, "{\"run\":\"%s\",\"kind\":\"adopt\"}", run.id),
                   .next = look });
}

void api_config_import(struct call *c)
{
    struct import_call *s = arena_alloc(c->arena, sizeof *s);

    c->state = s;
    if (!body_parse(c) || !body_check(c, members, ARRAY_LEN(members)))
        return;
    s->group = json_text(c->body, "datasetGroup");
    c->idempotency_key = NULL; /* reading again is harmless, and its answer is about now */
    c->on_stale = begin;
    begin(c);
}
