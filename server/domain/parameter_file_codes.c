/*
 * parameter_file_codes.c - the stable codes of findings, and how findings are kept.
 *
 * docs/validation.md holds the same rows; a unit test compares them. A code never changes its
 * meaning; new ones are added.
 */
#include <stdio.h>
#include <string.h>

#include "parameter_file_internal.h"

const struct finding_code finding_codes[CODE_COUNT + 1] = {
    [CODE_JSON] = { "json", "The text is not JSON.", "Mend it at the line and column given." },
    [CODE_DUPLICATE_KEY] = { "duplicate-key", "A member name occurs twice in one object.",
                             "Keep one of them; which one was meant cannot be guessed." },
    [CODE_EMPTY] = { "empty", "The document holds nothing.",
                     "Start with {\"datasetGroup\": {\"serviceConfig\": {\"name\": \"…\"}}}." },
    [CODE_WRONG_TYPE] = { "wrong-type", "A value has another JSON type than the key takes.",
                          "Write the type the sentence names; to leave a value out, leave its key "
                          "out (null is no value)." },
    [CODE_MISSING] = { "missing", "A required key is absent.", "Add it." },
    [CODE_UNKNOWN_KEY] = { "unknown-key", "Nobody knows the key at this place.",
                           "Correct the spelling or remove it. A member of Amazon's API that is "
                           "newer than this server can be let through with "
                           "deployment.allowUnknown." },
    [CODE_TOO_SHORT] = { "too-short", "A text or list is shorter than the service takes.",
                         "Lengthen it." },
    [CODE_TOO_LONG] = { "too-long", "A text or list is longer than the service takes.",
                        "Shorten it." },
    [CODE_TOO_SMALL] = { "too-small", "A number is below the least value.", "Raise it." },
    [CODE_TOO_LARGE] = { "too-large", "A number is above the greatest value.", "Lower it." },
    [CODE_PATTERN] = { "pattern", "A text does not have the form the service takes.",
                       "Write it in the form the sentence names." },
    [CODE_ENUM] = { "enum", "A text is none of the values allowed.",
                    "Use one of the values listed." },
    [CODE_DERIVED] = { "derived", "The file gives a value that Steward derives.",
                       "Remove it: it follows from the place of the section, or from the "
                       "deployment's settings." },
    [CODE_CONFLICT] = { "conflict", "Two settings exclude each other, or one lacks its partner.",
                        "Change one of the two as the sentence says." },
    [CODE_DUPLICATE_NAME] = { "duplicate-name", "Two resources of one kind have the same name.",
                              "Rename one: a name is one resource." },
    [CODE_DUPLICATE_TAG] = { "duplicate-tag", "A tag key occurs twice in one list.",
                             "Keep one of them." },
    [CODE_RESERVED_TAG] = { "reserved-tag", "A tag key begins with \"aws:\" or \"steward:\".",
                            "Choose another key; these prefixes belong to Amazon and to Steward." },
    [CODE_TOO_MANY_TAGS] = { "too-many-tags", "A resource would carry more than 50 tags.",
                             "Keep at most 48: Steward adds two of its own." },
    [CODE_BAD_SCHEDULE] = { "bad-schedule", "A schedule cannot be understood.",
                            "Write cron(minutes hours day-of-month month day-of-week year), "
                            "rate(…), at(…), \"delete\", or the object form." },
    [CODE_BAD_DURATION] = { "bad-duration", "A duration cannot be understood.",
                            "Write for example \"1 day\", \"90 minutes\" or \"P30D\"." },
    [CODE_BAD_TIME] = { "bad-time",
                        "A point in time cannot be understood, or two are in the wrong order.",
                        "Write RFC 3339, for example \"2027-01-31T06:00:00Z\"." },
    [CODE_BAD_TIME_ZONE] = { "bad-time-zone", "The time zone is unknown.",
                             "Use an IANA name such as \"Europe/Berlin\"." },
    [CODE_BAD_AVRO] = { "bad-avro", "The schema is not an Avro schema.",
                        "Mend it as the sentence says." },
    [CODE_SCHEMA_SHAPE] = { "schema-shape",
                            "The schema is Avro, but not the flat record Amazon Personalize takes.",
                            "Use one record whose fields are plain types or unions with null." },
    [CODE_SCHEMA_NAME] = { "schema-name", "The record's name does not fit the dataset.",
                           "Name the record after the dataset type: Interactions, Users, Items, "
                           "Actions or Action_Interactions." },
    [CODE_SCHEMA_NAMESPACE] = { "schema-namespace",
                                "The record's namespace is not Amazon Personalize's.",
                                "Set it to com.amazonaws.personalize.schema." },
    [CODE_SCHEMA_FIELD_MISSING] = { "schema-field-missing",
                                    "A field that the dataset type (and domain) needs is absent.",
                                    "Add the field with the type the sentence names." },
    [CODE_SCHEMA_FIELD_NAME] = { "schema-field-name",
                                 "A field's name is not allowed, or clashes with another.",
                                 "Use letters, digits and _, and names that still differ without "
                                 "the _." },
    [CODE_SCHEMA_FIELD_TYPE] = { "schema-field-type",
                                 "A field has a type that its name or the service does not allow.",
                                 "Use the type the sentence names." },
    [CODE_SCHEMA_METADATA] = { "schema-metadata",
                               "A text field says neither or both of categorical and textual, or a "
                               "dataset has no metadata.",
                               "Mark each text field with \"categorical\": true, or, in Items, "
                               "\"textual\": true." },
    [CODE_SCHEMA_LIMIT] = { "schema-limit", "The schema has more fields than the service takes.",
                            "Remove fields." },
    [CODE_SCHEMA_DOMAIN] = { "schema-domain", "The schema's domain is not the dataset group's.",
                             "Give schema and dataset group the same domain, or none." },
    [CODE_BAD_FILTER] = { "bad-filter", "A filter expression does not follow the grammar.",
                          "Mend it at the position given." },
    [CODE_FILTER_FIELD] = { "filter-field",
                            "A filter uses a field that no schema of the file has, or of a type "
                            "that filters cannot use.",
                            "Correct the field, or add it to the schema." },
    [CODE_UNKNOWN_RECIPE] = { "unknown-recipe", "There is no such recipe.",
                              "Use one of the recipes that GET /recipes lists." },
    [CODE_RECIPE_USE] = { "recipe-use", "The recipe cannot be used in this place.",
                          "Use a recipe that can, or remove what does not go with it." },
    [CODE_RECIPE_DOMAIN] = { "recipe-domain",
                             "The recipe belongs to another domain than the dataset group.",
                             "Choose a recipe of the group's domain, or set the domain." },
    [CODE_RECIPE_DATASET] = { "recipe-dataset",
                              "The recipe needs a dataset that the file does not have.",
                              "Add the dataset, or choose another recipe." },
    [CODE_TRAINING_MODE] = { "training-mode", "The recipe cannot be trained in this mode.",
                             "Use FULL, and `full` instead of `update` in schedules." },
    [CODE_AUTO_SYNC] = { "auto-sync",
                         "A campaign that follows new versions by itself cannot be gated.",
                         "Remove syncWithLatestSolutionVersion, or set promotion.policy to "
                         "automatic." },
    [CODE_UNKNOWN_NAME] = { "unknown-name", "A name refers to something the file does not have.",
                            "Correct the name." },
    [CODE_NO_EFFECT] = { "no-effect", "The value has no effect (warning).", "Remove it." },
    [CODE_AUTO_TRAINING] = { "auto-training",
                             "Amazon's automatic training and a schedule both ask to train the "
                             "solution (warning).",
                             "Keep one; with a schedule in the file Steward sends "
                             "performAutoTraining: false." },
    [CODE_CHANGED_MEANING] = { "changed-meaning",
                               "The AWS solution read this part of the file in another way "
                               "(warning).",
                               "Check that the meaning described is what you want." },
    [CODE_PASSED_THROUGH] = { "passed-through",
                              "An unknown member is sent to Amazon as deployment.allowUnknown asks "
                              "(warning).",
                              "Nothing, if that is what you want." },
    [CODE_TOO_MANY] = { "too-many", "There are more problems than are listed.",
                        "Mend those that are listed first." },
};

/* Cuts a pointer that is too long at a token's boundary: what is left leads to an ancestor. */
static void copy_pointer(char out[POINTER_BYTES], const char *pointer)
{
    size_t n = strlen(pointer);

    if (n < POINTER_BYTES) {
        memcpy(out, pointer, n + 1);
        return;
    }
    memcpy(out, pointer, POINTER_BYTES - 1);
    out[POINTER_BYTES - 1] = '\0';
    *strrchr(out, '/') = '\0';
}

static void add_finding(struct findings *f, const char *pointer, const char *code, struct buf *text)
{
    struct finding *item;
    size_t size = text->length < 1200 ? text->length + 1 : 1200;

    if (f->count == f->capacity) {
        f->capacity = f->capacity ? f->capacity * 2 : 8;
        f->items = xrealloc(f->items, f->capacity * sizeof *f->items);
    }
    item = &f->items[f->count++];
    *item = (struct finding){ .detail = xmalloc(size) };
    copy_pointer(item->pointer, pointer);
    (void) str_copy(item->code, sizeof item->code, code);
    (void) str_copy(item->detail, size, text->data ? text->data : "");
}

void findings_add(struct findings *f, const char *pointer, const char *code, const char *fmt, ...)
{
    AUTO_BUF struct buf text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    add_finding(f, pointer, code, &text);
}

bool check_is_full(const struct check *c)
{
    return c->errors[c->phase].count >= FINDINGS_MAX;
}

void problem(struct check *c, enum code code, const char *pointer, const char *fmt, ...)
{
    AUTO_BUF struct buf text = { 0 };
    va_list ap;

    if (check_is_full(c)) {
        c->n_dropped++;
        return;
    }
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    add_finding(&c->errors[c->phase], pointer, finding_codes[code].code, &text);
}

void caution(struct check *c, enum code code, const char *pointer, const char *fmt, ...)
{
    AUTO_BUF struct buf text = { 0 };
    va_list ap;

    if (c->warnings[c->phase].count >= FINDINGS_MAX)
        return; /* a thousand warnings of one kind say it all */
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    add_finding(&c->warnings[c->phase], pointer, finding_codes[code].code, &text);
}

json_t *findings_to_json(const struct findings *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < f->count; i++) {
        const struct finding *item = &f->items[i];
        json_t *one = json_object();

        json_object_set_new(one, "pointer", json_string(item->pointer));
        json_object_set_new(one, "code", json_string(item->code));
        json_object_set_new(one, "detail", json_string(item->detail));
        if (item->line > 0) {
            json_object_set_new(one, "line", json_integer(item->line));
            json_object_set_new(one, "column", json_integer(item->column));
        }
        json_array_append_new(list, one);
    }
    return list;
}

void findings_done(struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->items[i].detail);
    free(f->items);
    *f = (struct findings){ 0 };
}

size_t place_key(struct place *p, const char *key)
{
    size_t length = strlen(p->text);

    if (!json_pointer_key(p->text, sizeof p->text, key))
        p->text[length] = '\0';
    return length;
}

size_t place_index(struct place *p, size_t index)
{
    size_t length = strlen(p->text);

    if (!json_pointer_index(p->text, sizeof p->text, index))
        p->text[length] = '\0';
    return length;
}

void place_pop(struct place *p, size_t length)
{
    p->text[length] = '\0';
}

struct place place_below(const char *base, const char *path)
{
    struct place p = { "" };

    if (snprintf(p.text, sizeof p.text, "%s/%s", base, path) >= (int) sizeof p.text)
        (void) str_copy(p.text, sizeof p.text, base);
    return p;
}

void nearest_names(struct buf *out, const char *name, const char *const *known)
{
    const char *best[3] = { NULL };
    unsigned distance[3] = { 0 };

    for (; *known; known++) {
        const char *candidate = *known;
        unsigned d = str_distance(name, candidate);

        for (size_t i = 0; i < ARRAY_LEN(best); i++) {
            if (best[i] && distance[i] <= d)
                continue;
            for (size_t k = ARRAY_LEN(best) - 1; k > i; k--) {
                best[k] = best[k - 1];
                distance[k] = distance[k - 1];
            }
            best[i] = candidate;
            distance[i] = d;
            break;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(best) && best[i]; i++)
        buf_printf(out, "%s\"%s\"", i ? ", " : "", best[i]);
}
