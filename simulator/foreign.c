/*
 * foreign.c - somebody else works in the account: rules that create, change or delete something
 * just before the call that they strike.
 *
 * The other uses the same operations and is bound by the same rules; what it did, or was refused,
 * has a line of its own in the ledger. It knows nothing of the caller's tags.
 */
#include <string.h>

#include "steward/id.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "wire.h"

#define SOMEBODY "somebody-else"
#define ACTIONS                                                          \
    (FAULT_BIT(FAULT_FOREIGN_CREATE) | FAULT_BIT(FAULT_FOREIGN_UPDATE) | \
     FAULT_BIT(FAULT_FOREIGN_DELETE))

static void call_as_other(struct wire *w, const char *operation, json_t *in, const char *fault)
{
    struct call call = { .sim = w->sim, .operation = operation, .in = in };
    enum wire_error error = sim_call(&call);
    char request_id[UUID_BYTES];
    const struct ledger_entry entry = { .service = "personalize",
                                        .operation = operation,
                                        .request = in,
                                        .status = wire_error_status(error),
                                        .error = error ? wire_error_name(error) : NULL,
                                        .arn = call.arn,
                                        .request_id = request_id,
                                        .access_key_id = SOMEBODY,
                                        .model_ms = sim_now_ms(w->sim),
                                        .has_effect = call.has_effect,
                                        .fault = fault };

    uuid_new(request_id);
    ledger_add(w->ledger, &entry);
    json_decref(call.out);
}

/* The same again: of names there can be only one, of solution versions there will be two. */
static void create(const struct exchange *x, const char *fault)
{
    AUTO_JSON json_t *in = json_deep_copy(x->in);

    if (!str_starts(x->call.operation, "Create"))
        return;
    (void) json_object_del(in, "tags");
    if (str_eq(x->call.operation, "CreateSolutionVersion"))
        (void) json_object_del(in, "name");
    call_as_other(x->wire, x->call.operation, in, fault);
}

/* The first resource that the request names by its ARN. */
static const struct resource *find_named(const struct exchange *x)
{
    const char *key;
    json_t *value;

    json_object_foreach (x->in, key, value) {
        const struct resource *r = str_ends(key, "Arn")
                                       ? world_find(&x->wire->sim->world, json_string_value(value))
                                       : NULL;

        if (r)
            return r;
    }
    return NULL;
}

static json_t *update_of(const struct resource *r)
{
    switch ((int) r->kind->id) {
    case SIM_CAMPAIGN:
        return json_pack("{s:s, s:I}", "campaignArn", r->arn, "minProvisionedTPS",
                         (json_int_t) json_int_or(r->body, "minProvisionedTPS", 1) + 1);
    case SIM_RECOMMENDER:
        return json_pack("{s:s, s:{s:I}}", "recommenderArn", r->arn, "recommenderConfig",
                         "minRecommendationRequestsPerSecond",
                         (json_int_t) json_int_or(json_object_get(r->body, "recommenderConfig"),
                                                  "minRecommendationRequestsPerSecond", 1) +
                             1);
    case SIM_SOLUTION:
        return json_pack("{s:s, s:b}", "solutionArn", r->arn, "performAutoTraining",
                         !json_bool_or(r->body, "performAutoTraining", true));
    default:
        return NULL;
    }
}

/* What has no update gets a tag. */
static void update(const struct exchange *x, const struct resource *r, const char *fault)
{
    AUTO_JSON json_t *in = update_of(r);
    AUTO_FREE char *operation = in ? xasprintf("Update%s", r->kind->title) : xstrdup("TagResource");

    if (!in)
        in = json_pack("{s:s, s:[{s:s, s:s}]}", "resourceArn", r->arn, "tags", "tagKey",
                       "changed-by", "tagValue", SOMEBODY);
    call_as_other(x->wire, operation, in, fault);
}

static void delete_named(const struct exchange *x, const struct resource *r, const char *fault)
{
    AUTO_FREE char *operation = xasprintf("Delete%s", r->kind->title);
    AUTO_JSON json_t *in = json_pack("{s:s}", r->kind->arn_member, r->arn);

    if (sim_is_operation(operation))
        call_as_other(x->wire, operation, in, fault);
}

void foreign_act(struct exchange *x, const struct fault_call *call)
{
    const struct fault *f = str_eq(x->service, "personalize")
                                ? fault_strike(&x->wire->sim->faults, call, ACTIONS)
                                : NULL;
    const struct resource *r = f ? find_named(x) : NULL;
    const char *name = f ? fault_action_name(f->action) : NULL;

    if (!f)
        return;
    x->call.fault = name;
    if (f->action == FAULT_FOREIGN_CREATE)
        create(x, name);
    else if (r && f->action == FAULT_FOREIGN_UPDATE)
        update(x, r, name);
    else if (r)
        delete_named(x, r, name);
    life_advance(x->wire->sim);
}
