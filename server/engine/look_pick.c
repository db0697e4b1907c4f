/*
 * look_pick.c - which of what a list shows counts.
 *
 * A list says when a job was made, not what it does: two jobs of one solution, or one before and
 * after a change of the file, differ in their description alone.
 */
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
