/*
 * judge.c - what an answer of AWS means: an outcome for the core, and words for people.
 *
 * Only a definite, parsed refusal is a NO; everything else is "maybe". A failure is one sentence
 * with what AWS said and, where we know one, a cure.
 */
#include <stdio.h>
#include <string.h>

#include "steward/decide.h"
#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

#define ARN_MAX 256 /* as the service's model has it */

/* "More than 5 resources with PENDING or IN_PROGRESS status." passes; a full house does not. */
static bool is_passing_limit(const struct step_row *row, const struct aws_call *call)
{
    return row->kind->is_per_run || strstr(call->error_message, "PENDING") != NULL ||
           strstr(call->error_message, "IN_PROGRESS") != NULL;
}

/* A deletion of what is gone has had its effect; of a schema that others use, none is wanted. */
static enum outcome_type judge_refused_delete(const struct step_row *row,
                                              const struct aws_call *call)
{
    if (call->error_class == AWS_ERROR_NOT_FOUND)
        return OUT_SENT_OK;
    if (call->error_class == AWS_ERROR_IN_USE && row->kind->is_kept_in_use)
        return OUT_SENT_KEPT;
    return OUT_COUNT;
}

/* What a create made is of our account and region, or it is not what we asked for. */
static bool is_our_arn(const struct worker *k, const char *arn)
{
    const struct plan_settings *s = &k->options->settings;
    char start[120];

    (void) snprintf(start, sizeof start, "arn:%s:personalize:%s:%s:", s->partition, s->region,
                    s->account_id);
    return arn && str_starts(arn, start) && arn[strlen(start)] && strlen(arn) <= ARN_MAX;
}

enum outcome_type judge_send(const struct worker *k, const struct step_row *row,
                             const struct aws_call *call)
{
    enum outcome_type refused;

    if (call->outcome == AWS_DONE) {
        if (str_eq(call->operation, row->kind->create_op) &&
            !is_our_arn(k, json_text(call->response, row->kind->arn_member)))
            return OUT_SENT_UNKNOWN; /* a yes without an ARN of ours proves nothing */
        return OUT_SENT_OK;
    }
    if (call->outcome != AWS_REFUSED)
        return OUT_SENT_UNKNOWN;
    refused = row->step.op == OP_DELETE ? judge_refused_delete(row, call) : OUT_COUNT;
    if (refused != OUT_COUNT)
        return refused;
    switch (call->error_class) {
    case AWS_ERROR_EXISTS:
        return OUT_SENT_EXISTS;
    case AWS_ERROR_LIMIT:
        return is_passing_limit(row, call) ? OUT_SENT_FULL : OUT_SENT_REFUSED;
    case AWS_ERROR_IN_USE:
    case AWS_ERROR_THROTTLED:
    case AWS_ERROR_CREDENTIALS:
        return OUT_SENT_BUSY;
    case AWS_ERROR_SIGNATURE_EXPIRED:
    case AWS_ERROR_NOT_SENT:
        return OUT_NOT_SENT;
    case AWS_ERROR_NOT_FOUND:
    case AWS_ERROR_INVALID:
    case AWS_ERROR_ACCESS_DENIED:
    case AWS_ERROR_OTHER:
        return OUT_SENT_REFUSED;
    case AWS_ERROR_NONE:
    case AWS_ERROR_SERVER:
    case AWS_ERROR_TRANSPORT:
        break;
    }
    return OUT_SENT_UNKNOWN;
}

bool judge_look_is_retryable(const struct aws_call *call)
{
    if (call->outcome == AWS_UNKNOWN)
        return true;
    switch (call->error_class) {
    case AWS_ERROR_IN_USE:
    case AWS_ERROR_LIMIT:
    case AWS_ERROR_THROTTLED:
    case AWS_ERROR_CREDENTIALS:
    case AWS_ERROR_SIGNATURE_EXPIRED:
    case AWS_ERROR_NOT_SENT:
    case AWS_ERROR_SERVER:
    case AWS_ERROR_TRANSPORT:
        return true;
    case AWS_ERROR_NONE:
    case AWS_ERROR_NOT_FOUND:
    case AWS_ERROR_EXISTS:
    case AWS_ERROR_INVALID:
    case AWS_ERROR_ACCESS_DENIED:
    case AWS_ERROR_OTHER:
        break;
    }
    return false;
}

/* What AWS's words usually mean, and what to do. */
static const struct {
    const char *needle, *cure;
} cures[] = {
    { "missing the following columns",
      "Add the columns to the CSV's header, or take them out of the schema." },
    { "Insufficient privileges for accessing data",
      "Check that the file is there (a batch job reads job_config.json at its input path), that "
      "the "
      "role has s3:GetObject and s3:ListBucket on the bucket, and that the bucket lets "
      "personalize.amazonaws.com read it." },
    { "fewer than 25 users", "Import interactions of at least 25 users with two or more each." },
    { "fewer than 1000 interactions",
      "Import at least 1,000 interactions of the event type the solution uses." },
    { "Invalid S3 input path", "Put job_config.json (one JSON object a line) at the input path." },
    { "Invalid Data location",
      "Check that the CSV is where the step looked and that the bucket is in this region." },
    { "AccessDenied", "Give the server's credentials the action named; docs/iam/ has the policy." },
    { "not authorized to perform",
      "Give the server's credentials the action named; docs/iam/ has the policy." },
    { "ACTIVE state. Please delete some",
      "Delete what is no longer needed, or ask AWS for a higher quota." },
    { "does not exist",
      "Somebody deleted it, or it was never made: apply the config, which makes it again." },
};

static const char *find_cure(const char *text)
{
    for (size_t i = 0; text && i < ARRAY_LEN(cures); i++)
        if (strstr(text, cures[i].needle))
            return cures[i].cure;
    return NULL;
}

static const char *const why_slugs[WHY_COUNT] = { [WHY_NONE] = "none",
                                                  [WHY_IN_PROGRESS] = "in-progress",
                                                  [WHY_DELETING] = "deleting",
                                                  [WHY_LOOK] = "look-failed",
                                                  [WHY_BUSY] = "busy",
                                                  [WHY_QUIESCENCE] = "quiescence",
                                                  [WHY_VERIFY] = "verify",
                                                  [WHY_FUSE] = "fuse",
                                                  [WHY_PAUSED] = "paused",
                                                  [WHY_HALTED] = "halted",
                                                  [WHY_QUOTA] = "quota",
                                                  [WHY_UNKNOWN_OUTCOME] = "unknown-outcome",
                                                  [WHY_CONFLICT] = "conflict",
                                                  [WHY_FAILED] = "failed",
                                                  [WHY_STOPPED] = "stopped",
                                                  [WHY_VANISHED] = "vanished",
                                                  [WHY_REFUSED] = "refused",
                                                  [WHY_NAME_TAKEN] = "name-taken",
                                                  [WHY_PREPARE] = "missing-reference",
                                                  [WHY_CURRENT] = "current",
                                                  [WHY_NO_INPUT] = "no-input",
                                                  [WHY_MATCHES] = "matches",
                                                  [WHY_LIST_LAG] = "list-lag",
                                                  [WHY_GONE] = "gone",
                                                  [WHY_NOT_OURS] = "not-ours",
                                                  [WHY_IN_USE] = "in-use",
                                                  [WHY_OBSERVED] = "observed",
                                                  [WHY_HELD] = "held",
                                                  [WHY_APPROVED] = "approved",
                                                  [WHY_REJECTED] = "rejected",
                                                  [WHY_EXPIRED] = "expired",
                                                  [WHY_SUPERSEDED] = "superseded" };

bool judge_failure_is_final(const struct work *w)
{
    return w->observed && find_cure(json_text(w->observed, "failureReason")) != NULL;
}

const char *judge_why_slug(enum why why)
{
    return why_slugs[why];
}

const char *judge_waiting_for(const struct work *w, enum why why)
{
    const char *status = w->observed ? decide_status(w->row.kind, w->observed) : NULL;

    switch ((int) why) {
    case WHY_IN_PROGRESS:
        return status && *status ? status : "CREATE PENDING";
    case WHY_DELETING:
        return "the deletion of the old one";
    case WHY_LOOK:
        return w->call.error_class == AWS_ERROR_CREDENTIALS ? "AWS credentials" : "AWS to answer";
    case WHY_BUSY:
        return w->call.error_class == AWS_ERROR_THROTTLED ? "AWS's rate limit"
                                                          : "the service to be ready for it";
    case WHY_QUOTA:
        return "the service's quota";
    case WHY_QUIESCENCE:
        return "an uncertain call to be past its time";
    case WHY_VERIFY:
        return "an uncertain update to be past its time";
    case WHY_FUSE:
        return "the training fuse"; /* wake_fused in store/admission_store.c looks for these words
                                     */
    case WHY_PAUSED:
        return "the end of the pause"; /* pause_wake in store/pause.c looks for these words */
    case WHY_HALTED:
        return "calls of before the database's failover to be past their time";
    case WHY_HELD:
        return "an approval";
    case WHY_UNKNOWN_OUTCOME:
        return "certainty about a call without an answer";
    case WHY_LIST_LAG:
        return "the service's lists to catch up";
    case WHY_FAILED:
        return "the next attempt";
    default:
        return why_slugs[why];
    }
}

static void describe_conflict(const struct work *w, struct buf *out)
{
    bool is_more = false;
    size_t i;
    json_t *d;

    if (*w->look.conflict) {
        buf_adds(out, w->look.conflict);
        return;
    }
    buf_printf(out, "The %s %s exists and differs in what cannot be changed:", w->row.kind->title,
               w->row.name);
    json_array_foreach (w->differences, i, d) {
        if (json_bool_or(d, "inPlace", false))
            continue;
        AUTO_FREE char *desired = json_compact(json_object_get(d, "desired"));
        const json_t *seen = json_object_get(d, "observed");
        AUTO_FREE char *observed = seen ? json_compact(seen) : xstrdup("nothing");

        buf_printf(out, "%s %s is %.120s, wanted %.120s", is_more ? ";" : "", json_text(d, "field"),
                   observed, desired);
        is_more = true;
    }
    buf_adds(out, ". Use another name, or change the file back.");
}

/* Of the resource, or of its latest update. */
static const char *failure_reason(const struct work *w)
{
    const char *member = w->row.kind->update_member;
    const char *reason = w->observed ? json_text(w->observed, "failureReason") : NULL;

    if (!reason && w->observed && member)
        reason = json_text(json_object_get(w->observed, member), "failureReason");
    return reason;
}

/* What to do, as far as we know: by AWS's words, or by whose the failed resource is. */
static const char *cure_of(const struct work *w, enum why why)
{
    const char *cure = find_cure(why == WHY_REFUSED ? w->call.error_message : failure_reason(w));

    if (cure || why != WHY_FAILED || w->row.kind->is_per_run || w->row.step.op == OP_UPDATE)
        return cure;
    return w->row.step.is_ours || w->look.is_owner
               ? "When its cause is gone, retry the run: what failed is deleted and made again."
               : "Steward did not make it: delete it, then retry the run.";
}

void judge_failure(const struct work *w, enum why why, struct buf *out)
{
    const char *title = w->row.kind->title, *name = w->row.name;
    const char *reason = failure_reason(w);
    const char *cure = cure_of(w, why);
    char call[1400];

    switch ((int) why) {
    case WHY_CONFLICT:
        describe_conflict(w, out);
        return;
    case WHY_FAILED:
        buf_printf(out, "Amazon Personalize could not %s the %s %s: %s%s",
                   w->row.step.op == OP_UPDATE ? "update" : "make", title, name,
                   reason ? reason : "it gave no reason.",
                   reason && !str_ends(reason, ".") ? "." : "");
        break;
    case WHY_STOPPED:
        buf_printf(out, "The %s %s was stopped before it finished.", title, name);
        break;
    case WHY_VANISHED:
        buf_printf(out, "The %s %s was deleted by somebody else while this run waited for it.",
                   title, name);
        break;
    case WHY_REFUSED:
        aws_call_describe(&w->call, call, sizeof call);
        buf_printf(out, "AWS refused: %s", call);
        break;
    case WHY_NAME_TAKEN:
        buf_printf(out,
                   "The service says that %s %s exists, but does not show it: the name is taken "
                   "elsewhere.",
                   title, name);
        break;
    case WHY_PREPARE:
        buf_adds(out, w->trouble.message);
        break;
    default:
        buf_printf(out, "The step failed: %s.", why_slugs[why]);
    }
    if (cure)
        buf_printf(out, " %s", cure);
}

json_t *judge_failure_json(const struct work *w, enum why why, const char *message)
{
    const char *reason = failure_reason(w);
    json_t *f = json_pack("{s:s, s:s}", "code", why_slugs[why], "message", message);
    const char *cure = cure_of(w, why);

    if (why == WHY_REFUSED) {
        json_object_set_new(f, "operation", json_string(w->call.operation));
        json_object_set_new(f, "awsCode", json_string(w->call.error_code));
        json_object_set_new(f, "awsMessage", json_string(w->call.error_message));
        json_object_set_new(f, "requestId", json_string(w->call.request_id));
    }
    if (reason)
        json_object_set_new(f, "failureReason", json_string(reason));
    if (cure)
        json_object_set_new(f, "cure", json_string(cure));
    if (why == WHY_CONFLICT && w->differences)
        json_object_set(f, "differences", w->differences);
    return f;
}
