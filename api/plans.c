/*
 * plans.c - plans that are kept for a day, and applied only when nothing moved since.
 *
 * A saved plan is a row with the document and an observe run; its lines are made of the run's steps
 * whenever somebody asks. Applying looks at everything once more and compares what was seen then
 * and now; the config's version is compared twice, the second time inside the transaction that
 * writes.
 */
#include <string.h>

#include "config_write.h"
#include "observe.h"
#include "steward/clock.h"
#include "steward/configs_store.h"
#include "steward/id.h"
#include "steward/plans_store.h"

static const struct body_member plan_members[] = {
    { .name = "config", .type = JSON_STRING, .max_length = 63 },
    { .name = "document", .type = JSON_OBJECT },
};

struct saved {
    struct observation o; /* first: c->observation is the state as well */
    json_t *plan;         /* the row, as the API shows it; owned */
    json_t *before;       /* the run the plan was made of; owned */
    const char *id, *document, *key;
};

static void saved_done(void *state)
{
    struct saved *s = state;

    observation_done(&s->o);
    json_decref(s->plan);
    json_decref(s->before);
}

static struct saved *saved_new(struct call *c)
{
    struct saved *s = arena_alloc(c->arena, sizeof *s);

    c->state = s;
    c->state_done = saved_done;
    return s;
}

/* ---- POST /plans ---- */

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static const char *json_keep(struct call *c, const json_t *value)
{
    AUTO_FREE char *text = json_compact(value);

    return arena_strdup(c->arena, text);
}

static void insert(struct call *c)
{
    struct saved *s = c->state;
    struct db_op ops[CALL_OPS_MAX];
    char id[ID_BYTES];
    size_t n;

    id_new("pln", id);
    s->id = arena_strdup(c->arena, id);
    n = observation_ops(c, &s->o, ops);
    n += plans_store_insert(&(struct plan_new){ .id = s->id,
                                                .config = s->o.file.name,
                                                .config_version = s->o.version,
                                                .document = json_keep(c, s->o.file.document),
                                                .facts = json_keep(c, s->o.facts),
                                                .message = http_query(c->rq, "message"),
                                                .revision = http_query(c->rq, "revision"),
                                                .url = http_query(c->rq, "url"),
                                                .created_by = c->who.token_id,
                                                .run_id = s->o.run_id,
                                                .is_prune = c->is_prune },
                            ops + n);
    plans_store_answer(s->id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){
                   .status = 202,
                   .location = arena_printf(c->arena, "/plans/%s", s->id),
                   .link = arena_printf(c->arena, "</runs/%s>; rel=\"run\"", s->o.run_id),
                   .detail = arena_printf(c->arena, "{\"plan\":\"%s\",\"config\":\"%s\"}", s->id,
                                          s->o.file.name),
                   .next = written });
}

static void facts_known(struct call *c)
{
    struct saved *s = c->state;
    AUTO_JSON json_t *steps = NULL;

    if (!c->is_dry_run) {
        insert(c);
        return;
    }
    steps = config_plan_json(&s->o.plan);
    answer_dry_run(c, json_pack("{s:s, s:s, s:O}", "config", s->o.file.name, "kind", "observe",
                                "steps", steps));
}

static void planned(struct call *c)
{
    struct saved *s = c->state;

    observation_facts(c, &s->o, facts_known);
}

/* The row is (version, sha256, sync, state of the newest apply, document). */
static void config_read(struct call *c)
{
    struct saved *s = c->state;
    const char *name = json_text(c->body, "config"), *version = rows_text(c->reply, 0, 0, 0);

    s->o.version = version ? arena_strdup(c->arena, version) : NULL;
    if (name && !version) {
        answer_field(
            c, "/config", "not-found",
            arena_printf(c->arena, "There is no config \"%s\"; GET /configs lists them.", name));
        return;
    }
    if (name) {
        const char *document = rows_text(c->reply, 0, 0, 4);

        parameter_file_done(&s->o.file);
        parameter_file_parse(document, strlen(document), &s->o.file);
        s->o.config = name;
    }
    if (s->o.file.errors.count)
        answer_findings(c, 422, "stored-config-invalid", &s->o.file.errors);
    else
        observation_plan(c, &s->o, planned);
}

static void read_config(struct call *c)
{
    struct saved *s = c->state;
    const char *name = json_text(c->body, "config");
    struct db_op op;

    configs_store_current(name ? name : s->o.file.name, &op);
    call_read(c, &op, 1, config_read);
}

/* {"config": name}, {"document": {…}}, or the parameter file itself. */
static bool take_body(struct call *c, struct saved *s)
{
    json_t *document;

    if (!body_parse(c))
        return false;
    document =
        json_object_get(c->body, "datasetGroup") ? c->body : json_object_get(c->body, "document");
    if (document != c->body && !body_check(c, plan_members, ARRAY_LEN(plan_members)))
        return false;
    if (!document == !json_object_get(c->body, "config") && document != c->body) {
        answer_field(c, "", "missing",
                     "Say what to plan: {\"config\": name} of a stored config, or {\"document\": "
                     "{…}}, a parameter file.");
        return false;
    }
    if (!document)
        return true;
    parameter_file_load(document, &s->o.file);
    if (!s->o.file.errors.count)
        return true;
    answer_findings(c, 422, "invalid", &s->o.file.errors);
    return false;
}

void api_plan_post(struct call *c)
{
    if (take_body(c, saved_new(c)))
        call_begin_write(c, read_config);
}

/* ---- the row ---- */

static bool take_id(struct call *c)
{
    if (id_is_valid("pln", c->match.params[0]))
        return true;
    answer_not_found(c, "plan", c->match.params[0]);
    return false;
}

/* Keeps what the phases after need; answers and returns false when there is no such plan. */
static bool take_row(struct call *c, struct saved *s)
{
    const char *document = rows_text(c->reply, 0, 0, PLAN_DOCUMENT);
    const char *version = rows_text(c->reply, 0, 0, PLAN_VERSION);
    const char *run = rows_text(c->reply, 0, 0, PLAN_RUN);
    struct err e;

    if (!document) {
        answer_not_found(c, "plan", c->match.params[0]);
        return false;
    }
    saved_done(s);
    *s = (struct saved){ .id = c->match.params[0], .key = s->key };
    s->document = arena_strdup(c->arena, document);
    c->is_prune = rows_bool(c->reply, 0, 0, PLAN_PRUNE);
    s->o.version = version ? arena_strdup(c->arena, version) : NULL;
    s->o.run_id = run ? arena_strdup(c->arena, run) : NULL;
    parameter_file_parse(document, strlen(document), &s->o.file);
    if (json_parse(rows_text(c->reply, 0, 0, PLAN_JSON), rows_length(c->reply, 0, 0, PLAN_JSON),
                   &s->plan, NULL, &e) ||
        json_parse(rows_text(c->reply, 0, 0, PLAN_FACTS), rows_length(c->reply, 0, 0, PLAN_FACTS),
                   &s->o.facts, NULL, &e)) {
        http_problem_err(c->rq, &e);
        return false;
    }
    if (!s->o.file.errors.count)
        return true;
    answer_findings(c, 422, "stored-config-invalid", &s->o.file.errors);
    return false;
}

/* ---- GET /plans/{id} ---- */

static void answer_saved(struct call *c, const json_t *plan)
{
    observation_answer(c, 200, plan,
                       arena_printf(c->arena, "config %s", json_text_or(plan, "config", "")));
}

static void still_looking(struct call *c)
{
    const struct saved *s = c->state;

    answer_saved(c, s->plan);
}

static void looked(struct call *c)
{
    struct saved *s = c->state;
    AUTO_JSON json_t *lines = observation_to_plan(c, &s->o);

    if (str_eq(json_text(s->plan, "status"), "looking"))
        json_object_set_new(s->plan, "status", json_string("ready"));
    json_object_update(s->plan, lines);
    answer_saved(c, s->plan);
}

static void plan_read(struct call *c)
{
    struct saved *s = c->state;
    static const int64_t range[2] = { 0, 60 };
    int64_t wait = 0;

    if (!query_integer(c, "wait", range, &wait) || !take_row(c, s))
        return;
    s->o.over = looked;
    s->o.late = still_looking;
    if (!s->o.run_id) {
        answer_saved(c, s->plan);
        return;
    }
    http_extend(c->rq, wait * 1000 + 10000);
    observation_await(c, &s->o, clock_mono_ms() + wait * 1000);
}

void api_plan_get(struct call *c)
{
    struct db_op op;

    if (!take_id(c))
        return;
    (void) saved_new(c);
    plans_store_read(c->match.params[0], &op);
    call_read(c, &op, 1, plan_read);
}

/* ---- POST /plans/{id}/apply ---- */

static size_t mark_applied(struct call *c, const struct config_change *w, struct db_op *ops)
{
    plans_store_applied(c->match.params[0], w->run_id, &ops[0]);
    return 1;
}

static const char *text_keep(struct call *c, const json_t *object, const char *key)
{
    const char *text = json_text(object, key);

    return text ? arena_strdup(c->arena, text) : NULL;
}

/* Nothing moved: the document becomes the desired state. */
static void store(struct call *c)
{
    struct saved *s = c->state;
    struct saved kept = *s;
    struct config_change *w = config_change_new(c);
    AUTO_JSON json_t *lines = observation_to_plan(c, &kept.o);

    c->idempotency_key = kept.key;
    w->message = text_keep(c, kept.plan, "message");
    w->revision = text_keep(c, kept.plan, "revision");
    w->url = text_keep(c, kept.plan, "url");
    w->is_run_forced = json_bool_or(lines, "changes", false);
    w->is_bound = true;
    w->bound_version = kept.o.version;
    w->extra = mark_applied;
    saved_done(&kept);
    parameter_file_parse(kept.document, strlen(kept.document), &w->file);
    config_change_begin(c, w);
}

static void looked_again(struct call *c)
{
    struct saved *s = c->state;
    struct findings moved = { 0 };

    observation_moved(s->before, s->o.run, &moved);
    if (!moved.count) {
        store(c);
        return;
    }
    answer_findings(c, 409, "world-moved", &moved);
    findings_done(&moved);
}

static void too_slow(struct call *c)
{
    http_problem(c->rq, &(struct problem){ .status = 503,
                                           .code = "look-too-slow",
                                           .detail = "Amazon Personalize answers slowly: whether "
                                                     "the plan still holds could not be seen. "
                                                     "Nothing was changed; try again.",
                                           .is_retryable = true,
                                           .retry_after_s = 10 });
}

static void planned_again(struct call *c)
{
    struct saved *s = c->state;

    observation_begin(c, &s->o);
}

/* The row is (version, …). */
static void version_read(struct call *c)
{
    struct saved *s = c->state;
    const char *version = rows_text(c->reply, 0, 0, 0);

    if (!str_eq(version, s->o.version)) {
        answer_world_moved(c, s->o.file.name, s->o.version, version);
        return;
    }
    if (c->is_dry_run) {
        AUTO_JSON json_t *plan = observation_to_plan(c, &s->o);

        answer_dry_run(c, json_pack("{s:s, s:O, s:O, s:O}", "plan", s->id, "config",
                                    json_object_get(plan, "config"), "summary",
                                    json_object_get(plan, "summary"), "lines",
                                    json_object_get(plan, "lines")));
        return;
    }
    s->before = s->o.run;
    s->o.run = NULL;
    s->o.config = s->o.version ? s->o.file.name : NULL;
    s->o.over = looked_again;
    s->o.late = too_slow;
    if (c->idempotency_key)
        s->key = c->idempotency_key;
    c->idempotency_key = NULL; /* the answer to keep is the last one's */
    observation_plan(c, &s->o, planned_again);
}

static bool is_blocked(struct call *c, const struct saved *s)
{
    AUTO_JSON json_t *plan = observation_to_plan(c, &s->o);
    struct findings f = { 0 };
    size_t i;
    json_t *line;

    json_array_foreach (json_object_get(plan, "lines"), i, line)
        if (str_eq(json_text(line, "action"), "blocked"))
            findings_add(&f, json_text_or(line, "pointer", ""), json_text_or(line, "rule", ""),
                         "%s %s: %s.", json_text_or(line, "kind", ""),
                         json_text_or(line, "name", ""), json_text_or(line, "reason", ""));
    if (!f.count)
        return false;
    answer_findings(c, 409, "plan-blocked", &f);
    findings_done(&f);
    return true;
}

static void first_look_read(struct call *c)
{
    struct saved *s = c->state;
    struct db_op op;

    if (is_blocked(c, s))
        return;
    configs_store_current(s->o.file.name, &op);
    call_read(c, &op, 1, version_read);
}

static void not_ready(struct call *c)
{
    http_problem(c->rq, &(struct problem){ .status = 409,
                                           .code = "plan-not-ready",
                                           .detail = "The plan is still being made; GET it with "
                                                     "?wait=30, then apply it.",
                                           .is_retryable = true,
                                           .retry_after_s = 2 });
}

static void apply_read(struct call *c)
{
    struct saved *s = c->state;
    bool is_expired = rows_bool(c->reply, 0, 0, PLAN_EXPIRED);
    bool is_applied = rows_bool(c->reply, 0, 0, PLAN_APPLIED);

    if (!take_row(c, s))
        return;
    if (is_applied) {
        answer_problemf(c, 409, "plan-applied", "The plan was applied at %s already.",
                        json_text_or(s->plan, "appliedAt", "some time"));
    } else if (is_expired) {
        answer_problem(c, 410, "plan-expired", "A plan is good for 24 hours: make a new one.");
    } else if (!s->o.run_id || str_eq(json_text(s->plan, "status"), "failed")) {
        answer_problem(c, 409, "plan-failed",
                       "The look that the plan is made of did not finish: make a new one.");
    } else {
        s->o.over = first_look_read;
        s->o.late = not_ready;
        observation_await(c, &s->o, 0);
    }
}

static void read_plan(struct call *c)
{
    struct db_op op;

    plans_store_read(c->match.params[0], &op);
    call_read(c, &op, 1, apply_read);
}

void api_plan_apply(struct call *c)
{
    if (!take_id(c) || !body_parse(c) || !body_check(c, NULL, 0))
        return;
    (void) saved_new(c);
    call_begin_write(c, read_plan);
}
