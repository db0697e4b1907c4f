/*
 * event_types.c - the table of event types: what each says and which members its data has.
 *
 * The rule: an event that the server writes has its type here, with every member of its data. A
 * test holds the events of a whole run against the schemas that are made of this table, and another
 * finds each type written somewhere: a type without an event would be a promise that nobody keeps.
 */
#include "steward/event_types.h"

#include "steward/mem.h"
#include "steward/str.h"

/* Groups of members; a type's data is the sum of its groups. */
enum event_fields {
    OF_STEP = 1U << 0,
    OF_RESULT = 1U << 1,
    OF_WAIT = 1U << 2,
    OF_RETRY = 1U << 3,
    OF_FAILURE = 1U << 4,
    OF_RUN = 1U << 5,
    OF_RUN_QUEUED = 1U << 6,
    OF_RUN_END = 1U << 7,
    OF_CONFIG = 1U << 8,
    OF_CONFIG_DELETED = 1U << 9,
    OF_DRIFT = 1U << 10,
    OF_FIRE = 1U << 11,
    OF_PAUSED_SCHEDULE = 1U << 12,
    OF_WEBHOOK = 1U << 13,
    OF_TOKEN = 1U << 14,
    OF_SERVER = 1U << 15,
    OF_PING = 1U << 16,
    OF_TRIGGER = 1U << 17,
    OF_MODEL = 1U << 18,
    OF_COST = 1U << 19,
    OF_HELD = 1U << 20,
    OF_HELD_MODEL = 1U << 21,
    OF_SENT = 1U << 22,
    OF_MADE = 1U << 23,
    OF_TRAINED = 1U << 24,
    OF_CHANNEL = 1U << 25,
    OF_TROUBLE = 1U << 26,
    OF_MOVED_MODEL = 1U << 27,
};

enum field_type { TEXT, INTEGER, TIME, TEXTS, OBJECT };

static const struct field {
    unsigned group;
    const char *name;
    enum field_type type;
    bool is_required;
    const char *words;
} fields[] = {
    { OF_STEP, "run", TEXT, true, "The run." },
    { OF_STEP, "step", INTEGER, true, "The step's ordinal in its run." },
    { OF_STEP, "kind", TEXT, true, "The kind of resource that the step works on." },
    { OF_STEP, "name", TEXT, true, "The resource's name." },
    { OF_STEP, "arn", TEXT, false, "The resource's ARN, once it is known." },
    { OF_RESULT, "result", TEXT, true, "What became of it: created, updated, adopted, …" },
    { OF_SENT, "sent", TEXT, false, "Amazon Personalize took the step's create or update." },
    { OF_MADE, "durationSeconds", INTEGER, false, "How long the create or update took there." },
    { OF_TRAINED, "metrics", OBJECT, false, "The offline metrics of the version." },
    { OF_WAIT, "waitingFor", TEXT, true, "What is waited for, in words." },
    { OF_RETRY, "waitingFor", TEXT, false, "What is waited for, in words." },
    { OF_RETRY, "reason", TEXT, false, "Why the attempt before failed." },
    { OF_RETRY, "attempt", INTEGER, false, "Number of the attempt that begins." },
    { OF_FAILURE, "code", TEXT, true, "Why, as a word for programs." },
    { OF_FAILURE, "reason", TEXT, true, "Why, in one sentence." },
    { OF_RUN, "kind", TEXT, true, "What kind of run." },
    { OF_RUN_QUEUED, "trigger", TEXT, true, "What asked for it: api, apply, schedule, …" },
    { OF_RUN_QUEUED, "retryOf", TEXT, false, "The run that this one tries again." },
    { OF_RUN_END, "result", TEXT, false, "changed, unchanged or skipped." },
    { OF_RUN_END, "reason", TEXT, false, "Why, in one sentence." },
    { OF_CONFIG, "version", INTEGER, true, "The version that was made." },
    { OF_CONFIG, "message", TEXT, false, "Why, as whoever stored it said." },
    { OF_CONFIG, "revision", TEXT, false, "The commit it comes from." },
    { OF_CONFIG, "schedulesCreated", INTEGER, false, "Schedules that came into the file." },
    { OF_CONFIG, "schedulesDeleted", INTEGER, false, "Schedules that left the file." },
    { OF_CONFIG, "origin", TEXT, false, "import: made of what existed; s3://…: uploaded there." },
    { OF_CONFIG_DELETED, "resources", TEXT, false, "keep or delete." },
    { OF_DRIFT, "fields", TEXTS, true, "The fields that differ." },
    { OF_FIRE, "schedule", TEXT, true, "The schedule." },
    { OF_FIRE, "kind", TEXT, true, "What kind of run it starts." },
    { OF_FIRE, "nominalAt", TIME, true, "The time that was due." },
    { OF_FIRE, "outcome", TEXT, true, "What became of it." },
    { OF_FIRE, "runId", TEXT, false, "The run that was started." },
    { OF_FIRE, "count", INTEGER, false, "How many nominal times in a row had this outcome." },
    { OF_FIRE, "reason", TEXT, false, "Why, in one sentence." },
    { OF_PAUSED_SCHEDULE, "schedule", TEXT, true, "The schedule." },
    { OF_PAUSED_SCHEDULE, "reason", TEXT, false, "Why, as whoever paused it said." },
    { OF_PAUSED_SCHEDULE, "until", TIME, false, "When it goes on by itself." },
    { OF_WEBHOOK, "webhook", TEXT, true, "The webhook." },
    { OF_WEBHOOK, "name", TEXT, false, "Its name." },
    { OF_CHANNEL, "channel", TEXT, true, "The channel." },
    { OF_TROUBLE, "kind", TEXT, false, "webhook, or the channel it is." },
    { OF_TROUBLE, "failures", INTEGER, false, "Failed attempts in a row." },
    { OF_TROUBLE, "failingSince", TIME, false, "Since when every attempt failed." },
    { OF_WEBHOOK, "reason", TEXT, false, "gone or failing." },
    { OF_TOKEN, "token", TEXT, true, "The token's id." },
    { OF_SERVER, "reason", TEXT, false, "Why, as whoever did it said." },
    { OF_SERVER, "by", TEXT, false, "The token of who did it; absent when a time was over." },
    { OF_SERVER, "until", TIME, false, "When spending goes on by itself." },
    { OF_SERVER, "pausedAt", TIME, false, "Since when spending was stopped." },
    { OF_PING, "webhook", TEXT, false, "The webhook that is tested." },
    { OF_PING, "channel", TEXT, false, "The channel that is tested." },
    { OF_TRIGGER, "trigger", TEXT, false, "The trigger; absent for an upload to S3." },
    { OF_TRIGGER, "name", TEXT, false, "Its name." },
    { OF_TRIGGER, "kind", TEXT, false, "What kind of run it would have started." },
    { OF_TRIGGER, "messageId", TEXT, false, "What the sender calls the message." },
    { OF_TRIGGER, "dataVersion", TEXT, false, "The data version that it named." },
    { OF_TRIGGER, "bucket", TEXT, false, "Of an uploaded parameter file." },
    { OF_TRIGGER, "key", TEXT, false, "Of an uploaded parameter file." },
    { OF_TRIGGER, "errors", TEXTS, false, "What is wrong with the file, as sentences." },
    { OF_TRIGGER, "code", TEXT, true, "Why, as a word for programs." },
    { OF_TRIGGER, "reason", TEXT, false, "Why, in one sentence." },
    { OF_MODEL, "solutionVersion", TEXT, true, "ARN of the version." },
    { OF_MODEL, "campaign", TEXT, true, "The campaign." },
    { OF_MODEL, "reason", TEXT, true, "Why, in one sentence." },
    { OF_MOVED_MODEL, "solution", TEXT, true, "The solution of the version." },
    { OF_MOVED_MODEL, "previousVersion", TEXT, true, "ARN of what the campaign served before." },
    { OF_MOVED_MODEL, "trigger", TEXT, false,
      "What asked for the run that did it; absent: no run." },
    { OF_MOVED_MODEL, "by", TEXT, false, "The token of who asked for that run." },
    { OF_MOVED_MODEL, "schedule", TEXT, false, "The schedule that started that run." },
    { OF_COST, "code", TEXT, true, "What holds it: fuse or paused." },
    { OF_COST, "reason", TEXT, true, "Why, in one sentence." },
    { OF_HELD_MODEL, "serving", TEXT, true, "ARN of the version that the campaign serves." },
    { OF_HELD_MODEL, "expiresAt", TIME, true, "Then no answer counts as a rejection." },
    { OF_HELD, "reason", TEXT, false, "What it waits for, in one sentence." },
};

#define SUBJECT_STEP     "^runs/run_[0-9A-HJKMNP-TV-Z]{26}/steps/[0-9]+$"
#define SUBJECT_RUN      "^runs/run_[0-9A-HJKMNP-TV-Z]{26}$"
#define SUBJECT_CONFIG   "^configs/.+$"
#define SUBJECT_SCHEDULE "^schedules/sch_[0-9A-HJKMNP-TV-Z]{26}$"
#define SUBJECT_WEBHOOK  "^webhooks/.+$"
#define SUBJECT_CHANNEL  "^channels/.+$"
#define SUBJECT_ENDPOINT "^(webhooks|channels)/.+$"
#define SUBJECT_TOKEN    "^tokens/[0-9A-Za-z]{12}$"
#define SUBJECT_SERVER   "^server$"

/* clang-format off */
const struct event_type event_types[] = {
    { "batch.failed", "A batch job failed.", SUBJECT_STEP, OF_STEP | OF_RESULT },
    { "batch.succeeded", "A batch job is done; its output is in S3.", SUBJECT_STEP, OF_STEP | OF_RESULT | OF_MADE },
    { "channel.failing", "A channel failed three times in a row.", SUBJECT_CHANNEL, OF_CHANNEL | OF_TROUBLE },
    { "config.created", "A config was stored for the first time.", SUBJECT_CONFIG, OF_CONFIG },
    { "config.deleted", "A config is gone.", SUBJECT_CONFIG, OF_CONFIG_DELETED },
    { "config.rolledBack", "An earlier version of a config became the newest again.", SUBJECT_CONFIG, OF_CONFIG },
    { "config.updated", "A config has a new version.", SUBJECT_CONFIG, OF_CONFIG },
    { "cost.blocked", "A step does not buy: the training fuse or the pause holds it.", SUBJECT_STEP, OF_STEP | OF_COST },
    { "drift.cleared", "A resource matches its config again.", SUBJECT_STEP, OF_STEP | OF_DRIFT },
    { "drift.detected", "A resource differs from its config.", SUBJECT_STEP, OF_STEP | OF_DRIFT },
    { "import.failed", "A dataset import failed.", SUBJECT_STEP, OF_STEP | OF_RESULT },
    { "import.skipped", "Nothing was imported: no data, or none that is newer.", SUBJECT_STEP, OF_STEP | OF_RESULT },
    { "import.succeeded", "Data was imported into a dataset.", SUBJECT_STEP, OF_STEP | OF_RESULT | OF_MADE },
    { "model.held", "A solution version waits for somebody's approval.", SUBJECT_STEP, OF_STEP | OF_MODEL | OF_HELD_MODEL },
    { "model.promoted", "A campaign serves another solution version.", SUBJECT_STEP, OF_STEP | OF_MODEL | OF_MOVED_MODEL },
    { "model.rolledBack", "A campaign serves an earlier solution version again.", SUBJECT_STEP, OF_STEP | OF_MODEL | OF_MOVED_MODEL },
    { "resource.adopted", "A resource that existed was taken over.", SUBJECT_STEP, OF_STEP | OF_RESULT },
    { "resource.created", "A resource was made in Amazon Personalize.", SUBJECT_STEP, OF_STEP | OF_RESULT | OF_MADE },
    { "resource.deleted", "A resource was deleted.", SUBJECT_STEP, OF_STEP | OF_RESULT },
    { "resource.failed", "A resource could not be brought to what the config says.", SUBJECT_STEP, OF_STEP | OF_RESULT },
    { "resource.updated", "A resource was changed in place.", SUBJECT_STEP, OF_STEP | OF_RESULT | OF_MADE },
    { "run.cancelled", "A run was cancelled.", SUBJECT_RUN, OF_RUN | OF_RUN_END },
    { "run.failed", "A run failed.", SUBJECT_RUN, OF_RUN | OF_RUN_END },
    { "run.held", "A run waits for somebody's approval.", SUBJECT_RUN, OF_RUN | OF_HELD },
    { "run.queued", "A run was asked for.", SUBJECT_RUN, OF_RUN | OF_RUN_QUEUED },
    { "run.started", "A run has begun.", SUBJECT_RUN, OF_RUN },
    { "run.succeeded", "A run is done.", SUBJECT_RUN, OF_RUN | OF_RUN_END },
    { "schedule.fired", "A schedule started its run.", SUBJECT_SCHEDULE, OF_FIRE },
    { "schedule.missed", "A nominal time passed without a run.", SUBJECT_SCHEDULE, OF_FIRE },
    { "schedule.paused", "A schedule was paused.", SUBJECT_SCHEDULE, OF_PAUSED_SCHEDULE },
    { "schedule.resumed", "A paused schedule goes on.", SUBJECT_SCHEDULE, OF_PAUSED_SCHEDULE },
    { "schedule.skipped", "A nominal time was left out: paused, or the run before is not over.", SUBJECT_SCHEDULE, OF_FIRE },
    { "server.paused", "Spending was stopped, server-wide.", SUBJECT_SERVER, OF_SERVER },
    { "server.resumed", "Spending goes on.", SUBJECT_SERVER, OF_SERVER },
    { "step.failed", "A step failed.", SUBJECT_STEP, OF_STEP | OF_FAILURE | OF_SENT },
    { "step.retrying", "A step met trouble and is tried again.", SUBJECT_STEP, OF_STEP | OF_RETRY | OF_SENT },
    { "step.started", "A step has begun.", SUBJECT_STEP, OF_STEP },
    { "step.succeeded", "A step is done.", SUBJECT_STEP, OF_STEP | OF_RESULT | OF_SENT },
    { "step.waiting", "A step waits, and for what.", SUBJECT_STEP, OF_STEP | OF_WAIT | OF_SENT },
    { "test.ping", "A test of a webhook or channel.", SUBJECT_ENDPOINT, OF_PING },
    { "token.created", "A token was made.", SUBJECT_TOKEN, OF_TOKEN },
    { "token.revoked", "A token was revoked.", SUBJECT_TOKEN, OF_TOKEN },
    { "token.rotated", "A token has a new secret.", SUBJECT_TOKEN, OF_TOKEN },
    { "training.failed", "A training failed.", SUBJECT_STEP, OF_STEP | OF_RESULT },
    { "training.started", "A training was started.", SUBJECT_STEP, OF_STEP },
    { "training.stopped", "A training was stopped.", SUBJECT_STEP, OF_STEP | OF_RESULT },
    { "training.succeeded", "A solution version is trained.", SUBJECT_STEP, OF_STEP | OF_RESULT | OF_MADE | OF_TRAINED },
    { "trigger.rejected", "A message or an upload was refused: it starts nothing.", ".", OF_TRIGGER },
    { "webhook.disabled", "A webhook was switched off.", SUBJECT_WEBHOOK, OF_WEBHOOK | OF_TROUBLE },
    { "webhook.failing", "A webhook failed three times in a row.", SUBJECT_WEBHOOK, OF_WEBHOOK | OF_TROUBLE },
};
/* clang-format on */
const size_t n_event_types = ARRAY_LEN(event_types);

const struct event_type *event_type_find(const char *name)
{
    for (size_t i = 0; i < n_event_types; i++)
        if (str_eq(event_types[i].name, name))
            return &event_types[i];
    return NULL;
}

static json_t *field_schema(const struct field *f)
{
    json_t *schema;

    switch ((int) f->type) {
    case INTEGER:
        schema = json_pack("{s:s}", "type", "integer");
        break;
    case TIME:
        schema = json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
        break;
    case TEXTS:
        schema = json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string");
        break;
    case OBJECT:
        schema = json_pack("{s:s}", "type", "object");
        break;
    default:
        schema = json_pack("{s:s}", "type", "string");
        break;
    }
    json_object_set_new(schema, "description", json_string(f->words));
    return schema;
}

static json_t *data_schema(const struct event_type *t)
{
    json_t *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!(fields[i].group & t->fields))
            continue;
        json_object_set_new(properties, fields[i].name, field_schema(&fields[i]));
        if (fields[i].is_required)
            json_array_append_new(required, json_string(fields[i].name));
    }
    return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", properties, "required",
                     required);
}

/* The members that every event has, whatever its type (CloudEvents 1.0 and its extensions). */
static json_t *envelope(const struct event_type *t)
{
    return json_pack(
        "{s:{s:s}, s:{s:s, s:s}, s:{s:s}, s:{s:s}, s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s}, s:{s:s, "
        "s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s}, s:{s:s, s:s}}",
        "specversion", "const", "1.0", "id", "type", "string", "pattern", "^evt_[0-9A-Za-z]{26}$",
        "source", "type", "string", "type", "const", t->name, "subject", "type", "string",
        "pattern", t->subject, "time", "type", "string", "format", "date-time", "datacontenttype",
        "const", "application/json", "sequence", "type", "string", "pattern", "^[0-9]+$",
        "description", "The event's number: consecutive, without a gap.", "config", "type",
        "string", "description", "The config it is about.", "runid", "type", "string",
        "description", "The run it is about.", "stepid", "type", "string", "traceparent", "type",
        "string", "description", "The W3C trace of the request that it, or its run, goes back to.");
}

json_t *event_type_schema(const struct event_type *t)
{
    json_t *properties = envelope(t), *schema;

    json_object_set_new(properties, "data", data_schema(t));
    schema = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:[s, s, s, s, s, s, s, s, s]}", "$schema",
                       "https://json-schema.org/draft/2020-12/schema", "$id", "", "title", t->name,
                       "description", t->summary, "type", "object", "properties", properties,
                       "required", "specversion", "id", "source", "type", "subject", "time",
                       "datacontenttype", "sequence", "data");
    json_object_set_new(schema, "$id", json_sprintf("/event-types/%s", t->name));
    return schema;
}
