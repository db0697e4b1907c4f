/*
 * approval.c - the question of a held run: is this new version promoted to that campaign?
 *
 * Looks at the campaign only. There is a question when this run made the version, the campaign
 * serves another one and no pin holds it there. The answer comes from people (POST
 * /runs/{id}/approve, /reject), from a newer version's question, or from time; promoting is a run
 * of its own, made with the answer. A gate that judges by metrics answers here, before anybody is
 * asked.
 */
#include "steward/clock.h"
#include "steward/json.h"
#include "work.h"

enum look_result approval_begin(struct worker *k, struct work *w)
{
    char arn[512];

    request_arn(k, w->row.kind, w->row.name, arn, sizeof arn);
    (void) str_copy(w->look.arn, sizeof w->look.arn, arn);
    w->look.stage = LOOK_QUESTION;
    aws_call_done(&w->call);
    aws_call_init(&w->call, AWS_PERSONALIZE, w->row.kind->describe_op,
                  json_pack("{s:s}", w->row.kind->arn_member, arn));
    w->call.user = w;
    return LOOK_CALL;
}

static const char *approval_version(const struct work *w)
{
    return json_text(w->row.arns, "solutionVersionArn");
}

static const char *approval_serving(const struct work *w)
{
    return json_text_or(w->observed, "solutionVersionArn", "");
}

static bool is_question(const struct work *w)
{
    const char *version = approval_version(w);
    const json_t *update = json_object_get(w->observed, w->row.kind->update_member);
    const json_t *pin = json_object_get(json_object_get(w->row.known, "details"), "pin");

    return version && str_eq(w->row.earlier_result, "created") && !json_is_object(pin) &&
           !str_eq(version, approval_serving(w)) &&
           !str_eq(version, json_text(update, "solutionVersionArn"));
}

enum look_result approval_continue(struct work *w, enum seen *seen)
{
    if (w->call.outcome != AWS_DONE && w->call.error_class != AWS_ERROR_NOT_FOUND)
        return judge_look_is_retryable(&w->call) ? LOOK_LATER : LOOK_NEVER;
    json_decref(w->observed);
    w->observed = json_incref(json_object_get(w->call.response, w->row.kind->describe_member));
    *seen = !w->observed ? SEEN_ABSENT : is_question(w) ? SEEN_DIFFERS : SEEN_MATCHES;
    return LOOK_SEEN;
}

/* "2026-12-04T11:00:00.000Z" */
static void approval_deadline(const struct work *w, char text[CLOCK_TEXT_BYTES])
{
    clock_format_ms(w->row.step.deadline_ms, text);
}

json_t *approval_question(const struct work *w)
{
    char deadline[CLOCK_TEXT_BYTES];

    approval_deadline(w, deadline);
    return json_pack("{s:s, s:s, s:s, s:s?, s:s}", "campaign", w->row.name, "version",
                     approval_version(w), "serving", approval_serving(w), "policy",
                     json_text(w->row.options, "policy"), "expiresAt", deadline);
}

json_t *approval_event(const struct work *w)
{
    AUTO_JSON json_t *words = approval_words(w);
    char deadline[CLOCK_TEXT_BYTES];

    approval_deadline(w, deadline);
    return json_pack("{s:s, s:s, s:s, s:O, s:s}", "campaign", w->row.name, "solutionVersion",
                     approval_version(w), "serving", approval_serving(w), "reason", words,
                     "expiresAt", deadline);
}

json_t *approval_words(const struct work *w)
{
    char deadline[CLOCK_TEXT_BYTES];

    approval_deadline(w, deadline);
    return json_sprintf("%s waits to be promoted to the campaign %s, which serves %s. POST "
                        "/runs/%s/approve or /reject; without an answer until %s it counts as "
                        "rejected.%s",
                        approval_version(w), w->row.name, approval_serving(w), w->row.run_id,
                        deadline, approval_left_behind(&w->row));
}

const char *approval_left_behind(const struct step_row *row)
{
    return json_bool_or(row->options, "freeUpdates", false)
               ? " Amazon's free two-hourly updates go to the newest version, so the serving one "
                 "gets none until then."
               : "";
}

json_t *approval_outcome(const struct work *w)
{
    const json_t *answer = json_object_get(w->row.options, "answer");
    const char *reason = json_text(answer, "reason");

    switch ((int) w->command.why) {
    case WHY_APPROVED:
    case WHY_REJECTED:
        return json_sprintf(
            "%s by %s%s%s", w->command.why == WHY_APPROVED ? "Approved" : "Rejected",
            json_text_or(answer, "by", "somebody"), reason ? ": " : ".", reason ? reason : "");
    case WHY_SUPERSEDED:
        return json_sprintf("A newer version asks in %s.",
                            json_text_or(answer, "by", "another run"));
    case WHY_EXPIRED:
        return json_string("Nobody answered in time, so it counts as rejected.");
    default:
        return NULL;
    }
}

const char *approval_result(enum why why)
{
    return why == WHY_APPROVED                         ? "approved"
           : why == WHY_REJECTED || why == WHY_EXPIRED ? "rejected"
           : why == WHY_SUPERSEDED                     ? "superseded"
                                                       : "unchanged";
}
