/*
 * event_types.h - the types of events there are, each with a JSON Schema of the CloudEvent.
 */
#ifndef STEWARD_EVENT_TYPES_H
#define STEWARD_EVENT_TYPES_H

#include <jansson.h>
#include <stddef.h>

struct event_type {
    const char *name;    /* "run.succeeded" */
    const char *summary; /* one sentence */
    const char *subject; /* pattern of the subject: "^runs/run_…$" */
    unsigned fields;     /* groups of members of data, of enum event_fields (event_types.c) */
};

extern const struct event_type event_types[];
extern const size_t n_event_types;

const struct event_type *event_type_find(const char *name); /* NULL when there is none */
/* JSON Schema (2020-12) of the whole event. Members may be added in later releases, so it does not
 * forbid others. Caller owns. */
json_t *event_type_schema(const struct event_type *t);

#endif
