/*
 * parameter_file_service.c - a service-config against the API model.
 *
 * The model (service_model.h) says what is wrong; here it becomes a finding: a stable code and a
 * sentence with the cure. Members that Steward derives are refused; members that the model does not
 * know may be let through by name.
 */
#include <math.h>

#include "parameter_file_internal.h"

struct service_check {
    struct check *check;
    const struct service_config *service; /* NULL: a shape of its own */
    const char *pointer;                  /* of the service-config */
    enum phase phase;
};

static bool is_listed(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

/* Whether deployment.allowUnknown lists the pointer. */
static bool is_allowed(const struct check *c, const char *pointer)
{
    const json_t *list =
        json_object_get(json_object_get(c->file->document, "deployment"), "allowUnknown");
    size_t i;
    const json_t *item;

    json_array_foreach (list, i, item)
        if (i < ALLOW_MAX && str_eq(json_string_value(item), pointer))
            return true;
    return false;
}

/* What a sentence calls the value: its key, or its place in a list. */
static void name_of(const struct service_violation *v, struct buf *out)
{
    const char *name = v->member;

    if (!*name && strrchr(v->pointer, '/')) /* the root of a shape that stands alone */
        name = strrchr(v->pointer, '/') + 1;
    if (*name && name[strspn(name, "0123456789")] == '\0')
        buf_printf(out, "Entry %s of the list", name);
    else
        buf_printf(out, "%s\"%s\"", v->is_map_key ? "The key " : "", name);
}

static void report_unknown(struct service_check *s, const struct service_violation *v)
{
    AUTO_BUF struct buf list = { 0 };
    const char *known[64] = { NULL };
    size_t n = 0;
    bool is_root = s->service && strrchr(v->pointer, '/') == v->pointer + strlen(s->pointer);

    if (!check_is_full(s->check) && is_allowed(s->check, v->pointer)) {
        caution(s->check, CODE_PASSED_THROUGH, v->pointer,
                "This server does not know \"%s\"; it is sent to Amazon Personalize as it stands.",
                v->member);
        return;
    }
    for (size_t i = 0; i < v->shape->n_members && n + 1 < ARRAY_LEN(known); i++)
        if (!is_root || !is_listed(s->service->derived, v->shape->members[i].name))
            known[n++] = v->shape->members[i].name;
    if (!check_is_full(s->check))
        nearest_names(&list, v->member, known);
    problem(s->check, CODE_UNKNOWN_KEY, v->pointer,
            "Amazon Personalize has no \"%s\" here; the nearest are %s. If it is newer than this "
            "server, list \"%s\" in deployment.allowUnknown.",
            v->member, list.data ? list.data : "none", v->pointer);
}

static const char *type_words(const struct service_shape *shape)
{
    switch (shape->type) {
    case SHAPE_STRUCTURE:
        return "an object";
    case SHAPE_MAP:
        return "an object (a map)";
    case SHAPE_LIST:
        return "a list";
    case SHAPE_STRING:
        return "a string";
    case SHAPE_INTEGER:
    case SHAPE_LONG:
        return "a whole number";
    case SHAPE_FLOAT:
    case SHAPE_DOUBLE:
        return "a number";
    case SHAPE_BOOLEAN:
        return "true or false";
    case SHAPE_TIMESTAMP:
        return "a time (seconds since 1970)";
    }
    return "something else";
}

/* The form in words where a pattern would not help. */
static const char *pattern_words(const struct service_shape *shape)
{
    static const char *const words[][2] = {
        { "Name", "1 to 63 letters, digits, - and _, beginning with a letter or digit" },
        { "Arn", "an ARN of Amazon Personalize: arn:aws:personalize:…" },
        { "RoleArn", "the ARN of an IAM role: arn:aws:iam::123456789012:role/name" },
        { "KmsKeyArn", "the ARN of a KMS key: arn:aws:kms:region:123456789012:key/id" },
        { "S3Location", "an address like s3://bucket/path" },
        { "TagKey", "letters, digits, blanks and _ . : / = + - @" },
        { "TagValue", "letters, digits, blanks and _ . : / = + - @" },
        { "SchedulingExpression", "rate(1 day) or rate(n days) with n from 2 to 30" },
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(words[i][0], shape->name))
            return words[i][1];
    return NULL;
}

static void enum_words(const struct service_shape *shape, struct buf *out)
{
    for (size_t i = 0; i < shape->n_values; i++)
        buf_printf(out, "%s\"%s\"", i ? ", " : "", shape->values[i]);
}

static const char *unit(const struct service_shape *shape, double n)
{
    if (shape->type == SHAPE_STRING)
        return n == 1 ? "character" : "characters";
    return n == 1 ? "entry" : "entries";
}

static void report_constraint(struct service_check *s, const struct service_violation *v)
{
    AUTO_BUF struct buf list = { 0 };
    const struct service_shape *shape = v->shape;
    const char *words = pattern_words(shape);
    AUTO_BUF struct buf subject = { 0 };
    const char *name;

    name_of(v, &subject);
    name = subject.data;
    switch (v->kind) {
    case VIOLATION_TOO_SHORT:
        problem(s->check, CODE_TOO_SHORT, v->pointer, "%s needs at least %g %s.", name, shape->min,
                unit(shape, shape->min));
        return;
    case VIOLATION_TOO_LONG:
        problem(s->check, CODE_TOO_LONG, v->pointer, "%s may have at most %g %s.", name, shape->max,
                unit(shape, shape->max));
        return;
    case VIOLATION_TOO_SMALL:
        problem(s->check, CODE_TOO_SMALL, v->pointer, "%s must be at least %g.", name, shape->min);
        return;
    case VIOLATION_TOO_LARGE:
        problem(s->check, CODE_TOO_LARGE, v->pointer, "%s may be at most %g.", name, shape->max);
        return;
    case VIOLATION_PATTERN:
        problem(s->check, CODE_PATTERN, v->pointer, "%s has not the form it needs: %s%s.", name,
                words ? "" : "it must match ", words ? words : shape->pattern);
        return;
    case VIOLATION_ENUM:
        enum_words(shape, &list);
        problem(s->check, CODE_ENUM, v->pointer, "%s must be one of %s.", name, list.data);
        return;
    case VIOLATION_TYPE:
    case VIOLATION_MISSING:
    case VIOLATION_UNKNOWN:
        return;
    }
}

static void report(void *context, const struct service_violation *v)
{
    struct service_check *s = context;
    struct check *c = s->check;
    AUTO_BUF struct buf subject = { 0 };

    c->phase = s->phase;
    if (str_starts(v->pointer + strlen(s->pointer), "/tags") && s->service &&
        s->phase != PHASE_ROOT_TAGS)
        c->phase = PHASE_TAGS;
    switch (v->kind) {
    case VIOLATION_TYPE:
        name_of(v, &subject);
        problem(c, CODE_WRONG_TYPE, v->pointer, "%s must be %s; found %s.", subject.data,
                type_words(v->shape), json_type_words(v->value));
        break;
    case VIOLATION_MISSING:
        problem(c, CODE_MISSING, v->pointer, "\"%s\" is missing: add it.", v->member);
        break;
    case VIOLATION_UNKNOWN:
        report_unknown(s, v);
        break;
    case VIOLATION_TOO_SHORT:
    case VIOLATION_TOO_LONG:
    case VIOLATION_TOO_SMALL:
    case VIOLATION_TOO_LARGE:
    case VIOLATION_PATTERN:
    case VIOLATION_ENUM:
        report_constraint(s, v);
        break;
    }
    c->phase = s->phase;
}

/* Rules about tags that the model does not have: one value per key, no foreign prefix, room for
 * ours. */
static void check_tag_rules(struct check *c, const json_t *tags, const char *pointer)
{
    size_t i, k;
    const json_t *tag, *earlier;

    if (!json_is_array(tags))
        return;
    if (json_array_size(tags) > TAGS_MAX) {
        problem(c, CODE_TOO_MANY_TAGS, pointer,
                "%zu tags: Amazon allows 50 on a resource and Steward adds two; keep at most %d.",
                json_array_size(tags), TAGS_MAX);
        return;
    }
    json_array_foreach (tags, i, tag) {
        const char *key = json_text(tag, "tagKey");
        struct place at = { "" };

        if (!key)
            continue;
        (void) str_copy(at.text, sizeof at.text, pointer);
        (void) place_index(&at, i);
        (void) place_key(&at, "tagKey");
        if (str_starts(key, "aws:") || str_starts(key, "steward:"))
            problem(c, CODE_RESERVED_TAG, at.text,
                    "The key \"%s\" is reserved; choose one without that prefix.", key);
        json_array_foreach (tags, k, earlier) {
            if (k >= i)
                break;
            if (str_eq(json_text(earlier, "tagKey"), key)) {
                problem(c, CODE_DUPLICATE_TAG, at.text, "The key \"%s\" occurs twice; keep one.",
                        key);
                break;
            }
        }
    }
}

void check_model_shape(struct check *c, const char *shape, const json_t *value, const char *pointer)
{
    struct service_check s = { c, NULL, pointer, c->phase };
    struct service_check_options options = { .pointer = pointer, .context = &s };

    (void) service_model_check(service_shape_find(&service_personalize, shape), value, &options,
                               report);
}

void check_tag_list(struct check *c, const json_t *tags, const char *pointer)
{
    check_model_shape(c, "Tags", tags, pointer);
    check_tag_rules(c, tags, pointer);
}

/* What the service would get: without what others check, the Avro schema as text. Caller owns. */
static json_t *as_request(struct check *c, const struct service_config *service,
                          const json_t *value, const char *pointer)
{
    json_t *request = json_copy((json_t *) value);
    const json_t *schema = json_object_get(request, "schema");

    for (const char *const *name = service->derived; name && *name; name++)
        (void) json_object_del(request, *name);
    for (const char *const *name = service->handled; name && *name; name++)
        (void) json_object_del(request, *name);
    if (service->kind == KIND_SCHEMA && schema) {
        AUTO_FREE char *text = json_is_object(schema) ? json_compact(schema) : xstrdup("{}");

        if (!json_is_object(schema))
            problem(c, CODE_BAD_AVRO, place_below(pointer, "schema").text,
                    "The Avro schema must be a JSON object, not %s; write it unquoted.",
                    json_type_words(schema));
        json_object_set_new(request, "schema", json_string(text));
    }
    return request;
}

static void report_derived(struct check *c, const struct service_config *service,
                           const json_t *value, struct place *at)
{
    for (const char *const *name = service->derived; name && *name; name++) {
        size_t length;

        if (!json_object_get(value, *name))
            continue;
        length = place_key(at, *name);
        problem(c, CODE_DERIVED, at->text,
                "\"%s\" is derived from the place of this section and the deployment's settings; "
                "remove it.",
                *name);
        place_pop(at, length);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): a solution holds its version, and that nothing more */
void check_service(struct check *c, const struct service_config *service, const json_t *value,
                   struct place *at)
{
    const struct service_operation *operation =
        service_operation_find(&service_personalize, service->operation);
    struct service_check s = { c, service, at->text, c->phase };
    struct service_check_options options = { .pointer = at->text,
                                             .optional = service->derived,
                                             .context = &s };
    const json_t *inner;

    if (!json_is_object(value)) {
        problem(c, CODE_WRONG_TYPE, at->text, "Expected an object here, found %s.",
                json_type_words(value));
        return;
    }
    report_derived(c, service, value, at);
    {
        AUTO_JSON json_t *request = as_request(c, service, value, at->text);

        (void) service_model_check(operation->input, request, &options, report);
    }
    c->phase = PHASE_TAGS;
    check_tag_rules(c, json_object_get(value, "tags"), place_below(at->text, "tags").text);
    c->phase = s.phase;
    inner = service->handled ? json_object_get(value, "solutionVersion") : NULL;
    if (inner) {
        size_t length = place_key(at, "solutionVersion");

        check_service(c, &service_solution_version, inner, at);
        place_pop(at, length);
    }
}
