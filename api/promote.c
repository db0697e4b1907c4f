/*
 * promote.c - which version a campaign serves: promote, roll back, pin, unpin.
 *
 * Promoting and rolling back are one call: the version is named, and the campaign is moved to it by
 * a run. A pin holds the campaign there until it is taken off, or until its time is over; schedules
 * go on training.
 */
#include "config_run.h"
#include "steward/clock.h"
#include "steward/upkeep_store.h"

static const struct body_member promote_members[] = {
    { .name = "version", .type = JSON_STRING, .max_length = 300 },
    { .name = "pin", .type = JSON_TRUE },
    { .name = "until", .type = JSON_STRING, .max_length = 40 },
    { .name = "reason", .type = JSON_STRING, .max_length = 200 },
};
static const struct body_member unpin_members[] = {
    { .name = "reason", .type = JSON_STRING, .max_length = 200 },
};

static const struct component *find_campaign(const struct call *c)
{
    const struct config_run *s = c->state;

    for (size_t i = 0; i < s->file.n_components; i++)
        if (s->file.components[i].kind == KIND_CAMPAIGN &&
            str_eq(s->file.components[i].name, c->match.params[1]))
            return &s->file.components[i];
    return NULL;
}

/* Rows (arn, status), the newest first. */
static void version_read(struct call *c)
{
    struct config_run *s = c->state;
    const char *arn = rows_text(c->reply, 0, 0, 0), *asked = json_text(c->body, "version");

    if (!arn) {
        answer_field(c, "/version", "not-found",
                     asked ? "The solution of this campaign has no such version; GET "
                             "/solutions/{name}/versions lists them."
                           : "The solution of this campaign has no version yet.");
        return;
    }
    if (!str_eq(rows_text(c->reply, 0, 0, 1), "ACTIVE")) {
        answer_problemf(c, 409, "version-not-active",
                        "The version %s is %s; only an ACTIVE one can serve.", arn,
                        rows_text(c->reply, 0, 0, 1));
        return;
    }
    json_object_set_new(s->options, "version", json_string(arn));
    config_run_write(c);
}

static void loaded(struct call *c)
{
    struct config_run *s = c->state;
    const struct component *campaign = find_campaign(c);
    struct db_op op;

    if (!campaign) {
        answer_not_found(c, "campaign", c->match.params[1]);
        return;
    }
    if (json_bool_or(s->options, "unpin", false)) {
        config_run_write(c);
        return;
    }
    /* A campaign hangs under its solution's version, which bears the solution's name. */
    upkeep_store_version(s->file.components[campaign->parent].name, json_text(c->body, "version"),
                         &op);
    call_read(c, &op, 1, version_read);
}

/* An end is of a pin; given alone it means one. As the database writes times, so that both read the
 * same. */
static bool take_pin(struct call *c, json_t *options)
{
    const char *until = json_text(c->body, "until");
    char text[CLOCK_TEXT_BYTES];
    int64_t until_ms;

    json_object_set_new(options, "pin", json_boolean(json_bool_or(c->body, "pin", until != NULL)));
    if (!until)
        return true;
    if (!json_bool_or(options, "pin", false))
        answer_field(c, "/until", "bad-value", "\"until\" is the end of a pin.");
    else if (!clock_parse(until, &until_ms))
        answer_field(c, "/until", "bad-value", "\"until\" is a time such as 2026-11-24T06:00:00Z.");
    else if (until_ms <= clock_wall_ms())
        answer_field(c, "/until", "bad-value", "\"until\" is over already.");
    else {
        clock_format_ms(until_ms, text);
        json_object_set_new(options, "until", json_string(text));
        return true;
    }
    return false;
}

static void begin(struct call *c, bool is_unpin)
{
    struct config_run *s = config_run_new(c, RUN_KIND_PROMOTE);
    const json_t *reason;

    if (!body_parse(c) ||
        !body_check(c, is_unpin ? unpin_members : promote_members,
                    is_unpin ? ARRAY_LEN(unpin_members) : ARRAY_LEN(promote_members)))
        return;
    reason = json_object_get(c->body, "reason");
    json_object_set_new(s->options, "campaigns", json_pack("[s]", c->match.params[1]));
    if (is_unpin)
        json_object_set_new(s->options, "unpin", json_true());
    else if (!take_pin(c, s->options))
        return;
    if (reason)
        json_object_set(s->options, "reason", (json_t *) reason);
    s->loaded = loaded;
    call_begin_write(c, config_run_begin);
}

void api_campaign_promote(struct call *c)
{
    begin(c, false);
}

void api_campaign_unpin(struct call *c)
{
    begin(c, true);
}
