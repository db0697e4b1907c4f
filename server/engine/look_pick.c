/*
 * look_pick.c - which of what a list shows counts.
 *
 * A list says when a job was made, not what it does: two jobs of one solution, or one before and
 * after a change of the file, differ in their description alone.
 */
#include "steward/clock.h"
#include "steward/decide.h"
#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

bool look_pass_over(struct work *w)
{
    size_t i;
    json_t *item;

    if (!w->look.is_foreign || decide_is_as_asked(w->row.kind, w->row.request, w->observed,
                                                  json_object_get(w->row.options, "ignoreFields")))
        return false;
    json_array_foreach (w->look.items, i, item) {
        if (!str_eq(json_text(item, w->row.kind->arn_member), w->look.arn))
            continue;
        json_array_remove(w->look.items, i);
        break;
    }
    w->look.arn[0] = '\0';
    return true;
}

/* What is still in progress, to be stopped: what was begun last first. */
enum look_result look_pick_running(struct work *w, enum seen *seen)
{
    size_t i;
    json_t *item;

    *seen = SEEN_ABSENT;
    json_array_foreach (w->look.items, i, item) {
        const char *status = json_text_or(item, "status", "");
        bool is_stopping = str_eq(status, "CREATE STOPPING");

        if (!is_stopping && !str_eq(status, "CREATE PENDING") &&
            !str_eq(status, "CREATE IN_PROGRESS"))
            continue;
        *seen = is_stopping ? SEEN_STOPPING : SEEN_IN_PROGRESS;
        str_copy(w->look.arn, sizeof w->look.arn, json_text_or(item, w->row.kind->arn_member, ""));
        if (!is_stopping)
            break;
    }
    return LOOK_SEEN;
}

bool look_is_without_news(const struct work *w, enum seen seen)
{
    return seen == SEEN_FAILED && !w->look.ended && !w->look.is_foreign &&
           decide_is_without_news(w->row.kind, w->observed);
}

/* The failed one is kept for the history of versions; others refer to the newest that serves. */
enum look_result look_for_newest(struct work *w, enum seen *seen)
{
    w->look.ended = json_incref(w->observed);
    w->look.is_own_name = false;
    json_array_clear(w->look.items);
    w->look.token[0] = '\0';
    w->look.pages = 0;
    return look_list(w, seen);
}

enum look_result look_pick_newest(struct work *w, enum seen *seen)
{
    const struct currency finished = { .is_finished = true };
    size_t at = decide_current(w->look.items, &finished);

    if (at == SIZE_MAX) {
        *seen = SEEN_FAILED; /* nothing to fall back on */
        return LOOK_SEEN;
    }
    w->look.is_foreign = true;
    return look_describe(
        w, json_text_or(json_array_get(w->look.items, at), w->row.kind->arn_member, ""));
}

static json_t *time_of(const json_t *observed, const char *member)
{
    int64_t ms = decide_time_ms(observed, member);
    char text[CLOCK_TEXT_BYTES];

    if (!ms)
        return NULL;
    clock_format_ms(ms, text);
    return json_string(text);
}

json_t *look_ended_version(const struct work *w)
{
    const json_t *v = w->command.type == CMD_RETRY ? w->observed : w->look.ended;

    if (!v || w->row.kind->id != KIND_SOLUTION_VERSION)
        return NULL;
    return json_pack(
        "{s:O?, s:O?, s:O?, s:O?, s:O?, s:O?, s:o?, s:o?}", "arn",
        json_object_get(v, w->row.kind->arn_member), "name", json_object_get(v, "name"), "status",
        json_object_get(v, "status"), "trainingMode", json_object_get(v, "trainingMode"),
        "trainingType", json_object_get(v, "trainingType"), "failureReason",
        json_object_get(v, "failureReason"), "createdAt", time_of(v, "creationDateTime"),
        "updatedAt", time_of(v, "lastUpdatedDateTime"));
}
