/*
 * spending.c - what buys: creates of billed kinds, higher capacity, starting what was stopped,
 * training that Amazon starts.
 *
 * Everything else passes while spending is stopped: promote, roll back, stop, delete, lower. The
 * request says what is about to be asked for, the description what there is now.
 */
#include <string.h>

#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

/* The member, wherever the request or the description keeps it: campaigns have it at the top,
 * recommenders in their config. */
static const json_t *find_member(const json_t *object, const char *name)
{
    const json_t *config = json_object_get(object, "recommenderConfig");
    const json_t *value = json_object_get(object, name);

    return value ? value : json_object_get(config, name);
}

static bool raises(const struct work *w, const char *name)
{
    const json_t *wanted = find_member(w->request, name);
    const json_t *seen = find_member(w->observed, name);

    return wanted && json_integer_value(wanted) > json_integer_value(seen);
}

static bool trains_by_itself(const struct work *w)
{
    const json_t *wanted = json_object_get(w->request, "performAutoTraining");

    return json_is_true(wanted) &&
           !json_is_true(json_object_get(w->observed, "performAutoTraining"));
}

bool spending_buys(const struct work *w)
{
    switch (w->command.op) {
    case OP_CREATE:
        return w->row.kind->is_billed || trains_by_itself(w);
    case OP_UPDATE:
        return raises(w, "minProvisionedTPS") || raises(w, "minRecommendationRequestsPerSecond") ||
               trains_by_itself(w) || str_eq(w->operation, w->row.kind->start_op);
    case OP_DELETE:
    case OP_STOP:
    case OP_NONE:
        break;
    }
    return false;
}
