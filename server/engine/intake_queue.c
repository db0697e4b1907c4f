/*
 * intake_queue.c - S3's notifications from an SQS queue: each message has its effect once, and is
 * deleted only when that is committed.
 *
 * A message that is no such notification stays: it may be somebody else's, and the queue has a
 * policy of its own for what nobody takes.
 */
#include <string.h>

#include "intake.h"
#include "steward/failpoint.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/upload.h"

#define WAIT_S 10 /* a long poll; shorter than a call may take */

static enum err_code receive(struct intake_thread *t, json_t **messages, struct err *e)
{
    struct aws_call call;

    aws_call_init(&call, AWS_SQS, "ReceiveMessage",
                  json_pack("{s:s, s:i, s:i}", "QueueUrl",
                            engine_get_options(t->engine)->sqs_queue_url, "MaxNumberOfMessages", 10,
                            "WaitTimeSeconds", WAIT_S));
    if (!intake_call(t, &call))
        return OK; /* stopping; the call is gone */
    if (call.outcome != AWS_DONE) {
        char text[300];

        aws_call_describe(&call, text, sizeof text);
        aws_call_done(&call);
        return err_set(e, ERR_UNAVAILABLE, "The queue can not be read: %.120s", text);
    }
    *messages = json_incref(json_object_get(call.response, "Messages"));
    aws_call_done(&call);
    return OK;
}

/* Twice does no harm: that the effect was there is known. */
static void delete_message(struct intake_thread *t, const json_t *message)
{
    struct aws_call call;
    char text[300];

    FP("queue.before_delete");
    aws_call_init(&call, AWS_SQS, "DeleteMessage",
                  json_pack("{s:s, s:s}", "QueueUrl", engine_get_options(t->engine)->sqs_queue_url,
                            "ReceiptHandle", json_text_or(message, "ReceiptHandle", "")));
    call.is_mutating = true;
    if (!intake_call(t, &call))
        return;
    if (call.outcome != AWS_DONE) {
        aws_call_describe(&call, text, sizeof text);
        log_event(LOG_WARN, "intake", "message_not_deleted", "msg=%s", log_quote(text));
    }
    aws_call_done(&call);
}

static void add_object(struct intake_thread *t, const struct upload_sources *sources,
                       const json_t *object, const struct queue_effect *x)
{
    const struct intake_object o = { json_text(object, "bucket"), json_text(object, "key") };
    char id[ID_BYTES];

    if (intake_is_file(t, &o)) {
        id_new("upl", id);
        json_array_append_new((json_t *) x->files,
                              json_pack("{s:s, s:s, s:s, s:s}", "id", id, "bucket", o.bucket, "key",
                                        o.key, "mark", x->message_id));
    } else {
        json_t *configs = intake_configs_of(t, sources, &o);

        json_array_extend((json_t *) x->configs, configs);
        json_decref(configs);
    }
}

/* *is_ours: it is S3's, and what follows from it is committed. */
static enum err_code take(struct intake_thread *t, const struct upload_sources *sources,
                          const json_t *message, bool *is_ours, struct err *e)
{
    const char *text = json_text_or(message, "Body", "");
    AUTO_JSON json_t *body = NULL, *objects = NULL, *files = json_array(), *configs = json_array();
    const struct queue_effect x = { json_text_or(message, "MessageId", ""), files, configs };
    const struct upload_rule rule = intake_rule(t);
    struct err why;
    bool is_new;
    size_t i;
    json_t *object;

    *is_ours = false;
    if (json_parse(text, strlen(text), &body, NULL, &why) ||
        upload_read_notification(body, &objects, &why)) {
        log_event(LOG_WARN, "intake", "message_left", "message=%s msg=%s", log_quote(x.message_id),
                  log_quote(why.message));
        return OK;
    }
    json_array_foreach (objects, i, object)
        add_object(t, sources, object, &x);
    TRY(uploads_store_queue(t->db, &x, &rule, &is_new, e));
    FP("queue.after_commit");
    *is_ours = true;
    log_event(LOG_INFO, "intake", "message", "message=%s objects=%zu files=%zu configs=%zu new=%s",
              log_quote(x.message_id), json_array_size(objects), json_array_size(files),
              json_array_size(configs), is_new ? "true" : "false");
    return OK;
}

enum err_code intake_queue_turn(struct intake_thread *t, struct err *e)
{
    AUTO_ARENA struct arena arena = { 0 };
    AUTO_JSON json_t *messages = NULL;
    struct upload_sources sources;
    size_t i;
    json_t *message;

    TRY(receive(t, &messages, e));
    if (json_array_size(messages) == 0)
        return OK;
    TRY(uploads_store_sources(t->db, &arena, &sources, e));
    json_array_foreach (messages, i, message) {
        bool is_ours;

        TRY(take(t, &sources, message, &is_ours, e));
        if (is_ours && t->calls)
            delete_message(t, message);
    }
    return OK;
}
