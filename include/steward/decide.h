/*
 * decide.h - judging what a look found: one comparison for step decisions, plan, drift and status.
 *
 * Pure; allocates JSON only.
 */
#ifndef STEWARD_DECIDE_H
#define STEWARD_DECIDE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/kinds.h"
#include "steward/step.h"

/*
 * Members of desired that differ from observed (a Describe answer's resource): a list of {"field",
 * "desired", "observed", "inPlace": bool}. A member is wanted as far as it is given: nested objects
 * compare as a subset, since Describe fills in defaults. Schema texts compare as parsed Avro,
 * dataset types without case, filter expressions trimmed. An update in progress counts with the
 * values it will have. ignore: list of member names, or NULL. Caller owns; never NULL.
 */
json_t *decide_differences(const struct kind *kind, const json_t *desired, const json_t *observed,
                           const json_t *ignore);

/* The difference between on and off, in the same form, of a kind that can be either; NULL: none, or
 * it is on its way. state: "stopped", "any" (whoever switches it is left alone); NULL, "started".
 * Caller owns. */
json_t *decide_switch(const struct kind *kind, const char *state, const json_t *observed);

/* Whether a member of the kind can be changed by its Update operation. */
bool decide_is_in_place(const struct kind *kind, const char *member);

/* The status words of a Describe answer or summary; an update in progress shows through its own
 * status. */
const char *decide_status(const struct kind *kind, const json_t *observed);

/* What a described resource means for a step that wants `desired` there. differences may be NULL
 * when they don't count. */
enum seen decide_seen(const struct kind *kind, const json_t *observed, const json_t *differences);

/* Per-run kinds: which of the listed siblings is current (the AWS solution's rule), newest first.
 */
struct currency {
    bool is_renewal; /* a scheduled or asked-for run: whatever is ACTIVE is old; what is in progress
                        is adopted */
    int64_t max_age_s;  /* 0: any ACTIVE one is current */
    int64_t now_ms;     /* AWS time */
    int64_t data_ms;    /* newest data (AWS time); 0: unknown or not asked */
    bool has_data_time; /* imports: a job older than max_age stays current while no newer data
                           exists */
    bool is_of_data;    /* trainings: what began after the data came has learned it */
    bool is_forced;     /* make a new one even when nothing changed */
    bool is_finished;   /* what is still being made does not count */
};
/* Index into the list of summaries, or SIZE_MAX. */
size_t decide_current(const json_t *summaries, const struct currency *rule);
/* Whether a batch job that is there does what the request asks for, as far as both say it; true for
 * every other kind. ignore as above. */
bool decide_is_as_asked(const struct kind *kind, const json_t *request, const json_t *observed,
                        const json_t *ignore);
/* A training that failed only because no data came since the last FULL one: nothing was to be done.
 */
bool decide_is_without_news(const struct kind *kind, const json_t *observed);
/* AWS epoch seconds (JSON number) of a member, in milliseconds; 0 when absent. */
int64_t decide_time_ms(const json_t *observed, const char *member);

#endif
