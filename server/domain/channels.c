/*
 * channels.c - the AWS solution's messages, made of events.
 *
 * Which event makes what is a table per channel; the texts are the solution's. Known defects of the
 * original are not copied: an invalid file's message has its short forms, too, and a failure whose
 * cause is no JSON is told like any other.
 */
#include "steward/channels.h"

#include <ctype.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/json.h"
#include "steward/kinds.h"
#include "steward/mem.h"

#define SOURCE  "solutions.aws.personalize"
#define SUBJECT "Maintaining Personalized Experiences with Machine Learning Notifications"
#define INVALID "There were errors detected when reading a personalization job configuration file"

const struct channel channels[CHANNEL_COUNT] = {
    [CHANNEL_EVENTBRIDGE] = { "eventbridge",
                              "{step.waiting,step.succeeded,step.retrying,step.failed,"
                              "resource.created,"
                              "resource.updated,import.succeeded,training.succeeded,"
                              "batch.succeeded}" },
    [CHANNEL_SNS] = { "sns", "{run.succeeded,run.failed,trigger.rejected}" },
    [CHANNEL_MAIL] = { "mail", "{run.succeeded,run.failed,trigger.rejected}" },
    [CHANNEL_CLOUDWATCH] = { "cloudwatch",
                             "{run.queued,run.succeeded,run.failed,trigger.rejected,step.waiting,"
                             "step.succeeded,step.retrying,step.failed,training.succeeded,"
                             "config.created,"
                             "config.updated,config.rolledBack,config.deleted}" },
};

bool channel_find(const char *name, enum channel_id *out)
{
    for (unsigned i = 0; i < CHANNEL_COUNT; i++)
        if (str_eq(channels[i].name, name))
            return *out = (enum channel_id) i, true;
    return false;
}

/* ---- reading an event ---- */

static const json_t *data_of(const json_t *event)
{
    return json_object_get(event, "data");
}

static bool is_type(const json_t *event, const char *type)
{
    return str_eq(json_text(event, "type"), type);
}

/* Looking for drift, and taking over what exists, are no runs that the solution had. */
static bool is_workflow_end(const json_t *event)
{
    const char *kind = json_text(data_of(event), "kind");

    return (is_type(event, "run.succeeded") || is_type(event, "run.failed")) &&
           !str_eq(kind, "observe") && !str_eq(kind, "adopt");
}

/* Triggers are refused for many reasons; the solution only knew this one. */
static bool is_invalid_file(const json_t *event)
{
    return is_type(event, "trigger.rejected") &&
           str_eq(json_text(data_of(event), "code"), "invalid-file");
}

/* A step told that its create or update was taken by the service: "create", "update"; else NULL. */
static const char *sent_operation(const json_t *event)
{
    return str_starts(json_text_or(event, "type", ""), "step.") ? json_text(data_of(event), "sent")
                                                                : NULL;
}

static const char *group_of(const json_t *event)
{
    const char *named = json_text(event, "config");
    const char *subject = json_text_or(event, "subject", "");

    if (!named && str_starts(subject, "configs/")) /* of a file that no config was made of */
        named = subject + strlen("configs/");
    return named ? named : "UNKNOWN";
}

/* ---- EventBridge ---- */

/* "dataset import job" becomes "Personalize Dataset Import Job State Change". */
static char *detail_type(const struct kind *kind)
{
    struct buf out = { 0 };
    bool is_start = true;

    buf_adds(&out, "Personalize ");
    for (const char *p = kind->title; *p; p++) {
        char letter = *p;

        if (is_start && letter >= 'a' && letter <= 'z')
            letter = (char) (letter - 'a' + 'A');
        buf_addc(&out, letter);
        is_start = *p == ' ';
    }
    buf_adds(&out, " State Change");
    return buf_take(&out);
}

static json_t *bridge_entry(const json_t *event, const char *type, json_t *detail)
{
    AUTO_FREE char *text = json_compact(detail);
    const char *arn = json_text(detail, "Arn");
    int64_t ms = 0;
    json_t *entry =
        json_pack("{s:s, s:s, s:s}", "Source", SOURCE, "DetailType", type, "Detail", text);

    json_object_set_new(entry, "Resources", arn ? json_pack("[s]", arn) : json_array());
    if (clock_parse(json_text_or(event, "time", ""), &ms))
        json_object_set_new(entry, "Time", json_integer(ms / 1000));
    json_decref(detail);
    return entry;
}

static json_t *eventbridge_message(const json_t *event, const struct channel_place *place)
{
    const json_t *data = data_of(event);
    const struct kind *kind = kind_find(json_text_or(data, "kind", ""));
    const char *arn = json_text(data, "arn"), *sent = sent_operation(event);
    int64_t seconds = json_int_or(data, "durationSeconds", 0);
    json_t *detail;

    (void) place;
    if (!kind || !arn)
        return NULL;
    if (str_starts(json_text_or(event, "type", ""), "step.")) {
        if (!sent)
            return NULL;
        detail = json_pack("{s:s, s:s}", "Arn", arn, "Status",
                           str_eq(sent, "update") ? "UPDATING" : "CREATING");
    } else {
        if (!kind->has_status) /* a schema exists or not: it never becomes ACTIVE */
            return NULL;
        detail = json_pack("{s:s, s:s}", "Arn", arn, "Status", "ACTIVE");
        if (seconds > 0)
            json_object_set_new(detail, "Duration", json_integer(seconds));
    }
    AUTO_FREE char *type = detail_type(kind);

    return bridge_entry(event, type, detail);
}

/* ---- SNS and mail: the same content ---- */

struct notice {
    char *summary; /* of short messages */
    char *text;    /* of mails */
    json_t *document;
};

static void notice_done(struct notice *n)
{
    free(n->summary);
    free(n->text);
    json_decref(n->document);
}

static void run_notice(const json_t *event, const struct channel_place *place, struct notice *n)
{
    const char *group = group_of(event);
    bool is_failure = is_type(event, "run.failed");

    n->summary = xasprintf("The personalization workflow for %s completed %s", group,
                           is_failure ? "with errors" : "successfully");
    if (is_failure)
        n->text = xasprintf("There was an error running the personalization job for dataset group "
                            "%s\n\nMessage: %s\n\n",
                            group, json_text_or(data_of(event), "reason", "UNKNOWN"));
    else
        n->text = xasprintf("The Personalization job for dataset group %s is complete\n\n"
                            "Link: https://console.aws.amazon.com/personalize/home?region=%s"
                            "#arn:%s:personalize:%s:%s:dataset-group$%s/setup",
                            group, place->region, place->partition, place->region,
                            place->account_id, group);
    n->document = json_pack("{s:s, s:s, s:s, s:s}", "datasetGroup", group, "status",
                            is_failure ? "UPDATE FAILED" : "UPDATE COMPLETE", "summary", n->summary,
                            "description", n->text);
}

/* What is wrong with the file, a sentence each: texts, findings {pointer, detail}, or one reason.
 */
static json_t *errors_of(const json_t *data)
{
    json_t *list = json_array(), *error;
    size_t i;

    json_array_foreach (json_object_get(data, "errors"), i, error) {
        const char *pointer = json_text(error, "pointer");

        if (json_is_string(error))
            json_array_append(list, error);
        else
            json_array_append_new(list, json_sprintf("%s%s%s", pointer ? pointer : "",
                                                     pointer ? ": " : "",
                                                     json_text_or(error, "detail", "invalid")));
    }
    if (!json_array_size(list))
        json_array_append_new(list, json_string(json_text_or(data, "reason", "UNKNOWN")));
    return list;
}

static void invalid_file_notice(const json_t *event, struct notice *n)
{
    AUTO_JSON json_t *errors = errors_of(data_of(event));
    const char *key = json_text(data_of(event), "key");
    struct buf text = { 0 };
    size_t i;
    json_t *line;

    buf_adds(&text, INVALID);
    if (key)
        buf_printf(&text, " (%s)", key);
    buf_adds(&text, ":\n\n");
    json_array_foreach (errors, i, line)
        buf_printf(&text, "   - %s\n", json_string_value(line));
    buf_adds(&text, "\nPlease correct these errors and upload the configuration again.");
    n->text = buf_take(&text);
    n->summary =
        xasprintf("The personalization workflow for %s completed with errors", group_of(event));
    n->document = json_pack("{s:s, s:s, s:s, s:O}", "datasetGroup", group_of(event), "status",
                            "UPDATE FAILED", "summary", INVALID, "description", errors);
}

static void ping_notice(struct notice *n)
{
    n->summary = xstrdup("Steward's notifications arrive here");
    n->text = xstrdup("This is a test: Steward's notifications arrive here.");
    n->document = json_pack("{s:s, s:s, s:s, s:s}", "datasetGroup", "UNKNOWN", "status", "TEST",
                            "summary", n->summary, "description", n->text);
}

static bool make_notice(const json_t *event, const struct channel_place *place, struct notice *n)
{
    *n = (struct notice){ 0 };
    if (is_type(event, "test.ping"))
        ping_notice(n);
    else if (is_workflow_end(event))
        run_notice(event, place, n);
    else if (is_invalid_file(event))
        invalid_file_notice(event, n);
    else
        return false;
    return true;
}

static json_t *sns_message(const json_t *event, const struct channel_place *place)
{
    __attribute__((cleanup(notice_done))) struct notice n;

    if (!make_notice(event, place, &n))
        return NULL;
    AUTO_FREE char *document = json_compact(n.document);
    AUTO_JSON json_t *forms =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "default", n.summary, "sms", n.summary, "email",
                  n.text, "email-json", document, "sqs", document);
    AUTO_FREE char *message = json_compact(forms);

    return json_pack("{s:s, s:s, s:s}", "Subject", SUBJECT, "Message", message, "MessageStructure",
                     "json");
}

static json_t *mail_message(const json_t *event, const struct channel_place *place)
{
    __attribute__((cleanup(notice_done))) struct notice n;

    if (!make_notice(event, place, &n))
        return NULL;
    return json_pack("{s:s, s:s}", "subject", SUBJECT, "text", n.text);
}

/* ---- CloudWatch ---- */

struct gauge {
    const json_t *event;
    json_t *list;
};

static json_t *add_metric(struct gauge *g, const char *name, double value, const char *service)
{
    int64_t ms;
    json_t *metric =
        json_pack("{s:s, s:f, s:s, s:[{s:s, s:s}]}", "MetricName", name, "Value", value, "Unit",
                  "Count", "Dimensions", "Name", "service", "Value", service);

    if (clock_parse(json_text_or(g->event, "time", ""), &ms))
        json_object_set_new(metric, "Timestamp", json_integer(ms / 1000));
    json_array_append_new(g->list, metric);
    return metric;
}

/* Every offline metric of a solution version that was trained. */
static void add_offline_metrics(struct gauge *g)
{
    const json_t *data = data_of(g->event);
    const char *arn = json_text(data, "arn"), *version = arn ? strrchr(arn, '/') : NULL;
    const char *name;
    json_t *value;

    if (!version)
        return;
    json_object_foreach (json_object_get(data, "metrics"), name, value) {
        json_t *metric;

        if (!json_is_number(value))
            continue;
        metric = add_metric(g, name, json_number_value(value), "SolutionMetrics");
        json_object_set_new(metric, "Unit", json_string("None"));
        json_array_append_new(json_object_get(metric, "Dimensions"),
                              json_pack("{s:s, s:s%}", "Name", "solutionArn", "Value", arn,
                                        (size_t) (version - arn)));
    }
}

static void add_created(struct gauge *g)
{
    const struct kind *kind = kind_find(json_text_or(data_of(g->event), "kind", ""));

    if (!kind || !str_eq(sent_operation(g->event), "create"))
        return;
    AUTO_FREE char *name =
        xasprintf("%c%sCreated", toupper((unsigned char) kind->name[0]), kind->name + 1);

    (void) add_metric(g, name, 1, "Workflow");
}

static void add_schedules(struct gauge *g)
{
    static const char *const members[][2] = { { "schedulesCreated", "JobsCreated" },
                                              { "schedulesDeleted", "JobsDeleted" } };

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        int64_t n = json_int_or(data_of(g->event), members[i][0], 0);

        if (n > 0)
            (void) add_metric(g, members[i][1], (double) n, "Scheduler");
    }
}

static json_t *cloudwatch_message(const json_t *event, const struct channel_place *place)
{
    const char *type = json_text_or(event, "type", "");
    struct gauge g = { event, json_array() };

    (void) place;
    if (is_invalid_file(event) ||
        (str_eq(type, "run.queued") && str_eq(json_text(data_of(event), "kind"), "apply") &&
         !str_eq(json_text(data_of(event), "trigger"), "retry"))) {
        (void) add_metric(&g, "ConfigurationsProcessed", 1, "Workflow");
        (void) add_metric(&g,
                          str_eq(type, "run.queued") ? "ConfigurationsProcessedSuccesses"
                                                     : "ConfigurationsProcessedFailures",
                          1, "Workflow");
    } else if (is_workflow_end(event)) {
        (void) add_metric(&g, str_eq(type, "run.failed") ? "JobFailure" : "JobSuccess", 1,
                          "Workflow");
    } else if (str_eq(type, "training.succeeded")) {
        add_offline_metrics(&g);
    } else if (str_starts(type, "config.")) {
        add_schedules(&g);
    } else if (str_eq(type, "test.ping")) {
        (void) add_metric(&g, "StewardTest", 1, "Test");
    } else {
        add_created(&g);
    }
    if (json_array_size(g.list))
        return json_pack("{s:o}", "MetricData", g.list);
    json_decref(g.list);
    return NULL;
}

json_t *channel_message(enum channel_id id, const json_t *event, const struct channel_place *place)
{
    static json_t *(*const makers[CHANNEL_COUNT])(const json_t *, const struct channel_place *) = {
        [CHANNEL_EVENTBRIDGE] = eventbridge_message,
        [CHANNEL_SNS] = sns_message,
        [CHANNEL_MAIL] = mail_message,
        [CHANNEL_CLOUDWATCH] = cloudwatch_message,
    };

    if (id == CHANNEL_EVENTBRIDGE && is_type(event, "test.ping"))
        return bridge_entry(event, "Steward Test", json_pack("{s:s}", "Status", "TEST"));
    return makers[id](event, place);
}
